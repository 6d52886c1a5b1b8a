"""How a rule breaks the contract of `proxy.repair.rule`: judged once, before it meets a message. Runs no rule."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from proxy.repair.guard import FORBIDDEN
from proxy.repair.rule import BODY, MODES, REACHES, STAGES, STATUS_LINE, TRAITS, Rule, Sample, Setting
from proxy.sip.registry import CANON, START

NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*").fullmatch
RFC: Final = re.compile(r"RFC \d{3,5}( section \d+(\.\d+)*)?(, (RFC \d{3,5} )?section \d+(\.\d+)*)*").fullmatch
LONGEST_NAME: Final = 60  # characters; it is a label in metrics
_SETTING: Final = re.compile(r"[a-z][a-z0-9_]*").fullmatch
# > token  =  1*(alphanum / "-" / "." / "!" / "%" / "*" / "_" / "+" / "`" / "'" / "~" )  (RFC 3261 section 25.1)
TOKEN: Final = re.compile(rb"[A-Za-z0-9\-.!%*_+`'~]+").fullmatch


def flaws(rule: Rule) -> list[str]:
    """What is wrong with the rule, a sentence for each; none if it keeps the contract. Whatever its attributes are."""
    found = [text for name, fits, text in _FACTS if not fits(getattr(rule, name, None))]
    found += _touched(getattr(rule, "touches", None))
    found += _settings(rule)
    kind = type(rule)
    for name in ("applies", "repair"):
        if not callable(getattr(rule, name, None)) or getattr(kind, name, None) is getattr(Rule, name):
            found.append(f"it does not define `{name}`")
    return found


def _is_name(value: object) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_NAME and NAME(value) is not None


def _is_rfc(value: object) -> bool:
    return isinstance(value, str) and RFC(value) is not None


def _is_line(value: object) -> bool:
    return isinstance(value, str) and bool(value) and value.isprintable()


def _tuple_of(value: object, fits: Callable[[Any], bool]) -> bool:
    return isinstance(value, tuple) and all(fits(item) for item in value)


def _is_number(value: object, below: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < below


def _are_stages(value: object) -> bool:
    return bool(value) and _tuple_of(value, lambda item: _is_number(item, len(STAGES)))


def _are_octets(value: object) -> bool:
    return _tuple_of(value, lambda item: isinstance(item, bytes) and TOKEN(item) is not None)


def _are_headers(value: object) -> bool:
    return bool(value) and _tuple_of(value, lambda item: isinstance(item, bytes))


def _are_reaches(value: object) -> bool:
    return _tuple_of(value, lambda item: _is_number(item, REACHES))


def _are_traits(value: object) -> bool:
    return _is_number(value, TRAITS)


def _is_mode(value: object) -> bool:
    return isinstance(value, str) and value in MODES


def _are_samples(value: object) -> bool:
    return bool(value) and _tuple_of(value, lambda item: isinstance(item, Sample))


def _are_texts(value: object) -> bool:
    return _tuple_of(value, lambda item: isinstance(item, str))


def _is_text(value: object) -> bool:
    return isinstance(value, str)


# (attribute, what it has to be, what is said if it is not)
_FACTS: Final[tuple[tuple[str, Callable[[object], bool], str], ...]] = (
    ("name", _is_name, f"`name` must be lower-case words joined by hyphens, {LONGEST_NAME} characters at most"),
    ("rfc", _is_rfc, "`rfc` must read like 'RFC 3261 section 20.10'"),
    ("summary", _is_line, "`summary` is empty or no line; give one line that says what the rule does"),
    ("stages", _are_stages, "`stages` must name at least one of the four stages, in a tuple"),
    ("methods", _are_octets, "`methods` must be a tuple of methods in bytes, such as (b'INVITE',)"),
    ("reaches", _are_reaches, "`reaches` must be a tuple of the constants for `Context.reach`"),
    ("unless", _are_traits, "`unless` must be traits of `proxy.repair.rule`, added up"),
    ("touches", _are_headers, "`touches` must name the headers the rule may edit, in a tuple of bytes"),
    ("default", _is_mode, f"`default` must be one of {', '.join(MODES)}"),
    ("samples", _are_samples, "`samples` is empty or no tuple; give at least one Sample, a message before and after"),
    ("source", _are_texts, "`source` must be a tuple of texts"),
    ("no_source", _is_text, "`no_source` must be a text"),
)


def _touched(value: object) -> Iterator[str]:
    """Names of headers as lines have them: lower case, no compact form; and none that nobody may edit."""
    for item in value if isinstance(value, tuple) else ():
        if not isinstance(item, bytes) or item in (START, BODY, STATUS_LINE):
            continue
        shown = item.decode("utf-8", "backslashreplace")
        canonical = CANON.get(item, item.lower())
        if TOKEN(item) is None:
            yield f"`touches` names {shown!r}, which is no header"
        elif item != canonical:
            yield f"`touches` must have {canonical.decode()!r} in the place of {shown!r}"
        elif item in FORBIDDEN:
            yield f"`touches` names {shown!r}, which no rule may edit: the proxy or the dialog depends on it"


def _settings(rule: Rule) -> Iterator[str]:
    settings: object = getattr(rule, "settings", None)
    if not isinstance(settings, tuple) or not all(isinstance(item, Setting) for item in settings):
        yield "`settings` must be a tuple of settings"
        return
    names = [item.name for item in settings]
    for name in names:
        if not isinstance(name, str) or _SETTING(name) is None or name == "mode":
            yield f"a setting cannot be named {name!r}: lower-case letters, digits and _, and not mode"
    if len(set(names)) != len(names):
        yield "two settings have the same name"
    kind = type(rule)
    if settings and kind.with_settings is Rule.with_settings and kind.configured is Rule.configured:
        yield "it has `settings` and does not define `with_settings`"
    for item in settings:
        try:
            item.read(item.default)
        except ValueError as error:
            yield f"the default of the setting {item.name} is none of its values: {error}"
