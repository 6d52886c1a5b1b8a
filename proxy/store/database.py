"""The SQLite file with the bindings: opened, brought to this version's schema, read, written. Blocking.

Every call but `open` may raise sqlite3.Error; `open` says in a StoreError what an administrator can do about it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from proxy.store.contract import StoreError
from proxy.store.row import Row

# "sipm": so that a database of somebody else is never taken for ours.
APPLICATION_ID: Final = 0x7369706D
# Seconds to wait for another process that writes to the same file.
BUSY: Final = 5.0
# The log of a burst is cut back to this size when it has been copied (bytes).
LOG_SIZE: Final = 4 * 1024 * 1024

_OCTETS = "BLOB NOT NULL CHECK (typeof({0}) = 'blob')"
_WHOLE = "INTEGER NOT NULL CHECK (typeof({0}) = 'integer')"
_TIME = "REAL NOT NULL CHECK (typeof({0}) = 'real')"
_WORD = "TEXT NOT NULL CHECK (typeof({0}) = 'text')"
# Types are checked, so that whoever edits the file by hand hears of it from SQLite and not from a client's call.
_COLUMNS: Final = {
    "token": _OCTETS + " PRIMARY KEY",
    "aor": _OCTETS,
    "instance": _OCTETS,
    "reg_id": _WHOLE,
    "serial": _WHOLE,
    "contact": _OCTETS,
    "shown": _OCTETS,
    "shown_instance": _OCTETS,
    "state": _WHOLE,
    "expires": _TIME,
    "used": _TIME,
    "written": _TIME,
    "call_id": _OCTETS,
    "auth_user": _OCTETS,
    "user_agent": _OCTETS,
    "outbound": _WHOLE,
    "abandoned": _WHOLE,
    "transport": _WORD + " CHECK (transport IN ('udp', 'tcp', 'tls', 'ws', 'wss'))",
    "bound_host": _WORD,
    "bound_port": _WHOLE,
    "host": _WORD,
    "port": _WHOLE,
}
_TABLE = ", ".join(f"{name} {kind.format(name)}" for name, kind in _COLUMNS.items())
# What brings a file from version N (its `user_version`) to N + 1; a later version appends to this and edits nothing.
# A row is named by its token alone and says by which listener its client came, so several processes can share a file.
MIGRATIONS: Final = (f"CREATE TABLE binding ({_TABLE}) WITHOUT ROWID",)

# How an SQLite file begins, and where the id of its application stands (https://sqlite.org/fileformat.html).
_MAGIC: Final = b"SQLite format 3\0"
_OWNER: Final = 68

_NAMES = ", ".join(Row._fields)
_SELECT = f"SELECT {_NAMES} FROM binding ORDER BY used"  # noqa: S608  # of our own names only
_REPLACE = f"REPLACE INTO binding ({_NAMES}) VALUES ({', '.join('?' * len(Row._fields))})"  # noqa: S608


class DamagedError(StoreError):
    """What stands in the file is no sound database any more."""


class Database:
    """One connection to the file. All calls from one thread.

    `aside` is where `open` put a damaged file of ours, if it found one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        # Device and number of the file that is open; None before the first time.
        self._file: tuple[int, int] | None = None
        self.aside: Path | None = None

    def open(self) -> None:
        """Open the file, make it (mode 0600) if it is not there, bring its schema up to date. Raises StoreError.

        A damaged file of ours is put aside and made anew: clients are back in it with their next REGISTER, while a
        start that is refused would keep all of them out until somebody comes.
        """
        self.aside = None
        file = self._named()
        try:
            self._open_file()
        except DamagedError:
            if not self._put_aside(file):
                raise
            self._open_file()

    def _open_file(self) -> None:
        self._create()
        try:
            self._connection = connection = sqlite3.connect(self._path, timeout=BUSY, isolation_level=None)
            # WAL: readers and a second process do not stop the writer. A commit is in the file's log, which the kernel
            # holds, before it is reported: it survives `kill -9` of this process without waiting for the disk.
            # NORMAL syncs at checkpoints only: a power failure may take the last commits but leaves the file whole,
            # and what it took comes back with the next REGISTER. FULL would pay a sync of the disk, milliseconds,
            # in every batch for that.
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA journal_size_limit = {LOG_SIZE}").fetchone()
            self._migrate(connection)
            state = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            self._file = self._named()
        except sqlite3.Error as error:
            self.close()
            refused = DamagedError if _is_damage(error) else StoreError
            raise refused(complaint(self._path, error)) from error
        except StoreError:
            self.close()
            raise
        if state != "ok":
            self.close()
            raise DamagedError(_damaged(self._path))

    def _put_aside(self, file: tuple[int, int]) -> bool:
        """Rename the file and its log; false if it is not ours, or cannot be renamed.

        One that has another number than `file` is that of a process which has just done the same.
        """
        path = self._path
        aside = path.with_name(f"{path.name}.damaged")
        try:
            if file != self._named():
                return True
            with path.open("rb") as opened:
                head = opened.read(_OWNER + 4)
            if not (head.startswith(_MAGIC) and head[_OWNER:] == APPLICATION_ID.to_bytes(4, "big")):
                return False
            path.replace(aside)
            for log in ("-wal", "-shm"):
                with suppress(FileNotFoundError):
                    path.with_name(path.name + log).replace(aside.with_name(aside.name + log))
        except OSError:
            return False
        self.aside = aside
        return True

    def load(self) -> list[Row]:
        """Every row, the one longest unused first."""
        with closing(self._open.execute(_SELECT)) as cursor:
            return [Row._make(values) for values in cursor]

    def write(self, rows: Mapping[bytes, Row | None]) -> None:
        """Write the rows by token in one transaction; None deletes.

        Where the file was taken away or replaced, writes would go to one that has no name any more, and SQLite says
        nothing. Then this call fails, and the next one writes to the file of that name, which is made if need be; so it
        is with a file that turns out to be damaged.
        """
        if self._file is not None and self._file != self._named():
            self._open_again()
        try:
            self._write(self._open, rows)
        except sqlite3.Error as error:
            if _is_damage(error):
                self._open_again()
            raise

    def _write(self, connection: sqlite3.Connection, rows: Mapping[bytes, Row | None]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.executemany("DELETE FROM binding WHERE token = ?", [(t,) for t, row in rows.items() if not row])
            connection.executemany(_REPLACE, [row for row in rows.values() if row])
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise

    def _named(self) -> tuple[int, int]:
        """Which file has our name now."""
        try:
            found = os.stat(self._path)
        except OSError:
            return (0, 0)
        return (found.st_dev, found.st_ino)

    def _open_again(self) -> None:
        self.close()
        try:
            self.open()
        except StoreError as error:
            raise sqlite3.OperationalError(str(error)) from error
        what = f"was damaged, and is {self.aside} now" if self.aside else "was taken away while in use"
        raise sqlite3.OperationalError(f"it {what}; it is made anew, and fills as clients register")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise sqlite3.ProgrammingError("the store is not open")
        return self._connection

    def _create(self) -> None:
        path = self._path
        try:
            # SQLite gives its log the mode of the file.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            return
        except FileNotFoundError as error:
            text = f"the folder {path.parent} does not exist: make it, or set store to another path"
            raise StoreError(f"{path} cannot be made: {text}") from error
        except OSError as error:
            text = f"{path} cannot be made: {error.strerror}; set store to a path we may write"
            raise StoreError(text) from error

    def _migrate(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")  # of several processes that start at once, one does it
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        owner = connection.execute("PRAGMA application_id").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if owner != APPLICATION_ID and (owner or version or tables):
            raise StoreError(f"{self._path} is a database of another program: set store to another path")
        if version > len(MIGRATIONS):
            raise StoreError(
                f"{self._path} was written by a newer sipmend (schema {version}, this one knows {len(MIGRATIONS)}): "
                "install that version again, or move the file away and let clients register again"
            )
        for number in range(version, len(MIGRATIONS)):
            connection.execute(MIGRATIONS[number])
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")


def complaint(path: Path, error: sqlite3.Error) -> str:
    """What an administrator reads about an error of SQLite."""
    if isinstance(error.__cause__, StoreError):
        return str(error)  # one of ours, which names the file
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_CORRUPT:
        return _damaged(path)
    if code == sqlite3.SQLITE_NOTADB:
        return f"{path} is not a database: set store to another path, or move the file away"
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return f"{path} cannot be written (the file and its folder both have to be): set store to a path we may write"
    if code == sqlite3.SQLITE_BUSY:
        return f"{path} is locked by another process (fuser {path} shows by which)"
    if code == sqlite3.SQLITE_FULL:
        return f"{path} cannot be written: the disk is full"
    return f"{path} cannot be used: {error}"


def _is_damage(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_CORRUPT


def _damaged(path: Path) -> str:
    return (
        f"{path} is damaged: move it away together with {path.name}-wal and {path.name}-shm and start again; "
        "clients are back with their next REGISTER"
    )
