"""A stage whose messages pass relays on their way: they lose datagrams, and the client may move in mid-call."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from flow_stage import Stage
from sip_client import Address
from sipmend_peer import Sipmend, Value
from stream_relay import StreamRelay
from udp_relay import Loss, UdpRelay


@dataclass(frozen=True)
class Move:
    """When the client's network changes: with the first message of this method and CSeq.

    `far_away`: it comes from another address from then on, else only by another port of its NAT.
    """

    method: str
    cseq: str = ""
    far_away: bool = False

    def begins(self, octets: bytes) -> bool:
        """Whether this is the message."""
        return octets.startswith(f"{self.method} ".encode()) and f"\nCSeq: {self.cseq}".encode() in octets


NEW_PORT = Move("UPDATE")
# The first REGISTER stands before the call, the second one in it.
NEW_ADDRESS = Move("REGISTER", "2 ", far_away=True)


class RelayedStage(Stage):
    """A stage whose client is behind a relay, which may `move`.

    With `loss` there is a relay before the server too, and both lose this share of the datagrams in each direction.
    """

    def __init__(
        self,
        transport: str,
        work: Path,
        cleanup: ExitStack,
        move: Move | None = None,
        loss: float = 0.0,
        seed: int = 0,
        changes: Mapping[str, Value] | None = None,
    ) -> None:
        super().__init__(transport, work, cleanup, changes)
        self._move = move
        self._loss = loss
        self._seed = seed
        self.relays: list[UdpRelay] = []
        self.places: list[Address] = []
        if loss:
            self._server_relay = self._relay(self.as_server, None)
            self.as_server = self._server_relay.near

    def start_proxy(self) -> Sipmend:
        """The proxy, and the relay before it."""
        proxy = super().start_proxy()
        if self.transport == "tcp":
            assert self._move
            stream = self.cleanup.enter_context(StreamRelay(proxy.address, self._move.begins))
            self.places, self.to_proxy = stream.places, stream.near
        else:
            relay = self._relay(proxy.address, self._move)
            self.places, self.to_proxy = relay.places, relay.near
        return proxy

    def server_sends_to(self, proxy: Sipmend) -> Address:
        """The server's side of the relay that stands before it."""
        return self._server_relay.outside if self._loss else super().server_sends_to(proxy)

    def _relay(self, far: Address, move: Move | None) -> UdpRelay:
        """A relay that loses what its own number in the seed decides."""
        loss = Loss(self._loss, f"{self._seed} {len(self.relays)}") if self._loss else None
        relay = UdpRelay(far, loss, move.begins if move else None, bool(move and move.far_away))
        self.relays.append(relay)
        return self.cleanup.enter_context(relay)
