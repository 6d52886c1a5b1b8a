"""The lines an administrator reads: their form, what they hide, and what nobody can forge."""

from __future__ import annotations

import io
import json
import sys
import warnings

import pytest
from twisted.internet.task import Clock
from twisted.logger import LogBeginner, Logger, LogPublisher

from proxy.effects import Note, Record
from proxy.flow import CLIENT, UDP, Flow, Listener
from proxy.logs import MAX_TEXTS, MAX_VALUE, NOTES_PER_SECOND, printable, redact, start_logging

MOMENT = 1767225600.25  # 2026-01-01T00:00:00.250Z
FLOW = Flow(Listener(0, CLIENT, UDP, "0.0.0.0", 5060, "203.0.113.10", 5060), "192.0.2.7", 4711)


class Desk:
    """A log with a stream to read and a clock to move."""

    def __init__(self, level="info", form="text", stream=None, **options):
        self.stream = stream or io.StringIO()
        self.clock = Clock()
        self.publisher = LogPublisher()
        beginner = LogBeginner(self.publisher, io.StringIO(), sys, FakeWarnings())
        self.log = start_logging(
            level,
            form,
            self.stream,
            self.clock.callLater,
            wall_clock=lambda: MOMENT,
            beginner=beginner,
            **options,
        )

    def note(self, text, level="info", **fields):
        self.log.write_note(Note(level, text, fields))

    @property
    def lines(self):
        return self.stream.getvalue().split("\n")[:-1]

    @property
    def entries(self):
        return [json.loads(line) for line in self.lines]


class FakeWarnings:
    """Stands for the module that Twisted would redirect."""

    showwarning = warnings.showwarning


def record(header="Contact", before=b"<sip:a@9sh.invalid>", after=b"<sip:alice@10.0.0.2:5070>"):
    return Record(
        "contact-invalid-host",
        "repair",
        header,
        before,
        after,
        "its host cannot be reached",
        "RFC 3261 section 8.1.1.8",
        b"INVITE",
        b"abc@host",
        FLOW,
        "to the server",
    )


def test_text_has_time_level_message_and_the_fields_not_in_the_message():
    desk = Desk()
    desk.note("dropped a request from {flow}", "warn", flow=FLOW, reason="not_server", call_id=b"a b@x", size=12)
    assert desk.lines == [
        "2026-01-01T00:00:00.250Z WARN  dropped a request from udp:192.0.2.7:4711 "
        'reason=not_server call_id="a b@x" size=12'
    ]


def test_json_is_one_flat_object_per_line():
    desk = Desk(form="json")
    desk.note("turned {rule} off", "error", rule="via-broken", failures=10, call_id=b"x@y", other=None)
    assert desk.entries == [
        {
            "time": "2026-01-01T00:00:00.250Z",
            "level": "error",
            "message": "turned via-broken off",
            "failures": 10,
            "call_id": "x@y",
            "other": None,
        }
    ]


def test_json_fields_do_not_replace_time_level_and_message():
    desk = Desk(form="json")
    desk.note("a", level="info", time=b"never", message="m")
    assert desk.entries[0]["time"] == "2026-01-01T00:00:00.250Z"
    assert (desk.entries[0]["time_"], desk.entries[0]["message"], desk.entries[0]["message_"]) == ("never", "a", "m")


@pytest.mark.parametrize(
    ("level", "written"),
    [
        ("debug", ["info", "warn", "error"]),
        ("info", ["info", "warn", "error"]),
        ("warn", ["warn", "error"]),
        ("error", ["error"]),
    ],
)
def test_levels_below_the_chosen_one_are_not_written(level, written):
    desk = Desk(level, "json")
    for each in ("info", "warn", "error"):
        desk.note("a note", each)
    assert [entry["level"] for entry in desk.entries] == written


def test_the_level_can_be_changed_at_a_reload():
    desk = Desk("error")
    desk.note("one")
    desk.log.set_level("debug")
    desk.note("two")
    assert desk.log.debug
    assert [line.split()[-1] for line in desk.lines] == ["two"]


