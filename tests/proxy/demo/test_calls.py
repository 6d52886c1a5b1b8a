"""Calls between two user agents of the demo on a wire without sockets, under a clock of the test's own."""

from __future__ import annotations

import pytest
from demo_wires import connect, run_until, silent
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from proxy.demo.agent import Agent
from proxy.demo.calls import CallFailedError, Calls
from proxy.demo.compose import offer
from proxy.demo.dialog import Dialog
from proxy.sip.registry import ACK

HEADERS = [
    (b"From", b"<sip:anna@demo.test>;tag=f"),
    (b"To", b"<sip:echo@demo.test>"),
    (b"Call-ID", b"c1"),
    (b"CSeq", b"1 INVITE"),
    (b"Contact", b"<sip:anna@127.0.0.1>"),
]
OFFER = offer(b"127.0.0.1", 4000)


class Party:
    """A user agent that answers every call."""

    def __init__(self, clock, name):
        self.name = name
        self.agent = Agent(clock, self.serve, silent)
        self.calls = Calls(clock, self.agent, self)
        self.calls.ended = lambda call_id: self.events.append(("ended", call_id))
        self.calls.confirmed = lambda call_id: self.events.append(("confirmed", call_id))
        self.line = None
        self.events = []
        self.no_media = False
        self.unserved = []

    def serve(self, asked, way):
        if not self.calls.take(asked, way):
            self.unserved.append(asked.method)
            if asked.method != ACK:
                self.calls.answer_call(asked, way)

    def via(self, way):
        return b"SIP/2.0/UDP 127.0.0.1:4000;rport"

    def own(self):
        return [(b"Contact", b"<sip:%b@127.0.0.1>" % self.name)]

    def way_to(self, uri):
        return self.line

    def media(self, offered):
        return None if self.no_media else offer(b"127.0.0.1", 4000)


class Ends:
    def __init__(self):
        self.clock = Clock()
        self.anna, self.echo = Party(self.clock, b"anna"), Party(self.clock, b"echo")
        self.anna.line, self.echo.line = connect(self.anna.agent, self.echo.agent)

    def ask(self, method=b"INVITE", headers=HEADERS, body=OFFER):
        return Deferred.fromCoroutine(self.anna.calls.ask(method, b"sip:echo@demo.test", headers, 5.0, body))

    def call(self):
        final = self.ask()
        run_until(self.clock, self.clock.seconds() + 0.3)
        return final

    def outcome(self, coroutine, seconds=6.0):
        done = Deferred.fromCoroutine(coroutine)
        failures = []
        done.addErrback(lambda why: failures.append(why.value))
        run_until(self.clock, self.clock.seconds() + seconds)
        if failures:
            raise failures[0]
        return done.result


@pytest.fixture
def ends():
    return Ends()


def test_call_is_rung_answered_and_acknowledged(ends):
    final = ends.call()
    assert final.result[1].status == 200
    assert ends.echo.line.shown == [180, 200]
    assert ends.anna.line.shown == [b"INVITE", b"ACK"]
    assert ends.echo.events == [("confirmed", b"c1")]
    assert ends.anna.calls.is_confirmed(b"c1")
    assert ends.echo.calls.is_confirmed(b"c1")
    run_until(ends.clock, 40.0)
    assert ends.echo.line.shown == [180, 200]


def test_requests_carry_fresh_branches_and_their_own_parameters(ends):
    ends.call()
    invite, ack = ends.anna.line.sent
    assert invite.via.branch.startswith(b"z9hG4bK")
    assert invite.via.branch != ack.via.branch
    assert invite.via.rport == b""


@pytest.mark.parametrize("by", ["anna", "echo"])
def test_either_end_hangs_up(ends, by):
    ends.call()
    hanging, other = (ends.anna, ends.echo) if by == "anna" else (ends.echo, ends.anna)
    assert ends.outcome(hanging.calls.hang_up(b"c1", 5.0)).status == 200
    assert b"c1" not in ends.anna.calls
    assert b"c1" not in ends.echo.calls
    assert ("ended", b"c1") in other.events


