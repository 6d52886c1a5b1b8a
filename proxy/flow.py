"""Flows and listeners as plain values: who is at the other end, and by which of our sockets.

A *flow* is a transport association (RFC 5626 section 3): for UDP one remote address at one of our sockets, for
a stream one connection. The values here know no socket; `proxy.transport` keeps those. Nothing in this module
has behaviour beyond naming itself.
"""

from __future__ import annotations

from typing import Final

CLIENT: Final = 0
SERVER: Final = 1
SIDES: Final = ("client", "server")

UDP: Final = 0
TCP: Final = 1
TLS: Final = 2
WS: Final = 3
WSS: Final = 4

TRANSPORTS: Final = ("udp", "tcp", "tls", "ws", "wss")
VIA_TRANSPORTS: Final = (b"UDP", b"TCP", b"TLS", b"WS", b"WSS")
# RFC 7118 section 5: the URI parameter is `ws` for plain and secure WebSocket alike.
URI_TRANSPORTS: Final = (b"udp", b"tcp", b"tls", b"ws", b"ws")
DEFAULT_PORTS: Final = (5060, 5060, 5061, 80, 443)

NO_CONNECTION: Final = 0
MAX_CONNECTION: Final = 0xFFFFFF  # connection numbers wrap here: six digits in a token


def host_octets(host: str) -> bytes:
    """The host as it is written in a SIP URI or Via: an IPv6 address gets its brackets (RFC 3261 section 25.1).

    The zone of a link-local address (RFC 4007 section 11) is this machine's own name for a network, and is left out.
    """
    return b"[" + host.partition("%")[0].encode() + b"]" if ":" in host else host.encode()


class Listener:
    """One of our sockets, with the address that belongs in headers for those who reach us through it.

    `host` and `port` are what the socket is bound to and never appear in a message; `public_host` and
    `public_port` do, in the forms that are kept here for each place. `names` are further host names (lower case)
    under which clients know this listener. `flow_timer` is how often they are told to send keep-alives (seconds; 0:
    they are not told); `keepalive` what we send to them every `keepalive_interval` seconds: "off", "options" or "crlf".
    """

    __slots__ = (
        "contact_policy",
        "flow_timer",
        "host",
        "index",
        "keepalive",
        "keepalive_interval",
        "names",
        "port",
        "proxies",
        "public_host",
        "public_port",
        "reliable",
        "route",
        "sent_by",
        "side",
        "transport",
        "uri_transport",
        "via",
    )

    def __init__(
        self,
        index: int,
        side: int,
        transport: int,
        host: str,
        port: int,
        public_host: str,
        public_port: int,
        names: frozenset[bytes] = frozenset(),
        proxies: tuple[str, ...] = (),
        contact_policy: str = "repair",
        flow_timer: int = 0,
        keepalive: str = "off",
        keepalive_interval: float = 25.0,
    ) -> None:
        self.index = index
        self.side = side
        self.transport = transport
        self.reliable = transport != UDP
        self.host = host
        self.port = port
        self.uri_transport = URI_TRANSPORTS[transport]
        self.names = names
        self.proxies = proxies
        self.contact_policy = contact_policy
        self.flow_timer = flow_timer
        self.keepalive = keepalive
        self.keepalive_interval = keepalive_interval
        self.rename(public_host, public_port)

    def rename(self, public_host: str, public_port: int) -> None:
        """Others reach the socket by that address: it is what headers say from the next message on."""
        self.public_host = host_octets(public_host)
        self.public_port = public_port
        self.sent_by = self.public_host + b":%d" % public_port
        self.via = b"Via: SIP/2.0/%b %b;branch=" % (VIA_TRANSPORTS[self.transport], self.sent_by)
        # What follows the user in a Record-Route of ours: with explicit transport (RFC 5658 section 4, RFC 7118
        # section 5), and loose.
        self.route = b"@%b;transport=%b;lr>" % (self.sent_by, self.uri_transport)

    def __repr__(self) -> str:
        return f"{TRANSPORTS[self.transport]}://{host_octets(self.host).decode()}:{self.port}"


class Profile:
    """How the clients of one kind are treated, where that differs from others (section `profiles` of the file).

    `rport` says when a response names the source port (RFC 3581): `auto` if asked for, `always` or `never`.
    `expires_max` bounds the seconds of a registration, 0: no bound. `contact` is `leave`, `repair`, or "" for what the
    listener says.
    """

    __slots__ = ("contact", "expires_max", "name", "rport")

    def __init__(self, name: str, rport: str = "auto", expires_max: int = 0, contact: str = "") -> None:
        self.name = name
        self.rport = rport
        self.expires_max = expires_max
        self.contact = contact


# Of the clients that no profile is for.
PLAIN: Final = Profile("")


class Flow:
    """A transport association between us and one remote address.

    `number` identifies a stream connection and is `NO_CONNECTION` for UDP. `open` is true while the flow can carry
    messages (a UDP flow always can); the core clears it when the transport reports the end of the connection.
    `heard` is the time (seconds) of the last message that arrived on it; `mark` its number as written in tokens.
    `former` is the token of a client that has registered elsewhere since, and the Contact it had here: another tab
    of the same instance (protocol 8.4). `subject` is the name of the client behind it while it is a guest, filled in by
    `core.tokens`. `asked` is by which name the client reached us (lower case, without port), as its WebSocket handshake
    (Host) or TLS (SNI) said; empty if it did not. `profile` is how the client at the other end is treated, chosen by
    `core.profiles` (`chooser`) for what it says of itself (`agent`).
    """

    __slots__ = (
        "address",
        "agent",
        "asked",
        "chooser",
        "former",
        "heard",
        "hop",
        "key",
        "leaves_contact",
        "listener",
        "mark",
        "number",
        "open",
        "outgoing",
        "profile",
        "received",
        "remote_host",
        "remote_port",
        "rport",
        "source",
        "subject",
    )

    def __init__(
        self,
        listener: Listener,
        remote_host: str,
        remote_port: int,
        number: int = NO_CONNECTION,
        outgoing: bool = False,
    ) -> None:
        self.listener = listener
        self.remote_host = remote_host
        self.remote_port = remote_port
        self.address = (remote_host, remote_port)
        self.number = number
        self.outgoing = outgoing
        self.open = True
        self.heard = 0.0
        self.mark = b"%06x" % number
        # As they are written in a Via: the host to compare with, `received` and the value of `rport`.
        self.source = host_octets(remote_host)
        self.received = self.source.strip(b"[]")
        self.rport = b"%d" % remote_port
        self.subject = b""
        self.asked = b""
        self.former: tuple[bytes, bytes] | None = None
        # The Via that requests on it bring, kept by `core.hops`.
        self.hop: object = None
        self.profile = PLAIN
        self.chooser: object = None
        self.agent = b""
        self.leaves_contact = listener.contact_policy == "leave"
        # Two Flow values with equal keys are the same association: a UDP flow may be forgotten and made anew.
        self.key: tuple[int, str, int, int] = (listener.index, remote_host, remote_port, number)

    def take_after(self, other: Flow) -> None:
        """Treat whoever is here as the one at the other flow, who listens here: it is the same client."""
        self.profile = other.profile
        self.chooser = other.chooser
        self.agent = other.agent
        self.leaves_contact = other.leaves_contact

    def __repr__(self) -> str:
        host = host_octets(self.remote_host).decode()
        return f"{TRANSPORTS[self.listener.transport]}:{host}:{self.remote_port}"
