"""`ob` taken out of Contact URIs, where the administrator says so."""

from __future__ import annotations

import pytest
from ruling import CATALOG, USUAL, put, request, response

RULE = CATALOG.rule("ob-unsupported")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<sip:a@h;ob>", "<sip:a@h>"),
        ("<sip:a@h;OB;x=y>;ob", "<sip:a@h;x=y>;ob"),
        ("<sip:a;ob@h;ob=1;transport=tcp>", "<sip:a;ob@h;transport=tcp>"),
        ("sip:a@h;ob;expires=60", "sip:a@h;expires=60"),
        ("<sip:a@h>, <sip:b@h;ob>", "<sip:a@h>, <sip:b@h>"),
        ("<sip:a@h;ob?X=1>", "<sip:a@h?X=1>"),
    ],
)
def test_ob_goes_and_nothing_else(before, after):
    run = put(request("INVITE", f"Contact: {before}"), rules=[RULE])
    assert run.lines("Contact") == [f"Contact: {after}"]
    assert run.fired == ["ob-unsupported"]


@pytest.mark.parametrize(
    "contact", ["<sip:a@h;observed>", "<sip:a@h;x=ob>", "<sip:a;ob@h>", "*", "<sip:a@h>;ob", '";ob']
)
def test_what_is_no_ob_stays(contact):
    assert put(request("INVITE", f"Contact: {contact}"), rules=[RULE]).fired == []


def test_answers_too_and_behind_the_one_contact():
    """The Contact that we write keeps `ob`; this rule meets it last."""
    rules = [*(rule for rule in USUAL), RULE]
    run = put(response(200, "INVITE", "Contact: <sip:a@192.168.1.5;ob>"), rules=rules)
    assert run.lines("Contact") == ["Contact: <sip:alice@10.0.0.2:5070;transport=udp;b=k3v9x2m7q4w8z5c1>"]
    assert run.fired == ["contact-private", "ob-unsupported"]


def test_off_by_default():
    assert RULE not in USUAL