def test_call_is_renewed(ends):
    ends.call()
    assert ends.outcome(ends.echo.calls.renew(b"c1", 5.0), 0.1).status == 200
    invite, ack = ends.echo.line.sent[-2:]
    assert (invite.method, ack.method) == (b"INVITE", b"ACK")
    assert invite.uri == b"sip:anna@127.0.0.1"
    assert invite.to.tag == b"f"
    assert ("confirmed", b"c1") in ends.anna.events


def test_cancelled_while_ringing_is_487(ends):
    final = ends.ask()
    run_until(ends.clock, 0.1)
    invite = ends.anna.line.sent[0]
    cancel = [(name, value.replace(b"INVITE", b"CANCEL")) for name, value in HEADERS]
    octets = b"\r\n".join(
        [b"CANCEL sip:echo@demo.test SIP/2.0", b"Via: " + invite.value(b"via")]
        + [b"%b: %b" % header for header in cancel]
        + [b"", b""]
    )
    asked = ends.anna.agent.ask(octets, ends.anna.line)
    assert asked.final.result.status == 200
    run_until(ends.clock, 1.0)
    assert final.result[1].status == 487
    assert b"c1" not in ends.echo.calls


def test_cancel_of_nothing_is_481(ends):
    headers = [(name, value.replace(b"INVITE", b"CANCEL")) for name, value in HEADERS]
    assert ends.ask(b"CANCEL", headers, b"").result[1].status == 481


def test_request_in_no_dialog_of_ours_is_481(ends):
    headers = [*HEADERS[:1], (b"To", b"<sip:echo@demo.test>;tag=x"), (b"Call-ID", b"c9"), (b"CSeq", b"2 BYE")]
    assert ends.ask(b"BYE", headers, b"").result[1].status == 481


@pytest.mark.parametrize("method", [b"UPDATE", b"INFO"])
def test_other_requests_within_the_call_are_accepted(ends, method):
    ends.call()
    dialog: Dialog = ends.anna.calls._dialogs[b"c1"]
    asked = ends.anna.agent.ask(dialog.compose(method, b"SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKu"), ends.anna.line)
    assert asked.final.result.status == 200
    assert asked.final.result.body == b""


def test_without_common_media_the_call_is_refused(ends):
    ends.echo.no_media = True
    assert ends.ask().result[1].status == 488
    assert b"c1" not in ends.echo.calls


def test_no_answer_is_a_failed_call(ends):
    ends.anna.line.lost = lambda message: True
    with pytest.raises(CallFailedError, match="no answer to INVITE within 5 s"):
        ends.outcome(ends.anna.calls.ask(b"INVITE", b"sip:x", HEADERS, 5.0))


def test_call_whose_ack_cannot_leave_is_a_failed_call(ends):
    final = ends.ask()
    failures = []
    final.addErrback(lambda why: failures.append(why.value))
    run_until(ends.clock, 0.1)
    ends.anna.line.broken = True
    run_until(ends.clock, 0.3)
    assert isinstance(failures[0], CallFailedError)


def test_call_without_ack_is_given_up(ends):
    """RFC 3261 13.3.1.4: 'If the server retransmits the 2xx response for 64*T1 seconds without receiving an ACK, the
    dialog is confirmed, but the session SHOULD be terminated.'"""
    ends.anna.line.lost = lambda message: message.method == b"ACK"
    ends.call()
    assert b"c1" in ends.echo.calls
    assert not ends.echo.calls.is_confirmed(b"c1")
    run_until(ends.clock, 33.0)
    assert b"c1" not in ends.echo.calls


def test_answer_that_cannot_leave_ends_the_call(ends):
    ends.ask().addErrback(lambda _: None)
    ends.echo.line.broken = True
    run_until(ends.clock, 0.3)
    assert b"c1" not in ends.echo.calls
