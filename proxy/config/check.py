"""Rules that tie several settings together, and the check of rule names against the rules that exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError

from proxy.config.address import overlaps, public_host, public_port, shares_port, stun_server, uses_tls
from proxy.config.certificates import server_pair
from proxy.config.errors import ConfigError, KeyPath, did_you_mean
from proxy.config.fault import located
from proxy.config.headers import header_problems
from proxy.config.model import Config
from proxy.config.profiles import profile_names, profile_problems
from proxy.config.section import RuleSetting
from proxy.config.unavailable import unavailable
from proxy.config.units import host_family, is_wildcard
from proxy.config.uris import ListenUri, ServerUri
from proxy.values import format_duration

# RFC 3261 section 16.6 step 11: > The timer MUST be larger than 3 minutes.
_TIMER_C_MINIMUM = 180.0
_STUN_MINIMUM = 5.0


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake at `path`; it is no mistake of its own if one of `depends` is already known to be wrong."""

    path: KeyPath
    text: str
    depends: tuple[KeyPath, ...] = ()


def problems(config: Config) -> Iterator[Problem]:
    """All mistakes that single settings do not show."""
    missing: set[KeyPath] = set()
    for path, text in unavailable(config):
        missing.add(path)
        yield Problem(path, text)
    for path, text in (*profile_problems(config), *header_problems(config.headers, profile_names(config))):
        yield Problem(path, text, (path,))
    for check in (_server, _listeners, _sockets, _public, _certificates, _itself, _bounds):
        for problem in check(config):
            if problem.path not in missing:
                yield problem


def _server(config: Config) -> Iterator[Problem]:
    server = config.server
    depends: tuple[KeyPath, ...] = (("server", "uri"), ("server", "targets"))
    if server.uri is None and not server.targets:
        yield Problem(("server",), "needs uri, the SIP URI of the server (or several under targets)", depends)
    if server.uri is not None and server.targets:
        yield Problem(("server", "targets"), "uri and targets are both given: move the uri into targets", depends)
    for path, uri in _server_uris(config):
        ours, theirs = host_family(server.bind.host), host_family(uri.host)
        if theirs is not None and server.bind.host != "::" and ours != theirs:
            text = f"the server has IPv{theirs} but the socket towards it, server.bind {server.bind}, has IPv{ours}"
            yield Problem(path, text, (path, ("server", "bind")))
    if server.bind.transport not in ("udp", "tcp", "tls"):
        usual = server.bind.model_copy(update={"transport": "udp"})
        text = f"the server side has udp, tcp and tls on one port: write {usual}"
        yield Problem(("server", "bind"), text)
    if server.address is not None and is_wildcard(server.address):
        yield Problem(("server", "address"), f"{server.address} is no address that the server can send to")


def _server_uris(config: Config) -> Iterator[tuple[KeyPath, ServerUri]]:
    if config.server.uri is not None:
        yield ("server", "uri"), config.server.uri
    for index, target in enumerate(config.server.targets):
        yield ("server", "targets", index, "uri"), target.uri


def _bound(config: Config) -> Iterator[tuple[KeyPath, ListenUri]]:
    """Every socket of ours. The server side has UDP and TCP on its port, so that either `transport=` is true."""
    for index, listener in enumerate(config.listen):
        yield ("listen", index, "uri"), listener.uri
    bind = config.server.bind
    yield ("server", "bind"), bind
    yield ("server", "bind"), bind.model_copy(update={"transport": "tcp" if bind.transport == "udp" else "udp"})
    admin = config.admin.listen
    if admin is not None:
        yield ("admin", "listen"), ListenUri(transport="tcp", host=admin.host, port=admin.port)


def _listeners(config: Config) -> Iterator[Problem]:
    """Settings that a listener of this kind has no use for, and those that must be alike where a port is shared."""
    for index, listener in enumerate(config.listen):
        path: KeyPath = ("listen", index)
        transport = listener.uri.transport
        depends: tuple[KeyPath, ...] = ((*path, "uri"),)
        for key in ("paths", "origins"):
            if getattr(listener, key) and transport not in ("ws", "wss"):
                yield Problem((*path, key), f"only ws and wss have it, and this listener has {transport}", depends)
        if listener.trusted_proxies and transport == "udp":
            yield Problem((*path, "trusted_proxies"), "only stream transports have it, and not udp", depends)
        for other, earlier in enumerate(config.listen[:index]):
            together = shares_port(listener.uri, earlier.uri)
            if together and set(listener.trusted_proxies) != set(earlier.trusted_proxies):
                text = f"should be the same as in listen[{other}], which shares the port"
                yield Problem((*path, "trusted_proxies"), text, (*depends, ("listen", other)))


def _sockets(config: Config) -> Iterator[Problem]:
    taken: list[tuple[KeyPath, ListenUri]] = []
    for path, uri in _bound(config):
        for other, first in taken:
            if path[0] == other[0] == "listen" and shares_port(uri, first):
                continue
            if path != other and overlaps(uri, first):
                yield _clash(config, path, other, first)
                break
        taken.append((path, uri))


def _clash(config: Config, path: KeyPath, other: KeyPath, first: ListenUri) -> Problem:
    name = f"listen[{other[1]}]" if other[0] == "listen" else ".".join(map(str, other))
    depends: tuple[KeyPath, ...] = (path, other)
    if path in config.origin.keys or path[0] == "listen":
        return Problem(path, f"the socket is already taken by {name} ({first}): choose another port", depends)
    key = ".".join(map(str, path))
    return Problem(other, f"the socket is needed by {key} (its default): choose another port, or set {key}", depends)


