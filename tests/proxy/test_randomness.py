"""Branches nobody can guess."""

from __future__ import annotations

import re
from collections import Counter

from proxy import randomness
from proxy.randomness import RandomPool


def test_each_piece_has_16_characters_that_fit_into_a_token():
    pool = RandomPool()
    # More than one filling of the pool, so that its seam is among them.
    pieces = [pool() for _ in range(1000)]
    assert all(re.fullmatch(rb"[a-z0-9]{16}", piece) for piece in pieces)


def test_no_piece_comes_twice():
    pool = RandomPool()
    assert len({pool() for _ in range(2000)}) == 2000


def test_two_pools_differ():
    assert RandomPool()() != RandomPool()()


def test_no_character_is_likelier_than_two_in_sixtyfour():
    """80 bits in 16 characters need at least 5 each: 32 different ones at a 32nd, which is what this says."""
    pool = RandomPool()
    counted = Counter(b"".join(pool() for _ in range(8192)))
    assert max(counted.values()) < 1.15 * 2 * 8192 * 16 / 64


def test_one_system_call_serves_many_pieces(monkeypatch):
    asked = []
    real = randomness.os.urandom
    monkeypatch.setattr(randomness.os, "urandom", lambda size: asked.append(size) or real(size))
    pool = RandomPool()
    for _ in range(256):
        pool()
    assert len(asked) == 1
