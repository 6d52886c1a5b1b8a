"""The settings as frozen models, one per section: data only. Durations are seconds, sizes bytes.

Rules that tie several settings together are in `proxy.config.check`, texts of errors in `proxy.config.load`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, WithJsonSchema

from proxy.config.errors import Origin
from proxy.config.headers import HeaderChange
from proxy.config.own import OwnRules
from proxy.config.pattern import PatternText
from proxy.config.section import PluginItem, RuleMap, Section, ShortForm
from proxy.config.units import (
    Count,
    Duration,
    File,
    Host,
    Network,
    Port,
    Positive,
    Share,
    Size,
    store_place,
    switch_word,
    whole_schema,
)
from proxy.config.uris import AdminListen, HostPort, Listen, ListenUri, PublicAddress, Server
from proxy.config.web import RequestPath, WebOrigin

Switch = Annotated[
    Literal["auto", "on", "off"],
    BeforeValidator(switch_word),
    WithJsonSchema({"enum": ["auto", "on", "off", True, False]}),
]
SYSTEM_KEY = Path("/var/lib/sipmend/token.key")
STORE_NAME = "bindings.db"


class Target(Section):
    """One address of the server, with the meaning of priority and weight in RFC 2782."""

    uri: Server = Field(description="where it is; without port and transport RFC 3263 finds them (NAPTR, SRV, A, AAAA)")
    priority: Share = Field(0, description="lower ones are tried first")
    weight: Share = Field(1, description="share of the calls among equal priorities")


class Health(Section):
    """How the targets are watched: an OPTIONS request at each interval."""

    interval: Positive = Field(30.0, description="time between two OPTIONS to a target")
    timeout: Positive = Field(5.0, description="without an answer for so long it is down")
    give_up: Positive = Field(4.0, description="a request without any answer for so long goes to the next target")


class ServerTls(Section):
    """TLS towards the server. Its certificate must name the host of its URI, or `server.domain` (RFC 5922)."""

    ca: File | None = Field(
        None, description="CA certificates, PEM, that vouch for the server; default: those of the system"
    )
    certificate: File | None = Field(
        None, description="our certificate chain, PEM, for the server; default: that of the section `tls`"
    )
    private_key: File | None = Field(None, description="its private key, PEM, without a password")


class ServerSettings(Section):
    """The server or PBX behind the proxy, and the socket that faces it."""

    domain: Host = Field(description="the name that belongs in Contact, From and To")
    uri: Server | None = Field(None, description="where the server is; several addresses go under `targets` instead")
    targets: tuple[Target, ...] = Field((), description="several addresses of the server, in place of `uri`")
    bind: Listen = Field(
        ListenUri(transport="udp", host="0.0.0.0", port=5070),
        description="the socket that faces the server; UDP, TCP and, if the server uses it, TLS are all on this port",
    )
    address: Host | None = Field(
        None, description="our address as the server sees it; default: the local address that routes to the server"
    )
    path: Switch = Field("auto", description="send Path (RFC 3327): `auto` stops for a target that refuses it with 420")
    health: Health = Field(Health(), description="how the targets are watched")
    tls: ServerTls = Field(ServerTls(), description="TLS towards the server")
    networks: tuple[Network, ...] = Field(
        (), description="further networks from which the server may send requests, and to which calls may go"
    )
    aliases: tuple[Host, ...] = Field((), description="further domains of the server, equal to `domain`")
    large_requests: Literal["tcp", "udp"] = Field(
        "tcp",
        description="how a request above 1300 bytes goes to a server by UDP: by `tcp` where the server has it, else "
        "by UDP; or always by `udp`",
    )
    in_dialog: Literal["server", "follow"] = Field(
        "server", description="a request in a dialog goes to the `server`, or may `follow` addresses it signed before"
    )
    contact_user: Literal["aor", "token"] = Field(
        "aor", description="user part of our Contact: that of the AoR, or a token for servers that key on the user"
    )
    options_gone: Annotated[
        Literal["silent", "480"], BeforeValidator(lambda value: "480" if value == 480 else value)
    ] = Field(
        "silent",
        description="OPTIONS from the server to a client that is gone: no answer, or 480",
        json_schema_extra={"enum": ["silent", "480", 480], "type": ["string", "integer"]},
    )


class ListenerSettings(Section):
    """One socket for clients. A plain URI is the short form of a mapping with only `uri`."""

    uri: Listen = Field(description="transport, address and port, such as udp://0.0.0.0:5060")
    public_address: PublicAddress | None = Field(
        None, description="what clients see of this listener; default: the global `public_address`"
    )
    public_port: Port | None = Field(
        None, description="the port that clients see; default: the port of `uri`, or by UDP what a STUN server sees"
    )
    names: tuple[Host, ...] = Field((), description="host names under which clients know this listener")
    proxies: tuple[Network, ...] = Field(
        (), description="SIP proxies that may stand between clients and this listener: their Contacts are left alone"
    )
    paths: tuple[RequestPath, ...] = Field(
        (), description="request paths at which a ws or wss listener answers, such as /sip; default: every path"
    )
    origins: tuple[WebOrigin, ...] = Field(
        (),
        description="web sites whose pages may connect by ws or wss, as the header Origin names them, and `none` for "
        "clients that send no Origin; default: all",
    )
    trusted_proxies: tuple[Network, ...] = Field(
        (),
        description="load balancers before this listener that may name the client's address: by the PROXY protocol "
        "(version 1 or 2), or with ws and wss by X-Forwarded-For",
    )
    profile: str | None = Field(None, description="name of the profile for every client of this listener")
    contact: Literal["repair", "leave"] = Field("repair", description="`leave` never touches a reachable Contact")
    flow_timer: Annotated[Duration, Field(ge=0, le=3600)] | None = Field(
        None,
        description="how often clients that ask for it are told to send keep-alives, in whole seconds; 0: they are not "
        "told; default: 29s by udp, else 120s",
    )
    keepalive: Annotated[
        Literal["off", "options", "crlf"],
        BeforeValidator(switch_word),
        WithJsonSchema({"enum": ["off", "options", "crlf", False]}),
    ] = Field(
        "off",
        description="what registered clients are sent to keep their way open: an `options` request, or two CRLFs "
        "(`crlf`), for clients that stumble over OPTIONS",
    )
    keepalive_interval: Annotated[Duration, Field(ge=5, le=3600)] | None = Field(
        None, description="time between two of them; default: 25s by udp, else 100s"
    )


def _listener(value: object) -> object:
    return {"uri": value} if isinstance(value, str) else value


ListenItem = Annotated[ListenerSettings, BeforeValidator(_listener), ShortForm({"type": "string", "title": "listener"})]


def _some(items: tuple[ListenerSettings, ...]) -> tuple[ListenerSettings, ...]:
    # Not `min_length`: pydantic then counts the good items only, and hides what is wrong with the others.
    if not items:
        raise ValueError("should have at least one item")
    return items


class StunSettings(Section):
    """How the public address is asked from a STUN server (RFC 8489), where `public_address` names one."""

    interval: Positive = Field(
        30.0, description="time between two questions: they notice a new address, and keep the NAT open for our ports"
    )


class CertificatePair(Section):
    """A certificate and its private key."""

    certificate: File = Field(description="certificate chain, PEM: the certificate itself comes first")
    private_key: File = Field(description="its private key, PEM, without a password")


class TlsSettings(CertificatePair):
    """The certificates for tls and wss listeners. Files that change are read again within a minute."""

    certificates: tuple[CertificatePair, ...] = Field(
        (), description="further certificates: the name that a client asks for (SNI) chooses among all"
    )
    client_ca: File | None = Field(
        None, description="CA certificates, PEM: clients of tls and wss listeners have to show a certificate of these"
    )
    client_certificate: Literal["required", "optional"] = Field(
        "required", description="with `client_ca`: whether a client may also show none"
    )


class ProfileMatch(Section):
    """Which clients a profile is for; all that is given must fit."""

    user_agent: PatternText | None = Field(
        None,
        description="regular expression found anywhere in User-Agent (in a response: or Server), in upper or lower "
        "case, such as `^Grandstream`",
    )
    aor: PatternText | None = Field(
        None, description="regular expression found in the URI of From (in a response: of To), such as `^sips?:7..@`"
    )
    listener: Listen | None = Field(None, description="the listener the client came by")
    network: tuple[Network, ...] = Field((), description="networks the client may come from")


class Profile(Section):
    """Settings for some clients. A client has one profile at most: the first that fits, yours before the shipped."""

    name: str = Field(description="its name in logs and in `listen`; that of a shipped profile takes its place")
    enabled: bool = Field(True, description="`false` turns it, or the shipped one of its name, off")
    base: str | None = Field(None, description="name of another profile whose settings it starts from")
    match: ProfileMatch | None = Field(
        None,
        description="which clients it is for; without it those of the shipped profile of its name, else only those of "
        "listeners that name it",
    )
    repair: RuleMap = Field(default_factory=dict, description="settings of rules, over those of the section `repair`")
    rport: Literal["auto", "always", "never"] | None = Field(
        None,
        description="whether responses go to the source port and say so: if asked for (`auto`, the default), `always` "
        "or `never` (RFC 3581). With `never`, requests to a client by UDP go to the port of its Contact, if that names "
        "its own address: for phones that send from another port than they listen on",
    )
    expires_max: Positive | None = Field(
        None, description="longest registration: what goes to the server is capped, the client is shown what it grants"
    )
    contact: Literal["repair", "leave"] | None = Field(
        None, description="`leave` never touches a Contact; default: what the listener says"
    )


class Limits(Section):
    """Bounds on what clients can make us hold; each is far above ordinary use."""

    max_message: Annotated[Size, Field(ge=1300, le=1024 * 1024)] = Field(65535, description="bytes of one message")
    max_head: Annotated[Size, Field(ge=1300, le=1024 * 1024)] = Field(
        32768, description="bytes of the start line and all header fields of one message"
    )
    max_header_lines: Annotated[Count, Field(ge=20), whole_schema(20)] = Field(
        500, description="header lines of one message"
    )
    linger: Positive = Field(43200.0, description="how long running calls still reach a client after it unregistered")
    reconnect: Duration = Field(
        4.0, description="how long an incoming call waits for a client that lost its connection while it rang; 0s: not"
    )
    guest_ttl: Positive = Field(43200.0, description="how long the Contact of an unregistered caller is remembered")
    guests: Count = Field(10000, description="unregistered callers remembered at once")
    bindings: Count = Field(100000, description="registered clients")
    bindings_per_aor: Count = Field(
        1000, description="registered clients of one address-of-record, those that linger included"
    )
    transactions: Count = Field(
        200000,
        description="transactions at once, with those that wait for retransmissions; above it the oldest answered ones "
        "are forgotten, or the oldest unanswered calls answered 503, and as many again may wait for their end",
    )
    flows: Count = Field(100000, description="connections and UDP sources at once")
    handshake: Positive = Field(
        15.0, description="a new connection that is silent for so long, or shakes hands so slowly, is closed"
    )
    websocket_ping: Positive = Field(
        30.0, description="a WebSocket silent for so long is pinged, and closed if it is silent for as long again"
    )
    idle_stream: Positive = Field(
        3600.0, description="a connection silent for so long is closed, unless a client is registered on it"
    )
    write_buffer: Annotated[Size, Field(ge=65536)] = Field(
        262144, description="bytes that may wait for a slow reader before its connection is closed"
    )


class Timers(Section):
    """The timers of RFC 3261 section 17 and 16.6. Change them only if the server's are changed alike."""

    t1: Positive = Field(0.5, description="estimate of the round trip; first retransmission over UDP")
    t2: Positive = Field(4.0, description="longest time between retransmissions, but for INVITE")
    t4: Positive = Field(5.0, description="how long a message may stay in the network")
    c: Positive = Field(185.0, description="how long a call may ring; more than 3 minutes (section 16.6 step 11)")


