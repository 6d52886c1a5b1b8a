"""The page of the rules is what the rules say."""

from __future__ import annotations

from pathlib import Path

import plugins
from proxy.repair.render import rows, rules_page
from proxy.repair.rule import REQUEST_IN, RESPONSE_OUT, Rule, Sample, Setting

PAGE = Path(__file__).parents[3] / "docs" / "rules.md"
COMMAND = (
    "python -c 'import plugins; from proxy.repair.render import rules_page; "
    'open("docs/rules.md", "w").write(rules_page(plugins.ORDER))\''
)


def test_page_is_up_to_date():
    assert PAGE.read_text() == rules_page(plugins.ORDER), f"render it again: {COMMAND}"


def test_every_rule_has_a_row_and_a_section():
    page = rules_page(plugins.ORDER)
    for rule in plugins.ORDER:
        assert f"\n| [{rule.name}](#{rule.name}) | {rule.default} | " in page
        for path in rule.source:
            assert page.count(f"](https://github.com/{path})") >= 2
        assert rule.no_source in page
        assert f"\n## {rule.name}\n" in page


class Painted(Rule):
    name = "painted"
    rfc = "RFC 3261 section 20.36"
    summary = "Paint a|b."
    stages = (REQUEST_IN,)
    methods = (b"BYE",)
    touches = (b"subject", b"x-mine")
    settings = (Setting("colour", ("red", "blue"), "which one"),)
    samples = (Sample("A\nB: 1\n\nbody", "A\nB: 2\n\nbody", "tcp:192.0.2.1:1", True, home="B: 1\n"),)
    source = ("a/b/issues/1", "https://example.org/2")


def test_a_section_tells_all_about_a_rule():
    page = rules_page([Painted()])
    assert (
        "| [painted](#painted) | repair | Paint a\\|b. | RFC 3261 section 20.36 | [1](https://github.com/a/b/" in page
    )
    assert "[2](https://example.org/2) | [1](#painted) |" in page
    assert "- Reported in: [a/b/issues/1](https://github.com/a/b/issues/1), [https://example.org/2](https://" in page
    assert "What the client gets in the end:\n\n```\nB: 1\n```\n" in page
    assert "- Met at: request-in\n- Methods: BYE\n- Edits: Subject, X-Mine\n" in page
    assert "- Setting `colour` (`red`, `blue`; default `red`): which one\n" in page
    assert "Arrived on `tcp:192.0.2.1:1`, from a registered client:" in page
    assert "```diff\n A\n-B: 1\n+B: 2\n \n body\n```" in page


def test_a_sample_that_nothing_changes_is_shown_whole():
    rule = Painted()
    rule.samples = (Sample("A\nB: 1\n", "A\nB: 1\n"),)
    assert "```diff\nA\nB: 1\n```" in rules_page([rule])


def test_rows_for_the_command_line():
    assert rows([Painted()]) == [("painted", "repair", "Paint a|b.", "RFC 3261 section 20.36")]


def test_a_rule_without_reports_says_why():
    rule = Painted()
    rule.source, rule.no_source = (), "It was seen here."
    assert "- Reported nowhere: It was seen here." in rules_page([rule])


def test_a_sample_on_its_way_to_the_client():
    rule = Painted()
    rule.samples = (Sample("A\nB: 1\n", "A\nB: 2\n", stage=RESPONSE_OUT, asked="sip:b@c"),)
    assert "For a client on `udp:198.51.100.7:5060`, whose request within the dialog went to `sip:b@c`:" in rules_page(
        [rule]
    )
