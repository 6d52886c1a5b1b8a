"""Rules of users that go wrong, in the real core: the call goes on, the figures and the log say which rule it was."""

from __future__ import annotations

import itertools

import pytest

from proxy.repair.pipeline import PATIENCE
from proxy.repair.rule import (
    BODY,
    REQUEST_IN,
    REQUEST_OUT,
    RESPONSE_IN,
    RESPONSE_OUT,
    Finding,
    Insert,
    Remove,
    Replace,
    ReplaceBody,
    Rule,
    Sample,
)
from tests.support.flows import call_in, call_out, registration, shown
from tests.support.ladder import Ladder, note, nothing, record
from tests.support.world import World

MESSAGE = "MESSAGE sip:bob@example.com"
EVERYWHERE = (REQUEST_IN, RESPONSE_IN, REQUEST_OUT, RESPONSE_OUT)
FAILED = "repair rule acme-bad failed and was skipped for this message"


class Acme(Rule):
    """A rule of a user: finds something in every message, and wants the edits it is given."""

    name = "acme-bad"
    rfc = "RFC 3261 section 20.36"
    summary = "Test."
    stages = EVERYWHERE
    touches = (b"subject", b"x-acme", BODY)
    samples = (Sample("a", "b"),)

    def __init__(self, edits=None, finding=None, **attributes):
        self.edits = edits
        self.finding = finding or Finding("it is there")
        for name, value in attributes.items():
            setattr(self, name, value)

    def applies(self, message, context):
        return self.finding

    def repair(self, message, finding, context):
        return self.edits(message) if callable(self.edits) else self.edits


class Raises(Acme):
    def __init__(self, error, where):
        super().__init__()
        self.error = error
        self.where = where

    def applies(self, message, context):
        if self.where == "applies":
            raise self.error
        return self.finding

    def repair(self, message, finding, context):
        raise self.error


class Changes(Acme):
    """Changes what it is given."""

    def __init__(self, change):
        super().__init__()
        self.change = change

    def applies(self, message, context):
        self.change(message, context)


def made(*edits):
    return lambda message: [edit() for edit in edits]


BAD = {
    "raises in applies": Raises(ValueError("no"), "applies"),
    "raises in repair": Raises(ValueError("no"), "repair"),
    "calls itself": Raises(RecursionError("maximum recursion depth exceeded"), "applies"),
    "has no memory": Raises(MemoryError(), "repair"),
    "exits": Raises(SystemExit(1), "applies"),
    "exits in repair": Raises(SystemExit(1), "repair"),
    "finds no Finding": Acme(finding="it is there"),
    "gives no reason": Acme(finding=Finding(None)),
    "finds a line that is not there": Acme(finding=Finding("it is there", 99)),
    "wants None": Acme(None),
    "wants a number": Acme(7),
    "wants a text": Acme("Subject: x"),
    "yields": Acme(lambda message: (edit for edit in [Remove(1)])),
    "line out of range": Acme(made(lambda: Remove(99))),
    "line that is no number": Acme(made(lambda: Remove("1"))),
    "text instead of octets": Acme(made(lambda: Insert(1, b"x-acme", "X-Acme: 1"))),
    "CR and LF": Acme(made(lambda: Insert(1, b"x-acme", b"X-Acme: 1\r\nRoute: <sip:evil.example>"))),
    "LF": Acme(made(lambda: Insert(1, b"x-acme", b"X-Acme: 1\nX: y"))),
    "NUL": Acme(made(lambda: Insert(1, b"x-acme", b"X-Acme: \0"))),
    "another header": Acme(made(lambda: Insert(1, b"priority", b"Priority: urgent"))),
    "another header under a name of its own": Acme(made(lambda: Insert(1, b"x-acme", b"Route: <sip:evil.example>"))),
    "a Route": Acme(made(lambda: Insert(1, b"route", b"Route: <sip:evil.example>"))),
    "the start line": Acme(made(lambda: Replace(0, b"BYE sip:evil.example SIP/2.0"))),
    "a large head": Acme(made(lambda: Insert(1, b"x-acme", b"X-Acme: " + b"x" * 40000))),
    "a large body": Acme(made(lambda: ReplaceBody(b"x" * 70000))),
    "never enough": Acme(made(lambda: Insert(1, b"x-acme", b"X-Acme: 1"))),
    "changes the lines": Changes(lambda m, c: m.lines.append(b"Evil: 1")),
    "changes the message": Changes(lambda m, c: m.replace(1, b"Via: x")),
    "takes the body": Changes(lambda m, c: setattr(m, "body", b"evil")),
    "changes the context": Changes(lambda m, c: setattr(c, "reach", 99)),
    "loses the flow": Changes(lambda m, c: setattr(c, "flow", None)),
}


