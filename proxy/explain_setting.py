"""From a configuration file to the setting of a dry run. Looks nothing up and opens nothing."""

from __future__ import annotations

import contextlib
import ipaddress

from plugins import ORDER
from proxy import explain as dry_run
from proxy.assembly import make_listeners, make_settings, rule_choices
from proxy.config.address import targets_of, uses_tls
from proxy.config.model import Config
from proxy.flow import DEFAULT_PORTS, TLS, TRANSPORTS, UDP
from proxy.repair.catalog import Catalog


def setting_of(config: Config) -> dry_run.Setting:
    """What a dry run takes from the configuration. The server's name is not looked up: an address stands in."""
    chosen, modes = Catalog(ORDER).choose(rule_choices(config))
    addresses: list[tuple[int, str, int]] = []
    servers = list(config.server.networks)
    for target in targets_of(config.server):
        with contextlib.suppress(ValueError):
            servers.append(ipaddress.ip_network(target.uri.host))
            transport = TLS if target.uri.scheme == "sips" else TRANSPORTS.index(target.uri.transport or "udp")
            addresses.append((transport, target.uri.host, target.uri.port or DEFAULT_PORTS[transport]))
    usual = TLS if uses_tls(config.server) else UDP
    addresses = addresses or [(usual, dry_run.OUR_ADDRESS, DEFAULT_PORTS[usual])]
    core = make_settings(config, make_listeners(config, addresses), addresses)
    return dry_run.Setting(chosen, modes, core, tuple(servers))
