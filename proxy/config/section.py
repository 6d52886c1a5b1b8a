"""What all sections share, and the settings of rules, which have a short form and keys of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    WrapSerializer,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from proxy.config.units import switch_word
from proxy.values import shown

Mode = Literal["off", "report", "repair"]


class Section(BaseModel):
    """What all sections share: frozen, and unknown keys are mistakes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ShortForm:
    """Annotation: in the JSON Schema the value may also be written as one scalar."""

    def __init__(self, short: dict[str, Any]) -> None:
        self.short = short

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [self.short, handler(core)]}


class RuleSetting(Section):
    """What one repair rule does: its mode (none: the rule's own default) and the rule's own settings."""

    mode: Mode | None = None
    settings: Mapping[str, Any] = Field(default_factory=dict)


def _rule_setting(value: object) -> object:
    """`off` and `{mode: off, host: domain}` become a `RuleSetting`; `check_rules` checks the settings."""
    if isinstance(value, RuleSetting):
        return value
    value = switch_word(value)
    if isinstance(value, str):
        return {"mode": value}
    if not isinstance(value, dict):
        raise ValueError(f"should be off, report or repair, or a mapping with mode and settings, not {shown(value)}")
    settings = {key: item for key, item in value.items() if key != "mode"}
    return {"mode": switch_word(value.get("mode")), "settings": settings}


def _short_rule(value: Any, handler: SerializerFunctionWrapHandler) -> Any:
    full = handler(value)
    mode = {"mode": full["mode"]} if full.get("mode") is not None else {}
    return full["mode"] if mode and not full["settings"] else {**mode, **full["settings"]}


_MODE_SCHEMA = {"enum": ["off", "report", "repair", False], "title": "off, report or repair"}


class _RuleSchema:
    """Annotation: a rule's value in the JSON Schema is a mode or an open mapping with `mode`."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [_MODE_SCHEMA, {"type": "object", "properties": {"mode": _MODE_SCHEMA}}]}


RuleItem = Annotated[RuleSetting, BeforeValidator(_rule_setting), WrapSerializer(_short_rule), _RuleSchema()]
RuleMap = dict[str, RuleItem]


class PluginSetting(Section):
    """A repair rule of your own: `module:Rule` or a path, with its settings."""

    rule: str
    settings: Mapping[str, Any] = Field(default_factory=dict)


def _plugin(value: object) -> object:
    if isinstance(value, str):
        return {"rule": value}
    if isinstance(value, dict):
        settings = {key: item for key, item in value.items() if key != "rule"}
        return {**({"rule": value["rule"]} if "rule" in value else {}), "settings": settings}
    return value


class _PluginSchema:
    """Annotation: a plugin in the JSON Schema is a word or an open mapping with `rule`."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        word = {"type": "string", "title": "module:Rule or path"}
        full = {"type": "object", "properties": {"rule": word}, "required": ["rule"]}
        return {"anyOf": [word, full], "title": "rules (`module:Rule`, a path, or a mapping with `rule` and settings)"}


def _short_plugin(value: Any, handler: SerializerFunctionWrapHandler) -> Any:
    full = handler(value)
    return {"rule": full["rule"], **full["settings"]} if full["settings"] else full["rule"]


PluginItem = Annotated[PluginSetting, BeforeValidator(_plugin), WrapSerializer(_short_plugin), _PluginSchema()]
