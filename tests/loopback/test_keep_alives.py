"""What keeps a NAT open, on real sockets: it is answered, and calls go on beside it (RFC 5626 section 4.4)."""

from __future__ import annotations

import os

import pytest
from registered import of_server, registers

from proxy.stun import binding_request, read_answer
from tests.support.certificates import Authority
from tests.support.stream_ends import STREAMS, stream_end
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


@pytest.fixture
def streams(scene, server, tmp_path):
    """A proxy that takes clients by every stream transport, and sends them two CRLFs; and a client by each."""
    authority = Authority(tmp_path)
    certificate, key = authority.issue("edge", "127.0.0.1")
    ports = {transport: free_port() for transport in STREAMS}
    listen = [
        f"{{uri: '{name}://127.0.0.1:{port}', keepalive: crlf, keepalive_interval: 5s}}" for name, port in ports.items()
    ]
    proxy = scene.proxy(
        f"sip:127.0.0.1:{server.port}", listen=listen, extra=f"tls: {{certificate: {certificate}, private_key: {key}}}"
    )
    ends = {name: stream_end(name, "127.0.0.1", port, authority.file) for name, port in ports.items()}
    for end in ends.values():
        scene.keep(end)
    return proxy, ends


def test_keep_alives_of_both_sides_on_every_kind_of_stream(streams, server):
    """Theirs are answered between messages, ours come at their interval, and both leave the messages whole.

    > When a server receives a double CRLF sequence between SIP messages on a connection-oriented transport [...], it
    > MUST immediately respond with a single CRLF over the same connection. (RFC 5626 section 5.4)
    """
    proxy, ends = streams
    known = {}
    for name, end in ends.items():
        end.send(b"\r\n\r\n")
        assert end.exactly(2) == b"\r\n"
        own = f"sip:alice@{name}.invalid;transport={name.replace('wss', 'ws')}"
        known[name] = registers(end, server, proxy, own, name.upper(), call=f"{name}@test"), own
    for name, end in ends.items():
        end.send(b"\r\n\r\n")
        assert end.exactly(2) == b"\r\n", name
    for name, end in ends.items():
        assert end.exactly(4) == b"\r\n\r\n", name
        end.send(b"\r\n")
    for name, end in ends.items():
        uri, own = known[name]
        server.send(of_server("MESSAGE", uri, server, call=f"m-{name}@test"), port=proxy.side)
        asked = end.read(b"MESSAGE")
        assert asked.start == f"MESSAGE {own} SIP/2.0".encode()
        end.send(answer(asked, 200))
        assert server.read(200).one(b"Call-ID") == f"m-{name}@test".encode()
    for name in ("ws", "wss"):
        # Each is a message of its own.
        assert ends[name].frames.count(b"\r\n") == 2
        assert ends[name].frames.count(b"\r\n\r\n") >= 1
    assert proxy.metric('sipmend_keepalives_total{direction="in",kind="ping"}') == 2 * len(STREAMS)
    assert proxy.metric('sipmend_keepalives_total{direction="out",kind="crlf"}') >= len(STREAMS)