@pytest.mark.parametrize(("level", "form"), [("loud", "text"), ("info", "xml")])
def test_unknown_level_or_format_is_refused(level, form):
    with pytest.raises(ValueError, match=r"level is one of debug, .* format one of text, json"):
        Desk(level, form)


class TestRecords:
    def test_written_at_debug_level(self):
        desk = Desk("debug", "json")
        desk.log.write_record(record())
        (entry,) = desk.entries
        assert entry["level"] == "debug"
        assert entry["rule"] == "contact-invalid-host"
        assert entry["before"] == "<sip:a@9sh.invalid>"
        assert entry["call_id"] == "abc@host"
        assert entry["flow"] == "udp:192.0.2.7:4711"

    def test_not_written_otherwise_and_known_beforehand(self):
        desk = Desk("info")
        assert desk.log.debug is False
        assert desk.log.info is True
        desk.log.write_record(record())
        assert desk.lines == []

    def test_an_inserted_header_has_no_before(self):
        desk = Desk("debug", "json")
        desk.log.write_record(record(before=None))
        assert "before" not in desk.entries[0]

    @pytest.mark.parametrize("header", ["Authorization", "proxy-authorization"])
    def test_credentials_are_hidden_whole(self, header):
        desk = Desk("debug", "json")
        desk.log.write_record(record(header, b'Digest username="a"', b"Basic c2VjcmV0"))
        assert desk.entries[0]["before"] == desk.entries[0]["after"] == "[hidden]"


class TestForgery:
    """What a client sends stays on the line it belongs to."""

    NASTY = b"x\r\n2026-01-01T00:00:00.250Z ERROR forged\x1b[2J\x00\x85\xe2\x80\xa8\xe2\x80\xae"

    @pytest.mark.parametrize("form", ["text", "json"])
    @pytest.mark.parametrize("value", [NASTY, NASTY.decode("utf-8", "surrogateescape")], ids=["octets", "text"])
    @pytest.mark.parametrize("text", ["from {name}", "a note"])
    def test_no_new_line_and_no_control_character(self, form, value, text):
        desk = Desk(form=form)
        desk.note(text, name=value)
        assert len(desk.lines) == 1
        shown = desk.lines[0] if form == "text" else " ".join(str(value) for value in desk.entries[0].values())
        assert shown.isprintable()
        assert "x\\r\\n2026" in shown.replace("\\\\", "\\")

    def test_a_value_cannot_pretend_to_be_a_field(self):
        desk = Desk()
        desk.note("a note", agent=b'evil" reason=none')
        assert desk.lines[0].endswith('a note agent="evil\\" reason=none"')

    def test_octets_in_a_sentence_are_quoted_when_needed(self):
        desk = Desk()
        desk.note("{method} from {agent}", method=b"INVITE", agent=b"a b reason=x")
        assert desk.lines[0].endswith('INVITE from "a b reason=x"')

    def test_format_strings_cannot_reach_into_objects(self):
        desk = Desk()
        desk.note("{flow.listener.host} {name}", flow=FLOW, name="n")
        assert desk.lines[0].endswith("{flow.listener.host} {name} flow=udp:192.0.2.7:4711")

    @pytest.mark.parametrize("text", ["{missing}", "{", "{0}", "{name:d}", "{name!x}"])
    def test_a_slip_in_a_note_does_not_cost_the_note(self, text):
        desk = Desk()
        desk.note(text, name="n")
        assert text in desk.lines[0]

    def test_octets_that_are_no_utf8_are_shown_as_such(self):
        assert printable(b"caf\xe9") == "caf\\xe9"
        assert printable("caf\udce9") == "caf\\xe9"
        assert printable("\ud800") == "\\ud800"
        assert printable("café".encode()) == "café"

    def test_long_values_are_cut(self):
        assert printable(b"a" * (MAX_VALUE + 5)) == "a" * MAX_VALUE + "... (5 more)"


