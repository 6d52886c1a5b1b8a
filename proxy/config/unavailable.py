"""What the configuration can say and this version cannot do: one row each. A finished feature deletes its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pydantic import BaseModel

from proxy.config.errors import KeyPath

Row = tuple[KeyPath, Callable[[Any], bool], str]

_LATER_TRANSPORTS = ("tls", "ws", "wss")
_STUN = "STUN is not available in this version; write the address itself"
_SIPS = "TLS to the server is not available in this version; use sip: with udp or tcp"


def _secure(uri: Any) -> bool:
    return uri is not None and (uri.transport == "tls" or uri.scheme == "sips")


def _starts(*prefixes: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value.startswith(prefixes)


# (key, `*` for every item; is the value one that needs the feature; what the administrator reads)
ROWS: tuple[Row, ...] = (
    (
        ("listen", "*", "uri"),
        lambda uri: uri.transport in _LATER_TRANSPORTS,
        "a listener by {value.transport} is not available in this version; use udp or tcp",
    ),
    (
        ("server", "bind"),
        lambda uri: uri.transport in _LATER_TRANSPORTS,
        "a socket by {value.transport} is not available in this version; use udp or tcp",
    ),
    (("server", "uri"), _secure, _SIPS),
    (("server", "targets", "*", "uri"), _secure, _SIPS),
    (
        ("server", "targets", "*", "weight"),
        lambda weight: weight != 1,
        "sharing calls by weight is not available in this version; targets are tried by priority and order",
    ),
    (("tls",), bool, "TLS is not available in this version; take this section out"),
    (("public_address",), _starts("stun:"), _STUN),
    (("listen", "*", "public_address"), _starts("stun:"), _STUN),
    (("server", "in_dialog"), lambda word: word == "follow", "`follow` is not available in this version; use server"),
    (("profiles",), bool, "profiles are not available in this version; take this section out"),
    (("listen", "*", "profile"), bool, "profiles are not available in this version; take this key out"),
    (("plugins",), bool, "rules of your own are not available in this version; take this section out"),
    (("store",), _starts("sqlite:"), "SQLite is not available in this version; use memory"),
    (("store",), _starts("redis:", "rediss:"), "Redis is not available in this version; use memory"),
)


def unavailable(config: BaseModel) -> Iterator[tuple[KeyPath, str]]:
    """Each setting that asks for a feature of a later version: its key and what to do instead."""
    for pattern, found, text in ROWS:
        for path, value in _values(config, pattern):
            if found(value):
                yield path, text.format(value=value)


def _values(node: Any, pattern: KeyPath, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    if not pattern:
        yield path, node
    elif pattern[0] == "*":
        for index, item in enumerate(node):
            yield from _values(item, pattern[1:], (*path, index))
    else:
        yield from _values(getattr(node, str(pattern[0])), pattern[1:], (*path, pattern[0]))
