"""The pipeline: which rules meet a message, what edits do, and what becomes of rules that fail."""

from __future__ import annotations

import pytest

from proxy.counts import Counts
from proxy.effects import Note, Record
from proxy.repair.edits import apply_edits
from proxy.repair.pipeline import PATIENCE, Pipeline
from proxy.repair.rule import (
    ABSENT,
    BODY,
    LEFT,
    OFF,
    REACHABLE,
    REPAIR,
    REPORT,
    REQUEST_IN,
    REQUEST_OUT,
    RESPONSE_IN,
    RESPONSE_OUT,
    BodyFinding,
    Finding,
    Insert,
    Remove,
    Replace,
    ReplaceBody,
    Rule,
)
from proxy.repair.sample import NETWORKS, sample_context, sample_flow, sample_message

TEXT = """\
INVITE sip:bob@example.com SIP/2.0
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKb
From: <sip:alice@example.com>;tag=1
To: <sip:bob@example.com>
Call-ID: c1
CSeq: 1 INVITE
Contact: <sip:alice@198.51.100.7:5060>
Subject: one
Subject: two

"""
SUBJECT = 7


class Probe(Rule):
    """A rule that does what the test says, and notes what it meets."""

    rfc = "RFC 3261 section 20.36"
    summary = "Test."
    touches = (b"subject", b"contact")

    def __init__(
        self, name="probe", stages=(REQUEST_IN,), methods=(), reaches=(), edits=None, finds=True, line=SUBJECT
    ):
        self.name = name
        self.stages = stages
        self.methods = methods
        self.reaches = reaches
        self.edits = [] if edits is None else edits
        self.finds = finds
        self.line = line
        self.met = 0

    def applies(self, message, context):
        self.met += 1
        return Finding("there is a subject", self.line) if self.finds else None

    def repair(self, message, finding, context):
        return self.edits


class Scene:
    """A pipeline of some rules, with one message after the other."""

    def __init__(self, *rules, mode=REPAIR, modes=None):
        self.counts = Counts(1)
        self.pipeline = Pipeline(rules, modes or {rule.name: mode for rule in rules}, self.counts, NETWORKS)
        self.out = []

    def run(self, stage=REQUEST_IN, method=b"INVITE", text=TEXT):
        self.message = sample_message(text)
        self.context = sample_context(self.message, sample_flow("udp:198.51.100.7:5060"))
        self.out = []
        self.pipeline.run(stage, method, self.message, self.context, self.out)
        return self

    @property
    def records(self):
        return [effect for effect in self.out if isinstance(effect, Record)]

    @property
    def notes(self):
        return [effect for effect in self.out if isinstance(effect, Note)]

    @property
    def unchanged(self):
        return self.message.octets() == sample_message(TEXT).octets()


class TestDispatch:
    @pytest.mark.parametrize("stage", [REQUEST_IN, RESPONSE_IN, REQUEST_OUT, RESPONSE_OUT])
    def test_by_stage(self, stage):
        inside, outside = Probe("a", stages=(stage,)), Probe("b", stages=((stage + 1) % 4,))
        Scene(inside, outside).run(stage)
        assert (inside.met, outside.met) == (1, 0)

    def test_by_method(self):
        named, other, every = Probe("a", methods=(b"INVITE",)), Probe("b", methods=(b"BYE",)), Probe("c")
        Scene(named, other, every).run()
        assert (named.met, other.met, every.met) == (1, 0, 1)

    def test_unknown_methods_meet_the_rules_for_all(self):
        named, every = Probe("a", methods=(b"INVITE",)), Probe("b")
        Scene(named, every).run(method=b"DANCE")
        assert (named.met, every.met) == (0, 1)

    def test_a_rule_may_name_a_method_nobody_else_knows(self):
        rule = Probe(methods=(b"DANCE",))
        Scene(rule).run(method=b"DANCE")
        assert rule.met == 1

    def test_by_reach(self):
        fits, not_fits = Probe("a", reaches=(ABSENT, REACHABLE)), Probe("b", reaches=(LEFT,))
        Scene(fits, not_fits).run()
        assert (fits.met, not_fits.met) == (1, 0)

    def test_rules_that_are_off_meet_nothing(self):
        rule = Probe()
        Scene(rule, mode=OFF).run()
        assert rule.met == 0

    def test_rules_know_the_stage(self):
        scene = Scene(Probe()).run(RESPONSE_OUT)
        assert scene.context.stage == RESPONSE_OUT

    def test_order_is_kept(self):
        first = Probe("z", edits=[Replace(SUBJECT, b"Subject: first")])
        second = Probe("a", edits=[Replace(SUBJECT, b"Subject: second")])
        scene = Scene(first, second).run()
        assert scene.message.lines[SUBJECT] == b"Subject: second"
        assert [record.before for record in scene.records] == [b"Subject: one", b"Subject: first"]