REGISTER = (
    b"REGISTER sip:example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKa;response=1\r\n"
    b"Authorization: Digest username=\"alice\", realm=\"r\", nonce=\"n1\",\r\n"
    b" response=\"0123456789abcdef0123456789abcdef\"\r\n"
    b"proxy-authorization : Basic YWxpY2U6c2VjcmV0\r\n"
    b"Contact: <sip:alice:pass@192.0.2.7>\r\n"
    b"WWW-Authenticate: Digest nonce=\"n2\"\r\n"
    b"\r\n"
    b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCk|2^20\r\n"
    b"a=ice-pwd:asd88fgpdd777uzjYhagZg\r\n"
)  # fmt: skip


class TestRedaction:
    def test_credentials_are_hidden_and_the_rest_is_unchanged(self):
        assert redact(REGISTER) == (
            b"REGISTER sip:example.com SIP/2.0\r\n"
            b"Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKa;response=1\r\n"
            b"Authorization: Digest [hidden]\r\n"
            b"proxy-authorization : Basic [hidden]\r\n"
            b"Contact: <sip:alice:[hidden]@192.0.2.7>\r\n"
            b"WWW-Authenticate: Digest nonce=\"n2\"\r\n"
            b"\r\n"
            b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:[hidden]|2^20\r\n"
            b"a=ice-pwd:[hidden]\r\n"
        )  # fmt: skip

    @pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r"])
    def test_whatever_ends_the_lines(self, end):
        shown = redact(REGISTER.replace(b"\r\n", end))
        assert b"abcdef" not in shown
        assert b"YWxp" not in shown

    def test_an_unknown_scheme_may_itself_be_the_secret(self):
        assert redact(b"Authorization: c2VjcmV0 x\r\nA: b") == b"Authorization: [hidden]\r\nA: b"

    def test_a_digest_answer_alone(self):
        assert redact(b'x, response="0123456789abcdef0123456789ABCDEF"') == b'x, response="[hidden]"'

    @pytest.mark.parametrize(
        "octets", [b"sip:alice@192.0.2.7:5060", b"<sip:10.0.0.1:5060>, <sip:a@b>", b"", b"\xff\x00"]
    )
    def test_what_holds_no_secret_is_unchanged(self, octets):
        assert redact(octets) == octets

    @pytest.mark.parametrize("form", ["text", "json"])
    def test_every_field_of_a_note_is_redacted(self, form):
        desk = Desk(form=form)
        desk.note("got {dump}", dump=REGISTER, again=REGISTER.decode())
        assert len(desk.lines) == 1
        for secret in ("abcdef", "YWxp", ":pass@", "asd88"):
            assert secret not in desk.lines[0]

    def test_long_hostile_input_takes_no_long_time(self):
        """Linear expressions: the test's own time limit would end a quadratic one."""
        for piece in (b"sip:", b"Authorization:", b"response=", b"\r\n \r\n ", b"inline:"):
            assert len(redact(piece * 30_000)) > 0


