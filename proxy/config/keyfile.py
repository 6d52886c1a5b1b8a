"""The file with the key of our tokens: made once, read on each start, two keys while they are rotated.

One line per key, 64 hexadecimal digits (32 random octets). The first signs; both are accepted.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from proxy.config.model import SYSTEM_KEY

KEY_OCTETS: Final = 32
MOST_KEYS: Final = 2
_MOST_OCTETS: Final = 4096
_KEY: Final = re.compile(r"[0-9a-fA-F]{64}\Z")
# Group read is accepted: that is how orchestrators mount secrets.
_FORBIDDEN: Final = stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH | stat.S_IXOTH


class KeyFileError(Exception):
    """The key file cannot be used; the text names the file, what is wrong and what to do."""


def default_key_path(environ: Mapping[str, str]) -> Path:
    """/var/lib/sipmend/token.key if that is ours to use, else the same under the user's state folder."""
    if os.access(SYSTEM_KEY, os.R_OK) or os.access(SYSTEM_KEY.parent, os.W_OK | os.X_OK):
        return SYSTEM_KEY
    state = environ.get("XDG_STATE_HOME", "")
    # The XDG specification tells to ignore a relative path.
    folder = Path(state) if state.startswith("/") else Path(environ.get("HOME") or Path.home(), ".local/state")
    return folder / "sipmend" / SYSTEM_KEY.name


def load_or_create_key(path: str | Path) -> tuple[bytes, ...]:
    """The keys in the file, the current one first; a missing file is made with one new key (mode 0600).

    Of several processes that start at once, one makes the key and all read the same. Raises KeyFileError.
    """
    path = Path(path)
    try:
        return read_key(path)
    except FileNotFoundError:
        _create(path)
    try:
        return read_key(path)
    except FileNotFoundError as error:
        raise KeyFileError(f"{path} was removed while we made it") from error


def read_key(path: Path) -> tuple[bytes, ...]:
    """The keys in the file. Raises FileNotFoundError, or KeyFileError if it is there and unusable."""
    try:
        # Not blocking: a named pipe here should be an error and not a start that never ends.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror}") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)  # `fdopen` would raise for a directory, and leave it open
        raise KeyFileError(f"{path} is not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        if status.st_mode & _FORBIDDEN:
            mode = stat.S_IMODE(status.st_mode)
            raise KeyFileError(f"{path} has mode {mode:04o}, so others can read or change the key: chmod 600 {path}")
        octets = file.read(_MOST_OCTETS + 1)
    return _parse(path, octets)


def _parse(path: Path, octets: bytes) -> tuple[bytes, ...]:
    advice = "restore it from a backup, or remove it to have a new one made (clients must then register again)"
    keys: list[bytes] = []
    # The text of a line never goes into an error: it may be most of a key.
    for number, line in enumerate(octets.decode("ascii", "replace").splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if not _KEY.match(text):
            raise KeyFileError(f"{path}:{number}: not a key of 64 hexadecimal digits: {advice}")
        keys.append(bytes.fromhex(text))
    if not keys:
        raise KeyFileError(f"{path} holds no key: {advice}")
    if len(keys) > MOST_KEYS or len(octets) > _MOST_OCTETS:
        raise KeyFileError(f"{path} holds more than {MOST_KEYS} keys: keep the current one and the one before it")
    return tuple(keys)


def _create(path: Path) -> None:
    """Makes the file whole or not at all, and leaves it alone if another process was faster."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(secrets.token_hex(KEY_OCTETS) + "\n")
                file.flush()
                os.fsync(file.fileno())
            # If another process made it first, its key counts.
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink()
    except OSError as error:
        raise KeyFileError(f"{path} cannot be made: {error.strerror}; set token_key to a path we may write") from error
