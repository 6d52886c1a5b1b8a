"""Unguessable characters for branches, from a pool: one system call for many of them."""

from __future__ import annotations

import os
from base64 import b64encode

from proxy.core.tokens import FOLD

_LENGTH = 16
_POOL = 256 * _LENGTH


class RandomPool:
    """Called, it returns 16 characters of [a-z0-9] with at least 80 bits that nobody can guess."""

    __slots__ = ("_at", "_pool")

    def __init__(self) -> None:
        self._pool = b""
        self._at = 0

    def __call__(self) -> bytes:
        at = self._at
        piece = self._pool[at : at + _LENGTH]
        if not piece:
            self._pool = b64encode(os.urandom(_POOL // 4 * 3)).translate(FOLD)
            at = 0
            piece = self._pool[:_LENGTH]
        self._at = at + _LENGTH
        return piece