def stage(*rules, **more):
    """Phones by UDP, with rules of a user."""
    world = World(clients=("udp://203.0.113.10:5060", "tcp://203.0.113.10:5060"), rules=rules, **more)
    anna = world.client(
        "anna", "198.51.100.20:31000", contact="<sip:anna@192.168.1.20:5060>", via="SIP/2.0/UDP 192.168.1.20:5060;rport"
    )
    return world, anna, world.server("pbx", contact="<sip:pbx@10.0.0.5:5060>")


@pytest.mark.parametrize("rule", BAD.values(), ids=BAD)
def test_calls_in_both_directions_go_on(rule):
    """Register, call, be called, hang up: each message meets the bad rule, and passes as if it were not there.

    The first failure is told with its reason, and the tenth turns the rule off."""
    world, anna, pbx = stage(rule)
    ladder = Ladder(world)
    end = (pbx.continues("BYE"), anna.gets("BYE {*}", route=None), anna.sends(200), pbx.gets(200))
    calls = (*call_out(anna, pbx, "T", "R"), *call_in(anna, pbx, "T", "S"), *end)
    for step in (*registration(anna, pbx, "T"), *calls):
        ladder = ladder >> step if step.direction == ">>" else ladder << step
        failures = len([one for one in ladder.steps if one.direction == ">>"])
        if step.direction == ">>" and failures in (1, PATIENCE):
            ladder = ladder << note(FAILED if failures == 1 else "acme-bad failed 10 times in a row and is turned off")
    assert ladder
    assert world.counts.plugin_errors == {"acme-bad": PATIENCE}
    assert not [rule for rule, _, _ in world.counts.repairs if rule == "acme-bad"]


@pytest.mark.parametrize("rule", [BAD["raises in applies"], BAD["CR and LF"], BAD["wants None"]])
def test_other_rules_do_their_work(rule):
    """Those before it and those behind it."""

    class Good(Acme):
        name = "acme-good"

        def applies(self, message, context):
            return Finding("Subject is there", message.index(b"subject")) if b"subject" in message.names else None

        def repair(self, message, finding, context):
            return [Remove(finding.line)]

    world, anna, pbx = stage(rule, Good())
    assert (
        Ladder(world)
        >> anna.sends("INVITE sip:bob@example.com", subject="hello")
        << note(FAILED)
        << pbx.gets("INVITE", contact="{*}", record_route=["{*}", "{*}"], subject=None)
        << record("contact-private", "Contact")
        << record("acme-good", "Subject", before="Subject: hello")
    )
    assert world.counts.plugin_errors == {"acme-bad": 1}


def test_report_mode_is_as_safe():
    world, anna, pbx = stage(BAD["finds no Finding"], repair={"acme-bad": {"mode": "report"}})
    assert Ladder(world) >> anna.sends(MESSAGE) << note(FAILED) << pbx.gets("MESSAGE")


def test_a_rule_that_recovers_stays_on():
    """Nine failures and a success, again and again."""
    rule = Acme(methods=(b"MESSAGE",), stages=(REQUEST_IN,))
    fails = itertools.cycle([True] * (PATIENCE - 1) + [False])
    rule.applies = lambda message, context: 1 / 0 if next(fails) else None
    world, anna, pbx = stage(rule)
    for number in range(3 * PATIENCE):
        ladder = Ladder(world) >> anna.sends(MESSAGE, call_id=f"c{number}")
        ladder = ladder << note(FAILED) if number == 0 else ladder
        assert ladder << pbx.gets("MESSAGE")
    assert world.counts.plugin_errors == {"acme-bad": 3 * (PATIENCE - 1)}


