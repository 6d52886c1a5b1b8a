"""SDP that names an address nobody outside the client's network can reach."""

from __future__ import annotations

import pytest
from ruling import CATALOG, Run, put, request, response

from proxy.repair.rule import RESPONSE_IN, SettingError
from proxy.repair.sample import sample_context, sample_flow, sample_message

RULE = CATALOG.rule("sdp-private-address")
SOURCE = "udp:8.8.4.4:5060"
LINES = (
    "v=0", "o=alice 1 1 IN IP4 192.168.1.100", "s=-", "c=IN IP4 192.168.1.100", "t=0 0", "m=audio 49172 RTP/AVP 0",
)  # fmt: skip


def sdp(*lines):
    return "".join(f"{line}\n" for line in lines or LINES)


def offer(body, *headers, method="INVITE", make=request, kind="application/sdp"):
    """A message with that body, its length told as on the wire."""
    text = make(method, *headers) if make is request else make(200, method, *headers)
    length = len(body.encode()) + body.count("\n")
    head = text.replace("Content-Length: 0", f"Content-Type: {kind}\nContent-Length: {length}")
    return head.rstrip("\n") + "\n\n" + body


def mended(body, *headers, sender=SOURCE, rule=RULE, **more):
    return put(offer(body, *headers, **more), sender, rules=[rule])


@pytest.mark.parametrize("method", ["INVITE", "ACK", "PRACK", "UPDATE"])
def test_address_of_the_packet_takes_its_place(method):
    run = mended(sdp(), method=method)
    assert run.text.endswith("\n\n" + sdp().replace("192.168.1.100", "8.8.4.4"))
    assert run.fired == ["sdp-private-address"] * 2
    assert [(record.header, record.before, record.after) for record in run.records] == [
        ("Body", b"o=alice 1 1 IN IP4 192.168.1.100", b"o=alice 1 1 IN IP4 8.8.4.4"),
        ("Body", b"c=IN IP4 192.168.1.100", b"c=IN IP4 8.8.4.4"),
    ]


def test_answers_are_mended_too():
    run = put(offer(sdp(), make=response), SOURCE, stage=RESPONSE_IN, rules=[RULE])
    assert "c=IN IP4 8.8.4.4" in run.text


@pytest.mark.parametrize("length", ["Content-Length: ", "l:", "Content-Length:\t"])
def test_length_follows_in_the_spelling_it_has(length):
    text = offer(sdp()).replace("Content-Length: ", length)
    run = put(text, SOURCE, rules=[RULE])
    assert int(run.lines(length.partition(":")[0])[0].partition(":")[2]) == len(run.message.body)
    assert len(run.message.body) == len(sdp()) + sdp().count("\n") - 12  # two addresses, each shorter by 6


def test_length_that_is_not_told_is_not_added():
    run = put(offer(sdp()).replace("Content-Length: 100\n", ""), "wss:8.8.4.4:50112", rules=[RULE])
    assert run.lines("Content-Length") == []
    assert run.fired


def test_each_medium_has_its_address():
    audio = ("m=audio 1 RTP/AVP 0", "c=IN IP4 10.1.2.3")
    video = ("m=video 2 RTP/AVP 31", "c=IN IP4 203.0.113.7")
    more = ("m=video 3 RTP/AVP 31", "c=IN IP4 100.64.0.9", "a=rtcp:7 IN IP4 100.64.0.9")
    body = sdp(*LINES[:3], "t=0 0", *audio, *video, *more)
    run = mended(body, sender="udp:9.9.9.9:5060")
    assert run.lines_of_body("c=") == ["c=IN IP4 9.9.9.9"] * 3
    assert run.lines_of_body("a=rtcp") == ["a=rtcp:7 IN IP4 9.9.9.9"]


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "172.16.9.9", "192.168.1.100", "100.64.3.7", "169.254.3.4", "127.0.0.1", "203.0.113.9"]
)
def test_addresses_that_lead_nowhere(address):
    assert mended(sdp("v=0", f"c=IN IP4 {address}"), sender="udp:9.9.9.9:5060").fired


@pytest.mark.parametrize("address", ["fd00::7", "fe80::1", "::1", "2001:db8::7"])
def test_addresses_that_lead_nowhere_by_ipv6(address):
    run = mended(sdp("v=0", f"c=IN IP6 {address}"), sender="udp:[2a00::7]:5060")
    assert run.lines_of_body("c=") == ["c=IN IP6 2a00::7"]


