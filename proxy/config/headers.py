"""The section `headers`: what an administrator wants done to header fields, without a line of code.

Each entry becomes a rule of `proxy.repair.header_rules`. Headers that the proxy or the dialog depends on are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from proxy.config.errors import KeyPath
from proxy.config.pattern import PatternText
from proxy.config.section import MODE_SCHEMA, Mode, Section, ShortForm
from proxy.config.units import switch_word
from proxy.pattern import Pattern, PatternError, Template
from proxy.repair.contract import LONGEST_NAME, NAME, TOKEN
from proxy.repair.header_rules import CREDENTIALS, canonical, owned
from proxy.values import shown

LONGEST_VALUE = 1000  # characters
ACTIONS = ("set", "add", "remove", "copy", "rename", "substitute")
# Of each action: what it needs, and what it may have besides.
_NEEDS = {"set": ("value",), "add": ("value",), "copy": ("to",), "rename": ("to",), "substitute": ("pattern", "with")}
_MAY_HAVE = {"remove": ("pattern",)}
_METHOD = re.compile(r"[A-Z][A-Z0-9_.-]{0,31}\Z")


def _rule_name(name: str) -> str:
    if len(name) > LONGEST_NAME or NAME(name) is None:
        raise ValueError(f"should be lower-case words joined by hyphens, at most {LONGEST_NAME} characters")
    return name


def _header(name: str) -> str:
    if TOKEN(name.encode()) is None:
        raise ValueError(f"{shown(name)} is no name of a header: write it without the colon, such as User-Agent")
    return name


def _free_header(name: str) -> str:
    why = owned(canonical(_header(name)))
    if why:
        raise ValueError(f"{name} cannot be changed here: {why}")
    return name


def _source(name: str) -> str:
    if canonical(_header(name)) in CREDENTIALS:
        raise ValueError(f"{name} cannot be copied: it holds secrets")
    return name


def _value(text: str) -> str:
    if not text.strip():
        raise ValueError("should not be empty: an empty header is taken out by `remove`")
    return _line(text)


def _line(text: str) -> str:
    if len(text) > LONGEST_VALUE:
        raise ValueError(f"should be at most {LONGEST_VALUE} characters long")
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        raise ValueError("should have no line ends and no other control characters: they would begin another header")
    return text.strip()


def _method(word: str) -> str:
    if _METHOD.match(word) is None:
        raise ValueError(f"should be a method in capitals, such as INVITE, not {shown(word)}")
    return word


def _listed(value: object) -> object:
    return [value] if isinstance(value, str | dict) else value


RuleName = Annotated[str, AfterValidator(_rule_name)]
AnyHeader = Annotated[str, AfterValidator(_header)]
FreeHeader = Annotated[str, AfterValidator(_free_header)]
Value = Annotated[str, AfterValidator(_value)]
Replacement = Annotated[str, AfterValidator(_line)]
Method = Annotated[str, AfterValidator(_method)]


class HeaderCondition(Section):
    """A header that has to be there. A plain name is the short form of a mapping with only `name`."""

    name: AnyHeader = Field(description="its name, long or compact; any header may be asked about")
    pattern: PatternText | None = Field(None, description="regular expression found in the value of one of its lines")
    absent: bool = Field(False, description="`true`: it must be missing instead, or no line fit the pattern")


def _condition(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


ConditionItem = Annotated[
    HeaderCondition, BeforeValidator(_condition), ShortForm({"type": "string", "title": "header name"})
]


class When(Section):
    """Which messages are meant; all that is given must fit. One item may stand without a list."""

    direction: Literal["to_server", "to_client"] | None = Field(None, description="where the message goes")
    message: Literal["request", "response"] | None = Field(None, description="what it is")
    method: Annotated[tuple[Method, ...], BeforeValidator(_listed), ShortForm({"type": "string"})] = Field(
        (), description="methods, in capitals; of a response, that of its request"
    )
    profile: Annotated[tuple[str, ...], BeforeValidator(_listed), ShortForm({"type": "string"})] = Field(
        (), description="profiles, of which the client has one"
    )
    header: Annotated[
        tuple[ConditionItem, ...], BeforeValidator(_listed), ShortForm({"type": "string", "title": "header name"})
    ] = Field((), description="headers that must be there, or with `absent` missing, before any change of this entry")


class HeaderChange(Section):
    """One change of header fields: exactly one of `set`, `add`, `remove`, `copy`, `rename`, `substitute`."""

    name: RuleName = Field(description="its name in logs, metrics and `repair`, such as hide-version")
    mode: Annotated[Mode, BeforeValidator(switch_word), WithJsonSchema(MODE_SCHEMA)] = Field(
        "repair", description="`report` only counts and logs; the sections `repair` and `profiles` come over it"
    )
    set: FreeHeader | None = Field(None, description="the header has one line with `value`, whatever it had before")
    add: FreeHeader | None = Field(None, description="the header has a further line with `value`, unless it has it")
    remove: FreeHeader | None = Field(None, description="all its lines go, or those in which `pattern` is found")
    copied: Annotated[str, AfterValidator(_source)] | None = Field(
        None, alias="copy", description="the header `to` has the same lines as this one"
    )
    rename: FreeHeader | None = Field(None, description="all its lines are called `to`")
    substitute: FreeHeader | None = Field(
        None, description="in each of its lines what fits `pattern` is replaced; a line left empty goes"
    )
    value: Value | None = Field(None, description="of `set` and `add`: the value of the header")
    to: FreeHeader | None = Field(None, description="of `copy` and `rename`: the name of the other header")
    pattern: PatternText | None = Field(
        None, description="of `substitute` and `remove`: regular expression, in upper or lower case, found anywhere"
    )
    replacement: Replacement | None = Field(
        None,
        alias="with",
        description=r"of `substitute`: what each match becomes; `\1` to `\9` are groups of the pattern, `\0` all of it",
    )
    when: When = Field(When(), description="which messages are meant; default: all")
    reason: Replacement | None = Field(None, description="why, in a few words: logs and `explain` repeat it")

    def given(self) -> dict[str, str]:
        """What the entry says of its action, by key of the file."""
        keys = {"copy": "copied", "with": "replacement"}
        every = {key: getattr(self, keys.get(key, key)) for key in (*ACTIONS, "value", "to", "pattern", "with")}
        return {key: value for key, value in every.items() if value is not None}

    @property
    def action(self) -> str:
        """Which of the actions it is."""
        return next(key for key in ACTIONS if key in self.given())


def header_problems(changes: Sequence[HeaderChange], profiles: dict[str, bool]) -> Iterator[tuple[KeyPath, str]]:
    """What does not fit together in the section `headers`; `profiles` are all names, and whether they are in force."""
    for index, change in enumerate(changes):
        path: KeyPath = ("headers", index)
        if change.name in [other.name for other in changes[:index]]:
            yield (*path, "name"), f"there is another entry named {change.name}: rename one of them"
        for key, text in _mismatches(change):
            yield (*path, key) if key else path, text
        for place, name in enumerate(change.when.profile):
            if not profiles.get(name, False):
                text = f"the profile {name} is turned off" if name in profiles else f"there is no profile named {name}"
                yield (*path, "when", "profile", place), text


def _mismatches(change: HeaderChange) -> Iterator[tuple[str, str]]:
    """The keys of an entry that its action does not have, or needs and has not."""
    given = change.given()
    actions = [key for key in ACTIONS if key in given]
    if len(actions) != 1:
        yield actions[1] if actions else "", f"an entry does exactly one thing: {', '.join(ACTIONS)}"
        return
    action = actions[0]
    needs = _NEEDS.get(action, ())
    for key in needs:
        if key not in given:
            yield action, f"needs `{key}` beside it"
    for key in given:
        if key != action and key not in (*needs, *_MAY_HAVE.get(action, ())):
            yield key, f"`{action}` has no use for it"
    if "to" in given and canonical(given["to"]) == canonical(given[action]):
        yield "to", "is the same header"
    if action == "substitute" and "pattern" in given and "with" in given:
        try:
            Template(given["with"], Pattern(given["pattern"]))
        except PatternError as error:
            yield "with", str(error)
