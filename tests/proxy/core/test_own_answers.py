"""What the proxy answers itself as a user agent server; CANCEL and the calls it ends are played in the ladders."""

from __future__ import annotations

from parts import ALICE, node, request

from proxy.core.overload import Overload
from proxy.core.own_answers import OwnAnswers
from proxy.core.repeats import Repeats
from proxy.transaction.key import server_key
from tests.support.ladder import Ladder, nothing
from tests.support.world import World


def test_repeated_options_gets_the_same_answer_again():
    world = World()
    pbx = world.server()
    assert (
        Ladder(world)
        >> pbx.sends("OPTIONS sip:10.0.0.2:5070")
        << pbx.gets(200, accept="*/*", accept_encoding="*", accept_language="*", supported="")
        >> pbx.repeats()
        << pbx.gets(200, again=True)
        << nothing
    )


def test_what_is_compared_with_is_bounded():
    """However many ask: the oldest is forgotten, and those whose transactions have ended."""
    part = node()
    own = OwnAnswers(part, Repeats(part), Overload(part))
    for number in range(5000):
        asked = request("OPTIONS", f"Via: SIP/2.0/UDP 198.51.100.7:4711;branch=z9hG4bK{number}", f"Call-ID: {number}")
        own.options(asked, server_key(asked, 0), ALICE, [])
    assert len(own._asked) <= 4096
    part.layer.tick(100.0, [])
    asked = request("OPTIONS")
    own.options(asked, server_key(asked, 0), ALICE, [])
    assert len(own._asked) == 1
