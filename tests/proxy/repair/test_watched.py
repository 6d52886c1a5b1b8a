"""Rules of others, watched: whatever one does, the message and the other rules stay as they are, and it is told."""

from __future__ import annotations

import pytest

import plugins
from proxy.repair.pipeline import Pipeline
from proxy.repair.rule import (
    BODY,
    PRIVATE,
    REPORT,
    REQUEST_IN,
    BodyFinding,
    Finding,
    Insert,
    NumberSetting,
    Remove,
    Replace,
    ReplaceBody,
    Rule,
    Sample,
    SettingError,
)
from proxy.repair.sample import sample_flow, sample_message
from proxy.repair.testing import UDP, Run, complaints, put, request
from proxy.repair.watched import LONGEST_REASON, RuleError, Watched, named, one_line

TEXT = request("MESSAGE", "Subject: HELLO", "Contact: <sip:alice@192.168.1.9>", body="v=0\n")
LINE = TEXT.split("\n").index("Subject: HELLO")


class Probe(Rule):
    """Does what the test says."""

    name = "acme-probe"
    rfc = "RFC 3261 section 20.36"
    summary = "Test."
    stages = (REQUEST_IN,)
    touches = (b"subject", BODY)
    samples = (Sample("a", "b"),)

    def __init__(self, applies=None, repair=None, **attributes):
        self._applies = applies or (lambda message, context: Finding("it shouts", LINE) if shouts(message) else None)
        self._repair = repair or (lambda message, finding, context: [Replace(LINE, b"Subject: hello")])
        for name, value in attributes.items():
            setattr(self, name, value)

    def applies(self, message, context):
        return self._applies(message, context)

    def repair(self, message, finding, context):
        return self._repair(message, finding, context)


def shouts(message):
    return message.value(b"subject") == b"HELLO"


def run(rule, mode="repair"):
    return Run(sample_message(TEXT), sample_flow(UDP), [Watched(rule)], mode=mode)


def told(rule, mode="repair"):
    """What the log says of a rule that failed; the message must be as it was, and nothing recorded or counted."""
    done = run(rule, mode)
    assert done.text == TEXT
    assert done.records == []
    assert not done.counts.repairs
    assert done.counts.plugin_errors == {"acme-probe": 1}
    (failure,) = done.failures
    assert "repair rule acme-probe failed" in failure
    return failure


def raising(error):
    def function(*_):
        raise error

    return function


def test_a_good_rule_does_its_work():
    done = run(Probe())
    assert done.lines("Subject") == ["Subject: hello"]
    assert done.fired == ["acme-probe"]
    assert done.records[0].reason == "it shouts"
    assert done.failures == []


@pytest.mark.parametrize("rule", plugins.ORDER, ids=lambda rule: rule.name)
def test_the_rules_of_sipmend_would_pass_as_rules_of_others(rule):
    assert complaints(rule) == []


class Odd(BaseException):
    pass


@pytest.mark.parametrize("where", ["applies", "repair"])
@pytest.mark.parametrize(
    "error",
    [ValueError("no"), RecursionError(), MemoryError(), SystemExit(3), GeneratorExit(), Odd("odd"), StopIteration()],
    ids=repr,
)
def test_whatever_is_raised_ends_there(where, error):
    assert type(error).__name__ in told(Probe(**{where: raising(error)}))


def test_only_the_administrator_interrupts():
    with pytest.raises(KeyboardInterrupt):
        run(Probe(applies=raising(KeyboardInterrupt())))


def test_a_stack_that_is_full_is_told_by_its_last_frames():
    def deep(*_):
        return deeper()

    def deeper():
        return deep()

    text = told(Probe(applies=deep))
    assert "RecursionError" in text
    assert len(text) < 4000


@pytest.mark.parametrize("found", [True, 0, "yes", b"", [], (), Finding, object()], ids=repr)
def test_what_is_no_finding(found):
    for mode in ("repair", "report"):
        assert "applies has to return a Finding or None, not" in told(Probe(applies=lambda *_: found), mode)


