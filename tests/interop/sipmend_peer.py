"""sipmend as an administrator starts it: a YAML file, the command line, `/metrics`; nothing is imported."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from peer_process import PeerProcess, eventually, fresh_address
from prometheus_client.parser import text_string_to_metric_families

CLIENT_PORT = 5060
SERVER_PORT = 5070
ADMIN_PORT = 9060
WS_PORT = 8080
WSS_PORT = 8443
TLS_PORT = 5061
READY = re.compile(r"^ready\b", re.MULTILINE)
Value = Any  # what YAML can say


def command() -> list[str]:
    """The installed command, or the package run as a module where the environment has no scripts."""
    script = Path(sys.executable).with_name("sipmend")
    return [str(script)] if script.exists() else [sys.executable, "-m", "proxy"]


def settings(server: str, domain: str, edge: str, inside: str, work: Path) -> dict[str, Value]:
    """The configuration of the tests: UDP and TCP for clients on `edge`, the server side on `inside`."""
    return {
        "server": {
            "domain": domain,
            "uri": server,
            "bind": f"udp://{inside}:{SERVER_PORT}",
            "address": inside,
        },
        "public_address": edge,
        "listen": [f"udp://{edge}:{CLIENT_PORT}", f"tcp://{edge}:{CLIENT_PORT}"],
        "admin": {"listen": f"{edge}:{ADMIN_PORT}"},
        "store": "memory",
        "token_key": str(work / "token.key"),
    }


def secured(edge: str, certificate: tuple[Path, Path]) -> dict[str, Value]:
    """What is added for TLS and browsers; the certificate and its key are PEM files."""
    uris = [f"tls://{edge}:{TLS_PORT}", f"wss://{edge}:{WSS_PORT}", f"ws://{edge}:{WS_PORT}"]
    return {"listen": uris, "tls": dict(zip(("certificate", "private_key"), map(str, certificate), strict=True))}


class Sipmend:
    """A running proxy: `address` is where clients send, `inside` the IP address the server sees.

    `changes` are settings in place of the usual ones; those of `server` add to them. With a `certificate` for `edge`
    it takes TLS, WSS and WS as well.
    """

    def __init__(
        self,
        server: str,
        work: Path,
        domain: str = "pbx.test",
        health: dict[str, Value] | None = None,
        changes: Mapping[str, Value] | None = None,
        edge: str = "",
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        self.edge = edge or fresh_address()
        self.inside = fresh_address()
        self.address = (self.edge, CLIENT_PORT)
        self.server_side = (self.inside, SERVER_PORT)
        work.mkdir(parents=True, exist_ok=True)
        config = work / "sipmend.yaml"
        wanted = settings(server, domain, self.edge, self.inside, work)
        wanted["server"]["health"] = health or {}
        given = dict(changes or {})
        wanted["server"] |= given.pop("server", {})
        if "targets" in wanted["server"]:
            del wanted["server"]["uri"]
        more = secured(self.edge, certificate) if certificate else {"listen": []}
        wanted["listen"] += more.pop("listen")
        config.write_text(yaml.safe_dump(wanted | more | given))
        self._argv = [*command(), "run", "-c", str(config)]
        self._work = work
        self._starts = 0
        self.start()

    def start(self) -> None:
        """Start it, again if it was killed; each start has a log of its own."""
        self._starts += 1
        name = "sipmend" if self._starts == 1 else f"sipmend-{self._starts}"
        self.process = PeerProcess(self._argv, self._work, name, {"PYTHONUNBUFFERED": "1", "NO_COLOR": "1"})
        self.process.await_start(lambda: bool(READY.search(self.process.log())), 30)

    def kill(self) -> None:
        """End it at once, as a crash or a power cut does."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.process.wait()

    @property
    def wss(self) -> str:
        """Where browsers connect."""
        return f"wss://{self.edge}:{WSS_PORT}/sip"

    def metrics(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """Every sample of /metrics by name and sorted labels."""
        url = f"http://{self.edge}:{ADMIN_PORT}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            text = answer.read().decode()
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def total(self, name: str, **labels: str) -> float:
        """The sum of the samples of this name that have these labels; 0 where there is none."""
        return sum(
            value
            for (found, given), value in self.metrics().items()
            if found == name and labels.items() <= dict(given).items()
        )

    def becomes(self, name: str, at_least: float, patience: float = 15.0, **labels: str) -> bool:
        """Whether the sum reaches this value within the patience."""
        return eventually(lambda: self.total(name, **labels) >= at_least, patience)

    def assert_sound(self) -> None:
        """It still runs and never wrote a traceback."""
        assert self.process.process.poll() is None, f"the proxy ended:\n{self.process.log()[-3000:]}"
        assert "Traceback" not in self.process.log(), self.process.log()[-5000:]

    def stop(self) -> int:
        """End it by SIGTERM and return the exit code."""
        return self.process.stop(grace=10)


def run_once(config: Path, patience: float = 30.0) -> subprocess.CompletedProcess[str]:
    """Run the proxy with a file that it is expected to refuse."""
    return subprocess.run(
        [*command(), "run", "-c", str(config)],
        capture_output=True,
        text=True,
        timeout=patience,
        check=False,
        cwd=config.parent,
    )
