"""SIPp as either end of one call flow through the proxy: its verdict, and every message it sent and got.

The scenarios `sipp/flow_*.xml` take the parts of both directions: what differs between the broken client and the
honest server comes by the command line (`Party`).
"""

from __future__ import annotations

import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clients import PRIVATE_VIA
from peer_process import PeerProcess, eventually, need
from sip_client import Address
from sip_wire import Seen, addr_spec
from sipp_peer import SCENARIOS, SOCKETS

PORT = 5060
CALLS = 5
# By this the proxy knows a phone that comes back by another address from a second phone of equal Contact.
INSTANCE = '+sip.instance="<urn:uuid:00000000-0000-1000-8000-000a95a0e128>"'
RULE = re.compile(rb"^-{20,} \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+\r?\n", re.MULTILINE)
ENTRY = re.compile(rb"\d{4}-\d\d-\d\d\t\d\d:\d\d:\d\d\.\d{6}\t\d+\.\d{6}: ")
FAILED = re.compile(rb"[Aa]bort|without label|max UDP retrans|Failed regexp")
PUT_ASIDE = re.compile(
    rb"(?:unexpected message|Dead call).*?received '(?P<message>.*)'|unexpected BYE .*: (?P<call>\S+)", re.DOTALL
)
HEADING = re.compile(rb"\w+ message (sent|received)[^\n]*:\r?\n\r?\n")


@dataclass(frozen=True)
class Party:
    """How one side writes itself: user, sent-by of its Via, its Contact line (or another one in its place), and the
    Contact it registers.
    """

    user: str
    host: str
    sent_by: str
    contact: str
    registered: str

    @classmethod
    def client(cls, user: str, host: str) -> Party:
        """The broken client: a private address in its Via and in what it registers, and no Contact otherwise."""
        registered = f"<sip:{user}-x7f3@{PRIVATE_VIA}:{PORT}>;{INSTANCE}"
        return cls(user, host, PRIVATE_VIA, "Subject: a client without Contact", registered)

    @classmethod
    def server(cls, user: str, host: str, transport: str) -> Party:
        """The honest side: what it writes is true."""
        contact = f"<sip:{user}@{host}:{PORT};transport={transport}>"
        return cls(user, host, host, f"Contact: {contact}", contact)


@dataclass(frozen=True)
class Call:
    """What the two scenarios of a flow are given: who calls whom, the Request-URI, and the Route line of the INVITE."""

    caller: Party
    callee: Party
    target: str
    route: str

    def arguments(self, party: Party) -> list[str]:
        """The keywords for the process that plays this party."""
        keys = {
            "caller": self.caller.user,
            "callee": self.callee.user,
            "target": self.target,
            "route": self.route,
            "sent_by": party.sent_by,
            "contact": party.contact,
            "registered": party.registered,
        }
        words = [word for key, value in keys.items() for word in ("-key", key, value)]
        return [*words, "-au", self.caller.user, "-ap", "secret"]


class Sipp:
    """One SIPp process with one scenario; whoever looks at its messages waits for what it is to have sent."""

    def __init__(
        self, party: Party, transport: str, scenario: str, work: Path, arguments: Sequence[str], remote: Address | None
    ) -> None:
        work.mkdir(parents=True, exist_ok=True)
        self.scenario = scenario
        name = f"{scenario}-{party.user}"
        self._messages = work / f"{name}-messages.log"
        self._errors = work / f"{name}-errors.log"
        argv = [need("sipp", "sip-tester")]
        if remote:
            argv.append(f"{remote[0]}:{remote[1]}")
        argv += ["-sf", str(SCENARIOS / f"{scenario}.xml"), "-i", party.host, "-p", str(PORT), "-t", SOCKETS[transport]]
        argv += [
            "-nostdin",
            "-skip_rlimit",
            "-default_behaviors",
            "all,-bye,-abortunexp",
            "-recv_timeout",
            "32000",
            "-trace_msg",
            "-message_file",
        ]
        argv += [str(self._messages), "-trace_err", "-error_file", str(self._errors), *arguments]
        self.process = PeerProcess(argv, work, name)
        if not remote:
            eventually(lambda: is_listening(party.host, transport) or self.process.process.poll() is not None)

    def messages(self, kind: str) -> list[Seen]:
        """What it `sent` or `received`, in order."""
        if not self._messages.exists():
            return []
        found = []
        for part in RULE.split(self._messages.read_bytes()):
            heading = HEADING.match(part)
            if heading and heading[1].decode() == kind:
                found.append(Seen(part[heading.end() :].removesuffix(b"\n")))
        return found

    def sent(self, wanted: str | int, cseq: str = "") -> list[Seen]:
        """The requests of this method, or the responses of this status, that it sent."""
        return pick(self.messages("sent"), wanted, cseq)

    def got(self, wanted: str | int, cseq: str = "") -> list[Seen]:
        """The requests of this method, or the responses of this status, that it received."""
        return pick(self.messages("received"), wanted, cseq)

    def finish(self, patience: float = 30.0) -> None:
        """Wait until it has played all its calls; every one must have gone by the scenario."""
        try:
            code: int | None = self.process.process.wait(patience)
        except subprocess.TimeoutExpired:
            code = None
        assert code == 0, self.complaint("did not end in time" if code is None else f"ended with code {code}")
        self.assert_sound()

    def assert_sound(self) -> None:
        """It gave up nothing, and what it put aside were messages that came more than once."""
        errors = self._errors.read_bytes() if self._errors.exists() else b""
        came = Counter(map(identity, self.messages("received")))
        for entry in ENTRY.split(errors):
            said = entry.decode(errors="replace")
            assert not FAILED.search(entry), self.complaint(f"met what it must not: {said}")
            aside = PUT_ASIDE.search(entry)
            if aside and aside["message"]:
                seen = Seen(aside["message"])
                # The 200 of a repeated CANCEL may come after the 487.
                wanted = 1 if seen.status and seen.method == "CANCEL" else 2
                assert came[identity(seen)] >= wanted, self.complaint(f"got what it did not expect: {said}")
            elif aside:
                call = aside["call"].decode()
                byes = sum(count for name, count in came.items() if name[0] == call and name[1].endswith(" BYE"))
                assert byes > 1, self.complaint(f"got what it did not expect: {said}")

    def complaint(self, what: str) -> str:
        """What happened, with SIPp's own errors and the last messages."""
        self.process.stop()
        errors = self._errors.read_text(errors="replace") if self._errors.exists() else "(none)"
        messages = self._messages.read_text(errors="replace") if self._messages.exists() else "(none)"
        return f"{self.scenario} {what}\nerrors:\n{errors[:3000]}\nmessages, the last of them:\n{messages[-6000:]}"

    def stop(self) -> None:
        self.process.stop(grace=1)


