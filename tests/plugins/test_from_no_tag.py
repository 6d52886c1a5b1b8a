"""Clients that write no tag (RFC 3261 sections 8.1.1.3 and 8.2.6.2); tests/ladders/test_names_and_tags.py has the way
home."""

from __future__ import annotations

import pytest
from ruling import CATALOG, put, request, response

from proxy.repair.rule import REQUEST_OUT, RESPONSE_OUT
from proxy.repair.sample import sample_context, sample_flow, sample_message

RULE = CATALOG.rule("from-no-tag")
TAG = ";tag=smk3v9x2m7q4w8z5c1"
UDP = "udp:198.51.100.7:5060"


def mended(text, **more):
    return put(text, rules=[RULE], **more)


@pytest.mark.parametrize("method", ["INVITE", "ACK", "CANCEL", "BYE", "REGISTER", "MESSAGE", "JUNK"])
def test_every_request_of_a_client(method):
    assert mended(request(method, "From: <sip:a@x>")).lines("From") == [f"From: <sip:a@x>{TAG}"]


@pytest.mark.parametrize(
    ("line", "after"),
    [
        ("f : sip:a@x", f"f : sip:a@x{TAG}"),
        ("From: sip:a@x;y=1", f"From: sip:a@x;y=1{TAG}"),
        ('From: ";tag=1" <sip:a@x;tag=2> ;tagged', f'From: ";tag=1" <sip:a@x;tag=2> ;tagged{TAG}'),
        ("From: <sip:a@x>;tag=", f"From: <sip:a@x>{TAG}"),
        ("From: <sip:a@x>;tag;y", f"From: <sip:a@x>{TAG};y"),
        ("From:\n <sip:a@x>\n ;y", f"From: <sip:a@x> ;y{TAG}"),
    ],
)
def test_spellings(line, after):
    run = mended(request("BYE", line, without=("From",)))
    assert run.fired == ["from-no-tag"]
    assert run.lines(after.partition(":")[0]) == [after] or after in run.text.split("\n")


@pytest.mark.parametrize("method", ["INVITE", "SUBSCRIBE", "BYE"])
def test_a_2xx_of_a_client(method):
    run = mended(response(200, method, "To: <sip:alice@x>"))
    assert run.lines("To") == [f"To: <sip:alice@x>{TAG}"]
    assert run.lines("From") == ["From: <sip:bob@example.com>;tag=1"]


@pytest.mark.parametrize("status", [100, 180, 199, 183])
def test_a_provisional_answer_begins_no_dialog(status):
    """And the 2xx after it may bring a tag of its own."""
    assert mended(response(status, "INVITE", "To: <sip:alice@x>")).fired == []


def test_an_answer_has_the_from_of_the_request():
    assert mended(response(200, "INVITE", "From: <sip:bob@x>")).fired == []


@pytest.mark.parametrize(
    "headers",
    [("From: <sip:a@x>;tag=1",), ("From: <sip:a@x",), ("From: <sip:a@x>", "Identity: y")],
    ids=["has one", "unreadable", "signed"],
)
def test_what_stays(headers):
    assert mended(request("BYE", *headers)).fired == []


def test_the_server_is_left_alone():
    """It may be the one of a client that knows no tags."""
    assert mended(request("BYE", "From: <sip:a@x>"), stage=REQUEST_OUT).fired == []
    assert mended(response(200, "BYE", "To: <sip:a@x>"), stage=RESPONSE_OUT).fired == []


def test_the_client_of_another_hop_is_left_alone():
    message = sample_message(request("BYE", "From: <sip:a@x>"))
    context = sample_context(message, sample_flow(UDP))
    assert RULE.applies(message, context) is not None
    context.second_hop = True
    assert RULE.applies(message, context) is None
