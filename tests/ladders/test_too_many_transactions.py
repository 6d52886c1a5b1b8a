"""`limits.transactions` reached: the oldest call that nobody answered gives way to what is new; memory is bounded."""

from __future__ import annotations

import pytest

from proxy.effects import Send
from proxy.events import MessageReceived
from proxy.transaction.machine import PROCEEDING
from tests.support.ladder import Ladder, after, note, nothing
from tests.support.world import World

CALL = {"contact": "{*}", "record_route": ["{*}", "{*}"]}
FULL = "limits.transactions (2) is reached"


@pytest.fixture
def full():
    """A proxy with room for two transactions."""
    return World(clients=("udp://203.0.113.10:5060",), limits={"transactions": 2})


@pytest.fixture
def ada(full):
    return full.client("ada", "198.51.100.20:31000")


@pytest.fixture
def ben(full):
    return full.client("ben", "198.51.100.21:31000")


@pytest.fixture
def cleo(full):
    return full.client("cleo", "198.51.100.22:31000")


@pytest.fixture
def pbx(full):
    return full.server("pbx")


def rings(party, pbx):
    """A call that waits for somebody to answer."""
    return [
        party.sends("INVITE sip:bob@example.com"),
        pbx.gets("INVITE", **CALL),
        pbx.sends(180),
        party.gets(180),
    ]


@pytest.mark.parametrize("method", ["INVITE", "MESSAGE", "BYE"])
def test_oldest_unanswered_call_gives_way(full, ada, ben, cleo, pbx, method):
    """503 with Retry-After, and CANCEL to where it rang; what is new is taken."""
    ladder = Ladder(full) >> rings(ada, pbx)
    assert ladder
    ringing = pbx.received[-1]
    more = CALL if method == "INVITE" else {}
    to = "<sip:bob@example.com>;tag=t" if method == "BYE" else "<sip:bob@example.com>"
    assert (
        Ladder(full)
        >> rings(ben, pbx)
        >> cleo.sends(f"{method} sip:bob@10.0.0.5:5060", to=to)
        << note(FULL)
        << pbx.gets(method, **more)
        << pbx.gets("CANCEL", call_id=ringing.call_id)
        << ada.gets("503 There are too many calls at once", retry_after="5")
        >> ada.acks()
        >> pbx.sends(200, answers="CANCEL")
    )
    pbx.received.append(ringing)
    assert Ladder(full) >> pbx.sends(487) << pbx.gets("ACK") << nothing
    assert full.counts.dropped == {"invite_given_up": 1}


def test_oldest_goes_first(full, ada, ben, cleo, pbx):
    """One after the other, and nobody twice."""
    assert (
        Ladder(full)
        >> rings(ada, pbx)
        >> rings(ben, pbx)
        >> cleo.sends("MESSAGE sip:bob@example.com")
        << note(FULL)
        << pbx.gets("MESSAGE")
        << pbx.gets("CANCEL")
        << ada.gets(503, retry_after="5")
        >> ada.acks()
        >> cleo.sends("MESSAGE sip:bob@example.com")
        << pbx.gets("MESSAGE")
        << pbx.gets("CANCEL")
        << ben.gets(503, retry_after="5")
        >> ben.acks()
        >> cleo.sends("MESSAGE sip:bob@example.com")
        << cleo.gets(503, retry_after="5")
    )
    assert full.counts.dropped == {"invite_given_up": 2, "transactions_full": 1}


def test_call_that_does_not_ring_yet_is_cancelled_when_it_does(full, ada, ben, cleo, pbx):
    """9.1: no CANCEL before a provisional response."""
    ladder = Ladder(full) >> ada.sends("INVITE sip:bob@example.com") << pbx.gets("INVITE", **CALL)
    assert ladder
    asked = pbx.received[-1]
    assert (
        Ladder(full)
        >> rings(ben, pbx)
        >> cleo.sends("MESSAGE sip:bob@example.com")
        << note(FULL)
        << pbx.gets("MESSAGE")
        << ada.gets(503, retry_after="5")
        >> ada.acks()
    )
    pbx.received.append(asked)
    assert Ladder(full) >> pbx.sends(180) << pbx.gets("CANCEL") << nothing


def test_503_is_sent_again_until_its_ack_comes(full, ada, ben, cleo, pbx):
    """17.2.1, as any other refusal."""
    assert (
        Ladder(full)
        >> rings(ada, pbx)
        >> rings(ben, pbx)
        >> cleo.sends("MESSAGE sip:bob@example.com")
        << note(FULL)
        << pbx.gets("MESSAGE")
        << pbx.gets("CANCEL")
        << ada.gets(503, retry_after="5")
        >> pbx.sends(200, answers="CANCEL")
        >> pbx.sends(200, answers="MESSAGE")
        << cleo.gets(200)
        >> after(0.5)
        << ada.gets(503, again=True)
        >> ada.acks()
        >> after(4)
        << nothing
    )


