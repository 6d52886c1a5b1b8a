"""Clients behind a real NAT (Linux masquerading): they register, are called, and calls outlive a change of the port.

`test_without_the_proxy_nobody_calls_in` is the control group. Needs root for its network namespaces.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from flow_client import FlowClient, hang_up, talk
from kamailio_peer import DOMAIN, Kamailio
from namespace import INSIDE, OUTSIDE, Namespace, Nat
from peer_process import fresh_address
from sip_client import Address, Dialog, Identity, host_port
from sipmend_peer import Sipmend

INSTANCES = {user: f"00000000-0000-1000-8000-00000000000{n}" for n, user in enumerate(("alice", "bob", "carol"))}


class Street:
    """Both sides of the NAT: a PBX and sipmend outside, and clients wherever they are wanted."""

    def __init__(self, nat: Nat, work: Path, cleanup: ExitStack) -> None:
        self.nat = nat
        self.cleanup = cleanup
        with nat.outside.entered():
            self.kamailio = Kamailio(OUTSIDE[1], work / "kamailio")
            cleanup.callback(self.kamailio.stop)
            self.edge = Sipmend(f"sip:{OUTSIDE[1]}:5060", work / "sipmend", edge=OUTSIDE[0])
            cleanup.callback(lambda: self.edge.process.stop(1.0))

    def client(
        self, user: str, host: str, server: Address, transport: str = "udp", via_parameters: str = ""
    ) -> FlowClient:
        """A registered client that knows nothing of the NAT: it writes its own address everywhere."""
        where: Namespace = self.nat.inside if host in INSIDE else self.nat.outside
        who = Identity(user, DOMAIN, f"{user}pw", via_parameters=via_parameters)
        with where.entered():
            client = FlowClient(who, host, server, transport)
        self.cleanup.enter_context(client)
        # As phones do by TCP: the port where it listens, not the one that it sends from.
        port = client.address[1] if transport == "udp" else 5060
        client.who.contact = f"<sip:{user}@{host_port((host, port))};transport={transport}>"
        client.who.register_contact = f'{client.who.contact};+sip.instance="<urn:uuid:{INSTANCES[user]}>"'
        assert client.register().status == 200
        return client

    def inside(self, transport: str, user: str = "alice", host: str = INSIDE[0]) -> FlowClient:
        """A client behind the NAT that uses sipmend."""
        return self.client(user, host, self.edge.address, transport)

    def bob(self) -> FlowClient:
        """The far end, registered at the PBX itself."""
        return self.client("bob", fresh_address(), self.kamailio.address)

    def port(self, transport: str) -> int:
        """The one port that the NAT uses for sipmend's clients."""
        (port,) = self.nat.ports(transport)
        return port


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    """The proxy must still run in the end, without a traceback."""
    with ExitStack() as cleanup:
        street = Street(cleanup.enter_context(Nat()), tmp_path, cleanup)
        yield street
        street.edge.assert_sound()


def call(caller: FlowClient, called: FlowClient) -> tuple[Dialog, Dialog]:
    """Set up a call; both sides' dialogs."""
    asked = caller.invite(f"sip:{called.who.user}@{DOMAIN}")
    invite = called.expect("INVITE", 10)
    theirs = called.pick_up(invite)
    own = caller.established(asked, caller.final(asked, 10))
    called.expect("ACK", 10)
    return own, theirs


@pytest.mark.parametrize("caller_inside", [True, False], ids=["calls", "is called"])
def test_call_by_udp_outlives_a_new_port(street: Street, caller_inside: bool) -> None:
    """The NAT forgets the client in mid-call; its next request opens another port, and all that follows uses it."""
    alice, bob = street.inside("udp"), street.bob()
    ends = (alice, bob) if caller_inside else (bob, alice)
    dialogs = call(*ends)
    own, theirs = dialogs if caller_inside else dialogs[::-1]
    port = street.port("udp")
    street.nat.forget()
    talk(alice, own, bob)
    assert street.port("udp") != port
    talk(bob, theirs, alice)
    hang_up(bob, theirs, alice)


def test_bye_by_udp_passes_right_after_the_port_changed(street: Street) -> None:
    """The first thing the client says by its new port is BYE."""
    alice, bob = street.inside("udp"), street.bob()
    _, own = call(bob, alice)
    street.nat.forget()
    hang_up(alice, own, bob)


def test_next_call_finds_the_new_port(street: Street) -> None:
    """Once the client has registered by its new port it is called there."""
    alice, bob = street.inside("udp"), street.bob()
    port = street.port("udp")
    street.nat.forget()
    assert alice.register().status == 200
    assert street.port("udp") != port
    own, _ = call(bob, alice)
    hang_up(bob, own, alice)


@pytest.mark.parametrize("caller_inside", [True, False], ids=["calls", "is called"])
def test_call_by_tcp_outlives_a_broken_connection(street: Street, caller_inside: bool) -> None:
    """A NAT that forgot breaks the connection. The client makes another one, registers, and its call goes on."""
    alice, bob = street.inside("tcp"), street.bob()
    ends = (alice, bob) if caller_inside else (bob, alice)
    dialogs = call(*ends)
    own, theirs = dialogs if caller_inside else dialogs[::-1]
    street.nat.forget()
    with pytest.raises((ConnectionError, AssertionError)):
        alice.register()
    alice.close()
    again = street.inside("tcp")
    talk(bob, theirs, again)
    talk(again, own, bob)
    hang_up(bob, theirs, again)


def test_two_clients_behind_one_nat_call_each_other(street: Street) -> None:
    """Both have the same public address; the call passes the proxy twice."""
    alice, carol = street.inside("udp"), street.inside("udp", "carol", INSIDE[1])
    assert len(street.nat.ports("udp")) == 2
    own, theirs = call(alice, carol)
    talk(carol, theirs, alice)
    hang_up(alice, own, carol)


def test_without_the_proxy_nobody_calls_in(street: Street) -> None:
    """At the PBX itself a client that asks for rport gets its answers; its Contact leads nowhere, nobody calls it."""
    alice = street.client("alice", INSIDE[0], street.kamailio.address, via_parameters=";rport")
    bob = street.bob()
    asked = bob.invite(f"sip:alice@{DOMAIN}")
    answer = bob.final(asked, 10)
    bob.acknowledge_failure(asked, answer)
    assert answer.status in (477, 478, 500)
    assert [seen.start for seen in alice.received if not seen.status] == []
