"""What no rule may do, whoever wrote it."""

from __future__ import annotations

import pytest

from proxy.repair.guard import LARGEST_BODY, GuardError, check
from proxy.repair.rule import BODY, STATUS_LINE, Insert, Remove, Replace, ReplaceBody, Rule
from proxy.repair.sample import sample_message

TEXT = """\
INVITE sip:bob@example.com SIP/2.0
Via: SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/UDP b;branch=z9hG4bK2
Via: SIP/2.0/UDP c;branch=z9hG4bK3
From: <sip:alice@example.com>;tag=1
t: <sip:bob@example.com>
Call-ID: c1
CSeq: 1 INVITE
Contact: <sip:alice@198.51.100.7:5060>
Route: <sip:edge;lr>
Date: Sat, 13 Nov 2010 23:29:00 GMT
Content-Length: 5

hello"""
VIA, VIA2, FROM, TO, CALL_ID, CSEQ, CONTACT, ROUTE, DATE, LENGTH, END = range(1, 12)


class Everything(Rule):
    """A rule that claims every header."""

    name = "everything"
    touches = (
        b"", b"via", b"from", b"to", b"call-id", b"cseq", b"contact", b"route", b"record-route", b"path", b"date",
        b"content-length", b"x-mine",
    )  # fmt: skip


class ContactOnly(Rule):
    name = "contact-only"
    touches = (b"contact",)


def refused(match, *edits, rule=None, text=TEXT):
    message = sample_message(text)
    before = message.octets()
    with pytest.raises(GuardError, match=match):
        check(edits, rule or Everything(), message)
    assert message.octets() == before


def allowed(*edits, text=TEXT):
    check(edits, Everything(), sample_message(text))


def test_ordinary_edits_pass():
    allowed(
        Replace(CONTACT, b"m : <sip:a@b>"),
        Insert(CONTACT, b"contact", b"CONTACT: <sip:a@b>"),
        Insert(END, b"x-mine", b"X-Mine: 1"),
        Insert(1, b"x-mine", b"x-MINE:"),
    )
    allowed(Remove(CONTACT))
    allowed()


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\0", b"\r\n Folded: x"])
def test_line_ends(end):
    refused("line end or NUL", Replace(CONTACT, b"Contact: <sip:a@b>" + end))
    refused("line end or NUL", Insert(CONTACT, b"contact", b"Contact: <sip:a@b>" + end))


def test_the_start_line():
    refused("start line", Replace(0, b"Contact: x"))
    refused("there is no header line", Remove(0))


@pytest.mark.parametrize("line", [-1, END, 99])
def test_lines_that_are_not_there(line):
    refused("there is no header line", Replace(line, b"Contact: x"))
    refused("there is no header line", Remove(line))


@pytest.mark.parametrize("line", [-1, 0, END + 1])
def test_insertion_in_front_of_the_start_line_or_behind_the_end(line):
    refused("there is no header line", Insert(line, b"contact", b"Contact: x"))


def test_headers_that_the_rule_does_not_name():
    refused("not among the headers", Replace(VIA, b"Via: x"), rule=ContactOnly())
    refused("not among the headers", Insert(1, b"x-mine", b"X-Mine: 1"), rule=ContactOnly())


@pytest.mark.parametrize("text", [b"Contact <sip:a@b>", b"Via: x", b": x", b"", b"Contacts: x", b"X Contact: y"])
def test_text_that_is_not_of_the_header(text):
    refused("does not begin with contact", Replace(CONTACT, text))
    refused("does not begin with contact", Insert(CONTACT, b"contact", text))


def test_one_line_twice():
    refused("twice", Replace(CONTACT, b"Contact: <sip:a@b>"), Remove(CONTACT))


@pytest.mark.parametrize("name", [b"route", b"record-route", b"path", b"call-id", b"cseq"])
def test_what_the_proxy_writes_and_what_identifies_dialogs(name):
    refused("the proxy or the dialog depends on it", Insert(1, name, name + b": x"))
    for line in (CALL_ID, CSEQ, ROUTE):
        refused("the proxy or the dialog depends on it", Remove(line))