def test_accepted_calls_do_not_give_way(full, ada, ben, cleo, pbx):
    """There is nothing to give up: the new request is refused."""
    assert (
        Ladder(full)
        >> rings(ada, pbx)
        >> pbx.sends(200, answers="INVITE")
        << ada.gets(200)
        >> rings(ben, pbx)
        >> pbx.sends(200, answers="INVITE")
        << ben.gets(200)
        >> cleo.sends("INVITE sip:bob@example.com")
        << cleo.gets("503 too many transactions at once", retry_after="5")
        >> ada.continues("ACK")
        << pbx.gets("ACK", route=None)
    )
    assert full.counts.dropped == {"transactions_full": 1}


def test_refused_calls_that_nobody_confirms_end_no_others(full, ada, ben, pbx):
    """Who floods us with calls that are challenged holds places for 32 s each; they are its own that make room."""
    assert Ladder(full) >> rings(ada, pbx)
    for number in range(5):
        assert (
            Ladder(full)
            >> ben.sends("INVITE sip:bob@example.com", call_id=f"flood{number}")
            << pbx.gets("INVITE", **CALL)
            >> pbx.sends(407, answers="INVITE", proxy_authenticate="Digest realm=x, nonce=1")
            << pbx.gets("ACK")
            << ben.gets(407)
        )
    assert full.counts.dropped == {"answered_forgotten": 4}
    assert full.parties["ada"].flow.open
    assert [t.state for t in full.core.node.layer.servers.values()].count(PROCEEDING) == 1


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        ({"max_forwards": 0}, 483),
        ({"proxy_require": "foo"}, 420),
        ({"from_": "<broken"}, 400),
        ({"via": "SIP/2.0/UDP 203.0.113.10:5060;branch=z9hG4bKx", "call_id": "loop"}, 482),
    ],
)
def test_refused_request_makes_nobody_give_way(full, ada, ben, cleo, pbx, message, answer):
    """Room is made for what is taken only."""
    ladder = Ladder(full) >> rings(ada, pbx) >> rings(ben, pbx)
    if answer == 482:
        ladder = ladder >> pbx.sends(486, answers="INVITE") << pbx.gets("ACK") << ben.gets(486) >> ben.acks()
        ladder = ladder >> after(6) >> ben.sends("MESSAGE sip:bob@example.com") << pbx.gets("MESSAGE")
    assert ladder
    if answer == 482:
        looped = cleo.sends_octets(pbx.received[-1].octets)
    else:
        looped = cleo.sends("MESSAGE sip:bob@example.com", **message)
    more = {"unsupported": "foo"} if answer == 420 else {}
    assert Ladder(full) >> looped << cleo.gets(answer, **more) << nothing
    assert "invite_given_up" not in full.counts.dropped


def test_calls_are_cancelled_all_the_same(full, ada, ben, pbx):
    """Whoever hangs up makes room."""
    assert (
        Ladder(full)
        >> rings(ada, pbx)
        >> rings(ben, pbx)
        >> ben.cancels()
        << ben.gets(200)
        << pbx.gets("CANCEL")
        >> pbx.sends(200, answers="CANCEL")
        >> pbx.sends(487, answers="INVITE")
        << pbx.gets("ACK")
        << ben.gets(487)
    )


def test_late_2xx_of_a_call_that_was_given_up(full, ada, ben, cleo, pbx):
    """It crossed our CANCEL: it goes home as every 2xx does (16.7 step 5), and nothing of it is left behind."""
    ladder = Ladder(full) >> rings(ada, pbx)
    assert ladder
    ringing = pbx.received[-1]
    assert (
        Ladder(full)
        >> rings(ben, pbx)
        >> cleo.sends("MESSAGE sip:bob@example.com")
        << note(FULL)
        << pbx.gets("MESSAGE")
        << pbx.gets("CANCEL")
        << ada.gets(503, retry_after="5")
        >> ada.acks()
    )
    pbx.received.append(ringing)
    assert Ladder(full) >> pbx.sends(200) << ada.gets(200)
    full.wait(300)
    layer = full.core.node.layer
    assert (layer.servers, layer.clients) == ({}, {})


# -- floods


