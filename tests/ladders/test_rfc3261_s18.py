"""RFC 3261 section 18: what the transport user decides of it; sockets themselves are tested in tests/loopback."""

from __future__ import annotations

import pytest

from proxy.flow import TCP
from tests.support.flows import registration
from tests.support.ladder import Ladder, nothing
from tests.support.world import World

ANY = ["{*}", "{*}"]
URI = "sip:anna@10.0.0.2:5070;transport=udp;b={T}"


def test_sent_by_names_the_socket_that_takes_the_answer(field, anna, tom, pbx):
    """18.1.1: our address with its port, of the side and transport by which the request leaves."""
    own = "sip:tom@192.168.1.30:5060;transport=tcp"
    assert (
        Ladder(field)
        >> registration(tom, pbx, "T")
        >> tom.sends("MESSAGE sip:bob@example.com")
        << pbx.gets("MESSAGE", via=["SIP/2.0/UDP 10.0.0.2:5070;branch={*}", "{*}"])
        >> pbx.sends("MESSAGE sip:tom@10.0.0.2:5070;transport=udp;b={T}")
        << tom.gets(f"MESSAGE {own}", via=["SIP/2.0/TCP 203.0.113.10:5060;branch={*}", "{*}"])
    )


def test_response_on_the_connection_of_the_request():
    """18.1.1, 18.2.2: on both sides, while the connections are open."""
    world = World(clients=("tcp://203.0.113.10:5060",), targets=("tcp://10.0.0.5:5060",))
    caller = world.client("caller", "198.51.100.20:31000")
    server = world.server("server", transport=TCP)
    assert (
        Ladder(world)
        >> caller.sends("MESSAGE sip:bob@example.com", via="SIP/2.0/TCP 198.51.100.20:5060;branch=z9hG4bK1")
        << server.is_connected()
        << server.gets("MESSAGE")
        >> server.sends(200)
        << caller.gets(200)
    )
    assert caller.flow.remote_port == 31000


def test_response_by_another_connection_of_the_server():
    """18.1.1: a server that lost the connection opens one to our sent-by; what it brings counts."""
    world = World(clients=("udp://203.0.113.10:5060",), targets=("tcp://10.0.0.5:5060",))
    caller = world.client("caller", "198.51.100.20:31000")
    server = world.server("server", transport=TCP)
    assert (
        Ladder(world)
        >> caller.sends("MESSAGE sip:bob@example.com")
        << server.is_connected()
        << server.gets("MESSAGE")
        >> server.connects("10.0.0.5:45678")
        >> server.sends(200)
        << caller.gets(200)
    )


def test_response_by_another_port_of_the_server(field, anna, pbx):
    """18.1.1: by UDP from whatever port of the address that was asked."""
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com")
        << pbx.gets("MESSAGE")
        >> pbx.connects("10.0.0.5:50606")
        >> pbx.sends(200)
        << anna.gets(200)
    )


def test_response_is_known_by_its_branch_not_by_sent_by(field, anna, pbx):
    """18.1.2 compares sent-by. We compare the branch, which nobody can guess, and the address that was asked: some
    application gateways rewrite sent-by and forget to put it back."""
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com")
        << pbx.gets("MESSAGE", branch="{B}")
        >> pbx.sends(
            200,
            via=[
                "SIP/2.0/UDP 172.16.0.1:40000;branch={B}",
                "SIP/2.0/UDP 192.168.1.20:5060;rport=31000;branch=z9hG4bK-anna-1;received=198.51.100.20",
            ],
        )
        << anna.gets(200)
    )


def test_response_from_an_address_that_was_not_asked(field, anna, pbx):
    """18.1.2: our branch alone is not enough."""
    stranger = field.client("stranger", "198.51.100.66:5060")
    assert Ladder(field) >> anna.sends("MESSAGE sip:bob@example.com") << pbx.gets("MESSAGE")
    stranger.received.append(pbx.received[-1])
    assert Ladder(field) >> stranger.sends(200) << nothing
    assert field.counts.dropped["foreign_response"] == 1


@pytest.mark.parametrize(
    ("written", "stamped"),
    [
        ("phone.example.net:31000", "phone.example.net:31000;branch=z9hG4bK1;received=198.51.100.20"),
        ("192.168.1.20:31000", "192.168.1.20:31000;branch=z9hG4bK1;received=198.51.100.20"),
        ("198.51.100.20:31000", "198.51.100.20:31000;branch=z9hG4bK1"),
        ("198.51.100.20:31000;received=192.0.2.1", "198.51.100.20:31000;received=198.51.100.20;branch=z9hG4bK1"),
    ],
    ids=["name", "another address", "its own", "forged"],
)
def test_received_is_the_source_address(field, anna, pbx, written, stamped):
    """18.2.1: added where sent-by is a name or another address; what the client claims does not count."""
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com", via=f"SIP/2.0/UDP {written};branch=z9hG4bK1")
        << pbx.gets("MESSAGE", via=["{*}", f"SIP/2.0/UDP {stamped}"])
    )


def test_octets_behind_the_body_of_a_datagram_are_cut_off(field, anna, pbx):
    """18.3: Content-Length says where the body ends."""
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com", content_length=5, body=b"helloJUNK")
        << pbx.gets("MESSAGE", body=b"hello")
        >> pbx.sends(200, content_length=2, body=b"okJUNK")
        << anna.gets(200, body=b"ok")
    )


def test_datagram_that_ends_within_its_body(field, anna, pbx):
    """18.3: a request gets 400, a response is discarded."""
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com", content_length=10, body=b"hello")
        << anna.gets(400)
        >> anna.sends("MESSAGE sip:bob@example.com")
        << pbx.gets("MESSAGE")
        >> pbx.sends(200, content_length=10, body=b"hello")
        << nothing
        >> pbx.sends(200)
        << anna.gets(200)
    )


def test_datagram_without_content_length_is_body_to_its_end(field, anna, pbx):
    """18.3: whatever is behind the empty line."""
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com", content_length=None, body=b"hello\r\n")
        << pbx.gets("MESSAGE", body=b"hello\r\n")
    )
