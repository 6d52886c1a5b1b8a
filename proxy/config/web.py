"""The settings of WebSocket listeners: request paths, and the web sites that may connect."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from proxy.values import shown

_PATH = re.compile(r"/[!-\"$->@-~]*\Z")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::[0-9]{1,5})?\Z")
# Ports that no browser connects to, whatever the page says (the "bad ports" of the Fetch standard).
BLOCKED_PORTS = frozenset(
    (
        0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109,
        110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530,
        531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190,
        5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
    )
)  # fmt: skip
# What stands in the place of an Origin where the client sends none.
NO_ORIGIN = "none"


def parse_request_path(value: object) -> str:
    """`/sip`: printable ASCII without query and fragment."""
    text = value.strip() if isinstance(value, str) else ""
    if not text.startswith("/"):
        hint = f", did you mean /{text}" if re.fullmatch(r"[a-z]+", text) else ""
        raise ValueError(f"{shown(value)} is not a request path: write / or /sip{hint}")
    if not _PATH.match(text):
        raise ValueError(f"{shown(value)} should have no query, fragment or space, and no letters beyond ASCII")
    return text


def parse_origin(value: object) -> str:
    """`https://phone.example.com` (RFC 6454 section 6.2), or `none`; in lower case."""
    text = value.strip().lower() if isinstance(value, str) else ""
    if text == NO_ORIGIN or _ORIGIN.match(text):
        return text
    if _ORIGIN.match(text.rstrip("/")):
        raise ValueError(f"an Origin ends without slash, did you mean {text.rstrip('/')}")
    if _ORIGIN.match(f"https://{text}"):
        raise ValueError(f"an Origin has a scheme, did you mean https://{text}")
    raise ValueError(f"{shown(value)} is not an Origin: write https://phone.example.com, or none")


RequestPath = Annotated[
    str, BeforeValidator(parse_request_path), WithJsonSchema({"type": "string", "title": "request path"})
]
WebOrigin = Annotated[str, BeforeValidator(parse_origin), WithJsonSchema({"type": "string", "title": "web origin"})]
