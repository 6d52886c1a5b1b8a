"""`sipmend run` in a process of its own, on free ports of the loopback interface."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.support.wire_end import PATIENCE, WireEnd, free_port

ROOT = Path(__file__).parents[2]


class RunningProxy:
    """One running proxy; `config` is its file, which a test may write anew before `signal.SIGHUP`."""

    def __init__(
        self, folder: Path, server: str, listen: list[str] | None = None, extra: str = "", store: str = ""
    ) -> None:
        self.port, self.side, self.admin = free_port(), free_port(), free_port()
        self.server = server
        self.listen = listen or [f"udp://127.0.0.1:{self.port}", f"tcp://127.0.0.1:{self.port}"]
        self.folder = folder
        self.store = store or f"sqlite:{folder}/bindings{self.port}.db"
        self.config = folder / f"edge{self.port}.yaml"
        self.write(extra)
        self._out = folder / f"out{self.port}"
        self._err = folder / f"err{self.port}"
        self.start()

    def start(self) -> None:
        with self._out.open("wb") as out, self._err.open("wb") as err:
            command = [sys.executable, "-m", "proxy", "run", "-c", str(self.config)]
            self.process = subprocess.Popen(command, stdout=out, stderr=err, cwd=ROOT)
        self.wait(lambda: "ready\n" in self._out.read_text() or self.process.poll() is not None)
        assert self.process.poll() is None, self.errors

    def write(self, extra: str = "") -> None:
        """The configuration, with these further sections."""
        listen = "".join(f"  - {uri}\n" for uri in self.listen)
        self.config.write_text(
            f"server:\n  domain: example.com\n  uri: {self.server}\n  bind: udp://127.0.0.1:{self.side}\n"
            f"listen:\n{listen}admin: {{listen: '127.0.0.1:{self.admin}'}}\n"
            f"token_key: {self.folder}/key{self.port}\nstore: {self.store}\n{extra}\n"
        )

    @property
    def errors(self) -> str:
        """What stands on its standard error."""
        return self._err.read_text()

    def wait(self, condition) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, f"what the test waits for did not happen\n{self.errors}"
            time.sleep(0.02)

    def udp(self, host: str = "127.0.0.1") -> WireEnd:
        return WireEnd.udp(host)

    def tcp(self, host: str = "127.0.0.1") -> WireEnd:
        return WireEnd.tcp(host, self.port)

    def get(self, path: str) -> str:
        """A page of the administrator."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}{path}", timeout=PATIENCE) as page:
                return page.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.read().decode()

    def metric(self, name: str) -> float:
        """One sample of /metrics, named with its labels; 0 if it is not there."""
        for line in self.get("/metrics").splitlines():
            if line.startswith(f"{name} "):
                return float(line.rsplit(" ", 1)[1])
        return 0.0

    def dropped(self, reason: str) -> float:
        return self.metric(f'sipmend_dropped_total{{reason="{reason}"}}')

    def kill(self) -> None:
        """End it as a power cut would: no signal that it could hear."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """End it in order; returns its exit code.

        While requests are unanswered it waits for ten seconds; a second signal ends that, and it by that signal.
        """
        for _ in range(2):
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
            try:
                return self.process.wait(1.5)
            except subprocess.TimeoutExpired:
                continue
        self.process.kill()
        return self.process.wait()