class TestVia:
    def test_topmost_value_may_change(self):
        allowed(Replace(VIA, b"v: SIP/2.0/UDP z;branch=z9hG4bK9, SIP/2.0/UDP b;branch=z9hG4bK2"))
        allowed(Insert(VIA, b"via", b"Via: SIP/2.0/UDP z"))
        allowed(Insert(4, b"via", b"Via: SIP/2.0/UDP z"), text="BYE sip:b SIP/2.0\nTo: a\nFrom: b\nCSeq: 1 BYE\n\n")

    def test_those_of_other_hops_may_not(self):
        refused("other hops", Replace(VIA, b"Via: SIP/2.0/UDP a;branch=z9hG4bK1"))
        refused("other hops", Remove(VIA))
        refused("topmost", Replace(VIA2, b"Via: SIP/2.0/UDP c"))
        refused("topmost", Remove(VIA2))
        refused("topmost", Insert(VIA2, b"via", b"Via: SIP/2.0/UDP c"))


class TestSignedHeaders:
    SIGNED = TEXT.replace("Content-Length", "Identity: abc\nContent-Length")

    @pytest.mark.parametrize(
        "edit",
        [
            Replace(FROM, b'From: "Alice" <sip:alice@example.com>;tag=1'),
            Replace(TO, b"To: <sip:bob@other.example>"),
            Remove(DATE),
        ],
    )
    def test_stay_when_identity_signs_them(self, edit):
        """RFC 8224 section 4."""
        allowed(edit)
        refused("Identity header signs it", edit, text=self.SIGNED)
        refused("Identity header signs it", edit, text=self.SIGNED.replace("Identity", "y"))


class TestTags:
    @pytest.mark.parametrize("text", [b"From: <sip:alice@example.com>", b"From: <sip:alice@example.com>;tag=2"])
    def test_of_from_stays(self, text):
        refused("may not change the tag of from", Replace(FROM, text))

    def test_of_from_may_be_added(self):
        text = TEXT.replace(";tag=1", "")
        allowed(Replace(FROM, b"From: <sip:alice@example.com>;tag=2"), text=text)

    def test_of_from_may_take_the_place_of_an_empty_one(self):
        allowed(Replace(FROM, b"From: <sip:alice@example.com>;tag=2"), text=TEXT.replace(";tag=1", ";tag="))
        refused("tag of from", Replace(FROM, b"From: <sip:a@x>;tag="), text=TEXT.replace(";tag=1", ""))

    def test_of_to_may_not_be_added(self):
        refused("may not change the tag of to", Replace(TO, b"To: <sip:bob@example.com>;tag=2"))

    def test_of_to_may_be_added_to_an_answer(self):
        """RFC 3261 section 8.2.6.2; From it has from the request."""
        answer = TEXT.replace("INVITE sip:bob@example.com SIP/2.0", "SIP/2.0 200 OK")
        allowed(Replace(TO, b"To: <sip:bob@example.com>;tag=2"), text=answer)
        refused(
            "tag of to",
            Replace(TO, b"t: <sip:b@x>;tag=2"),
            text=answer.replace("t: <sip:bob@example.com>", "t: <sip:b@x>;tag=3"),
        )
        refused(
            "tag of to",
            Replace(TO, b"t: <sip:b@x>"),
            text=answer.replace("t: <sip:bob@example.com>", "t: <sip:b@x>;tag=3"),
        )
        refused("tag of from", Replace(FROM, b"From: <sip:a@x>;tag=9"), text=answer.replace(";tag=1", ""))

    def test_of_to_may_go_from_a_register_only(self):
        """It is in no dialog (RFC 3261 section 10.2)."""
        tagged = TEXT.replace("t: <sip:bob@example.com>", "t: <sip:bob@example.com>;tag=3")
        edit = Replace(TO, b"t: <sip:bob@example.com>")
        allowed(edit, text=tagged.replace("INVITE", "REGISTER"))
        refused("tag of to", edit, text=tagged)
        refused("tag of to", Replace(TO, b"t: <sip:b@x>;tag=4"), text=tagged.replace("INVITE", "REGISTER"))

    def test_broken_address_may_be_mended_but_not_written(self):
        allowed(Replace(FROM, b"From: <sip:alice@x>;tag=1"), text=TEXT.replace("<sip:alice@example.com>", "<sip:alice"))
        refused("cannot be parsed", Replace(FROM, b"From: <sip:alice"))

    def test_headers_may_neither_go_nor_double(self):
        refused("neither remove nor double", Remove(FROM))
        refused("neither remove nor double", Insert(1, b"to", b"To: <sip:x>"))

    def test_a_missing_one_may_be_inserted(self):
        allowed(Insert(1, b"to", b"To: <sip:x>"), text="BYE sip:b SIP/2.0\nVia: SIP/2.0/UDP a\n\n")


