"""Several servers: SIPp in the place of each, and the first is out of order in one way or another.

> If a failure occurs, the element SHOULD retry the request ... the next element in the list (RFC 3263 section 4.3)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from flow_client import flow_client, hang_up, talk
from flow_sipp import CALLS, PORT, Call, Party, Sipp, assert_within_transaction, branch, by_call, tag
from flow_stage import LISTENING, Played, Stage
from kamailio_peer import Kamailio
from peer_process import eventually, fresh_address
from sipmend_peer import Sipmend

NEVER = "1h"
# What the first server does, and after how long without an answer the second is asked.
BROKEN = {
    "answers 503": ("flow_unavailable_answerer", NEVER),
    "is gone": ("", NEVER),
    "says nothing": ("flow_silent_answerer", "1s"),
}


class TwoServers(Stage):
    """A client, the proxy and two servers: `first` is asked before `server`, the other one."""

    def __init__(self, transport: str, work: Path, cleanup: ExitStack) -> None:
        super().__init__(transport, work, cleanup)
        self.first = Party.server("bob", fresh_address(), transport)
        self.give_up = NEVER
        self._at_first: Sipp | None = None
        self._leaves = False

    def breaks(self, answerer: str, switches: Sequence[str] = ()) -> Sipp:
        """What the first server does; without a scenario it answers the probe and is gone then."""
        self._leaves = not answerer
        call = Call(self.client, self.first, "", "")
        scenario = answerer or "flow_unavailable_answerer"
        self._at_first = self.play(self.first, scenario, call, switches, LISTENING, work=self.work / "first")
        return self._at_first

    def start_proxy(self) -> Sipmend:
        """The proxy before both, which answer its one probe each."""
        targets = [
            {"uri": f"sip:{party.host}:{PORT};transport={self.transport}", "priority": place}
            for place, party in enumerate((self.first, self.server))
        ]
        health = {"interval": NEVER, "give_up": self.give_up}
        proxy = Sipmend("", self.work, health=health, changes={**self.changes, "server": {"targets": targets}})
        self.cleanup.callback(proxy.process.stop, 1.0)
        assert proxy.becomes("sipmend_messages_total", 2, type="2xx", direction="in", side="server")
        if self._leaves and self._at_first:
            self._at_first.stop()
        return proxy


@pytest.fixture
def servers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TwoServers]:
    """Two servers behind the proxy, over UDP unless a test says otherwise."""
    with ExitStack() as cleanup:
        yield TwoServers(getattr(request, "param", "udp"), tmp_path, cleanup)


by_both = pytest.mark.parametrize("servers", ["udp", "tcp"], indirect=True)


def assert_second_answered(played: Played, first: Sipp) -> None:
    """Each call was the second server's, from the INVITE to the BYE; of the first the client heard nothing."""
    first.assert_sound()
    caller, second = played.caller, played.answerer
    asked, answered = by_call(caller.sent("INVITE")), by_call(second.sent(200, "INVITE"))
    answers = caller.got(200, "INVITE")
    assert len(by_call(answers)) == CALLS
    for answer in answers:
        call = answer.first("Call-ID")
        assert len(answer.all("Via")) == 1
        assert branch(answer) == branch(asked[call])
        assert answer.first("To") == answered[call].first("To")
    assert {seen.status for seen in caller.messages("received")} <= {100, 180, 200}
    assert len(by_call(second.got("BYE"))) == CALLS
    assert first.got("BYE") == []
    # > This requires that the request be ... resent with a new client transaction (RFC 3263 section 4.3)
    arrived = by_call(second.got("INVITE"))
    for tried in first.got("INVITE"):
        other = arrived[tried.first("Call-ID")]
        assert branch(tried) != branch(other)
        assert (tried.uri, tried.all("Via")[1:], tried.body) == (other.uri, other.all("Via")[1:], other.body)


@by_both
@pytest.mark.parametrize("how", BROKEN)
def test_calls_go_to_the_second_server(servers: TwoServers, how: str) -> None:
    """The client sees what the second server answers, and nothing else; the calls stay there."""
    answerer, servers.give_up = BROKEN[how]
    first = servers.breaks(answerer)
    played = servers.outgoing("flow_short_caller", "flow_short_answerer")
    assert_second_answered(played, first)
    if how == "answers 503":
        assert len(by_call(first.got("INVITE"))) == CALLS
        assert_within_transaction(first.got("INVITE"), first.got("ACK"))
    if how == "says nothing":
        assert first.got("INVITE")
        # > If no provisional response has been received, the CANCEL request MUST NOT be sent (RFC 3261 section 9.1)
        assert first.got("CANCEL") == []