@pytest.mark.parametrize("reason", [None, 5, "", "  \n", b"it shouts"], ids=repr)
def test_what_is_no_reason(reason):
    assert "reason of a Finding has to be a sentence" in told(Probe(applies=lambda *_: Finding(reason, LINE)))


@pytest.mark.parametrize("line", [None, "7", 7.0, True, -2, 99, 2**70], ids=repr)
def test_what_is_no_line(line):
    for mode in ("repair", "report"):
        assert "line of a Finding" in told(Probe(applies=lambda *_: Finding("it shouts", line)), mode)


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("one\r\nERROR forged line", "one ERROR forged line"),
        ("colour \x1b[31m and \x00 \u202e", "colour \\x1b[31m and \\x00 \\u202e"),
        ("x" * 5000, "x" * LONGEST_REASON + "..."),
        ("it has Authorization: Digest username=a, response=0123", "it has Authorization: (hidden)"),
        ('it has response="0123456789abcdef0123456789abcdef"', "it has response=(hidden)"),
        ("\udcff", "\\udcff"),
    ],
)
def test_a_reason_comes_out_as_one_harmless_line(reason, shown):
    finding = Finding(reason, LINE)
    done = run(Probe(applies=lambda message, _: finding if shouts(message) else None))
    assert [record.reason for record in done.records] == [shown]


@pytest.mark.parametrize(
    ("edits", "text"),
    [
        (None, "has to return a list of at most 1000 edits, not None"),
        (5, "not int"),
        ("Subject: x", "not str"),
        ((Remove(LINE),), "not tuple"),
        ((edit for edit in [Remove(LINE)]), "not generator"),
        ([Remove(LINE)] * 1001, "not list"),
        (["Subject: x"], "has to return Replace, Insert, Remove or ReplaceBody, not str"),
        ([None], "ReplaceBody, not None"),
        ([Remove], "ReplaceBody, not type"),
        ([Replace("7", b"Subject: x")], "the line of an edit has to be a whole number, not str"),
        ([Remove(7.0)], "not float"),
        ([Remove(True)], "not bool"),
        ([Remove(None)], "not None"),
        ([Remove(99)], "there is no header line 99"),
        ([Remove(-1)], "there is no header line -1"),
        ([Remove(2**70)], "there is no header line"),
        ([Replace(LINE, "Subject: x")], "a line has to be written in bytes, not str"),
        ([Replace(LINE, bytearray(b"Subject: x"))], "not bytearray"),
        ([Insert(LINE, "subject", b"Subject: x")], "a name has to be written in bytes, not str"),
        ([ReplaceBody("x")], "a body has to be written in bytes, not str"),
        ([Replace(LINE, b"Subject: x\r\nRoute: <sip:evil>")], "wrote a line end or NUL into subject"),
        ([Replace(LINE, b"Subject: x\n")], "wrote a line end or NUL into subject"),
        ([Replace(LINE, b"Subject: x\0")], "wrote a line end or NUL into subject"),
        ([Replace(LINE, b"Subject")], "does not begin with subject and a colon"),
        ([Replace(LINE, b"Via: x")], "does not begin with subject and a colon"),
        ([Replace(1, b"Via: x")], "edits via, which is not among the headers it names in touches"),
        ([Remove(LINE), Replace(3, b"From: x")], "edits from, which is not among the headers"),
        ([Insert(1, b"route", b"Route: <sip:evil>")], "may not edit route"),
        ([Replace(0, b"INVITE sip:evil SIP/2.0")], "may not edit the start line"),
        ([Remove(LINE), Remove(LINE)], f"edits line {LINE} twice"),
        ([Insert(LINE, b"subject", b"Subject: " + b"x" * 40000)], "makes the head 40011 octets longer; 32768 are"),
        ([Insert(LINE, b"subject", b"Subject: " + b"x" * 60)] * 700, "octets longer; 32768 are the most"),
        ([ReplaceBody(b"x" * 65536)], "wrote a body of 65536 octets; 65535 are the most"),
        ([ReplaceBody(b"v=0\0")], "wrote NUL into the body"),
    ],
)  # fmt: skip
def test_edits_that_are_none(edits, text):
    assert text in told(Probe(repair=lambda *_: edits))


