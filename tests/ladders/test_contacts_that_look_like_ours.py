"""A `b` parameter that is no token of ours is the client's own business; a Contact that cannot be read is refused."""

from __future__ import annotations

import pytest

from tests.support.flows import shown
from tests.support.ladder import Ladder


@pytest.mark.parametrize("parameter", [";b=foo", ";b", ";b=b123", ";b=bk3v9x2m7q4w8z5c-"])
def test_foreign_b_parameter_does_not_lead_past_us(field, anna, pbx, parameter):
    """Only a token in our form is left alone (protocol 4.4); else the server would call the phone directly."""
    contact = f"<sip:anna@10.1.1.1{parameter}>"
    assert (
        Ladder(field)
        >> anna.sends("REGISTER sip:example.com", contact=contact)
        << pbx.gets("REGISTER", contact=shown(anna, "T"), path="{*}", supported="path")
        >> pbx.sends(200, contact=shown(anna, "T") + ";expires=60")
        << anna.gets(200, contact=contact + ";expires=60")
    )


@pytest.mark.parametrize("contact", ["None", "<sip:a@10.1.1.1:99999>", "<sip:>", "<sip:a b@10.1.1.1>"])
def test_register_with_a_contact_that_cannot_be_read(field, anna, contact):
    """Forwarded as it is, it would be accepted by some servers, and the client could never be called."""
    assert Ladder(field) >> anna.sends("REGISTER sip:example.com", contact=contact) << anna.gets(400)
