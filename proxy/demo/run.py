"""`sipmend demo`: a SIP server, sipmend in front of it, and three broken clients; then it stays up for phones.

Everything is real: sockets on loopback, the whole proxy with a configuration of its own. Only the printing is here.
"""

from __future__ import annotations

import contextlib
import errno
import secrets
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.rule import Rule
from rich.text import Text
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.python.failure import Failure

from proxy.config.errors import ConfigErrors
from proxy.config.load import parse_config
from proxy.demo.ladder import Ladder, draw_direct, draw_through
from proxy.demo.scenario import STORIES, Stage, Story, Walk
from proxy.demo.wire import Address
from proxy.service import Service, StartError

DOMAIN = "demo.test"
LOOPBACK = "127.0.0.1"
SIP_PORT = 5060
ADMIN_PORT = 9060
WEB_PORT = 8088
PHONE = "phone"
# How long one answer is waited for, in seconds: straight to the server most waiting is in vain.
DIRECT_PATIENCE = 1.2
PATIENCE = 5.0
# How often other ports are looked for when one is taken between the search and its use.
ATTEMPTS = 5

FAILED, REFUSED = 1, 2


class DemoFailedError(Exception):
    """The demo could not start; the text says why."""


@dataclass(frozen=True)
class Places:
    """The addresses of one demo: `public` is how phones reach it, `web` the port for browsers, `admin` on loopback."""

    listen: Address
    public: str
    server_side: int
    admin: int
    web: int


def free_port(host: str, wanted: int = 0) -> int:
    """The wanted port if UDP and TCP of it are free at that host, else another that is; 0 wants any."""
    for port in (wanted, *[0] * 20):
        with contextlib.ExitStack() as stack:
            udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            tcp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                udp.bind((host, port))
                tcp.bind((host, udp.getsockname()[1]))
            except OSError as problem:
                if problem.errno in (errno.EADDRINUSE, errno.EACCES):
                    continue
                raise DemoFailedError(f"{host} cannot be listened on: {problem.strerror}") from problem
            bound: int = udp.getsockname()[1]
            return bound
    raise DemoFailedError(f"no free port at {host}")


def own_address() -> str:
    """The address by which this machine is reached from its network; loopback if it has no other. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return LOOPBACK
        address: str = probe.getsockname()[0]
        return address


def find_places(listen: Address | None) -> Places:
    """Free addresses, with the usual ports where they are free. Raises DemoFailedError."""
    host = listen[0] if listen else LOOPBACK
    port = listen[1] if listen else free_port(LOOPBACK, SIP_PORT)
    public = own_address() if host == "0.0.0.0" else host
    return Places((host, port), public, free_port(LOOPBACK), free_port(LOOPBACK, ADMIN_PORT), free_port(host, WEB_PORT))


def configuration(places: Places, server: Address, folder: str) -> str:
    """The whole configuration of the demo's sipmend, as YAML."""
    host, port = places.listen
    return f"""\
server:
  domain: {DOMAIN}
  uri: sip:{server[0]}:{server[1]}
  bind: udp://{LOOPBACK}:{places.server_side}
public_address: {places.public}
listen:
  - udp://{host}:{port}
  - tcp://{host}:{port}
  - ws://{host}:{places.web}
admin:
  listen: {LOOPBACK}:{places.admin}
log:
  level: error
store: memory
token_key: {Path(folder, "token.key")}
"""


