"""A 202 that a phone gave to its own SUBSCRIBE."""

from __future__ import annotations

import pytest
from ruling import CATALOG, put, response

from proxy.repair.rule import RESPONSE_OUT

RULE = CATALOG.rule("resp-subscribe-202")
OURS = "Contact: <sip:alice@10.0.0.2:5070;transport=udp;b=k3v9x2m7q4w8z5c1>"
SAME = ("From: <sip:alice@example.com>;tag=1", "To: <sip:ALICE@example.com>;tag=2")
ITSELF = ("From: <sip:alice@example.com>;tag=1", "To: <sip:alice@EXAMPLE.com>;tag=2")


def answer(status, *headers, method="SUBSCRIBE", **more):
    return put(response(status, method, *headers), stage=RESPONSE_OUT, rules=[RULE], **more)


def test_becomes_a_404():
    run = answer(202, *ITSELF, OURS)
    assert run.text.startswith("SIP/2.0 404 Not Found\n")
    assert run.fired == ["resp-subscribe-202"]
    assert [(record.header, record.before, record.after) for record in run.records] == [
        ("Status-Line", b"SIP/2.0 202 Phrase", b"SIP/2.0 404 Not Found")
    ]
    assert run.message.status == 404


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, (*ITSELF, OURS)),
        (202, (*SAME, OURS)),  # users differ by case
        (202, (OURS,)),  # bob asked alice
        (202, ITSELF),  # nobody knows who answered
        (202, (*ITSELF, "Contact: <sip:alice@10.0.0.5:5060>")),  # the server answered
        (202, (*ITSELF, 'Contact: "x <sip:a>')),
        (202, ("From: broken <", OURS)),
    ],
)
def test_others_stay(status, headers):
    assert answer(status, *headers).fired == []


def test_other_methods_stay():
    assert answer(202, *ITSELF, OURS, method="REFER").fired == []
