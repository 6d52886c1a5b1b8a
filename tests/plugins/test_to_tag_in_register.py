"""A To tag in REGISTER (RFC 3261 section 10.2); tests/ladders/test_names_and_tags.py has the way home."""

from __future__ import annotations

import pytest
from ruling import CATALOG, put, request

from proxy.repair.sample import sample_context, sample_flow, sample_message

RULE = CATALOG.rule("to-tag-in-register")


def mended(method, *headers, **more):
    return put(request(method, *headers, **more), rules=[RULE])


@pytest.mark.parametrize(
    ("line", "after"),
    [
        ("To: <sip:a@x>;tag=1", "To: <sip:a@x>"),
        ("To: <sip:a@x>;tag=", "To: <sip:a@x>"),
        ("t: sip:a@x;y=1; tag=1;z", "t: sip:a@x;y=1;z"),
        ('To: "A;tag=1" <sip:a@x;tag=2>;tag=3;tag=4', 'To: "A;tag=1" <sip:a@x;tag=2>'),
        ("To: <sip:a@x>\n ;tag=1;y", "To: <sip:a@x> ;y"),
    ],
)
def test_it_goes_and_nothing_else(line, after):
    run = mended("REGISTER", line, without=("To",))
    assert run.fired == ["to-tag-in-register"]
    assert after in run.text.split("\n")


@pytest.mark.parametrize("method", ["INVITE", "SUBSCRIBE", "BYE", "PUBLISH"])
def test_other_requests_keep_it(method):
    assert mended(method, "To: <sip:a@x>;tag=1").fired == []


@pytest.mark.parametrize(
    "headers", [("To: <sip:a@x>;tagged=1",), ("To: <sip:a@x",), ("To: <sip:a@x>;tag=1", "Identity: y")]
)
def test_what_stays(headers):
    assert mended("REGISTER", *headers).fired == []


def test_the_client_of_another_hop_is_left_alone():
    message = sample_message(request("REGISTER", "To: <sip:a@x>;tag=1"))
    context = sample_context(message, sample_flow("udp:198.51.100.7:5060"))
    context.second_hop = True
    assert RULE.applies(message, context) is None
