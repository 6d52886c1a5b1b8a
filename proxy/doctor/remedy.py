"""The settings that mend what was found, as YAML to paste: they load as they stand, whatever the capture says."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Any, Final

import yaml

from proxy.capture.captured import Endpoint
from proxy.config.shipped import SHIPPED
from proxy.config.units import parse_host
from proxy.doctor.report import CLIENT, Finding, Party, Report
from proxy.repair.header_rules import HeaderRule
from proxy.repair.rule import REPAIR, Rule
from proxy.repair.watched import Watched

_LISTEN: Final = {"udp": "udp://0.0.0.0:5060", "tcp": "tcp://0.0.0.0:5060", "ws": "ws://0.0.0.0:8080"}
# What of a User-Agent goes into a pattern: nothing that means something to YAML, to patterns, or to `${NAME}`.
_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]{1,40}")

# The profiles that are there without being set.
_SHIPPED: Final = frozenset(one.profile.name for one in SHIPPED)

_HEAD: Final = """\
# The settings with which sipmend mends what was found. Check the addresses: those of the
# server and the domain are read from the capture, `public_address` has to be yours.
"""


def settings(report: Report, server: Endpoint | None, rules: tuple[Rule, ...]) -> str:
    """A whole configuration file for this report; "" if nothing was found that a setting of it mends.

    The administrator's rules (sections `plugins` and `headers`) are named in a comment only: they are not in this file.
    """
    own = {rule.name for rule in rules if isinstance(rule, Watched | HeaderRule)}
    default = {rule.name: rule.default for rule in rules}
    named = {finding.rule for party in report.ill for finding in party.sorted if finding.rule}
    found = named - own
    if not found:
        return ""
    data: dict[str, Any] = {
        "server": _server(report.domain, server),
        "public_address": "203.0.113.10",
        "listen": [_LISTEN[name] for name in _LISTEN if name in report.transports] or [_LISTEN["udp"]],
        "repair": dict.fromkeys(sorted({name for name in found if default.get(name) == REPAIR}), REPAIR),
    }
    profiles = _profiles(report, default, own)
    if profiles:
        data["profiles"] = profiles
    if not data["repair"]:
        del data["repair"]
    left = f"# Not here, because your configuration has them: {', '.join(sorted(named & own))}\n" if named & own else ""
    return _HEAD + left + yaml.safe_dump(data, sort_keys=False, allow_unicode=False)


def snippet(party: Party, finding: Finding, default: str) -> str:
    """What to add to a configuration to have one defect of one client mended: a section of it."""
    if finding.mended and default != REPAIR and party.profile:
        return f"# nothing to add: the profile {_name(party.profile)} mends it\n"
    name = finding.rule
    profile = None if default == REPAIR else _profile(party, [name])
    data: dict[str, Any] = {"repair": {name: REPAIR}} if profile is None else {"profiles": [profile]}
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=False)


def _profiles(report: Report, default: dict[str, str], own: set[str]) -> list[dict[str, Any]]:
    """One for each client with a defect that is not mended unless somebody wants it to be."""
    profiles: dict[str, dict[str, Any]] = {}
    for party in report.ill:
        left = [finding for finding in party.sorted if finding.rule and finding.rule not in own and not finding.mended]
        names = [finding.rule for finding in left if default.get(finding.rule) != REPAIR]
        profile = _profile(party, names) if names and party.kind == CLIENT else None
        if profile is not None:
            known = profiles.setdefault(profile["name"], profile)
            known["repair"].update(profile["repair"])
    return list(profiles.values())


def _profile(party: Party, names: list[str]) -> dict[str, Any] | None:
    """A profile for this client; None for one that does not name itself."""
    found = _PLAIN.match(party.agent)
    if found is None or party.kind != CLIENT:
        return None
    word = found[0]
    profile: dict[str, Any] = {"name": f"{word.lower()}-repairs", "match": {"user_agent": "^" + re.escape(word)}}
    if party.profile in _SHIPPED:
        profile["base"] = party.profile  # of the profiles that fit only one counts
    profile["repair"] = dict.fromkeys(sorted(names), REPAIR)
    return profile


def _name(text: str) -> str:
    """A name on one line."""
    return " ".join(text.split())


def _domain(domain: str) -> str:
    """The domain if it can be one; names of the capture's senders are theirs to choose."""
    try:
        return str(parse_host(domain))
    except ValueError:
        return "example.com"


def _server(domain: str, server: Endpoint | None) -> dict[str, str]:
    host, port = server or ("10.0.0.5", 5060)
    if not _is_address(host):
        return {"domain": _domain(domain), "uri": "sip:10.0.0.5:5060"}
    if ":" in host:
        return {"domain": _domain(domain), "uri": f"sip:[{host}]:{port or 5060}", "bind": "udp://[::]:5070"}
    return {"domain": _domain(domain), "uri": f"sip:{host}:{port or 5060}"}


def _is_address(text: str) -> bool:
    try:
        return not getattr(ip_address(text), "scope_id", None)
    except ValueError:
        return False
