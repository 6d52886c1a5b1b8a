"""A dry run as people and programs read it: a unified diff with reasons, or an object for JSON. Decides nothing."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from rich.console import Console
from rich.text import Text

from proxy.effects import Record
from proxy.explain import OUR_ADDRESS, Explanation
from proxy.roundtrip import Step

_STYLES = {"---": "bold", "+++": "bold", "@@": "cyan", "+": "green", "-": "red"}
# What could move the cursor or change colours: shown as an escape, lest a message write on somebody's terminal.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def diff(explanation: Explanation, name: str) -> Iterator[str]:
    """A unified diff of the message, without line ends; nothing if it stays as it is."""
    before, after = (_lines(octets) for octets in (explanation.before, explanation.after))
    yield from difflib.unified_diff(before, after, name, f"{name} (repaired)", lineterm="")


def _lines(octets: bytes) -> list[str]:
    return [_shown(line) for line in octets.replace(b"\r\n", b"\n").removesuffix(b"\n").split(b"\n")]


def _shown(octets: bytes) -> str:
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", octets.decode("utf-8", "backslashreplace"))


def print_explanation(explanation: Explanation, name: str, console: Console) -> None:
    """The diff, and for each repair its rule, reason and RFC section."""

    def say(text: Text) -> None:
        console.print(text, soft_wrap=True)

    guess = " (a guess; --from says better)" if explanation.assumed else ""
    say(Text(f"{name}, from {explanation.source}{guess}", "bold"))
    for line in diff(explanation, name):
        say(Text(line, next((style for start, style in _STYLES.items() if line.startswith(start)), "")))
    for record in explanation.repairs:
        say(_sentence(record, "bold green"))
    for record in explanation.reports:
        say(_sentence(record, "bold yellow").append(" Only reported, not repaired."))
    for note in explanation.notes:
        said = note.text.format_map(note.fields).encode("utf-8", "backslashreplace")
        say(Text("\n".join(_shown(line) for line in said.split(b"\n")), "red"))
    if explanation.refusal:
        say(Text(f"It would not be forwarded: {explanation.refusal}", "red"))
    elif not explanation.records:
        say(Text("nothing to repair"))
    if explanation.stand_ins:
        say(Text(f"({OUR_ADDRESS} stands for sipmend itself, as no -c FILE says where it is)"))


def print_way(steps: Sequence[Step], console: Console) -> None:
    """What sipmend makes of the request, and of the answer that is made up for it: one diff for each direction."""
    for came, went in pairwise(steps):
        if came.receiver != "sipmend" or went.sender != "sipmend":
            continue
        if came.sender == went.receiver:
            console.print(Text(f"sipmend answers the {came.sender} itself", "bold"), soft_wrap=True)
            console.print(Text("\n".join(_lines(went.octets))), soft_wrap=True)
            continue
        console.print(Text(f"{came.sender} -> sipmend -> {went.receiver}", "bold"), soft_wrap=True)
        lines = (_lines(came.octets), _lines(went.octets))
        for line in difflib.unified_diff(*lines, f"from the {came.sender}", f"to the {went.receiver}", lineterm=""):
            style = next((style for start, style in _STYLES.items() if line.startswith(start)), "")
            console.print(Text(line, style), soft_wrap=True)


def way_objects(steps: Sequence[Step]) -> list[dict[str, object]]:
    """The messages on the way to the server and back, for `--json`."""
    return [{"from": step.sender, "to": step.receiver, "message": _text(step.octets)} for step in steps]


def _sentence(record: Record, style: str) -> Text:
    text = Text(record.rule, style)
    return text.append(_shown(f" ({record.header}): {record.reason}. {record.rfc}.".encode()), "default")


def as_object(explanation: Explanation) -> dict[str, object]:
    """The object that `--json` prints; octets that are not UTF-8 come out as lone surrogates."""
    return {
        "repairs": [
            {
                "rule": record.rule,
                "header": record.header,
                "before": _text(record.before),
                "after": _text(record.after),
                "reason": record.reason,
                "rfc": record.rfc,
            }
            for record in explanation.repairs
        ],
        "message": _text(explanation.after),
    }


def _text(octets: bytes | None) -> str | None:
    return None if octets is None else octets.decode("utf-8", "surrogateescape")
