"""A small stage for transactions: messages, flows, a user that writes down what it hears, and virtual time."""

from __future__ import annotations

from proxy.counts import Counts
from proxy.effects import Effect, Send
from proxy.flow import CLIENT, SERVER, TCP, UDP, Flow, Listener
from proxy.sip.message import Request, Response
from proxy.sip.parser import parse_message
from proxy.transaction.machine import Scene, Transaction
from proxy.transaction.timers import Timers

SIDE_C = Listener(0, CLIENT, UDP, "0.0.0.0", 5060, "203.0.113.10", 5060)
SIDE_C_TCP = Listener(1, CLIENT, TCP, "0.0.0.0", 5060, "203.0.113.10", 5060)
SIDE_S = Listener(2, SERVER, UDP, "0.0.0.0", 5070, "10.0.0.2", 5070)
SIDE_S_TCP = Listener(3, SERVER, TCP, "0.0.0.0", 5070, "10.0.0.2", 5070)

BRANCH = b"z9hG4bKa1"


def udp_flow(listener: Listener = SIDE_S, host: str = "192.0.2.7", port: int = 5060) -> Flow:
    return Flow(listener, host, port)


def tcp_flow(listener: Listener = SIDE_S_TCP, number: int = 7) -> Flow:
    return Flow(listener, "192.0.2.7", 5060, number)


def request(
    method: str = "INVITE",
    *,
    branch: str | None = BRANCH.decode(),
    via: str = "192.0.2.7:5060",
    call_id: str = "c1",
    number: int = 1,
    from_tag: str | None = "f1",
    to_tag: str | None = None,
    uri: str = "sip:bob@example.com",
    cseq_method: str | None = None,
    headers: tuple[str, ...] = (),
) -> Request:
    lines = (
        f"{method} {uri} SIP/2.0",
        f"Via: SIP/2.0/UDP {via}" + (f";branch={branch}" if branch is not None else ""),
        *headers,
        "From: <sip:alice@example.com>" + (f";tag={from_tag}" if from_tag else ""),
        "To: <sip:bob@example.com>" + (f";tag={to_tag}" if to_tag else ""),
        f"Call-ID: {call_id}",
        f"CSeq: {number} {cseq_method or method}",
        "Content-Length: 0",
        "",
        "",
    )
    parsed = parse_message("\r\n".join(lines).encode())
    assert isinstance(parsed, Request)
    return parsed


def response(status: int, method: str = "INVITE", to_tag: str = "t1", branch: str = BRANCH.decode()) -> Response:
    lines = (
        f"SIP/2.0 {status} Phrase",
        f"Via: SIP/2.0/UDP 10.0.0.2:5070;branch={branch}",
        "From: <sip:alice@example.com>;tag=f1",
        f"To: <sip:bob@example.com>;tag={to_tag}",
        "Call-ID: c1",
        f"CSeq: 1 {method}",
        "Content-Length: 0",
        "",
        "",
    )
    parsed = parse_message("\r\n".join(lines).encode())
    assert isinstance(parsed, Response)
    return parsed


class Heard:
    """A transaction user that writes down what it is told, with the time."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.trying = 0

    def on_response(self, branch: object, response: Response, out: list[Effect]) -> None:
        self.told.append(response.status)

    def on_timeout(self, branch: object, out: list[Effect]) -> None:
        self.told.append("timeout")

    def on_transport_error(self, branch: object, out: list[Effect]) -> None:
        self.told.append("transport error")

    def on_timer_c(self, branch: object, out: list[Effect]) -> None:
        self.told.append("timer C")

    def send_trying(self, out: list[Effect]) -> None:
        self.trying += 1


class Stage:
    """One scene with its clock; `ended` lists the transactions that reached Terminated."""

    def __init__(self, timers: Timers | None = None) -> None:
        self.ended: list[Transaction] = []
        self.counts = Counts(4)
        self.scene = Scene(timers or Timers(), self.counts, self.ended.append)
        self.out: list[Effect] = []

    def run(self, until: float) -> list[tuple[float, bytes]]:
        """Step from deadline to deadline; returns (time, kind) of everything sent."""
        sent: list[tuple[float, bytes]] = []
        wheel = self.scene.wheel
        while (deadline := wheel.next_deadline()) is not None and deadline <= until:
            self.scene.now = deadline
            out: list[Effect] = []
            wheel.tick(deadline, out)
            sent += [(round(deadline, 6), effect.kind) for effect in out if isinstance(effect, Send)]
            self.out += out
        self.scene.now = until
        return sent

    def sent(self) -> list[Send]:
        """What was sent since the last look."""
        sends = [effect for effect in self.out if isinstance(effect, Send)]
        assert len(sends) == len(self.out), "a transaction sends and nothing else"
        self.out = []
        return sends


def times(sent: list[tuple[float, bytes]]) -> list[float]:
    return [time for time, _ in sent]
