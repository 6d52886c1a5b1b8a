"""Values as administrators write and read them: durations, and any value as an error names it."""

from __future__ import annotations

import re

_DURATION = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*(ms|s|m|h|d)\Z")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(value: object) -> float:
    """Seconds of `500ms`, `30s`, `5m`, `12h`, `1d`. ValueError without a unit."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise ValueError(f"{value} has no unit, did you mean {value}s (units: ms, s, m, h, d)")
    match = _DURATION.match(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{shown(value)} is not a duration: write 500ms, 30s, 5m, 12h or 1d")
    # One rounding, so that 500ms is 0.5 and not a neighbour of it.
    return round(float(match[1]) * _SECONDS[match[2]], 6)


def format_duration(seconds: float) -> str:
    """The duration in the largest unit that gives a whole number."""
    milliseconds = round(seconds * 1000, 3)
    for unit, length in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if milliseconds and milliseconds % length == 0:
            return f"{int(milliseconds // length)}{unit}"
    return f"{milliseconds:.3f}".rstrip("0").rstrip(".") + "ms" if milliseconds else "0s"


def shown(value: object) -> str:
    """A value as an error names it: short, quoted, in YAML's words."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    text = str(value)
    text = text if len(text) <= 60 else text[:57] + "..."
    return f"'{text}'" if isinstance(value, str) else text
