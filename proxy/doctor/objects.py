"""The report as one object for JSON."""

from __future__ import annotations

from proxy.doctor.report import Finding, Party, Report
from proxy.doctor.words import line


def as_object(report: Report) -> dict[str, object]:
    """Everything the other reports say, for programs."""
    tally = report.tally
    return {
        "file": report.file,
        "packets": tally.packets,
        "messages": report.messages,
        "stopped": tally.stopped or None,
        "lost": dict(tally.lost),
        "elsewhere": report.elsewhere,
        "servers": report.servers,
        "servers_guessed": report.servers_guessed,
        "domain": report.domain or None,
        "domain_guessed": report.domain_guessed,
        "clients": [_party(party) for party in report.ill],
        "sound": sum(1 for party in report.parties if not party.findings),
        "settings": report.settings or None,
    }


def _party(party: Party) -> dict[str, object]:
    return {
        "name": party.name,
        "kind": party.kind,
        "user_agent": party.agent or None,
        "profile": party.profile or None,
        "addresses": party.addresses,
        "more_addresses": party.more_addresses,
        "transports": dict(party.transports),
        "messages": party.messages,
        "findings": [_finding(finding) for finding in party.sorted],
    }


def _finding(finding: Finding) -> dict[str, object]:
    example = finding.example
    return {
        "name": finding.name,
        "rule": finding.rule or None,
        "severity": finding.severity,
        "mended": finding.mended,
        "count": finding.count,
        "summary": finding.summary,
        "rfc": finding.rfc,
        "example": {
            "number": example.number,
            "source": example.source or None,
            "reason": example.reason,
            "lines": [f"{mark} {line(octets)}" for mark, octets in example.lines],
        },
    }
