"""One complaint of pydantic -> one located sentence for an administrator."""

from __future__ import annotations

import re
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from proxy.config.errors import ConfigError, KeyPath, Origin, did_you_mean, nearest
from proxy.values import shown

_QUOTED = re.compile(r"'([^']*)'")
_SHOULD = re.compile(r"^Input should be ")


def located(origin: Origin, model: type[BaseModel], fault: ErrorDetails, prefix: KeyPath = ()) -> ConfigError:
    """The fault as an error with its place; `prefix` is where `model` hangs in the configuration."""
    kind = fault["type"]
    path = (*prefix, *fault["loc"])
    if kind == "extra_forbidden":
        siblings = keys_at(model, fault["loc"][:-1])
        hint = did_you_mean(str(fault["loc"][-1]), siblings) or f" (known: {', '.join(siblings)})"
        return origin.error(path, f"unknown key{hint}", at_key=True)
    if kind == "missing":
        empty = path in origin.keys
        return origin.error(path, "has no value: write one" if empty else "this required key is missing", at_key=True)
    return origin.error(path, _sentence(fault))


def meant(model: type[BaseModel], path: KeyPath) -> KeyPath | None:
    """The path of the known key that an unknown one at `path` was probably meant to be."""
    near = nearest(str(path[-1]), keys_at(model, path[:-1]))
    return (*path[:-1], near) if near is not None else None


def _sentence(fault: ErrorDetails) -> str:
    kind, value, context = fault["type"], fault["input"], fault.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        words = _QUOTED.findall(context["expected"])
        hint = did_you_mean(value, words) if isinstance(value, str) else ""
        return f"should be {_either(words)}, not {shown(value)}{hint}"
    if kind == "string_type":
        quotes = ": put it in quotes" if isinstance(value, (int, float)) else ""
        return f"should be text, not {shown(value)}{quotes}"
    if kind in ("model_type", "model_attributes_type", "dict_type", "mapping_type"):
        return f"should be a section with keys of its own, not {shown(value)}"
    if kind in ("tuple_type", "list_type"):
        return f"should be a list (each item on a line of its own that begins with -), not {shown(value)}"
    if kind in ("too_short", "string_too_short"):
        return "should have at least one item"
    if kind == "string_pattern_mismatch" and fault["loc"] == ("store",):
        hint = did_you_mean(str(value), ["memory"])
        return f"should be memory, sqlite:PATH or redis://HOST, not {shown(value)}{hint}"
    if kind in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        return f"{_SHOULD.sub('should be ', fault['msg'])}, not {shown(value)}"
    return f"{_SHOULD.sub('should be ', fault['msg'])} (here: {shown(value)})"


def _either(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def keys_at(model: type[BaseModel], path: KeyPath) -> list[str]:
    """The keys that the section at `path` knows; empty where there is no section."""
    annotation: Any = model
    for step in path:
        if isinstance(step, int):
            annotation = next(iter(get_args(_bare(annotation))), None)
        else:
            section = _section(annotation)
            fields = section.model_fields if section is not None else {}
            if section is None:
                # A mapping of names (rules): what every name holds.
                arguments = get_args(_bare(annotation))
                annotation = arguments[-1] if arguments else None
            else:
                annotation = fields[step].annotation if step in fields else None
    section = _section(annotation)
    fields = section.model_fields if section is not None else {}
    return [field.alias or name for name, field in fields.items()]


def _bare(annotation: Any) -> Any:
    """The annotation without `Annotated` and `| None`."""
    while get_origin(annotation) is not None:
        if hasattr(annotation, "__metadata__"):
            annotation = annotation.__origin__
        elif get_origin(annotation) in (Union, UnionType):
            annotation = next(item for item in get_args(annotation) if item is not type(None))
        else:
            break
    return annotation


def _section(annotation: Any) -> type[BaseModel] | None:
    bare = _bare(annotation)
    return bare if isinstance(bare, type) and issubclass(bare, BaseModel) else None
