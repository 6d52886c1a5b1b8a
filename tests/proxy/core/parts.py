"""Parts of a core for the tests of its modules: settings, flows, a node without rules, messages."""

from __future__ import annotations

from typing import Any

from proxy.core.node import Node
from proxy.core.settings import CoreSettings
from proxy.core.tokens import TokenMint
from proxy.counts import Counts
from proxy.flow import CLIENT, SERVER, TCP, UDP, WSS, Flow, Listener
from proxy.repair.pipeline import Pipeline
from proxy.sip.message import Request, Response
from proxy.sip.parser import parse_message

EDGE = Listener(0, CLIENT, UDP, "0.0.0.0", 5060, "203.0.113.10", 5060, frozenset((b"edge.example.com",)))
EDGE_TCP = Listener(1, CLIENT, TCP, "0.0.0.0", 5060, "203.0.113.10", 5060)
EDGE_WSS = Listener(2, CLIENT, WSS, "0.0.0.0", 8443, "edge.example.com", 8443)
OWN = Listener(3, SERVER, UDP, "0.0.0.0", 5070, "10.0.0.2", 5070)
OWN_TCP = Listener(4, SERVER, TCP, "0.0.0.0", 5070, "10.0.0.2", 5070)
LISTENERS = (EDGE, EDGE_TCP, EDGE_WSS, OWN, OWN_TCP)
SERVER_ADDRESS = (UDP, "10.0.0.5", 5060)
KEY = b"k" * 32

ALICE = Flow(EDGE, "198.51.100.7", 4711)
K = Flow(OWN, "10.0.0.5", 5060)


def settings(**more: Any) -> CoreSettings:
    return CoreSettings(**{"domain": b"example.com", "listeners": LISTENERS, **more})


class Counted:
    """Sixteen characters per call, counted up."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> bytes:
        self.calls += 1
        return b"%016d" % self.calls


def mint(*keys: bytes) -> TokenMint:
    return TokenMint(keys or (KEY,), Counted())


def node(resolve: bool = True, **more: Any) -> Node:
    counts = Counts(len(LISTENERS))
    rules = Pipeline((), {}, counts)
    made = Node(settings(**more), rules, rules, counts, (KEY,), Counted())
    if resolve:
        made.targets.resolve((SERVER_ADDRESS,))
    return made


def wss_flow(number: int = 7, host: str = "198.51.100.7") -> Flow:
    return Flow(EDGE_WSS, host, 50112, number)


def request(
    method: str = "INVITE",
    *headers: str,
    uri: str = "sip:bob@example.com",
    without: tuple[str, ...] = (),
    max_lines: int = 500,
) -> Request:
    """A request that is right but for the headers given, which take the place of the usual ones of their name."""
    usual = {
        "Via": "Via: SIP/2.0/UDP 198.51.100.7:4711;branch=z9hG4bKa1",
        "Max-Forwards": "Max-Forwards: 70",
        "From": "From: <sip:alice@example.com>;tag=f1",
        "To": "To: <sip:alice@example.com>" if method == "REGISTER" else "To: <sip:bob@example.com>",
        "Call-ID": "Call-ID: c1",
        "CSeq": f"CSeq: 1 {method}",
    }
    parsed = parse_message(_octets(f"{method} {uri} SIP/2.0", usual, headers, without), max_lines)
    assert isinstance(parsed, Request)
    return parsed


def response(status: int, *headers: str, method: str = "INVITE", without: tuple[str, ...] = ()) -> Response:
    usual = {
        "Via": "Via: SIP/2.0/UDP 10.0.0.2:5070;branch=z9hG4bKp",
        "From": "From: <sip:alice@example.com>;tag=f1",
        "To": "To: <sip:bob@example.com>;tag=t1",
        "Call-ID": "Call-ID: c1",
        "CSeq": f"CSeq: 1 {method}",
    }
    parsed = parse_message(_octets(f"SIP/2.0 {status} Phrase", usual, headers, without))
    assert isinstance(parsed, Response)
    return parsed


def _octets(start: str, usual: dict[str, str], headers: tuple[str, ...], without: tuple[str, ...]) -> bytes:
    lines = [start]
    rest = list(headers)
    for name, line in usual.items():
        own = [header for header in rest if header.partition(":")[0].strip() == name]
        rest = [header for header in rest if header not in own]
        if name not in without:
            lines += own or [line]
    text = "\r\n".join((*lines, *rest, "Content-Length: 0", "", ""))
    return text.encode("utf-8", "surrogateescape")


def lines_of(octets: bytes) -> list[bytes]:
    return octets.partition(b"\r\n\r\n")[0].split(b"\r\n")
