"""The rules that the section `plugins` named, as the configuration carries them once they are loaded: data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from proxy.repair.rule import Rule


@dataclass(frozen=True, slots=True)
class OwnRules:
    """Rules, and by name what their entries choose for them, as the catalogue takes it."""

    rules: tuple[Rule, ...] = ()
    choices: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
