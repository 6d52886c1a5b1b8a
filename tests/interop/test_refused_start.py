"""A start that cannot succeed ends with exit code 2 and one line that says what to do, never a traceback."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import yaml
from peer_process import fresh_address
from sipmend_peer import CLIENT_PORT, SERVER_PORT, Value, run_once, settings


def refused(tmp_path: Path, edge: str, inside: str, changes: dict[str, Value]) -> str:
    """Start with these settings; returns the complaint after checking its form."""
    file = tmp_path / "sipmend.yaml"
    file.write_text(yaml.safe_dump(settings("sip:127.0.0.9:5060", "pbx.test", edge, inside, tmp_path) | changes))
    done = run_once(file)
    complaint = done.stderr.strip()
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "ready" not in done.stdout.split()
    assert len(complaint.splitlines()) == 1, complaint
    return complaint


@pytest.mark.parametrize("kind", ["udp", "tcp"])
def test_client_port_in_use(tmp_path: Path, kind: str) -> None:
    """The line names the listener that could not be bound."""
    edge = fresh_address()
    with socket.socket(type=socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as taken:
        taken.bind((edge, CLIENT_PORT))
        if kind == "tcp":
            taken.listen()
        complaint = refused(tmp_path, edge, fresh_address(), {})
    assert f"{kind}://{edge}:{CLIENT_PORT}" in complaint
    assert "in use" in complaint.lower()


def test_server_port_in_use(tmp_path: Path) -> None:
    """The same for the socket that faces the server."""
    inside = fresh_address()
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        taken.bind((inside, SERVER_PORT))
        complaint = refused(tmp_path, fresh_address(), inside, {})
    assert f"{inside}:{SERVER_PORT}" in complaint


def test_unreadable_token_key(tmp_path: Path) -> None:
    """A directory in the key file's place: root may read anything else."""
    (tmp_path / "a-directory.key").mkdir()
    complaint = refused(tmp_path, fresh_address(), fresh_address(), {"token_key": str(tmp_path / "a-directory.key")})
    assert "a-directory.key" in complaint


def test_unresolvable_server(tmp_path: Path) -> None:
    """A name that does not exist, by RFC 6761, is said to be unresolvable."""
    inside = fresh_address()
    server: Value = {
        "domain": "pbx.test",
        "uri": "sip:pbx.invalid:5060",
        "bind": f"udp://{inside}:{SERVER_PORT}",
        "address": inside,
    }
    complaint = refused(tmp_path, fresh_address(), inside, {"server": server})
    assert "pbx.invalid" in complaint
