"""Tags that are made for clients without any; tests/ladders/test_names_and_tags.py has the rest."""

from __future__ import annotations

import pytest
from parts import ALICE, node, request, response

from proxy.core.own_repairs import OwnRepairs
from proxy.counts import Counts
from proxy.sip.errors import HeaderError
from proxy.sip.registry import TO


@pytest.fixture
def tags():
    return node().tags


def taken_off(tags, to, call_id="c1"):
    out: list = []
    asked = request("BYE", f"To: {to}", f"Call-ID: {call_id}")
    tags.take_off(asked, ALICE, OwnRepairs({}, Counts(1)), out)
    assert asked.to.raw == asked.lines[asked.index(TO)].partition(b": ")[2]
    return asked.lines[asked.index(TO)].decode(), [(record.rule, record.header, record.direction) for record in out]


def test_one_for_what_a_client_asks_and_answers(tags):
    asked = tags.of(request("INVITE", "From: <sip:alice@example.com>"))
    answered = tags.of(response(200, "BYE", "From: <sip:bob@example.com>;tag=1", "To: sip:alice@example.com"))
    assert asked == answered
    assert asked != tags.of(request("INVITE", "From: <sip:alice@example.com>", "Call-ID: c2"))


@pytest.mark.parametrize("uri", ["urn:service:sos", "mailto:a@b"])
def test_one_for_whom_has_no_address_of_record(tags, uri):
    made = tags.of(request("MESSAGE", f"From: <{uri}>"))
    assert taken_off(tags, f"<{uri}>;tag={made.decode()}")[0] == f"To: <{uri}>"


def test_none_without_an_address_or_a_call(tags):
    for broken in (request("BYE", without=("From",)), request("BYE", without=("Call-ID",)), request("BYE", "From: <")):
        with pytest.raises(HeaderError):
            tags.of(broken)


def test_taken_off_and_recorded(tags):
    made = tags.of(request("INVITE")).decode()
    found = taken_off(tags, f'"A" <sip:alice@example.com:5060;x>;tag={made};y=1')
    assert found == ('To: "A" <sip:alice@example.com:5060;x>;y=1', [("restore-from-to", "To", "to-client")])


@pytest.mark.parametrize(
    "to", ["<sip:bob@example.com>;tag={0}", "<sip:alice@example.com>;tag={0}x", "<sip:alice@example.com>"]
)
def test_others_stay(tags, to):
    to = to.format(tags.of(request("INVITE")).decode())
    assert taken_off(tags, to) == (f"To: {to}", [])


def test_that_of_another_call_stays(tags):
    to = f"<sip:alice@example.com>;tag={tags.of(request('INVITE')).decode()}"
    assert taken_off(tags, to, "c2") == (f"To: {to}", [])
