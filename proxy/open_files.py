"""How many files the process may have open, and how many of those may be connections. Sockets are files too."""

from __future__ import annotations

import resource
from collections.abc import Callable
from typing import Final

from proxy.effects import Note

# Kept for what must not fail in a flood of connections: those to the server, the store, certificates, a reload.
RESERVE: Final = 256
# Below this, a limit of the system that stops us short of `limits.flows` is worth a line.
USUAL: Final = 8192


def make_room(flows: int, note: Callable[[Note], None]) -> int:
    """Let the process open what `flows` connections need, and return how many may be open; says so if few."""
    files = allow_open_files(flows)
    room = connections_within(flows, files)
    if files < min(flows + RESERVE, USUAL):
        text = (
            "at most {room} connections at once, not {flows} (limits.flows): this process may open {files} files only; "
            "raise LimitNOFILE in the unit, or ulimit -n"
        )
        note(Note("warn", text, {"room": room, "flows": flows, "files": files}))
    return room


def allow_open_files(flows: int) -> int:
    """Raise the limit of the process as far as `flows` connections need it and the system lets us; returns it.

    Shells and some service managers begin with 1024, for the sake of programs that use select(2).
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    wanted = flows + RESERVE
    if soft != unlimited and soft < wanted:
        raised = wanted if hard == unlimited else min(wanted, hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
            soft = raised
        except (OSError, ValueError):
            pass  # the system has a limit of its own that it does not tell (macOS)
    return wanted if soft == unlimited else soft


def connections_within(flows: int, files: int) -> int:
    """How many connections may be open where so many files may: what is left of the reserve stays free."""
    return max(1, min(flows, files - min(RESERVE, files // 4)))
