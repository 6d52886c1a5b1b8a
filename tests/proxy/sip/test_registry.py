"""The tables of SIP agree with each other and with the RFCs."""

from __future__ import annotations

import re

import pytest

from proxy.sip import registry
from proxy.sip.registry import CANON, COMPACT, METHOD_LABELS, METHODS, OTHER_METHOD, REASONS, SPELLINGS, STATUS_LABELS

NAMES = {
    constant: value
    for constant, value in vars(registry).items()
    if constant.isupper() and isinstance(value, bytes) and constant not in ("START", "OTHER_METHOD")
}


def test_canonical_names_are_lower_case_and_themselves():
    for name in SPELLINGS:
        assert name == name.lower()
        assert CANON[name] is name


def test_every_header_constant_has_its_spelling():
    headers = {value for value in NAMES.values() if value not in METHODS}
    assert headers == set(SPELLINGS)
    for constant, value in NAMES.items():
        assert constant == value.decode().upper().replace("-", "_")


def test_spellings_differ_in_case_only():
    for name, spelling in SPELLINGS.items():
        assert spelling.lower() == name
        assert CANON[spelling] is CANON[spelling.upper()] is name


@pytest.mark.parametrize(
    ("compact", "name"),
    [
        # > RFC 3261 section 7.3.3 and the section of each header
        (b"i", b"call-id"), (b"m", b"contact"), (b"e", b"content-encoding"), (b"l", b"content-length"),
        (b"c", b"content-type"), (b"f", b"from"), (b"s", b"subject"), (b"k", b"supported"), (b"t", b"to"),
        (b"v", b"via"),
        (b"o", b"event"), (b"u", b"allow-events"), (b"r", b"refer-to"), (b"b", b"referred-by"),
        (b"x", b"session-expires"), (b"a", b"accept-contact"), (b"j", b"reject-contact"),
        (b"d", b"request-disposition"), (b"y", b"identity"), (b"n", b"identity-info"),
    ],
)  # fmt: skip
def test_compact_names(compact, name):
    assert COMPACT[compact] == name
    assert CANON[compact] is CANON[compact.upper()] is CANON[name]


def test_no_other_compact_names():
    assert len(COMPACT) == 20
    assert all(len(spelling) > 1 for spelling in CANON if spelling.lower() not in COMPACT)


def test_methods_are_labels_of_themselves():
    assert {method: method for method in METHODS} == METHOD_LABELS
    assert OTHER_METHOD not in METHODS
    assert len(METHODS) == 14
    assert all(re.fullmatch(rb"[A-Z]+", method) for method in METHODS)


def test_status_labels_by_class():
    assert [STATUS_LABELS[status // 100] for status in (100, 200, 300, 400, 500, 600, 699)] == [
        b"1xx", b"2xx", b"3xx", b"4xx", b"5xx", b"6xx", b"6xx",
    ]  # fmt: skip


def test_reason_phrases_are_printable():
    for status, phrase in REASONS.items():
        assert 100 <= status <= 699
        assert re.fullmatch(rb"[A-Za-z][A-Za-z/ -]+", phrase)


@pytest.mark.parametrize(
    "status", [100, 200, 400, 403, 404, 408, 416, 420, 430, 480, 481, 482, 483, 487, 500, 503, 505, 513]
)
def test_what_this_proxy_answers_has_a_phrase(status):
    assert REASONS[status]


def test_singletons_are_known_names():
    assert set(registry.SINGLETONS) <= set(SPELLINGS)
