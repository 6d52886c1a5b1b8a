"""Bindings of an earlier run: which are known again, and what is told to the store of the others."""

from __future__ import annotations

import pytest
from parts import EDGE, EDGE_WSS, node

from proxy.binding import GONE, LINGERING, REGISTERED, Binding
from proxy.core.stored import take_back
from proxy.effects import Note, StoreBindings
from proxy.flow import Flow

NOW = 1000.0


def binding(name: bytes = b"alice", *, expires: float = 2000.0, used: float = 900.0, state: int = REGISTERED, **more):
    flow = more.pop("flow", Flow(EDGE, "198.51.100.7", 4711))
    made = Binding(b"b" + name, name + b"@example.com", b"", b"", 0, b"sip:%b@H1.invalid" % name, flow)
    made.state = state
    made.expires_at = made.stored_until = expires
    made.last_used = used
    made.shown = b"sip:alice@192.0.2.99:5070;transport=udp;b=b" + name
    for key, value in more.items():
        setattr(made, key, value)
    return made


class Play:
    def __init__(self, **more) -> None:
        self.node = node(**more)
        self.node.layer.scene.now = NOW
        self.table = self.node.bindings

    def takes_back(self, *bindings):
        """Those that are gone, as the store hears of them."""
        out: list = []
        take_back(list(bindings), self.node, out)
        self.notes = [effect.fields for effect in out if isinstance(effect, Note)]
        return [gone for effect in out if isinstance(effect, StoreBindings) for gone in effect.bindings]


@pytest.fixture
def play() -> Play:
    return Play()


def test_registered_client_is_in_every_table(play):
    alice = binding()
    assert play.takes_back(alice) == []
    assert play.table.by_token(b"balice") is alice
    assert play.table.of_aor(b"alice@example.com") == [alice]
    assert play.table.on_flow(alice.flow) == [alice]
    assert play.table.find_or_make(alice.aor, b"", b"", 0, alice.contact, alice.flow, b"") is alice
    assert (alice.state, alice.user, alice.contact_key) == (REGISTERED, b"alice", (b"alice", b"h1.invalid"))
    assert play.notes == [{"kept": 1, "gone": 0}]


def test_name_at_the_server_has_our_address_of_today(play):
    """The next REGISTER must not name an address that we no longer have."""
    alice, left = binding(), binding(b"bob", shown=b"")
    play.takes_back(alice, left)
    assert alice.shown == b"sip:alice@10.0.0.2:5070;transport=udp;b=balice"
    assert left.shown == b"", "a Contact that was left stays left"


def test_registration_that_ran_out_meanwhile_lingers(play):
    alice = binding(expires=999.0)
    assert play.takes_back(alice) == []
    assert alice.state == LINGERING
    assert play.table.figures() == {"registered": 0, "abandoned": 0, "lingering": 1}


def test_what_lingered_too_long_is_gone():
    play = Play(linger=100.0)
    dead = binding(b"dead", expires=899.0, used=500.0)
    old = binding(b"old", state=LINGERING, used=899.0)
    young = binding(b"young", state=LINGERING, used=901.0)
    assert play.takes_back(dead, old, young) == [dead, old]
    assert (dead.state, old.state, young.state) == (GONE, GONE, LINGERING)
    assert len(play.table) == 1
    assert young.last_used == NOW, "when its call was last heard of is not known: its time begins again"
    assert play.notes == [{"kept": 1, "gone": 2}]


def test_smaller_table_keeps_those_used_last():
    play = Play(max_bindings=2)
    one, two, three = (binding(name) for name in (b"one", b"two", b"three"))
    assert play.takes_back(one, two, three) == [one]
    assert play.table.by_token(b"bthree") is three


def test_oldest_of_the_lingering_still_goes_first():
    play = Play(max_bindings=2)
    old, young = (binding(name, state=LINGERING) for name in (b"old", b"young"))
    play.takes_back(old, young)
    new = binding(b"new")
    assert play.table.commit(new, new.flow)
    assert play.table.by_token(b"bold") is None
    assert play.table.by_token(b"byoung") is young


def test_nobody_is_there_twice(play):
    alice = binding()
    twin = binding(token=b"bother")
    same = binding(b"bob", token=b"balice")
    assert play.takes_back(alice, twin, same) == [twin, same]
    assert len(play.table) == 1


def test_contact_that_cannot_be_read(play):
    assert len(play.takes_back(binding(contact=b"sip:a b"))) == 1


def test_udp_address_counts_as_heard_and_a_connection_does_not(play):
    """Else a second site would take it over before it could say something (protocol 2.7)."""
    closed = Flow(EDGE_WSS, "198.51.100.7", 50112)
    closed.open = False
    alice, bob = binding(), binding(b"bob", flow=closed)
    play.takes_back(alice, bob)
    assert (alice.flow.heard, bob.flow.heard) == (NOW, 0.0)


def test_nothing_to_take_back(play):
    assert play.takes_back() == []
    assert play.notes == []
