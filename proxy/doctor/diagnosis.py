"""Runs the rules over every message of a capture and gathers what they find, by client; sends and repairs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Final

from proxy.capture.captured import Captured, Endpoint
from proxy.doctor.report import CLIENT, ERROR, MAX_CLIENTS, NOTE, SERVER, WARNING, Example, Finding, Party, Report
from proxy.doctor.survey import Servers
from proxy.doctor.symptoms import SUMMARIES, Symptoms
from proxy.effects import Record
from proxy.explain import DryRun, Explanation, Setting
from proxy.flow import CLIENT as CLIENT_SIDE
from proxy.flow import SERVER as SERVER_SIDE
from proxy.flow import TRANSPORTS, UDP, WS
from proxy.origin import Source, likely_source
from proxy.repair.inherent import INHERENT, VIA_TRANSPORT
from proxy.repair.reach import host_address
from proxy.repair.rule import REPAIR, Rule
from proxy.sip.contact import uri_param
from proxy.sip.errors import HeaderError, SipError
from proxy.sip.message import Request, Response
from proxy.sip.parser import parse_message
from proxy.sip.registry import SERVER as SERVER_HEADER
from proxy.sip.registry import USER_AGENT

UNUSABLE: Final = "unusable-message"
# What these rules change is right as it is: the proxy needs it, not the message (protocol 4.2).
_NOT_DEFECTS: Final = frozenset({"contact-bypass", "contact-inconsistent"})
# Rules whose defect makes calls or registrations fail; beginnings of names.
_GRAVE: Final = (
    *("contact-missing", "contact-invalid-host", "contact-private", "contact-unspecified", "contact-loopback"),
    *("contact-link-local", "contact-unparsable", "via-missing", "clen-"),
)
# What the core mends by itself; there is nothing to set for it.
_INHERENT: Final = {repair.name: repair for repair in INHERENT}
_LONGEST_AGENT: Final = 120
_AGENTS: Final = 4096
_REPEATS: Final = 4096
# A client and a server that are both in these reach each other, whatever is said of them elsewhere.
_LOCAL: Final = tuple(
    ip_network(text)
    for text in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8"),
        *("fc00::/7", "fe80::/10", "::1/128"),
    )
)
# Addresses of examples stand for public ones in captures that were made anonymous.
_EXAMPLES: Final = tuple(
    ip_network(text) for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
)


class Diagnosis:
    """Takes every message once, in order, and fills the report."""

    def __init__(self, report: Report, servers: Servers, setting: Setting) -> None:
        self._report = report
        self._servers = servers
        self._rules: Mapping[str, Rule] = {rule.name: rule for rule in setting.rules}
        self._abroad = DryRun(replace(setting, local_networks=_EXAMPLES))
        self._at_home = DryRun(replace(setting, local_networks=(*_EXAMPLES, *_LOCAL)))
        self._parties: dict[tuple[str, str], Party] = {}
        self._agents: dict[tuple[Endpoint | None, str], str] = {}
        self._seen: dict[int, None] = {}
        self._symptoms = Symptoms(self._tell, servers.has)

    def take(self, captured: Captured) -> None:
        """Judge one message. One that is sent again counts once."""
        report = self._report
        report.messages += 1
        kind = self._kind(captured)
        if kind is None:
            report.elsewhere += 1
            return
        try:
            message = parse_message(captured.octets)
        except SipError as error:
            self._unusable(captured, self._party(kind, "", captured), error.text)
            return
        self._symptoms.take(captured, message)
        if self._came_before(captured):
            return
        party = self._party(kind, self._agent(message, captured, kind), captured)
        party.messages += 1
        name = TRANSPORTS[UDP if captured.transport is None else captured.transport]
        party.transports[name] += 1
        if kind == CLIENT:
            report.transports.add(name)
        self._judge(captured, message, kind, party)

    def finish(self) -> None:
        self._symptoms.finish()
        self._report.parties = list(self._parties.values())

    # -- who

    def _kind(self, captured: Captured) -> str | None:
        """Whose message it is; None for one that passes between servers, or between others."""
        source, destination = captured.source, captured.destination
        if (source is None and destination is None) or (not self._servers.known and source and destination):
            return CLIENT
        of_server, to_server = self._servers.has(source), self._servers.has(destination)
        if of_server == to_server:
            return None
        return SERVER if of_server else CLIENT

    def _agent(self, message: Request | Response, captured: Captured, kind: str) -> str:
        """How the sender names itself, in this message or in an earlier one from the same place."""
        value = message.value(USER_AGENT) or message.value(SERVER_HEADER)
        key = (captured.source, kind)
        if not value:
            return self._agents.get(key, "")
        agent = value.decode("utf-8", "replace")[:_LONGEST_AGENT].strip()
        if key in self._agents or len(self._agents) < _AGENTS:
            self._agents[key] = agent
        return agent

    def _party(self, kind: str, agent: str, captured: Captured) -> Party:
        host = captured.source[0] if captured.source else ""
        key = (kind, agent or f"\0{host}")
        party = self._parties.get(key)
        if party is None and len(self._parties) >= MAX_CLIENTS:
            self._report.too_many = True
            key, agent = (kind, "\0\0"), "(all further ones)"
            party = self._parties.get(key)
        if party is None:
            party = self._parties[key] = Party(kind, agent)
        if host:
            party.seen_at(host)
        return party

    def _came_before(self, captured: Captured) -> bool:
        mark = hash((captured.source, captured.octets))
        if mark in self._seen:
            return True
        if len(self._seen) >= _REPEATS:
            del self._seen[next(iter(self._seen))]
        self._seen[mark] = None
        return False

    # -- what

    def _judge(self, captured: Captured, message: Request | Response, kind: str, party: Party) -> None:
        source = source_of(captured, message)
        runs = self._at_home if self._reach_directly(captured) else self._abroad
        side = CLIENT_SIDE if kind == CLIENT else SERVER_SIDE
        explanation = runs.explain(captured.octets, source, side, self._client_agent(captured, kind))
        if kind == CLIENT:
            party.profile = party.profile or explanation.profile
        if explanation.broken:
            self._unusable(captured, party, explanation.refusal)
        for record in explanation.records:
            if not self._is_excused(record, message, source):
                self._note(captured, party, record, explanation)

    def _client_agent(self, captured: Captured, kind: str) -> bytes:
        """How the client that sends or gets this named itself before."""
        end = captured.source if kind == CLIENT else captured.destination
        return self._agents.get((end, CLIENT), "").encode()

    def _reach_directly(self, captured: Captured) -> bool:
        """Whether both ends are in private networks, or the log shows what the server itself sees."""
        destination = captured.destination
        if destination is None:
            return True
        try:
            address = ip_address(destination[0].partition("%")[0])
        except ValueError:
            return False
        return any(address in network for network in _LOCAL)

    def _is_excused(self, record: Record, message: Request | Response, source: Source) -> bool:
        """Whether this is no defect of the message."""
        if record.rule in _NOT_DEFECTS:
            return True
        if record.rule == VIA_TRANSPORT.name:
            via = message.via.transport.upper()
            return source.transport == WS and via == b"WSS"  # somebody before the place of the capture ends TLS
        if record.rule == "clen-missing":
            return source.transport >= WS  # RFC 7118 section 5: a frame ends where it ends
        if record.rule != "contact-port-mismatch" or source.transport == UDP:
            return False
        # By TCP a client listens at another port than it sends from (RFC 3261 section 18.1.1).
        try:
            contact = message.contacts[0]
            named = (uri_param(contact, b"transport") or b"").lower()
            same = host_address(contact.uri.host) == host_address(source.host.encode())
        except (HeaderError, IndexError):
            return False
        return same and named == TRANSPORTS[source.transport].encode()

    def _note(self, captured: Captured, party: Party, record: Record, explanation: Explanation) -> None:
        rule = self._rules.get(record.rule)
        severity = NOTE
        if record.mode == REPAIR:
            severity = ERROR if record.rule.startswith(_GRAVE) else WARNING
        lines = [(" ", _start_line(captured.octets))]
        if record.before is not None:
            lines.append(("-", record.before))
        if record.after is not None:
            lines.append(("+", record.after))
        example = Example(captured.number, str(explanation.source), record.reason, lines)
        summary = known.summary if (known := rule or _INHERENT.get(record.rule)) else record.reason
        name = record.rule if rule else ""
        party.note(Finding(record.rule, name, severity, summary, record.rfc, example, record.mode == REPAIR))

    def _unusable(self, captured: Captured, party: Party, text: str) -> None:
        lines = [("-", line) for line in captured.octets[:4096].split(b"\r\n")[:12] if line]
        example = Example(captured.number, _end(captured.source), text, lines)
        summary = "The message breaks the RFC so that no element may pass it on."
        party.note(Finding(UNUSABLE, "", ERROR, summary, "RFC 3261 section 16.3", example))

    def _tell(self, captured: Captured, end: Endpoint | None, name: str, text: str) -> None:
        """Take what the symptoms tell."""
        shown = Captured(captured.octets, end, None, captured.transport, captured.number, captured.time)
        agent = self._agents.get((end, CLIENT), "")
        party = self._party(CLIENT, agent, shown)
        summary, rfc = SUMMARIES[name]
        example = Example(captured.number, _end(captured.source), text, [(" ", _start_line(captured.octets))])
        party.note(Finding(name, "", ERROR, summary, rfc, example))


def source_of(captured: Captured, message: Request | Response) -> Source:
    """Where the message came from, or probably came from."""
    likely = likely_source(message)
    transport = likely.transport if captured.transport is None else captured.transport
    if captured.source is None:
        return Source(transport, likely.host, likely.port)
    host, port = captured.source
    try:
        ip_address(host)
    except ValueError:
        return likely  # a name in a log
    return Source(transport, host, port)


def _end(end: Endpoint | None) -> str:
    if end is None:
        return ""
    host, port = end
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _start_line(octets: bytes) -> bytes:
    return octets.lstrip(b"\r\n").partition(b"\n")[0].rstrip(b"\r")
