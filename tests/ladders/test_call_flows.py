"""What every proxy does: retransmissions, 100, CANCEL, ACK, forks, timers, refusals, strays, limits."""

from __future__ import annotations

import pytest

from tests.support.flows import registration, shown
from tests.support.ladder import Ladder, after, does, nothing
from tests.support.world import World

ANY = ["{*}", "{*}"]
OWN = "sip:anna@192.168.1.20:5060"
URI = "sip:anna@10.0.0.2:5070;transport=udp;b={T}"
INVITE = "INVITE sip:bob@example.com"


def invited(anna, pbx, **headers):
    return [anna.sends(INVITE, **headers), pbx.gets("INVITE", contact="{*}", record_route=ANY, **headers_out(headers))]


def headers_out(headers):
    return {name: value for name, value in headers.items() if name not in ("call_id", "contact", "via", "max_forwards")}


# -- 17.2, 17.1


def test_retransmitted_request_is_absorbed(field, anna, pbx):
    """Nothing is sent twice for it; the answer comes once and again for each later repetition."""
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com")
        << pbx.gets("MESSAGE")
        >> anna.repeats()
        << nothing
        >> pbx.sends(200)
        << anna.gets(200)
        >> anna.repeats("MESSAGE")
        << anna.gets(200, again=True)
        >> after(33)
        << nothing
    )


def test_100_after_200_ms_of_silence(field, anna, pbx):
    """The server is silent: 100 from us, before 200 ms have passed; the repeated INVITE gets it again."""
    assert (
        Ladder(field)
        >> invited(anna, pbx)
        >> after(0.1)
        << nothing
        >> after(0.1)
        << anna.gets("100 Trying", at=0.15)
        >> anna.repeats()
        << anna.gets(100, again=True)
    )


@pytest.mark.parametrize("status", [180, 183])
def test_no_100_where_the_server_answered(field, anna, pbx, status):
    assert Ladder(field) >> invited(anna, pbx) >> pbx.sends(status) << anna.gets(status) >> after(1) << nothing


def test_100_of_the_server_is_not_passed_on(field, anna, pbx):
    """100 is hop by hop; ours comes all the same."""
    assert Ladder(field) >> invited(anna, pbx) >> pbx.sends(100) << nothing >> after(0.2) << anna.gets(100, at=0.15)


def test_no_100_to_other_methods(field, anna, pbx):
    """RFC 4320: none to a non-INVITE before 3.5 s have passed, nor any that the server gives."""
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com")
        << pbx.gets("MESSAGE")
        >> pbx.sends(100)
        << nothing
        >> after(3)
        << pbx.gets("MESSAGE", again=True, at=0.5)
        << nothing
    )


def test_invite_to_a_silent_server(field, anna, pbx):
    """Timer A doubles without a cap (0.5, 1.5, 3.5 ... 31.5 s); Timer B at 32 s: 408, repeated until the ACK."""
    ladder = Ladder(field) >> invited(anna, pbx) >> after(31.9) << anna.gets(100, at=0.15)
    for at in (0.5, 1.5, 3.5, 7.5, 15.5, 31.5):
        ladder = ladder << pbx.gets("INVITE", again=True, at=at)
    assert (
        ladder
        >> after(0.1)
        << anna.gets(408, at=32.0)
        >> after(0.5)
        << anna.gets(408, again=True, at=32.5)
        >> anna.acks()
        >> after(40)
        << nothing
    )


def test_request_to_a_silent_server(field, anna, pbx):
    """Timer E is capped at T2 (0.5, 1.5, 3.5, 7.5, 11.5 ...); Timer F: no 408 goes to a non-INVITE (RFC 4320)."""
    ladder = Ladder(field) >> anna.sends("MESSAGE sip:bob@example.com") << pbx.gets("MESSAGE") >> after(40)
    ladder = ladder << pbx.gets("MESSAGE", again=True, at=0.5) << pbx.gets("MESSAGE", again=True, at=1.5)
    ladder = ladder << anna.gets("100 Trying", at=3.5)
    for at in (3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5):
        ladder = ladder << pbx.gets("MESSAGE", again=True, at=at)
    assert ladder << nothing


