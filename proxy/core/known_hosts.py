"""Whom a host in a From, To or Request-URI means: this proxy, the server, or the client itself."""

from __future__ import annotations

from proxy.core.identity import Identity
from proxy.core.settings import CoreSettings
from proxy.core.targets import Targets
from proxy.flow import Flow
from proxy.repair.reach import is_senders


class KnownHosts:
    """Implements `rule.Hosts`; hosts are given in lower case."""

    __slots__ = ("_aliases", "_identity", "_targets")

    def __init__(self, settings: CoreSettings, identity: Identity, targets: Targets) -> None:
        self._aliases = settings.aliases
        self._identity = identity
        self._targets = targets

    def is_proxy(self, host: bytes) -> bool:
        """Whether it is an address or name of ours, or an alias of the server's domain."""
        return self._identity.is_own_host(host)

    def is_server(self, host: bytes) -> bool:
        """Whether it is an address of a target, or an alias of the domain: what the server takes for its own."""
        if host in self._aliases:
            return True
        text = host.strip(b"[]").decode("ascii", "replace")
        return any(target.address[1] == text for target in self._targets.all)

    def is_senders(self, host: bytes, flow: Flow) -> bool:
        """Whether it is the address the message came from, or one that leads nowhere outside the sender's network."""
        return is_senders(host, flow)
