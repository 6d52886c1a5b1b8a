"""What happens to the core: plain values, named in the past tense, without behaviour.

Every event carries `now`, the time in seconds on the driver's monotonic clock: the core has no clock of its own.
"""

from __future__ import annotations

from typing import Final

from proxy.binding import Binding
from proxy.flow import Flow, Listener

# The reason of `FlowClosed` where a browser said 1001 (RFC 6455 section 7.4.1): the page is gone, and with it its
# random Contact.
GOING_AWAY: Final = "going_away"


class MessageReceived:
    """The octets of one message (a datagram, or what the stream framer cut out) arrived on a flow."""

    __slots__ = ("flow", "now", "octets")

    def __init__(self, flow: Flow, octets: bytes, now: float) -> None:
        self.flow = flow
        self.octets = octets
        self.now = now


class FramingFailed:
    """A stream can no longer be cut into messages. `octets` is the head of the offending message, as far as known.

    `reason` is the label it is counted under, `explanation` the sentence for the reason phrase or the log, `status`
    the answer it deserves: 513 above a limit, else 400.
    The transport reads no further; the core answers where it can and closes the flow.
    """

    __slots__ = ("explanation", "flow", "now", "octets", "reason", "status")

    def __init__(self, flow: Flow, octets: bytes, reason: str, explanation: str, now: float, status: int = 400) -> None:
        self.flow = flow
        self.octets = octets
        self.reason = reason
        self.explanation = explanation
        self.now = now
        self.status = status


class FlowOpened:
    """A stream connection that the core asked for is up."""

    __slots__ = ("flow", "now")

    def __init__(self, flow: Flow, now: float) -> None:
        self.flow = flow
        self.now = now


class FlowClosed:
    """A stream connection ended, or could not be made; `reason` is for the log and the metrics label.

    Nothing more arrives on the flow, and what was queued for it is lost. The core knows one reason by name:
    `GOING_AWAY`, a WebSocket that the client closed with code 1001 (RFC 6455 section 7.4.1).
    """

    __slots__ = ("flow", "now", "reason")

    def __init__(self, flow: Flow, reason: str, now: float) -> None:
        self.flow = flow
        self.reason = reason
        self.now = now


class SendFailed:
    """The socket refused a datagram (ENETUNREACH, EPERM, EMSGSIZE ...), or ICMP said nobody listens there.

    `octets` is the datagram if it was too large: that says nothing about the address. Else None.
    """

    __slots__ = ("flow", "now", "octets", "reason")

    def __init__(self, flow: Flow, reason: str, now: float, octets: bytes | None = None) -> None:
        self.flow = flow
        self.octets = octets
        self.reason = reason
        self.now = now


class BindingsStored:
    """The store committed the `StoreBindings` effect that carried this ticket."""

    __slots__ = ("now", "ticket")

    def __init__(self, ticket: int, now: float) -> None:
        self.ticket = ticket
        self.now = now


class BindingsLoaded:
    """The bindings of an earlier run, as the store kept them; their tokens name the same clients as then.

    Their flows are made anew: open for UDP, closed where a connection is needed that only the client can make. Comes
    once, before the first message.
    """

    __slots__ = ("bindings", "now")

    def __init__(self, bindings: list[Binding], now: float) -> None:
        self.bindings = bindings
        self.now = now


class TargetsResolved:
    """The server's name was looked up again. `addresses` are `(transport, host, port)` in the order to try."""

    __slots__ = ("addresses", "now")

    def __init__(self, addresses: tuple[tuple[int, str, int], ...], now: float) -> None:
        self.addresses = addresses
        self.now = now


class AddressMapped:
    """A STUN server sees a listener's socket at that address (RFC 8489): it is what clients reach us by."""

    __slots__ = ("host", "listener", "now", "port")

    def __init__(self, listener: Listener, host: str, port: int, now: float) -> None:
        self.listener = listener
        self.host = host
        self.port = port
        self.now = now


Event = (
    MessageReceived
    | FramingFailed
    | FlowOpened
    | FlowClosed
    | SendFailed
    | BindingsStored
    | BindingsLoaded
    | TargetsResolved
    | AddressMapped
)
