"""Placeholders such as `{TOKA}` in expected and sent values: bound where they first fit, the same ever after.

`{*}` fits anything and binds nothing. A placeholder fits a token of RFC 3261 section 25.1: no blank, bracket, comma,
semicolon or at sign.
"""

from __future__ import annotations

import re

_PLACE = re.compile(r"\{([A-Z][A-Z0-9_]*|\*)\}")
_TOKEN = r"[A-Za-z0-9.!%*_+`'~\-]+"


class Names:
    """What the placeholders of one world stand for."""

    def __init__(self) -> None:
        self.bound: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        return self.bound[name]

    def fill(self, text: str) -> str:
        """Put what is bound in the place of the placeholders. Raises KeyError for one that is not bound yet."""
        return _PLACE.sub(lambda found: self.bound[found.group(1)], text)

    def shown(self, text: str) -> str:
        """As `fill`, but unbound placeholders stay."""
        return _PLACE.sub(lambda found: self.bound.get(found.group(1), found.group(0)), text)

    def fits(self, pattern: str, actual: str) -> bool:
        """Whether the text fits the pattern; binds what was unbound if it does."""
        expression, at, new = "", 0, set()
        for found in _PLACE.finditer(pattern):
            expression += re.escape(pattern[at : found.start()])
            name = found.group(1)
            if name == "*":
                expression += ".*"
            elif name in self.bound:
                expression += re.escape(self.bound[name])
            elif name in new:
                expression += f"(?P={name})"
            else:
                new.add(name)
                expression += f"(?P<{name}>{_TOKEN})"
            at = found.end()
        match = re.fullmatch(expression + re.escape(pattern[at:]), actual, re.DOTALL)
        if match is None:
            return False
        self.bound.update(match.groupdict())
        return True
