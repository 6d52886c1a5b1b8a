"""Contacts of one REGISTER that name one client become one (RFC 3261 sections 10.2.1, 10.2.2)."""

from __future__ import annotations

import pytest
from ruling import put, request

A = "<sip:alice@s;b=k3v9x2m7q4w8z5c1>"
B = "<sip:alice@s;b=k3v9x2m7q4w8z5c2>"


@pytest.mark.parametrize(
    ("headers", "kept"),
    [
        ([f"Contact: {A};expires=0", f"Contact: {A};expires=60"], [f"Contact: {A};expires=60"]),
        ([f"Contact: {A};expires=60, {A};expires=0"], [f"Contact: {A};expires=60"]),
        ([f"Contact: {A};expires=60, {A};expires=61;q=1"], [f"Contact: {A};expires=61;q=1"]),
        ([f"Contact: {A};q=1, {A};q=2"], [f"Contact: {A};q=1"]),
        ([f"Contact: {A}, {A};expires=3601"], [f"Contact: {A};expires=3601"]),
        ([f"Contact: {A}, {A};expires=3599"], [f"Contact: {A}"]),
        (["Expires: 30", f"Contact: {A}, {A};expires=31"], [f"Contact: {A};expires=31"]),
        (["Expires: junk", f"Contact: {A}, {A};expires=31"], [f"Contact: {A}"]),
        ([f"Contact: {A};expires=junk, {A};expires=31"], [f"Contact: {A};expires=junk"]),
        (
            [f"m: {A};expires=0, {B}", f"Contact: {A};expires=9", f"Contact: {B};expires=1"],
            [f"m: {B}", f"Contact: {A};expires=9"],
        ),
    ],
)
def test_the_largest_expires_wins(headers, kept):
    """expires=0 never cancels another Contact of the same message; the first of equals stays."""
    run = put(request("REGISTER", *headers))
    assert [line for line in run.text.split("\n") if line.startswith(("Contact", "m:"))] == kept
    assert set(run.fired) == {"contact-duplicate"}


@pytest.mark.parametrize(
    "headers",
    [
        [f"Contact: {A}"],
        [f"Contact: {A}, {B};expires=0"],
        [f"Contact: {A}", f"Contact: {B}"],
        [f"Contact: {A}, {A}, <broken"],
        [],
    ],
)
def test_others_are_left(headers):
    assert put(request("REGISTER", *headers)).fired == []


def test_other_requests_are_left():
    assert put(request("OPTIONS", f"Contact: {A}, {A}")).fired == []
