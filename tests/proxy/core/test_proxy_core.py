"""Whatever arrives, the core gives effects and no exception, and keeps nothing of what has ended.

What it does with messages that are right is played in tests/ladders.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.effects import Send, StoreBindings
from proxy.events import (
    BindingsStored,
    FlowClosed,
    FlowOpened,
    MessageReceived,
    SendFailed,
    TargetsResolved,
)
from proxy.flow import Flow
from proxy.sip.message import Request, Response
from proxy.sip.parser import parse_message
from tests.support.world import World

INVITE = (
    b"INVITE sip:bob@example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.168.1.5:5060;rport;branch=z9hG4bKa1\r\n"
    b"Max-Forwards: 70\r\n"
    b"From: <sip:alice@example.com>;tag=f1\r\n"
    b"To: <sip:bob@example.com>\r\n"
    b"Call-ID: c1\r\n"
    b"CSeq: 1 INVITE\r\n"
    b"Contact: <sip:alice@192.168.1.5:5060>\r\n"
    b"Content-Length: 0\r\n"
    b"\r\n"
)


class Play:
    """The core with a phone on side C and the server on side S; every effect is kept."""

    def __init__(self) -> None:
        self.world = World(clients=("udp://203.0.113.10:5060", "tcp://203.0.113.10:5060"))
        self.core = self.world.core
        self.now = self.world.now
        self.phone = self.world.flow(self.world.listeners[0], "198.51.100.7:4711")
        self.server = self.world.flow(self.world.listeners[2], "10.0.0.5:5060")

    def hears(self, flow: Flow, octets: bytes) -> list[Request | Response]:
        """Feed a message; returns what was sent because of it."""
        out = self.core.handle(MessageReceived(flow, octets, self.now))
        for effect in list(out):
            if isinstance(effect, StoreBindings) and effect.ticket:
                out += self.core.handle(BindingsStored(effect.ticket, self.now))
        return [parse_message(effect.octets) for effect in out if isinstance(effect, Send)]

    def wait(self, seconds: float) -> list[Request | Response]:
        until = self.now + seconds
        sent = []
        while (deadline := self.core.next_deadline()) is not None and deadline <= until:
            self.now = deadline
            sent += [parse_message(e.octets) for e in self.core.tick(deadline) if isinstance(e, Send)]
        self.now = until
        return sent

    def answered(self, request: Request, status: int, **changed: bytes) -> list[Request | Response]:
        """The server answers a request that it got, with some header lines changed."""
        lines = [b"SIP/2.0 %d Phrase" % status]
        for line, name in zip(request.lines, request.names, strict=True):
            if name in (b"via", b"from", b"to", b"call-id", b"cseq"):
                lines.append(changed.get(name.decode(), line + (b";tag=t1" if name == b"to" else b"")))
        return self.hears(self.server, b"\r\n".join((*lines, b"Content-Length: 0", b"", b"")))

    @property
    def alive(self) -> int:
        layer = self.core.node.layer
        return len(layer.servers) + len(layer.clients)


# One core for many messages: that is what it has to stand.
CROWDED = Play()


@pytest.fixture
def play() -> Play:
    return Play()


def changed(octets: bytes, old: bytes, new: bytes) -> bytes:
    assert old in octets
    return octets.replace(old, new, 1)


class TestBrokenMessages:
    @pytest.mark.parametrize("branch", [b"z9hG4bKa1", b"z9hG4bKwrong"])
    @pytest.mark.parametrize("line", [b"To: <broken", b"From: <broken", b"CSeq: x", b"Call-ID:"])
    def test_ack_to_a_live_call(self, play, branch, line):
        """It is looked for among the transactions before it is validated."""
        (invite, *_) = play.hears(play.phone, INVITE)
        play.answered(invite, 486)
        ack = changed(INVITE, b"INVITE sip", b"ACK sip").replace(b"1 INVITE", b"1 ACK").replace(b"z9hG4bKa1", branch)
        name = line.partition(b":")[0]
        lines = [line if old.startswith(name + b":") else old for old in ack.split(b"\r\n")]
        assert play.hears(play.phone, b"\r\n".join(lines)) == []

    @pytest.mark.parametrize("status", [180, 200, 302, 486, 503, 603])
    @pytest.mark.parametrize("header", ["to", "from"])
    def test_response_with_an_address_that_cannot_be_read(self, play, status, header):
        (invite, *_) = play.hears(play.phone, INVITE)
        play.answered(invite, status, **{header: b"%b: <broken" % header.title().encode()})
        play.wait(1000.0)
        assert play.alive == 0

    def test_route_without_any_route_under_a_strict_request_uri(self, play):
        octets = changed(INVITE, b"sip:bob@example.com", b"sip:rx@203.0.113.10;lr")
        for route in (b",", b"", b" ,,", b"<broken", b"<sip:>"):
            play.hears(play.phone, changed(octets, b"Max-Forwards", b"Route: %b\r\nMax-Forwards" % route))
            play.hears(play.server, changed(octets, b"Max-Forwards", b"Route: %b\r\nMax-Forwards" % route))

    def test_answer_of_a_client_whose_to_has_no_readable_uri_goes_home(self, play):
        """What cannot be read cannot be repaired; without its answer the request would never end."""
        register = INVITE.replace(b"INVITE", b"REGISTER").replace(b"To: <sip:bob", b"To: <sip:alice")
        (sent, *_) = play.hears(play.phone, register)
        invite = INVITE.replace(b"198.51.100.7", b"10.0.0.5").replace(b"z9hG4bKa1", b"z9hG4bKs1")
        contact = sent.contacts[0].addr
        del sent
        guest = changed(invite, b"sip:bob@example.com", contact).replace(b"To: <sip:bob@example.com>", b"To: <sip:b b>")
        play.hears(play.server, guest)
        play.wait(1000.0)
        assert play.alive == 0

    def test_request_whose_sender_cannot_be_named_leaves_nothing(self, play):
        """From has no readable URI, Contact is that of a guest: what fails late is ended all the same."""
        octets = changed(INVITE.replace(b"INVITE", b"BYE"), b"<sip:alice@example.com>;tag=f1", b"\xff")
        for sent in play.hears(play.phone, octets):
            if isinstance(sent, Request):
                play.answered(sent, 200)
        play.wait(400.0)
        assert play.alive == 0

    HEADERS = (b"Via", b"From", b"To", b"Call-ID", b"CSeq", b"Contact", b"Max-Forwards", b"Route", b"Content-Length")

    @settings(max_examples=150, deadline=None)
    @given(
        st.sampled_from([b"INVITE", b"ACK", b"BYE", b"REGISTER", b"CANCEL", b"OPTIONS", b"NOTIFY"]),
        st.lists(
            st.tuples(
                st.sampled_from(HEADERS),
                st.sampled_from(
                    [b"", b",", b"<", b"<sip:", b"*", b"<sip:a@b;b=x>", b"sip:a@b", b'"', b"0", b"\xff", b"1 INVITE",
                     b"SIP/2.0/UDP h", b"<sip:r000@203.0.113.10;lr>", b"<sip:%00@10.0.0.2:5070;lr>,<tel:1>"],
                ),
            ),
            max_size=4,
        ),
        st.sampled_from([b"sip:bob@example.com", b"sip:", b"sip:rx@10.0.0.2:5070;lr", b"sip:x@10.0.0.2;b=", b"tel:1"]),
    )  # fmt: skip
    def test_requests_with_broken_headers(self, method, lines, uri):
        play = CROWDED
        octets = INVITE.replace(b"INVITE", method).replace(b"sip:bob@example.com", uri, 1)
        for name, value in lines:
            rest = [line for line in octets.split(b"\r\n") if not line.startswith(name + b":")]
            octets = b"\r\n".join((rest[0], b"%b: %b" % (name, value), *rest[1:]))
        for flow in (play.phone, play.server):
            play.hears(flow, INVITE)
            for sent in play.hears(flow, octets):
                if isinstance(sent, Request):
                    play.answered(sent, 200)
        play.wait(400.0)
        assert play.alive == 0

    @settings(max_examples=100, deadline=None)
    @given(st.binary(max_size=80), st.integers(0, len(INVITE)), st.integers(0, 30))
    def test_octets_of_any_kind(self, octets, at, length):
        play = CROWDED
        for flow in (play.phone, play.server):
            play.hears(flow, octets)
            play.hears(flow, INVITE[:at] + octets + INVITE[at + length :])


class TestEnds:
    @pytest.mark.parametrize("method", [b"BYE", b"MESSAGE", b"INVITE"])
    def test_request_whose_from_cannot_be_read_leaves_nothing(self, play, method):
        """With a Contact, of a client that never registered: its server transaction must end like any other's."""
        for number in range(3):
            octets = INVITE.replace(b"INVITE", method).replace(b"From: <sip:alice@example.com>;tag=f1", b"From: *")
            play.hears(play.phone, octets.replace(b"z9hG4bKa1", b"z9hG4bKa%d" % number))
            play.wait(400.0)
        assert play.alive == 0

    @pytest.mark.parametrize("method", [b"OPTIONS", b"INVITE", b"REGISTER", b"MESSAGE"])
    def test_request_that_nobody_answers_is_forgotten(self, play, method):
        """> ... a transaction-stateful proxy MUST NOT send a 408 to a non-INVITE request (RFC 4320 section 4.2)"""
        play.hears(play.phone, INVITE.replace(b"INVITE", method))
        sent = play.wait(31.0)
        sent = play.wait(100.0)
        answers = [message.status for message in sent if isinstance(message, Response)]
        assert set(answers) == ({408} if method == b"INVITE" else set())
        assert play.alive == 0

    @pytest.mark.parametrize("sender", [b"*", b"0", b"<sip:r000@203.0.113.10;lr", b"\xff"])
    @pytest.mark.parametrize("method", [b"INVITE", b"BYE"])
    def test_from_without_a_readable_uri(self, play, method, sender):
        """One that was refused after its transaction had been opened stayed for ever."""
        octets = changed(INVITE.replace(b"INVITE", method), b"<sip:alice@example.com>;tag=f1", sender)
        for flow in (play.phone, play.server):
            for sent in play.hears(flow, octets):
                if isinstance(sent, Request):
                    play.answered(sent, 486)
        play.wait(200.0)
        assert play.alive == 0

    def test_final_answer_without_an_ack(self, play):
        (invite, *_) = play.hears(play.phone, INVITE)
        play.answered(invite, 486)
        play.wait(100.0)
        assert play.alive == 0
        assert play.core.counts.dropped["ack_never_came"] == 1