class TestFloods:
    """A hostile client makes the same note thousands of times."""

    def test_notes_beyond_the_budget_are_summed_up_when_the_second_is_over(self):
        desk = Desk()
        for number in range(NOTES_PER_SECOND + 37):
            desk.note("dropped from {flow}", "warn", flow=number)
        assert len(desk.lines) == NOTES_PER_SECOND
        desk.clock.advance(1.0)
        assert desk.lines[-1].endswith("WARN  suppressed 37 similar: dropped from {flow} suppressed=37")

    def test_the_next_second_has_its_own_budget(self):
        desk = Desk(per_second=2)
        for _ in range(3):
            desk.note("again")
        desk.clock.advance(1.0)
        for _ in range(2):
            desk.note("again")
        assert [line.split(" ", 1)[1] for line in desk.lines] == [
            "INFO  again",
            "INFO  again",
            "INFO  suppressed 1 similar: again suppressed=1",
            "INFO  again",
            "INFO  again",
        ]

    def test_texts_have_budgets_of_their_own(self):
        desk = Desk(per_second=1)
        for text in ("one", "two", "one"):
            desk.note(text)
        assert [line.split()[-1] for line in desk.lines] == ["one", "two"]

    def test_few_notes_leave_no_summary_and_no_timer(self):
        desk = Desk()
        desk.note("once")
        desk.clock.advance(1.0)
        assert len(desk.lines) == 1
        assert desk.clock.getDelayedCalls() == []

    def test_unwanted_levels_use_no_budget(self):
        desk = Desk("error")
        desk.note("quiet")
        assert desk.clock.getDelayedCalls() == []

    def test_texts_made_up_without_end_share_one_budget(self):
        desk = Desk(per_second=1)
        for number in range(MAX_TEXTS + 50):
            desk.note(f"text {number}")
        assert len(desk.lines) == MAX_TEXTS + 1
        desk.clock.advance(1.0)
        assert "suppressed 49 similar: notes of many kinds" in desk.lines[-1]


class TestTwisted:
    """What is logged with `twisted.logger`, by our own modules and by libraries."""

    def test_our_modules_are_heard_at_the_chosen_level(self):
        desk = Desk("info", "json")
        Logger("proxy.service", observer=desk.publisher).info("ready on {where}", where="udp")
        assert desk.entries[0]["message"] == "ready on udp"
        assert desk.entries[0]["source"] == "proxy.service"

    def test_libraries_are_heard_from_warn_on(self):
        desk = Desk("info", "json")
        library = Logger("twisted.web", observer=desk.publisher)
        library.info("Starting factory")
        library.warn("odd")
        assert [entry["message"] for entry in desk.entries] == ["odd"]

    def test_at_debug_libraries_are_heard_in_full(self):
        desk = Desk("debug", "json")
        Logger("twisted.web", observer=desk.publisher).info("Starting factory")
        assert [entry["message"] for entry in desk.entries] == ["Starting factory"]

    @staticmethod
    def fail(desk, text):
        try:
            raise ValueError(text)
        except ValueError:
            Logger("proxy.driver", observer=desk.publisher).failure("the rule raised")

    def test_a_failure_brings_its_traceback_on_indented_lines(self):
        desk = Desk()
        self.fail(desk, "first\n2026-01-01T00:00:00.250Z ERROR forged")
        assert desk.lines[0] == "2026-01-01T00:00:00.250Z ERROR the rule raised source=proxy.driver"
        assert any("ValueError: first" in line for line in desk.lines)
        assert all(line.startswith("    | ") for line in desk.lines[1:])

    def test_in_json_the_traceback_is_one_field(self):
        desk = Desk(form="json")
        self.fail(desk, "first")
        (entry,) = desk.entries
        assert (entry["level"], entry["message"]) == ("error", "the rule raised")
        assert "ValueError: first" in entry["traceback"]


def test_journald_gets_priorities_and_no_time():
    desk = Desk(journal=True)
    desk.note("fine")
    desk.note("bad", "error")
    assert desk.lines == ["<6>INFO  fine", "<3>ERROR bad"]


class BrokenStream(io.StringIO):
    """A pipe whose reader has gone."""

    def write(self, text):
        raise BrokenPipeError("gone")


def test_a_stream_that_fails_does_not_disturb_the_proxy():
    desk = Desk(stream=BrokenStream())
    desk.note("into nothing")
    closed = io.StringIO()
    desk = Desk(stream=closed)
    closed.close()
    desk.note("into nothing")


def test_a_stream_that_cannot_write_a_character_gets_its_code():
    octets = io.BytesIO()
    desk = Desk(stream=io.TextIOWrapper(octets, "ascii"))
    desk.note("from {name}", name="café".encode())
    assert octets.getvalue().endswith(b"from caf\\xe9\n")
