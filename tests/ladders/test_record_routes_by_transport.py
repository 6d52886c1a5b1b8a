"""Our two Record-Routes for every transport and address family of both sides: how they are spelled, and that requests
within the dialog from either end, which bring them back, go to the other end with neither of them."""

from __future__ import annotations

from itertools import product

import pytest

from proxy.flow import TRANSPORTS
from tests.support.ladder import Ladder
from tests.support.party import Party
from tests.support.world import World

PORTS = {"udp": 5060, "tcp": 5060, "tls": 5061, "ws": 8080, "wss": 8443}
# By the word in `transport=`: RFC 7118 section 5.2.1 has one for both.
WORDS = {"udp": "udp", "tcp": "tcp", "tls": "tls", "ws": "ws", "wss": "ws"}
OUTSIDE = {4: "203.0.113.10", 6: "[2001:db8::10]"}
INSIDE = {4: "10.0.0.2", 6: "[fd00::2]"}
SERVERS = {4: "10.0.0.5", 6: "[fd00::5]"}
CLIENTS = {4: "198.51.100.20:31000", 6: "[2001:db8:1::20]:31000"}
OWN = {4: "192.168.1.20:5060", 6: "[fd00:1::20]:5060"}
SIDES = list(product(PORTS, ("udp", "tcp", "tls"), (4, 6), (4, 6)))


class Call:
    """A registered client by one transport, the server by another, and what both should see of us.

    There is a listener of every transport, so that a wrong one could be taken.
    """

    def __init__(self, outside: str, inside: str, outer: int, inner: int) -> None:
        self.world = world = World(
            clients=tuple(f"{name}://{OUTSIDE[outer]}:{port}" for name, port in PORTS.items()),
            targets=(f"{inside}://{SERVERS[inner]}:{PORTS[inside]}",),
            own=INSIDE[inner].strip("[]"),
        )
        host = "9sh.invalid" if outside in ("ws", "wss") else OWN[outer]
        self.own = f"sip:anna@{host};transport={WORDS[outside]}"
        self.anna = world.client(
            "anna",
            CLIENTS[outer],
            listener=list(PORTS).index(outside),
            contact=f"<{self.own}>",
            via=f"SIP/2.0/{outside.upper()} {host};rport",
        )
        address = f"{SERVERS[inner]}:{PORTS[inside]}"
        self.k = world.server("k", address, TRANSPORTS.index(inside), contact=f"<sip:bob@{address}>")
        here = f"{INSIDE[inner]}:5070"
        self.shown = f"sip:anna@{here};transport={inside};b={{T}}"
        self.server_side = f"{here};transport={inside};lr"
        self.client_side = f"{OUTSIDE[outer]}:{PORTS[outside]};transport={WORDS[outside]};lr"
        self.vias = (
            f"SIP/2.0/{outside.upper()} {OUTSIDE[outer]}:{PORTS[outside]};",
            f"SIP/2.0/{inside.upper()} {here};",
        )
        self._register(inside)

    def _register(self, inside: str) -> None:
        ladder = Ladder(self.world) >> self.anna.sends("REGISTER sip:example.com")
        if inside != "udp":
            ladder = ladder << self.k.is_connected()
        path = f"<sip:{{*}}@{self.server_side}>"
        assert (
            ladder
            << self.k.gets("REGISTER", contact=f"<{self.shown}>", path=path, supported="path")
            >> self.k.sends(200, contact=f"<{self.shown}>;expires=3600")
            << self.anna.gets(200, contact=f"<{self.own}>;expires=3600")
        )

    def pair(self, name: str) -> list[str]:
        """Our Record-Routes as the server should see them; the client sees them the other way round."""
        return [f"<sip:{{{name}}}@{self.server_side}>", f"<sip:{{{name}}}@{self.client_side}>"]

    def in_dialog(self, name: str) -> None:
        """A request and a re-INVITE from each end, with both Routes of ours and without one more."""
        ends = (self.anna, self.k, self.k.contact.strip("<>"), f"<{self.shown}>")
        for one, other, uri, contact in (ends, (self.k, self.anna, self.own, self.k.contact)):
            assert (
                Ladder(self.world)
                >> one.continues("INFO")
                << other.gets(f"INFO {uri}", route=None)
                >> other.sends(200)
                << one.gets(200)
                >> one.continues("INVITE")
                << other.gets(f"INVITE {uri}", route=None, contact=contact, record_route=None)
                >> other.sends(200)
                << one.gets(200, contact=self.k.contact if one is self.anna else f"<{self.shown}>")
                >> one.continues("ACK")
                << other.gets(f"ACK {uri}", route=None)
            )
            wanted = self.pair(name) if one is self.k else self.pair(name)[::-1]
            assert one.sent[-1].values("route") == [self.world.names.fill(route) for route in wanted]
            assert other.received[-1].values("via")[0].startswith(self.vias[one is self.anna])

    def hangs_up(self, one: Party, other: Party, uri: str) -> None:
        """By Routes spelled otherwise than we wrote them, as after a restart or a server that writes them anew."""
        assert one.dialog is not None
        one.dialog.routes = [", ".join(respelled(route) for route in one.dialog.routes)]
        assert (
            Ladder(self.world)
            >> one.continues("BYE")
            << other.gets(f"BYE {uri}", route=None)
            >> other.sends(200)
            << one.gets(200)
        )


def respelled(route: str) -> str:
    """The same URI with its host in capitals, and its parameters in another order and case."""
    user, _, rest = route.strip("<>").partition("@")
    address, transport, lr = rest.split(";")
    return f"<{user}@{address.upper()};{lr.upper()};{transport.replace('transport', 'Transport')}>"


@pytest.fixture
def call(request):
    return Call(*request.param)


every_side = pytest.mark.parametrize(
    "call", SIDES, indirect=True, ids=[f"{out} v{outer} to {in_} v{inner}" for out, in_, outer, inner in SIDES]
)


@every_side
def test_call_of_a_client(call):
    """The server's side on top; the server hangs up."""
    anna, k = call.anna, call.k
    assert (
        Ladder(call.world)
        >> anna.sends("INVITE sip:bob@example.com")
        << k.gets("INVITE sip:bob@example.com", contact=f"<{call.shown}>", record_route=call.pair("R"))
        >> k.sends(200)
        << anna.gets(200)
        >> anna.continues("ACK")
        << k.gets("ACK", route=None)
    )
    assert k.received[-1].values("via")[0].startswith(call.vias[1])
    call.in_dialog("R")
    call.hangs_up(k, anna, call.own)


@every_side
def test_call_to_a_client(call):
    """The client's side on top; the client hangs up."""
    anna, k = call.anna, call.k
    assert (
        Ladder(call.world)
        >> k.sends(f"INVITE {call.shown}")
        << anna.gets(f"INVITE {call.own}", record_route=call.pair("R")[::-1])
        >> anna.sends(200)
        << k.gets(200, contact=f"<{call.shown}>")
        >> k.continues("ACK")
        << anna.gets(f"ACK {call.own}", route=None)
    )
    assert anna.received[-1].values("via")[0].startswith(call.vias[0])
    call.in_dialog("R")
    call.hangs_up(anna, k, k.contact.strip("<>"))
