"""RFC 3581: symmetric responses."""

from __future__ import annotations

from tests.support.ladder import Ladder
from tests.support.world import World

MESSAGE = "MESSAGE sip:bob@example.com"


def test_rport_gets_the_source_port_and_received_comes_with_it(field, anna, pbx):
    """4: both, also where `received` says nothing new; in place and in the order of the client's parameters."""
    assert (
        Ladder(field)
        >> anna.sends(MESSAGE, via="SIP/2.0/UDP 198.51.100.20:31000;x;rport;branch=z9hG4bK1;y=z")
        << pbx.gets(
            "MESSAGE",
            via=["{*}", "SIP/2.0/UDP 198.51.100.20:31000;x;rport=31000;branch=z9hG4bK1;y=z;received=198.51.100.20"],
        )
    )


def test_response_goes_to_the_source_by_the_socket_of_the_request(field):
    """4: to the source address and port, from the address and port to which the request was sent."""
    world = World(clients=("udp://203.0.113.10:5060", "udp://203.0.113.11:5080"))
    server = world.server("server")
    for number in (0, 1):
        phone = world.client(f"phone{number}", f"198.51.100.2{number}:31000", listener=number)
        assert (
            Ladder(world)
            >> phone.sends(MESSAGE, via=f"SIP/2.0/UDP 192.168.1.2{number}:5060;rport;branch=z9hG4bK{number}x")
            << server.gets("MESSAGE")
            >> server.sends(200)
            << phone.gets(200)
            >> phone.sends(MESSAGE, max_forwards=0, via="SIP/2.0/UDP 192.168.1.20:5060;rport;branch=z9hG4bKy")
            << phone.gets(483)
        )
        assert phone.flow.listener.index == number


def test_rport_of_a_stream_changes_no_way(field, tom, pbx):
    """4, 18.2.2: by TCP the connection is the way; the value is given all the same."""
    assert (
        Ladder(field)
        >> tom.sends(MESSAGE)
        << pbx.gets("MESSAGE", via=["{*}", "SIP/2.0/TCP 192.168.1.30:5060;rport=42000;{*};received=198.51.100.30"])
        >> pbx.sends(200)
        << tom.gets(200)
    )
