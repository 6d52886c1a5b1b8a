"""What is too large for a datagram goes by TCP where the server has it, and by UDP where not (RFC 3261 18.1.1)."""

from __future__ import annotations

import pytest

from proxy.flow import TCP, UDP
from tests.support.flows import call_out, registration, shown
from tests.support.ladder import Ladder, after, nothing
from tests.support.world import World

OWN = "<sip:anna@192.168.1.20:5060>"
BODY = b"v=0\r\n" + b"a=x\r\n" * 280  # 1405 octets
MESSAGE = "MESSAGE sip:bob@example.com"


@pytest.fixture
def field():
    return World(clients=("udp://203.0.113.10:5060",))


@pytest.fixture
def anna(field):
    return field.client("anna", "198.51.100.20:31000", contact=OWN, via="SIP/2.0/UDP 192.168.1.20:5060;rport")


@pytest.fixture
def tcp(field):
    """The server where it takes TCP."""
    return field.server("tcp", "10.0.0.5:5060", TCP)


@pytest.fixture
def udp(field):
    return field.server("udp", "10.0.0.5:5060", UDP)


def sent_by_tcp(world):
    return [text for text in world.parties["tcp"].received if "SIP/2.0/TCP 10.0.0.2:5070" in text.value("via")]


def test_large_request_goes_by_tcp(field, anna, tcp, udp):
    """> ... the request MUST be sent using an RFC 2914 congestion controlled transport protocol, such as TCP.
    > If this causes a change in the transport protocol from the one indicated in the top Via, the value in the top
    > Via MUST be changed. (18.1.1)
    """
    assert (
        Ladder(field)
        >> anna.sends(MESSAGE, body=BODY)
        << tcp.is_connected()
        << tcp.gets("MESSAGE", body=BODY)
        >> tcp.sends(200)
        << anna.gets(200, via=1)
        >> anna.sends(MESSAGE, body=BODY)
        << tcp.gets("MESSAGE", body=BODY)
        >> tcp.sends(200)
        << anna.gets(200, via=1)
    )
    assert len(sent_by_tcp(field)) == 2, "by the connection that is there"


def test_request_of_1300_bytes_stays_a_datagram(field, anna, tcp, udp):
    """Our own lines count: what leaves decides, not what came."""

    def size(body):
        world = World(clients=("udp://203.0.113.10:5060",))
        sender = world.client("anna", "198.51.100.20:31000", contact=OWN, via="SIP/2.0/UDP 192.168.1.20:5060;rport")
        server = world.server("udp", "10.0.0.5:5060", UDP)
        assert Ladder(world) >> sender.sends(MESSAGE, body=body) << server.gets("MESSAGE")
        return len(server.received[-1].octets)

    body = b"x" * (1300 - size(b"x" * 100) + 100)
    assert size(body) == 1300
    assert Ladder(field) >> anna.sends(MESSAGE, body=body) << udp.gets("MESSAGE")
    assert Ladder(field) >> anna.sends(MESSAGE, body=body + b"x") << tcp.is_connected() << tcp.gets("MESSAGE"), (
        "a byte more"
    )


def test_call_by_tcp_keeps_its_contact(field, anna, tcp, udp):
    """Contact says the transport of the configuration all the same (protocol 4.1), Record-Route that of the call;
    what follows is small, and goes by UDP."""
    assert (
        Ladder(field)
        >> registration(anna, udp, "T")
        >> anna.sends("INVITE sip:bob@example.com", body=BODY)
        << tcp.is_connected()
        << tcp.gets(
            "INVITE",
            contact=shown(anna, "T"),
            record_route=["<sip:{R}@10.0.0.2:5070;transport=tcp;lr>", "<sip:{R}@203.0.113.10:5060;transport=udp;lr>"],
        )
        >> tcp.sends(200)
        << anna.gets(200)
        >> anna.continues("ACK")
        << udp.gets("ACK", route=None)
        >> tcp.continues("BYE")
        << anna.gets("BYE {*}", route=None)
        >> anna.sends(200)
        << tcp.gets(200)
    )


def test_large_request_without_content_length_gets_one():
    """By UDP it may be missing, on a stream never (18.3)."""
    world = World(clients=("udp://203.0.113.10:5060",), repair={"clen-missing": "off"})
    anna = world.client("anna", "198.51.100.20:31000", contact=OWN, via="SIP/2.0/UDP 192.168.1.20:5060;rport")
    tcp = world.server("tcp", "10.0.0.5:5060", TCP)
    assert (
        Ladder(world)
        >> anna.sends(MESSAGE, body=BODY, content_length=None)
        << tcp.is_connected()
        << tcp.gets("MESSAGE", content_length=f"{len(BODY)}")
    )


@pytest.mark.parametrize("mode", ["off", "report"])
def test_content_length_on_streams_is_no_matter_of_rules(mode):
    """Without it the far end cannot cut the stream: towards the server, towards the client, and in answers."""
    world = World(
        clients=("wss://edge.example.com:8443", "tcp://203.0.113.10:5060"),
        targets=("tcp://10.0.0.5:5060",),
        server={"domain": "example.com", "uri": "sip:10.0.0.5:5060;transport=tcp"},
        repair={"clen-missing": mode},
    )
    alice = world.client("alice", "198.51.100.7:50112", contact="<sip:a@9sh.invalid;transport=ws>")
    k = world.server("k", "10.0.0.5:5060", TCP)
    assert (
        Ladder(world)
        >> alice.sends(MESSAGE, body=b"hello", content_length=None)
        << k.is_connected()
        << k.gets("MESSAGE", content_length="5", body=b"hello")
        >> k.sends(200, body=b"ho", content_length=None)
        << alice.gets(200, content_length="2")
    )


