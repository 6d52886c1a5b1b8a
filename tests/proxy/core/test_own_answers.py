"""What the proxy answers itself as a user agent server; CANCEL and the calls it ends are played in the ladders."""

from __future__ import annotations

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
