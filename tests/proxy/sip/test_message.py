"""A message is its lines: what nobody touches leaves as it came, and an edit touches its own line only."""

from __future__ import annotations

import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.sip import lines as message_module
from proxy.sip.errors import HeaderError, UriError
from proxy.sip.message import Message, Request, Response, address_of, addresses_of, line_value
from proxy.sip.parser import parse_message
from proxy.sip.registry import CALL_ID, CONTACT, CSEQ, FROM, MAX_FORWARDS, ROUTE, SUBJECT, TO, VIA

OCTETS = (
    b"INVITE sip:bob@example.com SIP/2.0\r\n"
    b"v:  SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa , SIP/2.0/TCP h;branch=z9hG4bKb\r\n"
    b"Via: SIP/2.0/TLS g;branch=z9hG4bKc\r\n"
    b'f: "A, \xe4" <sip:alice@example.com>\r\n ;tag=1\r\n'
    b"TO : <sip:bob@example.com>\r\n"
    b"i:\tc1\r\n"
    b"CSeq: 7\r\n  INVITE\r\n"
    b"Contact: <sip:a@h1>, sip:b@h2;q=0.1\r\n"
    b"X-Odd:   \xff\xfe kept \r\n"
    b"m: *\r\n"
    b"\r\n"
    b"body\0"
)
NAMES = [b"", VIA, VIA, FROM, TO, CALL_ID, CSEQ, CONTACT, b"x-odd", CONTACT]


@pytest.fixture
def message() -> Request:
    parsed = parse_message(OCTETS)
    assert isinstance(parsed, Request)
    return parsed


@pytest.fixture
def response() -> Response:
    parsed = parse_message(b"SIP/2.0 180 Ringing" + OCTETS[OCTETS.index(b"\r\n") :])
    assert isinstance(parsed, Response)
    return parsed


