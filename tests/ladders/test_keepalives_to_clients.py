"""Keep-alives of our own towards registered clients: `keepalive` and `keepalive_interval` of a listener."""

from __future__ import annotations

from collections import Counter

import pytest

from proxy.binding import REGISTERED, Binding
from proxy.effects import Send
from proxy.events import BindingsLoaded
from proxy.flow import TCP, UDP
from tests.support.flows import registration, shown
from tests.support.ladder import Ladder, after, does, nothing
from tests.support.world import World

OWN = "sip:anna@192.168.1.20:5060"
INTERVAL = 25.0
EDGES = {UDP: "udp://203.0.113.10:5060", TCP: "tcp://203.0.113.10:5060"}


class Play:
    """Anna, who registers by a listener with keep-alives."""

    def __init__(self, keepalive: str = "options", transport: int = UDP, granted: int = 3600) -> None:
        world = self.world = World(clients=(EDGES[transport],), listener={"keepalive": keepalive})
        self.anna = world.client("anna", "198.51.100.20:31000", contact=f"<{OWN}>")
        self.pbx = world.server("pbx")
        assert Ladder(world) >> registration(self.anna, self.pbx, "T", granted)
        self.kept = world.core._housekeeping.keep_alives
        deadlines = [item.queued for item in self.kept._by_token.values()]
        # When the first one comes, on the grid of the wheel, in seconds from now.
        self.first = -(-(deadlines[0] - world.now - 1e-6) // 0.05) * 0.05 if deadlines else 0.0

    @property
    def counts(self) -> dict[tuple[str, str], int]:
        return {key: number for key, number in self.world.counts.keep_alives.items() if number}

    @property
    def unanswered(self) -> int:
        return self.world.counts.keep_alives_unanswered

    def asked(self, **more):
        return self.anna.gets(f"OPTIONS {OWN}", origin=None, **more)

    def still_reached(self):
        """The binding is as it was."""
        return [
            self.pbx.sends(f"MESSAGE {shown(self.anna, 'T').strip('<>')}"),
            self.anna.gets(f"MESSAGE {OWN}"),
            self.anna.sends(200),
            self.pbx.gets(200),
        ]


@pytest.mark.parametrize("transport", [UDP, TCP], ids=["udp", "tcp"])
@pytest.mark.parametrize("status", [200, 401, 404, 486, 503])
def test_options_at_each_interval(transport, status):
    """It is for the client's own Contact, and any final answer is taken; the server hears nothing of it."""
    play = Play(transport=transport)
    assert (
        Ladder(play.world)
        >> after(play.first)
        << play.asked(
            at=play.first,
            via="{*}" + "203.0.113.10:5060;branch=z9hG4bK{*}",
            from_="<sip:example.com>;tag={*}",
            to=f"<{OWN}>",
            cseq="1 OPTIONS",
            max_forwards="70",
            call_id="{*}",
        )
        >> play.anna.sends(status)
        << nothing
        >> after(INTERVAL)
        << play.asked(at=play.first + INTERVAL)
        >> play.anna.sends(status)
        << nothing
        >> play.still_reached()
    )
    assert play.first <= INTERVAL
    assert play.counts == {("out", "options"): 2}
    assert play.unanswered == 0


def test_unanswered_ones_are_counted_and_change_nothing():
    """By a stream, so that nothing is repeated; the next one takes the place of the one before."""
    play = Play(transport=TCP)
    assert (
        Ladder(play.world)
        >> after(play.first)
        << play.asked()
        >> after(INTERVAL)
        << play.asked()
        >> play.still_reached()
        >> after(INTERVAL)
        << play.asked()
        >> play.anna.sends(200)
        << nothing
        >> after(INTERVAL)
        << play.asked()
        >> play.anna.sends(200)
    )
    assert play.unanswered == 2


def test_repeated_by_udp_until_it_is_answered():
    play = Play()
    assert (
        Ladder(play.world)
        >> after(play.first + 0.6)
        << play.asked()
        << play.asked(again=True)
        >> play.anna.sends(200)
        << nothing
        >> after(20)
        << nothing
    )
    assert play.unanswered == 0


def test_client_that_cannot_be_reached():
    """ICMP says at once that nobody is there."""
    play = Play()
    assert (
        Ladder(play.world)
        >> after(play.first)
        << play.asked()
        >> play.anna.fails()
        << nothing
        >> after(20)
        << nothing
        >> play.still_reached()
    )
    assert play.unanswered == 1


def test_answer_that_cannot_be_read_is_none():
    play = Play(transport=TCP)
    assert (
        Ladder(play.world)
        >> after(play.first)
        << play.asked()
        >> play.anna.sends(200, cseq="nonsense")
        << nothing
        >> play.anna.sends_octets("SIP/2.0 200 OK\nVia: nonsense\n\n")
        << nothing
        >> after(INTERVAL)
        << play.asked()
        >> play.anna.sends(200)
    )
    assert play.unanswered == 1


def test_answer_from_another_address_is_none():
    play = Play(transport=TCP)
    stranger = play.world.client("stranger", "198.51.100.99:31000")
    assert (
        Ladder(play.world)
        >> after(play.first)
        << play.asked()
        >> does(lambda world: stranger.received.append(play.anna.received[-1]), "the stranger has seen it")
        >> stranger.sends(200)
        << nothing
        >> after(INTERVAL)
        << play.asked()
        >> play.anna.sends(200)
    )
    assert play.unanswered == 1
    assert play.world.counts.dropped["foreign_response"] == 1


def test_none_after_unregistering():
    """Nothing is kept of it either."""
    play = Play()
    assert (
        Ladder(play.world)
        >> play.anna.sends("REGISTER sip:example.com", contact=f"<{OWN}>;expires=0")
        << play.pbx.gets("REGISTER", contact="{*}", path="{*}", supported="path")
        >> play.pbx.sends(200)
        << play.anna.gets(200)
        >> after(3 * INTERVAL)
        << nothing
    )
    assert len(play.kept) == 0
    assert play.counts == {}


def test_none_after_expiry_but_again_after_another_registration():
    play = Play("crlf", granted=30)
    pings = [play.first, play.first + INTERVAL] if play.first + INTERVAL < 30 else [play.first]
    ladder = Ladder(play.world) >> after(60)
    for at in pings:
        ladder = ladder << play.anna.is_pinged(at)
    assert ladder << nothing
    assert len(play.kept) == 0
    assert (
        Ladder(play.world)
        >> registration(play.anna, play.pbx, "T")
        >> after(INTERVAL)
        << play.anna.is_pinged(play.first)
    )


def test_registering_again_adds_none():
    play = Play("crlf")
    assert (
        Ladder(play.world)
        >> registration(play.anna, play.pbx, "T")
        >> registration(play.anna, play.pbx, "T")
        >> after(INTERVAL)
        << play.anna.is_pinged(play.first)
    )
    assert len(play.kept) == 1


@pytest.mark.parametrize("transport", [UDP, TCP], ids=["udp", "tcp"])
def test_two_crlfs_at_each_interval(transport):
    """`keepalive: crlf`; there is nothing to answer."""
    play = Play("crlf", transport)
    assert (
        Ladder(play.world)
        >> after(2 * INTERVAL)
        << play.anna.is_pinged(play.first)
        << play.anna.is_pinged(play.first + INTERVAL)
        << nothing
    )
    assert play.counts == {("out", "crlf"): 2}
    assert play.unanswered == 0


def test_off():
    play = Play("off")
    assert Ladder(play.world) >> after(2 * INTERVAL) << nothing
    assert play.counts == {}
    assert len(play.kept) == 0


@pytest.mark.parametrize("asked", [False, True], ids=["before", "while one waits"])
def test_none_on_a_connection_that_is_gone(asked):
    play = Play(transport=TCP)
    ladder = Ladder(play.world)
    if asked:
        ladder = ladder >> after(play.first) << play.asked()
    assert ladder >> play.anna.closes() << nothing >> after(2 * INTERVAL) << nothing
    assert play.unanswered == asked
    assert play.counts == ({("out", "options"): 1} if asked else {})


def _restored(world: World, number: int) -> Binding:
    host = f"198.51.{100 + number // 200}.{1 + number % 200}"
    flow = world.core.node.flows.udp(world.listeners[0], host, 31000)
    token, aor = b"b%016d" % number, b"user%d@example.com" % number
    binding = Binding(token, aor, b"user%d" % number, b"", 0, b"sip:user%d@192.168.1.20" % number, flow)
    binding.state = REGISTERED
    binding.expires_at = binding.stored_until = world.now + 3600
    binding.last_used = world.now
    binding.shown = b"sip:user%d@10.0.0.2:5070;b=%b" % (number, token)
    return binding


def test_client_of_an_earlier_run():
    """By UDP its address is known again at once."""
    world = World(clients=(EDGES[UDP],), listener={"keepalive": "options"})
    world.feed(BindingsLoaded([_restored(world, 0)], world.now))
    world.outputs.clear()
    anna = world.client("anna", "198.51.100.1:31000")
    world.wait(INTERVAL)
    repeats = {output.effect.octets for output in world.due}
    world.outputs = type(world.outputs)(list(world.outputs)[:1])
    assert len(repeats) == 1
    assert Ladder(world) << anna.gets("OPTIONS sip:user0@192.168.1.20", origin=None) >> anna.sends(200) << nothing


def test_many_clients_are_not_asked_at_once():
    """1,000 of an earlier run: in no second more than twice their share, and each once in an interval."""
    world = World(clients=(EDGES[UDP],), listener={"keepalive": "options"})
    world.feed(BindingsLoaded([_restored(world, number) for number in range(1000)], world.now))
    world.outputs.clear()
    start = world.now
    first: dict[bytes, float] = {}
    for rounds in (1, 2):
        world.wait(INTERVAL)
        sent = [output for output in world.outputs if isinstance(output.effect, Send)]
        world.outputs.clear()
        for output in sent:
            assert output.effect.kind == b"OPTIONS"
            first.setdefault(output.effect.octets, output.time - start)
        new = [time for time in first.values() if time > (rounds - 1) * INTERVAL]
        seconds = Counter(int(time) for time in new)
        assert max(seconds.values()) <= 2 * 1000 / INTERVAL
        ticks = Counter(round(time * 20) for time in new)
        assert max(ticks.values()) <= 12
        assert world.counts.keep_alives["out", "options"] == rounds * 1000
        assert len(world.core.node.layer.clients) <= 1000
    assert world.core.node.bindings.figures()["registered"] == 1000


def test_none_while_there_is_no_room_for_transactions():
    """What clients and the server want goes first; the keep-alive is left out, not delayed."""
    world = World(clients=(EDGES[UDP],), listener={"keepalive": "options"}, limits={"transactions": 2})
    world.feed(BindingsLoaded([_restored(world, number) for number in range(5)], world.now))
    world.outputs.clear()
    world.wait(INTERVAL)
    assert world.counts.keep_alives["out", "options"] == 2
    assert world.core.node.layer.figures()["non_invite_client"] == 2
    world.outputs.clear()
