"""The cast of protocol and ladders: browsers alice and bob behind one NAT or another, the server k, and strangers."""

from __future__ import annotations

import pytest

from tests.support.world import World


@pytest.fixture
def edge():
    """Browsers on wss://edge.example.com:8443, the server at 10.0.0.5:5060, our side towards it 10.0.0.2:5070."""
    return World()


@pytest.fixture
def alice(edge):
    return edge.client(
        "alice",
        "198.51.100.7:50112",
        contact="<sip:63et72ng@9sh.invalid;transport=ws>",
        via="SIP/2.0/WSS 9sh.invalid",
    )


@pytest.fixture
def bob(edge):
    return edge.client(
        "bob",
        "203.0.113.30:40001",
        contact="<sip:k2oq8vpl@4fj.invalid;transport=ws>",
        via="SIP/2.0/WSS 4fj.invalid",
    )


@pytest.fixture
def k(edge):
    return edge.server("k", contact="<sip:bob@10.0.0.5:5060>")


@pytest.fixture
def field():
    """Phones on udp://203.0.113.10:5060 and tcp://203.0.113.10:5060, the server as above."""
    return World(clients=("udp://203.0.113.10:5060", "tcp://203.0.113.10:5060"))


@pytest.fixture
def anna(field):
    """A phone behind NAT, by UDP."""
    return field.client(
        "anna", "198.51.100.20:31000", contact="<sip:anna@192.168.1.20:5060>", via="SIP/2.0/UDP 192.168.1.20:5060;rport"
    )


@pytest.fixture
def tom(field):
    """A phone behind NAT, by TCP."""
    return field.client(
        "tom",
        "198.51.100.30:42000",
        listener=1,
        contact="<sip:tom@192.168.1.30:5060;transport=tcp>",
        via="SIP/2.0/TCP 192.168.1.30:5060;rport",
    )


@pytest.fixture
def pbx(field):
    """The server as the phones' world has it."""
    return field.server("pbx", contact="<sip:pbx@10.0.0.5:5060>")
