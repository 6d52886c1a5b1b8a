"""The report for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from proxy.doctor.report import ERROR, WARNING, Finding, Party, Report
from proxy.doctor.words import line, plain, seen

_SEVERITY = {ERROR: "bold red", WARNING: "bold yellow"}
_MARKS = {"-": "red", "+": "green"}


def print_report(report: Report, console: Console) -> None:
    """Print it: what was read, who is who, every client with its defects, and the settings that mend them."""
    for text in _lines(report):
        console.print(text, soft_wrap=True)


def _lines(report: Report) -> Iterator[Text]:
    yield Text(f"{plain(report.file)}: {seen(report.tally, report.messages)}", "bold")
    if report.servers:
        guess = " (a guess: who gets the requests; --server says better)" if report.servers_guessed else ""
        yield Text(f"server: {plain(', '.join(report.servers[:10]))}{guess}")
    if report.domain:
        guess = " (a guess; --domain says better)" if report.domain_guessed else ""
        yield Text(f"domain: {plain(report.domain)}{guess}")
    for what, count in sorted(report.tally.lost.items()):
        yield Text(f"not used: {count:,} {what}", "yellow")
    if report.elsewhere:
        yield Text(f"not judged: {report.elsewhere:,} messages between servers, or between others", "yellow")
    if report.tally.stopped:
        yield Text(f"stopped: {report.tally.stopped}", "bold red")
    if report.too_many:
        yield Text("there are more clients than are told apart", "yellow")
    ill = report.ill
    for party in ill:
        yield Text("")
        yield from _party(party)
    well = len(report.parties) - len(ill)
    yield Text("")
    yield Text("nothing found" if not ill else f"nothing found at {well} more" if well else "", "bold")
    if report.settings:
        yield Text(report.settings)


def _party(party: Party) -> Iterator[Text]:
    where = ", ".join(party.addresses) + (", ..." if party.more_addresses else "")
    by = ", ".join(sorted(party.transports))
    profile = f", profile {plain(party.profile)}" if party.profile else ""
    yield Text(f"{plain(party.name)}", "bold cyan").append(
        f"  {party.kind}{profile}, {party.messages:,} messages by {by or '?'} from {plain(where) or '?'}", "default"
    )
    for finding in party.sorted:
        yield from _finding(finding)


def _finding(finding: Finding) -> Iterator[Text]:
    style = _SEVERITY.get(finding.severity, "bold")
    example = finding.example
    yield Text(f"  {finding.severity:7} ", style).append(f"{finding.name}", "bold").append(
        f" x{finding.count:,}  {finding.summary} {finding.rfc}", "default"
    )
    yield Text(f"          {plain(example.reason)} (no. {example.number:,}, from {plain(example.source) or '?'})")
    for mark, octets in example.lines:
        yield Text(f"          {mark} {line(octets)}", _MARKS.get(mark, ""))
