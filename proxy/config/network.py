"""What the settings ask of this machine and its network, tried out: addresses, ports, names, files.

Blocking; for the command line only. Must not import twisted.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from time import time

import dns.exception
import dns.resolver

from proxy.config.address import public_port, targets_of
from proxy.config.certificates import check_certificates, warn_of_certificates
from proxy.config.errors import ConfigError, KeyPath
from proxy.config.keyfile import KeyFileError, read_key
from proxy.config.model import Config, ServerSettings, Target
from proxy.config.open_files import shortage
from proxy.config.stun import check_stun, tell_stun
from proxy.config.units import host_family
from proxy.config.uris import ListenUri, ServerUri
from proxy.config.web import BLOCKED_PORTS

Lookup = Callable[[str], bool]

_DNS_SECONDS = 4.0


def check_network(
    config: Config, *, ports: bool = True, has_address: Lookup | None = None, has_service: Lookup | None = None
) -> list[ConfigError]:
    """All that this machine or its network cannot give. Empty when all is well.

    `ports=False` accepts a port that is in use: so it is while sipmend runs. `has_address` (host name) and
    `has_service` (name of an SRV or NAPTR record) stand in for DNS in tests.
    """
    found: list[tuple[KeyPath, str]] = [
        *_sockets(config, ports),
        *_names(config.server, has_address or _has_address, has_service or _has_service),
        *check_certificates(config, time()),
        *check_stun(config),
        *_state(config),
        *_store(config),
        *_log(config),
    ]
    return sorted(config.origin.error(path, text) for path, text in found)


def warn_of_network(config: Config) -> list[ConfigError]:
    """What works on this machine today, and not for everybody or not for long; and what STUN servers say."""
    found = [*tell_stun(config), *warn_of_certificates(config, time()), *_blocked(config), *_files(config)]
    return sorted(config.origin.error(path, text) for path, text in found)


def _blocked(config: Config) -> Iterator[tuple[KeyPath, str]]:
    for index, listener in enumerate(config.listen):
        port = public_port(listener)
        if listener.uri.transport in ("ws", "wss") and port in BLOCKED_PORTS:
            key = "uri" if listener.public_port is None else "public_port"
            yield ("listen", index, key), f"browsers refuse to connect to port {port}: use another one, such as 8443"


def _files(config: Config) -> Iterator[tuple[KeyPath, str]]:
    lack = shortage(config)
    if lack:
        yield ("limits", "flows"), lack


def _sockets(config: Config, ports: bool) -> Iterator[tuple[KeyPath, str]]:
    wanted: list[tuple[KeyPath, ListenUri]] = [
        (("listen", index, "uri"), listener.uri) for index, listener in enumerate(config.listen)
    ]
    bind = config.server.bind
    wanted.append((("server", "bind"), bind))
    # The server side takes UDP and TCP on its port.
    other = bind.model_copy(update={"transport": "tcp" if bind.transport == "udp" else "udp"})
    wanted.append((("server", "bind"), other))
    if config.admin.listen is not None:
        admin = config.admin.listen
        wanted.append((("admin", "listen"), ListenUri(transport="tcp", host=admin.host, port=admin.port)))
    for path, uri in wanted:
        text = _bind(uri, ports)
        if text is not None:
            yield path, text


def _bind(uri: ListenUri, ports: bool) -> str | None:
    """Why the socket cannot be bound, or None. It is closed again at once."""
    family = socket.AF_INET6 if host_family(uri.host) == 6 else socket.AF_INET
    kind = socket.SOCK_DGRAM if uri.transport == "udp" else socket.SOCK_STREAM
    try:
        with socket.socket(family, kind) as probe:
            if kind == socket.SOCK_STREAM:
                # Connections of an earlier run that are in TIME_WAIT do not count as use.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((uri.host, uri.port))
    except OSError as error:
        return _refusal(uri, error, ports)
    return None


def _refusal(uri: ListenUri, error: OSError, ports: bool) -> str | None:
    if error.errno == errno.EADDRINUSE:
        kind = "UDP" if uri.transport == "udp" else "TCP"
        return f"{kind} port {uri.port} of {uri.host} is in use (ss -lntup shows by what)" if ports else None
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{uri.host} is not an address of this machine (ip addr lists them)"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"port {uri.port} needs the right to use ports below 1024 (CAP_NET_BIND_SERVICE): use a higher one"
    if error.errno == errno.EAFNOSUPPORT:
        return f"this machine has no {'IPv6' if host_family(uri.host) == 6 else 'IPv4'}"
    return f"{uri} cannot be bound: {error.strerror or error}"


def _names(server: ServerSettings, has_address: Lookup, has_service: Lookup) -> Iterator[tuple[KeyPath, str]]:
    for index, target in enumerate(targets_of(server)):
        path: KeyPath = ("server", "uri") if server.uri is not None else ("server", "targets", index, "uri")
        text = _unknown(target, has_address, has_service)
        if text is not None:
            yield path, text


def _unknown(target: Target, has_address: Lookup, has_service: Lookup) -> str | None:
    uri = target.uri
    if host_family(uri.host) is not None or has_address(uri.host):
        return None
    # RFC 3263 section 4: a port in the URI rules NAPTR and SRV out.
    if uri.port is None and any(has_service(name) for name in _services(uri)):
        return None
    records = "no address" if uri.port is not None else "neither an address nor SRV records"
    return f"DNS knows {records} for {uri.host}: check the name and the resolver of this machine"


def _services(uri: ServerUri) -> list[str]:
    if uri.scheme == "sips" or uri.transport == "tls":
        return [f"_sips._tcp.{uri.host}"]
    transports = (uri.transport,) if uri.transport is not None else ("udp", "tcp")
    return [f"_sip._{transport}.{uri.host}" for transport in transports]


def _has_address(host: str) -> bool:
    try:
        return bool(socket.getaddrinfo(host, None))
    except OSError:
        return False


def _has_service(name: str) -> bool:
    try:
        return bool(dns.resolver.resolve(name, "SRV", lifetime=_DNS_SECONDS))
    except dns.exception.DNSException:
        return False


def _state(config: Config) -> Iterator[tuple[KeyPath, str]]:
    try:
        read_key(config.token_key)
    except FileNotFoundError:
        folder = _existing(config.token_key.parent)
        if not os.access(folder, os.W_OK | os.X_OK):
            yield ("token_key",), f"{config.token_key} cannot be made: {folder} is not writable by this user"
    except KeyFileError as error:
        yield ("token_key",), str(error)


def _store(config: Config) -> Iterator[tuple[KeyPath, str]]:
    kind, _, name = config.store.partition(":")
    if kind != "sqlite":
        return
    path = Path(name)
    if not path.parent.is_dir():
        # The folder of the token key is made together with the key.
        if path.parent != config.token_key.parent:
            yield ("store",), f"{path} cannot be made: the folder {path.parent} does not exist"
    elif path.exists() and not path.is_file():
        yield ("store",), f"{path} is not a regular file"
    elif path.exists() and not os.access(path, os.R_OK | os.W_OK):
        yield ("store",), f"{path} cannot be read and written by this user"
    elif not os.access(path.parent, os.W_OK | os.X_OK):
        # Also beside a file that is there: SQLite keeps its log in a second one.
        yield ("store",), f"{path} cannot be used: the folder {path.parent} is not writable by this user"


def _log(config: Config) -> Iterator[tuple[KeyPath, str]]:
    file = config.log.file
    if file is None:
        return
    if file.is_dir():
        yield ("log", "file"), f"{file} is a folder"
    elif not os.access(file if file.exists() else file.parent, os.W_OK):
        yield ("log", "file"), f"{file} cannot be written by this user"


def _existing(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder
