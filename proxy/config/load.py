"""A configuration file -> `Config`, or all its mistakes at once, each with file, line and column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from proxy.config.certificates import certificate_files
from proxy.config.check import Problem, problems
from proxy.config.errors import ConfigError, ConfigErrors, KeyPath
from proxy.config.fault import located, meant
from proxy.config.keyfile import KeyFileError, default_key_path, read_key
from proxy.config.model import STORE_NAME, Config
from proxy.config.source import Source

# What stands in for a wrong value while the rest of the file is checked; problems that depend on it are not reported.
_BLANK_LISTENER = "udp://127.0.0.1:1"
_BLANKS: dict[KeyPath, Any] = {
    ("server",): {"domain": "blank.invalid", "uri": "sip:blank.invalid"},
    ("server", "domain"): "blank.invalid",
    ("listen",): [_BLANK_LISTENER],
    ("listen", "*"): _BLANK_LISTENER,
    ("listen", "*", "uri"): _BLANK_LISTENER,
}


def load_config(path: str | Path, environ: Mapping[str, str]) -> Config:
    """The settings in the file. Raises ConfigErrors with every mistake found in it.

    `${NAME}` comes from `environ`. Relative paths in the file count from the file's folder.
    """
    file = str(path)
    return parse_config(_read(file), file, environ)


def parse_config(text: str, file: str, environ: Mapping[str, str]) -> Config:
    """As `load_config`, for a text; `file` is the name in errors and the start of relative paths."""
    source = Source(file, text, environ)
    if () in source.broken:
        raise ConfigErrors(source.errors)
    context = {"folder": Path(file).absolute().parent}
    own_key = "token_key" in source.data
    data = {"token_key": str(default_key_path(environ)), **source.data}
    try:
        config = Config.model_validate(data, context=context).placed(source.origin)
        faults: list[ConfigError] = []
        broken = source.broken
    except ValidationError as error:
        reported = [fault for fault in error.errors() if not _touches(fault["loc"], source.broken)]
        faults = [located(source.origin, Config, fault) for fault in reported]
        config, broken = _salvage(data, context, source)
    if "store" not in source.data:
        config = config.model_copy(update={"store": f"sqlite:{config.token_key.with_name(STORE_NAME)}"})
    found = [*problems(config), *_files(config, own_key)]
    faults += [
        source.origin.error(problem.path, problem.text)
        for problem in found
        if not any(_touches(depended, broken) for depended in (problem.path, *problem.depends))
    ]
    if faults or source.errors:
        raise ConfigErrors([*source.errors, *faults])
    return config


def _read(file: str) -> str:
    try:
        octets = Path(file).read_bytes()
    except OSError as error:
        text = f"cannot be read: {error.strerror or error}"
        raise ConfigErrors([ConfigError(file, 1, 1, "", text)]) from error
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = octets[: error.start]
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        text = f"not UTF-8: the octet 0x{octets[error.start]:02x} is not part of a character"
        raise ConfigErrors([ConfigError(file, before.count(b"\n") + 1, column, "", text)]) from error


def _salvage(data: dict[str, Any], context: dict[str, Any], source: Source) -> tuple[Config, set[KeyPath]]:
    """The settings without what is wrong with them, so that the rest can be checked too, and what was wrong."""
    data = deepcopy(data)
    broken = set(source.broken)
    while True:
        try:
            return Config.model_validate(data, context=context).placed(source.origin), broken
        except ValidationError as error:
            for fault in error.errors():
                broken.add(fault["loc"])
                if fault["type"] == "extra_forbidden":
                    # A mistyped `public_address` is not also a missing one.
                    broken.update(filter(None, [meant(Config, fault["loc"])]))
                _blank(data, fault["loc"])


def _blank(data: dict[str, Any], path: KeyPath) -> None:
    """Replaces what is at the path by a blank, or takes it out; where that cannot be, what holds it."""
    while path:
        held = _at(data, path[:-1])
        pattern = tuple("*" if isinstance(step, int) else step for step in path)
        inside = isinstance(held, dict) or (isinstance(held, list) and isinstance(path[-1], int))
        if inside and pattern in _BLANKS:
            held[path[-1]] = deepcopy(_BLANKS[pattern])
            return
        if isinstance(held, dict) and path[-1] in held:
            del held[path[-1]]
            return
        path = path[:-1]


def _at(data: Any, path: KeyPath) -> Any:
    for step in path:
        if isinstance(data, dict):
            data = data.get(str(step))
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            return None
    return data


def _touches(path: KeyPath, broken: Iterable[KeyPath]) -> bool:
    """True if the path holds, or is held by, something broken."""
    return any(path[: len(other)] == other or other[: len(path)] == path for other in broken)


def _files(config: Config, own_key: bool) -> list[Problem]:
    """The files that the settings name and that cannot be used."""
    found: list[Problem] = []
    for key, path in certificate_files(config):
        try:
            path.read_bytes()
        except OSError as error:
            found.append(Problem(key, f"{path} cannot be read: {error.strerror or error}"))
    if own_key:
        try:
            read_key(config.token_key)
        except FileNotFoundError:
            # It is made on the first start.
            pass
        except KeyFileError as error:
            found.append(Problem(("token_key",), str(error)))
    return found
