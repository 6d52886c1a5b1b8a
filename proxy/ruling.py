"""From the configuration to the repair rules and profiles of the core. Made at start, and anew at each reload."""

from __future__ import annotations

from collections.abc import Mapping

from plugins import ORDER
from proxy.config.model import Config
from proxy.config.profiles import InForce, profiles_in_force
from proxy.config.section import RuleSetting
from proxy.core.profiles import Candidate, Profiles
from proxy.core.settings import Network
from proxy.counts import Counts
from proxy.declared import declared_modes, declared_rules
from proxy.flow import Profile
from proxy.pattern import Pattern
from proxy.repair.catalog import Catalog, Choice
from proxy.repair.pipeline import Pipeline, parted
from proxy.repair.rule import Rule


def make_pipelines(
    config: Config, counts: Counts, local_networks: tuple[Network, ...], profile: InForce | None = None
) -> tuple[Pipeline, Pipeline]:
    """The pipeline of the core, and the one that mends a Via before it can be matched. Raises CatalogError."""
    rules, modes = chosen_rules(config, profile)
    main, via = parted(rules)
    return Pipeline(main, modes, counts, local_networks), Pipeline(via, modes, counts, local_networks)


def make_profiles(config: Config, counts: Counts, local_networks: tuple[Network, ...]) -> Profiles:
    """The profiles for the core, each with its pipelines. Raises CatalogError."""
    candidates = []
    uris = [item.uri for item in config.listen]
    for one in profiles_in_force(config):
        match = one.match
        candidates.append(
            Candidate(
                Profile(one.name, one.rport, round(one.expires_max), one.contact),
                make_pipelines(config, counts, local_networks, one),
                Pattern(match.user_agent) if match.user_agent is not None else None,
                Pattern(match.aor) if match.aor is not None else None,
                frozenset((uris.index(match.listener),)) if match.listener is not None else None,
                match.network,
                frozenset(index for index, item in enumerate(config.listen) if item.profile == one.name),
            )
        )
    return Profiles(candidates)


def chosen_rules(config: Config, profile: InForce | None = None) -> tuple[tuple[Rule, ...], dict[str, str]]:
    """The rules with their settings, and the mode of each, for a client with that profile. Raises CatalogError."""
    layers = profile.layers if profile is not None else ()
    own = config.own_rules
    declared = declared_rules(config.headers)
    rules, modes = Catalog((*ORDER, *own.rules), declared=declared).choose(
        {**own.choices, **declared_modes(config.headers)},
        rule_choices(config.repair),
        *(rule_choices(layer) for layer in layers),
    )
    name = profile.name if profile is not None else ""
    others = {rule.name for rule in declared if rule.profiles and name not in rule.profiles}
    return tuple(rule for rule in rules if rule.name not in others), modes


def rule_choices(section: Mapping[str, RuleSetting]) -> dict[str, Choice]:
    """What a section of rules in the file says, as the catalogue takes it."""
    choices: dict[str, Choice] = {}
    for name, setting in section.items():
        mode = {} if setting.mode is None else {"mode": setting.mode}
        choices[name] = {**mode, **setting.settings}
    return choices
