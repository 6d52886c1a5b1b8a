"""Targets are probed with OPTIONS; who answers is up, who does not is down until it answers again."""

from __future__ import annotations

import pytest
from parts import SERVER_ADDRESS, node, response

from proxy.core.health import Health
from proxy.effects import Note, OpenFlow, Send
from proxy.flow import TCP, TLS, UDP
from proxy.sip.parser import parse_message


class Play:
    def __init__(self, *addresses, interval: float = 30.0, timeout: float = 5.0) -> None:
        self.node = node(resolve=False)
        self.node.targets.resolve(addresses or (SERVER_ADDRESS,))
        self.layer = self.node.layer
        self.health = Health(self.node, interval, timeout)
        self.out: list = []
        self.health.start(self.out)

    @property
    def target(self):
        return self.node.targets.all[0]

    def run(self, until: float) -> None:
        while (deadline := self.layer.next_deadline()) is not None and deadline <= until:
            self.layer.tick(deadline, self.out)
        self.layer.scene.now = until

    def probes(self):
        """The OPTIONS sent since the last look, without repetitions."""
        found = {effect.octets: None for effect in self.out if isinstance(effect, Send)}
        self.notes = [(e.level, e.text.format(**e.fields)) for e in self.out if isinstance(e, Note)]
        self.out = []
        return [parse_message(octets) for octets in found]

    def answers(self, probe, status: int) -> None:
        t = self.layer.find_client(response(status, method="OPTIONS"), probe.via.branch)
        self.layer.receive(t, response(status, method="OPTIONS"), self.out)


@pytest.fixture
def play() -> Play:
    return Play()


def test_probe_is_an_options_of_our_own(play):
    (probe,) = play.probes()
    assert probe.lines[0] == b"OPTIONS sip:10.0.0.5:5060;transport=udp SIP/2.0"
    assert probe.via.sent_by == b"10.0.0.2:5070"
    assert (probe.cseq, probe.value(b"max-forwards")) == ((1, b"OPTIONS"), b"70")
    assert probe.from_.tag
    assert probe.oddities is None


def test_each_probe_is_a_new_request(play):
    (first,) = play.probes()
    play.answers(first, 200)
    play.run(30.0)
    (second,) = play.probes()
    assert first.call_id != second.call_id
    assert first.via.branch != second.via.branch


@pytest.mark.parametrize("status", [200, 404, 405, 483, 500])
def test_any_answer_but_503_shows_that_it_works(play, status):
    (probe,) = play.probes()
    play.run(0.25)
    play.answers(probe, 100)
    assert not play.target.answered
    play.answers(probe, status)
    assert play.target.up
    assert play.target.rtt == 0.25
    play.run(29.0)
    assert play.probes() == []
    assert play.notes == []


def test_silence_is_noticed_after_the_timeout(play):
    play.probes()
    play.run(4.9)
    assert play.target.up
    play.run(5.0)
    assert not play.target.up
    play.probes()
    assert play.notes == [("warn", "the server at udp:10.0.0.5:5060 is down: it does not answer OPTIONS")]
    play.run(36.0)
    play.probes()
    assert play.notes == [], "said once"


def test_comes_back_when_it_answers(play):
    play.run(30.0)
    probe = play.probes()[-1]
    play.answers(probe, 200)
    assert play.target.up
    play.probes()
    assert play.notes == [("info", "the server at udp:10.0.0.5:5060 answers again")]


def test_503_is_down(play):
    (probe,) = play.probes()
    play.answers(probe, 503)
    assert not play.target.up
    play.run(6.0)
    play.probes()
    assert play.notes == [("warn", "the server at udp:10.0.0.5:5060 is down: it answers 503")]


def test_no_connection_is_down_at_once():
    play = Play((TCP, "10.0.0.5", 5060))
    (opened,) = (effect for effect in play.out if isinstance(effect, OpenFlow))
    play.layer.flow_failed(opened.flow, play.out)
    assert not play.target.up
    play.probes()
    assert play.notes == [("warn", "the server at tcp:10.0.0.5:5060 is down: no connection")]


