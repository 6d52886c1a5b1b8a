"""The page of the rules, rendered from the rules themselves: docs/rules.md. It runs no rule and writes no file."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import unified_diff
from typing import Final

from proxy.repair.inherent import INHERENT, TO_CLIENT, TO_SERVER, Inherent
from proxy.repair.pipeline import label
from proxy.repair.rule import REQUEST_OUT, RESPONSE_OUT, STAGES, Rule, Sample

_INTRODUCTION: Final = """\
# The repair rules

<!-- Rendered from the rules by proxy/repair/render.py; a test compares. Change the rules, not this page. -->

A rule finds one defect of a message and says which header lines to change. Every change is counted
(`sipmend_repairs_total{rule,header,mode}`) and recorded with the line before and after, the reason and the RFC; lines
that no rule names leave octet for octet as they came. What was changed towards the server is undone towards the client.

RFC 3261 section 16.6 does not ask a proxy to change Contact: these rules do it because the operator wants it.

Each rule has a mode: `off`, `report` (found, counted and recorded, but not touched) or `repair`.

```yaml
repair:
  maxfwd-high: repair              # one rule
  contact-missing: {host: domain}  # every rule whose name begins so, with a setting of theirs
  contact-private: {mode: report}
```

A rule that fails is skipped for that message; when it fails ten times in a row it is turned off, and the log says so.
Whatever a rule wants, these stay as they are: method and status (but for a 2xx that is to be a refusal), all of the
Request-URI but its host, Call-ID, CSeq, the tags of From and To, Route, Record-Route, Path and the Via of other hops;
From, To, Date and the body when an Identity header signs them; a body that is signed, encrypted or encoded, or that a
digest covers (auth-int). A body that changes brings its Content-Length along.

The rules meet a message in the order of this table. Of the rules that replace a Contact at most one fires: what it
writes is left alone by the others. They leave alone `*`, GRUUs, other schemes than sip and sips, and the lists of 3xx
and 485 responses. Documentation addresses are private to the rules, but stand for public ones in the samples below.
What is `off` is for clients that need it: switch it on in their profile.

| rule | default | what it does | RFC | reported in | sample |
|---|---|---|---|---|---|
"""
_GITHUB: Final = "https://github.com/"


def rows(rules: Sequence[Rule]) -> list[tuple[str, str, str, str]]:
    """Name, default mode, summary and RFC of each rule, in order."""
    return [(rule.name, rule.default, rule.summary, rule.rfc) for rule in rules]


def rules_page(rules: Sequence[Rule]) -> str:
    """The whole page, in Markdown."""
    table = "".join(
        f"| [{rule.name}](#{rule.name}) | {rule.default} | {_cell(rule.summary)} | {rule.rfc} | {_reports(rule)} "
        f"| [{len(rule.samples)}](#{rule.name}) |\n"
        for rule in rules
    )
    return _INTRODUCTION + table + _by_itself(INHERENT) + "".join(_section(rule) for rule in rules)


_BY_ITSELF: Final = """
## What the proxy does by itself

These defects are mended while the proxy matches, forwards and restores; no rule is needed for them. What is mended is
counted and recorded under these names, like the repairs of rules. Where the mode is in brackets it cannot be chosen:
`sipmend check` says why. The rows without a header concern what the proxy writes itself; they leave no record. Defects
of a Via are recorded when a flow first brings it, not with every message that repeats it.

| name | default | direction | header | what it does | RFC | reported in |
|---|---|---|---|---|---|---|
"""
_WAYS: Final = {TO_SERVER: "to the server", TO_CLIENT: "to the client"}


def _by_itself(inherent: Sequence[Inherent]) -> str:
    lines = []
    for row in inherent:
        mode = f"({row.default})" if row.fixed else row.default
        way = _WAYS.get(row.direction, "both")
        lines.append(
            f"| `{row.name}` | {mode} | {way} | {row.header} | {_cell(row.summary)} | {row.rfc} | {_reports(row)} |\n"
        )
    return _BY_ITSELF + "".join(lines)


def _reports(rule: Rule) -> str:
    """Links to the reports of a defect, by number."""
    urls = [path if "://" in path else _GITHUB + path for path in rule.source]
    return ", ".join(f"[{number}]({url})" for number, url in enumerate(urls, 1))


def _named(path: str) -> str:
    """A link to one report, by the words of its address."""
    return f"[{path.removeprefix(_GITHUB)}]({path if '://' in path else _GITHUB + path})"


def _section(rule: Rule) -> str:
    methods = ", ".join(method.decode() for method in rule.methods) or "all"
    facts = [
        f"- Default: `{rule.default}`",
        f"- Defined by: {rule.rfc}",
        f"- Met at: {', '.join(STAGES[stage] for stage in rule.stages)}",
        f"- Methods: {methods}",
        f"- Edits: {', '.join(label(name) for name in rule.touches)}",
    ]
    if rule.source:
        facts.append(f"- Reported in: {', '.join(_named(path) for path in rule.source)}")
    elif rule.no_source:
        facts.append(f"- Reported nowhere: {rule.no_source}")
    for setting in rule.settings:
        facts.append(f"- Setting `{setting.name}` ({setting.kind}; default `{setting.written}`): {setting.summary}")
    samples = "".join(_sample(sample) for sample in rule.samples)
    return f"\n## {rule.name}\n\n{rule.summary}\n\n" + "\n".join(facts) + "\n" + samples


def _sample(sample: Sample) -> str:
    known = ", from a registered client" if sample.registered else ""
    if sample.asked:
        known += f", whose request within the dialog went to `{sample.asked}`"
    lines = [line.rstrip("\n") for line in unified_diff(sample.before.split("\n"), sample.after.split("\n"), n=99)]
    body = "\n".join(lines[3:]).rstrip()
    if not lines:
        body = sample.before.rstrip()
    came = "For a client on" if sample.stage in (REQUEST_OUT, RESPONSE_OUT) else "Arrived on"
    shown = f"\n{came} `{sample.sender}`{known}:\n\n```diff\n{body}\n```\n"
    if sample.home:
        shown += f"\nWhat the client gets in the end:\n\n```\n{sample.home.rstrip()}\n```\n"
    return shown


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
