"""A client that registers, and what it and the server then say to each other; `client` and `server` are wire ends."""

from __future__ import annotations

import re

from tests.support.wire_end import answer, request


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
