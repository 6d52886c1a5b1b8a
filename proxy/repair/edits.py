"""Carries out the edits that rules ask for, once the guard has passed them."""

from __future__ import annotations

from collections.abc import Sequence

from proxy.repair.rule import Edit, Insert, Replace
from proxy.sip.message import Message, Request


def apply_edits(edits: Sequence[Edit], message: Message) -> None:
    """Carry out edits whose line numbers are all those of the message as it is now."""
    if len(edits) == 1:
        _apply(edits[0], message)
        return
    # From the last line to the first, so that the numbers of the others stay true; at one line the replacement
    # comes before the insertions, and these in reverse, so that they end up in the order given.
    order = sorted(range(len(edits)), key=lambda i: (edits[i].line, not isinstance(edits[i], Insert), i))
    for i in reversed(order):
        _apply(edits[i], message)


def _apply(edit: Edit, message: Message) -> None:
    if isinstance(edit, Replace):
        if edit.line == 0 and isinstance(message, Request):
            message.set_uri(edit.text.split(b" ")[1])
        else:
            message.replace(edit.line, edit.text)
    elif isinstance(edit, Insert):
        message.insert(edit.line, edit.name, edit.text)
    else:
        message.remove(edit.line)