def test_an_edit_that_changes_its_mind_counts_as_it_was():
    kept = Replace(LINE, b"Subject: hello")
    rule = Watched(Probe(repair=lambda *_: [kept]))
    message = sample_message(TEXT)
    run_ = Run(message, sample_flow(UDP), [rule])
    kept.text = b"Subject: x\r\nEvil: y"
    assert run_.lines("Subject") == ["Subject: hello"]

    class Changing(Replace):
        calls = 0

        @property
        def text(self):
            self.calls += 1
            return b"Subject: hello" if self.calls == 1 else b"Subject: x\r\nEvil: y"

        @text.setter
        def text(self, value): ...

    assert run(Probe(repair=lambda *_: [Changing(LINE, b"")])).lines("Subject") == ["Subject: hello"]


@pytest.mark.parametrize("where", ["applies", "repair"])
@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda m, c: m.lines.__setitem__(LINE, b"Subject: evil"), "it changed the message itself"),
        (lambda m, c: m.lines.append(b"Evil: x"), "it changed the message itself"),
        (lambda m, c: m.replace(LINE, b"Subject: evil"), "it changed the message itself"),
        (lambda m, c: m.remove(LINE), "it changed the message itself"),
        (lambda m, c: m.insert(1, b"evil", b"Evil: x"), "it changed the message itself"),
        (lambda m, c: m.names.__setitem__(LINE, b"evil"), "it changed the message itself"),
        (lambda m, c: m.set_uri(b"sip:evil"), "it changed the message itself"),
        (lambda m, c: setattr(m, "body", b"evil"), "it changed the message itself"),
        (lambda m, c: setattr(m, "uri", b"sip:evil"), "it changed the message itself"),
        (lambda m, c: setattr(c, "reach", 99), "it changed context.reach"),
        (lambda m, c: setattr(c, "flow", None), "it changed context.flow"),
        (lambda m, c: setattr(c, "stage", 3), "it changed context.stage"),
        (lambda m, c: setattr(c, "domain", b"evil.example"), "it changed context.domain"),
        (lambda m, c: setattr(c, "message", None), "it changed context.message"),
        (lambda m, c: setattr(c, "renamed", {b"a": b"b"}), "it changed context.renamed"),
    ],
)
def test_changes_in_place_are_told_and_have_no_effect(where, change, text):
    def changing(message, *rest):
        change(message, rest[-1])
        return Finding("it shouts", LINE) if where == "applies" else []

    rule = Probe(**{where: changing})
    assert text in told(rule)
    message = sample_message(TEXT)
    done = Run(message, sample_flow(UDP), [Watched(rule)])
    assert message.lines == sample_message(TEXT).lines
    assert done.context.flow.remote_host == "198.51.100.7"
    assert done.context.message is message


def test_the_registrations_of_a_client_cannot_be_renamed():
    text = request("REGISTER", "Contact: <sip:alice@198.51.100.7:5060>")

    def changing(message, context):
        context.renamed.clear()

    done = Run(sample_message(text), sample_flow(UDP), [Watched(Probe(applies=changing))])
    assert "it changed context.renamed" in done.failures[0]
    assert done.context.renamed


def test_a_rule_that_never_has_enough_is_stopped_at_once():
    """It would find its own repair again on each way through the proxy, and a spiral would grow."""
    more = [Insert(LINE, b"subject", b"Subject: more")]
    assert "it finds the defect in its own repair again" in told(
        Probe(applies=lambda *_: Finding("there is room", LINE), repair=lambda *_: more)
    )


