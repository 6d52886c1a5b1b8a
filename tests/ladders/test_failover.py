"""Several targets: one that is down is passed over until it answers OPTIONS again (design 6)."""

from __future__ import annotations

from tests.support.ladder import Ladder
from tests.support.world import World


def test_new_requests_go_to_the_next_target_while_the_first_is_down():
    """Each request that had to is counted; what the watch over targets finds out is tested with it."""
    field = World(clients=("udp://203.0.113.10:5060",), targets=("udp://10.0.0.5:5060", "udp://10.0.0.6:5060"))
    first = field.server("first", "10.0.0.5:5060")
    second = field.server("second", "10.0.0.6:5060")
    anna = field.client("anna", "198.51.100.20:31000", contact="<sip:anna@198.51.100.20:31000>")
    targets = field.core.node.targets.all
    for up, server, counted in ((True, first, 0), (False, second, 1), (False, second, 2), (True, first, 2)):
        targets[0].up = up
        assert (
            Ladder(field)
            >> anna.sends("MESSAGE sip:bob@example.com")
            << server.gets("MESSAGE")
            >> server.sends(200)
            << anna.gets(200)
        )
        assert field.counts.failovers == counted
