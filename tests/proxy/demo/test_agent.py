"""Transactions of the demo's ends: repetition, matching, absorption."""

from __future__ import annotations

import pytest
from demo_wires import Line, connect, run_until, silent
from twisted.internet.task import Clock

from proxy.demo.agent import Agent, NoAnswerError
from proxy.demo.compose import request, response
from proxy.sip.message import Response
from proxy.sip.parser import parse_message


def written(method, branch=b"z9hG4bK1", sequence=1, via=b"SIP/2.0/UDP 127.0.0.1:4000"):
    return request(
        method,
        b"sip:echo@demo.test",
        [
            (b"Via", b"%b;rport;branch=%b" % (via, branch)),
            (b"Route", b"<sip:p@127.0.0.1;lr>"),
            (b"From", b"<sip:anna@demo.test>;tag=f"),
            (b"To", b"<sip:echo@demo.test>"),
            (b"Call-ID", b"c1"),
            (b"CSeq", b"%d %b" % (sequence, method)),
        ],
    )


class Ends:
    """A client's and a server's agent on one wire, with what the server was asked and both have seen."""

    def __init__(self, reliable=False):
        self.clock = Clock()
        self.asked = []
        self.seen = []
        self.client = Agent(self.clock, lambda *_: None, silent)
        self.server = Agent(self.clock, lambda asked, way: self.asked.append((asked, way)), self._watch)
        self.there, self.back = connect(self.client, self.server, reliable)

    def _watch(self, direction, message, way, repeated):
        self.seen.append((direction, repeated))

    def answer(self, status, index=-1, expired=None):
        asked, way = self.asked[index]
        self.server.answer(asked, way, response(asked, status, way.address, tag=b"t"), expired)


@pytest.fixture
def ends():
    return Ends()


def times(clock, line, until):
    """When messages left on the line."""
    found = [clock.seconds()] * len(line.sent)
    while clock.seconds() < until:
        due = [call.getTime() for call in clock.getDelayedCalls() if call.getTime() <= until]
        run_until(clock, min(due, default=until))
        found += [clock.seconds()] * (len(line.sent) - len(found))
    return found


def test_invite_is_repeated_at_doubling_intervals_without_bound():
    """17.1.1.2: 'the request is retransmitted with intervals that double after each transmission'."""
    clock, line = Clock(), Line()
    agent = Agent(clock, lambda *_: None, silent)
    final = agent.ask(written(b"INVITE"), line).final
    assert times(clock, line, 40.0) == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    with pytest.raises(NoAnswerError, match="no answer to INVITE within 32 s"):
        raise final.result.value
    final.addErrback(lambda _: None)


def test_other_requests_are_repeated_at_most_every_four_seconds():
    """17.1.2.2: 'the timer is set to MIN(2*T1, T2)' and so on."""
    clock, line = Clock(), Line()
    agent = Agent(clock, lambda *_: None, silent)
    agent.ask(written(b"BYE"), line).final.addErrback(lambda _: None)
    assert times(clock, line, 20.0) == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5]


def test_nothing_is_repeated_on_a_reliable_way():
    clock, line = Clock(), Line(reliable=True)
    agent = Agent(clock, lambda *_: None, silent)
    agent.ask(written(b"BYE"), line).final.addErrback(lambda _: None)
    run_until(clock, 40.0)
    assert line.shown == [b"BYE"]


def test_patience_ends_it_sooner():
    clock, line = Clock(), Line()
    final = Agent(clock, lambda *_: None, silent).ask(written(b"BYE"), line, patience=1.0).final
    run_until(clock, 30.0)
    assert line.shown == [b"BYE", b"BYE"]
    assert "within 1 s" in str(final.result.value)
    final.addErrback(lambda _: None)
    assert not clock.getDelayedCalls()


def test_unreachable_way_fails_at_once_and_is_seen():
    clock, line, seen = Clock(), Line(), []
    line.broken = True
    agent = Agent(clock, lambda *_: None, lambda *event: seen.append(event[0]))
    final = agent.ask(written(b"BYE"), line).final
    assert "the wire is cut" in str(final.result.value)
    final.addErrback(lambda _: None)
    assert seen == ["sent"]
    assert not clock.getDelayedCalls()


def test_a_response_cannot_be_asked():
    asked = parse_message(written(b"BYE"))
    with pytest.raises(ValueError, match="a response"):
        Agent(Clock(), lambda *_: None, silent).ask(response(asked, 200, ("127.0.0.1", 1)), Line())


def test_provisional_response_quiets_invite_and_reaches_the_caller(ends):
    got = []
    final = ends.client.ask(written(b"INVITE"), ends.there, got.append).final
    ends.answer(180)
    run_until(ends.clock, 10.0)
    assert ends.there.shown == [b"INVITE"]
    assert [entry.status for entry in got] == [180]
    ends.answer(200)
    assert final.result.status == 200


def test_lost_request_reaches_the_server_once(ends):
    losses = [True, False, False]
    ends.there.lost = lambda message: losses.pop(0)
    ends.client.ask(written(b"BYE"), ends.there)
    run_until(ends.clock, 0.6)
    assert len(ends.asked) == 1
    ends.answer(200)
    assert ends.there.shown == [b"BYE", b"BYE"]


def test_repeated_request_gets_the_same_answer_and_is_not_served_twice(ends):
    losses = [True, False]
    ends.back.lost = lambda message: losses.pop(0)
    final = ends.client.ask(written(b"BYE"), ends.there).final
    ends.answer(200)
    assert not final.called
    run_until(ends.clock, 0.6)
    assert final.result.status == 200
    assert len(ends.asked) == 1
    assert ends.seen == [("received", False), ("sent", False), ("received", True), ("sent", True)]