def test_a_rule_for_via_that_fails():
    """It meets what no transaction could be found for; the rules of sipmend mend it all the same."""
    world, anna, pbx = stage(Acme(None, touches=(b"via",), stages=(REQUEST_IN,)))
    broken = (
        "MESSAGE sip:bob@example.com SIP/2.0\nVia: nonsense\nMax-Forwards: 70\nFrom: <sip:anna@example.com>;tag=1\n"
        "To: <sip:bob@example.com>\nCall-ID: v1\nCSeq: 1 MESSAGE\nContent-Length: 0\n\n"
    )
    assert Ladder(world) >> anna.sends_octets(broken) << note(FAILED) << pbx.gets("MESSAGE", via=["{*}", "{*}"])
    assert world.counts.plugin_errors == {"acme-bad": 1}


class Stamp(Acme):
    """A sound rule: puts a header into what has none."""

    name = "acme-stamp"

    def applies(self, message, context):
        return None if b"x-acme" in message.names else Finding("X-Acme is missing")

    def repair(self, message, finding, context):
        return [Insert(len(message.lines), b"x-acme", b"X-Acme: 1")]


def test_a_retransmission_meets_no_rule_again():
    """What was sent is sent again; the rule ran once."""
    world, anna, pbx = stage(Stamp(stages=(REQUEST_IN,)))
    assert (
        Ladder(world)
        >> anna.sends("INVITE sip:bob@example.com")
        << pbx.gets("INVITE", contact="{*}", record_route=["{*}", "{*}"], x_acme="1")
        >> anna.repeats()
        << nothing
    )
    assert world.counts.repairs[("acme-stamp", "X-Acme", "repair")] == 1


def test_a_request_that_passes_twice_is_met_on_each_way_and_does_not_grow():
    """From a client to the server and back to a client: request-in, then request-out."""
    world, anna, pbx = stage(Stamp())
    assert (
        Ladder(world)
        >> registration_with_stamp(anna, pbx)
        >> anna.sends(MESSAGE)
        << pbx.gets("MESSAGE", x_acme="1")
        >> pbx.forwards("MESSAGE", uri="sip:anna@10.0.0.2:5070;transport=udp;b={T}")
        << anna.gets("MESSAGE sip:anna@192.168.1.20:5060", x_acme="1")
    )
    assert anna.received[-1].values("x-acme") == ["1"]


def registration_with_stamp(anna, pbx):
    return [
        anna.sends("REGISTER sip:example.com", contact=anna.contact),
        pbx.gets("REGISTER sip:example.com", contact=shown(anna, "T"), path="{*}", supported="path", x_acme="1"),
        pbx.sends(200, contact=f"{shown(anna, 'T')};expires=3600"),
        anna.gets(200, contact=f"{anna.contact};expires=3600", x_acme="1"),
    ]


def test_a_client_with_a_profile_meets_it_too():
    """Each profile has pipelines of its own: a rule may be off there."""
    profile = {"name": "desk", "match": {"user_agent": "desk"}, "repair": {"acme-bad": "off"}}
    world, anna, pbx = stage(BAD["raises in applies"], profiles=[profile])
    assert (
        Ladder(world)
        >> anna.sends(MESSAGE, user_agent="desk 1")
        << pbx.gets("MESSAGE")
        >> anna.sends(MESSAGE, user_agent="other", call_id="c2")
        << note(FAILED)
        << pbx.gets("MESSAGE")
    )


def test_the_log_shows_reason_and_place():
    """Nothing of what the rule wrote, nor of the message."""
    world, anna, _ = stage(BAD["CR and LF"])
    anna.sends(MESSAGE).play(world)
    text = "\n".join(world.describe(output) for output in world.outputs)
    assert "acme-bad wrote a line end or NUL into x-acme" in text
    assert "evil.example" not in text
