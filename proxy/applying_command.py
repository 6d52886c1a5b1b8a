"""`sipmend rules --for FILE`: which profile and which rules apply, for a message or for every client of a capture."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

import click

from proxy.applying import Applies, Applying
from proxy.capture.captured import Captured, Tally
from proxy.capture.reading import read_messages
from proxy.doctor.words import plain
from proxy.dry_commands import UNREADABLE, called, complain, opened, origin_of, servers_of
from proxy.explain import Setting
from proxy.flow import SERVER, Profile
from proxy.sip.errors import ParseError
from proxy.sip.parser import parse_message
from proxy.sip.registry import USER_AGENT
from proxy.values import format_duration

_MOST_CLIENTS: Final = 300
_DIRECTIONS: Final = {
    "request-in": "a request on its way to the server",
    "response-in": "a response on its way to the server",
    "request-out": "a request on its way to the client",
    "response-out": "a response on its way to the client",
}


def show_applying(name: str, setting: Setting, as_json: bool) -> int:
    """Print what applies; returns the exit code."""
    try:
        with opened(name) as file:
            servers = servers_of(file, setting)
            applies = Applies(setting)
            clients: set[tuple[str, str]] = set()
            single, count = False, 0
            for captured in read_messages(file, Tally()):
                source, side = origin_of(captured, servers)
                single = captured.source is None and captured.destination is None
                try:
                    found = applies.to(captured.octets, None if single else source, None if single else side)
                except ParseError:
                    continue
                count += 1
                if single or (side != SERVER and _is_new(captured, found, clients)):
                    _print(called(name), captured, found, single, as_json)
    except OSError as error:
        return complain(name, error)
    if not count:
        click.echo(f"{called(name)}: holds no SIP message that can be read", err=True)
        return UNREADABLE
    return 0


def _is_new(captured: Captured, found: Applying, clients: set[tuple[str, str]]) -> bool:
    """Whether this is the first message of a client, as far as they are told apart."""
    key = (_agent(captured), found.profile.name)
    if key in clients or not key[0] or len(clients) >= _MOST_CLIENTS:
        return False
    clients.add(key)
    return True


def _agent(captured: Captured) -> str:
    value = parse_message(captured.octets).value(USER_AGENT)
    return plain((value or b"").decode("utf-8", "replace"))[:120]


def _print(name: str, captured: Captured, found: Applying, single: bool, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(_as_object(captured, found), ensure_ascii=False))
        return
    for line in _lines(name, captured, found) if single else _line(captured, found):
        click.echo(line)


def _line(captured: Captured, found: Applying) -> Iterator[str]:
    """One client of a capture."""
    yield f"{_agent(captured)}, from {found.source} (no. {captured.number}): {_profile(found.profile)}"


def _lines(name: str, captured: Captured, found: Applying) -> Iterator[str]:
    """All that applies to one message."""
    guess = " (a guess)" if found.assumed else ""
    yield f"{name}, from {found.source}{guess}: {_DIRECTIONS[found.stage]}"
    yield _profile(found.profile)
    width = max((len(one.name) for one in found.met), default=0)
    for one in found.met:
        yield f"{one.mode:6}  {one.name:{width}}  {'found: ' + plain(one.reason) if one.reason else one.summary}"
    yield f"{found.kept_away} more rules are on, and cannot concern such a message"


def _profile(profile: Profile) -> str:
    if not profile.name:
        return "no profile"
    longest = [f"expires_max {format_duration(float(profile.expires_max))}"] if profile.expires_max else []
    contact = [f"contact {profile.contact}"] if profile.contact else []
    return f"profile {profile.name} ({', '.join([f'rport {profile.rport}', *longest, *contact])})"


def _as_object(captured: Captured, found: Applying) -> dict[str, object]:
    profile = found.profile
    return {
        "number": captured.number,
        "source": str(found.source),
        "user_agent": _agent(captured) or None,
        "stage": found.stage,
        "profile": profile.name or None,
        "rport": profile.rport,
        "expires_max": profile.expires_max or None,
        "contact": profile.contact or None,
        "rules": [{"name": one.name, "mode": one.mode, "found": one.reason or None} for one in found.met],
        "kept_away": found.kept_away,
    }
