"""What holds for every rule of the catalogue; a new rule gets these tests by being in `plugins.ORDER`."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruling import CATALOG, CORPUS, DEFAULT, Run, put

from proxy.repair.contract import RFC
from proxy.repair.guard import GuardError, check
from proxy.repair.rule import (
    BODY,
    OFF,
    REPORT,
    REQUEST_IN,
    REQUEST_OUT,
    RESPONSE_IN,
    RESPONSE_OUT,
    STATUS_LINE,
    Insert,
    Replace,
)
from proxy.repair.sample import sample_context, sample_flow, sample_message, sample_stage
from proxy.sip.errors import ParseError
from proxy.sip.message import Response
from proxy.sip.parser import parse_message
from proxy.sip.registry import START
from tests.support.valid_messages import METHODS, valid_messages

SAMPLES = [
    pytest.param(rule, sample, id=f"{rule.name}-{number}")
    for rule in CATALOG.rules
    for number, sample in enumerate(rule.samples)
]
RULES = [pytest.param(rule, id=rule.name) for rule in CATALOG.rules]
CLEAN = sorted(CORPUS.glob("*.sip"))


def play(rule, sample, text=None, **more):
    """Put the sample, or the message that leaves, through that rule, or through those given."""
    more.setdefault("rules", [rule])
    text = sample.before if text is None else text
    return put(text, sample.sender, sample.registered, stage_of(rule, sample), asked=sample.asked, **more)


def in_force(rule):
    """The rules as they are by default, in their order, and this one."""
    return [other for other in CATALOG.rules if other is rule or other.default != OFF]


def stage_of(rule, sample):
    return sample_stage(rule, sample, sample_message(sample.before))


@pytest.mark.parametrize(("rule", "sample"), SAMPLES)
def test_sample_is_mended_as_written(rule, sample):
    """The message of the sample leaves as the sample says, with one finding recorded by this rule alone."""
    run = play(rule, sample)
    assert run.text == sample.after
    assert run.fired
    assert sum(run.counts.repairs.values()) == len(run.records)


@pytest.mark.parametrize(("rule", "sample"), SAMPLES)
def test_no_other_rule_changes_the_sample_differently(rule, sample):
    """All rules together give the same result: the order leaves no rule working on another's ruins."""
    run = play(rule, sample, rules=in_force(rule))
    assert run.text == sample.after
    assert set(run.fired) == {rule.name}


@pytest.mark.parametrize(("rule", "sample"), SAMPLES)
def test_repairing_twice_changes_nothing(rule, sample):
    run = play(rule, sample, sample.after, rules=in_force(rule))
    assert run.text == sample.after
    assert run.fired == []


@pytest.mark.parametrize(("rule", "sample"), SAMPLES)
def test_only_the_headers_named_are_touched(rule, sample):
    run = play(rule, sample)
    before = sample_message(sample.before)

    touched = {START if name == STATUS_LINE else name for name in rule.touches}

    def others(message):
        return [line for line, name in zip(message.lines, message.names, strict=True) if name not in touched]

    assert others(run.message) == others(before)
    assert BODY in touched or run.message.body == before.body


@pytest.mark.parametrize(("rule", "sample"), SAMPLES)
def test_result_parses_without_oddities(rule, sample):
    run = play(rule, sample)
    again = parse_message(run.message.octets())
    assert again.octets() == run.message.octets()
    assert again.oddities is None


@pytest.mark.parametrize(("rule", "sample"), SAMPLES)
def test_report_mode_finds_and_leaves_alone(rule, sample):
    run = play(rule, sample, mode=REPORT)
    assert run.message.octets() == sample_message(sample.before).octets()
    assert [(record.mode, record.after) for record in run.records] == [(REPORT, None)]
    assert list(run.counts.repairs.values()) == [1]


@pytest.mark.parametrize(("rule", "sample"), SAMPLES)
def test_reason_is_a_sentence_for_an_operator(rule, sample):
    run = play(rule, sample)
    for record in run.records:
        assert len(record.reason.split()) >= 4
        assert record.reason.isprintable()
        assert record.rfc == rule.rfc


