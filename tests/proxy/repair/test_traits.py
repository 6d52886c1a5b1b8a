"""Traits of messages; that no rule loses a finding by them is in tests/plugins."""

from __future__ import annotations

import pytest

from proxy.repair import traits as traits_module
from proxy.repair.rule import (
    HAS_LENGTH,
    NAMES_DOMAIN,
    NO_BODY,
    ONE_CONTACT,
    ONE_MAX_FORWARDS,
    PARSED_CLEANLY,
    PLAIN_NAMES,
    REQUEST_IN,
    REQUEST_OUT,
    RESPONSE_IN,
    RESPONSE_OUT,
)
from proxy.repair.sample import sample_message
from proxy.repair.traits import traits_of

USUAL = {
    "Max-Forwards": "70",
    "From": "<sip:alice@example.com>;tag=1",
    "To": "<sip:bob@example.com>",
    "Call-ID": "c",
    "CSeq": "1 INVITE",
    "Contact": "<sip:alice@198.51.100.7;transport=tcp>;x",
    "Content-Length": "0",
}
ANSWER = "SIP/2.0 200 OK"
ALL = HAS_LENGTH | NAMES_DOMAIN | NO_BODY | ONE_CONTACT | ONE_MAX_FORWARDS | PARSED_CLEANLY | PLAIN_NAMES


def traits(start="INVITE sip:bob@example.com SIP/2.0", body="", stage=REQUEST_IN, **headers):
    given = USUAL | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}" for name, value in given.items() if value is not None]
    return traits_of(sample_message("\n".join([start, *lines, "", body])), b"example.com", stage)


def test_an_ordinary_message_has_all():
    """But for NAMES_DOMAIN, which a client's requests may want only."""
    assert traits() == ALL
    assert traits(stage=REQUEST_OUT) | NAMES_DOMAIN == ALL
    for stage in (RESPONSE_IN, RESPONSE_OUT):
        assert traits(ANSWER, To="<sip:bob@example.com>;tag=2", stage=stage) | NAMES_DOMAIN == ALL


@pytest.mark.parametrize(
    ("lost", "headers"),
    [
        (HAS_LENGTH, {"Content_Length": None}),
        (ONE_MAX_FORWARDS, {"Max_Forwards": "256"}),
        (ONE_MAX_FORWARDS, {"Max_Forwards": None}),
        (ONE_CONTACT | PLAIN_NAMES, {"Contact": "<sip:a@h>;x, <sip:b@h>"}),
        (ONE_CONTACT | PLAIN_NAMES, {"Contact": "sip:a@h;x"}),
        (PLAIN_NAMES, {"Contact": "sip:a@h"}),
        (NAMES_DOMAIN, {"From": "<sip:alice@192.168.1.7>;tag=1"}),
        (NAMES_DOMAIN, {"To": "<sip:bob@192.168.1.7>"}),
        (NAMES_DOMAIN, {"start": "INVITE sip:bob@192.168.1.7 SIP/2.0"}),
        (NO_BODY, {"body": "x", "Content_Length": "1"}),
    ],
)
def test_what_takes_one_away(lost, headers):
    assert not traits(**headers) & lost
    assert traits(**headers) | lost == ALL


@pytest.mark.parametrize(
    "headers",
    [
        {"From": "<sip:alice@example.com>"},
        {"From": "<sip:alice@example.com>;tag="},
        {"From": "Alice (home) <sip:alice@example.com>;tag=1"},
        {"From": "sip:alice@example.com;tag=1"},
        {"To": "Bøb <sip:bob@example.com>"},
        {"Contact": "a@b <sip:alice@h>"},
        {"Contact": "*"},
        {"Contact": "<sip:alice@h>, Älice <sip:alice@g>"},
        {"Reply_To": "a:b <sip:b@h>"},
        {"P_Asserted_Identity": '"B" <sip:b@h>, C <tel:1>'},
        {"start": ANSWER, "stage": RESPONSE_IN},
        {"start": ANSWER, "stage": RESPONSE_IN, "To": "<sip:bob@example.com>;tag="},
        {"start": ANSWER, "stage": RESPONSE_OUT, "Contact": "Böb <sip:b@h>"},
        {"stage": REQUEST_OUT, "To": "Bøb <sip:b@h>"},
    ],
)
def test_names_that_want_a_look(headers):
    """A tag that is missing, of an answer in To; a name that may want quotes; lists."""
    assert not traits(**headers) & PLAIN_NAMES


@pytest.mark.parametrize(
    "headers",
    [
        {"From": '"Alice" <sip:alice@example.com>;tag=1'},
        {"From": "Alice B. <sip:alice@example.com>;tag=1", "To": "O'Neil<sip:bob@example.com>"},
        {"From": None, "f": '"Älice <x>"<sip:alice@example.com>;tag=1', "To": None, "t": "  <sip:bob@example.com>"},
        {"Contact": "Alice <sip:alice@h>"},
        {"Contact": None},
        {"Contact": '"Alice" <sip:alice@h>'},
        {"P_Asserted_Identity": '"B" <sip:b@h>', "Refer_To": "<sip:b@h>", "Reply-To": " <sip:b@h>"},
        {"Referred_By": "Carol <sip:carol@h>"},
        {"start": ANSWER, "stage": RESPONSE_OUT, "To": "Bøb <sip:b@h>", "From": "Cärol <sip:c@h>"},
    ],
)
def test_names_that_are_plain(headers):
    """One in quotes or of tokens, or none; headers that no rule may change do not count."""
    assert traits(**headers) & PLAIN_NAMES


def test_what_is_remembered_is_bounded():
    """Only what stands before an address, where nothing is wrong with it, and that not without end."""
    for name in ("x" * 300, "Ä"):
        traits(From=f"{name} <sip:alice@example.com>;tag=1")
    for number in range(2100):
        assert traits(From=f"A{number} <sip:alice@example.com>;tag={number}") & PLAIN_NAMES
    known = traits_module._plain_heads
    assert b"From: A2099 " in known
    assert len(known) <= 2048
    assert all(len(head) <= 128 and head.isascii() for head in known)