def test_a_rule_that_would_not_meet_its_own_repair_may_find_it():
    """Stage, method, reach and traits keep messages away; only what it meets counts."""
    contact = TEXT.split("\n").index("Contact: <sip:alice@192.168.1.9>")
    rule = Probe(
        applies=lambda *_: Finding("it is private", contact),
        repair=lambda *_: [Replace(contact, b"Contact: <sip:alice@198.51.100.7:5060>")],
        touches=(b"contact",),
        reaches=(PRIVATE,),
    )
    done = run(rule)
    assert done.failures == []
    assert done.lines("Contact") == ["Contact: <sip:alice@198.51.100.7:5060>"]
    rule = Probe(
        applies=lambda *_: Finding("it has a body"), repair=lambda *_: [ReplaceBody(b"")], unless=32, touches=(BODY,)
    )
    done = run(rule)
    assert done.failures == []
    assert done.lines("Content-Length") == ["Content-Length: 0"]


def test_a_body_finding_shows_one_line_without_keys():
    found = BodyFinding("the body tells a key", b"a=ice-pwd:secret\r\nx")
    done = run(Probe(applies=lambda *_: found), REPORT)
    assert [record.before for record in done.records] == [b"a=ice-pwd:..."]
    assert "`before` of a BodyFinding has to be octets" in told(Probe(applies=lambda *_: BodyFinding("it is", "x")))


def test_a_finding_of_its_own_kind_comes_back_to_the_rule():
    class Mine(Finding):
        def __init__(self, reason, line, text):
            super().__init__(reason, line)
            self.text = text

    rule = Probe(
        applies=lambda message, _: Mine("it shouts", LINE, b"Subject: mine") if shouts(message) else None,
        repair=lambda message, finding, _: [Replace(finding.line, finding.text)],
    )
    assert run(rule).lines("Subject") == ["Subject: mine"]


def test_a_rule_that_renames_itself_stays_who_it_was():
    """A name is a metrics label, and the stages and headers are what the pipeline was made for."""
    rule = Probe()

    def changing(message, context):
        rule.name, rule.touches, rule.stages = "evil{x}\n", (b"via",), ()
        return Finding("it shouts", LINE) if shouts(message) else None

    rule._applies = changing
    watched = Watched(rule)
    done = Run(sample_message(TEXT), sample_flow(UDP), [watched])
    assert dict(done.counts.repairs) == {("acme-probe", "Subject", "repair"): 1}
    Pipeline([watched], {"acme-probe": "repair"}, done.counts)


class Chosen(Probe):
    settings = (NumberSetting("depth", 1, "How deep.", 1, 9),)

    def with_settings(self, chosen):
        if chosen["depth"] == 9:
            raise SettingError("depth", "too\r\ndeep")
        return Chosen(depth=chosen["depth"])


def test_settings_make_another_one_that_is_watched_too():
    watched = Watched(Chosen())
    assert watched.configured({}) is watched
    other = watched.configured({"depth": 3})
    assert isinstance(other, Watched)
    assert other._rule.depth == 3
    with pytest.raises(SettingError) as caught:
        watched.configured({"depth": 9})
    assert (caught.value.name, caught.value.text) == ("depth", "too deep")
    with pytest.raises(SettingError, match="should be from 1 to 9, not 10"):
        watched.configured({"depth": 10})


def test_what_is_no_message():
    with pytest.raises(TypeError, match="str is no message"):
        Watched(Probe()).applies("INVITE", None)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("a\nb"), "ValueError: a b"),
        (KeyError(), "KeyError"),
        (RuleError("it did"), "RuleError: it did"),
        (ValueError("x" * 999), "ValueError: " + "x" * 188 + "..."),
    ],
)
def test_errors_on_one_line(error, text):
    assert named(error) == text


def test_lines_of_anything():
    assert one_line(5) == "5"
    assert put(TEXT, Probe()).lines("Subject") == ["Subject: hello"]