def test_back_to_udp_where_the_connection_is_refused(field, anna, tcp, udp):
    """> ... if that attempt results in ... a TCP reset, the element SHOULD retry the request, using UDP. (18.1.1)

    The next large ones go by UDP at once for a minute.
    """
    tcp.listening = False
    assert (
        Ladder(field)
        >> anna.sends(MESSAGE, body=BODY)
        << tcp.is_connected()
        << tcp.gets("MESSAGE", branch="{B1}")
        >> tcp.closes("refused")
        << udp.gets("MESSAGE", branch="{B2}", body=BODY)
        >> udp.sends(200)
        << anna.gets(200, via=1)
        >> anna.sends(MESSAGE, body=BODY)
        << udp.gets("MESSAGE")
        >> udp.sends(200)
        << anna.gets(200)
        >> after(60.0)
        >> anna.sends(MESSAGE, body=BODY)
        << tcp.is_connected()
        << tcp.gets("MESSAGE")
        >> tcp.closes("refused")
        << udp.gets("MESSAGE")
        >> udp.sends(200)
        << anna.gets(200)
        >> after(119.0)
        >> anna.sends(MESSAGE, body=BODY)
        << udp.gets("MESSAGE")
        >> udp.sends(200)
        << anna.gets(200)
    )
    assert field.counts.failovers == 0


def test_back_to_udp_where_the_connection_is_not_made(field, anna, tcp, udp):
    """A firewall that swallows what it does not like: after 2*T1, and the connection is given up, lest the request
    arrive twice."""
    tcp.listening = False
    assert (
        Ladder(field)
        >> anna.sends(MESSAGE, body=BODY)
        << tcp.is_connected()
        << tcp.gets("MESSAGE")
        >> after(1.05)
        << tcp.is_closed("slow_connect")
        << udp.gets("MESSAGE", at=1.0)
        >> tcp.closes("slow_connect")
        << nothing
        >> udp.sends(200)
        << anna.gets(200)
    )


def test_connection_that_breaks_unanswered_is_replaced_by_udp(field, anna, tcp, udp):
    assert (
        Ladder(field)
        >> anna.sends(MESSAGE, body=BODY)
        << tcp.is_connected()
        << tcp.gets("MESSAGE")
        >> tcp.closes()
        << udp.gets("MESSAGE")
        >> udp.sends(200)
        << anna.gets(200)
    )


def test_call_that_rings_by_tcp_is_not_set_up_again_by_udp(field, anna, tcp, udp):
    assert (
        Ladder(field)
        >> anna.sends("INVITE sip:bob@example.com", body=BODY)
        << tcp.is_connected()
        << tcp.gets("INVITE", contact="{*}", record_route=["{*}", "{*}"])
        >> tcp.sends(180)
        << anna.gets(180)
        >> tcp.closes()
        << anna.gets(500)
        >> anna.acks()
    )


def test_large_request_within_a_dialog(field, anna, tcp, udp):
    """It goes by TCP to the dialog's target, and nowhere else."""
    assert (
        Ladder(field)
        >> registration(anna, udp, "T")
        >> call_out(anna, udp, "T", "R")
        >> anna.continues("INVITE", body=BODY)
        << tcp.is_connected()
        << tcp.gets("INVITE", contact=shown(anna, "T"), route=None)
        >> tcp.closes("refused")
        << udp.gets("INVITE", contact=shown(anna, "T"), route=None)
        >> udp.sends(200)
        << anna.gets(200)
    )


def test_always_by_udp_if_the_settings_say_so():
    """`server.large_requests: udp`"""
    world = World(clients=("udp://203.0.113.10:5060",), server={"domain": "example.com", "large_requests": "udp"})
    anna = world.client("anna", "198.51.100.20:31000", contact=OWN, via="SIP/2.0/UDP 192.168.1.20:5060;rport")
    udp = world.server("udp", "10.0.0.5:5060", UDP)
    assert Ladder(world) >> anna.sends(MESSAGE, body=BODY) << udp.gets("MESSAGE", body=BODY)


def test_large_request_by_udp_then_to_the_next_target():
    """Both ways on: from TCP back to UDP, and from the first target to the second."""
    world = World(clients=("udp://203.0.113.10:5060",), targets=("udp://10.0.0.5:5060", "udp://10.0.0.6:5060"))
    anna = world.client("anna", "198.51.100.20:31000", contact=OWN, via="SIP/2.0/UDP 192.168.1.20:5060;rport")
    tcp = world.server("tcp", "10.0.0.5:5060", TCP)
    one = world.server("one", "10.0.0.5:5060", UDP)
    two = world.server("two", "10.0.0.6:5060", UDP)
    tcp.listening = False
    assert (
        Ladder(world)
        >> anna.sends(MESSAGE, body=BODY)
        << tcp.is_connected()
        << tcp.gets("MESSAGE")
        >> tcp.closes("refused")
        << one.gets("MESSAGE")
        >> one.sends(503)
        << two.gets("MESSAGE")
        >> two.sends(200)
        << anna.gets(200)
    )
