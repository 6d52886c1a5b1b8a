"""A thousand messages that are right, through the real core: nothing is found in them, by rules or by the core."""

from __future__ import annotations

import pytest

from plugins import ORDER
from proxy.events import MessageReceived
from proxy.repair.rule import REQUEST_IN
from tests.support.valid_messages import valid_messages
from tests.support.world import World

# A REGISTER names this proxy whatever its Contact is; and these requests within dialogs know no route set.
BY_DESIGN = {"contact-bypass", "route-ignored"}


@pytest.mark.parametrize("repair", [{}, {rule.name: "report" for rule in ORDER}], ids=["default", "all report"])
def test_requests_of_clients(repair):
    worlds = {
        transport: World(clients=(f"{transport}://203.0.113.10:5060",), repair=repair)
        for transport in ("udp", "tcp", "tls", "ws", "wss")
    }
    played = 0
    for number, valid in enumerate(valid_messages(1000)):
        if valid.stage != REQUEST_IN:
            continue
        transport, _, source = valid.sender.partition(":")
        world = worlds[transport]
        client = world.client(f"client{number}", source)
        world.feed(MessageReceived(client.flow, valid.octets, world.now))
        played += 1
        found = {name for name, _, _ in world.counts.repairs} - BY_DESIGN
        assert not found, f"{found} in {valid.sender} {valid.octets.decode()}"
    assert played > 300