class Demo:
    """One demo: the stage, the proxy before it, and what is printed. `start`, then `show`, then `stop`."""

    def __init__(self, reactor: Any, console: Console, listen: Address | None) -> None:
        self._reactor = reactor
        self._console = console
        self._listen = listen
        self._folder: TemporaryDirectory[str] | None = None
        self._stage = Stage(reactor, DOMAIN.encode())
        self._service: Service | None = None
        self._password = secrets.token_hex(4)

    def _say(self, text: str = "", style: str = "") -> None:
        self._console.print(Text(text, style), soft_wrap=True)

    async def start(self) -> None:
        """Start the server and sipmend. Raises DemoFailedError."""
        self._folder = TemporaryDirectory(prefix="sipmend-demo-")
        server = self._stage.server
        server.registrar.add_account(PHONE.encode(), self._password.encode())
        self._places = find_places(self._listen)
        try:
            server.listen(LOOPBACK, media_host=self._places.public)
        except CannotListenError as problem:
            raise DemoFailedError(str(problem)) from problem
        for left in reversed(range(ATTEMPTS)):
            text = configuration(self._places, server.address, self._folder.name)
            try:
                lines = await self._start_proxy(text, self._folder.name)
                break
            except (ConfigErrors, StartError) as problem:
                if left == 0 or self._listen is not None:
                    raise DemoFailedError(str(problem)) from problem
                # A port that was free a moment ago may be taken by now.
                self._places = find_places(self._listen)
        self._say(f"A SIP server listens at {server.address[0]}:{server.address[1]}. Before it, sipmend with:")
        self._say(f"\n{text}", "dim")
        for line in lines:
            self._say(line)

    async def _start_proxy(self, text: str, folder: str) -> list[str]:
        """Start sipmend with that configuration; returns what it says."""
        lines: list[str] = []
        service = Service(parse_config(text, str(Path(folder, "sipmend.yaml")), {}), self._reactor, lines.append)
        await service.start()
        self._service = service
        return lines

    async def show(self) -> bool:
        """Play the three stories, each straight to the server and through sipmend. True if all went well there."""
        return self.summary([await self._tell(number, story) for number, story in enumerate(STORIES, 1)])

    def summary(self, results: Sequence[bool]) -> bool:
        """Say how many of the stories ended well; True if all did."""
        self._console.print(Rule())
        style = "bold" if all(results) else "bold red"
        self._say(f"{sum(results)} of {len(results)} broken clients work through sipmend.", style)
        return all(results)

    async def _tell(self, number: int, story: Story) -> bool:
        self._console.print(Rule(f"{number}. {story.title}"))
        self._say(story.defect)
        for remark, flaw in story.direct:
            self._say(f"\nStraight to the server{remark and ', ' + remark}:", "bold")
            walk = await self._stage.walk(flaw, self._stage.server.address, LOOPBACK, DIRECT_PATIENCE)
            for line in draw_direct(walk.seen, self._ladder("client", "server")):
                self._console.print(line, soft_wrap=True)
            self._list(walk, failures_only=True)
        self._say("\nThrough sipmend:", "bold")
        host, port = self._places.listen
        host = LOOPBACK if host == "0.0.0.0" else host
        walk = await self._stage.walk(story.flaw, (host, port), host, PATIENCE)
        records = list(self._service.inspector) if self._service is not None else []
        for line in draw_through(walk.seen, self._ladder("client", "sipmend", "server"), records):
            self._console.print(line, soft_wrap=True)
        self._list(walk)
        return walk.passed

    def _ladder(self, *columns: str) -> Ladder:
        return Ladder(columns, min(46, max(30, (self._console.width - 12) // 2)))

    def _list(self, walk: Walk, failures_only: bool = False) -> None:
        for check in walk.checks:
            if not check.passed:
                self._say(f"    FAILS  {check.name}" + (f": {check.detail}" if check.detail else ""), "red")
            elif not failures_only:
                self._say(f"    works  {check.name}", "green")

    def invite(self) -> None:
        """Say how to point a real phone at it."""
        places = self._places
        self._say(f"""
The demo stays up. Point a phone at it:
    server (registrar, domain, outbound proxy)  {places.public}:{places.listen[1]}, UDP or TCP
    user                                        {PHONE}
    password                                    {self._password}
Call echo: it answers, and you hear yourself. Call callback: it hangs up and calls you back.
Every repair is counted at http://{LOOPBACK}:{places.admin}/metrics (sipmend_repairs_total).
A browser (SIP.js, JsSIP) registers at ws://{places.public}:{places.web} from a page that is not https: that would need
wss. The server of the demo has no WebRTC, so a browser's calls to echo are refused.""")
        if places.public == LOOPBACK:
            self._say("For a phone on another machine: sipmend demo --listen 0.0.0.0:5060")
        self._say("Ctrl-C ends it.")

    async def stop(self) -> None:
        """Stop everything; nothing is left behind."""
        self._stage.server.stop()
        if self._service is not None:
            await self._service.stop()
        if self._folder is not None:
            self._folder.cleanup()


async def play(demo: Demo, console: Console, once: bool, ended: Deferred[None]) -> int:
    """The whole demo; without `once` it goes on until `ended` fires. Returns the exit code."""
    try:
        try:
            await demo.start()
        except DemoFailedError as problem:
            console.print(Text(f"sipmend demo: {problem}", "red"), soft_wrap=True)
            return REFUSED
        passed = await demo.show()
        if not once:
            demo.invite()
            await ended
        return 0 if passed else FAILED
    finally:
        await demo.stop()


def run_demo(reactor: Any, console: Console, listen: Address | None, once: bool) -> int:
    """Run the reactor for one demo; SIGINT and SIGTERM end it. Returns the exit code."""
    code = 0
    ended: Deferred[None] = Deferred()
    demo = Demo(reactor, console, listen)

    def end(*_: object) -> None:
        if not ended.called:
            ended.callback(None)

    def finish(result: int | Failure) -> None:
        nonlocal code
        code = result if isinstance(result, int) else FAILED
        reactor.stop()
        # Who stopped reading (`sipmend demo | head`) wants no report.
        if isinstance(result, Failure) and not isinstance(result.value, BrokenPipeError | SystemExit):
            console.print(Text(f"sipmend demo broke down, please report this:\n{result.getTraceback()}", "red"))

    def begin() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: reactor.callFromThread(end))
        Deferred.fromCoroutine(play(demo, console, once, ended)).addBoth(finish)

    reactor.callWhenRunning(begin)
    reactor.run()
    return code
