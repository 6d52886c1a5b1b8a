"""What the doctor found, as plain values that the writers of reports read; every collection is bounded."""

from __future__ import annotations

from collections import Counter
from typing import Final

from proxy.capture.captured import Tally

ERROR: Final = "error"  # calls or registrations fail
WARNING: Final = "warning"  # they fail with some servers, or in some networks
NOTE: Final = "note"  # against the RFC, but mostly harmless
SEVERITIES: Final = (ERROR, WARNING, NOTE)

CLIENT: Final = "client"
SERVER: Final = "server"

MAX_CLIENTS: Final = 300
MAX_FINDINGS: Final = 64
MAX_ADDRESSES: Final = 12
# Octets of a header line that an example shows.
MAX_LINE: Final = 1000


class Example:
    """One message with a defect: what changes in it, as (mark, octets) with the marks `-`, `+` and ` `."""

    __slots__ = ("lines", "number", "reason", "source")

    def __init__(self, number: int, source: str, reason: str, lines: list[tuple[str, bytes]]) -> None:
        self.number = number  # of the packet, or of the line of a log
        self.source = source
        self.reason = reason
        self.lines = [(mark, line[:MAX_LINE]) for mark, line in lines]


class Finding:
    """One defect of one client. `rule` is the repair rule for it, "" where there is none.

    `mended` tells whether sipmend mends it with the settings that the report goes by.
    """

    __slots__ = ("count", "example", "mended", "name", "rfc", "rule", "severity", "summary")

    def __init__(
        self, name: str, rule: str, severity: str, summary: str, rfc: str, example: Example, mended: bool = False
    ) -> None:
        self.name = name
        self.rule = rule
        self.severity = severity
        self.summary = summary
        self.rfc = rfc
        self.example = example
        self.mended = mended
        self.count = 0


class Party:
    """A client, or a server: those messages that carry the same User-Agent or Server, or come from one address.

    `agent` is that header, "" where nobody names itself; `addresses` are the first few it was seen at, `hosts` how
    many messages came from each of these. `profile` is the one that sipmend has for it, "" without one.
    """

    __slots__ = ("addresses", "agent", "findings", "kind", "messages", "more_addresses", "profile", "transports")

    def __init__(self, kind: str, agent: str) -> None:
        self.kind = kind
        self.agent = agent
        self.addresses: list[str] = []
        self.more_addresses = False
        self.profile = ""
        self.transports: Counter[str] = Counter()
        self.messages = 0
        self.findings: dict[str, Finding] = {}

    @property
    def name(self) -> str:
        return self.agent or f"{self.kind} without User-Agent at {self.addresses[0] if self.addresses else '?'}"

    @property
    def sorted(self) -> list[Finding]:
        """The findings, the gravest and most frequent first."""
        return sorted(self.findings.values(), key=lambda f: (SEVERITIES.index(f.severity), -f.count, f.name))

    def seen_at(self, host: str) -> None:
        if host not in self.addresses:
            if len(self.addresses) < MAX_ADDRESSES:
                self.addresses.append(host)
            else:
                self.more_addresses = True

    def note(self, finding: Finding) -> None:
        """Count a finding; the first of its kind gives the example."""
        known = self.findings.get(finding.name)
        if known is None:
            if len(self.findings) >= MAX_FINDINGS:
                return
            known = self.findings[finding.name] = finding
        known.count += 1


class Report:
    """All that was found in one file."""

    __slots__ = (
        "domain", "domain_guessed", "elsewhere", "file", "messages", "parties", "servers", "servers_guessed",
        "settings", "tally", "too_many", "transports",
    )  # fmt: skip

    def __init__(self, file: str, tally: Tally) -> None:
        self.file = file
        self.tally = tally
        self.messages = 0
        self.elsewhere = 0  # messages between two that are neither client nor server, or both
        self.parties: list[Party] = []
        self.too_many = False
        self.servers: list[str] = []
        self.servers_guessed = True
        self.domain = ""
        self.domain_guessed = True
        self.transports: set[str] = set()
        self.settings = ""  # the YAML that mends what was found; "" if nothing is to be set

    @property
    def ill(self) -> list[Party]:
        """Those with findings, the gravest first."""
        ill = [party for party in self.parties if party.findings]
        return sorted(ill, key=lambda p: (SEVERITIES.index(p.sorted[0].severity), -sum(f.count for f in p.sorted)))
