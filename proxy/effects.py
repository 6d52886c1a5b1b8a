"""What the core wants done: plain values, named in the imperative, without behaviour.

The core appends them to one list per event; the driver carries them out in order.
"""

from __future__ import annotations

from proxy.binding import Binding
from proxy.flow import Flow


class Send:
    """Send the octets on the flow. `kind` is the label it is counted under: the method, or the status class."""

    __slots__ = ("flow", "kind", "octets")

    def __init__(self, flow: Flow, octets: bytes, kind: bytes) -> None:
        self.flow = flow
        self.octets = octets
        self.kind = kind


class Ping:
    """Send two CRLFs on the flow (RFC 5626 section 3.5.1): no message, so it is not counted as one."""

    __slots__ = ("flow",)

    def __init__(self, flow: Flow) -> None:
        self.flow = flow


class OpenFlow:
    """Connect a stream to the flow's remote address; sends on the flow wait for it (bounded)."""

    __slots__ = ("flow",)

    def __init__(self, flow: Flow) -> None:
        self.flow = flow


class CloseFlow:
    """Close the stream once what was sent on it has left. `reason` is for the log and the metrics label."""

    __slots__ = ("flow", "reason")

    def __init__(self, flow: Flow, reason: str) -> None:
        self.flow = flow
        self.reason = reason


class StoreBindings:
    """Commit these bindings to the store, then report `BindingsStored(ticket)`; ticket 0 wants no report.

    A binding whose `state` is `GONE` is to be deleted.
    """

    __slots__ = ("bindings", "ticket")

    def __init__(self, bindings: list[Binding], ticket: int) -> None:
        self.bindings = bindings
        self.ticket = ticket


class Record:
    """One repair, report or restoration: what was done to which header of which message, why, and by which RFC.

    `before` is None for an inserted header, `after` for a removed one or for a finding that was only reported.
    """

    __slots__ = ("after", "before", "call_id", "direction", "flow", "header", "method", "mode", "reason", "rfc", "rule")

    def __init__(
        self,
        rule: str,
        mode: str,
        header: str,
        before: bytes | None,
        after: bytes | None,
        reason: str,
        rfc: str,
        method: bytes,
        call_id: bytes,
        flow: Flow,
        direction: str,
    ) -> None:
        self.rule = rule
        self.mode = mode
        self.header = header
        self.before = before
        self.after = after
        self.reason = reason
        self.rfc = rfc
        self.method = method
        self.call_id = call_id
        self.flow = flow
        self.direction = direction


class Note:
    """A line for the operator's log. `text` is a format string for `fields`; `level` is info, warn or error."""

    __slots__ = ("fields", "level", "text")

    def __init__(self, level: str, text: str, fields: dict[str, object]) -> None:
        self.level = level
        self.text = text
        self.fields = fields


Effect = Send | Ping | OpenFlow | CloseFlow | StoreBindings | Record | Note
