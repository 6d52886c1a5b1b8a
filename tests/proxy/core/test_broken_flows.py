"""What the ladders of clients that reconnect do not show: nothing is kept of what waited, nobody else is touched."""

from __future__ import annotations

from proxy.flow import SERVER
from tests.support.flows import registration
from tests.support.ladder import Ladder, after, nothing
from tests.support.world import World

URI = "sip:alice@10.0.0.2:5070;transport=udp;b={T}"


class Stage:
    def __init__(self, **sections):
        self.edge = World(**sections)
        self.alice = self.edge.client("alice", "198.51.100.7:50112", contact="<sip:a@9sh.invalid;transport=ws>")
        self.k = self.edge.server("k")
        self.broken = self.edge.core._broken

    def rings(self):
        return (
            Ladder(self.edge)
            >> registration(self.alice, self.k, "T")
            >> self.k.sends(f"INVITE {URI}")
            << self.alice.gets("INVITE sip:a@9sh.invalid;transport=ws", record_route=["{*}", "{*}"])
            >> self.alice.sends(180)
            << self.k.gets(180, contact="{*}")
        )


def test_nothing_is_left_of_a_call_that_was_given_up():
    stage = Stage()
    assert stage.rings() >> stage.alice.closes() << nothing
    assert len(stage.broken.waiting) == 1
    assert Ladder(stage.edge) >> after(4.1) << stage.k.gets(480) >> stage.k.acks() >> after(200) << nothing
    layer = stage.edge.core.node.layer
    assert (stage.broken.waiting, layer.clients, layer.servers) == ([], {}, {})


def test_nothing_is_left_of_a_call_that_was_answered_by_the_new_connection():
    stage = Stage()
    assert (
        stage.rings()
        >> stage.alice.closes()
        >> stage.alice.connects("198.51.100.7:50999")
        >> registration(stage.alice, stage.k, "T")
        << stage.alice.gets("INVITE sip:a@9sh.invalid;transport=ws", again=True)
        >> stage.alice.sends(486, answers="INVITE")
        << stage.alice.gets("ACK")
        << stage.k.gets(486)
        >> stage.k.acks()
        >> after(200)
        << nothing
    )
    layer = stage.edge.core.node.layer
    assert (stage.broken.waiting, layer.clients, layer.servers) == ([], {}, {})


def test_client_by_another_listener_is_not_sent_what_names_the_first():
    """Our Record-Route in it says by which address the call goes: it would be wrong there."""
    stage = Stage(clients=("wss://edge.example.com:8443", "wss://edge.example.com:9443"))
    assert stage.rings() >> stage.alice.closes() << nothing
    edge, alice = stage.edge, stage.alice
    alice.flow = edge.flow(edge.listeners[1], "198.51.100.7:50999")
    alice.flows.append(alice.flow)
    assert Ladder(edge) >> registration(alice, stage.k, "T") << nothing >> after(4.1) << stage.k.gets(480)


def test_connection_to_the_server_that_breaks_is_another_matter():
    """Requests of clients fail as before: 500 at once, and the next target's turn."""
    edge = World(targets=("tcp://10.0.0.5:5060",))
    alice = edge.client("alice", "198.51.100.7:50112", contact="<sip:a@9sh.invalid;transport=ws>")
    k = edge.server("k", transport=1)
    ladder = Ladder(edge) >> alice.sends("MESSAGE sip:bob@example.com") << k.is_connected() << k.gets("MESSAGE")
    assert ladder
    assert k.flow.listener.side == SERVER
    assert Ladder(edge) >> k.closes() << alice.gets(500)
