"""A stage whose messages pass relays on their way: they lose datagrams, and the client may move in mid-call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from flow_sipp import CALLS, Call, Party
from flow_stage import QUICKLY, ROUTE, Played, Stage, Words
from kamailio_peer import Kamailio
from peer_process import eventually, fresh_address
from sip_client import Address
from sipmend_peer import SERVER_PORT, Sipmend, Value
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
        seed: str = "",
        changes: Mapping[str, Value] | None = None,
        server: Address | None = None,
    ) -> None:
        super().__init__(transport, work, cleanup, changes)
        self.as_server = server or self.as_server
        self._move = move
        self._loss = loss
        self._seed = seed
        self.relays: list[UdpRelay] = []
        self.places: list[Address] = []
        if loss:
            self._server_relay = self._relay(self.as_server, None, SERVER_PORT)
            self.as_server = self._server_relay.near
            # Where a server that goes by our headers finds us.
            ours = {"address": self._server_relay.outside[0]}
            self.changes = {**self.changes, "server": ours}

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

    def _relay(self, far: Address, move: Move | None, outside_port: int = 0) -> UdpRelay:
        """A relay that loses what its own number in the seed decides."""
        loss = Loss(self._loss, f"{self._seed} {len(self.relays)}") if self._loss else None
        moves = move.begins if move else None
        relay = UdpRelay(far, loss, moves, bool(move and move.far_away), outside_port)
        self.relays.append(relay)
        return self.cleanup.enter_context(relay)


class KamailioStage(RelayedStage):
    """A lossy stage whose server is Kamailio; the far end is a phone that is registered there."""

    def __init__(self, work: Path, cleanup: ExitStack, loss: float, seed: str) -> None:
        self._kamailio = Kamailio(fresh_address(), work / "kamailio", defines=("OPEN",))
        cleanup.callback(self._kamailio.stop)
        super().__init__("udp", work, cleanup, None, loss, seed, server=self._kamailio.address)

    def outgoing(
        self, caller: str, answerer: str, switches: Sequence[str] = (), calls: int = CALLS, extra: Words = QUICKLY
    ) -> Played:
        """The broken client calls the phone at Kamailio."""
        there = self.register(
            self.server, answerer, Call(self.client, self.server, "", ""), switches, self._kamailio.address
        )
        assert eventually(lambda: bool(there.got(200)), 15), there.complaint("did not register")
        proxy = self.start_proxy()
        call = Call(self.client, self.server, "sip:bob@pbx.test", ROUTE)
        here = self.play(self.client, caller, call, switches, ["-m", str(calls), *extra], self.to_proxy)
        return self.ended(here, there, proxy)

    def incoming(
        self, caller: str, answerer: str, switches: Sequence[str] = (), calls: int = CALLS, extra: Words = QUICKLY
    ) -> Played:
        """The phone at Kamailio calls the client."""
        proxy = self.start_proxy()
        assert self.to_proxy
        there = self.register(self.client, answerer, Call(self.server, self.client, "", ""), switches, self.to_proxy)
        assert proxy.becomes("sipmend_bindings", 1, state="registered"), there.complaint("did not register")
        call = Call(self.server, self.client, "sip:alice@pbx.test", ROUTE)
        words = ["-m", str(calls), *extra]
        here = self.play(self.server, caller, call, switches, words, self._kamailio.address)
        return self.ended(here, there, proxy)


class SpiralStage(KamailioStage):
    """A lossy stage whose far end is a broken client behind the same proxy: each call passes it twice."""

    def __init__(self, work: Path, cleanup: ExitStack, loss: float, seed: str) -> None:
        super().__init__(work, cleanup, loss, seed)
        self.server = Party.client("bob", fresh_address())

    def outgoing(
        self, caller: str, answerer: str, switches: Sequence[str] = (), calls: int = CALLS, extra: Words = QUICKLY
    ) -> Played:
        """One client calls the other; each has a relay of its own before the proxy."""
        proxy = self.start_proxy()
        called = self._relay(proxy.address, None)
        there = self.register(self.server, answerer, Call(self.client, self.server, "", ""), switches, called.near)
        assert proxy.becomes("sipmend_bindings", 1, state="registered"), there.complaint("did not register")
        call = Call(self.client, self.server, "sip:bob@pbx.test", ROUTE)
        here = self.play(self.client, caller, call, switches, ["-m", str(calls), *extra], self.to_proxy)
        return self.ended(here, there, proxy)
