"""Regular expressions of administrators, matched in linear time whatever the pattern and the text are.

RE2 does it: it follows all ways at once, and refuses what would need backtracking (references, look-around). Its syntax
is that of Python and Perl but for these.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import re2  # type: ignore

LONGEST_PATTERN: Final = 500  # characters
# Bytes of a pattern with all that is remembered while texts come.
_MEMORY: Final = 1 << 20
_REFERENCE: Final = re.compile(r"\\(.?)", re.DOTALL)


class PatternError(ValueError):
    """A pattern, or what is to be put in its place, that cannot be used; the text says why."""


class Pattern:
    """Finds a pattern anywhere in a text, letters of either case being equal. Raises PatternError if it cannot."""

    __slots__ = ("_compiled", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > LONGEST_PATTERN:
            raise PatternError(f"should be at most {LONGEST_PATTERN} characters long")
        options = re2.Options()
        options.case_sensitive = False
        options.log_errors = False
        options.max_mem = _MEMORY
        try:
            self._compiled: Any = re2.compile(text.encode(), options)
        except (re2.error, UnicodeEncodeError) as error:
            raise PatternError(f"is no regular expression that can be used: {_why(error)}") from error

    @property
    def groups(self) -> int:
        """How many groups it has."""
        return int(self._compiled.groups)

    def found(self, text: bytes) -> bool:
        """Whether the text holds a match. What is not UTF-8 matches nothing."""
        return self._compiled.search(text) is not None

    def replaced(self, text: bytes, template: Template) -> bytes:
        """The text with every match replaced, from left to right; `template` was made for this pattern."""
        parts = template.parts
        done = 0
        pieces: list[bytes] = []
        for match in self._compiled.finditer(text):
            pieces.append(text[done : match.start()])
            pieces += [part if isinstance(part, bytes) else match.group(part) or b"" for part in parts]
            done = match.end()
        return b"".join((*pieces, text[done:])) if pieces else text


class Template:
    r"""What is put in the place of a match: text in which `\1` to `\9` stand for groups, `\0` for the whole match.

    `\\` is a backslash. Raises PatternError for a group that the pattern does not have.
    """

    __slots__ = ("parts",)

    def __init__(self, text: str, pattern: Pattern) -> None:
        parts: list[bytes | int] = []
        done = 0
        for found in _REFERENCE.finditer(text):
            parts.append(text[done : found.start()].encode())
            parts.append(_referred(found.group(1), pattern))
            done = found.end()
        parts.append(text[done:].encode())
        self.parts: Sequence[bytes | int] = tuple(part for part in parts if part != b"")


def _referred(word: str, pattern: Pattern) -> bytes | int:
    """What follows a backslash: the number of a group, or another backslash."""
    if word == "\\":
        return b"\\"
    if not (word.isascii() and word.isdigit()):
        raise PatternError(rf"has \{word}: only \0 to \9 and \\ may follow a backslash")
    if int(word) > pattern.groups:
        has = {0: "no group", 1: "one group"}.get(pattern.groups, f"{pattern.groups} groups")
        raise PatternError(rf"has \{word}, but the pattern has {has}")
    return int(word)


def _why(error: Exception) -> str:
    reason = error.args[0] if isinstance(error, re2.error) and error.args else error
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
