"""OPTIONS of the server to a client that is gone: any answer counts as "reachable" at Asterisk (protocol 3.4)."""

from __future__ import annotations

import pytest

from tests.support.flows import registration, shown
from tests.support.ladder import Ladder, nothing
from tests.support.world import World

URI = "sip:anna@10.0.0.2:5070;transport=udp;b={T}"


@pytest.fixture(params=["silent", "480"])
def field(request):
    return World(clients=("udp://203.0.113.10:5060",), server={"options_gone": request.param})


def test_options_to_a_client_that_unregistered(field, anna, pbx):
    """No answer by default, and a counter; 480 where the administrator wants it. Other methods get 480 anyway."""
    gone = (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> anna.sends("REGISTER sip:example.com", contact="<sip:anna@192.168.1.20:5060>;expires=0")
        << pbx.gets("REGISTER", contact=shown(anna, "T") + ";expires=0", path="{*}", supported="path")
        >> pbx.sends(200)
        << anna.gets(200)
        >> pbx.sends(f"MESSAGE {URI}")
        << pbx.gets(480)
        >> pbx.sends(f"OPTIONS {URI}")
    )
    if field.core.node.settings.options_gone == "silent":
        assert gone << nothing
        assert field.counts.dropped["options_gone"] == 1
    else:
        assert gone << pbx.gets(480)