def test_call_that_rings_for_ever(field, anna, pbx):
    """Timer C, 185 s after the last provisional response: CANCEL; nobody answers it: 408 after 32 s more."""
    ladder = (
        Ladder(field)
        >> invited(anna, pbx)
        >> pbx.sends(180)
        << anna.gets(180)
        >> after(100)
        >> pbx.sends(183)
        << anna.gets(183)
        >> after(186)
        << pbx.gets("CANCEL sip:bob@example.com", at=285.0)
        << pbx.gets("CANCEL", again=True, at=285.5)
        >> pbx.sends(200, answers="CANCEL")
        >> pbx.sends(487, answers="INVITE")
        << pbx.gets("ACK")
        << anna.gets(487)
    )
    assert ladder


def test_call_that_rings_for_ever_at_a_dead_server(field, anna, pbx):
    """No answer to the CANCEL either: 408."""
    ladder = Ladder(field) >> invited(anna, pbx) >> pbx.sends(180) << anna.gets(180) >> after(185)
    ladder = ladder << pbx.gets("CANCEL", at=185.0) >> pbx.sends(200, answers="CANCEL") >> after(32)
    assert ladder << anna.gets(408, at=217.0)


# -- ACK, CANCEL


def test_ack_to_a_refusal_is_ours(field, anna, pbx):
    """Hop by hop: we acknowledge at once, each time; the client's ACK ends its own side."""
    assert (
        Ladder(field)
        >> invited(anna, pbx)
        >> pbx.sends(486)
        << pbx.gets("ACK sip:bob@example.com", max_forwards="70")
        << anna.gets(486)
        >> pbx.repeats()
        << pbx.gets("ACK", again=True)
        >> after(0.5)
        << anna.gets(486, again=True, at=0.5)
        >> anna.acks()
        << nothing
        >> after(5)
        << nothing
    )


def test_ack_with_a_wrong_branch_still_ends_the_retransmission(field, anna, pbx):
    """Some phones give the ACK a branch of its own: Call-ID, CSeq, Request-URI and tags find the INVITE."""
    assert (
        Ladder(field)
        >> invited(anna, pbx)
        >> pbx.sends(486)
        << pbx.gets("ACK")
        << anna.gets(486)
        >> anna.acks(via="SIP/2.0/UDP 192.168.1.20:5060;rport;branch=z9hG4bKwrong")
        << nothing
        >> after(5)
        << nothing
    )


def test_refusal_without_ack_ends(field, anna, pbx):
    """Timer G repeats up to T2, Timer H ends it after 32 s, counted."""
    ladder = Ladder(field) >> invited(anna, pbx) >> pbx.sends(486) << pbx.gets("ACK") << anna.gets(486) >> after(40)
    for at in (0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5):
        ladder = ladder << anna.gets(486, again=True, at=at)
    assert ladder << nothing
    assert field.counts.dropped["ack_never_came"] == 1


def test_cancel_after_ringing(field, anna, pbx):
    """200 to the CANCEL from us, CANCEL to the server at once, its 487 home."""
    assert (
        Ladder(field)
        >> invited(anna, pbx)
        >> pbx.sends(180)
        << anna.gets(180)
        >> anna.cancels()
        << anna.gets(200)
        << pbx.gets("CANCEL sip:bob@example.com")
        >> pbx.sends(200, answers="CANCEL")
        << nothing
        >> pbx.sends(487, answers="INVITE")
        << pbx.gets("ACK")
        << anna.gets(487)
        >> anna.acks()
    )


@pytest.mark.parametrize("status", [100, 180])
def test_cancel_before_ringing_waits(field, anna, pbx, status):
    """9.1: no CANCEL leaves before a provisional response."""
    ladder = (
        Ladder(field)
        >> invited(anna, pbx)
        >> anna.cancels()
        << anna.gets(200)
        << nothing
        >> pbx.sends(status, answers="INVITE")
    )
    ladder = ladder << pbx.gets("CANCEL")
    assert ladder << anna.gets(180) if status == 180 else ladder


def test_cancel_too_late_changes_nothing(field, anna, pbx):
    """After the 2xx: 200 to the CANCEL, nothing to the server."""
    assert (
        Ladder(field)
        >> invited(anna, pbx)
        >> pbx.sends(200)
        << anna.gets(200)
        >> anna.cancels()
        << anna.gets(200, contact=None)
        << nothing
    )


def test_cancel_of_nothing_is_481(field, anna, pbx):
    assert Ladder(field) >> anna.sends("CANCEL sip:bob@example.com") << anna.gets(481)