@pytest.mark.parametrize("rule", RULES)
def test_rfc_reference_is_well_formed(rule):
    assert RFC(rule.rfc)


@pytest.mark.parametrize("rule", RULES)
def test_where_the_defect_was_seen_is_told(rule):
    """Reports that anybody can read, or a sentence on where else the rule comes from; never neither."""
    assert bool(rule.source) != bool(rule.no_source)
    assert len(set(rule.source)) == len(rule.source)
    for path in rule.source:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+/(issues|pull)/\d+", path)
    assert not rule.no_source or rule.no_source.endswith(".")


@pytest.mark.parametrize("rule", RULES)
def test_summary_is_one_line(rule):
    assert rule.summary.endswith(".")
    assert "\n" not in rule.summary


@pytest.mark.parametrize("octet", [b"\r", b"\n", b"\r\nRoute: <sip:evil>", b"\0"])
@pytest.mark.parametrize("rule", RULES)
def test_line_ends_cannot_be_written(rule, octet):
    """The guard refuses, for every rule, what would become a second line."""
    message = sample_message(rule.samples[0].before)
    name = rule.touches[0]
    text = name + b": x" + octet
    with pytest.raises(GuardError, match="line end or NUL"):
        check([Insert(1, name, text)], rule, message)
    if name in message.names:
        with pytest.raises(GuardError, match="line end or NUL"):
            check([Replace(message.index(name), text)], rule, message)


@pytest.mark.parametrize("rule", RULES)
def test_line_ends_in_what_a_rule_is_told_do_not_get_out(rule):
    """A URI with a line end in it (it would be a mistake of ours) makes the rule fail, and the message stays."""

    class Poisoned:
        def shown(self, message, flow):
            return b"sip:x@y;b=1>\r\nRoute: <sip:evil"

    for sample in rule.samples:
        message = sample_message(sample.before)
        flow = sample_flow(sample.sender)
        context = sample_context(message, flow, sample.registered)
        context.naming = Poisoned()
        context.home = b"y>\r\nRoute: <sip:evil"
        if context.renamed:
            context.renamed = dict.fromkeys(context.renamed, b"y>\r\nRoute: <sip:evil")
        run = Run(message, flow, context, stage=sample_stage(rule, sample, message), rules=[rule])
        assert b"evil" not in run.message.octets()


@pytest.mark.parametrize("path", CLEAN, ids=lambda path: path.stem)
@pytest.mark.parametrize("outward", [False, True], ids=["from the client", "to the client"])
def test_no_finding_in_a_clean_message(path, outward):
    """Valid messages (modelled on RFC 3665) pass with no finding and octet for octet, by the transport they name."""
    octets = path.read_text().replace("\n", "\r\n").encode()
    message = parse_message(octets)
    assert message.oddities is None
    flow = sample_flow(f"{path.stem.partition('-')[0]}:198.51.100.7:5060")
    context = sample_context(message, flow)
    if context.renamed is not None:
        context.renamed = {}  # the registration of a client whose Contact is left: Path is proven
    stages = (RESPONSE_IN, RESPONSE_OUT) if isinstance(message, Response) else (REQUEST_IN, REQUEST_OUT)
    run = Run(message, flow, context, stage=stages[outward])
    assert run.fired == []
    assert message.octets() == octets


VALID = list(valid_messages(1000))


@pytest.mark.parametrize("choice", [DEFAULT, REPORT])
def test_nothing_is_found_in_a_thousand_valid_messages(choice):
    """With the rules as they are by default, and with every rule reporting: what they found would be no defect."""
    for valid in VALID:
        message = parse_message(valid.octets)
        assert message.oddities is None, valid.octets
        flow = sample_flow(valid.sender)
        context = sample_context(message, flow, stage=valid.stage, asked=valid.asked)
        if context.renamed is not None:
            context.renamed = {}  # as in the clean messages
        run = Run(message, flow, context, stage=valid.stage, rules=CATALOG.rules, mode=choice)
        assert run.fired == [], f"{run.records[0].reason}: {valid.sender} {valid.octets.decode()}"
        assert not run.counts.plugin_errors
        assert message.octets() == valid.octets


