"""Clients with a profile: what it says holds for all that comes from them and goes to them."""

from __future__ import annotations

from tests.support.world import World

EDGE = "udp://203.0.113.10:5060"


def register(*headers: str, agent: str = "JsSIP/3.10", contact: str = "<sip:x@198.51.100.7:4711>;expires=600") -> bytes:
    lines = [
        "REGISTER sip:example.com SIP/2.0",
        "Via: SIP/2.0/UDP 198.51.100.7:4711;branch=z9hG4bKr1",
        "From: <sip:alice@example.com>;tag=f1",
        "To: <sip:alice@example.com>",
        "Call-ID: r1",
        "CSeq: 1 REGISTER",
        f"Contact: {contact}",
        *headers,
        f"User-Agent: {agent}",
        "Content-Length: 0",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def run(world: World, octets: bytes, host: str = "198.51.100.7", port: int = 4711) -> bytes:
    """What is sent to the server when this comes by UDP."""
    flow = world.core.node.flows.udp(world.listeners[0], host, port)
    effects = world.core.handle(MessageReceived(flow, octets, world.now))
    return next(effect.octets for effect in effects if isinstance(effect, Send) and effect.flow.listener.side == SERVER)