def _public(config: Config) -> Iterator[Problem]:
    default = config.public_address
    if default is not None and is_wildcard(default):
        yield Problem(("public_address",), f"{default} is no address that clients can send to")
    for index, listener in enumerate(config.listen):
        path: KeyPath = ("listen", index)
        depends: tuple[KeyPath, ...] = ((*path, "uri"), (*path, "public_address"), ("public_address",))
        own = listener.public_address
        stun = stun_server(listener, default)
        if stun is not None:
            theirs, ours = host_family(stun.host), host_family(listener.uri.host)
            if theirs is not None and listener.uri.host != "::" and theirs != ours:
                text = f"the STUN server has IPv{theirs} but the listener that asks it, {listener.uri}, has IPv{ours}"
                yield Problem((*path, "public_address"), text, depends)
        elif own is not None and is_wildcard(own):
            yield Problem((*path, "public_address"), f"{own} is no address that clients can send to", depends)
        elif public_host(listener, default) is None:
            reason = f"public_address {default} has the other IP version" if default else "public_address is not set"
            text = f"{listener.uri} listens on all addresses, but {reason}: write the address or name that clients see"
            yield Problem((*path, "uri"), text, depends)


def _certificates(config: Config) -> Iterator[Problem]:
    for index, listener in enumerate(config.listen):
        if listener.uri.transport in ("tls", "wss") and config.tls is None:
            text = f"{listener.uri.transport} needs the section tls with certificate and private_key"
            yield Problem(("listen", index, "uri"), text, (("listen", index, "uri"), ("tls",)))
    own = config.server.tls
    if (own.certificate is None) != (own.private_key is None):
        missing, given = ("private_key", "certificate") if own.private_key is None else ("certificate", "private_key")
        yield Problem(("server", "tls"), f"{given} needs {missing} too", (("server", "tls"),))
    elif server_pair(config) is None and uses_tls(config.server):
        path = next(path for path, uri in _server_uris(config) if uri.scheme == "sips" or uri.transport == "tls")
        text = (
            "TLS needs a certificate of ours, as the server will connect to us by TLS too: "
            "write server.tls.certificate and private_key, or the section tls"
        )
        yield Problem(path, text, (path, ("tls",), ("server", "tls")))


def _itself(config: Config) -> Iterator[Problem]:
    """A target that is one of our own sockets would send every call round in a circle."""
    ours = {(config.server.bind.host, config.server.bind.port): "server.bind"}
    if config.server.address is not None:
        ours[config.server.address, config.server.bind.port] = "server.address"
    for index, listener in enumerate(config.listen):
        host = public_host(listener, config.public_address)
        ours[listener.uri.host, listener.uri.port] = f"listen[{index}]"
        if host is not None:
            ours[host, public_port(listener)] = f"listen[{index}]"
    for path, uri in _server_uris(config):
        port = uri.port or (5060 if host_family(uri.host) is not None else None)
        if port is not None and (uri.host, port) in ours:
            text = f"{uri} is this proxy itself ({ours[uri.host, port]}): write the address of the server"
            yield Problem(path, text, (path, ("listen",), ("server", "bind"), ("public_address",)))


def _bounds(config: Config) -> Iterator[Problem]:
    limits, timers, health = config.limits, config.timers, config.server.health
    if limits.max_head > limits.max_message:
        path: KeyPath = ("limits", "max_head")
        text = f"should be at most limits.max_message ({limits.max_message})"
        yield Problem(path, text, (path, ("limits", "max_message")))
    if config.stun.interval < _STUN_MINIMUM:
        text = f"should be at least {format_duration(_STUN_MINIMUM)}: it is somebody's server"
        yield Problem(("stun", "interval"), text, (("stun", "interval"),))
    if timers.t1 > timers.t2:
        text = f"should be at most timers.t2 ({format_duration(timers.t2)})"
        yield Problem(("timers", "t1"), text, (("timers", "t1"), ("timers", "t2")))
    if timers.c <= _TIMER_C_MINIMUM:
        yield Problem(("timers", "c"), "should be longer than 3m (RFC 3261 section 16.6 step 11)", (("timers", "c"),))
    if health.timeout > health.interval:
        path = ("server", "health", "timeout")
        text = f"should be at most the interval ({format_duration(health.interval)})"
        yield Problem(path, text, (path, ("server", "health", "interval")))


def check_rules(config: Config, known: Mapping[str, type[BaseModel] | None]) -> list[ConfigError]:
    """Mistakes in the names and settings of rules; `known` maps each rule to the model of its settings, or to None."""
    errors: list[ConfigError] = []
    sections: list[tuple[KeyPath, Mapping[str, RuleSetting]]] = [(("repair",), config.repair)]
    sections += [(("profiles", index, "repair"), profile.repair) for index, profile in enumerate(config.profiles)]
    for section, rules in sections:
        for name, setting in rules.items():
            errors += _check_rule(config, (*section, name), setting, name, known)
    return sorted(errors)


def _check_rule(
    config: Config, path: KeyPath, setting: RuleSetting, name: str, known: Mapping[str, type[BaseModel] | None]
) -> Iterator[ConfigError]:
    if name not in known:
        hint = did_you_mean(name, known) or " (sipmend rules lists them)"
        yield config.origin.error(path, f"there is no such rule{hint}", at_key=True)
        return
    model = known[name]
    if model is None:
        for key in setting.settings:
            hint = did_you_mean(key, ["mode"])
            yield config.origin.error((*path, key), f"this rule has no settings of its own{hint}", at_key=True)
        return
    try:
        model.model_validate(setting.settings)
    except ValidationError as error:
        for fault in error.errors():
            yield located(config.origin, model, fault, path)