def test_server_that_answers_after_the_second_is_cancelled(servers: TwoServers) -> None:
    """It says 100 when the call is long up at the second server: it gets CANCEL, and its 487 stays with the proxy."""
    servers.give_up = "200ms"
    first = servers.breaks("flow_cancel_answerer", ("late",))
    played = servers.outgoing("flow_short_caller", "flow_short_answerer")
    tried = first.got("INVITE")
    assert tried
    assert eventually(lambda: len(by_call(first.got("ACK"))) == len(by_call(tried)), 15)
    assert_second_answered(played, first)
    assert_within_transaction(tried, first.got("CANCEL"))
    assert_within_transaction(tried, first.got("ACK"))


def test_all_servers_answer_503(servers: TwoServers) -> None:
    """> If the only response that was received is a 503, the proxy SHOULD generate a 500 response (RFC 3261 16.7)"""
    first = servers.breaks("flow_unavailable_answerer")
    played = servers.outgoing("flow_refused_caller", "flow_unavailable_answerer")
    assert len(by_call(played.caller.got(500))) == CALLS
    assert played.caller.got(503) == []
    for server in (first, played.answerer):
        server.assert_sound()
        assert len(by_call(server.got("INVITE"))) == CALLS
        assert_within_transaction(server.got("INVITE"), server.got("ACK"))


def test_no_server_answers(servers: TwoServers) -> None:
    """Both say nothing: 408 when Timer B of the last attempt is over (64 times T1, 3.2 s here)."""
    servers.give_up = "500ms"
    servers.changes = {"timers": {"t1": "50ms"}}
    first = servers.breaks("flow_silent_answerer")
    played = servers.outgoing("flow_refused_caller", "flow_silent_answerer")
    assert len(by_call(played.caller.got(408))) == CALLS
    assert first.got("INVITE")
    assert set(by_call(played.answerer.got("INVITE"))) == set(by_call(played.caller.sent("INVITE")))


@by_both
@pytest.mark.parametrize("how", BROKEN)
def test_registrations_go_to_the_second_server(servers: TwoServers, how: str) -> None:
    """The client is registered at the second server, and hears its answer only."""
    answerer, servers.give_up = BROKEN[how]
    first = servers.breaks(answerer)
    registrar = servers.play(
        servers.server, "flow_registrar", Call(servers.server, servers.client, "", ""), (), LISTENING
    )
    proxy = servers.start_proxy()
    call = Call(servers.server, servers.client, "", "")
    client = servers.play(servers.client, "flow_register", call, (), ("-m", "1"), proxy.address)
    assert proxy.becomes("sipmend_bindings", 1, state="registered"), client.complaint("did not register")
    assert eventually(lambda: bool(client.got(200))), client.complaint("got no answer")
    (answer,) = by_call(client.got(200)).values()
    assert branch(answer) == branch(client.sent("REGISTER")[0])
    assert tag(answer.first("To")) == tag(registrar.sent(200, "REGISTER")[0].first("To"))
    assert {seen.status for seen in client.messages("received")} <= {100, 200}
    if answerer:
        assert first.got("REGISTER")
        assert branch(first.got("REGISTER")[0]) != branch(registrar.got("REGISTER")[0])
    proxy.assert_sound()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_kamailio_takes_over(tmp_path: Path, transport: str) -> None:
    """The first server answers the probe and is gone: clients register at the second one, call and are called there."""
    with ExitStack() as cleanup:
        servers = TwoServers(transport, tmp_path, cleanup)
        kamailio = Kamailio(servers.server.host, tmp_path / "kamailio")
        cleanup.callback(kamailio.stop)
        servers.breaks("")
        proxy = servers.start_proxy()
        alice = cleanup.enter_context(flow_client("alice", proxy.address, True, transport))
        bob = cleanup.enter_context(flow_client("bob", kamailio.address, False))
        for client in (alice, bob):
            assert client.register().status == 200
        for caller, called in ((alice, bob), (bob, alice)):
            asked = caller.invite(f"sip:{called.who.user}@pbx.test")
            theirs = called.pick_up(called.expect("INVITE"))
            own = caller.established(asked, caller.final(asked))
            called.expect("ACK")
            talk(caller, own, called)
            talk(called, theirs, caller)
            hang_up(called, theirs, caller)
        proxy.assert_sound()
