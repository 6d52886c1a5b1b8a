"""Bindings for the tests of stores."""

from __future__ import annotations

from proxy.binding import REGISTERED, Binding
from proxy.flow import CLIENT, SERVER, TCP, UDP, WSS, Flow, Listener

UDP_EDGE = Listener(0, CLIENT, UDP, "0.0.0.0", 5060, "203.0.113.10", 5060)
TCP_EDGE = Listener(1, CLIENT, TCP, "0.0.0.0", 5060, "203.0.113.10", 5060)
WSS_EDGE = Listener(2, CLIENT, WSS, "0.0.0.0", 8443, "edge.example.com", 8443)
OWN = Listener(3, SERVER, UDP, "0.0.0.0", 5070, "10.0.0.2", 5070)
LISTENERS = (UDP_EDGE, TCP_EDGE, WSS_EDGE, OWN)


def client(name: str = "alice", flow: Flow | None = None, **values: object) -> Binding:
    """A registered client, until 600 s with leave until 900 s, last used at 100 s."""
    flow = flow or Flow(UDP_EDGE, "198.51.100.7", 4711)
    aor = name.encode() + b"@example.com"
    binding = Binding(b"b" + name.encode(), aor, name.encode(), b"", 0, b"sip:%b@h" % name.encode(), flow)
    binding.state = REGISTERED
    binding.shown = b"sip:%b@10.0.0.2:5070;transport=udp;b=b%b" % (binding.user, binding.user)
    binding.expires_at, binding.stored_until, binding.last_used = 600.0, 900.0, 100.0
    for key, value in values.items():
        setattr(binding, key, value)
    return binding


class FakeFlows:
    """Makes UDP flows and remembers that it was asked."""

    def __init__(self) -> None:
        self.made: list[Flow] = []

    def udp(self, listener: Listener, host: str, port: int) -> Flow:
        self.made.append(Flow(listener, host, port))
        return self.made[-1]
