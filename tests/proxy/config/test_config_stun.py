"""The STUN servers of a configuration, asked for the administrator."""

from __future__ import annotations

import socket

import pytest

from proxy.config import stun as module
from proxy.config.model import Config
from proxy.config.stun import check_stun, tell_stun
from tests.support.stun_server import StunServer

pytestmark = pytest.mark.loopback


@pytest.fixture
def server():
    made = StunServer()
    made.shown = ("203.0.113.9", 40000)
    yield made
    made.close()


def settings(*listen, **more):
    return Config.model_validate(
        {"server": {"domain": "example.com", "uri": "sip:10.0.0.5"}, "listen": list(listen), **more}
    )


def test_what_the_server_says_is_told(server):
    config = settings("udp://127.0.0.1:5060", "wss://127.0.0.1:8443", public_address=server.uri)
    address = f"127.0.0.1:{server.port}"
    assert list(tell_stun(config)) == [
        (("public_address",), f"the STUN server {address} sees this machine at 203.0.113.9")
    ]
    assert list(check_stun(config)) == []


def test_a_server_is_asked_once(server):
    config = settings("udp://127.0.0.1:5060", "tcp://127.0.0.1:5060", public_address=server.uri)
    for _ in range(2):
        assert len([*tell_stun(config), *check_stun(config)]) == 1
    assert len(server.asked) == 1


def test_each_address_of_ours_asks_for_itself(server):
    listen = ({"uri": "udp://127.0.0.2:5060", "public_address": server.uri}, "udp://127.0.0.1:5060", "udp://0.0.0.0:1")
    config = settings(*listen, public_address=server.uri)
    assert [path for path, _ in tell_stun(config)] == [
        ("listen", 0, "public_address"), ("public_address",), ("public_address",),
    ]  # fmt: skip
    assert {host for host, _ in server.asked} == {"127.0.0.1", "127.0.0.2"}


@pytest.mark.parametrize(("own", "host"), [("[::1]", "::1"), ("[::]", "127.0.0.1")])
def test_by_ipv6(own, host):
    """On [::] the IPv4 address is asked for, as the proxy does."""
    server = StunServer(host)
    try:
        config = settings(f"udp://{own}:5060", public_address=server.uri)
        assert [text.rpartition(" ")[2] for _, text in tell_stun(config)] == [host]
    finally:
        server.close()


def test_a_server_that_is_silent(server, monkeypatch):
    monkeypatch.setattr(module, "WAITS", (0.01, 0.02, 0.04))
    server.mute = True
    config = settings({"uri": "udp://127.0.0.1:5060", "public_address": server.uri})
    text = f"the STUN server 127.0.0.1:{server.port} does not answer within 0.07 s"
    assert list(check_stun(config)) == [(("listen", 0, "public_address"), text)]
    assert list(tell_stun(config)) == []
    assert len(server.asked) == 3


def test_a_server_that_refuses(server):
    server.error = (401, "Unauthorized")
    [(_, text)] = check_stun(settings("udp://127.0.0.1:5060", public_address=server.uri))
    assert text.endswith("answers 401 Unauthorized")


def test_other_answers_do_not_count(server, monkeypatch):
    """What somebody else said, or to another question, is not waited for longer than it takes."""
    monkeypatch.setattr(module, "binding_request", lambda transaction: b"\0\1\0\0\x21\x12\xa4\x42" + b"other octets")
    monkeypatch.setattr(module, "WAITS", (0.05,))
    [(_, text)] = check_stun(settings("udp://127.0.0.1:5060", public_address=server.uri))
    assert text.endswith("does not answer within 0.05 s")


def test_a_port_where_nobody_listens():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    [(_, text)] = check_stun(settings("udp://127.0.0.1:5060", public_address=f"stun:127.0.0.1:{port}"))
    assert text == f"the STUN server 127.0.0.1:{port} cannot be asked: Connection refused"


def test_a_name_that_does_not_resolve(monkeypatch):
    def unknown(*question):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(module.socket, "getaddrinfo", unknown)
    [(_, text)] = check_stun(settings("udp://127.0.0.1:5060", public_address="stun:stun.example.net"))
    assert text == "the STUN server stun.example.net:3478 cannot be asked: Name or service not known"


def test_without_stun_nobody_is_asked():
    config = settings("udp://127.0.0.1:5060", public_address="203.0.113.9")
    assert [*check_stun(config), *tell_stun(config)] == []
