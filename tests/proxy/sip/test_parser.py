"""The parser takes what it can, says what it let pass, and never raises anything but SipError."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.sip import parser
from proxy.sip.errors import ParseError, SipError
from proxy.sip.message import Request, Response
from proxy.sip.parser import parse_message
from proxy.sip.registry import CANON, COMPACT, SPELLINGS

INVITE = (
    b"INVITE sip:bob@example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\n"
    b"From: <sip:alice@example.com>;tag=1\r\n"
    b"To: <sip:bob@example.com>\r\n"
    b"Call-ID: c1\r\n"
    b"CSeq: 1 INVITE\r\n"
    b"Content-Length: 4\r\n"
    b"\r\n"
    b"body"
)
OK = INVITE.replace(b"INVITE sip:bob@example.com SIP/2.0", b"SIP/2.0 200 OK")
DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="the messages of RFC 4475 and RFC 5118 are not beside the repository (../shared/data)"
)


def head(*lines: bytes, start: bytes = b"OPTIONS sip:a@b SIP/2.0") -> bytes:
    return b"\r\n".join((start, *lines)) + b"\r\n\r\n"


class TestWellFormed:
    @pytest.mark.parametrize("before", [b"", b"\r\n", b"\r\n\r\n", b"\n", b"\r\n\n\r"])
    @pytest.mark.parametrize("message", [INVITE, OK], ids=["request", "response"])
    def test_whole_and_after_line_ends(self, message, before):
        """Line ends before the start line are skipped (RFC 3261 section 7.5)."""
        parsed = parse_message(before + message)
        assert parsed.octets() == message
        assert parsed.oddities is None

    @pytest.mark.parametrize("message", [INVITE, OK], ids=["request", "response"])
    def test_octets_behind_the_body_are_cut(self, message):
        """> Any additional bytes in the transport packet beyond the end of the body MUST be discarded (18.3)"""
        parsed = parse_message(message + b"INVITE sip:x SIP/2.0\r\n\r\n")
        assert parsed.octets() == message
        assert parsed.oddities == [parser.EXTRA_OCTETS]

    def test_request_line(self):
        parsed = parse_message(INVITE)
        assert isinstance(parsed, Request)
        assert (parsed.method, parsed.uri, parsed.kind) == (b"INVITE", b"sip:bob@example.com", b"INVITE")
        assert parsed.body == b"body"

    @pytest.mark.parametrize(
        ("line", "status", "reason", "kind"),
        [
            (b"SIP/2.0 200 OK", 200, b"OK", b"2xx"),
            (b"SIP/2.0 100 ", 100, b"", b"1xx"),
            (b"SIP/2.0 699", 699, b"", b"6xx"),
            (b"SIP/2.0 404 Not  \xc3\xa4 Found ", 404, b"Not  \xc3\xa4 Found ", b"4xx"),
        ],
    )
    def test_status_line(self, line, status, reason, kind):
        parsed = parse_message(head(start=line))
        assert isinstance(parsed, Response)
        assert (parsed.status, parsed.reason, parsed.kind) == (status, reason, kind)
        assert parsed.oddities is None
        assert parsed.octets() == head(start=line)

    def test_unknown_method_is_counted_as_other(self):
        parsed = parse_message(head(start=b"NEWMETHOD sip:a@b SIP/2.0"))
        assert (parsed.method, parsed.kind) == (b"NEWMETHOD", b"other")

    @pytest.mark.parametrize(("compact", "name"), COMPACT.items())
    def test_compact_names(self, compact, name):
        for spelling in (compact, compact.upper(), name, name.upper(), compact + b" \t", name.title() + b" "):
            parsed = parse_message(head(spelling + b": x"))
            assert parsed.names == [b"", name]
            assert parsed.oddities is None or parsed.oddities == [parser.BAD_CONTENT_LENGTH]

    def test_known_names_are_the_same_objects(self):
        """Name lists are compared by identity, so every spelling gives one object."""
        for name in SPELLINGS:
            for spelling in (name, name.upper(), name.title(), name + b" "):
                assert parse_message(head(spelling + b": 1")).names[1] is CANON[name]

    def test_unknown_names_are_lower_case(self):
        assert parse_message(head(b"X-Strange: 1", b"x-STRANGE : 2")).names[1:] == [b"x-strange", b"x-strange"]

    def test_folded_lines_belong_to_their_header(self):
        octets = head(b"Subject: a", b"  b", b"\tc", b"To: <sip:a@b>", b" ;tag=1", start=b"BYE sip:a@b SIP/2.0")
        parsed = parse_message(octets)
        assert parsed.names == [b"", b"subject", b"to"]
        assert parsed.lines[1] == b"Subject: a\r\n  b\r\n\tc"
        assert parsed.value(b"subject") == b"a b c"
        assert parsed.to.tag == b"1"
        assert parsed.octets() == octets

    def test_folded_line_that_looks_like_a_header_is_none(self):
        parsed = parse_message(head(b"Subject: a", b" Via: SIP/2.0/UDP evil"))
        assert parsed.names == [b"", b"subject"]

    def test_no_header_at_all(self):
        assert parse_message(head()).names == [b""]


class TestLineEnds:
    def test_bare_line_feeds_become_line_ends(self):
        """They are line ends to most servers: what we do not see as a line of its own would get past us."""
        parsed = parse_message(INVITE.replace(b"\r\n", b"\n"))
        assert parsed.octets() == INVITE
        assert parsed.oddities == [parser.BARE_LF]

    def test_header_smuggled_behind_a_line_feed_is_a_line_of_its_own(self):
        parsed = parse_message(head(b"Subject: a\nRoute: <sip:evil>", b"To: <sip:a@b>"))
        assert parsed.names == [b"", b"subject", b"route", b"to"]
        assert parsed.lines[2] == b"Route: <sip:evil>"
        assert parsed.octets() == head(b"Subject: a", b"Route: <sip:evil>", b"To: <sip:a@b>")

    def test_content_length_smuggled_behind_a_line_feed_counts(self):
        parsed = parse_message(head(b"Subject: a\nContent-Length: 2", b"To: <sip:a@b>") + b"body")
        assert parsed.body == b"bo"

    @pytest.mark.parametrize("blank", [b"\n\n", b"\r\n\n", b"\n\r\n"])
    def test_mixed_empty_lines_end_the_head(self, blank):
        """The body is what the next element would take for it, even with an empty line of its own in it."""
        parsed = parse_message(b"OPTIONS sip:a@b SIP/2.0\r\nTo: <sip:a@b>" + blank + b"body\r\n\r\nmore\n\n")
        assert parsed.names == [b"", b"to"]
        assert parsed.body == b"body\r\n\r\nmore\n\n"
        assert parsed.oddities == [parser.BARE_LF]

    def test_line_feeds_in_the_body_stay(self):
        octets = head(b"Content-Length: 8") + b"a\nb\r\rc\0\n"
        parsed = parse_message(octets)
        assert parsed.octets() == octets
        assert parsed.oddities is None

    @pytest.mark.parametrize(
        "line",
        [b"Subject: a\rb", b"Subject: a\r\r", b"\rSubject: a", b"Subject: a\0b", b"\0", b"S\0: a", b"Subject: \r"],
    )
    @pytest.mark.parametrize("end", [b"\r\n", b"\n"])
    def test_lone_carriage_return_and_nul_are_refused(self, line, end):
        """Elements disagree on what they mean, so they are not passed on."""
        octets = end.join((b"OPTIONS sip:a@b SIP/2.0", line, b"To: <sip:a@b>", b"", b""))
        if line.endswith(b"\r") and end == b"\n" and not line.endswith(b"\r\r"):
            assert parse_message(octets).names == [b"", b"subject", b"to"]  # one proper line end among bare ones
            return
        with pytest.raises(ParseError) as caught:
            parse_message(octets)
        assert caught.value.label == "control_character"

    def test_escaped_nul_is_legal(self):
        """> quoted-pair  =  "\\" (%x00-09 / %x0B-0C / %x0E-7F)  (25.1); RFC 4475 section 3.1.1.2 has one"""
        octets = head(b'To: "NUL:\\\0" <sip:a@b>')
        parsed = parse_message(octets)
        assert parsed.octets() == octets
        assert parsed.oddities is None
        assert parse_message(octets.replace(b"\r\n", b"\n")).octets() == octets

    @pytest.mark.parametrize("octets", [b"OPTIONS sip:a@b\r SIP/2.0\r\n\r\n", b"OPTIONS sip:a@b SIP/2.0\r\r\n\r\n"])
    def test_lone_carriage_return_in_the_start_line_is_refused(self, octets):
        with pytest.raises(ParseError):
            parse_message(octets)

    @pytest.mark.parametrize("end", [b"", b"\r\n", b"\n", b"\r"])
    def test_head_without_an_empty_line(self, end):
        octets = b"OPTIONS sip:a@b SIP/2.0\r\nTo: <sip:a@b>" + end
        parsed = parse_message(octets)
        assert parsed.octets() == head(b"To: <sip:a@b>")
        assert parsed.oddities == [parser.NO_BLANK_LINE]

    def test_bare_line_feeds_without_an_empty_line(self):
        parsed = parse_message(b"OPTIONS sip:a@b SIP/2.0\nTo: <sip:a@b>\nContent-Length: 3\n")
        assert parsed.octets() == head(b"To: <sip:a@b>", b"Content-Length: 3")
        assert parsed.oddities == [parser.NO_BLANK_LINE, parser.BARE_LF, parser.MISSING_OCTETS]


class TestOddLines:
    def test_first_header_that_begins_with_white_space_is_refused(self):
        with pytest.raises(ParseError, match="white space"):
            parse_message(head(b" Via: SIP/2.0/UDP a"))

    @pytest.mark.parametrize("line", [b"nonsense", b": value", b" \t: folded?"])
    def test_line_without_a_name_is_reported(self, line):
        if line[:1] == b" ":
            assert parse_message(head(b"To: <sip:a@b>", line)).names == [b"", b"to"]
            return
        parsed = parse_message(head(b"To: <sip:a@b>", line))
        assert parsed.oddities == [parser.LINE_WITHOUT_COLON]
        assert parsed.names[2] not in (b"", b"to")

    def test_known_name_without_a_colon_has_no_value(self):
        assert parse_message(head(b"To")).value(b"to") == b""

    def test_number_of_lines_is_bounded(self):
        lines = [b"X: %d" % i for i in range(500)]
        assert len(parse_message(head(*lines)).lines) == 501
        with pytest.raises(ParseError) as caught:
            parse_message(head(*lines, b"X: 500"))
        assert (caught.value.label, caught.value.status) == ("too_many_lines", 513)
        assert "500" in caught.value.text

    @pytest.mark.parametrize("line", [b"X: y", b" folded"])
    def test_ten_thousand_lines(self, line):
        octets = head(b"A: b", *[line] * 10_000)
        with pytest.raises(ParseError):
            parse_message(octets)
        assert parse_message(octets, 10_001).octets() == octets


class TestStartLine:
    @pytest.mark.parametrize(
        ("line", "method", "uri"),
        [
            (b"OPTIONS  sip:a@b SIP/2.0", b"OPTIONS", b"sip:a@b"),
            (b"OPTIONS sip:a@b SIP/2.0 ", b"OPTIONS", b"sip:a@b"),
            (b" OPTIONS\tsip:a@b\tsip/2.0", b"OPTIONS", b"sip:a@b"),
            (b"OPTIONS sip:a@b; lr SIP/2.0", b"OPTIONS", b"sip:a@b; lr"),
        ],
    )
    def test_white_space_and_case_are_let_pass(self, line, method, uri):
        parsed = parse_message(head(start=line))
        assert (parsed.method, parsed.uri) == (method, uri)
        assert parsed.oddities == [parser.LOOSE_START_LINE]

    def test_what_is_read_in_one_way_only_is_passed_on_as_it_should_have_been_written(self):
        """> If the element forwards the request, it must not include the extra SP characters (RFC 4475 3.1.2.9)"""
        for line in (b"OPTIONS  sip:a@b SIP/2.0", b"OPTIONS sip:a@b SIP/2.0 ", b" OPTIONS\tsip:a@b\tsip/2.0"):
            assert parse_message(head(start=line)).octets() == head(start=b"OPTIONS sip:a@b SIP/2.0")
        ambiguous = b"OPTIONS sip:a@b; lr SIP/2.0"
        assert parse_message(head(start=ambiguous)).octets() == head(start=ambiguous)

    @pytest.mark.parametrize("version", [b"SIP/7.0", b"SIP/2.00", b"SIP/", b"sip/1.0"])
    def test_other_version_is_reported(self, version):
        """Validation answers it with 505 (RFC 3261 section 21.5.6)."""
        parsed = parse_message(head(start=b"OPTIONS sip:a@b " + version))
        assert parsed.oddities == [parser.OTHER_VERSION, parser.LOOSE_START_LINE]

    @pytest.mark.parametrize(
        "line",
        [
            b"", b"hello", b"OPTIONS sip:a@b", b"OPTIONS SIP/2.0", b"GET / HTTP/1.1", b"OPTIONS sip:a@b SIP 2.0",
            b"\xff\xfe\x00"[:2], b"sip/2.0 200 OK", b"SIP/2.0",
        ],
    )  # fmt: skip
    def test_no_sip(self, line):
        with pytest.raises(ParseError) as caught:
            parse_message(head(b"To: <sip:a@b>", start=line) if line else b"\r\n\r\n")
        assert caught.value.label == "not_sip"

    @pytest.mark.parametrize("code", [b"", b"20", b"2000", b"099", b"700", b"4294967301", b"2x0", b"-20", b" 200"])
    def test_status_code_out_of_range(self, code):
        with pytest.raises(ParseError, match="status code"):
            parse_message(head(start=b"SIP/2.0 " + code + b" Phrase"))

    @pytest.mark.parametrize("octets", [b"", b"\r\n", b"\r\n\r\n\r\n", b"\n\n\n", b"\0\0\0\0"])
    def test_nothing(self, octets):
        with pytest.raises(ParseError):
            parse_message(octets)


class TestContentLength:
    @pytest.mark.parametrize(
        ("lines", "body", "left", "oddities"),
        [
            ((b"Content-Length: 4",), b"body", b"body", None),
            ((b"l:4",), b"body", b"body", None),
            ((b"Content-Length:\r\n 0004",), b"body", b"body", None),
            ((b"Content-Length: 0",), b"body", b"", [parser.EXTRA_OCTETS]),
            ((b"Content-Length: 2",), b"body", b"bo", [parser.EXTRA_OCTETS]),
            ((b"Content-Length: 9",), b"body", b"body", [parser.MISSING_OCTETS]),
            ((b"Content-Length: 4", b"l: 04"), b"body", b"body", None),
            ((b"Content-Length: 0", b"l: 00"), b"", b"", None),
            ((b"Content-Length: 4", b"l: 5"), b"body", b"body", [parser.BAD_CONTENT_LENGTH]),
            ((b"Content-Length: 4", b"l: x"), b"body", b"body", [parser.BAD_CONTENT_LENGTH]),
            ((b"Content-Length: -1",), b"body", b"body", [parser.BAD_CONTENT_LENGTH]),
            ((b"Content-Length: +4",), b"body", b"body", [parser.BAD_CONTENT_LENGTH]),
            ((b"Content-Length: 4, 4",), b"body", b"body", [parser.BAD_CONTENT_LENGTH]),
            ((b"Content-Length: ",), b"body", b"body", [parser.BAD_CONTENT_LENGTH]),
            ((b"Content-Length: \xb2",), b"body", b"body", [parser.BAD_CONTENT_LENGTH]),
            ((b"Content-Length: 99999999999",), b"body", b"body", [parser.BAD_CONTENT_LENGTH]),
            ((b"Content-Length",), b"body", b"body", [parser.BAD_CONTENT_LENGTH]),
            ((), b"body", b"body", None),
        ],
    )  # fmt: skip
    def test_body_against_its_length(self, lines, body, left, oddities):
        parsed = parse_message(head(*lines) + body)
        assert parsed.body == left
        assert parsed.oddities == oddities


HEADER_LINE = st.builds(
    lambda name, space, value, folds: name + space + b":" + value + b"".join(b"\r\n " + fold for fold in folds),
    st.sampled_from([b"Subject", b"X-Unknown", b"x-UNKNOWN", b"s", b"m", b"Contact", b"VIA", b"v", b"k", b"To"]),
    st.sampled_from([b"", b" ", b"\t"]),
    st.binary(max_size=20).map(lambda value: value.translate(None, b"\r\n\0")),
    st.lists(st.binary(max_size=9).map(lambda value: value.translate(None, b"\r\n\0")), max_size=2),
)


class TestAnyOctets:
    @given(st.lists(HEADER_LINE, max_size=12), st.binary(max_size=40), st.sampled_from([INVITE, OK]))
    def test_untouched_message_leaves_octet_for_octet(self, lines, body, start):
        """Order, case, folding, compact names, unknown headers and octets that are no UTF-8 survive."""
        octets = b"\r\n".join((start.partition(b"\r\n")[0], *lines)) + b"\r\n\r\n" + body
        parsed = parse_message(octets)
        assert parsed.octets() == octets
        assert len(parsed.lines) == len(parsed.names) == len(lines) + 1

    @given(st.binary(max_size=200))
    @example(b"\r")
    @example(b"SIP/2.0 200 \n\n")
    def test_nothing_but_sip_error_is_raised(self, octets):
        for given_octets in (octets, b"SIP/2.0 200 OK\r\n" + octets, INVITE[:60] + octets, octets + INVITE):
            try:
                parsed = parse_message(given_octets)
            except SipError:
                continue
            again = parse_message(parsed.octets())
            assert again.octets() == parsed.octets()

    @given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b":", b" ", b"To", b"x", b"\0", b"l: 1"]), max_size=25))
    def test_what_leaves_has_no_line_end_but_crlf_in_its_head(self, pieces):
        """However the line ends are mixed, the next element reads the lines that we read."""
        try:
            parsed = parse_message(b"BYE sip:a@b SIP/2.0\r\n" + b"".join(pieces))
        except SipError:
            return
        left = parsed.octets().partition(b"\r\n\r\n")[0]
        assert left.count(b"\r") == left.count(b"\n") == left.count(b"\r\n")
        assert b"\0" not in left.replace(b"\\\0", b"")
        assert [line for line in left.split(b"\r\n") if line[:1] not in (b" ", b"\t")] == [
            line.partition(b"\r\n")[0] for line in parsed.lines
        ]


def torture(folder: str) -> list[Path]:
    return sorted(path for path in (DATA / folder).glob("*") if path.is_file()) if DATA.is_dir() else []


# Lengths that do not fit on purpose, several messages in one file, or a head without end.
NOT_IDENTICAL = {
    "clerr.dat", "ncl.dat", "mcl01.dat", "dblreq.dat", "baddn.dat", "test.dat", "lwsstart.dat", "trws.dat",
}  # fmt: skip


@needs_data
@pytest.mark.parametrize("folder", ["rfc4475", "rfc5118-crlf", "rfc5118-archive-lf"])
class TestTortureMessages:
    def test_are_parsed_or_refused(self, folder):
        files = torture(folder)
        assert files
        for path in files:
            try:
                parse_message(path.read_bytes())
            except SipError as error:
                assert error.status in range(400, 600), path.name  # noqa: PT017  # several files, one test

    def test_parsed_ones_leave_as_they_came(self, folder):
        checked = 0
        for path in torture(folder):
            octets = path.read_bytes()
            try:
                parsed = parse_message(octets)
            except SipError:
                continue
            if path.name in NOT_IDENTICAL:
                continue
            start, _, body = octets.partition(b"\n\n" if folder.endswith("-lf") else b"\r\n\r\n")
            if folder.endswith("-lf"):
                start = start.rstrip(b"\n").replace(b"\n", b"\r\n")
            cut = parser.EXTRA_OCTETS in (parsed.oddities or ())
            assert parsed.octets() == start + b"\r\n\r\n" + parsed.body, path.name
            assert body.startswith(parsed.body) if cut else body == parsed.body, path.name
            checked += 1
        assert checked >= (9 if "5118" in folder else 40)


@needs_data
def test_every_valid_torture_message_is_taken():
    """RFC 4475 sections 3.1.1: nothing in them may be refused by a parser."""
    rows = [line.split("\t") for line in (DATA / "index.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    valid = [name for name, section, *_ in rows if name.startswith("rfc4475/") and section.startswith("3.1.1.")]
    assert len(valid) == 13
    for name in valid:
        parsed = parse_message((DATA / name).read_bytes())
        fatal = {parser.BAD_CONTENT_LENGTH, parser.MISSING_OCTETS, parser.LINE_WITHOUT_COLON, parser.OTHER_VERSION}
        assert not fatal.intersection(parsed.oddities or ()), name
