"""URIs: taken apart, refused, compared and escaped as RFC 3261 section 19.1 wants it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.sip.errors import UriError
from proxy.sip.uri import Uri, canonical_user, escape_user, parse_host_port, parse_uri, shown, unescape

PARTS = ("scheme", "user", "password", "host", "port", "params", "headers")


def parts(uri: Uri) -> tuple[object, ...]:
    return tuple(getattr(uri, name) for name in PARTS)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"sip:example.com", (b"sip", None, None, b"example.com", 0, b"", b"")),
        (b"sip:alice@example.com", (b"sip", b"alice", None, b"example.com", 0, b"", b"")),
        (b"SIPS:Alice:s3cret@Example.COM:5061;Transport=tcp;lr?Subject=x&to=y",
         (b"sips", b"Alice", b"s3cret", b"Example.COM", 5061, b";Transport=tcp;lr", b"Subject=x&to=y")),
        (b"Sip:a@b", (b"sip", b"a", None, b"b", 0, b"", b"")),
        (b"sip:a:@b", (b"sip", b"a", b"", b"b", 0, b"", b"")),
        (b"sip:@b", (b"sip", b"", None, b"b", 0, b"", b"")),
        (b"sip:b;lr", (b"sip", None, None, b"b", 0, b";lr", b"")),
        (b"sip:b?x=1", (b"sip", None, None, b"b", 0, b"", b"x=1")),
        (b"sip:b?", (b"sip", None, None, b"b", 0, b"", b"")),
        (b"sip:b:05060", (b"sip", None, None, b"b", 5060, b"", b"")),
        # RFC 4475 section 3.1.1.9: the semicolon belongs to the user
        (b"sip:user;par=u%40example.net@example.com",
         (b"sip", b"user;par=u%40example.net", None, b"example.com", 0, b"", b"")),
        # the same with what else userinfo may hold (section 3.1.1.2)
        (b"sip:1_x~(y)&i'n+t$/c?,/;;*:&it+h=1,w!*p$w~d@example.com",
         (b"sip", b"1_x~(y)&i'n+t$/c?,/;;*", b"&it+h=1,w!*p$w~d", b"example.com", 0, b"", b"")),
        # RFC 4475 sections 3.1.1.3 and 3.1.1.4: escapes stay
        (b"sip:sips%3Auser%40example.com@example.net",
         (b"sip", b"sips%3Auser%40example.com", None, b"example.net", 0, b"", b"")),
        (b"sip:null-%00-null@example.com", (b"sip", b"null-%00-null", None, b"example.com", 0, b"", b"")),
        # RFC 5118 sections 4.1, 4.3, 4.4, 4.9, 4.10
        (b"sip:[2001:db8::10]", (b"sip", None, None, b"[2001:db8::10]", 0, b"", b"")),
        (b"sip:[2001:db8::10:5070]", (b"sip", None, None, b"[2001:db8::10:5070]", 0, b"", b"")),
        (b"sip:[2001:db8::10]:5070", (b"sip", None, None, b"[2001:db8::10]", 5070, b"", b"")),
        (b"sip:ted@[::ffff:192.0.2.2]", (b"sip", b"ted", None, b"[::ffff:192.0.2.2]", 0, b"", b"")),
        (b"sip:user@[2001:db8:::192.0.2.1]", (b"sip", b"user", None, b"[2001:db8:::192.0.2.1]", 0, b"", b"")),
        # illegal, but nobody can doubt what is meant
        (b"sip:alice@corp.example@10.0.0.5", (b"sip", b"alice@corp.example", None, b"10.0.0.5", 0, b"", b"")),
        (b"sip:a@b@c:5070;lr?x=y", (b"sip", b"a@b", None, b"c", 5070, b";lr", b"x=y")),
        (b"sip:a@b@c", (b"sip", b"a@b", None, b"c", 0, b"", b"")),
        (b"sip:a@h;x=b@c", (b"sip", b"a", None, b"h", 0, b";x=b@c", b"")),
        (b"sip:a@h?x=b@c", (b"sip", b"a", None, b"h", 0, b"", b"x=b@c")),
        (b"sip:h:5060;x=b@c", (b"sip", None, None, b"h", 5060, b";x=b@c", b"")),
        ("sip:jürgen@example.com".encode(), (b"sip", "jürgen".encode(), None, b"example.com", 0, b"", b"")),
    ],
)  # fmt: skip
def test_parts_of_sip_uris(raw, expected):
    uri = parse_uri(raw)
    assert parts(uri) == expected
    assert uri.raw == raw


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"tel:+1-201-555-0123", (b"tel", b"+1-201-555-0123", None, b"", 0, b"", b"")),
        (b"TEL:7042;phone-context=example.com", (b"tel", b"7042", None, b"", 0, b";phone-context=example.com", b"")),
        (b"nobodyKnowsThisScheme:totallyopaquecontent", (b"nobodyknowsthisscheme", None, None, b"", 0, b"", b"")),
        (b"soap.beep://192.0.2.103:3002", (b"soap.beep", None, None, b"", 0, b"", b"")),
        (b"urn:service:sos", (b"urn", None, None, b"", 0, b"", b"")),
    ],
)
def test_other_schemes_have_no_host(raw, expected):
    """RFC 4475 sections 3.3.2 to 3.3.4: such URIs are well-formed; whether they can be served is another question."""
    assert parts(parse_uri(raw)) == expected


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        (b"", "no scheme"),
        (b"sip:", "no scheme"),
        (b"example.com", "no scheme"),
        (b"*", "no scheme"),
        (b"5060:x", "no scheme"),
        (b"sip:@", "has no host"),
        (b"sip:alice@", "has no host"),
        (b"sip:alice@:5060", "has no host"),
        (b"sip:;lr", "has no host"),
        (b"sips:alice@?x=y", "has no host"),
        (b"sip:h:", "is not a host"),
        (b"sip:h:x", "is not a host"),
        (b"sip:h:123456789", "is not a host"),
        (b"sip:h:65536", "port 65536"),
        (b"sip:h:0", "port 0"),
        (b"sip:a@b@h:65536", "port 65536"),
        (b"sip:a@b@", "is not a host"),
        (b"sip:a@exa$mple.com", "is not a host"),
        (b"sip:a@[::1", "is not a host"),
        (b"sip:a@[]", "is not a host"),
        (b"sip:2001:db8::10", "square brackets"),
        (b"sip:user@2001:db8::10", "square brackets"),
        (b"sip:user@example.com; lr", "b' '"),
        (b" sip:user@example.com", "b' '"),
        (b"<sip:user@example.com>", "b'<'"),
        (b'sip:"user"@example.com', "b'\"'"),
        (b"sip:us\x00er@example.com", "b'\\x00'"),
        (b"sip:user@example.com\r\nX: y", "b'\\r'"),
        (b"sip:user@example.com\n", "b'\\n'"),
        (b"tel:+1 201", "b' '"),
    ],
)
def test_broken_uris_are_refused_with_the_reason(raw, complaint):
    with pytest.raises(UriError) as caught:
        parse_uri(raw)
    assert complaint in caught.value.text
    assert caught.value.status == 400


def test_error_texts_are_short_and_printable():
    with pytest.raises(UriError) as caught:
        parse_uri(b"sip:" + b"\x01" * 5000)
    assert len(caught.value.text) < 500
    assert caught.value.text.isprintable()
    assert shown(b"short") == "'short'"


@pytest.mark.parametrize(
    ("raw", "name", "value"),
    [
        (b"sip:a@b", b"lr", None),
        (b"sip:a@b;LR", b"lr", b""),
        (b"sip:a@b;transport=WS;lr", b"transport", b"WS"),
        (b"sip:a;lr@b", b"lr", None),
        (b"sip:a@b;x=y?lr", b"lr", None),
        (b"sip:a@b;%6C%72;n%61me=v%61lue%25%34%31", b"lr", b""),
        (b"sip:a@b;%6C%72;n%61me=v%61lue%25%34%31", b"name", b"v%61lue%25%34%31"),
        (b"sip:a@b;%6C%72", b"ob", None),
    ],
)
def test_parameters(raw, name, value):
    assert parse_uri(raw).param(name) == value


EQUAL = [
    # the pairs of RFC 3261 section 19.1.4
    (b"sip:%61lice@atlanta.com;transport=TCP", b"sip:alice@AtLanTa.CoM;Transport=tcp"),
    (b"sip:carol@chicago.com", b"sip:carol@chicago.com;newparam=5"),
    (b"sip:carol@chicago.com", b"sip:carol@chicago.com;security=on"),
    (b"sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
     b"sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com"),
    (b"sip:alice@atlanta.com?subject=project%20x&priority=urgent",
     b"sip:alice@atlanta.com?priority=urgent&subject=project%20x"),
    # further ones
    (b"SIP:a@b", b"sip:a@b"),
    (b"sip:a@b?", b"sip:a@b"),
    (b"sip:a@b?Subject=x&", b"sip:a@b?subject=x"),
    (b"sip:a%3bb@c", b"sip:a%3Bb@c"),
    (b"sip:a:p%77@b", b"sip:a:pw@b"),
    (b"sip:a@b;l%72", b"sip:a@b;lr"),
    (b"sip:a@[2001:DB8::1]", b"sip:a@[2001:db8::1]"),
    (b"tel:+1-201-555-0123", b"tel:+12015550123"),
    (b"tel:7042;ext=1;phone-context=x", b"TEL:7042;phone-context=X;ext=1"),
    (b"URN:service:sos", b"urn:service:sos"),
]  # fmt: skip
UNEQUAL = [
    # the pairs of RFC 3261 section 19.1.4
    (b"SIP:ALICE@AtLanTa.CoM;Transport=udp", b"sip:alice@AtLanTa.CoM;Transport=UDP"),
    (b"sip:bob@biloxi.com", b"sip:bob@biloxi.com:5060"),
    (b"sip:bob@biloxi.com", b"sip:bob@biloxi.com;transport=udp"),
    (b"sip:bob@biloxi.com", b"sip:bob@biloxi.com:6000;transport=tcp"),
    (b"sip:carol@chicago.com", b"sip:carol@chicago.com?Subject=next%20meeting"),
    (b"sip:bob@phone21.boxesbybob.com", b"sip:bob@192.0.2.4"),
    (b"sip:carol@chicago.com;security=on", b"sip:carol@chicago.com;security=off"),
    # further ones
    (b"sip:a@b", b"sips:a@b"),
    (b"sip:b", b"sip:a@b"),
    (b"sip:a@b", b"sip:a:p@b"),
    (b"sip:a:p@b", b"sip:a:P@b"),
    (b"sip:a@b;maddr=239.1.1.1", b"sip:a@b"),
    (b"sip:a@b;ttl=1", b"sip:a@b"),
    (b"sip:a@b;user=phone", b"sip:a@b"),
    (b"sip:a@b;method=INVITE", b"sip:a@b"),
    (b"sip:a%3Bb@c", b"sip:a;b@c"),
    (b"sip:a@b?x=1&x=2", b"sip:a@b?x=1"),
    (b"sip:a@b?subject=X", b"sip:a@b?subject=x"),
    (b"sip:a@b", b"tel:+1"),
    (b"tel:+1", b"tel:+2"),
    (b"tel:1;ext=1", b"tel:1"),
    (b"urn:service:sos", b"urn:service:SOS"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_equal_uris(one, other):
    assert parse_uri(one).equals(parse_uri(other))
    assert parse_uri(other).equals(parse_uri(one))


@pytest.mark.parametrize(("one", "other"), UNEQUAL)
def test_unequal_uris(one, other):
    assert not parse_uri(one).equals(parse_uri(other))
    assert not parse_uri(other).equals(parse_uri(one))


def test_equality_is_not_transitive():
    """RFC 3261 section 19.1.4 says so itself: the plain one equals both, they do not equal each other."""
    plain, on, off = (parse_uri(b"sip:carol@chicago.com" + end) for end in (b"", b";security=on", b";security=off"))
    assert plain.equals(on)
    assert plain.equals(off)
    assert not on.equals(off)


def test_every_uri_equals_itself():
    for raw in itertools.chain.from_iterable(EQUAL + UNEQUAL):
        assert parse_uri(raw).equals(parse_uri(raw))


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [(b"example.com", b"example.com", 0), (b"h:5060", b"h", 5060), (b"[::1]:1", b"[::1]", 1), (b"[::1]", b"[::1]", 0)],
)
def test_host_and_port(text, host, port):
    assert parse_host_port(text) == (host, port)


@pytest.mark.parametrize(
    "text", [b"", b":5060", b"::1", b"2001:db8::1", b"h:", b"h:0", b"h:70000", b"h;x", b"a@h", b"h "]
)
def test_bad_host_and_port(text):
    with pytest.raises(UriError):
        parse_host_port(text)


@pytest.mark.parametrize(
    ("user", "plain", "canonical"),
    [
        (b"alice", b"alice", b"alice"),
        (b"%61lice", b"alice", b"alice"),
        (b"a%3bb%40", b"a;b@", b"a%3Bb%40"),
        (b"%00", b"\x00", b"%00"),
        (b"100%", b"100%", b"100%"),
        (b"%2561", b"%61", b"%2561"),
        (b"%c3%bc", b"\xc3\xbc", b"%C3%BC"),
    ],
)
def test_unescaping(user, plain, canonical):
    assert unescape(user) == plain
    assert canonical_user(user) == canonical


@pytest.mark.parametrize(
    ("user", "escaped"),
    [
        (b"alice", b"alice"),
        (b"a-_.!~*'()&=+$,?/", b"a-_.!~*'()&=+$,?/"),
        (b"a;b", b"a%3Bb"),
        (b"a%3Bb", b"a%3Bb"),
        (b"100%", b"100%25"),
        (b"a%4", b"a%254"),
        (b"a b@c:d", b"a%20b%40c%3Ad"),
        (b'\x00<">\r\n', b"%00%3C%22%3E%0D%0A"),
        ("ü".encode(), b"%C3%BC"),
    ],
)
def test_escaping_a_user(user, escaped):
    assert escape_user(user) == escaped


@given(st.binary(min_size=1, max_size=30))
def test_an_escaped_user_is_a_user_and_means_the_same(octets):
    escaped = escape_user(octets)
    assert escape_user(escaped) == escaped
    uri = parse_uri(b"sip:" + escaped + b"@example.com;b=x")
    assert (uri.user, uri.password, uri.host) == (escaped, None, b"example.com")
    assert unescape(escaped) == unescape(octets)
    assert canonical_user(escaped).upper() == canonical_user(canonical_user(escaped)).upper()


@given(st.binary(max_size=40))
def test_any_octets_parse_or_are_refused(octets):
    for raw in (octets, b"sip:" + octets, b"sip:a@" + octets):
        try:
            uri = parse_uri(raw)
        except UriError:
            continue
        assert uri.raw == raw
        assert uri.equals(parse_uri(raw))
        assert uri.host in raw
        assert uri.host or uri.scheme not in (b"sip", b"sips")


@given(
    st.one_of(st.none(), st.text("abc;?/&=+$,%41", min_size=1, max_size=8).map(str.encode)),
    st.sampled_from([b"example.com", b"192.0.2.1", b"[2001:db8::1]"]),
    st.integers(0, 65535),
    st.sampled_from([b"", b";lr", b";transport=ws;ob"]),
    st.sampled_from([b"", b"Subject=x", b"a=1&b=?"]),
)
def test_parts_put_together_are_taken_apart_again(user, host, port, params, headers):
    raw = b"sip:"
    if user is not None:
        raw += user + b"@"
    raw += host
    if port:
        raw += b":%d" % port
    raw += params
    if headers:
        raw += b"?" + headers
    assert parts(parse_uri(raw)) == (b"sip", user, None, host, port, params, headers)


def test_shows_what_it_is():
    assert repr(parse_uri(b"sip:a@b")) == "Uri(b'sip:a@b')"
