"""A client by IPv6 and the far end by IPv4: sipmend has an address of each family."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
from clients import new_client
from flow_client import FlowClient, hang_up, talk
from kamailio_peer import DOMAIN, Kamailio
from peer_process import free_port, lacks
from sip_client import Identity, host_port
from sipmend_peer import Sipmend


def has_ipv6() -> bool:
    """Whether ::1 can be bound: some containers have no IPv6 at all."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_client_by_ipv6_calls_and_is_called(kamailio: Kamailio, tmp_path: Path, transport: str) -> None:
    """Its Contact leads nowhere for the PBX, which has no IPv6; re-INVITE, UPDATE and BYE pass in both directions."""
    if not has_ipv6():
        lacks("This machine has no ::1")
    port = free_port("::1")
    changes = {"listen": [{"uri": f"{transport}://[::1]:{port}", "public_address": "::1"}]}
    with ExitStack() as cleanup:
        edge = Sipmend(f"sip:{kamailio.host}:5060", tmp_path, changes=changes)
        cleanup.callback(edge.stop)
        who = Identity("alice", DOMAIN, "alicepw", via_parameters=";rport")
        alice = cleanup.enter_context(FlowClient(who, "::1", ("::1", port), transport))
        who.contact = f"<sip:alice@{host_port(alice.address)};transport={transport}>"
        bob = cleanup.enter_context(new_client("bob", kamailio.address))
        assert alice.register().status == bob.register().status == 200
        for caller, called in ((alice, bob), (bob, alice)):
            asked = caller.invite(f"sip:{called.who.user}@{DOMAIN}")
            invite = called.expect("INVITE", 10)
            theirs = called.accept(invite)
            own = caller.established(asked, caller.final(asked, 10))
            called.expect("ACK", 10)
            talk(caller, own, called)
            talk(called, theirs, caller)
            hang_up(called, theirs, caller)
        assert {seen.uri for seen in alice.received if not seen.status} == {who.contact[1:-1]}
        edge.assert_sound()