def test_content_length_is_that_of_the_body():
    allowed(Replace(LENGTH, b"l: 5"))
    for text in (b"Content-Length: 4", b"Content-Length: ", b"Content-Length: 05"):
        refused("not the length of the body", Replace(LENGTH, text))


class OfBodies(Rule):
    name = "of-bodies"
    touches = (BODY, STATUS_LINE)


class TestBodies:
    def test_a_rule_that_names_the_body_may_replace_it(self):
        check([ReplaceBody(b"other\r\n")], OfBodies(), sample_message(TEXT))

    def test_no_other_may(self):
        refused("replaces the body, which is not named in touches", ReplaceBody(b"x"))

    def test_only_once(self):
        refused("replaces the body twice", ReplaceBody(b"x"), ReplaceBody(b"y"), rule=OfBodies())

    def test_none_swells(self):
        """Beyond what a message may have by default; one that is longer already may stay so."""
        check([ReplaceBody(b"x" * LARGEST_BODY)], OfBodies(), sample_message(TEXT))
        refused("65536 octets; 65535 are the most", ReplaceBody(b"x" * 65536), rule=OfBodies())
        long = TEXT.replace("5\n\nhello", "70000\n\n" + "x" * 70000)
        check([ReplaceBody(b"y" * 70000)], OfBodies(), sample_message(long))
        refused("70001 octets", ReplaceBody(b"y" * 70001), rule=OfBodies(), text=long)

    def test_no_nul_that_was_not_there(self):
        refused("wrote NUL into the body", ReplaceBody(b"hel\0o"), rule=OfBodies())
        check([ReplaceBody(b"h\0")], OfBodies(), sample_message(TEXT.replace("hello", "hel\0o")))

    @pytest.mark.parametrize(
        ("header", "why"),
        [
            ("Identity: abc", "Identity"),
            ("Content-Encoding: gzip", "encoded"),
            ("Content-Type: application/pkcs7-mime", "signed or encrypted"),
            ('Authorization: Digest qop="auth-int"', "auth-int"),
        ],
    )
    def test_not_where_somebody_signed_it(self, header, why):
        text = TEXT.replace("Content-Length", f"{header}\nContent-Length")
        refused(why, ReplaceBody(b"x"), rule=OfBodies(), text=text)

    @pytest.mark.parametrize("name", [BODY, STATUS_LINE])
    def test_the_names_of_what_is_no_header_cannot_be_written(self, name):
        refused("does not begin with", Insert(1, name, name + b": x"), rule=OfBodies())


class TestStatusLine:
    TEXT = "SIP/2.0 202 Accepted\nVia: v\nCSeq: 1 SUBSCRIBE\n\n"

    def test_a_2xx_may_become_a_refusal(self):
        check([Replace(0, b"SIP/2.0 404 Not Found")], OfBodies(), sample_message(self.TEXT))

    @pytest.mark.parametrize(
        ("text", "line", "why"),
        [
            (TEXT, b"SIP/2.0 200 OK", "than that of a refusal"),
            (TEXT, b"SIP/2.0 302 Moved", "than that of a refusal"),
            (TEXT, b"SIP/2.0 4040 x", "than that of a refusal"),
            (TEXT, b"SIP/3.0 404 x", "than that of a refusal"),
            (TEXT, b"BYE sip:a SIP/2.0", "than that of a refusal"),
            (TEXT, b"SIP/2.0 404 a\r\nRoute: x", "line end"),
            (TEXT.replace("202", "480"), b"SIP/2.0 404 Not Found", "a 2xx only"),
            (TEXT.replace("SUBSCRIBE", "INVITE"), b"SIP/2.0 404 Not Found", "not to INVITE"),
        ],
    )
    def test_nothing_else(self, text, line, why):
        refused(why, Replace(0, line), rule=OfBodies(), text=text)

    def test_no_rule_that_does_not_say_so(self):
        refused("may not edit the start line", Replace(0, b"SIP/2.0 404 Not Found"), text=self.TEXT)
