"""A rule that somebody else wrote, watched: whatever it does, the message and the rules behind it stay sound.

The rule sees copies, and what it returns is taken apart and made anew, so that nothing it does later has an effect.
What breaks the contract raises RuleError: the pipeline counts it, names the rule and skips it for that message. The
rules of `plugins` are proven by tests and need no watching. This is no sandbox: a rule runs in the proxy's process.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from proxy.repair import guard
from proxy.repair.contract import flaws
from proxy.repair.edits import apply_edits, shown_line
from proxy.repair.reach import reach_of
from proxy.repair.rule import (
    RESPONSE_IN,
    BodyFinding,
    Context,
    Edit,
    Finding,
    Insert,
    Remove,
    Replace,
    ReplaceBody,
    Rule,
    SettingError,
)
from proxy.repair.traits import traits_of
from proxy.sip.message import Message, Request, Response

LONGEST_REASON: Final = 200  # characters
MOST_EDITS: Final = 1000
_SECRET: Final = re.compile(
    r"(authorization[ ]*:[ ]*).*|(\b(?:response|rspauth|password)[ ]*=[ ]*).*|((?:inline|ice-pwd):).*", re.IGNORECASE
).sub
_FACTS: Final = (
    "name", "rfc", "summary", "stages", "methods", "reaches", "unless", "touches", "default", "settings", "samples",
    "source", "no_source",
)  # fmt: skip


class RuleError(Exception):
    """A rule did what no rule may do; the text says what."""


class _Found(Finding):
    """What the pipeline sees of a finding; `own` is the rule's."""

    __slots__ = ("own",)

    def __init__(self, own: Finding, reason: str, line: int) -> None:
        super().__init__(reason, line)
        self.own = own


class _FoundInBody(BodyFinding):
    """The same for a finding in the body."""

    __slots__ = ("own",)

    def __init__(self, own: Finding, reason: str, before: bytes) -> None:
        super().__init__(reason, before)
        self.own = own


class Watched(Rule):
    """A rule as the pipeline meets it. `rule` keeps the contract (`contract.flaws` finds nothing)."""

    def __init__(self, rule: Rule) -> None:
        for name in _FACTS:  # as they are now: a rule that renames itself later changes nothing
            setattr(self, name, getattr(rule, name))
        self._rule = rule

    def configured(self, values: Mapping[str, object]) -> Rule:
        """The same with settings. Raises SettingError, whatever the rule raises."""
        if not values:
            return self
        try:
            made = self._rule.configured(values)
        except SettingError as wrong:
            raise SettingError(str(wrong.name), one_line(wrong.text)) from wrong
        except Exception as error:  # the rule's own code
            raise SettingError("", f"the rule refused its settings: {named(error)}") from error
        if not isinstance(made, Rule) or flaws(made) or made.name != self.name:
            raise SettingError("", "the rule made something else than itself of its settings")
        return Watched(made)

    def applies(self, message: Message, context: Context) -> Finding | None:
        copy = _copy(message)
        own = _seen(context, copy)
        found = self._asked(copy, own)
        self._unchanged(copy, message, own, context)
        return None if found is None else _finding(found, message)

    def repair(self, message: Message, finding: Finding, context: Context) -> list[Edit]:
        copy = _copy(message)
        own = _seen(context, copy)
        assert isinstance(finding, _Found | _FoundInBody)  # noqa: S101  # nothing else comes from `applies`
        try:
            wanted: object = self._rule.repair(copy, finding.own, own)
        except (Exception, KeyboardInterrupt):
            raise
        except BaseException as error:  # as in `_asked`
            raise RuleError(f"it raised {named(error)}") from error
        self._unchanged(copy, message, own, context)
        if type(wanted) is not list or len(wanted) > MOST_EDITS:
            raise RuleError(f"repair has to return a list of at most {MOST_EDITS} edits, not {_kind(wanted)}")
        edits = [_edit(item) for item in wanted]
        if edits:
            guard.check(edits, self, message)
            apply_edits(edits, copy)
            self._settled(copy, own)
        return edits

    def _asked(self, message: Message, context: Context) -> object:
        try:
            return self._rule.applies(message, context)
        except (Exception, KeyboardInterrupt):
            raise
        except BaseException as error:  # SystemExit and the like would end the proxy, or close its socket
            raise RuleError(f"it raised {named(error)}") from error

    def _unchanged(self, copy: Message, message: Message, own: Context, context: Context) -> None:
        """Rules return edits; one that changes what it was given expects an effect that it does not have."""
        if _state(copy) != _state(message):
            raise RuleError("it changed the message itself; it has to return edits")
        for name in Context.__slots__:
            before, after = getattr(context, name), getattr(own, name)
            if after is not before and name != "message" and (name != "renamed" or after != before):
                raise RuleError(f"it changed context.{name}")
        if own.message is not copy:
            raise RuleError("it changed context.message")

    def _settled(self, mended: Message, context: Context) -> None:
        """The rule must find nothing in what it wrote itself, as far as it would meet it again."""
        if context.stage <= RESPONSE_IN:
            context.reach = reach_of(mended, context.flow, context.local_networks)
        if self.reaches and context.reach not in self.reaches:
            return
        if self.unless & traits_of(mended, context.domain, context.stage):
            return
        if self._asked(mended, context) is not None:
            raise RuleError("it finds the defect in its own repair again; repairing twice has to change nothing")


