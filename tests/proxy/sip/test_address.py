"""Addresses: display name, URI and header parameters are told apart, and the octets survive."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.sip.address import parse_name_addr, split_list
from proxy.sip.errors import HeaderError, UriError


@pytest.mark.parametrize(
    ("raw", "display", "addr", "params"),
    [
        (b"<sip:a@b>", b"", b"sip:a@b", b""),
        (b"Alice <sip:a@b>;tag=1", b"Alice", b"sip:a@b", b";tag=1"),
        (b'"Alice"<sip:a@b>;tag=1', b'"Alice"', b"sip:a@b", b";tag=1"),
        (b"caller<sip:a@b>", b"caller", b"sip:a@b", b""),
        (b'"a,b;c<d>" <sip:a@b>', b'"a,b;c<d>"', b"sip:a@b", b""),
        (rb'"J \\\"" <sip:a@b> ; tag = x', rb'"J \\\""', b"sip:a@b", b"; tag = x"),
        (b'"BEL:\\\x07 NUL:\\\x00" <sip:a@b>', b'"BEL:\\\x07 NUL:\\\x00"', b"sip:a@b", b""),
        ("Jürgen M. <sip:a@b>".encode(), "Jürgen M.".encode(), b"sip:a@b", b""),
        (b'Bob "the" Builder <sip:a@b>', b'Bob "the" Builder', b"sip:a@b", b""),
        (b"alice@example.com <sip:a@b>", b"alice@example.com", b"sip:a@b", b""),
        (b"<sip:a,b;c@d;lr?x=y>;lr", b"", b"sip:a,b;c@d;lr?x=y", b";lr"),
        (b"<sip:a@b>;q=0.1;+sip.instance=<urn:x>", b"", b"sip:a@b", b";q=0.1;+sip.instance=<urn:x>"),
        (b"Alice\r\n <sip:a@b>\r\n ;tag=1", b"Alice", b"sip:a@b", b";tag=1"),
        (b'"\r\n " <tel:+1>', b'"\r\n "', b"tel:+1", b""),
        (b"<sip:a@b>;;;;", b"", b"sip:a@b", b";;;;"),
        (b"< sip:a@b >", b"", b" sip:a@b ", b""),
    ],
)
def test_addresses_in_brackets(raw, display, addr, params):
    found = parse_name_addr(raw)
    assert (found.raw, found.display, found.addr, found.params, found.bracketed) == (raw, display, addr, params, True)


@pytest.mark.parametrize(
    ("raw", "addr", "params"),
    [
        (b"sip:a@b", b"sip:a@b", b""),
        (b"sip:a@b;tag=1", b"sip:a@b", b";tag=1"),
        (b"sip:a@b ;\r\n tag = 1", b"sip:a@b", b";\r\n tag = 1"),
        (b"sip:+19725552222@gw1.example.net;unknownparam", b"sip:+19725552222@gw1.example.net", b";unknownparam"),
        (b'sip:a@b;+sip.instance="<urn:x>"', b"sip:a@b", b';+sip.instance="<urn:x>"'),
        (b"*", b"*", b""),
        (b"*;expires=0", b"*", b";expires=0"),
    ],
)
def test_bare_addresses_leave_their_parameters_to_the_header(raw, addr, params):
    """RFC 3261 section 20.10: without brackets everything behind the first semicolon is a header parameter."""
    found = parse_name_addr(raw)
    assert (found.raw, found.display, found.addr, found.params, found.bracketed) == (raw, b"", addr, params, False)


def test_outer_white_space_does_not_belong_to_the_element():
    assert parse_name_addr(b" \r\n <sip:a@b>;tag=1 \t").raw == b"<sip:a@b>;tag=1"
    assert parse_name_addr(b" sip:a@b ").raw == b"sip:a@b"


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        (b"", "is empty"),
        (b"  ", "is empty"),
        (b'"Alice"', "no URI"),
        (b'"Mr. J. User <sip:j.user@example.com>', "quote that is not closed"),
        (b'<sip:a@b>;x="y', "quote that is not closed"),
        (b'sip:a@b;x="y', "quote that is not closed"),
        (b'"a\\', "quote that is not closed"),
        (b'"\\' * 50_000, "quote that is not closed"),
        (b"<sip:a@b", 'without its ">"'),
        (b"<>", "no URI between"),
        (b"Alice <>;tag=1", "no URI between"),
        (b"Bell, Alexander <sip:a.g.bell@example.com>;tag=43", "comma"),
        (b"sip:a@b, sip:c@d", "comma"),
        (b"sip:user@example.com?Route=%3Csip:example.com%3E", '"?"'),
        (b"<sip:a@b> x", "neither"),
        (b"<sip:a@b>, <sip:c@d>", "neither"),
        (b"<sip:a@b>;x, <sip:c@d>", "neither"),
        (b"Alice sip:a@b", "neither"),
        (b"Bob; Inc <sip:a@b>", "neither"),
        (b"sip:a@b>", "neither"),
        (b";tag=1", "neither"),
    ],
)
def test_broken_addresses_are_refused_with_the_reason(raw, complaint):
    with pytest.raises(HeaderError) as caught:
        parse_name_addr(raw)
    assert complaint in caught.value.text
    assert caught.value.status == 400


def test_uri_is_parsed_when_asked_for_and_once():
    found = parse_name_addr(b"<sip:alice@example.com;lr>;tag=1")
    assert (found.uri.user, found.uri.host, found.uri.param(b"lr")) == (b"alice", b"example.com", b"")
    assert found.uri is found.uri


@pytest.mark.parametrize("raw", [b"*", b"< sip:t.watson@example.org >", b"<sip:2001:db8::1>"])
def test_broken_uri_shows_when_asked_for(raw):
    """The element itself is well-formed, so an address nobody looks into passes (RFC 4475 section 3.1.2.14)."""
    found = parse_name_addr(raw)
    with pytest.raises(UriError):
        found.uri  # noqa: B018 - the property parses, and raising is what it is asked for


@pytest.mark.parametrize(
    ("raw", "tag"),
    [
        (b"<sip:a@b>;tag=8x", b"8x"),
        (b"sip:a@b ; TAG = 8x", b"8x"),
        (b"<sip:a@b;tag=no>", None),
        (b'<sip:a@b>;x=";tag=no";tag=yes', b"yes"),
        (b"<sip:a@b>;tag", b""),
    ],
)
def test_tag(raw, tag):
    assert parse_name_addr(raw).tag == tag


def test_parameters_come_as_written():
    found = parse_name_addr(b'<sip:a@b>;Expires=60;+sip.instance="<urn:uuid:0;1>";ob')
    assert found.param(b"expires") == b"60"
    assert found.param(b"+sip.instance") == b'"<urn:uuid:0;1>"'
    assert found.param(b"ob") == b""
    assert found.param(b"reg-id") is None


@pytest.mark.parametrize(
    ("raw", "changed"),
    [
        (b'"sip:a@b" <sip:a@b> ; tag=1', b'"sip:a@b" <sip:new;lr> ; tag=1'),
        (b"sip:a@b<sip:a@b>", b"sip:a@b<sip:new;lr>"),
        (b"<sip:a@b>", b"<sip:new;lr>"),
        (b"sip:a@b", b"<sip:new;lr>"),
        (b"sip:a@b ;\r\n tag = 1", b"<sip:new;lr> ;\r\n tag = 1"),
    ],
)
def test_only_the_uri_is_exchanged(raw, changed):
    assert parse_name_addr(raw).with_addr(b"sip:new;lr") == changed


def test_shows_what_it_is():
    assert repr(parse_name_addr(b"sip:a@b")) == "NameAddr(b'sip:a@b')"


DISPLAYS = st.one_of(
    st.sampled_from([b"", b"Alice", b"A. B", "Ü".encode()]),
    st.text('ab,;<> \\"', max_size=6).map(
        lambda text: b'"' + text.replace("\\", "\\\\").replace('"', '\\"').encode() + b'"'
    ),
)
ADDRS = st.sampled_from([b"sip:a@b", b"sips:a,b;c@[::1]:5061;lr?x=y", b"tel:+1-2", b"sip:%00@b"])
PARAMS = st.sampled_from([b"", b";tag=1", b" ; a = b", b'\r\n ;x=",;<>";y', b';+sip.instance="<urn:x>";q=0.5'])


@given(DISPLAYS, st.sampled_from([b"", b" ", b"\r\n\t"]), ADDRS, PARAMS, ADDRS)
def test_octets_survive(display, space, addr, params, new):
    raw = (display + space).lstrip() + b"<" + addr + b">" + params
    found = parse_name_addr(raw)
    assert found.raw == raw
    assert (found.display, found.addr, found.params) == (display, addr, params.lstrip())
    assert found.with_addr(addr) == raw
    assert found.with_addr(new) == (display + space).lstrip() + b"<" + new + b">" + params
    assert parse_name_addr(found.with_addr(new)).addr == new


@given(st.lists(st.tuples(DISPLAYS, ADDRS, PARAMS), min_size=1, max_size=4))
def test_lists_of_addresses(triples):
    elements = [display + b" <" + addr + b">" + params for display, addr, params in triples]
    found = [parse_name_addr(element) for element in split_list(b", ".join(elements))]
    assert [element.raw for element in found] == [element.strip() for element in elements]
    assert [element.addr for element in found] == [addr for _, addr, _ in triples]


@given(st.binary(max_size=50))
def test_any_octets_parse_or_are_refused(octets):
    for raw in (octets, b"<sip:a@b>" + octets, b'"' + octets + b'" <sip:a@b>', b"sip:a@b;" + octets):
        try:
            found = parse_name_addr(raw)
        except HeaderError:
            continue
        assert found.raw == raw.strip(b" \t\r\n")
        assert found.addr
        swapped = parse_name_addr(found.with_addr(b"sip:new"))
        assert (swapped.addr, swapped.display, swapped.params) == (b"sip:new", found.display, found.params)


@given(st.text('a "<>;,\\', max_size=10).map(str.encode), st.text('a ";=,', max_size=8).map(str.encode))
def test_plain_addresses_are_read_as_those_with_escapes(display, params):
    """Addresses without escapes take a shorter way through the code: it must lead to the same place."""
    raw = (display + b"<sip:a@b>" + params).strip()
    escaped = b';z="\\""'
    try:
        found = parse_name_addr(raw)
    except HeaderError:
        return
    other = parse_name_addr(raw + escaped)
    assert (found.display, found.addr, found.params + escaped) == (other.display, other.addr, other.params)
    assert found.with_addr(b"sip:x") + escaped == other.with_addr(b"sip:x")


@pytest.mark.parametrize(
    ("raw", "tagged", "bare"),
    [
        (b"<sip:a@b>", b"<sip:a@b>;tag=new", b"<sip:a@b>"),
        (b"<sip:a@b>;tag=old", b"<sip:a@b>;tag=new", b"<sip:a@b>"),
        (b"sip:a@b;x=1;tag=old;y", b"sip:a@b;x=1;tag=new;y", b"sip:a@b;x=1;y"),
        (b"sip:a@b", b"sip:a@b;tag=new", b"sip:a@b"),
        (
            b'";tag=x" <sip:a@b;tag=y> ; TAG = "o;l" ; z',
            b'";tag=x" <sip:a@b;tag=y> ; TAG=new ; z',
            b'";tag=x" <sip:a@b;tag=y>  ; z',
        ),
        (b"<sip:a@b>;tag=;x", b"<sip:a@b>;tag=new;x", b"<sip:a@b>;x"),
        (b"<sip:a@b>;tag;tag=2", b"<sip:a@b>;tag=new;tag=2", b"<sip:a@b>"),
        (b"<sip:a@b>;tagged=1", b"<sip:a@b>;tagged=1;tag=new", b"<sip:a@b>;tagged=1"),
    ],
)  # fmt: skip
def test_a_tag_is_set_and_taken_off(raw, tagged, bare):
    address = parse_name_addr(raw)
    assert (address.tagged(b"new"), address.tagged(b"")) == (tagged, bare)
    assert parse_name_addr(tagged).tag == b"new"
    assert parse_name_addr(bare).tag is None


def test_a_tag_of_an_address_that_was_put_together():
    assert parse_name_addr(b"<sip:a@b>").with_tag(b"x").tagged(b"y") == b"<sip:a@b>;tag=y"
