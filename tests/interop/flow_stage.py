"""Plays one flow of calls by SIPp on both sides of the proxy, in either direction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from flow_sipp import CALLS, PORT, Call, Party, Sipp, registered_contact, wait_for_port
from peer_process import fresh_address
from sip_client import Address
from sipmend_peer import Sipmend, Value
from sipp_peer import SCENARIOS

Words = Sequence[str]
# What a client sends that has an outbound proxy.
ROUTE = "Route: <sip:pbx.test;lr>"
# A party that was called answers what comes again for as long as anything can (64 times T1).
LISTENING = ("-d", "32000")
# Calls a second; a caller is gone when its last call is over.
QUICKLY = ("-r", "10")


@dataclass(frozen=True)
class Played:
    """Both ends of calls that went by their scenarios."""

    caller: Sipp
    answerer: Sipp
    proxy: Sipmend


class Stage:
    """A client, the proxy and a server, with addresses of their own.

    `to_proxy` is where the client sends, `as_server` where the proxy finds the server: a relay on the way may
    stand in for either.
    """

    def __init__(
        self, transport: str, work: Path, cleanup: ExitStack, changes: Mapping[str, Value] | None = None
    ) -> None:
        self.transport = transport
        self.work = work
        self.cleanup = cleanup
        self.changes = changes or {}
        self.client = Party.client("alice", fresh_address())
        self.server = Party.server("bob", fresh_address(), transport)
        self.as_server: Address = (self.server.host, PORT)
        self.to_proxy: Address | None = None

    def start_proxy(self) -> Sipmend:
        """The proxy before the server, which must be up: its one probe is a call of its own there."""
        uri = f"sip:{self.as_server[0]}:{self.as_server[1]};transport={self.transport}"
        proxy = Sipmend(uri, self.work, health={"interval": "1h"}, changes=self.changes)
        self.cleanup.callback(proxy.process.stop, 1.0)  # it would wait for its open transactions
        assert proxy.becomes("sipmend_messages_total", 1, type="2xx", direction="in", side="server")
        return proxy

    def outgoing(
        self, caller: str, answerer: str, switches: Sequence[str] = (), calls: int = CALLS, extra: Words = QUICKLY
    ) -> Played:
        """The broken client calls the server; raises AssertionError if a call did not go by the scenarios."""
        call = Call(self.client, self.server, "sip:bob@pbx.test", ROUTE)
        there = self.play(self.server, answerer, call, switches, LISTENING)
        proxy = self.start_proxy()
        words = ["-m", str(calls), *extra]
        here = self.play(self.client, caller, call, switches, words, self.to_proxy or proxy.address)
        return self.ended(here, there, proxy)

    def incoming(
        self, caller: str, answerer: str, switches: Sequence[str] = (), calls: int = CALLS, extra: Words = QUICKLY
    ) -> Played:
        """The client registers and the server calls it by what it learned: our Contact, and our Path as Route."""
        learning = Call(self.server, self.client, "", "")
        registrar = self.play(self.server, "flow_registrar", learning, (), LISTENING)
        proxy = self.start_proxy()
        there = self.register(self.client, answerer, learning, switches, self.to_proxy or proxy.address)
        assert proxy.becomes("sipmend_bindings", 1, state="registered"), there.complaint("did not register")
        contact, path = registered_contact(registrar)
        registrar.stop()
        wait_for_port(self.server.host, self.transport)
        call = Call(self.server, self.client, contact, f"Route: {path[0]}")
        words = ["-m", str(calls), *extra]
        here = self.play(self.server, caller, call, switches, words, self.server_sends_to(proxy))
        return self.ended(here, there, proxy)

    def play_flow(
        self,
        direction: str,
        caller: str,
        answerer: str,
        switches: Sequence[str] = (),
        calls: int = CALLS,
        extra: Words = QUICKLY,
    ) -> Played:
        """One flow, `outgoing` or `incoming`."""
        play = self.outgoing if direction == "outgoing" else self.incoming
        return play(caller, answerer, switches, calls, extra)

    def server_sends_to(self, proxy: Sipmend) -> Address:
        """Where the server's own calls go."""
        return proxy.server_side

    def play(
        self,
        party: Party,
        scenario: str,
        call: Call,
        switches: Sequence[str],
        extra: Sequence[str],
        remote: Address | None = None,
        work: Path | None = None,
    ) -> Sipp:
        """Start one SIPp; a switch is set where its scenario declares it. Its files go to `work`, or the stage's."""
        text = (SCENARIOS / f"{scenario}.xml").read_text()
        words = [word for switch in switches if switch in text for word in ("-set", switch, "1")]
        words = [*call.arguments(party), *words, *extra]
        sipp = Sipp(party, self.transport, scenario, work or self.work, words, remote)
        self.cleanup.callback(sipp.stop)
        return sipp

    def register(self, party: Party, answerer: str, call: Call, switches: Sequence[str], remote: Address) -> Sipp:
        """Register a party that answers calls by this scenario from then on."""
        words = ["-m", "1", "-oocsf", str(SCENARIOS / f"{answerer}.xml"), *LISTENING]
        return self.play(party, "flow_register", call, switches, words, remote)

    def ended(self, here: Sipp, there: Sipp, proxy: Sipmend) -> Played:
        """The caller must end well, and the other side and the proxy be sound then."""
        here.finish(90)
        there.assert_sound()
        proxy.assert_sound()
        return Played(here, there, proxy)