def named(error: BaseException) -> str:
    """An exception on one line, as the last line of a traceback has it."""
    try:
        text = str(error)
    except Exception:  # an exception that cannot even say what it is
        text = "?"
    return one_line(f"{type(error).__name__}: {text}" if text else type(error).__name__)


def one_line(text: object) -> str:
    """What somebody's code says, on one line of bounded length and without credentials."""
    line = _SECRET(lambda found: (found[1] or found[2] or found[3]) + "(hidden)", " ".join(str(text).split()))
    line = "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in line)
    return line if len(line) <= LONGEST_REASON else line[:LONGEST_REASON] + "..."


def _copy(message: Message) -> Message:
    if isinstance(message, Request | Response):
        return message.copy()
    raise TypeError(f"{type(message).__name__} is no message")


def _seen(context: Context, message: Message) -> Context:
    """The same context about the copy of the message."""
    seen = Context(
        message,
        context.flow,
        context.naming,
        context.domain,
        context.home,
        context.reach,
        context.registered,
        context.by_stream,
        None if context.renamed is None else dict(context.renamed),
    )
    seen.local_networks = context.local_networks
    seen.second_hop = context.second_hop
    seen.asked = context.asked
    seen.stage = context.stage
    return seen


def _state(message: Message) -> tuple[Any, ...]:
    start = message.uri if isinstance(message, Request) else message.status if isinstance(message, Response) else None
    return message.lines, message.names, message.body, start


def _finding(found: object, message: Message) -> Finding:
    if not isinstance(found, Finding):
        raise RuleError(f"applies has to return a Finding or None, not {_kind(found)}")
    reason: object = getattr(found, "reason", None)
    line: object = getattr(found, "line", None)
    if not isinstance(reason, str) or not reason.strip():
        raise RuleError("the reason of a Finding has to be a sentence")
    if type(line) is not int or not -1 <= line < len(message.lines):
        raise RuleError(f"the line of a Finding has to be -1 or one of the message, not {line!r}")
    if not isinstance(found, BodyFinding):
        return _Found(found, one_line(reason), line)
    before: object = getattr(found, "before", None)
    if type(before) is not bytes:
        raise RuleError(f"`before` of a BodyFinding has to be octets, not {_kind(before)}")
    return _FoundInBody(found, one_line(reason), shown_line(before.partition(b"\n")[0]))


def _edit(edit: object) -> Edit:
    """The edit, made anew of its parts."""
    if isinstance(edit, ReplaceBody):
        return ReplaceBody(_octets(edit.octets, "a body"))
    if isinstance(edit, Replace):
        return Replace(_number(edit.line), _octets(edit.text, "a line"))
    if isinstance(edit, Insert):
        return Insert(_number(edit.line), _octets(edit.name, "a name"), _octets(edit.text, "a line"))
    if isinstance(edit, Remove):
        return Remove(_number(edit.line))
    raise RuleError(f"repair has to return Replace, Insert, Remove or ReplaceBody, not {_kind(edit)}")


def _number(value: object) -> int:
    if type(value) is not int:
        raise RuleError(f"the line of an edit has to be a whole number, not {_kind(value)}")
    return value


def _octets(value: object, what: str) -> bytes:
    if type(value) is not bytes:
        raise RuleError(f"{what} has to be written in bytes, not {_kind(value)}")
    return value


def _kind(value: object) -> str:
    return "None" if value is None else type(value).__name__
