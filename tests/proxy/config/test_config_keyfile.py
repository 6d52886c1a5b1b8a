"""The key of our tokens: made once, never readable by others, two during rotation."""

from __future__ import annotations

import os
import stat

import pytest

from proxy.config import keyfile
from proxy.config.keyfile import KeyFileError, default_key_path, load_or_create_key, read_key

ONE, TWO = "ab" * 32, "CD" * 32


@pytest.fixture
def key(tmp_path):
    return tmp_path / "token.key"


def write(path, text, mode=0o600):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


def test_the_first_start_makes_a_key_that_only_we_can_read(key):
    keys = load_or_create_key(key)
    assert [len(octets) for octets in keys] == [32]
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.read_text() == keys[0].hex() + "\n"


def test_the_mode_does_not_depend_on_the_umask(key):
    before = os.umask(0)
    try:
        load_or_create_key(key)
    finally:
        os.umask(before)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_the_next_start_has_the_same_key(key):
    assert load_or_create_key(key) == load_or_create_key(str(key))


def test_two_files_have_different_keys(tmp_path):
    assert load_or_create_key(tmp_path / "a") != load_or_create_key(tmp_path / "b")


def test_nothing_else_is_left_behind(key):
    load_or_create_key(key)
    assert [path.name for path in key.parent.iterdir()] == ["token.key"]


def test_folders_are_made_for_us_alone(tmp_path):
    load_or_create_key(tmp_path / "state" / "token.key")
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_of_two_first_starts_one_makes_the_key(key, monkeypatch):
    """The other process is faster between our look and our writing."""
    link = os.link

    def slow_link(source, target):
        write(key, ONE)
        link(source, target)

    monkeypatch.setattr(keyfile.os, "link", slow_link)
    assert load_or_create_key(key) == (bytes.fromhex(ONE),)
    assert [path.name for path in key.parent.iterdir()] == ["token.key"]


def test_a_key_that_vanishes_again_is_an_error(key, monkeypatch):
    monkeypatch.setattr(keyfile.os, "link", lambda source, target: None)
    with pytest.raises(KeyFileError, match="was removed while we made it"):
        load_or_create_key(key)


def test_the_first_line_is_the_current_key_and_the_second_the_one_before(key):
    write(key, f"# rotated in May\n{ONE}\n\n  {TWO}  \r\n")
    assert read_key(key) == (bytes.fromhex(ONE), bytes.fromhex(TWO))


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o440])
def test_the_group_may_read_as_orchestrators_mount_secrets(key, mode):
    assert read_key(write(key, ONE, mode)) == (bytes.fromhex(ONE),)


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o620, 0o602, 0o666])
def test_a_key_that_others_can_read_or_change_is_refused(key, mode):
    with pytest.raises(KeyFileError, match=f"has mode {mode:04o}, so others can read or change the key: chmod 600 "):
        load_or_create_key(write(key, ONE, mode))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no key: restore it from a backup"),
        ("# only words\n", "holds no key"),
        (ONE[:-1], ":1: not a key of 64 hexadecimal digits"),
        (f"{ONE}\n{ONE}0\n", ":2: not a key of 64 hexadecimal digits"),
        (b"\xff\x00" * 16, ":1: not a key"),
        (f"{ONE}\n{TWO}\n{ONE}\n", "holds more than 2 keys"),
        (f"{ONE}\n" + "\n" * 5000, "holds more than 2 keys"),
    ],
)
def test_a_garbled_file_is_refused_and_never_replaced(key, text, message):
    write(key, text)
    before = key.read_bytes()
    with pytest.raises(KeyFileError) as caught:
        load_or_create_key(key)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(key))
    assert key.read_bytes() == before


def test_an_error_never_shows_the_key(key):
    with pytest.raises(KeyFileError) as caught:
        read_key(write(key, ONE + "z"))
    assert ONE[:16] not in str(caught.value)


def test_only_a_regular_file_is_read(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    for path in (pipe, tmp_path):
        with pytest.raises(KeyFileError, match="is not a regular file"):
            read_key(path)


def test_a_link_to_the_key_is_followed(key, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(write(key, ONE))
    assert read_key(link) == (bytes.fromhex(ONE),)


def test_a_path_that_cannot_be_opened(tmp_path):
    file = write(tmp_path / "file", "x")
    with pytest.raises(KeyFileError, match="cannot be read: Not a directory"):
        read_key(file / "token.key")


def test_a_folder_that_cannot_be_made_names_the_setting(key, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(keyfile.os, "open", lambda path, flags, *mode: refuse() if mode else os_open(path, flags))
    with pytest.raises(KeyFileError, match="cannot be made: Permission denied; set token_key to a path we may write"):
        load_or_create_key(key)


os_open = os.open


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"XDG_STATE_HOME": "/state", "HOME": "/home/a"}, "/state/sipmend/token.key"),
        ({"XDG_STATE_HOME": "state", "HOME": "/home/a"}, "/home/a/.local/state/sipmend/token.key"),
        ({"HOME": "/home/a"}, "/home/a/.local/state/sipmend/token.key"),
    ],
)
def test_the_default_path_of_a_user(environ, path, tmp_path, monkeypatch):
    monkeypatch.setattr(keyfile, "SYSTEM_KEY", tmp_path / "none" / "token.key")
    assert str(default_key_path(environ)) == path


def test_the_default_path_of_the_service(tmp_path, monkeypatch):
    monkeypatch.setattr(keyfile, "SYSTEM_KEY", tmp_path / "token.key")
    assert default_key_path({"HOME": "/home/a"}) == tmp_path / "token.key"
