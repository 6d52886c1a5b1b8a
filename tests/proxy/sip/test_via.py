"""Via: every spelling the grammar allows is read, and only what the receiver adds is changed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.sip.errors import HeaderError
from proxy.sip.via import add_params, fill_param, first_value, parse_via


@pytest.mark.parametrize(
    ("raw", "transport", "host", "port", "sent_by", "branch"),
    [
        (b"SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bK776asdhds", b"UDP", b"pc33.atlanta.com", 0, b"pc33.atlanta.com",
         b"z9hG4bK776asdhds"),
        (b"SIP/2.0/UDP 192.0.2.1:5070", b"UDP", b"192.0.2.1", 5070, b"192.0.2.1:5070", None),
        (b"SIP/2.0/WSS 9sH.Invalid;rport;branch=x;y", b"WSS", b"9sH.Invalid", 0, b"9sh.invalid", b"x"),
        (b"SIP/2.0/UDP h;Branch=x", b"UDP", b"h", 0, b"h", b"x"),
        (b"SIP/2.0/UDP h;branch=", b"UDP", b"h", 0, b"h", b""),
        (b"SIP/2.0/UDP h:05060;branch=x;rport", b"UDP", b"h", 5060, b"h:5060", b"x"),
        (b"SIP/2.0/UDP h:0", b"UDP", b"h", 0, b"h:0", None),
        (b"sip/2.0/tls h;", b"TLS", b"h", 0, b"h", None),
        (b"SIP/2.0/UNKNOWN t5.example.com;branch=x", b"UNKNOWN", b"t5.example.com", 0, b"t5.example.com", b"x"),
        (b"SIP/7.0/UDP h;branch=x", b"UDP", b"h", 0, b"h", b"x"),
        (b"SIP/2.0/TLS-SCTP h", b"TLS-SCTP", b"h", 0, b"h", None),
        # RFC 4475 section 3.1.1.1
        (b"SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw", b"UDP", b"192.0.2.2", 0, b"192.0.2.2",
         b"390skdjuw"),
        (b"SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8", b"TCP", b"spindle.example.com",
         0, b"spindle.example.com", b"z9hG4bK9ikj8"),
        (b"SIP/2.0/UDP first.example.com: 4000;ttl=16 ;branch=x", b"UDP", b"first.example.com", 4000,
         b"first.example.com:4000", b"x"),
        (b"SIP/2.0/UDP h : 5060", b"UDP", b"h", 5060, b"h:5060", None),
        # RFC 5118
        (b"SIP/2.0/UDP [2001:DB8::9:1]:6050;branch=x", b"UDP", b"[2001:DB8::9:1]", 6050, b"[2001:db8::9:1]:6050", b"x"),
        (b'SIP/2.0/UDP h;x=";branch=no";branch=yes', b"UDP", b"h", 0, b"h", b"yes"),
    ],
)  # fmt: skip
def test_parts(raw, transport, host, port, sent_by, branch):
    via = parse_via(raw)
    assert (via.transport, via.host, via.port, via.sent_by, via.branch) == (transport, host, port, sent_by, branch)
    assert via.raw == raw
    assert parse_via(b"  " + raw + b" ").raw == raw


def test_parameters():
    via = parse_via(b"SIP/2.0/UDP h;rport;received=[2001:db8::9:255];maddr=239.1.1.1;ttl=3")
    assert (via.rport, via.received, via.maddr) == (b"", b"[2001:db8::9:255]", b"239.1.1.1")
    assert via.param(b"ttl") == b"3"
    assert via.params == b";rport;received=[2001:db8::9:255];maddr=239.1.1.1;ttl=3"
    bare = parse_via(b"SIP/2.0/UDP h;received=2001:db8::9:255;rport=99")
    assert (bare.received, bare.rport, bare.maddr) == (b"2001:db8::9:255", b"99", None)


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"SIP/2.0/UDP", b"SIP/2.0/UDP ", b"SIP/2.0 h", b"SIP/2.0/ h", b"HTTP/1.1/TCP h",
        b"SIP/2.0/UDP ;branch=x", b"SIP/2.0/UDP :5060", b"SIP/2.0/UDP h:", b"SIP/2.0/UDP h:x", b"SIP/2.0/UDP h:65536",
        b"SIP/2.0/UDP 2001:db8::1;branch=x", b"SIP/2.0/UDP [::1;branch=x", b"SIP/2.0/UDP a b",
        b"SIP/2.0/UDP 192.0.2.15;;", b"SIP/2.0/UDP h;=x", b"SIP/2.0/UDP h;a b", b'SIP/2.0/UDP h;a="b',
        b"SIP/2.0/UDP a, SIP/2.0/UDP b", b"SIP/2.0/UDPh", b"SIP/2.0/UDP h;branch=x branch=y",
    ],
)  # fmt: skip
def test_broken_values_are_refused(raw):
    with pytest.raises(HeaderError) as caught:
        parse_via(raw)
    assert "Via" in caught.value.text
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("value", "first", "rest"),
    [
        (b"SIP/2.0/UDP a;branch=x", b"SIP/2.0/UDP a;branch=x", b""),
        (b"SIP/2.0/UDP a ,\r\n SIP/2.0/UDP b , SIP/2.0/UDP c", b"SIP/2.0/UDP a", b"SIP/2.0/UDP b , SIP/2.0/UDP c"),
        (b'SIP/2.0/UDP a;x=",";y,SIP/2.0/UDP b', b'SIP/2.0/UDP a;x=",";y', b"SIP/2.0/UDP b"),
    ],
)
def test_first_value_of_a_list(value, first, rest):
    assert first_value(value) == (first, rest)


@pytest.mark.parametrize(
    ("value", "received", "rport", "expected"),
    [
        (b"SIP/2.0/UDP h;branch=x", None, None, b"SIP/2.0/UDP h;branch=x"),
        (b"SIP/2.0/UDP h;branch=x", b"192.0.2.1", None, b"SIP/2.0/UDP h;branch=x;received=192.0.2.1"),
        (b"SIP/2.0/UDP h;branch=x", None, b"5070", b"SIP/2.0/UDP h;branch=x"),
        (b"SIP/2.0/UDP h;rport;branch=x", b"192.0.2.1", b"5070",
         b"SIP/2.0/UDP h;rport=5070;branch=x;received=192.0.2.1"),
        (b"SIP/2.0/UDP h;branch=x;rport", None, b"5070", b"SIP/2.0/UDP h;branch=x;rport=5070"),
        (b"SIP/2.0/UDP h;RPort=1;Received=a;branch=x", b"b", b"2", b"SIP/2.0/UDP h;RPort=2;Received=b;branch=x"),
        (b"SIP/2.0/UDP h;xrport;rportx", None, b"5070", b"SIP/2.0/UDP h;xrport;rportx"),
        (b'SIP/2.0/UDP h;x=";rport" ; rport ;y', None, b"5070", b'SIP/2.0/UDP h;x=";rport" ; rport=5070 ;y'),
        (b"SIP/2.0/UDP h ;\r\n  branch = x ", b"::1", None, b"SIP/2.0/UDP h ;\r\n  branch = x;received=::1 "),
        (b"SIP/2.0/UDP h;", b"a", None, b"SIP/2.0/UDP h;received=a;"),
        (b"SIP/2.0/UDP h", b"a", b"1", b"SIP/2.0/UDP h;received=a"),
        (b"SIP/2.0/UDP h;rport , SIP/2.0/UDP h;rport", b"a", b"1",
         b"SIP/2.0/UDP h;rport=1;received=a , SIP/2.0/UDP h;rport"),
        (b"  SIP/2.0/UDP h;rport,", b"a", b"1", b"  SIP/2.0/UDP h;rport=1;received=a,"),
        (b'SIP/2.0/UDP h;x=",";rport', b"a", b"1", b'SIP/2.0/UDP h;x=",";rport=1;received=a'),
    ],
)  # fmt: skip
def test_what_the_receiver_adds(value, received, rport, expected):
    assert add_params(value, received, rport) == expected


@given(
    st.lists(
        st.sampled_from([b";branch=z9hG4bKx", b" ; rport", b";rport=3", b";received=a", b';x=",;rport"', b";ttl = 1"]),
        max_size=4, unique=True,
    ),
    st.sampled_from([b"", b", SIP/2.0/UDP other;rport;received=c"]),
)  # fmt: skip
def test_added_parameters_are_read_back_and_others_stay(params, tail):
    value = b"SIP/2.0/UDP h:5062" + b"".join(params)
    before = parse_via(value)
    changed, rest = first_value(add_params(value + tail, b"192.0.2.9", b"4711"))
    after = parse_via(changed)
    assert after.received == b"192.0.2.9"
    assert after.rport == (None if before.rport is None else b"4711")
    assert (after.branch, after.param(b"x"), after.param(b"ttl")) == (
        before.branch, before.param(b"x"), before.param(b"ttl"),
    )  # fmt: skip
    assert rest == tail[2:]


@given(st.binary(max_size=40))
def test_any_octets_parse_or_are_refused(octets):
    for raw in (octets, b"SIP/2.0/UDP " + octets, b"SIP/2.0/UDP h;" + octets):
        try:
            via = parse_via(raw)
        except HeaderError:
            continue
        assert via.raw == raw.strip(b" \t\r\n")
        assert via.host


def test_shows_what_it_is():
    assert repr(parse_via(b"SIP/2.0/UDP h")) == "Via(b'SIP/2.0/UDP h')"


@pytest.mark.parametrize(
    ("value", "filled"),
    [
        (b"SIP/2.0/UDP h;keep", b"SIP/2.0/UDP h;keep=29"),
        (b" SIP/2.0/UDP h;KEEP ;branch=x", b" SIP/2.0/UDP h;KEEP=29 ;branch=x"),
        (b"SIP/2.0/UDP h;keep;branch=x, SIP/2.0/UDP i;keep", b"SIP/2.0/UDP h;keep=29;branch=x, SIP/2.0/UDP i;keep"),
        (b"SIP/2.0/UDP h;branch=x, SIP/2.0/UDP i;keep", None),
        (b'SIP/2.0/UDP h;x="a,b;keep";keep', b'SIP/2.0/UDP h;x="a,b;keep";keep=29'),
        (b"SIP/2.0/UDP h;keep=5", None),
        (b"SIP/2.0/UDP h;x=keep", None),
        (b"SIP/2.0/UDP keep;keeper", None),
        (b"SIP/2.0/UDP h", None),
        (b"", None),
    ],
)
def test_a_parameter_without_a_value_gets_one(value, filled):
    """In the first value of a list only; None: every octet stays."""
    assert fill_param(value, b"keep", b"29") == (value if filled is None else filled)
