"""What all sections share, and the settings of rules, which have a short form and keys of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    WrapSerializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from proxy.config.units import File, switch_word
from proxy.values import shown

Mode = Literal["off", "report", "repair"]
_IMPORT = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*\Z")
_ENTRY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")


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
    """`off` and `{mode: off, host: domain}` become a `RuleSetting`; the catalogue of rules checks the settings."""
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


MODE_SCHEMA = {"enum": ["off", "report", "repair", False], "title": "off, report or repair"}


class _RuleSchema:
    """Annotation: a rule's value in the JSON Schema is a mode or an open mapping with `mode`."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [MODE_SCHEMA, {"type": "object", "properties": {"mode": MODE_SCHEMA}}]}


RuleItem = Annotated[RuleSetting, BeforeValidator(_rule_setting), WrapSerializer(_short_rule), _RuleSchema()]
RuleMap = dict[str, RuleItem]


def _import_name(value: object) -> object:
    if isinstance(value, str) and _IMPORT.match(value):
        return value
    raise ValueError(f"should be module:NAME, not {shown(value)}")


def _entry_name(value: object) -> object:
    if isinstance(value, str) and _ENTRY.match(value):
        return value
    raise ValueError(f"should be the name of an entry point, not {shown(value)}")


class PluginSetting(Section):
    """Rules of your own: one of `rule`, `path` and `name`, with more to say. That value alone is the short form."""

    rule: Annotated[str, BeforeValidator(_import_name)] | None = Field(
        None, description="`module:NAME`: a rule, or a tuple of rules, in a module that sipmend's Python can import"
    )
    path: File | None = Field(None, description="a file of Python, whose `RULES` are meant")
    name: Annotated[str, BeforeValidator(_entry_name)] | None = Field(
        None, description="an entry point of the group `sipmend.rules`, which an installed distribution has"
    )
    mode: Annotated[Mode, BeforeValidator(switch_word), WithJsonSchema(MODE_SCHEMA)] | None = Field(
        None, description="the mode of these rules; the sections `repair` and `profiles` come over it"
    )
    settings: Annotated[Mapping[str, Any], WithJsonSchema({"type": "object", "title": "mapping"})] = Field(
        default_factory=dict, description="settings of the rule, if it is one"
    )

    @model_validator(mode="after")
    def _one_place(self) -> PluginSetting:
        if sum(value is not None for value in (self.rule, self.path, self.name)) != 1:
            raise ValueError("needs one of rule (module:NAME), path (a file) and name (an installed entry point)")
        return self

    @property
    def place(self) -> str:
        """Which of the three keys says where the rules are."""
        return "rule" if self.rule is not None else "path" if self.path is not None else "name"


def _plugin(value: object) -> object:
    """The short form: a path has a slash or ends in .py, a name in a module has a colon."""
    if not isinstance(value, str):
        return value
    if "/" in value or value.endswith(".py"):
        return {"path": value}
    return {"rule" if ":" in value else "name": value}


def _short_plugin(value: Any, handler: SerializerFunctionWrapHandler) -> Any:
    full = {key: item for key, item in handler(value).items() if item is not None and item != {}}
    return next(iter(full.values())) if len(full) == 1 else full


_PLUGIN_WORD = {"type": "string", "title": "rule"}
PluginItem = Annotated[PluginSetting, BeforeValidator(_plugin), WrapSerializer(_short_plugin), ShortForm(_PLUGIN_WORD)]

_PLUGIN: TypeAdapter[PluginSetting] = TypeAdapter(PluginItem)


def readable_plugins(section: object, folder: Path) -> list[PluginSetting | None]:
    """The entries of the section `plugins` of a file that has mistakes; None for those that are mistakes themselves."""
    found: list[PluginSetting | None] = []
    for item in section if isinstance(section, list) else ():
        try:
            found.append(_PLUGIN.validate_python(item, context={"folder": folder}))
        except ValidationError:
            found.append(None)
    return found
