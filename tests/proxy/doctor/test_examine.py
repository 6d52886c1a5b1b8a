"""From a file to its report: what was put in is found, what was not is not, and memory does not grow."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.doctor.survey import named_servers
from tests.proxy.doctor.traffic import (
    ALICE,
    BOB,
    SERVER,
    answer,
    by_stream,
    clean_call,
    invite,
    message,
    names,
    register,
    report_on,
)
from tests.support.captures import pcap, pcapng, udp

CLEAN = sorted((Path(__file__).parents[2] / "corpus" / "clean").glob("*.sip"))


def test_clean_call_gives_an_empty_report():
    report = report_on(clean_call())
    assert names(report) == {}
    assert report.settings == ""
    assert (report.messages, report.elsewhere) == (11, 0)
    assert sorted((party.kind, party.name, party.messages) for party in report.parties) == [
        ("client", "Phone/1.0", 5),
        ("server", "Asterisk PBX 20", 6),
    ]


def test_clean_streams_give_an_empty_report():
    """By TCP a client sends from another port than it listens at, and a WebSocket frame needs no Content-Length."""
    via = "SIP/2.0/TCP 93.184.216.40:5060;branch=z9hG4bKt"
    tcp = invite(Via=via, Contact="<sip:alice@93.184.216.40:5060;transport=tcp>", User_Agent="T")
    web = message("MESSAGE sip:bob@example.com SIP/2.0", "hello", Via=via.replace("TCP", "WS"), Content_Length=None)
    report = report_on([udp(ALICE, SERVER, register()), *by_stream(tcp), *by_stream(web, web=True, client=BOB)])
    assert names(report) == {}
    assert report.messages == 3
    assert report.transports == {"udp", "tcp", "ws"}


@pytest.mark.parametrize(
    ("client", "server"),
    [(("192.168.1.9", 5060), ("192.168.1.1", 5060)), (("10.0.0.9", 5060), ("192.168.1.1", 5060)),
     (("127.0.0.1", 5070), ("127.0.0.1", 5060)), (("198.51.100.7", 5060), ("203.0.113.5", 5060))],
)  # fmt: skip
def test_private_addresses_are_right_where_both_ends_are_private(client, server):
    """An office without NAT, a test on one machine, and a capture that was made anonymous."""
    host, port = client
    via = f"SIP/2.0/UDP {host}:{port};branch=z9hG4bK1"
    packets = [udp(client, server, one(Via=via, Contact=f"<sip:alice@{host}:{port}>")) for one in (register, invite)]
    assert names(report_on(packets)) == {}


def test_private_contact_from_a_public_address_is_found():
    report = report_on([udp(ALICE, SERVER, register(Contact="<sip:alice@192.168.1.9:5060>"))])
    assert names(report) == {"Phone/1.0": ["contact-private"]}


@pytest.mark.parametrize("path", CLEAN, ids=lambda path: path.stem)
def test_clean_corpus_gives_no_finding_but_its_addresses(path):
    """Its messages use addresses of several networks; nothing else about them is wrong."""
    octets = path.read_text().replace("\n", "\r\n").encode()
    report = report_on(octets)
    assert {finding for found in names(report).values() for finding in found} <= {"contact-port-mismatch"}


def test_defects_are_found_by_client_with_counts_and_one_example():
    packets = clean_call()
    via = "SIP/2.0/UDP 93.184.216.35;branch=z9hG4bK"
    for number in range(3):
        headers = {"Call_ID": f"x{number}", "Via": f"{via}{number}", "User_Agent": "Bad/2"}
        packets.append(udp(BOB, SERVER, invite(Contact=None, **headers)))
    packets.append(udp(BOB, SERVER, message("BYE sip:x SIP/2.0", Via=via, Max_Forwards=None)))
    report = report_on(packets)
    assert names(report)["Bad/2"] == ["contact-missing-request"]
    (party,) = [party for party in report.ill if party.name == "Bad/2"]
    (finding,) = party.sorted
    assert (finding.count, finding.severity, finding.rule) == (3, "error", "contact-missing-request")
    assert finding.example.number == 12
    assert finding.example.lines[0] == (" ", b"INVITE sip:bob@example.com SIP/2.0")
    assert finding.example.lines[1][0] == "+"
    assert names(report)["Phone/1.0"] == ["maxfwd-missing"], "the BYE says itself whose it is"


def test_client_that_names_itself_once_is_known_by_its_address():
    packets = [udp(ALICE, SERVER, register()), udp(ALICE, SERVER, invite(User_Agent=None, Contact=None))]
    assert names(report_on(packets)) == {"Phone/1.0": ["contact-missing-request"]}
    packets = [udp(ALICE, SERVER, invite(User_Agent=None, Contact=None))]
    assert names(report_on(packets)) == {"client without User-Agent at 93.184.216.34": ["contact-missing-request"]}


def test_retransmissions_count_once():
    packets = [udp(ALICE, SERVER, invite(Contact=None))] * 5
    (party,) = report_on(packets).ill
    assert party.sorted[0].count == 1
    assert party.messages == 1


def test_server_is_a_party_of_its_own():
    packets = [udp(ALICE, SERVER, invite()), udp(SERVER, ALICE, answer(200, "INVITE"))]
    report = report_on(packets)
    assert names(report) == {"Asterisk PBX 20": ["contact-missing-response"]}
    assert report.ill[0].kind == "server"


def test_message_that_breaks_the_rfc_is_unusable():
    report = report_on([udp(ALICE, SERVER, invite(Call_ID=None)), udp(ALICE, SERVER, b"SIP/2.0 2x0 OK\r\n\r\n")])
    assert names(report)["Phone/1.0"] == ["unusable-message"]
    assert "Call-ID is missing" in report.ill[0].sorted[0].example.reason


def test_server_can_be_named():
    packets = [udp(SERVER, ALICE, invite(Contact=None))]
    assert names(report_on(packets)) != {}
    report = report_on(packets, servers=named_servers(("93.184.216.1",)))
    assert names(report) == {}
    assert (report.servers, report.servers_guessed) == (["93.184.216.1"], False)


def test_messages_between_servers_are_not_judged():
    other = ("93.184.216.2", 5060)
    packets = [udp(ALICE, SERVER, register()), udp(SERVER, other, register(Contact="<sip:x@10.0.0.1>"))]
    report = report_on(packets, servers=named_servers(("93.184.216.1", "93.184.216.2")))
    assert report.elsewhere == 1
    assert names(report) == {}


def test_guessed_domain_is_told_and_not_judged_by():
    report = report_on(clean_call())
    assert (report.domain, report.domain_guessed) == ("example.com", True)
    report = report_on(clean_call(), domain="Example.com")
    assert (report.domain, report.domain_guessed) == ("Example.com", False)


def test_damaged_file_reports_what_could_be_read():
    octets = pcap([udp(ALICE, SERVER, invite(Contact=None))]) + b"\1\2\3"
    report = report_on(octets)
    assert names(report) == {"Phone/1.0": ["contact-missing-request"]}
    assert "in the header of packet 2" in report.tally.stopped


def test_clients_are_bounded():
    """A hostile capture: each message is by somebody else."""
    packets = [udp(ALICE, SERVER, invite(User_Agent=f"Agent{n}", Call_ID=str(n), Contact=None)) for n in range(400)]
    report = report_on(packets)
    assert report.too_many
    assert len(report.parties) == 301
    assert sum(party.messages for party in report.parties) == 400


@settings(max_examples=40)
@given(st.sampled_from([pcap(clean_call()), pcapng(clean_call())]), st.data())
def test_damage_anywhere_never_crashes(octets, data):
    changed = bytearray(octets)
    for _ in range(data.draw(st.integers(1, 30))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    report_on(bytes(changed))
