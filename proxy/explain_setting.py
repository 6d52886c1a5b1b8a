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
from proxy.ruling import chosen_rules, make_profiles

# Of this only the profiles count, which are those that are shipped.
_BARE = Config.model_validate(
    {"server": {"domain": "example.com", "uri": "sip:127.0.0.1"}, "listen": ["udp://127.0.0.1"]}
)


def bare_setting(profile: str | None = None) -> dry_run.Setting:
    """Of a dry run without a configuration: the defaults and the shipped profiles, or one for all clients.

    Raises LookupError with a sentence for an unknown profile.
    """
    rules, modes = chosen_rules(_BARE)
    return dry_run.Setting(rules, modes, profiles=_profiles(_BARE, profile))


def setting_of(config: Config, profile: str | None = None) -> dry_run.Setting:
    """What a dry run takes from the configuration; if a profile is named, all clients have that.

    The server's name is not looked up: an address stands in. Raises LookupError with a sentence for an unknown profile.
    """
    chosen, modes = chosen_rules(config)
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
    profiles = _profiles(config, profile)
    return dry_run.Setting(chosen, modes, core, tuple(servers), tuple(addresses), profiles=profiles)


def _profiles(config: Config, profile: str | None) -> dry_run.ProfileMaker:
    """What makes the profiles of the configuration; that one alone for all clients, if it is named."""
    known = [one.name for one in profiles_in_force(config)]
    if profile is not None and profile not in known:
        raise LookupError(f"there is no profile {profile!r}; there are: {', '.join(known) or 'none'}")
    return lambda counts, networks: make_profiles(config, counts, networks, profile)
