"""Parameters and lists: found where they are, and only there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.sip.params import header_param, param_span, plain_param, split_first, split_list

TOKENS = st.text("abcXYZ019-.!%*_+`'~", min_size=1, max_size=8).map(str.encode)
QUOTED = st.text('ab,;<>= \\"', max_size=8).map(
    lambda text: b'"' + text.replace("\\", "\\\\").replace('"', '\\"').encode() + b'"'
)
ELEMENTS = st.one_of(
    TOKENS,
    QUOTED,
    st.builds(lambda name, user: name + b" <sip:" + user + b",;@example.com>;q=0.1", QUOTED, TOKENS),
)


@pytest.mark.parametrize("find", [plain_param, header_param])
@pytest.mark.parametrize(
    ("params", "name", "value"),
    [
        (b"", b"lr", None),
        (b";lr", b"lr", b""),
        (b";LR", b"lr", b""),
        (b";lr=on", b"lr", b"on"),
        (b";lr=", b"lr", b""),
        (b";Transport=TCP;lr", b"transport", b"TCP"),
        (b";lrx;xlr", b"lr", None),
        (b";lrx=1;lr", b"lr", b""),
        (b";x=lr;y", b"lr", None),
        (b";branch=one;branch=two", b"branch", b"one"),
        (b";a=b=c;d", b"a", b"b=c"),
        (b";;;lr;", b"lr", b""),
    ],
)
def test_plain_parameters(find, params, name, value):
    assert find(params, name) == value


@pytest.mark.parametrize(
    ("params", "name", "value"),
    [
        (b" ;tag=x", b"tag", b"x"),
        (b"; tag = x", b"tag", b"x"),
        (b";\r\n  tag\r\n =\r\n x ; b", b"tag", b"x"),
        (b"; tag = x", b"b", None),
        (b"; a ; rport ;b", b"rport", b""),
        (b';a=";tag=no";tag=yes', b"tag", b"yes"),
        (b';a="x\\";tag=no"', b"tag", None),
        (b';+sip.instance="<urn:uuid:1;2>";reg-id=1', b"+sip.instance", b'"<urn:uuid:1;2>"'),
        (b';+sip.instance="<urn:uuid:1;2>";reg-id=1', b"reg-id", b"1"),
        (b'; a = "" ', b"a", b'""'),
        (b';a="x;y";A="z"', b"a", b'"x;y"'),
        (b';x="1";ab;a', b"a", b""),
        (b';x="a";a"b;c";d', b"a", b""),
        # what is never closed swallows the rest
        (b';x=";a=1', b"a", None),
        (b'; x = ";a=1', b"a", None),
        (b';x="\\";a=1', b"a", None),
        (b';a="x;y', b"a", b'"x;y'),
        (b'; a="x;y', b"a", b'"x;y'),
    ],
)
def test_header_parameters_with_spaces_and_quotes(params, name, value):
    assert header_param(params, name) == value


@pytest.mark.parametrize(
    ("text", "name", "span"),
    [
        (b"h;rport", b"rport", b""),
        (b"h;rport;x", b"rport", b""),
        (b"h;RPORT=1;x", b"rport", b"=1"),
        (b"h;x;rport=1", b"rport", b"=1"),
        (b"h;rportx;rport=1", b"rport", b"=1"),
        (b"h ; rport = 1 ; x", b"rport", b" = 1"),
        (b"h ; rport ", b"rport", b""),
        (b'h;x=";rport=1";rport=2', b"rport", b"=2"),
        (b'h;rport="1;2";x', b"rport", b'="1;2"'),
        (b'h;rport="1;2;x', b"rport", b'="1;2;x'),
        (b'h;x="\\";rport";rport=2;y', b"rport", b"=2"),
    ],
)
def test_span_of_a_parameter(text, name, span):
    start, end = param_span(text, name)
    assert text[start:end] == span
    assert text[:start].lower().endswith(name)


@pytest.mark.parametrize("text", [b"h", b"h;x", b"h;rportx", b"rport", b"h ; x", b'h;x=";rport"'])
def test_no_span_without_the_parameter(text):
    assert param_span(text, b"rport") is None


@pytest.mark.parametrize(
    ("value", "elements"),
    [
        (b"", [b""]),
        (b" a ", [b"a"]),
        (b"a,b", [b"a", b"b"]),
        (b"a , \r\n b", [b"a", b"b"]),
        (b",a,,b, ", [b"a", b"b"]),
        (b",", []),
        (b'"a,b" <sip:x>, c', [b'"a,b" <sip:x>', b"c"]),
        (b"<sip:a,b@c>,<sip:d>", [b"<sip:a,b@c>", b"<sip:d>"]),
        (rb'"a\",b" <x>, c', [rb'"a\",b" <x>', b"c"]),
        (rb'"a\\",b', [rb'"a\\"', b"b"]),
        (b'a;b="<",c', [b'a;b="<"', b"c"]),
        (b'"a\n,b",c', [b'"a\n,b"', b"c"]),
    ],
)
def test_lists(value, elements):
    assert split_list(value) == elements


@pytest.mark.parametrize("value", [b'"a,b', b'x "a\\",b', b"<sip:a,b", b'"a,b\\', b'"a,b\\\\'])
def test_what_is_never_closed_swallows_the_rest(value):
    """No comma behind an open quote may make an element that another program would not see."""
    assert split_list(value) == [value]


@pytest.mark.parametrize(
    ("value", "first", "rest"),
    [
        (b"", b"", b""),
        (b" a ", b"a", b""),
        (b"a,b", b"a", b"b"),
        (b"a ,\r\n b , c", b"a", b"b , c"),
        (b'"a,b" <sip:c,d>,e', b'"a,b" <sip:c,d>', b"e"),
        (b"<sip:c,d>", b"<sip:c,d>", b""),
        (b"a,", b"a", b""),
        (b",a", b"", b"a"),
    ],
)
def test_first_element(value, first, rest):
    assert split_first(value) == (first, rest)


@given(st.lists(ELEMENTS, min_size=1, max_size=6), st.sampled_from([b",", b", ", b" ,\r\n  "]))
def test_joined_elements_are_split_as_they_were(elements, separator):
    joined = separator.join(elements)
    assert split_list(joined) == elements
    first, rest = split_first(joined)
    assert first == elements[0]
    assert rest == separator.join(elements[1:])


@given(st.binary(max_size=60))
def test_no_octets_are_too_odd(octets):
    """Whatever the octets: no exception, and nothing is made up."""
    assert all(element in octets for element in split_list(octets))
    first, rest = split_first(octets)
    assert first in octets
    assert rest in octets
    value = header_param(b";" + octets, b"a")
    assert value is None or value in octets
    span = param_span(b"x;" + octets, b"a")
    assert span is None or span[0] <= span[1] <= len(octets) + 2


@given(
    st.lists(st.tuples(TOKENS, st.one_of(st.none(), TOKENS, QUOTED)), max_size=5),
    st.sampled_from([b"", b" ", b"\r\n\t"]),
)
def test_every_parameter_is_found_again(pairs, space):
    text = b"".join(
        space + b";" + space + name + (b"" if value is None else space + b"=" + space + value) for name, value in pairs
    )
    expected: dict[bytes, bytes] = {}
    for name, value in pairs:
        expected.setdefault(name.lower(), value or b"")
    assert {name: header_param(text, name) for name in expected} == expected
    assert header_param(text, b"absent") is None


@given(st.text('a;="A \\,b', max_size=14).map(str.encode))
def test_values_without_spaces_are_read_as_those_with(octets):
    """Plain values take a shorter way through the code: it must lead to the same place."""
    params = b";" + octets
    assert header_param(params, b"a") == header_param(b" " + params, b"a")
    text = b"h" + params.replace(b" ", b"")
    assert param_span(text, b"a") == param_span(text + b" ", b"a")
