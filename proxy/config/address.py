"""Which addresses the settings amount to: what clients see of a listener, which targets the server has."""

from __future__ import annotations

from proxy.config.model import ListenerSettings, ServerSettings, Target
from proxy.config.units import host_family, is_wildcard
from proxy.config.uris import ListenUri


def public_host(listener: ListenerSettings, default: str | None) -> str | None:
    """The host clients see of the listener: its own public address, else the global one, else what it is bound to.

    `default` is the global `public_address`; it does not count for a listener of the other IP version. None means
    that nothing usable is set.
    """
    if listener.public_address is not None:
        return listener.public_address
    host = listener.uri.host
    # A socket on [::] takes IPv4 as well.
    if default is not None and (host == "::" or host_family(default) in (None, host_family(host))):
        return default
    return None if is_wildcard(host) else host


def public_port(listener: ListenerSettings) -> int:
    """The port clients see of the listener."""
    return listener.uri.port if listener.public_port is None else listener.public_port


def targets_of(server: ServerSettings) -> tuple[Target, ...]:
    """The targets in the order to try, also where they were written as one `uri`."""
    if server.uri is not None:
        return (Target(uri=server.uri),)
    return tuple(sorted(server.targets, key=lambda target: target.priority))


def uses_tls(server: ServerSettings) -> bool:
    """True if any target is reached by TLS."""
    return any(target.uri.scheme == "sips" or target.uri.transport == "tls" for target in targets_of(server))


def shares_port(one: ListenUri, other: ListenUri) -> bool:
    """True if both can be served by one socket: two stream transports whose first octets tell them apart."""
    return (
        (one.host, one.port) == (other.host, other.port)
        and one.transport != other.transport
        and "udp" not in (one.transport, other.transport)
    )


def overlaps(one: ListenUri, other: ListenUri) -> bool:
    """True if both cannot be bound at once: same kind of socket and port, and addresses that share some."""
    if one.port != other.port or (one.transport == "udp") != (other.transport == "udp"):
        return False
    if one.host == other.host or "::" in (one.host, other.host):
        return True
    same_version = host_family(one.host) == host_family(other.host)
    return same_version and (is_wildcard(one.host) or is_wildcard(other.host))
