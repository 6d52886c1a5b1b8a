"""baresip through the proxy: registration with digest, calls both ways, hold and resume, BYE at either end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from baresip_peer import PATIENCE, Baresip
from kamailio_peer import Kamailio
from peer_process import eventually, fresh_address
from sip_client import Seen
from sipmend_peer import Sipmend

from tests.support.certificates import Authority

PORTS = {"udp": 5060, "tcp": 5060, "tls": 5061}


@pytest.fixture
def secure_edge(kamailio: Kamailio, tmp_path: Path) -> Iterator[Sipmend]:
    """The proxy with TLS as well."""
    address = fresh_address()
    pair = Authority(tmp_path).issue("edge", address)
    proxy = Sipmend(f"sip:{kamailio.host}:5060", tmp_path / "sipmend", edge=address, certificate=pair)
    yield proxy
    try:
        proxy.assert_sound()
    finally:
        proxy.stop()


def offers(kamailio: Kamailio, edge: Sipmend, direction: str) -> int:
    """How many INVITE with this direction of audio came from clients."""
    wanted = f"a={direction}\r\n".encode()
    return sum(seen.method == "INVITE" and wanted in seen.body for seen in kamailio.from_clients(edge.inside))


def calls(caller: Baresip, called: Baresip, ends: Baresip) -> None:
    """A call that one of them ends."""
    caller.call(called.user)
    for phone in (caller, called):
        phone.expect("CALL_ESTABLISHED")
    ends.do("hangup")
    for phone in (caller, called):
        phone.expect("CALL_CLOSED")


@pytest.mark.parametrize("transport", list(PORTS))
def test_baresip_registers_calls_and_is_called(
    transport: str, secure_edge: Sipmend, kamailio: Kamailio, tmp_path: Path
) -> None:
    """Both clients are baresip: each request passes the proxy twice, towards the PBX and from it."""
    proxy = (secure_edge.edge, PORTS[transport])
    with ExitStack() as cleanup:
        phones = [Baresip(user, proxy, transport, tmp_path / user) for user in ("alice", "bob")]
        for phone in phones:
            cleanup.callback(phone.stop)
        alice, bob = phones
        alice.call("bob")
        alice.expect("CALL_ESTABLISHED")
        bob.expect("CALL_ESTABLISHED")
        alice.do("hold")
        assert eventually(lambda: offers(kamailio, secure_edge, "sendonly") > 0, PATIENCE), alice.log()
        before = offers(kamailio, secure_edge, "sendrecv")
        alice.do("resume")
        assert eventually(lambda: offers(kamailio, secure_edge, "sendrecv") > before, PATIENCE), alice.log()
        bob.do("hangup")
        for phone in phones:
            phone.expect("CALL_CLOSED")
        calls(bob, alice, ends=bob)
        calls(alice, bob, ends=alice)
        requests: list[Seen] = [seen for seen in kamailio.from_clients(secure_edge.inside) if not seen.status]
        assert {seen.method for seen in requests} >= {"REGISTER", "INVITE", "ACK", "BYE"}
        # It puts a Route for its outbound proxy, us, before every dialog; the PBX sees none of that.
        beginning = [seen for seen in requests if ";tag=" not in seen.first("To")]
        assert not [line for seen in beginning for line in seen.all("Route")]
        # By its Contact the PBX reaches it through the proxy.
        registered = [seen for seen in requests if seen.method == "REGISTER"]
        assert all(f"@{secure_edge.inside}:5070" in seen.contact for seen in registered)