class TestEvents:
    def test_closed_and_opened(self, play):
        flow = play.world.flow(play.world.listeners[1], "198.51.100.7:40000")
        assert play.core.handle(FlowOpened(flow, play.now + 1)) == []
        assert flow.heard == play.now + 1
        assert play.core.handle(FlowClosed(flow, "gone", play.now)) == []
        assert not flow.open
        assert play.core.node.flows.streams == {}

    def test_refused_datagram_fails_the_request(self, play):
        play.hears(play.phone, INVITE)
        out = play.core.handle(SendFailed(play.server, "ECONNREFUSED", play.now))
        (send,) = [effect for effect in out if isinstance(effect, Send)]
        assert parse_message(send.octets).status == 500
        assert play.core.counts.dropped["send_failed"] == 1

    def test_a_message_that_is_too_large_is_nobody_elses_fault(self, play):
        """Or a single client could make the calls of all others fail, and the server look dead."""
        play.hears(play.phone, INVITE)
        out = play.core.handle(SendFailed(play.server, "emsgsize: Message too long", play.now, b"another message"))
        assert [effect for effect in out if isinstance(effect, Send)] == []
        assert play.core.node.targets.all[0].up
        assert play.core.counts.dropped == {"datagram_too_large": 1}

    def test_addresses_of_the_server_change(self, play):
        play.core.handle(TargetsResolved(((0, "10.0.0.6", 5060),), play.now))
        out = play.core.handle(MessageReceived(play.phone, INVITE, play.now))
        assert [effect.flow.remote_host for effect in out if isinstance(effect, Send)] == ["10.0.0.6"]