def test_cancel_of_the_server(field, anna, pbx):
    """The same towards a client."""
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> pbx.sends(f"INVITE {URI}")
        << anna.gets(f"INVITE {OWN}", record_route=ANY)
        >> anna.sends(180)
        << pbx.gets(180, contact=shown(anna, "T"))
        >> pbx.cancels()
        << pbx.gets(200)
        << anna.gets(f"CANCEL {OWN}")
        >> anna.sends(200, answers="CANCEL")
        >> anna.sends(487, answers="INVITE")
        << anna.gets(f"ACK {OWN}")
        << pbx.gets(487)
    )


def test_forked_2xx_both_go_home(field, anna, pbx):
    """Two 2xx with different To tags, and their retransmissions: all are passed on (RFC 6026)."""
    assert (
        Ladder(field)
        >> invited(anna, pbx)
        >> pbx.sends(200, to="<sip:bob@example.com>;tag=one")
        << anna.gets(200, to="<sip:bob@example.com>;tag=one")
        >> pbx.sends(200, to="<sip:bob@example.com>;tag=two")
        << anna.gets(200, to="<sip:bob@example.com>;tag=two")
        >> pbx.repeats()
        << anna.gets(200, again=True)
        >> after(33)
        >> pbx.repeats()
        << nothing
    )
    assert field.counts.dropped["stray_response"] == 1


def test_bodies_and_early_media_pass(field, anna, pbx):
    """183 with SDP, PRACK aside: bodies are octets to us."""
    assert (
        Ladder(field)
        >> anna.sends(INVITE, body=b"v=0\r\n\xff", content_type="application/sdp")
        << pbx.gets("INVITE", contact="{*}", record_route=ANY, body=b"v=0\r\n\xff")
        >> pbx.sends(183, body=b"v=0\r\n\x00", content_type="application/sdp")
        << anna.gets(183, body=b"v=0\r\n\x00")
    )


# -- refusals (16.3)


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        ({"max_forwards": 0}, {"what": 483}),
        ({"max_forwards": "many"}, {"what": 400}),
        ({"proxy_require": "foo, bar"}, {"what": 420, "unsupported": "foo, bar"}),
        ({"cseq": "1 INVITE"}, {"what": 400}),
        ({"call_id": None}, {"what": 400}),
        ({"content_length": 10}, {"what": 400}),
    ],
    ids=["hops", "hops no number", "extension", "method of CSeq", "no Call-ID", "short body"],
)
def test_requests_that_are_refused(field, anna, pbx, message, answer):
    """483, 400, 420: with the reason in the phrase, and nothing to the server."""
    answer = dict(answer)
    status = answer.pop("what")
    assert Ladder(field) >> anna.sends("MESSAGE sip:bob@example.com", **message) << anna.gets(status, **answer)


@pytest.mark.parametrize("uri", ["http://example.com", "mailto:bob@example.com", "foo:bar"])
def test_unknown_scheme_is_416(field, anna, pbx, uri):
    assert Ladder(field) >> anna.sends(f"MESSAGE {uri}") << anna.gets(416)


def test_other_version_is_505(field, anna, pbx):
    message = (
        "MESSAGE sip:bob@example.com SIP/7.0\nVia: SIP/2.0/UDP 192.168.1.20;rport;branch=z9hG4bKv\n"
        "From: <sip:a@b>;tag=1\nTo: <sip:bob@example.com>\nCall-ID: c\nCSeq: 1 MESSAGE\nContent-Length: 0\n\n"
    )
    assert Ladder(field) >> anna.sends_octets(message) << anna.gets(505)


def test_loop_is_482(field, anna, pbx):
    """The very request we forwarded comes back to us: its mark is in our Via."""
    ladder = Ladder(field) >> anna.sends("MESSAGE sip:bob@example.com") << pbx.gets("MESSAGE")
    assert ladder
    octets = pbx.received[-1].octets
    looped = field.client("looped", "198.51.100.90:5060")
    assert Ladder(field) >> looped.sends_octets(octets) << looped.gets(482)


def test_spiral_with_another_request_uri_is_no_loop(field, anna, pbx):
    """What decides about its way has changed: it may pass again."""
    ladder = Ladder(field) >> anna.sends("MESSAGE sip:bob@example.com") << pbx.gets("MESSAGE")
    assert ladder
    octets = pbx.received[-1].octets.replace(b"MESSAGE sip:bob@", b"MESSAGE sip:carol@")
    looped = field.client("looped", "198.51.100.90:5060")
    assert Ladder(field) >> looped.sends_octets(octets) << pbx.gets("MESSAGE sip:carol@example.com")


