"""Rules that tie several settings together."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict

from proxy.config.check import check_rules, problems
from proxy.config.errors import ConfigErrors
from proxy.config.load import parse_config
from proxy.config.model import Config

SERVER = {"domain": "example.com", "uri": "sip:10.0.0.5:5060"}
SMALLEST = {"server": SERVER, "listen": ["udp://10.0.0.2:5060"]}
CERTIFICATES = {"certificate": "a.pem", "private_key": "a.key"}


def found(**settings):
    server = {**SERVER, **settings.pop("server", {})}
    config = Config.model_validate({**SMALLEST, **settings, "server": server})
    return [(".".join(map(str, problem.path)), problem.text) for problem in problems(config)]


def test_a_good_configuration_has_no_problems():
    assert found() == []
    assert found(listen=["udp://0.0.0.0", "tcp://0.0.0.0"], public_address="203.0.113.10") == []
    assert found(listen=["udp://[::]"], public_address="203.0.113.10") == []


def test_the_server_has_an_address_in_one_place():
    assert found(server={"uri": None}) == [
        ("server", "needs uri, the SIP URI of the server (or several under targets)")
    ]
    assert found(server={"targets": [{"uri": "sip:10.0.0.6"}]}) == [
        ("server.targets", "uri and targets are both given: move the uri into targets")
    ]


def test_the_server_and_the_socket_towards_it_have_one_ip_version():
    text = "the server has IPv6 but the socket towards it, server.bind udp://0.0.0.0:5070, has IPv4"
    assert found(server={"uri": "sip:[2001:db8::5]"}) == [("server.uri", text)]
    assert found(server={"uri": "sip:[2001:db8::5]", "bind": "udp://[::]:5070"}) == []
    assert found(server={"uri": "sip:pbx.example.com"}) == []


def test_each_target_is_looked_at():
    targets = [{"uri": "sip:10.0.0.5"}, {"uri": "sip:[::1]"}, {"uri": "sip:10.0.0.2"}]
    keys = [key for key, _ in found(server={"uri": None, "targets": targets})]
    assert keys == ["server.targets.1.uri", "server.targets.2.uri"]


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"public_address": "0.0.0.0"}, "public_address"),
        ({"server": {"address": "0.0.0.0"}}, "server.address"),
        ({"listen": [{"uri": "udp://0.0.0.0", "public_address": "::"}]}, "listen.0.public_address"),
    ],
)
def test_a_wildcard_is_no_address_to_send_to(settings, key):
    problem = found(**settings)[0]
    assert problem[0] == key
    assert "is no address that" in problem[1]


def test_a_listener_on_all_addresses_needs_a_public_one():
    assert found(listen=["udp://0.0.0.0"]) == [
        (
            "listen.0.uri",
            "udp://0.0.0.0:5060 listens on all addresses, but public_address is not set: "
            "write the address or name that clients see",
        )
    ]


def test_a_public_address_of_the_other_ip_version_is_none():
    assert (
        "public_address 2001:db8::1 has the other IP version"
        in found(listen=["udp://0.0.0.0"], public_address="2001:db8::1")[0][1]
    )


def test_a_stun_server_tells_the_public_address():
    assert found(listen=["udp://0.0.0.0", "wss://[::]"], public_address="stun:a.example", tls=CERTIFICATES) == []
    assert found(listen=[{"uri": "udp://0.0.0.0", "public_address": "stun:192.0.2.1"}]) == []


def test_a_stun_server_of_the_other_ip_version_cannot_be_asked():
    text = "the STUN server has IPv6 but the listener that asks it, udp://0.0.0.0:5060, has IPv4"
    assert found(listen=[{"uri": "udp://0.0.0.0", "public_address": "stun:[2001:db8::1]"}]) == [
        ("listen.0.public_address", text)
    ]
    assert "has the other IP version" in found(listen=["udp://0.0.0.0"], public_address="stun:[2001:db8::1]")[0][1]


def test_two_listeners_cannot_have_one_socket():
    listen = ["udp://10.0.0.2:5060", "tcp://10.0.0.2:5060", "udp://10.0.0.2"]
    assert found(listen=listen) == [
        ("listen.2.uri", "the socket is already taken by listen[0] (udp://10.0.0.2:5060): choose another port")
    ]


@pytest.mark.parametrize(
    "listen", [["tcp://10.0.0.2:80", "ws://10.0.0.2:80"], ["ws://10.0.0.2:80", "udp://10.0.0.2:80"]]
)
def test_sip_and_websocket_may_share_a_port(listen):
    assert found(listen=listen) == []


@pytest.mark.parametrize("second", ["ws://10.0.0.2:80", "tcp://[::]:80"])
def test_one_kind_of_stream_has_a_port_once(second):
    """Which of the two a connection belongs to could not be told; nor can two sockets have a port on one address."""
    listen = ["ws://10.0.0.2:80", second]
    assert [text for _, text in found(listen=listen, public_address="edge.example.com")] == [
        "the socket is already taken by listen[0] (ws://10.0.0.2:80): choose another port"
    ]


def test_listeners_that_share_a_port_trust_the_same_proxies():
    """The PROXY header comes before anything that tells them apart."""
    one = {"uri": "tcp://10.0.0.2:80", "trusted_proxies": ["10.0.0.9"]}
    assert found(listen=[one, {"uri": "ws://10.0.0.2:80", "trusted_proxies": ["10.0.0.9"]}]) == []
    assert found(listen=[one, "ws://10.0.0.2:80"]) == [
        ("listen.1.trusted_proxies", "should be the same as in listen[0], which shares the port")
    ]
    assert found(listen=[one, "ws://10.0.0.2:81"]) == []


@pytest.mark.parametrize(
    ("uri", "key", "value", "text"),
    [
        ("tcp://10.0.0.2", "paths", ["/sip"], "only ws and wss have it, and this listener has tcp"),
        ("udp://10.0.0.2", "origins", ["none"], "only ws and wss have it, and this listener has udp"),
        ("udp://10.0.0.2", "trusted_proxies", ["10.0.0.9"], "only stream transports have it, and not udp"),
    ],
)
def test_a_setting_that_would_do_nothing_is_told(uri, key, value, text):
    assert found(listen=[{"uri": uri, key: value}]) == [(f"listen.0.{key}", text)]


def test_the_server_side_has_its_own_transports():
    bind = {"server": {"domain": "example.com", "uri": "sip:10.0.0.5", "bind": "ws://10.0.0.2:5070"}}
    assert found(**bind) == [
        ("server.bind", "the server side has udp, tcp and tls on one port: write udp://10.0.0.2:5070")
    ]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_the_server_side_has_udp_and_tcp_of_its_port(transport):
    assert found(listen=[f"{transport}://10.0.0.2:5070"]) == [
        (
            "listen.0.uri",
            "the socket is needed by server.bind (its default): choose another port, or set server.bind",
        )
    ]


def test_a_clash_is_reported_at_what_is_in_the_file():
    text = (
        "server:\n  domain: example.com\n  uri: sip:10.0.0.5\n  bind: udp://10.0.0.2:5060\n"
        "listen: [tcp://10.0.0.2:5060]\nadmin: {listen: 10.0.0.2:5060}\n"
    )
    with pytest.raises(ConfigErrors) as caught:
        parse_config(text, "edge.yaml", {"HOME": "/nonexistent"})
    assert str(caught.value).splitlines() == [
        "edge.yaml:4:9: server.bind: the socket is already taken by listen[0] (tcp://10.0.0.2:5060): "
        "choose another port",
        "edge.yaml:6:17: admin.listen: the socket is already taken by listen[0] (tcp://10.0.0.2:5060): "
        "choose another port",
    ]


def test_the_admin_socket_needs_a_port_of_its_own():
    assert found(listen=["tcp://127.0.0.1:9060"]) == [
        (
            "listen.0.uri",
            "the socket is needed by admin.listen (its default): choose another port, or set admin.listen",
        )
    ]
    assert found(admin={"listen": "off"}) == []


@pytest.mark.parametrize(
    ("server", "extra", "ours"),
    [
        ("sip:10.0.0.2:5060", {}, "listen[0]"),
        ("sip:10.0.0.2", {}, "listen[0]"),
        ("sip:203.0.113.10", {"public_address": "203.0.113.10"}, "listen[0]"),
        ("sip:edge.example.com:5060", {"public_address": "edge.example.com"}, "listen[0]"),
    ],
)
def test_the_server_is_not_the_proxy_itself(server, extra, ours):
    key, text = found(server={"uri": server}, **extra)[0]
    assert key == "server.uri"
    assert f"is this proxy itself ({ours}): write the address of the server" in text


def test_the_server_may_be_on_this_machine_or_share_our_name():
    assert found(server={"uri": "sip:10.0.0.2:5080"}) == []
    assert found(server={"uri": "sip:edge.example.com"}, public_address="edge.example.com") == []


def test_the_socket_towards_the_server_is_not_the_server():
    server = {"uri": "sip:10.0.0.3:5070", "address": "10.0.0.3"}
    assert "is this proxy itself (server.address)" in found(server=server)[0][1]


@pytest.mark.parametrize(
    ("settings", "key", "text"),
    [
        (
            {"limits": {"max_head": "64k", "max_message": "32k"}},
            "limits.max_head",
            "at most limits.max_message (32768)",
        ),
        ({"timers": {"t1": "5s"}}, "timers.t1", "at most timers.t2 (4s)"),
        ({"timers": {"c": "3m"}}, "timers.c", "longer than 3m (RFC 3261 section 16.6 step 11)"),
        ({"server": {"health": {"timeout": "1m"}}}, "server.health.timeout", "at most the interval (30s)"),
        ({"stun": {"interval": "4s"}}, "stun.interval", "at least 5s: it is somebody's server"),
    ],
)
def test_settings_that_bound_each_other(settings, key, text):
    assert found(**settings) == [(key, f"should be {text}")]


@pytest.mark.parametrize("transport", ["tls", "wss"])
def test_a_secure_listener_needs_a_certificate(transport):
    assert found(listen=[f"{transport}://10.0.0.2"]) == [
        ("listen.0.uri", f"{transport} needs the section tls with certificate and private_key")
    ]
    assert found(listen=[f"{transport}://10.0.0.2"], tls=CERTIFICATES) == []


@pytest.mark.parametrize("uri", ["sips:pbx.example.com", "sip:pbx.example.com;transport=tls"])
def test_tls_to_the_server_needs_a_certificate_of_ours(uri):
    text = (
        "TLS needs a certificate of ours, as the server will connect to us by TLS too: "
        "write server.tls.certificate and private_key, or the section tls"
    )
    assert found(server={"uri": uri}) == [("server.uri", text)]
    assert found(server={"uri": None, "targets": [{"uri": "sip:10.0.0.6"}, {"uri": uri}]}) == [
        ("server.targets.1.uri", text)
    ]
    assert found(server={"uri": uri}, tls=CERTIFICATES) == []
    assert found(server={"uri": uri, "tls": CERTIFICATES}) == []


@pytest.mark.parametrize(("given", "missing"), [("certificate", "private_key"), ("private_key", "certificate")])
def test_half_a_pair_is_no_pair(given, missing):
    half = {"tls": {given: "a"}, "uri": "sips:pbx.example.com"}
    assert found(server=half) == [("server.tls", f"{given} needs {missing} too")]


class Hosts(BaseModel):
    model_config = ConfigDict(extra="forbid")

    host: Literal["domain", "address"] = "address"


KNOWN = {"contact-private": None, "contact-missing": Hosts}


def rule_mistakes(text):
    start = "server: {domain: example.com, uri: 'sip:10.0.0.5'}\nlisten: [udp://10.0.0.2]\n"
    config = parse_config(start + text, "edge.yaml", {"HOME": "/nonexistent"})
    return [str(error) for error in check_rules(config, KNOWN)]


def test_known_rules_with_known_settings_are_well():
    assert rule_mistakes("repair:\n  contact-private: off\n  contact-missing: {mode: report, host: domain}\n") == []


def test_mistakes_in_rules_have_their_place():
    text = (
        "repair:\n  contact-privat: off\n  zzz: off\n  contact-private: {depth: 5}\n  contact-missing: {host: domian}\n"
    )
    assert rule_mistakes(text) == [
        "edge.yaml:4:3: repair.contact-privat: there is no such rule, did you mean contact-private",
        "edge.yaml:5:3: repair.zzz: there is no such rule (sipmend rules lists them)",
        "edge.yaml:6:21: repair.contact-private.depth: this rule has no settings of its own",
        "edge.yaml:7:27: repair.contact-missing.host: should be domain or address, not 'domian', did you mean domain",
    ]


def test_rules_of_profiles_are_checked_too():
    profile = {"name": "x", "repair": {"contact-privat": "off"}}
    config = Config.model_validate({**SMALLEST, "profiles": [profile]})
    assert [error.key for error in check_rules(config, KNOWN)] == ["profiles[0].repair.contact-privat"]
