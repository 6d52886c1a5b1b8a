"""Alert-Info without angle brackets."""

from __future__ import annotations

import pytest
from ruling import CATALOG, put, request, response

from proxy.repair.rule import REQUEST_OUT, RESPONSE_OUT, SettingError

RULE = CATALOG.rule("hdr-alert-info")


def invite(*values, rule=RULE):
    lines = [f"Alert-Info: {value}" for value in values]
    return put(request("INVITE", *lines), stage=REQUEST_OUT, rules=[rule])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("http://x.example/r.wav", ["Alert-Info: <http://x.example/r.wav>"]),
        ("urn:alert:source:internal;a=b", ["Alert-Info: <urn:alert:source:internal>;a=b"]),
        ("<http://x.example/r.wav", ["Alert-Info: <http://x.example/r.wav"]),
        ("Bellcore-dr2", []),
        (";info=alert-group", []),
        ("", []),
        ("http://x.example/a<b", []),
        ("x, http://y.example/a", ["Alert-Info: <http://y.example/a>"]),
    ],
)
def test_brackets_or_nothing(before, after):
    """What begins with a bracket and never ends is dropped as well."""
    run = invite(before)
    assert run.fired == ["hdr-alert-info"]
    assert run.lines("Alert-Info") == (after if not before.startswith("<") else [])


@pytest.mark.parametrize("value", ["<http://x.example/r.wav>", "<urn:alert:source:internal>;a=b, <http://y.example/b>"])
def test_what_is_right_stays(value):
    assert invite(value).fired == []


def test_all_lines_and_answers():
    run = put(
        response(180, "INVITE", "Alert-Info: http://a.example/", "Alert-Info: <http://b.example/>", "Alert-Info: c"),
        stage=RESPONSE_OUT,
        rules=[RULE],
    )
    assert run.lines("Alert-Info") == ["Alert-Info: <http://a.example/>", "Alert-Info: <http://b.example/>"]


def test_setting_drop():
    run = invite("http://x.example/r.wav", "<http://y.example/>", rule=RULE.configured({"action": "drop"}))
    assert run.lines("Alert-Info") == ["Alert-Info: <http://y.example/>"]
    with pytest.raises(SettingError, match="expected one of bracket, drop"):
        RULE.configured({"action": "remove"})


def test_empty_elements_are_nobodys_fault():
    assert invite("<http://x.example/>, ,<http://y.example/>").fired == []
