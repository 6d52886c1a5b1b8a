"""What clients name in the place of the server's Contacts is undone; ladders play it from end to end."""

from __future__ import annotations

import pytest

from proxy.core.own_repairs import OwnRepairs
from proxy.core.server_contacts import restored
from proxy.counts import Counts
from proxy.repair.sample import sample_flow, sample_message
from proxy.sip.stand_in import stand_in

SERVER = b"sip:bob@10.0.0.5:5060"
OURS = stand_in(SERVER, b"203.0.113.10:5060;transport=udp").decode()
FLOW = sample_flow("udp:198.51.100.7:5060")


def undone(uri, *headers):
    text = "\n".join((f"REFER {uri} SIP/2.0", "Via: v", "Call-ID: c", *headers, "", ""))
    received = sample_message(text)
    out = []
    counts = Counts(1)
    request = restored(received, FLOW, OwnRepairs({}, counts), out)
    assert received.octets() == sample_message(text).octets()  # it stays as received
    assert sum(counts.repairs.values()) == len(out)
    return request, [(record.header, record.before, record.after) for record in out]


def test_request_uri():
    request, records = undone(OURS)
    assert request.uri == SERVER
    assert request.lines[0] == b"REFER " + SERVER + b" SIP/2.0"
    assert request.request_uri.host == b"10.0.0.5"
    assert records == [("Request-URI", OURS.encode(), SERVER)]


def test_request_uri_that_cannot_be_parsed_is_routed_all_the_same():
    broken = b'sip:bob@10.0.0.5:5060;x="1"'
    request, _ = undone(stand_in(broken, b"h").decode())
    assert request.uri == broken
    assert request.request_uri.host == b"10.0.0.5"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"Refer-To: <{OURS}>", f"Refer-To: <{SERVER.decode()}>"),
        (f'r: "Bob" <{OURS}?Replaces=c%3Bto-tag%3D1>;x=y', f'r: "Bob" <{SERVER.decode()}?Replaces=c%3Bto-tag%3D1>;x=y'),
    ],
)
def test_refer_to(before, after):
    request, records = undone("sip:bob@example.com", before)
    assert request.lines[3] == after.encode()
    assert records == [("Refer-To", before.encode(), after.encode())]


@pytest.mark.parametrize(
    "value", ["<sip:bob@x;sm=zz>", "<sip:bob@x;y=z>", '"broken <sip:x;sm=edkn0>', "sip:x;sm=edkn0"]
)
def test_what_names_nothing_of_the_server_stays(value):
    request, records = undone("sip:bob@x;sm=0", f"Refer-To: {value}")
    assert request.lines[3] == f"Refer-To: {value}".encode()
    assert records == []
