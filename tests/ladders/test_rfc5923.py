"""RFC 5923: a connection to the server is used for all that goes there, and for what the server sends by it."""

from __future__ import annotations

import pytest

from proxy.flow import TLS
from tests.support.flows import call_out, registration
from tests.support.ladder import Ladder
from tests.support.world import World

OWN = "sip:anna@192.168.1.20:5061;transport=tls"
URI = "sip:anna@10.0.0.2:5070;transport=tls;b={T}"


@pytest.fixture
def world():
    """Phones by TLS, the server by TLS."""
    return World(clients=("tls://edge.example.com:5061",), targets=("tls://10.0.0.5:5061",))


@pytest.fixture
def anna(world):
    return world.client(
        "anna", "198.51.100.20:31000", contact=f"<{OWN}>", via="SIP/2.0/TLS 192.168.1.20:5061;alias;rport"
    )


@pytest.fixture
def pbx(world):
    return world.server("pbx", "10.0.0.5:5061", TLS, contact="<sip:pbx@10.0.0.5:5061;transport=tls>")


@pytest.fixture
def known(world, anna, pbx):
    """anna is registered, by a connection that was opened for it."""
    first, *rest = registration(anna, pbx, "T")
    assert (Ladder(world) >> first << pbx.is_connected()) >> rest


def test_one_connection_for_all_requests_to_the_server(world, anna, pbx, known):
    """8.1: it outlives transactions and dialogs, and serves other clients too; our Via asks for nothing."""
    other = world.client("other", "198.51.100.21:31000", contact="<sip:other@192.168.1.21;transport=tls>")
    assert (
        Ladder(world)
        >> call_out(anna, pbx, "T", "R")
        >> anna.continues("BYE")
        << pbx.gets("BYE", route=None)
        >> pbx.sends(200)
        << anna.gets(200)
        >> other.sends("MESSAGE sip:bob@example.com")
        << pbx.gets("MESSAGE")
    )
    assert all("alias" not in text.values("via")[0] for text in pbx.received if not text.is_response)


def test_server_asks_by_the_connection_that_we_opened(world, anna, pbx, known):
    """8.1: requests come by it as well as to the port on which we listen."""
    assert pbx.flow.outgoing
    assert (
        Ladder(world) >> pbx.sends(f"MESSAGE {URI}") << anna.gets(f"MESSAGE {OWN}") >> anna.sends(200) << pbx.gets(200)
    )


def test_server_asks_by_a_connection_of_its_own(world, anna, pbx, known):
    """Its answer goes back by that one. Our requests do not, though the server's Via has `alias` (8.2: policy): they go
    where we connected to, and saw the certificate."""
    second = world.server("second", "10.0.0.5:40001", TLS)
    assert (
        Ladder(world)
        >> second.sends(f"MESSAGE {URI}", via="SIP/2.0/TLS 10.0.0.5:5061;alias;branch=z9hG4bKalias")
        << anna.gets(f"MESSAGE {OWN}")
        >> anna.sends(200)
        << second.gets(200)
        >> anna.sends("MESSAGE sip:bob@example.com")
        << pbx.gets("MESSAGE")
    )


def test_connection_that_the_server_closed_is_made_anew(world, anna, pbx, known):
    assert (
        Ladder(world)
        >> pbx.closes()
        >> anna.sends("MESSAGE sip:bob@example.com")
        << pbx.is_connected()
        << pbx.gets("MESSAGE")
    )


def test_alias_of_a_client_makes_its_connection_nobodys_address(world, anna, pbx, known):
    """8.2: `alias` with the sent-by of somebody else draws no request; the far side gets the Via as it was written."""
    via = "SIP/2.0/TLS 192.168.1.20:5061;alias;branch=z9hG4bKthief"
    thief = world.client("thief", "192.0.2.66:6666")
    assert (
        Ladder(world)
        >> anna.closes()
        >> thief.sends("OPTIONS sip:bob@example.com", via=via)
        << pbx.gets("OPTIONS")
        >> pbx.sends(200)
        << thief.gets(200)
        >> pbx.sends(f"MESSAGE {URI}")
        << pbx.gets(480)
    )
    asked = next(text for text in pbx.received if text.method == "OPTIONS" and not text.is_response)
    assert asked.values("via")[1].startswith(via)