class TestRecords:
    def test_replacement(self):
        scene = Scene(Probe(edits=[Replace(SUBJECT, b"Subject: new")])).run()
        (record,) = scene.records
        assert (record.rule, record.mode, record.header) == ("probe", REPAIR, "Subject")
        assert (record.before, record.after) == (b"Subject: one", b"Subject: new")
        assert (record.reason, record.rfc) == ("there is a subject", "RFC 3261 section 20.36")
        assert (record.method, record.call_id, record.direction) == (b"INVITE", b"c1", "to-server")
        assert record.flow is scene.context.flow
        assert scene.counts.repairs == {("probe", "Subject", REPAIR): 1}

    def test_insertion_has_no_before_and_removal_no_after(self):
        scene = Scene(Probe(edits=[Insert(SUBJECT, b"subject", b"Subject: new"), Remove(SUBJECT)])).run()
        assert [(record.before, record.after) for record in scene.records] == [
            (None, b"Subject: new"),
            (b"Subject: one", None),
        ]
        assert scene.counts.repairs == {("probe", "Subject", REPAIR): 2}

    @pytest.mark.parametrize(
        ("stage", "direction"),
        [
            (REQUEST_IN, "to-server"),
            (RESPONSE_IN, "to-server"),
            (REQUEST_OUT, "to-client"),
            (RESPONSE_OUT, "to-client"),
        ],
    )
    def test_direction(self, stage, direction):
        scene = Scene(Probe(stages=(stage,))).run(stage)
        assert scene.records[0].direction == direction

    @pytest.mark.parametrize(("line", "before"), [(SUBJECT, b"Subject: one"), (-1, None)])
    def test_report_tells_and_touches_nothing(self, line, before):
        scene = Scene(Probe(edits=[Remove(SUBJECT)], line=line), mode=REPORT).run()
        assert scene.unchanged
        assert [(record.mode, record.before, record.after) for record in scene.records] == [(REPORT, before, None)]
        assert scene.counts.repairs == {("probe", "Subject", REPORT): 1}

    def test_finding_without_edits_is_recorded_as_mended_already(self):
        scene = Scene(Probe()).run()
        assert scene.unchanged
        assert [(record.before, record.after) for record in scene.records] == [(b"Subject: one", b"Subject: one")]

    def test_without_call_id(self):
        scene = Scene(Probe(line=-1), mode=REPORT).run(text="BYE sip:b SIP/2.0\nTo: <sip:b>\n\n")
        assert scene.records[0].call_id == b""

    def test_header_label_is_of_the_headers_named_by_the_rule(self):
        """A header that a client makes up never becomes a metrics label."""
        scene = Scene(Probe(line=1), mode=REPORT).run(text="BYE sip:b SIP/2.0\nX-Mine: 1\n\n")
        assert scene.counts.repairs == {("probe", "Subject", REPORT): 1}


class TestEdits:
    @pytest.mark.parametrize(
        ("edits", "left"),
        [
            ([Remove(7), Remove(8)], []),
            ([Remove(8), Insert(9, b"subject", b"Subject: end")], [b"Subject: one", b"Subject: end"]),
            (
                [Replace(7, b"Subject: 7"), Insert(7, b"subject", b"Subject: a"), Insert(7, b"subject", b"Subject: b")],
                [b"Subject: a", b"Subject: b", b"Subject: 7", b"Subject: two"],
            ),
            ([Insert(8, b"subject", b"Subject: m"), Remove(7)], [b"Subject: m", b"Subject: two"]),
        ],
    )
    def test_line_numbers_are_those_before_the_first_edit(self, edits, left):
        message = sample_message(TEXT)
        apply_edits(edits, message)
        assert message.lines[7:] == left
        assert message.names[7:] == [b"subject"] * len(left)
        assert message.lines[:7] == sample_message(TEXT).lines[:7]


class TestReach:
    MOVE = [Replace(6, b"Contact: <sip:alice@198.51.100.7:5060;b=k3v9x2m7q4w8z5c1>")]

    def test_follows_an_edit_of_contact(self):
        """The rules behind meet the Contact as it is now; those before are not met again."""
        before = Probe("a", reaches=(LEFT,), finds=False)
        mover = Probe("b", reaches=(REACHABLE,), edits=self.MOVE)
        gone = Probe("c", reaches=(REACHABLE,))
        now = Probe("d", reaches=(LEFT,), finds=False)
        scene = Scene(before, mover, gone, now).run()
        assert scene.context.reach == LEFT
        assert (before.met, mover.met, gone.met, now.met) == (0, 1, 0, 1)

    def test_stays_on_the_way_to_the_client(self):
        """There the Contact is the server's, and nobody judges it."""
        scene = Scene(Probe(stages=(RESPONSE_OUT,), edits=self.MOVE)).run(RESPONSE_OUT)
        assert scene.context.reach == REACHABLE

    def test_is_not_asked_again_for_other_headers(self):
        scene = Scene(Probe("a", edits=[Remove(SUBJECT)]), Probe("b", reaches=(REACHABLE,), finds=False))
        scene.pipeline.run(REQUEST_IN, b"INVITE", *self.fresh(scene, LEFT))
        assert scene.context.reach == LEFT

    def fresh(self, scene, reach):
        scene.message = sample_message(TEXT)
        scene.context = sample_context(scene.message, sample_flow("udp:198.51.100.7:5060"))
        scene.context.reach = reach
        return scene.message, scene.context, scene.out


