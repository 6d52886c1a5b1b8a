"""The limit of open files: raised as far as it goes, with some kept for what is not a client's connection."""

from __future__ import annotations

import resource

import pytest

from proxy.open_files import RESERVE, allow_open_files, connections_within, make_room

UNLIMITED = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("soft", "hard", "becomes"),
    [
        (1024, 524288, 100_000 + RESERVE),
        (1024, 4096, 4096),
        (1024, UNLIMITED, 100_000 + RESERVE),
        (200_000, 500_000, 200_000),
        (UNLIMITED, UNLIMITED, 100_000 + RESERVE),
    ],
)
def test_the_limit_is_raised_as_far_as_needed(monkeypatch, soft, hard, becomes):
    limits = [(soft, hard)]
    monkeypatch.setattr(resource, "getrlimit", lambda kind: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda kind, limit: limits.append(limit))
    assert allow_open_files(100_000) == becomes
    assert limits[-1][1] == hard


def test_a_limit_that_cannot_be_raised_stays(monkeypatch):
    def refuse(kind, limit):
        raise ValueError

    monkeypatch.setattr(resource, "getrlimit", lambda kind: (256, UNLIMITED))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert allow_open_files(100_000) == 256


def test_some_files_are_kept_for_what_is_no_connection():
    assert connections_within(100_000, 1024) == 1024 - RESERVE
    assert connections_within(100_000, 200_000) == 100_000
    assert connections_within(500, 1024) == 500
    assert connections_within(100_000, 64) == 48


@pytest.mark.parametrize(("flows", "files", "room"), [(100_000, 1024, 768), (100_000, 8192, None), (500, 1024, None)])
def test_a_low_limit_is_told(monkeypatch, flows, files, room):
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (files, files))
    monkeypatch.setattr(resource, "setrlimit", lambda kind, limit: None)
    notes = []
    made = make_room(flows, notes.append)
    assert [note.fields for note in notes] == ([] if room is None else [{"room": room, "flows": flows, "files": files}])
    assert made == connections_within(flows, files)
