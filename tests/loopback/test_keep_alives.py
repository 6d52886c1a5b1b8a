"""What keeps a NAT open, on real sockets: it is answered, and calls go on beside it (RFC 5626 section 4.4)."""

from __future__ import annotations

import os

import pytest

from proxy.stun import binding_request, read_answer
from tests.support.wire_end import answer, free_port, request

pytestmark = pytest.mark.loopback


@pytest.fixture
def server(scene):
    return scene.udp()


@pytest.fixture
def proxy(scene, server):
    return scene.proxy(f"sip:127.0.0.1:{server.port}")


def stun(client, host, port):
    """Ask by STUN; returns what the answer says."""
    transaction = os.urandom(12)
    client.send(binding_request(transaction), host, port)
    return read_answer(client.read(), transaction)


def test_stun_and_a_request_by_one_port(scene, proxy, server):
    """> all STUN processing MUST be on the same port as SIP (RFC 5626 section 8)"""
    client = scene.udp()
    assert stun(client, "127.0.0.1", proxy.port) == ("127.0.0.1", client.port)
    client.send(request("MESSAGE", f"127.0.0.1:{client.port}"), port=proxy.port)
    server.send(answer(server.read(b"MESSAGE"), 200))
    assert client.read(200)
    assert stun(client, "127.0.0.1", proxy.port) == ("127.0.0.1", client.port)
    assert proxy.metric('sipmend_keepalives_total{direction="in",kind="stun"}') == 2


@pytest.mark.parametrize("host", ["::1", "127.0.0.1"])
def test_stun_at_a_socket_of_both_families(scene, server, host):
    port = free_port("::1")
    proxy = scene.proxy(
        f"sip:127.0.0.1:{server.port}", listen=[f"udp://[::]:{port}"], extra="public_address: 192.0.2.1"
    )
    client = scene.udp(host)
    assert stun(client, host, port) == (host, client.port)
    assert proxy.metric('sipmend_keepalives_total{direction="in",kind="stun"}') == 1


def test_pings_on_a_stream_get_pongs(scene, proxy):
    client = scene.tcp("127.0.0.1", proxy.port)
    client.send(b"\r\n\r\n\r\n\r\n")
    assert client.exactly(4) == b"\r\n\r\n"
    assert proxy.metric('sipmend_keepalives_total{direction="in",kind="ping"}') == 2