def test_valid_messages_are_of_every_kind():
    """Every method, transport, direction; and most of them have something that a rule looks at."""
    starts = [valid.octets.partition(b"\r\n")[0] for valid in VALID]
    assert {start.partition(b" ")[0].decode() for start in starts} == {*METHODS, "SIP/2.0"}
    assert {valid.sender.partition(":")[0] for valid in VALID} == {"udp", "tcp", "tls", "ws", "wss"}
    for stage in (REQUEST_IN, REQUEST_OUT, RESPONSE_IN, RESPONSE_OUT):
        assert sum(valid.stage == stage for valid in VALID) > 100
    assert sum(b"application/sdp" in valid.octets for valid in VALID) > 200
    assert sum(b"<sip" in valid.octets for valid in VALID) > 900


def test_the_clean_corpus_is_there():
    assert len(CLEAN) >= 12


@pytest.mark.parametrize("rule", RULES)
def test_no_rule_needs_the_others(rule):
    """Each may be the only one that is on, whatever is missing in the message."""
    run = put("BYE sip:b SIP/2.0\nX: 1\n\n", "tcp:198.51.100.7:5060", rules=[rule])
    assert not run.counts.plugin_errors
    assert set(run.fired) <= {rule.name}


HEADERS = (
    "Via", "v", "Contact", "m", "CONTACT", "From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Length", "l",
    "Expires", "Route", "Identity", "X-Junk", "Alert-Info", "Content-Type",
)  # fmt: skip
PIECES = st.sampled_from(
    [
        "sip:alice@192.168.1.7", "<sip:a@x.invalid;ob>", "*", ",", ";", "<", ">", '"', "\\", "=", " ", "\t", "\r\n ",
        "None", "tel:+49", "sips:", "sip:", "@", "[::1]", "[", "]", ";transport=tcp", ";expires=0", ";tag=1", "70",
        "99999999999999999999", "-1", "SIP/2.0/UDP", "SIP/2.0/UDP h;branch=z9hG4bK1", "1 INVITE", "INVITE", "0",
        ";b=x", ";gr", ";ob", "application/sdp", "%41", "é", "\u2028", "example.com", ":5060", ":99999", "0.0.0.0",
        "::",
    ]
)  # fmt: skip
VALUES = st.one_of(st.lists(PIECES, max_size=6).map("".join), st.text(max_size=20))
STARTS = st.sampled_from(
    [
        "INVITE sip:bob@example.com SIP/2.0", "REGISTER sip:example.com SIP/2.0", "ACK sips:b SIP/2.0",
        "JUNK x: SIP/2.0", "NOTIFY sip: SIP/2.0", "SIP/2.0 200 OK", "SIP/2.0 183 ", "SIP/2.0 302 Moved",
    ]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    start=STARTS,
    headers=st.lists(st.tuples(st.sampled_from(HEADERS), VALUES), max_size=8),
    body=st.one_of(st.text(max_size=5), st.just("v=0\r\nc=IN IP4 192.168.1.7\r\n")),
    sender=st.sampled_from(["udp:198.51.100.7:5060", "wss:[2001:db8::7]:4711", "tcp:192.168.1.7:5060"]),
    registered=st.booleans(),
    to_server=st.booleans(),
)
def test_junk_neither_breaks_a_rule_nor_the_message(start, headers, body, sender, registered, to_server):
    """Whatever stands in the headers: no rule raises, what leaves parses, and all rules are content with it."""
    text = "\r\n".join((start, *(f"{name}: {value}" for name, value in headers))) + "\r\n\r\n" + body
    try:
        message = parse_message(text.encode("utf-8", "surrogatepass"))
    except ParseError:
        return
    flow = sample_flow(sender)
    stages = (RESPONSE_OUT, RESPONSE_IN) if isinstance(message, Response) else (REQUEST_OUT, REQUEST_IN)
    stage = stages[to_server]
    run = Run(message, flow, registered=registered, stage=stage, rules=CATALOG.rules)
    assert not run.counts.plugin_errors, run.out
    again = parse_message(message.octets())
    assert again.octets() == message.octets()
    twice = Run(again, flow, registered=registered, stage=stage, rules=CATALOG.rules)
    assert twice.fired == []