@pytest.mark.parametrize(
    ("body", "sender"),
    [
        (sdp("v=0", "c=IN IP4 9.9.9.9"), "udp:8.8.8.8:1"),  # it may know better (STUN, a media relay)
        (sdp("v=0", "c=IN IP4 0.0.0.0"), SOURCE),  # on hold, as RFC 2543 said it
        (sdp("v=0", "c=IN IP6 ::"), "udp:[2a00::7]:5060"),
        (sdp("v=0", "c=IN IP4 192.168.1.100"), "udp:192.168.1.100:5060"),  # no NAT
        (sdp("v=0", "c=IN IP4 192.168.7.1"), "udp:192.168.1.100:5060"),  # the same site: it may have both
        (sdp("v=0", "c=IN IP4 192.168.1.100"), "udp:[2a00::7]:5060"),  # the other protocol
        (sdp("v=0", "c=IN IP6 fd00::7"), SOURCE),
        (sdp("v=0", "c=IN IP4 192.168.1.100"), "udp:127.0.0.1:9"),  # a proxy of this machine
        (sdp("v=0", "c=IN IP4 192.168.1.100"), "udp:169.254.0.1:9"),
        (sdp("v=0", "c=IN IP4 host.invalid"), SOURCE),
        (sdp("v=0", "c=IN IP4 224.2.1.1/127"), SOURCE),
        (sdp(*LINES, "a=candidate:1 1 UDP 2130706431 192.168.1.100 8998 typ host"), SOURCE),
        (sdp(*LINES, "a=ice-ufrag:8hhY"), SOURCE),
        (sdp(*LINES[:3], "c=IN IP4 9.9.9.9", "m=audio 0 RTP/AVP 0", "c=IN IP4 192.168.1.100")
         .replace("o=alice 1 1 IN IP4 192.168.1.100", "o=alice 1 1 IN IP4 9.9.9.9"), SOURCE),
        ("", SOURCE),
    ],
)  # fmt: skip
def test_what_is_left_alone(body, sender):
    run = mended(body, sender=sender)
    assert run.fired == []


def test_a_held_medium_stays_held_beside_one_that_is_mended():
    """And the origin is the same in every message of the dialog, held or not (RFC 3264 section 8)."""
    body = sdp(*LINES[:3], "c=IN IP4 0.0.0.0", *LINES[4:])
    run = mended(body)
    assert run.lines_of_body("c=") == ["c=IN IP4 0.0.0.0"]
    assert run.lines_of_body("o=") == ["o=alice 1 1 IN IP4 8.8.4.4"]


@pytest.mark.parametrize(
    "header",
    [
        'Authorization: Digest username="alice", qop=auth-int, nc=00000001, response="x"',
        'Proxy-Authorization: Digest username="alice", qop="auth-int"',
        "Identity: eyJ.x.y;info=<https://cert.example.org/p.cer>",
        "Content-Encoding: gzip",
        "Via: SIP/2.0/UDP p.example.com;branch=z9hG4bK1\nVia: SIP/2.0/UDP 192.168.1.9;branch=z9hG4bK2",
    ],
)
def test_what_is_signed_or_comes_from_another_proxy_is_left_alone(header):
    assert mended(sdp(), header).fired == []


@pytest.mark.parametrize("kind", ["multipart/mixed;boundary=x", "application/pkcs7-mime", "text/plain"])
def test_other_bodies_are_left_alone(kind):
    assert mended(sdp(), kind=kind).fired == []


def test_second_hop_is_left_alone():
    message = sample_message(offer(sdp()))
    context = sample_context(message, sample_flow(SOURCE))
    context.second_hop = True
    assert Run(message, sample_flow(SOURCE), context, rules=[RULE]).fired == []


def test_the_origin_may_be_left():
    run = mended(sdp(), rule=RULE.configured({"origin": "leave"}))
    assert run.lines_of_body("o=") == ["o=alice 1 1 IN IP4 192.168.1.100"]
    assert run.lines_of_body("c=") == ["c=IN IP4 8.8.4.4"]
    with pytest.raises(SettingError, match="expected one of rewrite, leave"):
        RULE.configured({"origin": "keep"})


def test_report_shows_the_line():
    run = put(offer(sdp()), SOURCE, rules=[RULE], mode="report")
    assert [(record.header, record.before, record.after) for record in run.records] == [
        ("Body", b"o=alice 1 1 IN IP4 192.168.1.100", None)
    ]
    assert "192.168.1.100, which the server cannot reach; the message came from 8.8.4.4" in run.records[0].reason


@pytest.mark.parametrize("sender", ["udp:198.51.100.7:5060", "tcp:203.0.113.9:4711"])
def test_clients_in_a_network_of_the_server_are_left_alone(sender):
    """What `networks.local` names, the sample networks here."""
    assert mended(sdp(), sender=sender).fired == []


def test_a_source_with_a_small_number_is_an_address_like_others():
    assert mended(sdp("v=0", "c=IN IP6 fd00::7"), sender="udp:[::7]:5060").fired == ["sdp-private-address"]


@pytest.mark.parametrize(("more", "fired"), [(98, 100), (99, 0)])
def test_more_addresses_than_any_session_has(more, fired):
    """A body that swells beyond bounds would be refused by the guard, and the tenth refusal turns a rule off."""
    run = mended(sdp(*LINES, *["c=IN IP4 10.0.0.1"] * more))
    assert len(run.lines_of_body("c=")) == more + 1
    assert ("8.8.4.4" in run.text.partition("\n\n")[2]) is bool(fired)
    assert not run.counts.plugin_errors


def test_a_body_longer_than_any_session_is_left_alone():
    assert mended(sdp(*LINES, "a=x:" + "x" * 32768)).fired == []


def test_a_report_leaves_every_octet():
    message = sample_message(offer(sdp()))
    before = message.octets()
    run = Run(message, sample_flow(SOURCE), rules=[RULE], mode="report")
    assert run.fired == ["sdp-private-address"]
    assert message.octets() == before
