"""From the configuration to the parts of the core."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from proxy import assembly
from proxy.assembly import (
    local_address_towards,
    make_listeners,
    make_settings,
    shared_ranges,
)
from proxy.config.load import parse_config
from proxy.flow import CLIENT, SERVER, TCP, UDP

SERVER_AT = ((UDP, "10.0.0.5", 5060),)


def config(listen="- udp://192.0.2.1:5060", server="", rest=""):
    text = (
        f"server:\n  domain: Example.COM\n  uri: sip:10.0.0.5\n{server}\nlisten:\n  {listen}\n"
        f"token_key: /nonexistent/key\n{rest}\n"
    )
    return parse_config(text, "edge.yaml", {"HOME": "/nonexistent"})


# -- listeners


def test_the_listeners_come_first_and_then_both_sockets_of_the_server_side():
    made = make_listeners(
        config("- udp://192.0.2.1:5060\n  - tcp://192.0.2.1:5060", "  bind: udp://10.0.0.2:5071"), SERVER_AT
    )
    assert [(one.index, one.side, one.transport, one.host, one.port) for one in made] == [
        (0, CLIENT, UDP, "192.0.2.1", 5060),
        (1, CLIENT, TCP, "192.0.2.1", 5060),
        (2, SERVER, UDP, "10.0.0.2", 5071),
        (3, SERVER, TCP, "10.0.0.2", 5071),
    ]
    assert [one.sent_by for one in made] == [b"192.0.2.1:5060"] * 2 + [b"10.0.0.2:5071"] * 2


def test_the_public_address_of_a_listener_counts_more_than_the_global_one():
    listen = """- {uri: "udp://0.0.0.0:5060", public_address: 198.51.100.1, public_port: 6060}
  - udp://0.0.0.0:5062"""
    made = make_listeners(config(listen, "  bind: udp://10.0.0.2:5070", "public_address: 198.51.100.9"), SERVER_AT)
    assert [one.sent_by for one in made[:2]] == [b"198.51.100.1:6060", b"198.51.100.9:5062"]


def test_a_listener_takes_over_its_names_proxies_and_policy():
    listen = '- {uri: "udp://192.0.2.1:5060", names: [Edge.Example.com], proxies: [198.51.100.0/24], contact: leave}'
    made = make_listeners(config(listen, "  bind: udp://10.0.0.2:5070"), SERVER_AT)[0]
    assert made.names == frozenset((b"edge.example.com",))
    assert made.proxies == ("198.51.100.0/24",)
    assert made.contact_policy == "leave"


def test_keep_alives_of_a_listener():
    """By UDP more often, if nothing is said; YAML makes a boolean of `off`."""
    listen = """- {uri: "udp://192.0.2.1:5060", keepalive: options}
  - {uri: "tcp://192.0.2.1:5060", keepalive: crlf}
  - {uri: "udp://192.0.2.1:5062", keepalive: off, keepalive_interval: 1m}
  - udp://192.0.2.1:5064"""
    made = make_listeners(config(listen, "  bind: udp://10.0.0.2:5070"), SERVER_AT)[:4]
    assert [(one.keepalive, one.keepalive_interval) for one in made] == [
        ("options", 25.0),
        ("crlf", 100.0),
        ("off", 60.0),
        ("off", 25.0),
    ]


def test_a_wildcard_towards_the_server_is_known_by_the_address_that_routes_there(monkeypatch):
    monkeypatch.setattr(assembly, "local_address_towards", lambda host, port: f"to {host} {port}".replace(" ", "-"))
    made = make_listeners(config(server="  bind: udp://0.0.0.0:5070"), SERVER_AT)
    assert [one.public_host for one in made[1:]] == [b"to-10.0.0.5-5060"] * 2


def test_the_address_that_the_server_sees_can_be_given():
    made = make_listeners(config(server="  address: 203.0.113.7"), SERVER_AT)
    assert [one.public_host for one in made[1:]] == [b"203.0.113.7"] * 2


def test_no_way_to_the_server_is_an_oserror(monkeypatch):
    def fail(host, port):
        raise OSError("Network is unreachable")

    monkeypatch.setattr(assembly, "local_address_towards", fail)
    with pytest.raises(OSError, match="unreachable"):
        make_listeners(config(), SERVER_AT)


@pytest.mark.loopback
@pytest.mark.parametrize(("host", "own"), [("127.0.0.1", "127.0.0.1"), ("::1", "::1")])
def test_the_kernel_tells_our_address_towards_another(host, own):
    assert local_address_towards(host, 5060) == own


# -- settings


def test_every_setting_of_the_core_comes_from_the_file():
    """A field that is forgotten here would be a key without effect."""
    made = config(
        server="  aliases: [Example.NET]\n  networks: [10.9.0.0/16]\n  path: 'off'\n  contact_user: token\n"
        "  options_gone: 480\n  health: {interval: 11s, timeout: 3s}",
        rest="limits: {linger: 1h, guest_ttl: 2h, guests: 3, bindings: 4, transactions: 5, flows: 6,"
        " max_header_lines: 77, max_head: 2000, max_message: 3000}\n"
        "timers: {t1: 600ms, t2: 5s, t4: 6s, c: 200s}\nnetworks: {local: [10.8.0.0/16]}",
    )
    listeners = make_listeners(made, ((TCP, "127.0.0.1", 5060),))
    settings = make_settings(made, listeners, ((TCP, "192.0.2.5", 5060),))
    assert settings.domain == b"example.com"
    assert settings.listeners is listeners
    assert settings.server_transport == TCP
    assert settings.aliases == frozenset((b"example.net",))
    assert settings.networks == (ip_network("10.9.0.0/16"),)
    assert settings.local_networks == (ip_network("10.8.0.0/16"),)
    assert (settings.path, settings.contact_user, settings.options_gone) == ("off", "token", "480")
    assert (settings.health_interval, settings.health_timeout) == (11.0, 3.0)
    assert (settings.linger, settings.guest_ttl) == (3600.0, 7200.0)
    assert (settings.max_guests, settings.max_bindings) == (3, 4)
    assert settings.max_bindings_of_aor == 1000
    assert (settings.max_transactions, settings.max_flows, settings.max_header_lines) == (5, 6, 77)
    assert (settings.max_head, settings.max_message) == (2000, 3000)
    timers = settings.timers
    assert (timers.t1, timers.t2, timers.t4, timers.c) == (0.6, 5.0, 6.0, 200.0)


@pytest.mark.parametrize(
    ("host", "shared"),
    [
        ("10.0.0.5", "10.0.0.0/8"),
        ("127.0.0.1", "127.0.0.0/8"),
        ("192.168.7.7", "192.168.0.0/16"),
        ("100.64.0.1", "100.64.0.0/10"),
        ("fd00::5", "fc00::/7"),
        ("::1", "::1/128"),
        ("fe80::1%eth0", None),
        ("203.0.113.5", None),
        ("2001:db8::5", None),
    ],
)
def test_a_client_in_the_private_range_of_the_server_is_reachable_for_it(host, shared):
    expected = () if shared is None else (ip_network(shared),)
    assert shared_ranges(config(), ((UDP, host, 5060),)) == expected


def test_a_range_is_named_once():
    made = config(rest="networks: {local: [10.0.0.0/8]}")
    addresses = ((UDP, "10.0.0.5", 5060), (UDP, "10.0.0.6", 5060), (UDP, "192.168.0.1", 5060))
    assert shared_ranges(made, addresses) == (ip_network("10.0.0.0/8"), ip_network("192.168.0.0/16"))