def pick(messages: Iterable[Seen], wanted: str | int, cseq: str = "") -> list[Seen]:
    """Requests of a method, or responses of a status whose CSeq ends in `cseq`."""
    return [seen for seen in messages if wanted == (seen.status or seen.method) and seen.first("CSeq").endswith(cseq)]


def identity(seen: Seen) -> tuple[str, str, str, str]:
    """What is the same when a message comes again: an ACK gets another branch of the proxy each time."""
    return seen.first("Call-ID"), seen.first("CSeq"), str(seen.status or seen.method), seen.first("To")


def by_call(messages: Iterable[Seen]) -> dict[str, Seen]:
    """The first of the messages of each call."""
    found: dict[str, Seen] = {}
    for seen in messages:
        found.setdefault(seen.first("Call-ID"), seen)
    return found


def branch(seen: Seen) -> str:
    """The branch of the topmost Via."""
    match = re.search(r";branch=([^;\s]+)", seen.first("Via"))
    return match[1] if match else ""


def tag(value: str) -> str:
    """The tag of a From or To value."""
    return value.rpartition(";tag=")[2].partition(";")[0] if ";tag=" in value else ""


def dialogs(messages: Iterable[Seen]) -> list[tuple[str, str]]:
    """Call-ID and To of each message, sorted: which dialogs were answered or meant, and how often."""
    return sorted((seen.first("Call-ID"), seen.first("To")) for seen in messages)


def assert_within_transaction(invites: Sequence[Seen], others: Sequence[Seen]) -> None:
    """CANCEL, or the ACK to a refusal: of each call one transaction, with its branch, Request-URI and Route.

    > MUST contain a single Via header field, and this MUST be equal to the top Via header field of the original
    > request ... If the INVITE request whose response is being acknowledged had Route header fields, those header
    > fields MUST appear in the ACK. (RFC 3261 section 17.1.1.3; 9.1 says the same of CANCEL)
    """
    originals = by_call(invites)
    assert set(by_call(others)) == set(originals)
    for other in others:
        original = originals[other.first("Call-ID")]
        assert other.all("Via") == original.all("Via")[:1], (original.lines, other.lines)
        assert other.uri == original.uri
        assert other.all("Route") == original.all("Route"), (original.lines, other.lines)
        assert other.first("From") == original.first("From")
        assert other.first("CSeq").split()[0] == original.first("CSeq").split()[0]


def registered_contact(registrar: Sipp) -> tuple[str, list[str]]:
    """The Contact URI and the Path that the registrar learned of the client."""
    register = registrar.got("REGISTER")[0]
    return addr_spec(register.first("Contact")), register.all("Path")


def is_listening(host: str, transport: str) -> bool:
    """Whether the port of a party is bound, as the kernel tells it."""
    wanted = "".join(f"{int(part):02X}" for part in reversed(host.split("."))) + f":{PORT:04X}"
    rows = [row.split() for row in Path(f"/proc/net/{transport}").read_text().splitlines()[1:]]
    return any(row[1] == wanted and (transport == "udp" or row[3] == "0A") for row in rows)


def wait_for_port(host: str, transport: str) -> None:
    """Wait until another process has given the port free."""
    deadline = time.monotonic() + 10
    while is_listening(host, transport):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{transport}:{host}:{PORT} is still taken")
        time.sleep(0.05)