class Broken(Probe):
    """A rule that raises while `broken` is true, in `applies` or in `repair`."""

    def __init__(self, name="broken", where="applies"):
        super().__init__(name)
        self.broken = True
        self.where = where

    def applies(self, message, context):
        self.met += 1
        if self.broken and self.where == "applies":
            raise RuntimeError("out of order")
        return Finding("there is a subject", SUBJECT)

    def repair(self, message, finding, context):
        if self.broken and self.where == "repair":
            raise RuntimeError("out of order")
        return [Replace(SUBJECT, b"Subject: x\r\nEvil: y")] if self.broken else []


@pytest.mark.parametrize("where", ["applies", "repair", "guard"])
class TestFailures:
    def test_the_message_goes_on_unrepaired_by_it(self, where):
        after = Probe("after", edits=[Replace(SUBJECT, b"Subject: new")])
        scene = Scene(Broken(where=where), after).run()
        assert scene.message.lines[SUBJECT] == b"Subject: new"
        assert [record.rule for record in scene.records] == ["after"]
        assert scene.counts.plugin_errors == {"broken": 1}

    def test_nothing_of_it_is_applied(self, where):
        assert Scene(Broken(where=where)).run().unchanged

    def test_the_traceback_is_noted_once(self, where):
        scene = Scene(Broken(where=where)).run()
        (note,) = scene.notes
        assert note.level == "error"
        assert note.fields["rule"] == "broken"
        assert "Traceback" in str(note.fields["traceback"])
        assert scene.run().notes == []

    def test_ten_in_a_row_turn_it_off(self, where):
        rule, other = Broken(where=where), Probe("other", finds=False)
        scene = Scene(rule, other)
        for _ in range(PATIENCE):
            scene.run()
        (note,) = scene.notes
        assert "turned off" in note.text
        assert note.fields == {"rule": "broken", "failures": PATIENCE}
        assert scene.pipeline.off == {"broken"}
        scene.run()
        assert (rule.met, other.met) == (PATIENCE, PATIENCE + 1)
        assert scene.counts.plugin_errors == {"broken": PATIENCE}

    def test_a_success_ends_the_row(self, where):
        rule = Broken(where=where)
        scene = Scene(rule)
        for _ in range(3):
            for _ in range(PATIENCE - 1):
                scene.run()
            rule.broken = False
            scene.run()
            rule.broken = True
        assert scene.pipeline.off == set()

    def test_messages_it_never_meets_are_no_success(self, where):
        rule = Broken(where=where)
        scene = Scene(rule)
        for _ in range(PATIENCE):
            scene.run()
            scene.run(RESPONSE_OUT)
        assert scene.pipeline.off == {"broken"}

    def test_another_failing_rule_has_its_own_row(self, where):
        first, second = Broken("first", where), Broken("second", where)
        scene = Scene(first, second)
        scene.run()
        second.broken = False
        for _ in range(PATIENCE - 1):
            scene.run()
        assert scene.pipeline.off == {"first"}


def test_line_number_beyond_the_message_is_a_failure():
    for mode in (REPORT, REPAIR):
        scene = Scene(Probe(line=99), mode=mode).run()
        assert scene.counts.plugin_errors == {"probe": 1}
        assert scene.unchanged


class OfBody(Probe):
    """A rule that puts another body in."""

    touches = (BODY, b"content-length")

    def __init__(self, octets):
        super().__init__(edits=[ReplaceBody(octets)])

    def applies(self, message, context):
        return BodyFinding("the body is too quiet", b"a=quiet")


class TestBodies:
    TEXT = TEXT.rstrip("\n") + "\nl: 16\n\nv=0\na=quiet\n"

    def test_length_and_records_follow(self):
        scene = Scene(OfBody(b"v=0\r\na=LOUDER\r\n")).run(text=self.TEXT)
        assert scene.message.octets().endswith(b"\r\nl: 15\r\n\r\nv=0\r\na=LOUDER\r\n")
        (record,) = scene.records
        assert (record.header, record.before, record.after) == ("Body", b"a=quiet", b"a=LOUDER")
        assert scene.counts.repairs == {("probe", "Body", REPAIR): 1}

    def test_report_shows_the_line_and_touches_nothing(self):
        scene = Scene(OfBody(b"x"), mode=REPORT).run(text=self.TEXT)
        assert scene.message.octets() == sample_message(self.TEXT).octets()
        assert [(record.header, record.before, record.after) for record in scene.records] == [
            ("Body", b"a=quiet", None)
        ]

    @pytest.mark.parametrize("octets", [b"\0", b"x" * 65536])
    def test_what_the_guard_refuses_leaves_the_message(self, octets):
        scene = Scene(OfBody(octets)).run(text=self.TEXT)
        assert scene.message.octets() == sample_message(self.TEXT).octets()
        assert scene.counts.plugin_errors == {"probe": 1}

    def test_a_rule_knows_the_networks_of_the_server(self):
        assert Scene(OfBody(b"x")).run(text=self.TEXT).context.local_networks == NETWORKS
