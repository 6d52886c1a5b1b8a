"""Both ends of a dialog from the same INVITE and 200."""

from __future__ import annotations

from proxy.demo.compose import request, response
from proxy.demo.dialog import of_callee, of_caller
from proxy.sip.parser import parse_message

INVITE = parse_message(
    request(
        b"INVITE",
        b"sip:echo@demo.test",
        [
            (b"Via", b"SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK1"),
            (b"Record-Route", b"<sip:near@10.0.0.2;lr>, <sip:far@10.0.0.3;lr>"),
            (b"From", b"<sip:anna@demo.test>;tag=f"),
            (b"To", b"<sip:echo@demo.test>"),
            (b"Call-ID", b"c1"),
            (b"CSeq", b"7 INVITE"),
            (b"Contact", b"Anna <sip:anna@127.0.0.1:5060;transport=udp>;x=1"),
        ],
    )
)
OK = parse_message(response(INVITE, 200, ("127.0.0.1", 5060), [(b"Contact", b"<sip:echo@10.0.0.9>")], tag=b"t"))
BARE_OK = parse_message(response(INVITE, 200, ("127.0.0.1", 5060), tag=b"t"))
VIA = b"SIP/2.0/UDP x;branch=z9hG4bK2"


def test_caller_reverses_the_routes_and_calls_the_contact_of_the_2xx():
    """RFC 3261 12.1.2: 'The route set MUST be set to the list of URIs in the Record-Route header field from the
    response, taken in reverse order'."""
    dialog = of_caller(INVITE, OK)
    assert dialog.routes == [b"<sip:far@10.0.0.3;lr>", b"<sip:near@10.0.0.2;lr>"]
    assert dialog.target == b"sip:echo@10.0.0.9"
    assert dialog.next_hop() == b"sip:far@10.0.0.3;lr"
    ack = parse_message(dialog.compose(b"ACK", VIA, sequence=7))
    assert (ack.uri, ack.cseq, ack.to.tag) == (b"sip:echo@10.0.0.9", (7, b"ACK"), b"t")
    assert ack.routes() == dialog.routes
    bye = parse_message(dialog.compose(b"BYE", VIA))
    assert bye.cseq == (8, b"BYE")


def test_called_side_keeps_the_order_and_swaps_the_ends():
    """RFC 3261 12.1.1: 'The route set MUST be set to the list of URIs in the Record-Route header field from the
    request, taken in order'."""
    dialog = of_callee(INVITE, b"t")
    assert dialog.routes == [b"<sip:near@10.0.0.2;lr>", b"<sip:far@10.0.0.3;lr>"]
    assert dialog.target == b"sip:anna@127.0.0.1:5060;transport=udp"
    bye = parse_message(dialog.compose(b"BYE", VIA))
    assert (bye.from_.tag, bye.to.tag, bye.cseq) == (b"t", b"f", (1, b"BYE"))


def test_without_contact_the_request_uri_has_to_do():
    assert of_caller(INVITE, BARE_OK).target == b"sip:echo@demo.test"


def test_target_refresh_takes_the_new_contact_and_ignores_a_missing_one():
    dialog = of_caller(INVITE, OK)
    dialog.refresh(BARE_OK)
    assert dialog.target == b"sip:echo@10.0.0.9"
    dialog.refresh(INVITE)
    assert dialog.target == b"sip:anna@127.0.0.1:5060;transport=udp"


def test_without_routes_the_target_is_the_next_hop():
    dialog = of_caller(INVITE, OK)
    dialog.routes = []
    assert dialog.next_hop() == b"sip:echo@10.0.0.9"
