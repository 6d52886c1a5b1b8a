"""The URIs of listeners and servers, and the address that clients see."""

from __future__ import annotations

import re

import pytest

from proxy.config.uris import (
    HostPort,
    parse_host_port,
    parse_listen,
    parse_public,
    parse_server,
    split_authority,
)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("udp://0.0.0.0:5060", ("udp", "0.0.0.0", 5060)),
        ("TCP://10.0.0.2", ("tcp", "10.0.0.2", 5060)),
        ("tls://10.0.0.2/", ("tls", "10.0.0.2", 5061)),
        ("ws://10.0.0.2", ("ws", "10.0.0.2", 80)),
        ("wss://[::]:8443", ("wss", "::", 8443)),
        ("wss://[2001:db8::1]", ("wss", "2001:db8::1", 443)),
    ],
)
def test_listeners(text, parts):
    uri = parse_listen(text)
    assert (uri.transport, uri.host, uri.port) == parts
    assert parse_listen(str(uri)) == uri
    assert parse_listen(uri) is uri


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("udb://0.0.0.0:5060", "unknown transport udb (known: udp, tcp, tls, ws, wss), did you mean udp"),
        ("0.0.0.0:5060", "'0.0.0.0:5060' is not a listener: write udp://0.0.0.0:5060"),
        ("udp:0.0.0.0:5060", "is not a listener"),
        ("udp://0.0.0.0:5060/path", "is not a listener"),
        ("udp://0.0.0.0:0", "the port '0' should be from 1 to 65535"),
        ("udp://0.0.0.0:65536", "the port '65536' should be from 1 to 65535"),
        ("udp://0.0.0.0:sip", "the port 'sip' should be from 1 to 65535"),
        ("udp://0.0.0.0:", "the port '' should be from 1 to 65535"),
        ("udp://2001:db8::1:5060", "needs brackets: [2001:db8::1]:5060"),
        ("udp://[::1", "is not host:port"),
        ("udp://localhost:5060", "should be an IP address of this machine, or 0.0.0.0 for all, did you mean 127.0.0.1"),
        ("udp://eth0:5060", "'eth0' should be an IP address of this machine, or 0.0.0.0 for all"),
        ("udp://:5060", "'' is neither an IP address nor a host name"),
        (5060, "5060 is not a listener"),
    ],
)
def test_what_is_no_listener(value, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_listen(value)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("sip:10.0.0.5:5060", ("sip", "10.0.0.5", 5060, None)),
        ("sip:Example.com", ("sip", "example.com", None, None)),
        ("sip:[2001:db8::1]:5070;transport=TCP", ("sip", "2001:db8::1", 5070, "tcp")),
        ("SIPS:example.com", ("sips", "example.com", None, None)),
    ],
)
def test_servers(text, parts):
    uri = parse_server(text)
    assert (uri.scheme, uri.host, uri.port, uri.transport) == parts
    assert parse_server(str(uri)) == uri
    assert parse_server(uri) is uri


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("10.0.0.5:5060", "'10.0.0.5:5060' is not a SIP URI: write sip:10.0.0.5:5060"),
        ("pbx", "is not a SIP URI"),
        ("sip://10.0.0.5", "a SIP URI has no slashes, did you mean sip:10.0.0.5"),
        ("sip:alice@10.0.0.5", "has no user, did you mean sip:10.0.0.5"),
        ("sip:10.0.0.5;transport=tpc", "should be udp, tcp or tls, not 'tpc', did you mean tcp"),
        ("sip:10.0.0.5;transport=ws", "should be udp, tcp or tls, not 'ws'"),
        ("sip:10.0.0.5;lr", "the URI parameter 'lr' has no meaning here"),
        ("sip:10.0.0.5:99999", "the port '99999' should be from 1 to 65535"),
        ("sip:", "'' is neither"),
        (5060, "should be a SIP URI such as sip:10.0.0.5:5060, not 5060"),
    ],
)
def test_what_is_no_server(value, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_server(value)


def test_the_admin_socket_may_be_off():
    assert parse_host_port("off") is None
    assert parse_host_port(False) is None
    assert parse_host_port(None) is None
    assert str(parse_host_port("[::1]:9060")) == "[::1]:9060"
    known = HostPort(host="127.0.0.1", port=9060)
    assert parse_host_port(known) is known


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("127.0.0.1", "127.0.0.1 has no port: write 127.0.0.1:9060"),
        ("localhost:9060", "did you mean 127.0.0.1"),
        (9060, "should be an address with a port such as 127.0.0.1:9060, or off, not 9060"),
        (True, "or off, not true"),
    ],
)
def test_what_is_no_admin_socket(value, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_host_port(value)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.10", "203.0.113.10"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("Edge.Example.com", "edge.example.com"),
        ("stun:stun.example.com", "stun:stun.example.com:3478"),
        ("STUN:stun.example.com:3479", "stun:stun.example.com:3479"),
    ],
)
def test_public_addresses(text, address):
    assert parse_public(text) == address


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("203.0.113.10:5060", "has a port: write it as public_port of the listener"),
        ("udp://203.0.113.10", "is a URI: write the address or the name alone"),
        ("stun:", "is neither"),
        ("203.0.113.300", "is not a valid IPv4 address"),
    ],
)
def test_what_is_no_public_address(value, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_public(value)


def test_host_and_port_of_a_bare_host():
    assert split_authority("pbx") == ("pbx", None)
