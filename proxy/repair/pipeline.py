"""Runs the enabled rules over a message in their order: finds, checks, edits, counts and records.

Tables by stage, method and reach are built once, so that a message meets only rules that can concern it. A rule that
raises is skipped for that message, and turned off when it raises again and again; a message is never lost by a rule.
"""

from __future__ import annotations

import traceback
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from proxy.effects import Effect, Note, Record
from proxy.repair import guard
from proxy.repair.edits import apply_edits, changes
from proxy.repair.reach import Networks, reach_of
from proxy.repair.rule import (
    BODY,
    OFF,
    REACHES,
    REPORT,
    RESPONSE_IN,
    STAGES,
    STATUS_LINE,
    TRAITS,
    BodyFinding,
    Context,
    Finding,
    Rule,
)
from proxy.repair.traits import traits_of
from proxy.sip.errors import HeaderError
from proxy.sip.message import Message
from proxy.sip.registry import CONTACT, METHODS, SPELLINGS, VIA

# So many failures in a row turn a rule off.
PATIENCE: Final = 10
# The innermost frames of a traceback: one of a thousand calls would hide the line that says what is wrong.
_FRAMES: Final = 8
# By stage, as records show it.
DIRECTIONS: Final = ("to-server", "to-server", "to-client", "to-client")

Judge = Callable[[Message, Context], Finding | None]


class Counters(Protocol):
    """The figures a pipeline adds to: by (rule, header, mode), and by rule."""

    repairs: defaultdict[tuple[str, str, str], int]
    plugin_errors: defaultdict[str, int]


class _Place:
    """A rule at its place in the order, with what the pipeline knows of it."""

    __slots__ = ("failures", "labels", "mode", "noted", "order", "rule")

    def __init__(self, rule: Rule, mode: str, order: int) -> None:
        self.rule = rule
        self.mode = mode
        self.order = order
        self.failures = 0
        self.noted = False
        self.labels = {name: label(name) for name in rule.touches}


Entries = tuple[tuple[Judge, _Place], ...]
Rows = tuple[Entries, ...]  # by reach


def label(name: bytes) -> str:
    """A canonical header name as the specification spells it, else with capitals as these are."""
    if not name:
        return "Request-URI"
    if name in (BODY, STATUS_LINE):
        return "Body" if name == BODY else "Status-Line"
    spelled = SPELLINGS.get(name) or b"-".join([word.capitalize() for word in name.split(b"-")])
    return spelled.decode("utf-8", "backslashreplace")