@pytest.mark.parametrize("junk", [b"\r\n\r\n", b"hello\r\n\r\n", b"\x00\x01", b"SIP/2.0 999 X\r\n\r\n", b""])
def test_junk_is_dropped(field, anna, pbx, junk):
    """What is no SIP message gets no answer."""
    assert Ladder(field) >> anna.sends_octets(junk) << nothing


# -- responses that fit nothing


def test_stray_response_is_dropped(field, anna, pbx):
    """Whatever it says, it answers nothing that we sent."""
    stray = (
        "SIP/2.0 200 OK\nVia: SIP/2.0/UDP 10.0.0.2:5070;branch=z9hG4bK5mstray\n"
        "From: <sip:a@b>;tag=1\nTo: <sip:c@d>;tag=2\nCall-ID: c\nCSeq: 1 INVITE\n\n"
    )
    assert Ladder(field) >> pbx.sends_octets(stray) << nothing
    assert field.counts.dropped["stray_response"] == 1


def test_response_from_another_server_address_counts(anna):
    """A server with several addresses answers from another of its own."""
    world = World(clients=("udp://203.0.113.10:5060",), targets=("udp://10.0.0.5:5060", "udp://10.0.0.6:5060"))
    phone = world.client("phone", "198.51.100.20:31000")
    one, two = world.server("one"), world.server("two", "10.0.0.6:5060")
    assert Ladder(world) >> phone.sends("MESSAGE sip:bob@example.com") << one.gets("MESSAGE")
    two.received.append(one.received[-1])
    assert Ladder(world) >> two.sends(200) << phone.gets(200)


# -- for ourselves


def test_options_of_the_server_to_a_client_are_the_clients(field, anna, pbx):
    assert Ladder(field) >> registration(anna, pbx, "T") >> pbx.sends(f"OPTIONS {URI}") << anna.gets(f"OPTIONS {OWN}")


# -- limits and stopping


def drain(world):
    world.core.node.draining = True


def test_while_stopping_nothing_new_begins(field, anna, pbx):
    """503 with Retry-After for what would begin something; what runs goes on to its end."""
    assert (
        Ladder(field)
        >> invited(anna, pbx)
        >> pbx.sends(200)
        << anna.gets(200)
        >> does(drain, "the process stops")
        >> anna.sends("MESSAGE sip:bob@example.com")
        << anna.gets(503, retry_after="5")
        >> anna.continues("BYE")
        << pbx.gets("BYE", route=None)
    )


def test_full_table_of_transactions():
    """`limits.transactions`: 503, and again room when one is answered."""
    world = World(clients=("udp://203.0.113.10:5060",), limits={"transactions": 2})
    anna = world.client("anna", "198.51.100.20:31000")
    pbx = world.server("pbx")
    ladder = Ladder(world)
    for _ in range(2):
        ladder = ladder >> anna.sends("MESSAGE sip:bob@example.com") << pbx.gets("MESSAGE")
    assert (
        ladder
        >> anna.sends("MESSAGE sip:bob@example.com")
        << anna.gets(503, retry_after="5")
        >> pbx.sends(200)
        << anna.gets(200)
        >> anna.sends("MESSAGE sip:bob@example.com")
        << pbx.gets("MESSAGE")
    )


def test_full_table_of_bindings():
    """`limits.bindings`: 503 for one more, while those that are there refresh."""
    world = World(clients=("udp://203.0.113.10:5060",), limits={"bindings": 1})
    anna = world.client("anna", "198.51.100.20:31000")
    tom = world.client("tom", "198.51.100.21:31000")
    pbx = world.server("pbx")
    assert (
        Ladder(world)
        >> registration(anna, pbx, "T")
        >> tom.sends("REGISTER sip:example.com")
        << tom.gets(503, retry_after="5")
        >> registration(anna, pbx, "T")
    )


def test_nothing_is_left_when_all_is_over(field, anna, pbx):
    """No transaction, no timer, no flow table entry of a call that ended."""
    assert (
        Ladder(field)
        >> invited(anna, pbx)
        >> pbx.sends(200)
        << anna.gets(200)
        >> anna.continues("ACK")
        << pbx.gets("ACK", route=None)
        >> anna.continues("BYE")
        << pbx.gets("BYE", route=None)
        >> pbx.sends(200)
        << anna.gets(200)
        >> after(40)
        << nothing
    )
    layer = field.core.node.layer
    assert (layer.clients, layer.servers, layer.unanswered()) == ({}, {}, False)