class AdminSettings(Section):
    """The HTTP socket for metrics, health and the inspector."""

    listen: AdminListen = Field(
        HostPort(host="127.0.0.1", port=9060), description="serves /metrics, /healthz, /readyz and /api; `off` for none"
    )


class LogSettings(Section):
    """What is logged, and where."""

    level: Literal["debug", "info", "warn", "error"] = Field("info", description="`debug` shows every repair")
    format: Literal["text", "json"] = Field("text", description="lines for people, or one JSON object per line")
    file: File | None = Field(None, description="the file to append to; default: standard error")


class Networks(Section):
    """What is known of the networks around us."""

    local: tuple[Network, ...] = Field(
        (),
        description="private networks in which clients and server reach each other directly; "
        "those that the server itself is in always count",
    )


class Config(Section):
    """All settings of one sipmend."""

    server: ServerSettings = Field(description="the server or PBX behind the proxy")
    public_address: PublicAddress | None = Field(
        None,
        description="what clients see of us: an address or a name, or `stun:` and the STUN server that tells it; "
        "needed by listeners on 0.0.0.0 and [::]",
    )
    listen: Annotated[tuple[ListenItem, ...], AfterValidator(_some)] = Field(
        description="the sockets for clients", json_schema_extra={"minItems": 1}
    )
    stun: StunSettings = Field(StunSettings(), description="asking a STUN server for the public address")
    tls: TlsSettings | None = Field(None, description="the certificates for tls and wss listeners")
    repair: RuleMap = Field(default_factory=dict, description="per rule `off`, `report` or `repair`, see below")
    profiles: tuple[Profile, ...] = Field((), description="other repair settings for some clients")
    headers: tuple[HeaderChange, ...] = Field(
        (), description="changes of header fields, done in this order after all rules ([examples](headers.md))"
    )
    plugins: tuple[PluginItem, ...] = Field(
        (), description="repair rules of your own, met behind those of sipmend in this order"
    )
    limits: Limits = Field(Limits(), description="bounds")
    timers: Timers = Field(Timers(), description="timers of RFC 3261")
    store: Annotated[str, Field(pattern=r"^(memory|sqlite:.+|rediss?://.+)$"), AfterValidator(store_place)] = Field(
        f"sqlite:{SYSTEM_KEY.with_name(STORE_NAME)}",
        description="where registered clients are kept: `sqlite:PATH` (survives a restart), `memory` (does not) or "
        f"`redis://HOST`. Default: the file `{STORE_NAME}` beside `token_key`",
    )
    admin: AdminSettings = Field(AdminSettings(), description="metrics and health")
    log: LogSettings = Field(LogSettings(), description="logging")
    networks: Networks = Field(Networks(), description="networks around us")
    token_key: File = Field(
        SYSTEM_KEY,
        description="the key that signs our tokens; made on first start. "
        "Where /var/lib/sipmend cannot be written: $XDG_STATE_HOME/sipmend or ~/.local/state/sipmend",
    )

    _origin: Origin = PrivateAttr(default_factory=Origin)
    _own: OwnRules = PrivateAttr(default_factory=OwnRules)

    @property
    def origin(self) -> Origin:
        """Where each setting stood in the file; empty when the settings came from no file."""
        return self._origin

    def placed(self, origin: Origin) -> Config:
        """The same settings, which know their places."""
        config = self.model_copy()
        config._origin = origin
        return config

    @property
    def own_rules(self) -> OwnRules:
        """The rules that the section `plugins` names, once they are loaded; none before that."""
        return self._own

    def with_rules(self, own: OwnRules) -> Config:
        """The same settings with these rules."""
        config = self.model_copy()
        config._own = own
        return config
