"""What users test their rules with; `tests/plugins` uses the same."""

from __future__ import annotations

import re

import pytest

from proxy.repair.rule import REQUEST_IN, REQUEST_OUT, Finding, Replace, Rule, Sample
from proxy.repair.sample import sample_message
from proxy.repair.testing import check, complaints, method_of, put, request, response

BEFORE = request("MESSAGE", "Subject: HELLO")


class Quiet(Rule):
    name = "acme-subject"
    rfc = "RFC 3261 section 20.36"
    summary = "Subjects in capitals become lower case."
    stages = (REQUEST_IN,)
    touches = (b"subject",)
    samples = (Sample(BEFORE, BEFORE.replace("HELLO", "hello")),)

    def applies(self, message, context):
        line = message.index(b"subject")
        return Finding("the subject shouts", line) if line > 0 and message.value(b"subject").isupper() else None

    def repair(self, message, finding, context):
        return [Replace(finding.line, b"Subject: " + message.value(b"subject").lower())]


def with_sample(*samples):
    rule = Quiet()
    rule.samples = samples
    return rule


def test_a_good_rule_passes():
    check(Quiet())
    run = put(BEFORE, Quiet())
    assert (run.fired, run.lines("subject"), run.failures) == (["acme-subject"], ["Subject: hello"], [])
    assert put(BEFORE, [Quiet()], stage=REQUEST_OUT).fired == []


@pytest.mark.parametrize(
    ("sample", "text"),
    [
        (Sample("", ""), "sample 1: it is no SIP message: "),
        (Sample(None, None), "sample 1: it cannot be read: "),
        (Sample(BEFORE, BEFORE, sender="nobody"), "sample 1: it cannot be read: "),
        (Sample(BEFORE, BEFORE, stage=REQUEST_OUT), "sample 1: its stage is none of the rule's"),
        (Sample(BEFORE.replace("HELLO", "x"), BEFORE), "sample 1: the rule finds nothing in it"),
        (
            Sample(BEFORE, BEFORE.replace("HELLO", "Hello")),
            "what leaves is not what `after` says: 'Subject: hello' in the place of 'Subject: Hello'",
        ),
        (Sample(BEFORE, BEFORE.replace("HELLO", "hello") + "\n"), "what leaves is not what `after` says: "),
    ],
)
def test_samples_that_do_not_hold(sample, text):
    assert any(text in found for found in complaints(with_sample(sample)))
    with pytest.raises(AssertionError, match="acme-subject: sample 1: "):
        check(with_sample(sample))


def test_the_contract_comes_first():
    rule = with_sample()
    rule.rfc = "none"
    with pytest.raises(AssertionError) as caught:
        check(rule)
    assert len(str(caught.value).splitlines()) == 2


def test_a_rule_that_fails_shows_its_traceback():
    rule = Quiet()
    rule.applies = lambda message, context: 1 / 0
    with pytest.raises(AssertionError, match="ZeroDivisionError: division by zero"):
        put(BEFORE, rule)


def test_messages_are_right_but_for_what_is_given():
    text = request("INVITE", "Via: x", "X: 1", without=("To",), body="v=0\n")
    assert "Via: x\n" in text
    assert re.search(r"^To:", text, re.MULTILINE) is None
    assert text.endswith("X: 1\nContent-Length: 5\n\nv=0\n")
    assert method_of(sample_message(request("BYE"))) == b"BYE"
    assert method_of(sample_message(response(200, "INVITE"))) == b"INVITE"
    assert method_of(sample_message("SIP/2.0 200 OK\n\n")) == b"other"
