"""The file: made, opened, refused with a sentence an administrator can act on, written in one transaction."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from contextlib import closing

import pytest
from kept_clients import client

from proxy.store import database as module
from proxy.store.contract import StoreError
from proxy.store.database import MIGRATIONS, Database
from proxy.store.row import row_of


def row(name="alice", **values):
    return row_of(client(name, **values), 100.0, 1_000_000.0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "bindings.db"


@pytest.fixture
def opened():
    """Opens files, and closes them at the end."""
    made = []

    def opened(path):
        database = Database(path)
        made.append(database)
        database.open()
        return database

    yield opened
    for database in made:
        database.close()


def refusal(path):
    database = Database(path)
    with pytest.raises(StoreError) as caught:
        database.open()
    database.close()
    return str(caught.value)


def filled(path, count=1):
    database = Database(path)
    database.open()
    database.write({b"b%d" % n: row(f"client{n}") for n in range(count)})
    database.close()


def altered(path, statement):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement)


def test_new_file_is_for_its_owner_only(opened, path):
    """It says who registers from where."""
    umask = os.umask(0)
    try:
        database = opened(path)
        database.write({b"ba": row()})
    finally:
        os.umask(umask)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == dict.fromkeys(["bindings.db", "bindings.db-wal", "bindings.db-shm"], 0o600)


def test_what_was_written_is_there_after_opening_again(opened, path):
    first, second = row("alice", instance=b"\xff\x00", outbound=True), row("bob", last_used=50.0)
    database = opened(path)
    database.write({first.token: first, second.token: second})
    database.close()
    assert opened(path).load() == [second, first], "the one longest unused comes first"


def test_commit_is_there_for_others_at_once(opened, path):
    """`kill -9` after it loses nothing: what another connection sees is in the kernel's hands."""
    database = opened(path)
    database.write({b"balice": row()})
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT aor FROM binding").fetchall() == [(b"alice@example.com",)]


def test_newer_state_takes_the_place_of_the_older(opened, path):
    database = opened(path)
    database.write({b"balice": row()})
    newer = row(contact=b"sip:new@h")
    database.write({b"balice": newer})
    assert database.load() == [newer]
    database.write({b"balice": None, b"bnobody": None})
    assert database.load() == []


def test_transaction_is_whole_or_not_at_all(opened, path):
    database = opened(path)
    good, bad = row("alice"), row("bob")._replace(reg_id="two")
    with pytest.raises(sqlite3.IntegrityError):
        database.write({good.token: good, bad.token: bad})
    assert database.load() == []
    database.write({good.token: good})
    assert database.load() == [good]


def test_two_processes_may_use_one_file(opened, path):
    """Workers of one machine: each sees what the other committed."""
    one, other = opened(path), opened(path)
    one.write({b"balice": row()})
    other.write({b"bbob": row("bob")})
    assert {kept.token for kept in one.load()} == {b"balice", b"bbob"}


def test_nothing_works_before_it_is_open(path):
    with pytest.raises(sqlite3.ProgrammingError):
        Database(path).load()


# -- refused


def test_missing_folder(tmp_path):
    path = tmp_path / "none" / "bindings.db"
    assert refusal(path) == (
        f"{path} cannot be made: the folder {path.parent} does not exist: make it, or set store to another path"
    )


