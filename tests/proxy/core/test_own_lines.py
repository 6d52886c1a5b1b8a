"""A client's own From and To in answers; tests/ladders/test_server_domain.py has the rest."""

from __future__ import annotations

import pytest

from proxy.core.own_lines import changed_lines, restore_lines
from proxy.core.own_repairs import OwnRepairs
from proxy.counts import Counts
from proxy.repair.sample import sample_flow, sample_message
from proxy.sip.registry import FROM, TO

REQUEST = "BYE sip:b@x SIP/2.0\nFrom: <sip:a@{0}>;tag=1\nTo: {1}\n\n"


def test_only_what_changed_is_kept():
    own, sent = (sample_message(REQUEST.format(host, "<sip:b@x>")) for host in ("10.0.0.1", "example.com"))
    assert changed_lines(own, own) is None
    assert changed_lines(own, sent) == {FROM: b"From: <sip:a@10.0.0.1>;tag=1"}


@pytest.mark.parametrize(
    ("own", "answered", "shown"),
    [
        (b"t: <sip:b@10.0.0.1>", "<sip:b@x>;tag=7", b"t: <sip:b@10.0.0.1>;tag=7"),
        (b"To: <sip:b@10.0.0.1>;tag=5", "<sip:b@x>;tag=5", b"To: <sip:b@10.0.0.1>;tag=5"),
        (b"To: <sip:b@10.0.0.1>", "<sip:b@x>", b"To: <sip:b@10.0.0.1>"),
        (b"To: <sip:b@10.0.0.1>", "<broken", b"To: <broken"),
    ],
)
def test_to_keeps_the_tag_of_the_answer(own, answered, shown):
    text = f"SIP/2.0 200 OK\nFrom: <sip:a@x>;tag=1\nTo: {answered}\nCall-ID: c\nCSeq: 1 BYE\n\n"
    response, out = sample_message(text), []
    restore_lines(response, {TO: own}, sample_flow("udp:198.51.100.7:5060"), OwnRepairs({}, Counts(1)), out)
    assert response.lines[response.index(TO)] == shown
    assert len(out) == (shown != b"To: <broken")


def test_the_server_gets_its_lines_back_too():
    response, out = sample_message("SIP/2.0 200 OK\nFrom: <sip:a@x>;tag=1\nTo: <sip:b@x>;tag=2\nCSeq: 1 BYE\n\n"), []
    own = {FROM: b"f: Bj\xc3\xb8rn <sip:a@x>;tag=1"}
    restore_lines(response, own, sample_flow("udp:198.51.100.7:5060"), OwnRepairs({}, Counts(1)), out, "to-server")
    assert response.lines[response.index(FROM)] == own[FROM]
    assert [(record.direction, record.header, record.reason) for record in out] == [
        ("to-server", "From", "the server gets back what it wrote")
    ]
