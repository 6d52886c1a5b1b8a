"""coturn tells us our public address, and its client keeps a NAT open at our SIP port (RFC 8489, RFC 5626)."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from behind_nat import INSIDE, NAT, OUTSIDE, behind_nat
from coturn_peer import Coturn
from peer_process import PeerProcess, fresh_address, need
from sipmend_peer import READY, Sipmend, command

KNOWN = re.compile(r"listening on (\w+)://\S+ for clients, known as (\S+)")


@pytest.fixture
def coturn(tmp_path: Path) -> Iterator[Coturn]:
    peer = Coturn(fresh_address(), tmp_path / "coturn")
    yield peer
    peer.stop()


def test_coturn_tells_the_public_address(coturn: Coturn, tmp_path: Path) -> None:
    """Without a NAT between us it sees the very address and port that the listener has."""
    edge = Sipmend("sip:127.0.0.9:5060", tmp_path / "sipmend", changes={"public_address": coturn.uri})
    try:
        known = KNOWN.findall(edge.process.log())
        assert known == [("udp", f"{edge.edge}:5060"), ("tcp", f"{edge.edge}:5060")]
        edge.assert_sound()
    finally:
        edge.stop()


def test_check_tells_what_coturn_says(coturn: Coturn, tmp_path: Path) -> None:
    config = tmp_path / "sipmend.yaml"
    own = fresh_address()
    config.write_text(
        yaml.safe_dump(
            {
                "server": {"domain": "pbx.test", "uri": "sip:127.0.0.9", "bind": f"udp://{own}:5070"},
                "listen": [f"udp://{own}:5060"],
                "public_address": coturn.uri,
                "admin": {"listen": "off"},
                "token_key": str(tmp_path / "token.key"),
            }
        )
    )
    done = subprocess.run(
        [*command(), "check", "-c", str(config)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"public_address: the STUN server {coturn.host}:3478 sees this machine at {own}" in done.stderr


def test_the_client_of_coturn_is_answered_at_the_sip_port(edge: Sipmend) -> None:
    """It is what a phone does that keeps its NAT open by STUN."""
    done = subprocess.run(
        [need("turnutils_stunclient", "coturn"), "-p", "5060", edge.edge],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"UDP reflexive addr: 127\.[\d.]+:\d+", done.stdout), done.stdout
    assert edge.becomes("sipmend_keepalives_total", 1, direction="in", kind="stun")


def test_behind_a_nat_the_port_is_that_of_the_listener(tmp_path: Path) -> None:
    """The NAT keeps port numbers where it can: the mapping that coturn sees is that of port 5060, not of another."""
    with behind_nat() as nat:
        coturn = Coturn(OUTSIDE, tmp_path / "coturn", nat.inside("out"))
        config = tmp_path / "sipmend.yaml"
        config.write_text(
            yaml.safe_dump(
                {
                    "server": {"domain": "pbx.test", "uri": "sip:10.9.0.1", "bind": f"udp://{INSIDE}:5070"},
                    "listen": ["udp://0.0.0.0:5060", "udp://0.0.0.0:5062", "tcp://0.0.0.0:5064"],
                    "public_address": coturn.uri,
                    "admin": {"listen": "off"},
                    "token_key": str(tmp_path / "token.key"),
                }
            )
        )
        argv = [*nat.inside("in"), *command(), "run", "-c", str(config)]
        proxy = PeerProcess(argv, tmp_path / "sipmend", "sipmend", {"PYTHONUNBUFFERED": "1"})
        try:
            proxy.await_start(lambda: bool(READY.search(proxy.log())))
            assert KNOWN.findall(proxy.log()) == [
                ("udp", f"{NAT}:5060"), ("udp", f"{NAT}:5062"), ("tcp", f"{NAT}:5064"),
            ]  # fmt: skip
        finally:
            proxy.stop()
            coturn.stop()
