"""`kill -9` and a new start: registered clients and running calls go on with nothing but the store and the key."""

from __future__ import annotations

import pytest
from registered import bye, calls, of_server, registers

from tests.support.wire_end import answer, request

pytestmark = pytest.mark.loopback


def test_a_phone_by_udp_is_reached_at_once(scene):
    """Its running call ends when the far end hangs up, and a new call rings, before it has said a word."""
    server, client = scene.udp(), scene.udp()
    proxy = scene.proxy(f"sip:127.0.0.1:{server.port}")
    own = f"sip:alice@127.0.0.1:{client.port}"
    shown = registers(client, server, proxy, own)
    asked = calls(client, server, proxy)
    proxy.kill()
    proxy.start()
    assert "1 clients of the earlier run are known again" in proxy.errors
    server.send(bye(asked, shown, server), port=proxy.side)
    ended = client.read(b"BYE")
    assert ended.start == f"BYE {own} SIP/2.0".encode()
    client.send(answer(ended, 200), port=proxy.port)
    server.read(200)
    server.send(of_server("INVITE", shown, server, call="new@test"), port=proxy.side)
    assert client.read(b"INVITE").start == f"INVITE {own} SIP/2.0".encode()


def test_a_phone_in_a_call_can_hang_up_after_the_restart(scene):
    """Its own requests in the dialog go to the server that has the call, by our Record-Route of before."""
    server, client = scene.udp(), scene.udp()
    proxy = scene.proxy(f"sip:127.0.0.1:{server.port}")
    registers(client, server, proxy, f"sip:alice@127.0.0.1:{client.port}")
    asked = calls(client, server, proxy)
    proxy.kill()
    proxy.start()
    routes = [f"Route: {route.decode()}" for route in reversed(asked.all(b"Record-Route"))]
    target = f"sip:bob@127.0.0.1:{server.port}"
    client.send(request("BYE", f"127.0.0.1:{client.port}", target, *routes, cseq="2", to_tag="b1"), port=proxy.port)
    ended = server.read(b"BYE")
    assert ended.all(b"Route") == []
    server.send(answer(ended, 200))
    client.read(200)


def test_a_phone_by_tcp_is_reached_when_it_is_back(scene):
    """Only it can make the connection. Until then 480; after its REGISTER its call is as it was."""
    server = scene.udp()
    proxy = scene.proxy(f"sip:127.0.0.1:{server.port}")
    own = "sip:alice@127.0.0.1:5060;transport=tcp"
    client = scene.tcp("127.0.0.1", proxy.port)
    shown = registers(client, server, proxy, own, "TCP")
    asked = calls(client, server, proxy, "TCP")
    proxy.kill()
    client.close()
    proxy.start()
    server.send(of_server("MESSAGE", shown, server, call="early@test"), port=proxy.side)
    assert server.read(480).one(b"Call-ID") == b"early@test"
    again = scene.tcp("127.0.0.1", proxy.port)
    assert registers(again, server, proxy, own, "TCP", call="r2@test") == shown
    server.send(bye(asked, shown, server), port=proxy.side)
    ended = again.read(b"BYE")
    assert ended.start == f"BYE {own} SIP/2.0".encode()
    again.send(answer(ended, 200))
    server.read(200)
    server.send(of_server("INVITE", shown, server, call="new@test"), port=proxy.side)
    assert again.read(b"INVITE").start == f"INVITE {own} SIP/2.0".encode()


def test_memory_ends_with_the_process(scene):
    server, client = scene.udp(), scene.udp()
    proxy = scene.proxy(f"sip:127.0.0.1:{server.port}", store="memory")
    shown = registers(client, server, proxy, f"sip:alice@127.0.0.1:{client.port}")
    proxy.kill()
    proxy.start()
    server.send(of_server("MESSAGE", shown, server, call="new@test"), port=proxy.side)
    assert server.read(404).one(b"Call-ID") == b"new@test"
