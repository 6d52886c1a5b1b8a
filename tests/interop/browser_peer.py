"""A real Chromium, and the phones in its pages: SIP.js or JsSIP, steered over JSON lines (`browser/driver.mjs`)."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from peer_process import lacks, need
from sip_wire import Seen

FOLDER = Path(__file__).parent / "browser"
START = 60.0
PATIENCE = 15.0
SLACK = 20.0  # the driver answers in time; this is for a machine that is busy with other things


class PageError(AssertionError):
    """The page could not do what it was told, or what it waited for did not happen."""


class Browser:
    """Chromium without a window, for many pages one after the other."""

    def __init__(self, work: Path) -> None:
        chromium = need("chromium", "chromium")
        node = need("node", "nodejs")
        if not (FOLDER / "node_modules").is_dir():
            lacks(f"The JavaScript packages of the browsers are not installed: npm ci --prefix {FOLDER}")
        work.mkdir(parents=True, exist_ok=True)
        self._log_path = work / "browser.log"
        self._number = 0
        self._unread = b""
        with self._log_path.open("wb") as log:
            self._process = subprocess.Popen(
                [node, str(FOLDER / "driver.mjs"), chromium],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=work,
                start_new_session=True,
            )
        try:
            self._answer(0, START)
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def ask(self, command: str, patience: float = PATIENCE, **words: Any) -> Any:
        """Have the driver do something; raises PageError with what it says if that fails."""
        self._number += 1
        line = json.dumps({"id": self._number, "command": command, **words}) + "\n"
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode())
        self._process.stdin.flush()
        return self._answer(self._number, patience + SLACK)

    def _answer(self, number: int, patience: float) -> Any:
        deadline = time.monotonic() + patience
        while True:
            line = json.loads(self._line(deadline))
            if line["id"] != number:
                continue
            if "error" in line:
                raise PageError(line["error"])
            return line["value"]

    def _line(self, deadline: float) -> bytes:
        assert self._process.stdout is not None
        while b"\n" not in self._unread:
            left = deadline - time.monotonic()
            ready = left > 0 and select.select([self._process.stdout], [], [], left)[0]
            more = os.read(self._process.stdout.fileno(), 65536) if ready else b""
            if not more:
                raise PageError(f"the browser is silent:\n{self._log_path.read_text(errors='replace')[-3000:]}")
            self._unread += more
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def stop(self) -> None:
        """End the driver, which ends Chromium; if it does not, its end does (Chromium lives on a pipe to it)."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process.stdout.close()


class Page:
    """A page with one phone in it. Events are those of `browser/page.mjs`; each is taken once."""

    def __init__(self, browser: Browser, library: str, user: str, server: str, **settings: Any) -> None:
        self.browser = browser
        self.user = user
        self.settings = {
            "library": library,
            "user": user,
            "password": f"{user}pw",
            "domain": "pbx.test",
            "server": server,
            **settings,
        }
        self._page = browser.ask("open", path="/")

    def start(self) -> Self:
        """Make the phone and wait until it has registered."""
        self.browser.ask("phone", page=self._page, settings=self.settings)
        self.expect("registered")
        return self

    def do(self, method: str, *values: Any, patience: float = PATIENCE) -> Any:
        """Call a method of the phone."""
        try:
            return self.browser.ask("ask", patience, page=self._page, method=method, values=values)
        except PageError as error:
            raise PageError(f"{self.user}: {error}{self._story()}") from None

    def expect(self, *events: str, patience: float = PATIENCE) -> None:
        """Wait for each of these events in turn."""
        for event in events:
            self.do("take", event, patience * 1000, patience=patience)

    def unread(self) -> list[str]:
        """The events that nobody has waited for."""
        found: list[str] = self.do("unread")
        return found

    def call(self, user: str, **options: Any) -> None:
        """Send an INVITE to a user of the domain."""
        self.do("call", f"sip:{user}@{self.settings['domain']}", options)

    def reload(self) -> None:
        """Load the page again, as F5 does; its phone is gone, `start` makes the next one."""
        self.browser.ask("reload", page=self._page)

    def received(self) -> list[Seen]:
        """Every SIP message that came by WebSocket."""
        return self._messages(sent=False)

    def sent(self) -> list[Seen]:
        """Every SIP message that left by WebSocket."""
        return self._messages(sent=True)

    def _messages(self, sent: bool) -> list[Seen]:
        frames: Sequence[tuple[bool, str]] = self.browser.ask("frames", page=self._page)
        return [Seen(text.encode()) for was_sent, text in frames if was_sent == sent and text.strip()]

    def _story(self) -> str:
        """For the failure: what went over the WebSocket, and what the page complained of."""
        frames = self.browser.ask("frames", page=self._page)
        lines = [f"{'>' if sent else '<'} {text.splitlines()[0]}" for sent, text in frames if text.strip()]
        return "\n".join(["", *lines[-30:], *self.browser.ask("complaints", page=self._page)])

    def close(self) -> None:
        self.browser.ask("close", page=self._page)
