"""Where rules of users come from: an object in a module, the RULES of a file, or an entry point of a distribution.

Nothing is loaded but what the configuration names. What goes wrong in somebody's code is told in one line.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import stat
import sys
import traceback
from difflib import get_close_matches
from hashlib import blake2s
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Final

from proxy.repair.watched import named, one_line

GROUP: Final = "sipmend.rules"
LARGEST_FILE: Final = 1_048_576  # octets


class SourceError(Exception):
    """Rules that cannot be loaded; the text is for the administrator."""


def installed() -> list[EntryPoint]:
    """The entry points that installed distributions have for us, by name. Imports nothing."""
    return sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value))


def from_entry_point(name: str) -> object:
    """What the entry point of that name leads to. Raises SourceError."""
    found = {point.value: point for point in installed() if point.name == name}
    if not found:
        names = sorted({point.name for point in installed()})
        near = get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(names) or 'none'}"
        raise SourceError(f"no installed distribution has an entry point {name} in the group {GROUP}; {hint}")
    if len(found) > 1:
        owners = " and ".join(sorted(f"{point.dist.name if point.dist else '?'}" for point in found.values()))
        raise SourceError(f"several distributions have an entry point {name}: {owners}; use `rule: module:NAME`")
    return from_module(next(iter(found)).partition("[")[0].replace(" ", ""))


def from_module(reference: str) -> object:
    """The object that `module:NAME` names. Raises SourceError."""
    name, _, attribute = reference.partition(":")
    importlib.invalidate_caches()  # a distribution may have come since the start
    try:
        value: object = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            text = f"there is no module {error.name} for {sys.executable}: install it there, or give the path of a file"
            raise SourceError(text) from error
        raise SourceError(f"{name} cannot be imported: {_told(error, None)}") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # anybody's code: it may even call sys.exit
        raise SourceError(f"{name} cannot be imported: {_told(error, None)}") from error
    for step in attribute.split(".") if attribute else ():
        try:
            value = getattr(value, step)
        except AttributeError as error:
            near = get_close_matches(step, dir(value), n=1)
            hint = f", did you mean {near[0]}" if near else ""
            raise SourceError(f"{name} has no {step}{hint}") from error
    return value


def from_file(path: Path) -> object:
    """The RULES of a file; its code is read anew each time. Raises SourceError."""
    source = _read(path)
    module = ModuleType(f"sipmend_rules_{path.stem}_{blake2s(str(path).encode(), digest_size=4).hexdigest()}")
    module.__file__ = str(path)
    before = sys.modules.get(module.__name__)
    sys.modules[module.__name__] = module  # dataclasses and the like look their module up
    try:
        code = compile(importlib.util.decode_source(source), str(path), "exec", dont_inherit=True)
        exec(code, module.__dict__)  # noqa: S102  # that is what the administrator wants of the file
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # anybody's code: it may even call sys.exit
        if before is not None:
            sys.modules[module.__name__] = before
        else:
            del sys.modules[module.__name__]
        raise SourceError(_told(error, path)) from error
    rules: object = getattr(module, "RULES", None)
    if rules is None:
        raise SourceError(f"{path} has no RULES: end it with `RULES = (YourRule(),)`")
    return rules


def _told(error: BaseException, path: Path | None) -> str:
    """What went wrong in somebody's code, with the innermost place of it that is theirs."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno or 1}: {type(error).__name__}: {one_line(error.msg)}"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if (frame.filename == str(path) if path is not None else not _is_machinery(frame.filename))
    ]
    place = f"{frames[-1].filename}:{frames[-1].lineno}: " if frames else f"{path}: " if path is not None else ""
    return place + named(error)


def _is_machinery(filename: str) -> bool:
    return filename.startswith("<frozen ") or filename in (__file__, importlib.__file__)


def _read(path: Path) -> bytes:
    """The file, if nobody else could have written it: it runs with our rights."""
    try:
        # Not blocking: a named pipe here should be an error and not a start that never ends.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise SourceError(f"{path} is not a regular file")
        _check_rights(path, status)
        with os.fdopen(os.dup(descriptor), "rb") as file:
            source = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from error
    finally:
        os.close(descriptor)
    if len(source) > LARGEST_FILE:
        raise SourceError(f"{path} is larger than {LARGEST_FILE} bytes")
    return source


def _check_rights(path: Path, status: os.stat_result) -> None:
    if status.st_mode & stat.S_IWOTH:
        mode = stat.S_IMODE(status.st_mode)
        raise SourceError(f"{path} has mode {mode:04o}, so everybody can change what sipmend runs: chmod o-w {path}")
    if os.geteuid() == 0 and status.st_uid != 0:
        raise SourceError(
            f"{path} belongs to the user {status.st_uid}, who could change what sipmend runs as root: chown root {path}"
        )
    folder = path.resolve().parent
    mode = folder.stat().st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise SourceError(
            f"{folder} has mode {stat.S_IMODE(mode):04o}, so everybody can change what sipmend runs: chmod o-w {folder}"
        )