def test_transport_without_a_socket_is_not_probed():
    play = Play((TLS, "10.0.0.5", 5061))
    assert play.probes() == []
    play.run(5.0)
    assert not play.target.up


def test_unanswered_probes_leave_nothing(play):
    play.run(5.0)
    play.node.targets.resolve(())
    play.run(100.0)
    assert play.layer.clients == {}


@pytest.mark.parametrize(("interval", "timeout", "second"), [(30.0, 5.0, 30.0), (2.0, 5.0, 2.05)])
def test_rounds(interval, timeout, second):
    """Probe and look take turns; a timeout longer than the interval is cut to it."""
    play = Play((UDP, "10.0.0.5", 5060), interval=interval, timeout=timeout)
    play.answers(play.probes()[0], 200)
    play.run(second - 0.05)
    assert play.probes() == []
    play.run(second)
    assert len(play.probes()) == 1


class TestRevival:
    """A target that is lost is asked again after 1, 2, 4 ... seconds, at most the interval apart."""

    def test_back_off_grows(self, play):
        play.answers(play.probes()[0], 200)
        play.health.lost(play.target, "no connection", play.out)
        asked = []
        for half in range(1, 200):
            play.run(half * 0.5)
            new = {probe.call_id for probe in play.probes()} - {call_id for _, call_id in asked}
            asked += [(half * 0.5, call_id) for call_id in new]
        assert [at for at, _ in asked] == [1.0, 3.0, 7.0, 15.0, 31.0, 61.0, 91.0]

    def test_ends_with_the_first_answer(self, play):
        play.answers(play.probes()[0], 200)
        play.health.lost(play.target, "no connection", play.out)
        play.run(1.0)
        (probe,) = play.probes()
        play.answers(probe, 200)
        play.probes()
        assert play.notes == [("info", "the server at udp:10.0.0.5:5060 answers again")]
        play.run(29.0)
        assert play.probes() == []
        play.run(30.0)
        assert len(play.probes()) == 1

    def test_target_that_is_back_is_probed_in_the_next_round(self, play):
        """And not taken for silent because nobody asked it."""
        play.answers(play.probes()[0], 200)
        play.run(28.5)
        play.health.lost(play.target, "no connection", play.out)
        play.run(29.5)
        play.answers(play.probes()[0], 200)
        play.run(30.0)
        (probe,) = play.probes()
        play.answers(probe, 200)
        play.run(40.0)
        assert play.target.up

    def test_target_that_is_lost_again_has_one_revival(self, play):
        play.answers(play.probes()[0], 200)
        play.health.lost(play.target, "no connection", play.out)
        play.run(1.0)
        play.answers(play.probes()[0], 200)
        play.health.lost(play.target, "no connection", play.out)
        asked = []
        for half in range(3, 40):
            play.run(half * 0.5)
            new = {probe.call_id for probe in play.probes()} - {call_id for _, call_id in asked}
            asked += [(half * 0.5, call_id) for call_id in new]
        assert [at for at, _ in asked] == [2.0, 4.0, 8.0, 16.0]

    def test_is_no_business_of_ours_once_the_address_is_gone(self, play):
        play.answers(play.probes()[0], 200)
        play.health.lost(play.target, "no connection", play.out)
        play.node.targets.resolve(())
        play.run(100.0)
        assert play.probes() == []
        assert play.layer.clients == {}

    def test_requests_report_through_the_targets(self, play):
        play.node.targets.lost(play.target, "it does not answer", play.out)
        assert not play.target.up

    def test_without_a_watch_nothing_is_taken_for_dead(self):
        made = node()
        made.targets.lost(made.targets.all[0], "it does not answer", [])
        assert made.targets.all[0].up
