"""A NAT gave us another address in the middle of everything: headers follow, and running dialogs go on."""

from __future__ import annotations

from proxy.events import AddressMapped
from tests.support.flows import call_out, registration
from tests.support.ladder import Ladder, does

OWN = "sip:anna@192.168.1.20:5060"


def moves(host="198.51.100.99", port=6060, listener=0):
    """A STUN server sees the listener there now."""

    def move(world):
        world.feed(AddressMapped(world.listeners[listener], host, port, world.now))

    return does(move, f"the public address becomes {host}:{port}")


def pair(address, name="R"):
    """Our Record-Routes towards the server, with that address for clients."""
    ours = f"<sip:{{{name}}}@10.0.0.2:5070;transport=udp;lr>"
    return [ours, f"<sip:{{{name}}}@{address};transport=udp;lr>"]


def test_new_calls_name_the_new_address(field, anna, pbx):
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> moves()
        >> anna.sends("INVITE sip:bob@example.com")
        << pbx.gets("INVITE", contact="<sip:anna@10.0.0.2:5070;{*}>", record_route=pair("198.51.100.99:6060"))
    )


def test_an_ipv6_address(field, anna, pbx):
    assert (
        Ladder(field)
        >> moves("2001:db8::9", 5060)
        >> anna.sends("INVITE sip:bob@example.com")
        << pbx.gets("INVITE", contact="<sip:anna@10.0.0.2:5070;{*}>", record_route=pair("[2001:db8::9]:5060"))
    )


def test_requests_of_the_server_leave_by_the_new_address(field, anna, pbx):
    """Via names it, so that the answer comes back through the NAT."""
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> moves()
        >> pbx.sends("MESSAGE sip:anna@10.0.0.2:5070;transport=udp;b={T}")
        << anna.gets(f"MESSAGE {OWN}", via=["SIP/2.0/UDP 198.51.100.99:6060;branch={*}", "{*}"])
        >> anna.sends(200)
        << pbx.gets(200)
    )


def test_a_call_from_before_goes_on(field, anna, pbx):
    """Both ends know the old Record-Routes, and nothing else."""
    assert (
        Ladder(field)
        >> call_out(anna, pbx, "G", "R")
        >> moves()
        >> anna.continues("MESSAGE")
        << pbx.gets("MESSAGE", route=None)
        >> pbx.sends(200)
        << anna.gets(200)
        >> pbx.continues("BYE")
        << anna.gets(f"BYE {OWN}", route=None)
        >> anna.sends(200)
        << pbx.gets(200)
    )


def test_a_route_of_an_outbound_proxy_may_name_the_old_address(field, anna, pbx):
    """Phones keep the address that they resolved at their own start."""
    assert (
        Ladder(field)
        >> moves()
        >> moves("198.51.100.98", 5060)
        >> anna.sends("MESSAGE sip:bob@example.com", route="<sip:203.0.113.10;lr>")
        << pbx.gets("MESSAGE", route=None)
        >> anna.sends("MESSAGE sip:bob@example.com", route="<sip:198.51.100.99:6060;lr>")
        << pbx.gets("MESSAGE", route=None)
        >> anna.sends("MESSAGE sip:bob@example.com", route="<sip:198.51.100.98;lr>")
        << pbx.gets("MESSAGE", route=None)
    )


def test_the_old_address_still_stands_for_the_server_within_a_dialog(field, anna, pbx):
    """Where the server gave no Contact, ours was written in its place, with the address of then."""
    assert (
        Ladder(field)
        >> anna.sends("INVITE sip:bob@example.com")
        << pbx.gets("INVITE", contact="{*}", record_route=["{*}", "{*}"])
        >> pbx.sends(200, contact=None)
        << anna.gets(200, contact="<sip:bob@203.0.113.10:5060;transport=udp>")
        >> moves()
        >> anna.continues("ACK")
        << pbx.gets("ACK sip:bob@10.0.0.5:5060", route=None)
    )


def test_a_user_at_the_new_address_is_a_user_of_the_domain(field, anna, pbx):
    """Phones without a domain write the address of their proxy; the old one was remembered as that of a stranger."""
    aor = "<sip:anna@198.51.100.99>"
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> anna.sends("MESSAGE sip:bob@example.com", from_=f"{aor};tag=1")
        << pbx.gets("MESSAGE", from_="<sip:anna@example.com>;tag=1")
        >> moves()
        >> anna.sends("REGISTER sip:example.com", to=aor, from_=f"{aor};tag=1")
        << pbx.gets(
            "REGISTER",
            from_="<sip:anna@example.com>;tag=1",
            to="<sip:anna@example.com>",
            contact="<sip:anna@10.0.0.2:5070;transport=udp;b={T}>{*}",
            path="{*}",
            supported="path",
        )
    )
