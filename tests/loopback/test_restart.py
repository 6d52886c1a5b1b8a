"""`kill -9` and a new start: registered clients and running calls go on with nothing but the store and the key."""

from __future__ import annotations

import re

import pytest

from tests.support.wire_end import answer, request

pytestmark = pytest.mark.loopback


def registers(client, server, proxy, own, transport="UDP", call="r1@test"):
    """The client registers and hears that it did; returns the URI by which the server knows it."""
    sent_by = f"127.0.0.1:{client.port}"
    sent = request("REGISTER", sent_by, "sip:example.com", transport=transport, contact=own, call=call)
    sent = sent.replace(b"To: <sip:bob@", b"To: <sip:alice@")
    client.send(sent, port=proxy.port)
    came = server.read(b"REGISTER")
    shown = came.one(b"Contact")
    server.send(answer(came, 200, f"Contact: {shown.decode()};expires=600"))
    client.read(200)
    return re.search(rb"<([^>]+)>", shown)[1].decode()


def calls(client, server, proxy, transport="UDP"):
    """A call from the client, up to the ACK; returns the INVITE as the server got it."""
    sent = request("INVITE", f"127.0.0.1:{client.port}", transport=transport, contact="sip:x@x.invalid")
    client.send(sent, port=proxy.port)
    asked = server.read(b"INVITE")
    server.send(answer(asked, 200, f"Contact: <sip:bob@127.0.0.1:{server.port}>"))
    client.read(200)
    return asked


def of_server(method, uri, server, *lines, call, **fields):
    """A request of the server, for the binding that the URI names."""
    branch = f"z9hG4bK-s-{method}-{call}"
    return request(method, f"127.0.0.1:{server.port}", uri, *lines, call=call, cseq="77", branch=branch, **fields)


def bye(asked, uri, server):
    """The far end hangs up: by the remote target and the route set of the call."""
    routes = [f"Route: {route.decode()}" for route in asked.all(b"Record-Route")]
    return of_server("BYE", uri, server, *routes, call=asked.one(b"Call-ID").decode(), to_tag="a1", from_tag="b1")


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