def test_folder_that_is_not_ours(path, monkeypatch):
    def deny(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(module.os, "open", deny)
    assert refusal(path) == f"{path} cannot be made: Permission denied; set store to a path we may write"


def test_folder_in_place_of_the_file(tmp_path):
    assert refusal(tmp_path) == (
        f"{tmp_path} cannot be written (the file and its folder both have to be): set store to a path we may write"
    )


def test_file_of_another_kind_is_left_alone(path):
    path.write_text("My notes on SIP. " * 200)
    assert refusal(path) == f"{path} is not a database: set store to another path, or move the file away"
    assert path.read_text().startswith("My notes")


@pytest.mark.parametrize("statement", ["CREATE TABLE songs (title)", "PRAGMA user_version = 1"])
def test_database_of_another_program_is_left_alone(path, statement):
    altered(path, statement)
    assert refusal(path) == f"{path} is a database of another program: set store to another path"
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'binding'").fetchone() == (0,)


def test_file_of_a_newer_version(path):
    filled(path)
    altered(path, f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    assert refusal(path) == (
        f"{path} was written by a newer sipmend (schema {len(MIGRATIONS) + 1}, this one knows {len(MIGRATIONS)}): "
        "install that version again, or move the file away and let clients register again"
    )


def damage(path):
    """Break every page but the first."""
    octets = bytearray(path.read_bytes())
    for place in range(4096, len(octets), 4096):
        octets[place : place + 64] = b"\xa5" * 64
    path.write_bytes(octets)


def test_damaged_file_is_put_aside(path, opened):
    """Refusing to start would keep all clients out until somebody comes; this costs until their next REGISTER."""
    filled(path, 500)
    damage(path)
    database = opened(path)
    assert database.aside == path.with_name("bindings.db.damaged")
    assert database.aside.stat().st_size > 4096
    assert database.load() == []
    database.write({b"b1": row()})
    assert len(opened(path).load()) == 1
    assert opened(path).aside is None


def test_damaged_file_of_another_program_stays_where_it_is(path):
    filled(path, 500)
    altered(path, "PRAGMA application_id = 1")
    damage(path)
    assert refusal(path).startswith(f"{path} is ")
    assert [file.name for file in path.parent.iterdir()] == ["bindings.db"]


def test_damaged_file_that_cannot_be_renamed(path):
    filled(path, 500)
    damage(path)
    path.with_name("bindings.db.damaged").mkdir()
    assert refusal(path) == (
        f"{path} is damaged: move it away together with bindings.db-wal and bindings.db-shm and start again; "
        "clients are back with their next REGISTER"
    )


def test_damaged_file_that_another_process_has_put_aside(path, opened, monkeypatch):
    filled(path, 500)
    damage(path)

    def late(database, file):
        monkeypatch.undo()
        opened(path)
        return database._put_aside(file)

    monkeypatch.setattr(Database, "_put_aside", late)
    database = opened(path)
    assert database.aside is None
    database.write({b"b1": row()})
    assert len(opened(path).load()) == 1


def test_file_that_is_damaged_while_in_use(path, opened):
    filled(path, 500)
    database = opened(path)
    damage(path)
    database._open.execute("PRAGMA shrink_memory")  # SQLite forgets the pages that it has read
    with pytest.raises(sqlite3.OperationalError, match=r"was damaged, and is .*damaged now") as caught:
        database.write({b"b%d" % n: None for n in range(500)})
    assert "made anew" in module.complaint(path, caught.value)
    database.write({b"b2": row("bob")})
    assert len(opened(path).load()) == 1


def test_file_that_another_process_holds(path, monkeypatch):
    filled(path)
    monkeypatch.setattr(module, "BUSY", 0.0)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert refusal(path) == f"{path} is locked by another process (fuser {path} shows by which)"


@pytest.mark.parametrize(
    ("code", "text"),
    [(sqlite3.SQLITE_FULL, "cannot be written: the disk is full"), (sqlite3.SQLITE_IOERR, "cannot be used: boom")],
)
def test_other_troubles(path, code, text):
    error = sqlite3.OperationalError("boom")
    error.sqlite_errorcode = code
    assert module.complaint(path, error) == f"{path} {text}"


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_is_taken_away_while_in_use_is_made_anew(path, opened, replaced):
    """What is written to a file without a name is lost: SQLite would not say so."""
    database = opened(path)
    database.write({b"b1": row()})
    for file in path.parent.iterdir():
        file.unlink()
    if replaced:
        filled(path, 2)
    with pytest.raises(sqlite3.OperationalError, match="taken away"):
        database.write({b"b2": row("bob")})
    database.write({b"b2": row("bob")})
    assert len(opened(path).load()) == (3 if replaced else 1)


def test_a_file_that_cannot_be_made_anew_is_tried_again(path, opened):
    database = opened(path)
    for file in path.parent.iterdir():
        file.unlink()
    path.write_bytes(b"x" * 5000)
    for _ in range(2):
        with pytest.raises(sqlite3.Error):
            database.write({b"b2": row("bob")})
    path.unlink()
    with pytest.raises(sqlite3.OperationalError, match="made anew"):
        database.write({b"b2": row("bob")})
    database.write({b"b2": row("bob")})
    assert len(opened(path).load()) == 1


# -- versions


def test_file_of_an_older_version_is_brought_up_to_date(path, monkeypatch, opened):
    """Each step once, in order, and what is there stays."""
    filled(path)
    monkeypatch.setattr(module, "MIGRATIONS", (*MIGRATIONS, "ALTER TABLE binding ADD COLUMN node BLOB"))
    assert len(opened(path).load()) == 1
    assert len(opened(path).load()) == 1
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)
        assert connection.execute("SELECT node FROM binding").fetchall() == [(None,)]


def test_step_that_fails_changes_nothing(path, monkeypatch, opened):
    filled(path)
    with monkeypatch.context() as patched:
        patched.setattr(module, "MIGRATIONS", (*MIGRATIONS, "ALTER TABLE binding ADD COLUMN node", "nonsense"))
        assert refusal(path).startswith(f"{path} cannot be used: ")
    assert len(opened(path).load()) == 1
