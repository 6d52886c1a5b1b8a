"""Regular expressions in the configuration: checked when it is read, so that none is refused later."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from proxy.pattern import Pattern, PatternError


def _usable(text: str) -> str:
    try:
        Pattern(text)
    except PatternError as error:
        raise ValueError(str(error)) from error
    return text


PatternText = Annotated[str, AfterValidator(_usable)]
