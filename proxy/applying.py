"""Which profile a message's client has, and which rules the message meets with which modes: for `sipmend rules --for`.

Asked are the parts of a proxy that decide it when a message comes. Nothing is repaired.
"""

from __future__ import annotations

from dataclasses import dataclass

from proxy.explain import DryRun, Setting
from proxy.flow import SERVER, Profile
from proxy.origin import Source, likely_source
from proxy.repair.inherent import INHERENT
from proxy.repair.reach import reach_of
from proxy.repair.rule import ABSENT, LEFT, OFF, REQUEST_IN, REQUEST_OUT, RESPONSE_IN, RESPONSE_OUT, STAGES
from proxy.repair.testing import method_of
from proxy.sip.message import Request, Response
from proxy.sip.parser import parse_message


@dataclass(frozen=True)
class Met:
    """A rule that is asked about a message: its mode, and what it found ("" for nothing)."""

    name: str
    mode: str
    summary: str
    reason: str


@dataclass(frozen=True)
class Applying:
    """What holds for one message, which came from `source` (`assumed`: a guess) and is met at `stage`.

    `met` are the rules that are asked, in their order, then what the core mended by itself; `kept_away` is how many are
    not off and not asked: such a message cannot have their defects.
    """

    source: Source
    assumed: bool
    stage: str
    profile: Profile
    met: tuple[Met, ...]
    kept_away: int


class Applies:
    """Tells of many messages what applies to them, with one setting."""

    def __init__(self, setting: Setting) -> None:
        self._runs = DryRun(setting)
        self._rules = setting.rules

    def to(self, octets: bytes, source: Source | None, side: int | None = None) -> Applying:
        """As `DryRun.explain` takes it. Raises ParseError for what is no SIP message."""
        message = parse_message(octets)
        known = source or likely_source(message)
        node, flow, client = self._runs.meet(message, known, side)
        out = flow.listener.side == SERVER
        reach = reach_of(message, flow, node.settings.local_networks)
        if out:
            reach = LEFT if message.places().contact > 0 else ABSENT
        stage = _stage(message, out)
        pipeline = node.repairs.pipeline(client)
        rows = pipeline.rows(stage, method_of(message), message, node.settings.domain)[reach]
        found = {record.rule: record.reason for record in self._runs.explain(octets, source, side).records}
        met = [Met(p.rule.name, p.mode, p.rule.summary, found.get(p.rule.name, "")) for _, p in rows]
        asked = {one.name for one in met}
        also = [rule for rule in (*self._rules, *INHERENT) if rule.name in found and rule.name not in asked]
        met += [Met(rule.name, pipeline.modes[rule.name], rule.summary, found[rule.name]) for rule in also]
        on = [rule.name for rule in self._rules if pipeline.modes[rule.name] != OFF]
        away = len(set(on) - {one.name for one in met})
        return Applying(known, source is None, STAGES[stage], client.profile, tuple(met), away)


def _stage(message: Request | Response, out: bool) -> int:
    if isinstance(message, Request):
        return REQUEST_OUT if out else REQUEST_IN
    return RESPONSE_OUT if out else RESPONSE_IN
