"""Start and stop the programs of the interop tests: each in a session of its own, ended by its id."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import pytest

_hosts = itertools.count(1)


def fresh_address() -> str:
    """A loopback address that no other test of this run uses, in blocks that belong to this process."""
    block, number = os.getpid(), next(_hosts)
    # The further blocks of one process are far from those of its neighbours.
    return f"127.{64 + ((block >> 8) + 37 * (number // 254)) % 128}.{block % 256}.{number % 254 + 1}"


def free_port(host: str) -> int:
    """A port that is free for UDP and TCP on this address right now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        with (
            socket.socket(family, socket.SOCK_STREAM) as stream,
            socket.socket(family, socket.SOCK_DGRAM) as datagram,
        ):
            stream.bind((host, 0))
            port: int = stream.getsockname()[1]
            try:
                datagram.bind((host, port))
            except OSError:
                continue
            return port


def need(program: str, package: str) -> str:
    """The program's path. Without it the test is skipped and says what to install; with CI=true it fails."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
    if found:
        return found
    lacks(f"{program} is not installed: apt-get install -y --no-install-recommends {package}")


def lacks(text: str) -> NoReturn:
    """Skip the test because this machine lacks something; with CI=true fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(text)
    pytest.skip(text)


def need_file(pattern: str, package: str) -> None:
    """As `need`, for a file whose path has wildcards."""
    if not list(Path("/").glob(pattern.lstrip("/"))):
        need(pattern, package)


class PeerProcess:
    """A program in the foreground whose output (both streams) goes to one log file."""

    def __init__(
        self, argv: Sequence[str], work: Path, name: str, environment: Mapping[str, str] | None = None
    ) -> None:
        work.mkdir(parents=True, exist_ok=True)
        self.log_path = work / f"{name}.log"
        self.name = name
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=work,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def log(self) -> str:
        """Everything the program wrote so far."""
        return self.log_path.read_text(errors="replace")

    def await_start(self, is_up: Callable[[], bool], patience: float = 60.0) -> None:
        """Wait until the program is up; raises RuntimeError with the end of its log if that never comes."""
        deadline = time.monotonic() + patience
        while not is_up():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"{self.name} did not start:\n{self.log()[-3000:]}")
            time.sleep(0.05)

    def stop(self, grace: float = 5.0) -> int:
        """End the program and what it started, politely first; returns its exit code."""
        for kind in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is not None:
                break
            os.killpg(self.process.pid, kind)
            try:
                self.process.wait(grace)
            except subprocess.TimeoutExpired:
                continue
        return self.process.wait()


def eventually(holds: Callable[[], bool], patience: float = 5.0) -> bool:
    """Whether the condition comes true within the patience."""
    deadline = time.monotonic() + patience
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
