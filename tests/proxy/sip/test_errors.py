"""Every error knows the answer it deserves."""

from __future__ import annotations

import pytest

from proxy.sip.errors import FramingError, HeaderError, ParseError, SipError, UriError, VersionError


@pytest.mark.parametrize(
    ("kind", "status", "label"),
    [
        (SipError, 400, "malformed"),
        (ParseError, 400, "malformed"),
        (HeaderError, 400, "malformed"),
        (UriError, 400, "malformed"),
        (VersionError, 505, "version"),
        (FramingError, 400, "framing"),
    ],
)
def test_status_and_label(kind, status, label):
    error = kind("what is wrong")
    assert (error.text, str(error), error.status, error.label) == ("what is wrong", "what is wrong", status, label)
    assert isinstance(error, SipError)


def test_one_error_may_differ_from_its_class():
    error = VersionError("x", status=416, label="scheme")
    assert (error.status, error.label) == (416, "scheme")
    assert (VersionError("y").status, VersionError("y").label) == (505, "version")
    assert (SipError("z", 0).status, SipError("z", None, "").label) == (0, "")
