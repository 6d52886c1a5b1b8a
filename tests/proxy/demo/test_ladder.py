"""Ladders: what is drawn, what counts as a change, and whose reason is shown."""

from __future__ import annotations

import pytest

from proxy.demo.compose import request, response
from proxy.demo.ladder import (
    Change,
    Ladder,
    Recorder,
    arrow,
    change_lines,
    changes,
    counterpart,
    draw_direct,
    draw_through,
    label,
    reason_of,
    stamped_via,
)
from proxy.effects import Record
from proxy.flow import CLIENT, UDP, Flow, Listener
from proxy.sip.parser import parse_message

FLOW = Flow(Listener(0, CLIENT, UDP, "127.0.0.1", 5060, "127.0.0.1", 5060), "127.0.0.1", 4000)


def invite(*more, method=b"INVITE", uri=b"sip:echo@demo.test", via=b"SIP/2.0/UDP 192.168.77.7:5062;branch=z9hG4bK1"):
    headers = [(b"Via", via), (b"From", b"<sip:a@d>;tag=f"), (b"To", b"<sip:e@d>"), (b"Call-ID", b"c1")]
    return parse_message(request(method, uri, [*headers, (b"CSeq", b"1 " + method), *more]))


def ok(asked, status=200):
    return parse_message(response(asked, status, ("127.0.0.1", 4000), tag=b"t"))


def record(**given):
    values = {
        "rule": "contact-missing-request",
        "mode": "repair",
        "header": "Contact",
        "before": None,
        "after": b"Contact: <sip:a@s;b=t>",
        "reason": "Contact is missing",
        "rfc": "RFC 3261 section 8.1.1.8",
        "method": b"INVITE",
        "call_id": b"c1",
        "flow": FLOW,
        "direction": "to-server",
    }
    return Record(**{**values, **given})


def recorded(*events):
    recorder = Recorder()
    for end, direction, message, *repeated in events:
        getattr(recorder, end)(direction, message, None, bool(repeated))
    return recorder.seen


def texts(lines):
    return [line.plain for line in lines]


def test_arrows_have_their_width_whatever_they_say():
    for text in ("BYE", "INVITE sip:a-very-long-name@a-very-long-domain.example.com"):
        for rightward in (True, False):
            for lost in (True, False):
                assert len(arrow(text, 34, rightward, lost)) == 34
    assert arrow("BYE", 20, True) == "--- BYE ----------->"
    assert arrow("BYE", 20, False) == "<--- BYE -----------"
    assert arrow("BYE", 20, True, lost=True) == "--- BYE -----------x"
    assert arrow("BYE sip:abcdefgh", 20, False) == "<--- BYE sip:a... --"


def test_label_names_method_or_status_and_credentials():
    assert label(invite()) == "INVITE sip:echo@demo.test"
    assert label(invite((b"Authorization", b"Digest x"))) == "INVITE sip:echo@demo.test (with credentials)"
    assert label(ok(invite(), 401)) == "401 Unauthorized (INVITE)"


def test_every_hop_changes_are_not_shown():
    """Via, Record-Route, Path, Max-Forwards: every proxy's work."""
    before = invite((b"Contact", b"<sip:a@h>"))
    after = before.copy()
    after.insert(1, b"via", b"Via: SIP/2.0/UDP s;branch=z9hG4bK2")
    after.insert(1, b"record-route", b"Record-Route: <sip:r@s;lr>")
    after.replace(after.index(b"max-forwards"), b"Max-Forwards: 69")
    assert changes(before, after) == []


def test_changed_inserted_and_removed_lines_and_the_request_uri_are():
    before = invite((b"Contact", b"<sip:a@h>"), (b"Subject", b"x"))
    after = invite((b"Contact", b"<sip:a@s>"), (b"User-Agent", b"y"), uri=b"sip:other")
    assert changes(before, after) == [
        Change("Request-URI", b"INVITE sip:echo@demo.test SIP/2.0", b"INVITE sip:other SIP/2.0"),
        Change("Contact", b"Contact: <sip:a@h>", b"Contact: <sip:a@s>"),
        Change("Subject", b"Subject: x", None),
        Change("User-Agent", None, b"User-Agent: y"),
    ]


def test_spelling_of_a_header_alone_is_no_change():
    before, after = invite((b"Contact", b"<sip:a@h>")), invite((b"m", b"<sip:a@h>"))
    assert changes(before, after) == []


