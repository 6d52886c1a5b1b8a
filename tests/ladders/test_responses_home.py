"""Where responses go: `received` and `rport`, other ports, connections that are gone."""

from __future__ import annotations

import pytest

from tests.support.flows import registration, shown
from tests.support.ladder import Ladder, after, nothing
from tests.support.sip_text import SipText
from tests.support.world import World

ANY = ["{*}", "{*}"]


def exchange(field, party, pbx, via):
    return (
        Ladder(field)
        >> party.sends("MESSAGE sip:bob@example.com", via=via)
        << pbx.gets("MESSAGE")
        >> pbx.sends(200)
        << party.gets(200)
    )


def test_rport_goes_to_the_source_port(field, pbx):
    """RFC 3581: to where the packet came from."""
    party = field.client("party", "198.51.100.20:31000")
    assert exchange(field, party, pbx, "SIP/2.0/UDP 198.51.100.20:5060;rport;branch=z9hG4bK1")


def test_without_rport_from_behind_nat_goes_to_the_source_port(field, pbx):
    """A private sent-by is no port that we could reach."""
    party = field.client("party", "198.51.100.20:31000")
    assert exchange(field, party, pbx, "SIP/2.0/UDP 192.168.1.20:5060;branch=z9hG4bK1")


@pytest.mark.parametrize("port", [":5080", ""])
def test_asymmetric_sender_gets_it_at_its_sent_by_port(field, pbx, port):
    """18.2.2: sends from one port, listens on that of its sent-by (5060 without one)."""
    party = field.client("party", "198.51.100.20:31000")
    listens = field.client("listens", f"198.51.100.20{port or ':5060'}")
    ladder = (
        Ladder(field)
        >> party.sends("MESSAGE sip:bob@example.com", via=f"SIP/2.0/UDP 198.51.100.20{port};branch=z9hG4bK1")
        << pbx.gets("MESSAGE")
    )
    assert ladder
    listens.sent.append(party.sent[-1])
    assert Ladder(field) >> pbx.sends(200) << listens.gets(200)


def test_answer_of_our_own_goes_the_same_way(field, pbx):
    """483 to an asymmetric sender."""
    party = field.client("party", "198.51.100.20:31000")
    listens = field.client("listens", "198.51.100.20:5080")
    via = "SIP/2.0/UDP 198.51.100.20:5080;branch=z9hG4bK1"
    listens.sent.append(same_request(party, via))
    message = party.sends("MESSAGE sip:bob@example.com", via=via, max_forwards=0, call_id="c", from_="<sip:a@b>;tag=1")
    assert Ladder(field) >> message << listens.gets(483)


def same_request(party, via):
    return SipText(
        f"MESSAGE sip:bob@example.com SIP/2.0\r\nVia: {via}\r\nFrom: <sip:a@b>;tag=1\r\n"
        "To: <sip:bob@example.com>\r\nCall-ID: c\r\nCSeq: 1 MESSAGE\r\n\r\n".encode()
    )


def test_browser_that_reconnected_while_it_rang_gets_the_answer(edge, alice, k):
    """The connection is gone: to the current flow of the binding that sent the request."""
    assert (
        Ladder(edge)
        >> registration(alice, k, "T")
        >> alice.sends("INVITE sip:bob@example.com")
        << k.gets("INVITE", contact=shown(alice, "T"), record_route=ANY)
        >> k.sends(180)
        << alice.gets(180)
        >> alice.closes()
        >> alice.connects("198.51.100.7:50999")
        >> registration(alice, k, "T")
        >> k.sends(200, answers="INVITE")
        << alice.gets(200)
    )


def test_answer_to_a_browser_that_is_gone_is_dropped(edge, alice, k):
    """No connection is ever opened to a browser: dropped and counted."""
    assert (
        Ladder(edge)
        >> alice.sends("INVITE sip:bob@example.com")
        << k.gets("INVITE", contact="{*}", record_route=ANY)
        >> alice.closes()
        >> k.sends(180)
        << nothing
        >> k.sends(200)
        << nothing
        >> after(40)
        << nothing
    )
    assert edge.counts.dropped["response_flow_gone"] >= 1


def test_own_answer_to_a_browser_that_is_gone_is_dropped(edge, alice, k):
    """The 100 and the 408 of ours have nowhere to go either."""
    ladder = (
        Ladder(edge)
        >> alice.sends("MESSAGE sip:bob@example.com")
        << k.gets("MESSAGE")
        >> alice.closes()
        >> k.sends(404)
        << nothing
    )
    assert ladder


def test_tcp_answer_reopens_to_the_sent_by_port(field, tom, pbx):
    """18.2.2: one connection to the packet's source IP and the sent-by port."""
    assert (
        Ladder(field)
        >> tom.sends("INVITE sip:bob@example.com", via="SIP/2.0/TCP 192.168.1.30:5066;branch=z9hG4bKt")
        << pbx.gets("INVITE", contact="{*}", record_route=ANY)
        >> tom.closes()
        >> pbx.sends(180)
        << tom.is_connected()
        << tom.gets(180)
        >> pbx.sends(200)
        << tom.gets(200)
    )
    assert tom.flow.address == ("198.51.100.30", 5066)


def test_tls_answer_is_never_reopened():
    """A phone has no certificate by which we could know it: dropped and counted."""
    world = World(clients=("tls://edge.example.com:5061",))
    tess, pbx = world.client("tess", "198.51.100.30:41000"), world.server("pbx")
    assert (
        Ladder(world)
        >> tess.sends("INVITE sip:bob@example.com", via="SIP/2.0/TLS 198.51.100.30:5061;branch=z9hG4bKt")
        << pbx.gets("INVITE", contact="{*}", record_route=ANY)
        >> tess.closes()
        >> pbx.sends(180)
        << nothing
    )
    assert world.counts.dropped["response_flow_gone"] == 1


def test_tcp_answer_goes_to_the_moved_binding_first(field, tom, pbx):
    """A registered client that came back: its new connection, no other is opened."""
    assert (
        Ladder(field)
        >> registration(tom, pbx, "T")
        >> tom.sends("INVITE sip:bob@example.com")
        << pbx.gets("INVITE", contact=shown(tom, "T"), record_route=ANY)
        >> tom.closes()
        >> tom.connects("198.51.100.30:42999")
        >> registration(tom, pbx, "T")
        >> pbx.sends(200, answers="INVITE")
        << tom.gets(200)
    )


def test_answers_of_the_client_go_to_the_server(field, anna, pbx):
    """And those to a request of the server to where it sent it from."""
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> pbx.sends("MESSAGE sip:anna@10.0.0.2:5070;transport=udp;b={T}")
        << anna.gets("MESSAGE sip:anna@192.168.1.20:5060")
        >> anna.sends(486)
        << pbx.gets(486)
    )
