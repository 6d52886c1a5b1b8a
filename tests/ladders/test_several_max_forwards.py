"""Several Max-Forwards lines: the lowest counts, whichever comes first (rule `maxfwd-duplicate`)."""

from __future__ import annotations

import pytest

from tests.support.ladder import Ladder


@pytest.mark.parametrize("values", [["70", "0"], ["0", "70"]])
def test_one_of_them_has_reached_0(field, anna, values):
    """A request that looped must not live on by its other line."""
    assert Ladder(field) >> anna.sends("MESSAGE sip:bob@example.com", max_forwards=values) << anna.gets(483)


def test_the_lowest_goes_on_less_one(field, anna, pbx):
    """Each hop takes one from the line that stays."""
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com", max_forwards=["70", "5"])
        << pbx.gets("MESSAGE", max_forwards="4")
        >> pbx.sends(200)
        << anna.gets(200)
    )


def test_one_of_them_is_no_number(field, anna):
    assert Ladder(field) >> anna.sends("MESSAGE sip:bob@example.com", max_forwards=["70", "many"]) << anna.gets(400)
