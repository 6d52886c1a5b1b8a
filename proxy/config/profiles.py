"""The profiles in force: those of the file in their order, then the shipped ones whose names the file does not use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from proxy.config.errors import KeyPath, did_you_mean
from proxy.config.model import Config, Profile, ProfileMatch
from proxy.config.section import RuleSetting
from proxy.config.shipped import SHIPPED

_SHIPPED = {profile.name: profile for profile, _ in SHIPPED}


@dataclass(frozen=True, slots=True)
class InForce:
    """A profile with all that it says and inherits. `layers` are its settings of rules, later ones over earlier."""

    name: str
    match: ProfileMatch
    layers: tuple[dict[str, RuleSetting], ...]
    rport: str
    expires_max: float
    contact: str


def profiles_in_force(config: Config) -> tuple[InForce, ...]:
    """The profiles, in the order in which they are asked. The configuration has no `profile_problems`."""
    own = {profile.name: profile for profile in config.profiles}
    every = [*config.profiles, *(profile for name, profile in _SHIPPED.items() if name not in own)]
    by_name = {profile.name: profile for profile in every}
    return tuple(_in_force(profile, by_name) for profile in every if profile.enabled)


def _in_force(profile: Profile, by_name: dict[str, Profile]) -> InForce:
    line = [profile]
    while line[-1].base is not None:
        base = line[-1].base
        # A profile with the name of a shipped one may start from that.
        line.append(_SHIPPED[base] if base == line[-1].name else by_name[base])
    match = profile.match
    if match is None:
        shipped = _SHIPPED.get(profile.name)
        match = shipped.match if shipped is not None else None
    return InForce(
        profile.name,
        match or ProfileMatch(),
        tuple(dict(one.repair) for one in reversed(line)),
        next((one.rport for one in line if one.rport is not None), "auto"),
        next((one.expires_max for one in line if one.expires_max is not None), 0.0),
        next((one.contact for one in line if one.contact is not None), ""),
    )


def profile_names(config: Config) -> dict[str, bool]:
    """The names of all profiles, and whether they are in force."""
    return {**dict.fromkeys(_SHIPPED, True), **{one.name: one.enabled for one in config.profiles}}


def profile_problems(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """What does not fit together in and around the section `profiles`."""
    names = [profile.name for profile in config.profiles]
    known = profile_names(config)
    listeners = [item.uri for item in config.listen]
    for index, profile in enumerate(config.profiles):
        path: KeyPath = ("profiles", index)
        if profile.name in names[:index]:
            yield (*path, "name"), f"there is another profile named {profile.name}: rename one of them"
        if profile.base is not None and profile.base not in known:
            hint = did_you_mean(profile.base, known)
            yield (*path, "base"), f"there is no profile of this name{hint}"
        elif _is_circle(profile, config):
            yield (*path, "base"), "the profiles start from each other in a circle"
        if profile.match is not None and profile.match.listener not in (None, *listeners):
            yield (*path, "match", "listener"), f"no listener of the section listen is {profile.match.listener}"
    for index, item in enumerate(config.listen):
        if item.profile is not None and not known.get(item.profile, False):
            hint = did_you_mean(item.profile, [name for name, on in known.items() if on])
            off = item.profile in known
            text = f"the profile {item.profile} is turned off" if off else f"there is no profile of this name{hint}"
            yield ("listen", index, "profile"), text


def _is_circle(profile: Profile, config: Config) -> bool:
    by_name = {one.name: one for one in config.profiles}
    seen = {profile.name}
    base = profile.base
    if base == profile.name:
        return base not in _SHIPPED
    while base is not None:
        if base in seen:
            return True
        seen.add(base)
        following = by_name[base].base if base in by_name else None
        base = None if following == base else following
    return False
