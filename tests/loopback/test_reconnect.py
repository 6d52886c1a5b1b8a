"""A phone by TCP whose connection breaks while it rings: the call goes on by the next one."""

from __future__ import annotations

import pytest
from registered import of_server, registers

from tests.support.wire_end import answer

pytestmark = pytest.mark.loopback

OWN = "sip:alice@127.0.0.1:5060;transport=tcp"


def test_a_call_rings_on_after_the_phone_has_connected_again(scene):
    server = scene.udp()
    proxy = scene.proxy(f"sip:127.0.0.1:{server.port}", extra="limits: {reconnect: 30s}")
    phone = scene.tcp("127.0.0.1", proxy.port)
    shown = registers(phone, server, proxy, OWN, "TCP")
    server.send(of_server("INVITE", shown, server, call="new@test"), port=proxy.side)
    first = phone.read(b"INVITE")
    phone.send(answer(first, 180))
    server.read(180)
    phone.close()
    proxy.wait(lambda: proxy.metric('sipmend_flows{transport="tcp"}') == 0)
    again = scene.tcp("127.0.0.1", proxy.port)
    assert registers(again, server, proxy, OWN, "TCP", call="r2@test") == shown
    second = again.read(b"INVITE")
    assert second == first
    again.send(answer(second, 200, f"Contact: <{OWN}>"))
    assert server.read(200).one(b"Call-ID") == b"new@test"


def test_a_phone_that_stays_away_is_unavailable(scene):
    server = scene.udp()
    proxy = scene.proxy(f"sip:127.0.0.1:{server.port}", extra="limits: {reconnect: 500ms}")
    phone = scene.tcp("127.0.0.1", proxy.port)
    shown = registers(phone, server, proxy, OWN, "TCP")
    server.send(of_server("INVITE", shown, server, call="new@test"), port=proxy.side)
    phone.read(b"INVITE")
    phone.close()
    assert server.read(480).one(b"Call-ID") == b"new@test"