class Flood:
    """Calls without end from ever new addresses; the server behaves as it is told."""

    MOST = 20

    def __init__(self, server: str, transport: str) -> None:
        self.world = World(clients=(f"{transport}://203.0.113.10:5060",), limits={"transactions": self.MOST})
        self.server = server
        self.k = self.world.server("k")
        self.refused = 0

    def calls(self, number: int) -> None:
        flow = self.world.flow(self.world.listeners[0], f"198.51.100.20:{1024 + number}")
        octets = (
            f"INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP h;rport;branch=z9hG4bK{number}\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:x@h>;tag={number}\r\nTo: <sip:bob@example.com>\r\n"
            f"Call-ID: {number}\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
        )
        self.feed(flow, octets.encode())

    def feed(self, flow, octets: bytes) -> None:
        self.world.feed(MessageReceived(flow, octets, self.world.now))
        self.check()
        while self.world.outputs:
            effect = self.world.outputs.popleft().effect
            if isinstance(effect, Send) and effect.flow.listener.side == 1:
                self.answer(effect.octets)
            elif isinstance(effect, Send) and effect.octets.startswith(b"SIP/2.0 503"):
                self.refused += 1

    def answer(self, octets: bytes) -> None:
        """What the server says to a request, if anything."""
        method = octets.partition(b" ")[0]
        statuses = {
            "silent": {},
            "rings": {b"INVITE": [b"180 Ringing"]},
            "gives way": {b"INVITE": [b"180 Ringing"], b"CANCEL": [b"200 OK"]},
        }[self.server].get(method, [])
        for status in statuses:
            self.feed(self.k.flow, self.response(octets, status))
        if method == b"CANCEL" and self.server == "gives way":
            self.feed(self.k.flow, self.response(octets.replace(b"1 CANCEL", b"1 INVITE"), b"487 Request Terminated"))

    def response(self, octets: bytes, status: bytes) -> bytes:
        names = (b"Via", b"From", b"To", b"Call-ID", b"CSeq")
        lines = [line for line in octets.split(b"\r\n") if line.startswith(tuple(name + b":" for name in names))]
        lines = [line + b";tag=k" if line.startswith(b"To:") else line for line in lines]
        return b"\r\n".join([b"SIP/2.0 " + status, *lines, b"Content-Length: 0", b"", b""])

    def check(self) -> None:
        """The bounds: calls that wait, all that is kept for clients, all that is kept towards the server."""
        layer = self.world.core.node.layer
        waiting = [t for t in layer.servers.values() if t.state == PROCEEDING]
        assert len(waiting) <= self.MOST
        assert len(layer.servers) <= 2 * self.MOST
        assert len(layer.clients) <= 4 * self.MOST


@pytest.mark.parametrize("server", ["silent", "rings", "gives way"])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_flood_of_calls_that_never_end_is_bounded(server, transport):
    """Nobody acknowledges anything; 500 calls at once, later 500 more, and at last nothing is left."""
    flood = Flood(server, transport)
    for number in range(500):
        flood.calls(number)
    dropped = flood.world.counts.dropped
    assert dropped["invite_given_up"] >= flood.MOST
    assert dropped["invite_given_up"] + dropped["transactions_full"] == 500 - flood.MOST
    flood.world.wait(70)
    flood.world.outputs.clear()
    before = dropped["invite_given_up"]
    for number in range(500, 1000):
        flood.calls(number)
    assert dropped["invite_given_up"] > before
    flood.world.wait(400)
    layer = flood.world.core.node.layer
    assert (layer.servers, layer.clients, layer._invites) == ({}, {}, {})


def test_what_was_given_up_holds_no_message(full, ada, ben, cleo, pbx):
    """Only what a retransmission needs is kept."""
    ladder = Ladder(full) >> rings(ada, pbx)
    assert ladder
    [server] = full.core.node.layer.servers.values()
    context = server.user
    assert (
        Ladder(full)
        >> rings(ben, pbx)
        >> cleo.sends("MESSAGE sip:bob@example.com")
        << note(FULL)
        << pbx.gets("MESSAGE")
        << pbx.gets("CANCEL")
        << ada.gets(503, retry_after="5")
    )
    assert server.user is None
    assert context.request is None


def test_flood_of_cancels_is_kept_nowhere(full, ada, pbx):
    """One about nothing, or about a call that is cancelled already, is answered without state."""
    ladder = Ladder(full) >> rings(ada, pbx) >> ada.cancels() << ada.gets(200) << pbx.gets("CANCEL")
    assert ladder
    layer = full.core.node.layer
    before = len(layer.servers)
    for number in range(50):
        via = f"SIP/2.0/UDP 198.51.100.20:31000;branch=z9hG4bKother{number}"
        assert Ladder(full) >> ada.cancels(via=via) << ada.gets(200)
        assert Ladder(full) >> ada.sends("CANCEL sip:nobody@example.com") << ada.gets(481)
        ada.sent.pop()
    assert len(layer.servers) == before
    assert full.counts.dropped == {"cancel_of_nothing": 50}
