"""The errors of SIP messages, each of which knows the answer it deserves.

`status` and `phrase` go into the response where one can be sent; `label` is the metrics reason where not.
"""

from __future__ import annotations


class SipError(Exception):
    """A message that cannot be accepted. `text` says what is wrong, in words for an administrator."""

    status = 400
    label = "malformed"

    def __init__(self, text: str, status: int | None = None, label: str | None = None) -> None:
        super().__init__(text)
        self.text = text
        if status is not None:
            self.status = status
        if label is not None:
            self.label = label


class ParseError(SipError):
    """The octets are not a SIP message at all (RFC 3261 section 7)."""


class HeaderError(SipError):
    """One header field cannot be parsed, and a decision needs it (RFC 3261 section 16.3 step 1)."""


class UriError(HeaderError):
    """A URI breaks the grammar of RFC 3261 section 19.1."""


class VersionError(SipError):
    """The SIP version is not 2.0 (RFC 3261 section 21.5.6)."""

    status = 505
    label = "version"


class FramingError(SipError):
    """A stream cannot be cut into messages any further (RFC 3261 section 18.3)."""

    label = "framing"
