"""The three stories of the demo: a client with one flaw registers, calls, is hung up on, and is called back.

The same walk is done straight to the server and through the proxy. Nothing is printed here.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from twisted.internet.defer import Deferred

from proxy.demo.calls import CallFailedError
from proxy.demo.client import Client, Flaw, is_own_contact_in
from proxy.demo.ladder import Recorder, Seen
from proxy.demo.server import ECHO, Server
from proxy.demo.wire import Address, Clock, Message, Reactor, Way

_STEP = 0.02


@dataclass(frozen=True)
class Check:
    """One thing that should work: what it is, whether it did, and what happened."""

    name: str
    passed: bool
    detail: str = ""


@dataclass(frozen=True)
class Walk:
    """What came of one walk, and everything both ends saw."""

    checks: tuple[Check, ...]
    seen: tuple[Seen, ...]

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)


@dataclass(frozen=True)
class Story:
    """A client with a flaw; `direct` are the ways in which it is tried without the proxy, each with a remark."""

    title: str
    defect: str
    flaw: Flaw
    direct: tuple[tuple[str, Flaw], ...]


NO_CONTACT = Flaw(
    user="anna",
    user_agent="homemade/1.0",
    register_contact="sip:anna@%(here)s",
    contact=None,
    via="%(here)s;rport",
)
PRIVATE = Flaw(
    user="ben",
    user_agent="deskphone/2.3",
    register_contact="sip:ben@192.168.77.7:5062",
    contact="sip:ben@192.168.77.7:5062",
    via="192.168.77.7:5062",
)
WITH_RPORT = replace(PRIVATE, via=PRIVATE.via + ";rport")
INVALID = Flaw(
    user="clara",
    user_agent="webphone/0.21",
    register_contact="sip:63et72ng@df7jal23ls0d.invalid;transport=udp",
    contact="sip:63et72ng@df7jal23ls0d.invalid;transport=udp;ob",
    via="df7jal23ls0d.invalid;rport",
)

STORIES = (
    Story(
        "no Contact",
        "A home-made client registers well, but sends INVITE and 200 without Contact.",
        NO_CONTACT,
        (("", NO_CONTACT),),
    ),
    Story(
        "a private Contact and Via",
        "A desk phone behind NAT writes 192.168.77.7 wherever its own address belongs.",
        PRIVATE,
        (
            ("as it is: the answers go to the port in its Via", PRIVATE),
            ("the same phone, asking for rport: it registers, yet nothing reaches it", WITH_RPORT),
        ),
    ),
    Story(
        "a Contact under .invalid",
        "A browser's library does not know its own address and makes one up that cannot exist (RFC 7118).",
        INVALID,
        (("", INVALID),),
    ),
)


class Stage:
    """The server on which all stories are played, and the recorder of the walk that is on, if one is."""

    def __init__(self, reactor: Reactor, domain: bytes) -> None:
        self.reactor = reactor
        self.domain = domain
        self.recorder: Recorder | None = None
        self.server = Server(reactor, domain, self._watch)

    def _watch(self, direction: str, message: Message, way: Way, repeated: bool) -> None:
        if self.recorder is not None:
            self.recorder.server(direction, message, way, repeated)

    async def walk(self, flaw: Flaw, target: Address, host: str, patience: float) -> Walk:
        """Let a client with that flaw do everything once; `target` is what it takes for its server.

        Its socket is bound to `host`; each single answer is waited for at most `patience` seconds.
        """
        self.recorder = recorder = Recorder()
        user = flaw.user.encode()
        password = secrets.token_hex(8).encode()
        self.server.registrar.add_account(user, password)
        client = Client(self.reactor, flaw, self.domain, password, recorder.client)
        client.listen(self.reactor, host, target)
        try:
            checks = await _everything(self.reactor, client, self.server, patience)
        finally:
            client.stop()
            self.recorder = None
            self.server.registrar.remove_account(user)
        return Walk(tuple(checks), tuple(recorder.seen))


async def _everything(clock: Clock, client: Client, server: Server, patience: float) -> Sequence[Check]:
    checks: list[Check] = []
    try:
        answer = await client.register(patience)
    except CallFailedError as problem:
        return [Check("REGISTER is answered", False, str(problem))]
    listed = is_own_contact_in(answer, client.registered_contact)
    checks.append(Check("REGISTER is accepted", answer.status == 200, f"{answer.status}"))
    checks.append(Check("its answer lists the client's own Contact", listed))
    checks += await _call_and_be_hung_up_on(clock, client, server, patience)
    checks += await _be_called_and_hang_up(clock, client, server, patience)
    return checks


async def _call_and_be_hung_up_on(clock: Clock, client: Client, server: Server, patience: float) -> list[Check]:
    name = "the client's call to echo is answered"
    try:
        call_id = await client.call(ECHO, patience)
    except CallFailedError as problem:
        return [Check(name, False, str(problem))]
    checks = [Check(name, True)]
    if not await _becomes_true(clock, lambda: server.calls.is_confirmed(call_id), patience):
        return [*checks, Check("its ACK reaches the server", False, "the server repeats its 200 in vain")]
    checks.append(Check("its ACK reaches the server", True))
    name = "the server's BYE reaches the client"
    try:
        answer = await server.hang_up(call_id, patience)
    except CallFailedError as problem:
        return [*checks, Check(name, False, str(problem))]
    over = answer.status == 200 and call_id not in client.calls
    return [*checks, Check(name, over, f"{answer.status}")]


async def _be_called_and_hang_up(clock: Clock, client: Client, server: Server, patience: float) -> list[Check]:
    name = "the server calls the client back"
    try:
        call_id = await server.call(client.user, patience)
    except CallFailedError as problem:
        return [Check(name, False, str(problem))]
    checks = [Check(name, True)]
    if not await _becomes_true(clock, lambda: client.calls.is_confirmed(call_id), patience):
        return [*checks, Check("the server's ACK reaches the client", False, "the client repeats its 200 in vain")]
    checks.append(Check("the server's ACK reaches the client", True))
    name = "the client's BYE reaches the server"
    try:
        answer = await client.calls.hang_up(call_id, patience)
    except CallFailedError as problem:
        return [*checks, Check(name, False, str(problem))]
    return [*checks, Check(name, answer.status == 200 and call_id not in server.calls, f"{answer.status}")]


async def _becomes_true(clock: Clock, condition: Callable[[], bool], patience: float) -> bool:
    end = clock.seconds() + patience
    while not condition():
        if clock.seconds() >= end:
            return False
        pause: Deferred[None] = Deferred()
        clock.callLater(_STEP, pause.callback, None)
        await pause
    return True