def test_repetition_before_the_answer_is_absorbed(ends):
    ends.client.ask(written(b"BYE"), ends.there)
    run_until(ends.clock, 0.6)
    assert len(ends.asked) == 1
    assert ends.back.sent == []
    ends.answer(200)


def test_negative_final_response_is_acknowledged_in_the_transaction(ends):
    """17.1.1.3: the ACK has the Request-URI, Call-ID, From, top Via and Route of the INVITE, and the To of the
    response."""
    final = ends.client.ask(written(b"INVITE"), ends.there).final
    ends.answer(486)
    assert final.result.status == 486
    ack = ends.there.sent[-1]
    assert (ack.method, ack.uri, ack.cseq) == (b"ACK", b"sip:echo@demo.test", (1, b"ACK"))
    assert ack.via.branch == b"z9hG4bK1"
    assert ack.to.tag == b"t"
    assert ack.routes() == [b"<sip:p@127.0.0.1;lr>"]
    run_until(ends.clock, 40.0)
    assert ends.back.shown == [486]


def test_final_response_to_invite_is_repeated_until_its_ack(ends):
    """13.3.1.4 and 17.2.1: T1, then doubling up to T2."""
    expired = []
    ends.there.lost = lambda message: message.method == b"ACK"
    ends.client.ask(written(b"INVITE"), ends.there)
    ends.answer(486, expired=lambda: expired.append(True))
    assert times(ends.clock, ends.back, 12.0) == [0, 0.5, 1.5, 3.5, 7.5, 11.5]
    assert ends.there.shown.count(b"ACK") == 6
    assert not expired
    run_until(ends.clock, 33.0)
    assert expired


def test_2xx_is_acknowledged_by_the_user_agent_again_for_each_repetition(ends):
    losses = [False, True, False, False]
    ends.there.lost = lambda message: losses.pop(0)
    asked = ends.client.ask(written(b"INVITE"), ends.there)
    ends.answer(200)
    ends.client.acknowledge(asked, written(b"ACK", branch=b"z9hG4bK2"), ends.there)
    run_until(ends.clock, 10.0)
    assert ends.back.shown == [200, 200]
    assert ends.there.shown == [b"INVITE", b"ACK", b"ACK"]
    assert [asked.method for asked, _ in ends.asked] == [b"INVITE", b"ACK"]


def test_negative_response_is_not_repeated_on_a_reliable_way_but_a_2xx_is():
    for status, count in ((486, 1), (200, 4)):
        ends = Ends(reliable=True)
        ends.there.lost = lambda message: message.method == b"ACK"
        ends.client.ask(written(b"INVITE"), ends.there)
        ends.answer(status)
        run_until(ends.clock, 4.0)
        assert len(ends.back.sent) == count


def test_response_goes_to_the_source_port_only_if_rport_asks_for_it(ends):
    ends.server.received(parse_message(written(b"BYE")), ends.back)
    ends.answer(200)
    assert ends.back.asked_ports == []
    for via, port in ((b"SIP/2.0/UDP 127.0.0.1:4000", 4000), (b"SIP/2.0/UDP 127.0.0.1", 5060)):
        octets = written(b"BYE", b"z9hG4bK" + b"%d" % port, via=via).replace(b";rport", b"")
        ends.server.received(parse_message(octets), ends.back)
        ends.answer(200)
        assert ends.back.asked_ports[-1] == port


def test_response_that_nobody_asked_for_is_seen_and_dropped(ends):
    asked = parse_message(written(b"BYE", branch=b"z9hG4bKother"))
    stray = parse_message(response(asked, 200, ("127.0.0.1", 1)))
    assert isinstance(stray, Response)
    ends.server.received(stray, ends.back)
    assert ends.seen == [("received", False)]


def test_ack_that_nobody_waits_for_is_not_served(ends):
    ends.server.received(parse_message(written(b"ACK")), ends.back)
    assert ends.asked == []


@pytest.mark.parametrize("header", [b"Via", b"CSeq", b"Call-ID"])
def test_message_that_cannot_be_matched_is_dropped(ends, header):
    lines = [line for line in written(b"BYE").split(b"\r\n") if not line.startswith(header)]
    ends.server.received(parse_message(b"\r\n".join(lines)), ends.back)
    assert ends.asked == []
    assert ends.back.sent == []


def test_stop_leaves_no_timer(ends):
    ends.client.ask(written(b"INVITE"), ends.there)
    ends.answer(200)
    ends.client.ask(written(b"BYE", b"z9hG4bK9"), ends.there)
    ends.client.stop()
    ends.server.stop()
    assert ends.clock.getDelayedCalls() == []


def test_everything_is_forgotten_in_the_end(ends):
    ends.client.ask(written(b"BYE"), ends.there)
    ends.answer(200)
    run_until(ends.clock, 100.0)
    assert ends.clock.getDelayedCalls() == []
    ends.server.received(parse_message(written(b"BYE")), ends.back)
    assert len(ends.asked) == 2


def test_answer_to_a_forgotten_request_is_not_sent(ends):
    ends.client.ask(written(b"BYE"), ends.there).final.addErrback(lambda _: None)
    run_until(ends.clock, 100.0)
    count = len(ends.back.sent)
    ends.answer(200)
    assert len(ends.back.sent) == count