def test_via_is_shown_where_the_client_did_not_ask_for_rport():
    after = invite()
    after.insert(1, b"via", b"Via: SIP/2.0/UDP s;branch=z9hG4bK2")
    own = after.indexes(b"via")[1]
    after.replace(own, after.lines[own] + b";received=127.0.0.1")
    assert stamped_via(invite(), after).after.endswith(b";received=127.0.0.1")
    asking = invite(via=b"SIP/2.0/UDP 192.168.77.7:5062;branch=z9hG4bK1;rport")
    assert stamped_via(asking, after) is None
    assert stamped_via(ok(invite()), ok(invite())) is None
    hop_by_hop = invite(method=b"ACK", via=b"SIP/2.0/UDP s;branch=z9hG4bK2")
    assert stamped_via(invite(method=b"ACK"), hop_by_hop) is None


def test_counterpart_is_the_same_message_at_the_other_end():
    seen = recorded(
        ("client", "sent", invite()),
        ("server", "received", invite(uri=b"sip:x")),
        ("server", "sent", ok(invite())),
    )
    assert counterpart(seen[0], seen) is seen[1]
    assert counterpart(seen[1], seen) is seen[0]
    assert counterpart(seen[2], seen) is None


def test_direct_ladder_shows_what_was_lost_and_nothing_twice():
    seen = recorded(
        ("client", "sent", invite()),
        ("server", "received", invite()),
        ("server", "sent", ok(invite())),
        ("client", "sent", invite(), "again"),
    )
    assert texts(draw_direct(seen, Ladder(("client", "server"), 34))) == [
        "    client                             server",
        "    |--- INVITE sip:echo@demo.test --->|",
        "    |x--- 200 OK (INVITE) -------------|",
    ]


def test_ladder_through_the_proxy_shows_the_change_with_its_reason_once():
    repaired = invite((b"Contact", b"<sip:a@s;b=t>"))
    seen = recorded(
        ("client", "sent", invite()),
        ("server", "received", repaired),
        ("server", "sent", ok(invite())),
        ("client", "received", ok(invite())),
        ("client", "sent", invite(), "again"),
        ("server", "received", repaired),
    )
    drawn = texts(draw_through(seen, Ladder(("client", "sipmend", "server"), 34), [record()]))
    assert drawn == [
        "    client                             sipmend                            server",
        "    |--- INVITE sip:echo@demo.test --->|                                  |",
        "    |                                  |--- INVITE sip:echo@demo.test --->|",
        "        - (no Contact)",
        "        + Contact: <sip:a@s;b=t>",
        "          contact-missing-request: Contact is missing (RFC 3261 section 8.1.1.8)",
        "    |                                  |<--- 200 OK (INVITE) -------------|",
        "    |<--- 200 OK (INVITE) -------------|                                  |",
        "    |                                  |--- INVITE sip:echo@demo.test --->|",
    ]


@pytest.mark.parametrize(
    "other", [{"call_id": b"c2"}, {"direction": "to-client"}, {"method": b"BYE"}, {"header": "Via"}]
)
def test_reason_is_taken_from_the_record_of_that_message_only(other):
    entry = recorded(("server", "received", invite()))[0]
    change = Change("Contact", None, b"Contact: <sip:a@s;b=t>")
    assert reason_of(change, entry, [record(**other)]) is None
    fitting = record()
    assert reason_of(change, entry, [record(**other), fitting]) is fitting


def test_record_with_the_same_lines_is_preferred():
    entry = recorded(("server", "received", invite()))[0]
    change = Change("Contact", None, b"Contact: <sip:a@s;b=t>")
    exact = record(rule="exact")
    assert reason_of(change, entry, [record(after=b"Contact: other"), exact]) is exact


def test_change_of_via_has_a_reason_of_its_own():
    lines = texts(change_lines(Change("Via", b"Via: a", b"Via: b"), None))
    assert "RFC 3261 section 18.2.1" in lines[-1]
    assert len(texts(change_lines(Change("Subject", b"Subject: a", None), None))) == 2


def test_health_checks_and_unreadable_messages_are_not_recorded():
    broken = invite()
    broken.remove(broken.index(b"call-id"))
    assert recorded(("server", "received", invite(method=b"OPTIONS")), ("server", "received", broken)) == []