class Pipeline:
    """The rules in their order with their modes; `off` is the set of rules that were turned off for failing.

    `modes` are those of all rules, also of the repairs that the core makes by itself.
    """

    __slots__ = ("_counts", "_failing", "_methods", "_networks", "_places", "_tables", "modes", "off")

    def __init__(
        self,
        rules: Sequence[Rule],
        modes: Mapping[str, str],
        counts: Counters,
        local_networks: Networks = (),
    ) -> None:
        self._places = [_Place(rule, modes[rule.name], order) for order, rule in enumerate(rules)]
        self.modes = modes
        self._counts = counts
        self._networks = local_networks
        self._failing: set[_Place] = set()
        self.off: set[str] = set()
        self._methods = METHODS.union(*(rule.methods for rule in rules))
        # By stage and method, then by traits, each made when it is first wanted; under b"" those of all other methods.
        self._tables: list[dict[bytes, list[Rows | None]]] = [{} for _ in STAGES]

    def _rows(self, stage: int, method: bytes, traits: int) -> Rows:
        """What messages of that stage, method and traits meet."""
        known = method if method in self._methods else b""
        table = self._tables[stage].setdefault(known, [None] * TRAITS)
        rows = table[traits]
        if rows is None:
            places = [p for p in self._places if p.mode != OFF and p.rule.name not in self.off]
            rows = table[traits] = _rows(places, stage, known, traits)
        return rows

    def rows(self, stage: int, method: bytes, message: Message, domain: bytes) -> Rows:
        """The rules that such a message meets, by reach; `domain` is the server's."""
        traits = traits_of(message, domain, stage)
        table = self._tables[stage].get(method)
        rows = None if table is None else table[traits]
        return self._rows(stage, method, traits) if rows is None else rows

    def run(self, stage: int, method: bytes, message: Message, context: Context, out: list[Effect]) -> None:
        """Put the message through the rules of its stage and method (of the CSeq, for a response).

        The message is edited in place: hand in the proxy's own copy. `context.reach` follows the edits.
        """
        self.run_rows(self.rows(stage, method, message, context.domain), stage, method, message, context, out)

    def run_rows(
        self,
        rows: Rows,
        stage: int,
        method: bytes,
        message: Message,
        context: Context,
        out: list[Effect],
    ) -> None:
        """`run` with what `rows` gave for this stage, method and message."""
        context.stage = stage
        context.local_networks = self._networks
        entries = met = rows[context.reach]
        failed: list[_Place] | None = None
        while True:
            for applies, place in entries:
                try:
                    finding = applies(message, context)
                    if finding is None or not self._treat(place, finding, method, message, context, out):
                        continue
                except Exception as error:  # rules may be anybody's; a broken one must not take the message with it
                    failed = [place] if failed is None else [*failed, place]
                    self._failed(place, error, out)
                    continue
                break  # the Contact leads elsewhere now: go on with the rules that concern it as it is
            else:
                break
            entries = met = rows[context.reach]
            if entries:
                entries = met = tuple([entry for entry in entries if entry[1].order > place.order])
        if self._failing:
            self._forgive(met, failed or [])

    def _treat(
        self, place: _Place, finding: Finding, method: bytes, message: Message, context: Context, out: list[Effect]
    ) -> bool:
        """Record the finding and, in mode `repair`, mend it. True if the Contact leads elsewhere afterwards."""
        rule = place.rule
        if place.mode == REPORT:
            found = message.names[finding.line] if finding.line > 0 else rule.touches[0]
            before = message.lines[finding.line] if finding.line >= 0 else None
            if isinstance(finding, BodyFinding):
                before = finding.before
            self._record(place, found, before, None, finding, method, message, context, out)
            return False
        edits = rule.repair(message, finding, context)
        guard.check(edits, rule, message)
        if not edits:
            name, line = rule.touches[0], None
            if finding.line >= 0:
                name, line = message.names[finding.line], message.lines[finding.line]
            self._record(place, name, line, line, finding, method, message, context, out)
            return False
        moved = False
        for name, before, after in changes(edits, message):
            self._record(place, name, before, after, finding, method, message, context, out)
            moved = moved or name == CONTACT
        apply_edits(edits, message)
        if not moved or context.stage > RESPONSE_IN:
            return False
        reach = context.reach
        context.reach = reach_of(message, context.flow, self._networks)
        return context.reach != reach

    def _record(
        self,
        place: _Place,
        name: bytes,
        before: bytes | None,
        after: bytes | None,
        finding: Finding,
        method: bytes,
        message: Message,
        context: Context,
        out: list[Effect],
    ) -> None:
        rule = place.rule
        header = place.labels.get(name) or label(rule.touches[0])  # of a closed set: it becomes a metrics label
        self._counts.repairs[(rule.name, header, place.mode)] += 1
        try:
            call_id = message.call_id
        except HeaderError:
            call_id = b""
        direction = DIRECTIONS[context.stage]
        flow = context.flow
        out.append(
            Record(
                rule.name, place.mode, header, before, after, finding.reason, rule.rfc, method, call_id, flow, direction
            )
        )

    def _failed(self, place: _Place, error: Exception, out: list[Effect]) -> None:
        """Count a failure; the tenth in a row turns the rule off."""
        name = place.rule.name
        self._counts.plugin_errors[name] += 1
        place.failures += 1
        self._failing.add(place)
        if not place.noted:
            place.noted = True
            text = "repair rule {rule} failed and was skipped for this message: {traceback}"
            # Without what the core was busy with when the rule failed: that is no fault of anybody's.
            chain = error.__cause__ is not None
            told = "".join(traceback.format_exception(error, limit=-_FRAMES, chain=chain))
            out.append(Note("error", text, {"rule": name, "traceback": told}))
        if place.failures >= PATIENCE and name not in self.off and not place.rule.never_off:
            self.off.add(name)
            self._failing.discard(place)
            self._tables = [{} for _ in STAGES]
            text = "repair rule {rule} failed {failures} times in a row and is turned off until the next reload"
            out.append(Note("error", text, {"rule": name, "failures": place.failures}))

    def _forgive(self, met: Entries, failed: list[_Place]) -> None:
        """Rules that were met by this message and did not fail have ended their row of failures."""
        for _, place in met:
            if place.failures and place not in failed:
                place.failures = 0
                self._failing.discard(place)


def parted(rules: Sequence[Rule]) -> tuple[list[Rule], list[Rule]]:
    """The rules for messages that can be matched, and those that mend a Via before that."""
    return [rule for rule in rules if VIA not in rule.touches], [rule for rule in rules if VIA in rule.touches]


def _rows(places: list[_Place], stage: int, method: bytes, traits: int) -> Rows:
    """What a message of that stage and method (b"": an unknown one) and with these traits meets, by reach."""
    fit = [
        p
        for p in places
        if stage in p.rule.stages and (not p.rule.methods or method in p.rule.methods) and not p.rule.unless & traits
    ]
    return tuple(
        tuple((p.rule.applies, p) for p in fit if not p.rule.reaches or reach in p.rule.reaches)
        for reach in range(REACHES)
    )