def is_kept(one: object, other: object) -> bool:
    """The same object; a tuple is made anew by compiled code whenever it is read, but not what it holds."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        return all(map(operator.is_, one, other))
    return one is other


def fill_views(message: Message) -> list[object]:
    """Ask for every view once, so that all are cached."""
    return [message.via, message.cseq, message.call_id, message.from_, message.to, message.contacts]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (b"A: b", b"b"), (b"A:b", b"b"), (b"A :\t b \t", b"b"), (b"A:", b""), (b"A", b""), (b"A: b:c", b"b:c"),
        (b"A: b\r\n c\r\n\t d ", b"b c d"), (b"A:\r\n b", b"b"),
    ],
)  # fmt: skip
def test_value_of_a_line(line, value):
    assert line_value(line) == value


class TestLines:
    def test_finding(self, message):
        assert message.names == NAMES
        assert message.index(VIA) == 1
        assert message.index(ROUTE) == -1
        assert message.indexes(CONTACT) == [7, 9]
        assert message.indexes(ROUTE) == []
        assert message.value(b"x-odd") == b"\xff\xfe kept"
        assert message.value(ROUTE) is None
        assert message.values(CONTACT) == [b"<sip:a@h1>, sip:b@h2;q=0.1", b"*"]
        assert message.values(ROUTE) == []

    def test_untouched_message_leaves_as_it_came(self, message):
        fill_views(message)
        assert message.octets() == OCTETS

    def test_replace_touches_its_line_only(self, message):
        message.replace(4, b"To: <sip:carol@example.com>")
        assert message.octets() == OCTETS.replace(b"TO : <sip:bob@example.com>", b"To: <sip:carol@example.com>")
        assert message.names == NAMES

    def test_insert_moves_the_others_down(self, message):
        message.insert(1, VIA, b"Via: SIP/2.0/UDP mine;branch=z9hG4bKm")
        assert message.octets() == OCTETS.replace(b"v: ", b"Via: SIP/2.0/UDP mine;branch=z9hG4bKm\r\nv: ", 1)
        assert message.names == [b"", VIA, *NAMES[1:]]
        assert message.via.host == b"mine"

    def test_append_goes_to_the_end_of_the_head(self, message):
        message.append(SUBJECT, b"Subject: late")
        assert message.octets() == OCTETS.replace(b"m: *\r\n", b"m: *\r\nSubject: late\r\n")
        assert message.value(SUBJECT) == b"late"

    def test_remove_takes_folded_lines_along(self, message):
        message.remove(3)
        assert message.octets() == OCTETS.replace(b'f: "A, \xe4" <sip:alice@example.com>\r\n ;tag=1\r\n', b"")
        assert message.names == [*NAMES[:3], *NAMES[4:]]


class TestViews:
    def test_are_read_from_the_first_line_of_their_name(self, message):
        assert (message.via.host, message.via.branch) == (b"192.0.2.1", b"z9hG4bKa")
        assert message.cseq == (7, b"INVITE")
        assert message.call_id == b"c1"
        assert (message.from_.addr, message.from_.tag) == (b"sip:alice@example.com", b"1")
        assert (message.to.addr, message.to.tag) == (b"sip:bob@example.com", None)
        assert [contact.addr for contact in message.contacts] == [b"sip:a@h1", b"sip:b@h2", b"*"]

    def test_are_parsed_once(self, message):
        assert [id(view) for view in fill_views(message)] == [id(view) for view in fill_views(message)]
        assert message.request_uri is message.request_uri

    @pytest.mark.parametrize(
        ("name", "view", "line", "new"),
        [
            (VIA, "via", b"Via: SIP/2.0/UDP new", b"new"),
            (FROM, "from_", b"From: <sip:new@x>", b"sip:new@x"),
            (TO, "to", b"To: <sip:new@x>", b"sip:new@x"),
            (CSEQ, "cseq", b"CSeq: 9 ACK", (9, b"ACK")),
            (CALL_ID, "call_id", b"Call-ID: new", b"new"),
            (CONTACT, "contacts", b"Contact: <sip:new@x>", b"sip:new@x"),
        ],
    )
    def test_an_edit_forgets_the_view_of_its_header_only(self, message, name, view, line, new):
        before = dict(zip(("via", "cseq", "call_id", "from_", "to", "contacts"), fill_views(message), strict=True))
        message.replace(message.index(name), line)
        for other, value in before.items():
            if other != view:
                assert is_kept(getattr(message, other), value)
        found = getattr(message, view)
        if view == "via":
            found = found.host
        elif view == "contacts":
            found = found[0].addr
        elif view in ("from_", "to"):
            found = found.addr
        assert found == new

    @pytest.mark.parametrize(
        ("name", "view"),
        [(VIA, "via"), (FROM, "from_"), (TO, "to"), (CSEQ, "cseq"), (CALL_ID, "call_id")],
    )
    def test_missing_header_is_an_error_that_names_it(self, message, name, view):
        fill_views(message)
        while message.index(name) > 0:
            message.remove(message.index(name))
        with pytest.raises(HeaderError, match="is missing"):
            getattr(message, view)

    def test_empty_call_id_is_missing(self, message):
        message.replace(message.index(CALL_ID), b"Call-ID: ")
        with pytest.raises(HeaderError, match="Call-ID is empty"):
            _ = message.call_id

    @pytest.mark.parametrize(
        ("name", "view"), [(VIA, "via"), (FROM, "from_"), (TO, "to"), (CSEQ, "cseq"), (CONTACT, "contacts")]
    )
    def test_broken_header_is_an_error(self, message, name, view):
        message.replace(message.index(name), b"X: <broken")
        with pytest.raises(HeaderError):
            getattr(message, view)

    def test_contacts_of_a_message_without_one(self, message):
        for index in reversed(message.indexes(CONTACT)):
            message.remove(index)
        assert message.contacts == []

    @pytest.mark.parametrize(
        ("lines", "count"),
        [
            ((), 0),
            ((b"Via: SIP/2.0/UDP a",), 1),
            ((b'Via: SIP/2.0/UDP a;x=","',), 1),
            ((b"Via: SIP/2.0/UDP a,",), 1),
            ((b"Via: SIP/2.0/UDP a, SIP/2.0/UDP b",), 2),
            ((b"Via: SIP/2.0/UDP a", b"v: SIP/2.0/UDP b"), 2),
            ((b"Via: SIP/2.0/UDP a", b"v: SIP/2.0/UDP b", b"v: SIP/2.0/UDP c"), 2),
        ],
    )
    def test_number_of_vias(self, lines, count):
        octets = b"\r\n".join((b"OPTIONS sip:a@b SIP/2.0", *lines, b"", b""))
        assert parse_message(octets).via_count() == count


class TestRequest:
    def test_other_request_uri(self, message):
        assert message.request_uri.host == b"example.com"
        message.set_uri(b"sip:carol@192.0.2.7;ob")
        assert message.octets() == OCTETS.replace(b"sip:bob@example.com SIP", b"sip:carol@192.0.2.7;ob SIP", 1)
        assert message.uri == b"sip:carol@192.0.2.7;ob"
        assert message.request_uri.host == b"192.0.2.7"

    def test_broken_request_uri(self, message):
        message.set_uri(b"sip:")
        with pytest.raises(UriError):
            _ = message.request_uri

    def test_routes_of_all_lines(self, message):
        assert message.routes() == []
        message.append(ROUTE, b"Route: <sip:a;lr>,<sip:b,c;lr>")
        message.append(MAX_FORWARDS, b"Max-Forwards: 70")
        message.append(ROUTE, b"route : <sip:d;lr>")
        assert message.routes() == [b"<sip:a;lr>", b"<sip:b,c;lr>", b"<sip:d;lr>"]

    def test_copy_is_independent(self, message):
        views = fill_views(message)
        uri = message.request_uri
        copy = message.copy()
        assert copy.octets() == OCTETS
        assert copy.request_uri is uri
        assert all(map(is_kept, fill_views(copy), views))
        copy.set_uri(b"sip:x@y")
        copy.insert(1, VIA, b"Via: SIP/2.0/UDP mine")
        copy.replace(copy.index(TO), b"To: <sip:x@y>")
        copy.body = b""
        assert message.octets() == OCTETS
        assert (message.uri, message.to.addr, message.via.host) == (b"sip:bob@example.com", b"sip:bob@example.com",
                                                                    b"192.0.2.1")  # fmt: skip
        assert (copy.method, copy.kind, copy.to.addr, copy.via.host) == (b"INVITE", b"INVITE", b"sip:x@y", b"mine")


class TestResponse:
    def test_start_line(self, response):
        assert (response.status, response.reason, response.kind) == (180, b"Ringing", b"1xx")

    def test_copy_is_independent(self, response):
        views = fill_views(response)
        octets = response.octets()
        copy = response.copy()
        assert all(map(is_kept, fill_views(copy), views))
        copy.remove(1)
        copy.append(SUBJECT, b"Subject: x")
        assert response.octets() == octets
        assert (copy.status, copy.reason, copy.kind) == (180, b"Ringing", b"1xx")


class TestMemory:
    """Parsed lines are kept for all messages; clients choose them, so there is a limit to number and length."""

    def test_same_line_same_view(self):
        one, other = parse_message(OCTETS), parse_message(OCTETS)
        assert one.from_ is other.from_
        assert one.cseq == other.cseq

    def test_is_bounded(self):
        for i in range(5000):
            address_of(b"From: <sip:u%d@h>" % i)
            addresses_of(b"Route: <sip:r%d>,<sip:s>" % i)
        assert len(message_module._addresses) <= 4096
        assert len(message_module._address_lists) <= 4096

    def test_long_lines_are_not_kept(self):
        line = b"From: <sip:" + b"u" * 600 + b"@h>"
        assert address_of(line).addr.endswith(b"u@h")
        assert line not in message_module._addresses

    def test_broken_lines_are_not_kept(self):
        for _ in range(2):
            with pytest.raises(HeaderError):
                address_of(b"From: <broken")


EDITS = st.lists(
    st.tuples(
        st.sampled_from(["replace", "insert", "append", "remove"]),
        st.integers(min_value=1, max_value=30),
        st.sampled_from([(VIA, b"Via: SIP/2.0/UDP e"), (b"x-e", b"x-E:  \xff"), (CONTACT, b"m: <sip:e@f>")]),
    ),
    max_size=8,
)


@given(EDITS)
def test_edits_touch_their_lines_only(edits):
    """Whatever is edited, lines and names stay side by side and every other line keeps its octets."""
    message = parse_message(OCTETS)
    expected = list(zip(message.lines, message.names, strict=True))
    for what, place, (name, line) in edits:
        place = min(place, len(expected) - 1)
        if what == "append":
            message.append(name, line)
            expected.append((line, name))
        elif what == "insert":
            message.insert(place, name, line)
            expected.insert(place, (line, name))
        elif what == "remove" and len(expected) > 2:
            message.remove(place)
            del expected[place]
        elif what == "replace":
            message.replace(place, line)
            expected[place] = (line, expected[place][1])
    assert list(zip(message.lines, message.names, strict=True)) == expected
    assert message.octets() == b"\r\n".join(line for line, _ in expected) + b"\r\n\r\nbody\0"
