"""RFC 5393: loops are found, spirals are not taken for loops."""

from __future__ import annotations

import pytest

from tests.support.flows import registration
from tests.support.ladder import Ladder, note, nothing

MESSAGE = "MESSAGE sip:bob@example.com"
URI = "sip:anna@10.0.0.2:5070;transport=udp;b={T}"


def forwarded(field, anna, pbx, **headers):
    """The request as it reached the server."""
    assert Ladder(field) >> anna.sends(MESSAGE, **headers) << pbx.gets("MESSAGE")
    return pbx.received[-1].octets


def test_loop_is_refused_and_not_forwarded(field, anna, pbx):
    """4.2.1: our own branch says that nothing about its way has changed: 482."""
    octets = forwarded(field, anna, pbx)
    sender = field.client("sender", "198.51.100.90:5060")
    assert Ladder(field) >> sender.sends_octets(octets) << sender.gets(482)


def test_loop_is_found_below_the_vias_of_others(field, anna, pbx):
    """4.2.1: however many proxies it passed since."""
    octets = forwarded(field, anna, pbx)
    more = b"\r\nVia: SIP/2.0/UDP 192.0.2.%d;branch=z9hG4bKq%d"
    octets = octets.replace(b"\r\n", more % (1, 1) + more % (2, 2) + b"\r\n", 1)
    sender = field.client("sender", "198.51.100.90:5060")
    assert Ladder(field) >> sender.sends_octets(octets) << sender.gets(482)


def test_loop_from_the_server(field, anna, pbx):
    """4.2.1: a request that the server sends back and forth for the same client."""
    ladder = Ladder(field) >> registration(anna, pbx, "T") >> pbx.sends(f"MESSAGE {URI}")
    assert ladder << anna.gets("MESSAGE sip:anna@192.168.1.20:5060")
    seen, asked = anna.received[-1], pbx.sent[-1]
    octets = seen.octets.replace(seen.start.encode(), asked.start.encode())
    assert Ladder(field) >> pbx.sends_octets(octets) << pbx.gets(482)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"MESSAGE sip:bob@", b"MESSAGE sip:carol@"),
        (b"To: <sip:bob@example.com>", b"To: <sip:bob@example.com>;tag=t"),
        (b"Content-Length", b"Route: <sip:10.0.0.5;lr>\r\nContent-Length"),
        (b"Content-Length", b'Proxy-Authorization: Digest username="a"\r\nContent-Length'),
    ],
    ids=["Request-URI", "To tag", "Route", "Proxy-Authorization"],
)
def test_spiral_passes(field, anna, pbx, before, after):
    """4.2.2: all that decides about the way is in the mark; where one of it differs, the request goes on."""
    octets = forwarded(field, anna, pbx).replace(before, after, 1)
    sender = field.client("sender", "198.51.100.90:5060")
    ladder = Ladder(field) >> sender.sends_octets(octets)
    if b";tag=t" in octets:
        ladder = ladder << note("example.com:5060")
    assert ladder << pbx.gets("MESSAGE")


def test_method_has_no_part_in_the_mark(field, anna, pbx):
    """4.2.2: the same request with another method only would take the same way again."""
    octets = forwarded(field, anna, pbx)
    octets = octets.replace(b"MESSAGE sip:bob", b"PUBLISH sip:bob", 1).replace(b"1 MESSAGE", b"1 PUBLISH")
    sender = field.client("sender", "198.51.100.90:5060")
    assert Ladder(field) >> sender.sends_octets(octets) << sender.gets(482)


def test_both_parts_of_the_branch(field, anna, pbx):
    """4.2.2: cookie, a part that is new each time, and one that is the same for the same way."""
    usual = {"call_id": "c", "from_": "<sip:anna@example.com>;tag=1"}
    first, second = (forwarded(field, anna, pbx, **usual) for _ in range(2))
    one, two = (octets.partition(b";branch=")[2].partition(b"\r\n")[0] for octets in (first, second))
    assert one[:7] == two[:7] == b"z9hG4bK"
    assert one[-16:] == two[-16:]
    assert one[7:-16] != two[7:-16]


# -- Max-Breadth


def test_request_without_max_breadth_gets_none(field, anna, pbx):
    """5.3.3: we never fork in parallel; what needs nothing is left as it is, and the next hop takes 60 for granted."""
    assert Ladder(field) >> anna.sends(MESSAGE) << pbx.gets("MESSAGE", max_breadth=None)


@pytest.mark.parametrize(
    ("sent", "forwarded"),
    [
        ("60", "60"),
        ("1", "1"),
        ("007", "007"),
        ("61", "60"),
        ("99999999999999999999", "60"),
        (["5", "3", "60"], "3"),
        (["70", "80"], "60"),
        (["8", "008"], "8"),
        ("many", "many"),
        ("", ""),
        ("-1", "-1"),
        ("3, 5", "3, 5"),
        (["5", "many"], ["5", "many"]),
    ],
)
def test_max_breadth_is_one_and_60_at_most(field, anna, pbx, sent, forwarded):
    """5.3.3: the one branch gets all of it; several lines are one, the lowest; what cannot be read is left alone."""
    own = "sip:anna@192.168.1.20:5060"
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> anna.sends(MESSAGE, max_breadth=sent)
        << pbx.gets("MESSAGE", max_breadth=forwarded)
        >> pbx.sends(f"MESSAGE {URI}", max_breadth=sent)
        << anna.gets(f"MESSAGE {own}", max_breadth=forwarded)
    )


@pytest.mark.parametrize("sent", ["0", "000", ["60", "0"]])
def test_no_breadth_left(field, anna, pbx, sent):
    """5.3.3: not even one branch may be made: 440, on either side."""
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> anna.sends(MESSAGE, max_breadth=sent)
        << anna.gets("440 Max-Breadth has reached 0")
        >> pbx.sends(f"MESSAGE {URI}", max_breadth=sent)
        << pbx.gets("440 Max-Breadth has reached 0")
        << nothing
    )
    assert field.counts.dropped["max_breadth"] == 2
