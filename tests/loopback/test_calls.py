"""Calls through `sipmend run`, from transport to transport, with far ends that the test plays in octets."""

from __future__ import annotations

import signal
import socket

import pytest

from tests.support.wire_end import answer, free_port, request

pytestmark = pytest.mark.loopback


def ack_for(final, sent_by, transport, **fields):
    """The ACK of a client to a 2xx, along the route it was told."""
    routes = [f"Route: {route.decode()}" for route in reversed(final.all(b"Record-Route"))]
    target = final.one(b"Contact").decode().strip("<>")
    return request("ACK", sent_by, target, *routes, transport=transport, to_tag="b1", branch="z9hG4bK-ack", **fields)


def bye_of_server(asked, server_port):
    """The server hangs up: a request of its own along the Record-Routes it was given."""
    routes = [f"Route: {route.decode()}" for route in asked.all(b"Record-Route")]
    lines = [
        f"BYE {asked.one(b'Contact').decode().strip('<>')} SIP/2.0",
        f"Via: SIP/2.0/UDP 127.0.0.1:{server_port};branch=z9hG4bK-server-bye;rport",
        "Max-Forwards: 70",
        *routes,
        "From: <sip:bob@example.com>;tag=b1",
        f"To: {asked.one(b'From').decode()}",
        f"Call-ID: {asked.one(b'Call-ID').decode()}",
        "CSeq: 77 BYE",
        "Content-Length: 0",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def final_of(client):
    """The final response; a 100 comes before it only if it takes its time."""
    message = client.read()
    return client.read() if message.status == 100 else message


def test_a_call_by_udp_from_invite_to_bye(scene):
    server = scene.udp()
    proxy = scene.proxy(f"sip:127.0.0.1:{server.port}")
    client = scene.udp()
    own = f"sip:alice@127.0.0.1:{client.port}"
    client.send(request("INVITE", f"127.0.0.1:{client.port}", contact=own), port=proxy.port)
    assert client.read().status == 100
    asked = server.read(b"INVITE")
    assert len(asked.all(b"Via")) == 2
    assert asked.one(b"Max-Forwards") == b"69"
    server.send(answer(asked, 180))
    assert client.read(180).all(b"Via") == asked.all(b"Via")[1:]
    server.send(answer(asked, 200, f"Contact: <sip:bob@127.0.0.1:{server.port}>"))
    final = client.read(200)
    client.send(ack_for(final, f"127.0.0.1:{client.port}", "UDP"), port=proxy.port)
    assert server.read(b"ACK").all(b"Route") == []
    server.send(bye_of_server(asked, server.port), port=proxy.side)
    bye = client.read(b"BYE")
    assert bye.start == f"BYE {own} SIP/2.0".encode()
    client.send(answer(bye, 200))
    assert server.read(200).one(b"CSeq") == b"77 BYE"


def test_a_call_by_tcp_to_a_server_by_udp(scene):
    server = scene.udp()
    proxy = scene.proxy(f"sip:127.0.0.1:{server.port}")
    client = scene.tcp("127.0.0.1", proxy.port)
    own = f"sip:alice@127.0.0.1:{client.port};transport=tcp"
    client.send(request("INVITE", f"127.0.0.1:{client.port}", transport="TCP", contact=own))
    assert client.read().status == 100
    asked = server.read(b"INVITE")
    assert asked.all(b"Via")[0].startswith(b"SIP/2.0/UDP")
    assert asked.all(b"Via")[1].startswith(b"SIP/2.0/TCP")
    server.send(answer(asked, 200, f"Contact: <sip:bob@127.0.0.1:{server.port}>"))
    final = client.read(200)
    client.send(ack_for(final, f"127.0.0.1:{client.port}", "TCP"))
    server.read(b"ACK")
    # The server hangs up: the request reaches the client by the connection that the client made.
    server.send(bye_of_server(asked, server.port), port=proxy.side)
    bye = client.read(b"BYE")
    assert bye.start == f"BYE {own} SIP/2.0".encode()
    client.send(answer(bye, 200))
    assert server.read(200).one(b"CSeq") == b"77 BYE"


def test_a_call_by_udp_to_a_server_by_tcp(scene):
    listening = scene.tcp_server()
    proxy = scene.proxy(f"sip:127.0.0.1:{listening.port};transport=tcp")
    client = scene.udp()
    client.send(request("INVITE", f"127.0.0.1:{client.port}"), port=proxy.port)
    server = scene.keep(listening.accept())
    asked = server.read(b"INVITE")
    assert asked.all(b"Via")[0].startswith(b"SIP/2.0/TCP")
    server.send(answer(asked, 180))
    server.send(answer(asked, 486))
    assert client.read(180).start == b"SIP/2.0 180 Test"
    assert client.read(486).all(b"Via") == asked.all(b"Via")[1:]
    assert server.read(b"ACK").one(b"CSeq") == b"1 ACK"
    # The connection is used again: one per target.
    client.send(request("OPTIONS", f"127.0.0.1:{client.port}", call="2@test"), port=proxy.port)
    while (second := server.read(b"OPTIONS")).one(b"Call-ID") != b"2@test":
        server.send(answer(second, 200))
    server.send(answer(second, 200))
    assert client.read(200).one(b"Call-ID") == b"2@test"


def test_a_client_by_ipv6_and_a_server_by_ipv4(scene):
    server = scene.udp()
    port = free_port("::1")
    proxy = scene.proxy(f"sip:127.0.0.1:{server.port}", listen=[f"udp://[::1]:{port}", f"tcp://[::1]:{port}"])
    client = scene.udp("::1")
    own = f"sip:alice@[::1]:{client.port}"
    client.send(request("INVITE", f"[::1]:{client.port}", contact=own), "::1", port)
    asked = server.read(b"INVITE")
    outer, inner = asked.all(b"Record-Route")
    assert b"@127.0.0.1:%d;" % proxy.side in outer
    assert b"@[::1]:%d;" % port in inner
    server.send(answer(asked, 200, f"Contact: <sip:bob@127.0.0.1:{server.port}>"))
    final = client.read(200)
    assert final.all(b"Via")[0].startswith(b"SIP/2.0/UDP [::1]:%d;" % client.port)
    server.send(bye_of_server(asked, server.port), port=proxy.side)
    assert client.read(b"BYE").start == f"BYE {own} SIP/2.0".encode()


def test_a_client_that_vanishes_while_it_is_called(scene):
    """The call ends for the server as well: 480 at once, and not after half a minute."""
    server = scene.udp()
    proxy = scene.proxy(f"sip:127.0.0.1:{server.port}")
    client = scene.tcp("127.0.0.1", proxy.port)
    client.send(
        request("INVITE", f"127.0.0.1:{client.port}", transport="TCP", contact=f"sip:alice@127.0.0.1:{client.port}")
    )
    asked = server.read(b"INVITE")
    server.send(answer(asked, 200, f"Contact: <sip:bob@127.0.0.1:{server.port}>"))
    client.read(200)
    server.send(bye_of_server(asked, server.port), port=proxy.side)
    client.read(b"BYE")
    client.close()
    assert 400 <= server.read().status < 700
    proxy.wait(lambda: proxy.metric('sipmend_flows{transport="tcp"}') == 0)


def test_a_server_that_closes_its_connection_in_the_middle(scene):
    listening = scene.tcp_server()
    proxy = scene.proxy(f"sip:127.0.0.1:{listening.port};transport=tcp")
    client = scene.udp()
    client.send(request("INVITE", f"127.0.0.1:{client.port}"), port=proxy.port)
    server = listening.accept()
    server.read(b"INVITE")
    server.close()
    assert final_of(client).status in (500, 503)


def test_a_server_that_refuses_connections(scene):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        proxy = scene.proxy(f"sip:127.0.0.1:{unused.getsockname()[1]};transport=tcp")
        client = scene.udp()
        client.send(request("INVITE", f"127.0.0.1:{client.port}"), port=proxy.port)
        assert final_of(client).status in (500, 503)
        assert proxy.get("/readyz") == "no server answers\n"


def test_a_signal_reloads_the_file_and_a_wrong_one_changes_nothing(scene):
    server = scene.udp()
    proxy = scene.proxy(f"sip:127.0.0.1:{server.port}")
    proxy.write("repair: {no-such-rule: off}")
    proxy.process.send_signal(signal.SIGHUP)
    proxy.wait(lambda: "not reloaded" in proxy.errors)
    assert "no-such-rule" in proxy.errors
    assert proxy.metric("sipmend_config_generation") == 1
    proxy.write("repair: {contact-missing: off}")
    proxy.process.send_signal(signal.SIGHUP)
    proxy.wait(lambda: proxy.metric("sipmend_config_generation") == 2)
    client = scene.udp()
    client.send(request("INVITE", f"127.0.0.1:{client.port}"), port=proxy.port)
    assert server.read(b"INVITE").all(b"Contact") == []


def test_a_stop_lets_the_last_call_be_answered(scene):
    server = scene.udp()
    proxy = scene.proxy(f"sip:127.0.0.1:{server.port}")
    client = scene.udp()
    client.send(request("INVITE", f"127.0.0.1:{client.port}"), port=proxy.port)
    asked = server.read(b"INVITE")
    client.read(100)
    proxy.process.send_signal(signal.SIGTERM)
    proxy.wait(lambda: proxy.get("/readyz") == "shutting down\n")
    client.send(request("INVITE", f"127.0.0.1:{client.port}", call="2@test"), port=proxy.port)
    assert client.read(503).one(b"Call-ID") == b"2@test"
    server.send(answer(asked, 486))
    assert client.read(486).one(b"Call-ID") == b"1@test"
    assert proxy.process.wait(20) == 0
