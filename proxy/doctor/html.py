"""The report as one HTML file: no script, nothing loaded, and everything that comes out of the capture escaped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import escape
from typing import Final

from proxy.doctor.report import Finding, Party, Report
from proxy.doctor.words import line, plain, seen

_STYLE: Final = """\
body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#1b1f24;background:#fff}
h2{margin-top:2em;border-bottom:1px solid #d0d7de}pre{background:#f6f8fa;padding:.7em;overflow-x:auto}
.error{color:#b3261e}.warning{color:#8a5a00}.note{color:#57606a}.gone{color:#b3261e}.new{color:#1a7f37}
.severity{font-weight:bold;text-transform:uppercase;font-size:.8em}small,.meta{color:#57606a}
@media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}pre{background:#161b22}
.error,.gone{color:#ff7b72}.warning{color:#e3b341}.new{color:#7ee787}small,.meta,.note{color:#9198a1}}
"""
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_MARKS: Final = {"-": "gone", "+": "new"}

# Gives the settings for one defect of a client.
Remedy = Callable[[Party, Finding], str]


def as_html(report: Report, remedy: Remedy) -> str:
    """The whole page."""
    return "".join(_page(report, remedy))


def _text(text: str) -> str:
    return escape(plain(text), quote=True)


def _page(report: Report, remedy: Remedy) -> Iterator[str]:
    yield '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
    yield f"<title>sipmend doctor: {_text(report.file)}</title>\n<style>{_STYLE}</style></head><body>\n"
    yield f"<h1>{_text(report.file)}</h1>\n<p>{seen(report.tally, report.messages)}</p>\n<ul>\n"
    guess = " (a guess)" if report.servers_guessed else ""
    if report.servers:
        yield f"<li>server: {_text(', '.join(report.servers[:10]))}{guess}</li>\n"
    if report.domain:
        yield f"<li>domain: {_text(report.domain)}{' (a guess)' if report.domain_guessed else ''}</li>\n"
    for what, count in sorted(report.tally.lost.items()):
        yield f"<li>not used: {count:,} {_text(what)}</li>\n"
    if report.elsewhere:
        yield f"<li>not judged: {report.elsewhere:,} messages between servers, or between others</li>\n"
    if report.tally.stopped:
        yield f'<li class="error">stopped: {_text(report.tally.stopped)}</li>\n'
    yield "</ul>\n"
    for party in report.ill:
        yield from _party(party, remedy)
    well = len(report.parties) - len(report.ill)
    yield f"<p><b>{'Nothing found' if not report.ill else f'Nothing found at {well} more'}.</b></p>\n"
    if report.settings:
        yield f"<h2>Settings</h2>\n<pre>{escape(report.settings)}</pre>\n"
    yield "</body></html>\n"


def _party(party: Party, remedy: Remedy) -> Iterator[str]:
    where = ", ".join(party.addresses) + (", ..." if party.more_addresses else "")
    by = ", ".join(sorted(party.transports))
    yield f"<h2>{_text(party.name)}</h2>\n<p class='meta'>{party.kind}, {party.messages:,} messages by {_text(by)} "
    yield f"from {_text(where)}</p>\n"
    for finding in party.sorted:
        yield from _finding(party, finding, remedy)


def _finding(party: Party, finding: Finding, remedy: Remedy) -> Iterator[str]:
    example = finding.example
    yield f'<h3><span class="severity {finding.severity}">{finding.severity}</span> {_text(finding.name)} '
    yield f"&times;{finding.count:,}</h3>\n<p>{_text(finding.summary)} <small>{_text(finding.rfc)}</small></p>\n"
    yield f"<p>{_text(example.reason)} <small>no. {example.number:,}, from {_text(example.source)}</small></p>\n<pre>"
    for mark, octets in example.lines:
        yield f'<span class="{_MARKS.get(mark, "")}">{mark} {escape(line(octets))}</span>\n'
    yield "</pre>\n"
    if finding.rule:
        yield f"<details><summary>what mends it</summary><pre>{escape(remedy(party, finding))}</pre></details>\n"
