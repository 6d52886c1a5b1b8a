"""From a configuration file to the setting of a dry run. Looks nothing up and opens nothing."""

from __future__ import annotations

import contextlib
import ipaddress

from proxy import explain as dry_run
from proxy.assembly import make_listeners, make_settings
from proxy.config.address import targets_of, uses_tls
from proxy.config.model import Config
from proxy.config.profiles import profiles_in_force
from proxy.flow import DEFAULT_PORTS, TLS, TRANSPORTS, UDP
from proxy.repair.rule import Rule
from proxy.ruling import chosen_rules


def setting_of(config: Config, profile: str | None = None) -> dry_run.Setting:
    """What a dry run takes from the configuration, for clients of that profile if one is named.

    The server's name is not looked up: an address stands in. Raises LookupError with a sentence for an unknown profile.
    """
    chosen, modes = _rules_of(config, profile)
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
    return dry_run.Setting(chosen, modes, core, tuple(servers), tuple(addresses))


def _rules_of(config: Config, profile: str | None) -> tuple[tuple[Rule, ...], dict[str, str]]:
    """The rules and modes of the section `repair`, and over them those of the profile."""
    if profile is None:
        return chosen_rules(config)
    known = profiles_in_force(config)
    chosen = next((one for one in known if one.name == profile), None)
    if chosen is None:
        names = ", ".join(one.name for one in known) or "none"
        raise LookupError(f"there is no profile {profile!r}; there are: {names}")
    return chosen_rules(config, chosen)
