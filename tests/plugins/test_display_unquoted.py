"""Display names without quotes (RFC 3261 sections 20.10 and 25.1); the ladders have the way home."""

from __future__ import annotations

import pytest
from ruling import CATALOG, put, request, response

from proxy.repair.rule import REPORT, REQUEST_IN, REQUEST_OUT, RESPONSE_IN, RESPONSE_OUT
from proxy.repair.sample import sample_context, sample_flow, sample_message

RULE = CATALOG.rule("display-unquoted")


def mended(line, method="INVITE", stage=REQUEST_IN, **more):
    """That header after the rule, in a request or an answer; the line itself if nothing was found."""
    name = line.partition(":")[0]
    usual = (name,) if name in ("From", "To", "Call-ID") else ()
    text = response(200, method, line) if stage in (RESPONSE_IN, RESPONSE_OUT) else request(method, line, without=usual)
    run = put(text, stage=stage, rules=[RULE], **more)
    assert not run.counts.plugin_errors
    (found,) = run.lines(name)
    assert bool(run.fired) == (found != line)
    return found


@pytest.mark.parametrize(
    "name", ["Jürgen", "田中", "a@b", "A: B", "(A)", "A/B", "A [1]", "Größe = 5", "A?", "{A}", "ä\tb"]
)
@pytest.mark.parametrize("stage", [REQUEST_IN, REQUEST_OUT])
def test_names_that_want_quotes(name, stage):
    assert mended(f"From: {name} <sip:a@x>;tag=1", stage=stage) == f'From: "{name}" <sip:a@x>;tag=1'
    assert mended(f"To: {name}<sip:a@x>", stage=stage) == f'To: "{name}"<sip:a@x>'


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("A\\B ä", '"A\\\\B ä"'),
        ('Bob "the builder"', '"Bob \\"the builder\\""'),
        ('Bob "a\\"b"', '"Bob \\"a\\\\\\"b\\""'),
        ("A\x07ä", '"A\\\x07ä"'),
    ],
)
def test_signs_that_want_a_backslash(name, quoted):
    assert mended(f"From: {name} <sip:a@x>;tag=1") == f"From: {quoted} <sip:a@x>;tag=1"


@pytest.mark.parametrize(
    "name", ["", "Alice ", "A. B.-C! ", "O'Neil ", "%41 ", '"Jürgen" ', '"a@b"', '"A" b@c ', "A_B* ~`+", '""']
)
def test_names_that_are_right(name):
    line = f"From: {name}<sip:a@x>;tag=1"
    assert mended(line) == line


@pytest.mark.parametrize("line", ["From: sip:a@x;tag=ä", "From: <sip:ä@x>;tag=1;x=ä", "From: A, ä <sip:a@x>;tag=1"])
def test_what_is_no_name(line):
    """Nor is what cannot be read: From and To of those are answered 400."""
    assert mended(line) == line


def test_octets_that_are_no_utf_8_get_quotes():
    line = b"From: J\xfcrgen <sip:a@x>;tag=1"
    message = sample_message(request("BYE"))
    index = message.index(b"from")
    message.replace(index, line)
    context = sample_context(message, sample_flow("udp:198.51.100.7:5060"))
    finding = RULE.applies(message, context)
    (edit,) = RULE.repair(message, finding, context)
    assert edit.text == b'From: "J\xfcrgen" <sip:a@x>;tag=1'
    message.replace(index, line.replace(b"r", b"\0"))
    assert RULE.applies(message, context) is None  # nothing makes that right


def test_a_folded_line():
    run = put(request("BYE", "From: Jürgen\n <sip:a@x>\n ;tag=1"), rules=[RULE])
    assert run.lines("From") == ['From: "Jürgen" <sip:a@x> ;tag=1']


@pytest.mark.parametrize(
    "header",
    ["Contact", "Reply-To", "P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID", "Refer-To", "Diversion"],
)
@pytest.mark.parametrize("stage", [REQUEST_IN, REQUEST_OUT, RESPONSE_IN, RESPONSE_OUT])
def test_other_headers(header, stage):
    assert mended(f"{header}: Jürgen <sip:a@x>;y", stage=stage) == f'{header}: "Jürgen" <sip:a@x>;y'


@pytest.mark.parametrize("header", ["Referred-By", "Route", "Record-Route", "Path", "Call-Info", "X-Name"])
def test_headers_that_stay(header):
    line = f"{header}: Jürgen <sip:a@x>"
    assert mended(line) == line


def test_lists():
    line = 'P-Asserted-Identity: "A, B" <sip:a@x>, Jürgen <sip:b@x>,<tel:1>, x@y <sip:c@x>'
    after = 'P-Asserted-Identity: "A, B" <sip:a@x>, "Jürgen" <sip:b@x>,<tel:1>, "x@y" <sip:c@x>'
    assert mended(line) == after
    assert mended("Contact: *") == "Contact: *"
    assert mended("Contact: <sip:a@x>, Ä <sip:b@x>") == 'Contact: <sip:a@x>, "Ä" <sip:b@x>'


@pytest.mark.parametrize("stage", [RESPONSE_IN, RESPONSE_OUT])
def test_from_and_to_of_answers_stay(stage):
    """They are those of the request, which the core sees to."""
    text = response(200, "BYE", "From: Jürgen <sip:a@x>;tag=1", "To: Ä <sip:b@x>;tag=2")
    assert put(text, stage=stage, rules=[RULE]).fired == []


def test_signed_from_and_to_stay():
    run = put(request("BYE", "From: Ä <sip:a@x>;tag=1", "Reply-To: Ä <sip:a@x>", "Identity: x"), rules=[RULE])
    assert run.lines("From") == ["From: Ä <sip:a@x>;tag=1"]
    assert run.lines("Reply-To") == ['Reply-To: "Ä" <sip:a@x>']


def test_several_at_once_and_one_report():
    text = request("INVITE", "From: Ä <sip:a@x>;tag=1", "To: Ö <sip:b@x>", "Contact: Ü <sip:c@x>")
    assert put(text, rules=[RULE]).fired == ["display-unquoted"] * 3
    (record,) = put(text, rules=[RULE], mode=REPORT).records
    assert (record.header, record.reason) == ("From", "the name in From has signs that only a quoted name may have")


def test_the_client_of_another_hop_is_left_alone():
    message = sample_message(request("BYE", "From: Ä <sip:a@x>;tag=1"))
    context = sample_context(message, sample_flow("udp:198.51.100.7:5060"))
    context.second_hop = True
    assert RULE.applies(message, context) is None
