"""A binding as a store keeps it: plain values, and times of the wall clock in place of those of this process.

The core counts seconds on a clock that begins with the machine; a file outlives it. Both directions are here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from proxy.binding import LINGERING, REGISTERED, Binding
from proxy.flow import CLIENT, TRANSPORTS, UDP, Flow, Listener


class Row(NamedTuple):
    """One binding. Octets are kept as octets: not all that clients write is UTF-8.

    `expires` is until when it counts as registered if nothing newer is written, `used` its last use, `written` when
    this row was made, all in seconds of the wall clock. `transport`, `bound_host` and `bound_port` name the listener
    it came by, `host` and `port` where it was.
    """

    token: bytes
    aor: bytes
    instance: bytes
    reg_id: int
    serial: int
    contact: bytes
    shown: bytes
    state: int
    expires: float
    used: float
    written: float
    call_id: bytes
    auth_user: bytes
    user_agent: bytes
    outbound: int
    abandoned: int
    transport: str
    bound_host: str
    bound_port: int
    host: str
    port: int


class FlowMaker(Protocol):
    """Makes UDP flows (`core.flows.Flows`)."""

    def udp(self, listener: Listener, host: str, port: int) -> Flow:
        """The UDP flow between that socket and that remote address."""


def row_of(binding: Binding, now: float, wall: float) -> Row:
    """The binding as it is at this moment: `now` on the clock of the core, `wall` on that of the wall."""
    listener = binding.flow.listener
    ahead = wall - now
    return Row(
        binding.token,
        binding.aor,
        binding.instance,
        binding.reg_id,
        binding.serial,
        binding.contact,
        binding.shown,
        binding.state,
        max(binding.expires_at, binding.stored_until) + ahead,
        binding.last_used + ahead,
        wall,
        binding.call_id,
        binding.auth_user,
        binding.user_agent,
        int(binding.outbound),
        int(binding.abandoned),
        TRANSPORTS[listener.transport],
        listener.host,
        listener.port,
        binding.flow.remote_host,
        binding.flow.remote_port,
    )


def bindings_of(
    rows: Sequence[Row], listeners: Sequence[Listener], flows: FlowMaker, now: float, wall: float
) -> list[Binding]:
    """The bindings in the rows, on flows of this run.

    A wall clock that was set back in the meantime makes no registration longer than it was when it was written.
    """
    ours = {(TRANSPORTS[one.transport], one.host, one.port): one for one in listeners if one.side == CLIENT}
    return [_binding_of(row, ours, flows, now, wall) for row in rows]


def _binding_of(
    row: Row, ours: dict[tuple[str, str, int], Listener], flows: FlowMaker, now: float, wall: float
) -> Binding:
    flow = _flow_of(row, ours.get((row.transport, row.bound_host, row.bound_port)), flows)
    binding = Binding(row.token, row.aor, b"", row.instance, row.reg_id, row.contact, flow)
    binding.serial = row.serial
    binding.shown = row.shown
    binding.state = REGISTERED if row.state == REGISTERED else LINGERING
    binding.expires_at = binding.stored_until = now + min(row.expires - wall, row.expires - row.written)
    binding.last_used = now + min(row.used - wall, 0.0)
    binding.call_id = row.call_id
    binding.auth_user = row.auth_user
    binding.user_agent = row.user_agent
    binding.outbound = bool(row.outbound)
    binding.abandoned = bool(row.abandoned)
    return binding


def _flow_of(row: Row, listener: Listener | None, flows: FlowMaker) -> Flow:
    """UDP needs no more than an address. A connection can only be made by the client: its flow is closed, as is one
    of a listener that is no longer configured."""
    if listener is not None and listener.transport == UDP:
        return flows.udp(listener, row.host, row.port)
    if listener is None:
        transport = TRANSPORTS.index(row.transport)
        listener = Listener(-1, CLIENT, transport, row.bound_host, row.bound_port, row.bound_host, row.bound_port)
    flow = Flow(listener, row.host, row.port)
    flow.open = False
    return flow
