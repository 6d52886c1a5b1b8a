"""The URIs of the settings: where we listen, where the server is, what clients see of us."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, WithJsonSchema

from proxy.config.errors import did_you_mean
from proxy.config.units import bracketed, host_family, parse_host
from proxy.flow import DEFAULT_PORTS, TRANSPORTS
from proxy.values import shown

_LISTEN = re.compile(r"(?P<transport>[A-Za-z]+)://(?P<rest>[^/]*)/?\Z")
_AUTHORITY = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>.*))?\Z")
_SERVER_TRANSPORTS = ("udp", "tcp", "tls")
STUN = "stun:"
STUN_PORT = 3478  # RFC 8489 section 18.6

TransportName = Literal["udp", "tcp", "tls", "ws", "wss"]


class ListenUri(BaseModel):
    """A socket of ours: `host` without brackets, `port` from 1 to 65535."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    transport: TransportName
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.transport}://{bracketed(self.host)}:{self.port}"


class HostPort(BaseModel):
    """An address and a port."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    port: int

    def __str__(self) -> str:
        return f"{bracketed(self.host)}:{self.port}"


class ServerUri(BaseModel):
    """Where the server is. Without `port` or `transport` RFC 3263 finds them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scheme: Literal["sip", "sips"]
    host: str
    port: int | None = None
    transport: Literal["udp", "tcp", "tls"] | None = None

    def __str__(self) -> str:
        port = f":{self.port}" if self.port is not None else ""
        transport = f";transport={self.transport}" if self.transport is not None else ""
        return f"{self.scheme}:{bracketed(self.host)}{port}{transport}"


def split_authority(text: str) -> tuple[str, int | None]:
    """Host and port of `host`, `host:port`, `[v6]:port`. ValueError says which of the two is wrong."""
    if text.count(":") > 1 and "[" not in text:
        raise ValueError(f"the IPv6 address in {text} needs brackets: [2001:db8::1]:5060")
    match = _AUTHORITY.match(text)
    if match is None:
        raise ValueError(f"{shown(text)} is not host:port")
    host = parse_host(match["host"])
    digits = match["port"]
    if digits is None:
        return host, None
    if not re.fullmatch(r"[0-9]{1,5}", digits) or not 1 <= int(digits) <= 65535:
        raise ValueError(f"the port {shown(digits)} should be from 1 to 65535")
    return host, int(digits)


def own_address(host: str) -> None:
    """ValueError for a name: a socket is bound to an address."""
    if host_family(host) is None:
        hint = ", did you mean 127.0.0.1" if host == "localhost" else ""
        raise ValueError(f"{shown(host)} should be an IP address of this machine, or 0.0.0.0 for all{hint}")


def parse_listen(value: object) -> object:
    """`udp://0.0.0.0:5060`; without a port the default one of the transport."""
    if isinstance(value, ListenUri):
        return value
    match = _LISTEN.match(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{shown(value)} is not a listener: write udp://0.0.0.0:5060")
    transport = match["transport"].lower()
    if transport not in TRANSPORTS:
        hint = did_you_mean(transport, TRANSPORTS)
        raise ValueError(f"unknown transport {transport} (known: {', '.join(TRANSPORTS)}){hint}")
    host, port = split_authority(match["rest"])
    own_address(host)
    return ListenUri.model_validate(
        {"transport": transport, "host": host, "port": port or DEFAULT_PORTS[TRANSPORTS.index(transport)]}
    )


def parse_host_port(value: object) -> object:
    """`127.0.0.1:9060`, or `off` for none."""
    if isinstance(value, HostPort) or value is None:
        return value
    if value is False or value == "off":
        return None
    if not isinstance(value, str):
        raise ValueError(f"should be an address with a port such as 127.0.0.1:9060, or off, not {shown(value)}")
    host, port = split_authority(value.strip())
    own_address(host)
    if port is None:
        raise ValueError(f"{value} has no port: write {bracketed(host)}:9060")
    return HostPort(host=host, port=port)


def parse_server(value: object) -> object:
    """`sip:host`, `sip:host:port;transport=tcp`, `sips:host`: RFC 3261 section 19.1, without a user."""
    if isinstance(value, ServerUri):
        return value
    if not isinstance(value, str):
        raise ValueError(f"should be a SIP URI such as sip:10.0.0.5:5060, not {shown(value)}")
    scheme, colon, rest = value.strip().partition(":")
    if not colon or scheme.lower() not in ("sip", "sips"):
        raise ValueError(f"{shown(value)} is not a SIP URI: write sip:10.0.0.5:5060")
    if rest.startswith("//"):
        raise ValueError(f"a SIP URI has no slashes, did you mean {scheme}:{rest.lstrip('/')}")
    if "@" in rest:
        raise ValueError(f"the address of a server has no user, did you mean {scheme}:{rest.partition('@')[2]}")
    authority, *parameters = rest.split(";")
    host, port = split_authority(authority)
    return ServerUri.model_validate(
        {"scheme": scheme.lower(), "host": host, "port": port, "transport": _server_transport(parameters)}
    )


def _server_transport(parameters: list[str]) -> str | None:
    transport: str | None = None
    for parameter in parameters:
        name, _, text = parameter.partition("=")
        if name.lower() != "transport":
            raise ValueError(f"the URI parameter {shown(parameter)} has no meaning here: only transport= is used")
        transport = text.lower()
        if transport not in _SERVER_TRANSPORTS:
            hint = did_you_mean(transport, _SERVER_TRANSPORTS)
            raise ValueError(f"the transport to the server should be udp, tcp or tls, not {shown(text)}{hint}")
    return transport


def parse_public(value: object) -> str:
    """An IP address, a host name, or `stun:host[:port]`."""
    if isinstance(value, str) and value.strip().lower().startswith(STUN):
        host, port = split_authority(value.strip()[len(STUN) :])
        return f"{STUN}{bracketed(host)}:{port or STUN_PORT}"
    if isinstance(value, str) and "://" in value:
        raise ValueError(f"{shown(value)} is a URI: write the address or the name alone")
    try:
        return parse_host(value)
    except ValueError as error:
        if "has a port" in str(error):
            raise ValueError(f"{value} has a port: write it as public_port of the listener") from None
        raise


def _text(title: str, **more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "title": title, **more})


_STRING = PlainSerializer(str, return_type=str)

Listen = Annotated[
    ListenUri,
    BeforeValidator(parse_listen),
    _STRING,
    _text("listener", pattern=r"^([uU][dD][pP]|[tT][cC][pP]|[tT][lL][sS]|[wW][sS][sS]?)://|\$\{"),
]
Server = Annotated[
    ServerUri, BeforeValidator(parse_server), _STRING, _text("SIP URI", pattern=r"^[sS][iI][pP][sS]?:|\$\{")
]
AdminListen = Annotated[
    HostPort | None,
    BeforeValidator(parse_host_port),
    PlainSerializer(lambda value: "off" if value is None else str(value), return_type=str),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"enum": [False]}], "title": "address:port or off"}),
]
PublicAddress = Annotated[str, BeforeValidator(parse_public), _text("address, name or stun:HOST:PORT")]
