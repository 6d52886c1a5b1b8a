"""The values of a report are bounded and in order."""

from __future__ import annotations

from proxy.doctor.report import MAX_FINDINGS, MAX_LINE, Example, Finding, Party


def finding(name="a", severity="error"):
    return Finding(name, name, severity, "", "", Example(1, "", "", [("-", b"x" * 5000)]))


def test_gravest_and_most_frequent_first():
    party = Party("client", "A")
    for name, severity in [("n", "note"), ("e", "error"), ("f", "error"), ("f", "error"), ("w", "warning")]:
        party.note(finding(name, severity))
    assert [(one.name, one.count) for one in party.sorted] == [("f", 2), ("e", 1), ("w", 1), ("n", 1)]


def test_everything_is_bounded():
    party = Party("client", "")
    assert party.name == "client without User-Agent at ?"
    for number in range(1000):
        party.note(finding(str(number)))
        party.seen_at(str(number))
        party.seen_at(str(number))
    assert len(party.findings) == MAX_FINDINGS
    assert (len(party.addresses), party.more_addresses) == (12, True)
    assert len(party.sorted[0].example.lines[0][1]) == MAX_LINE
