"""Addresses where the domain belongs (RFC 3261 sections 8.1.1.2, 8.1.1.3 and 10.2)."""

from __future__ import annotations

import pytest
from ruling import put

from plugins.server_domain import ServerDomain
from proxy.repair.guard import GuardError, check
from proxy.repair.rule import Replace
from proxy.repair.sample import sample_message


def mended(method="INVITE", uri="sip:bob@example.com", from_="sip:a@example.com", to="sip:bob@example.com", *more):
    text = "\n".join((
        f"{method} {uri} SIP/2.0", "Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK1", f"From: <{from_}>;tag=1",
        f"To: <{to}>", "Call-ID: c", f"CSeq: 1 {method}", *more, "", "",
    ))  # fmt: skip
    run = put(text, rules=[ServerDomain()])
    lines = run.text.split("\n")
    return lines[0].split(" ")[1], lines[2][7:-7], lines[3][5:-1]


@pytest.mark.parametrize(
    "host", ["198.51.100.7", "192.168.1.20:5070", "10.0.0.5", "203.0.113.10", "edge.example.com", "[fe80::1]:5060"]
)
@pytest.mark.parametrize("method", ["INVITE", "ACK", "BYE", "REGISTER", "JUNK"])
def test_from(host, method):
    """The client's own address, the proxy and the server, in every method; parameters stay."""
    assert mended(method, from_=f"sip:a%20b:pw@{host};x=y?h=1")[1] == "sip:a%20b:pw@example.com;x=y?h=1"


@pytest.mark.parametrize(
    "uri", ["sip:a@example.org", "sip:a@8.8.8.8", "tel:+4930", "sip:10.0.0.5", "sip:a@EXAMPLE.com"]
)
def test_from_that_stays(uri):
    """Other domains, an address of somebody else, no SIP, no user."""
    assert mended(from_=uri)[1] == uri


@pytest.mark.parametrize("uri", ["sip:b@192.168.1.9", "sip:b@example.org", "sip:b@8.8.8.8", "sip:b@10.0.0.2;b=x7"])
def test_others_are_called_where_they_are(uri):
    """A call to an address that is neither ours nor the server's may be meant so; and `b=` names one client."""
    assert mended(uri=uri, to=uri) == (uri, "sip:a@example.com", uri)


def test_request_uri_that_the_server_knows_stays():
    """A digest covers it, and the server's own address is no riddle to it."""
    assert mended(uri="sip:b@10.0.0.5", to="sip:b@10.0.0.5")[::2] == ("sip:b@10.0.0.5", "sip:b@example.com")
    assert mended(uri="sips:b@203.0.113.10:5061")[0] == "sips:b@example.com"


def test_request_uri_that_is_a_contact_stays():
    assert (
        mended("INVITE", "sip:b@203.0.113.10", "sip:a@example.com", "sip:b@example.com", "Replaces: x")[0][-2:] == "10"
    )
    assert mended("BYE", "sip:b@203.0.113.10", "sip:a@example.com", "sip:b@example.com>;tag=<1")[0][-2:] == "10"


def test_register_to_the_proxy():
    assert mended("REGISTER", "sip:203.0.113.10:5060", "sip:a@192.168.1.2", "sip:a@192.168.1.2") == (
        "sip:example.com",
        "sip:a@example.com",
        "sip:a@example.com",
    )


def test_signed_and_second_hop_messages_stay():
    assert mended("INVITE", "sip:b@example.com", "sip:a@10.1.1.1", "sip:b@example.com", "Identity: x")[1][-1] == "1"
    more = "Via: SIP/2.0/UDP 10.1.1.1;branch=z9hG4bK0"
    assert mended("INVITE", "sip:b@example.com", "sip:a@10.1.1.1", "sip:b@example.com", more)[1][-1] == "1"


@pytest.mark.parametrize(
    "line",
    [
        b"BYE sip:bob@example.com SIP/2.0", b"MESSAGE sip:eve@example.com SIP/2.0", b"MESSAGE sip:bob@x;y SIP/2.0",
        b"MESSAGE sips:bob@example.com SIP/2.0", b"MESSAGE sip:bob@x y SIP/2.0", b"MESSAGE sip:bob@x\r\nA: b SIP/2.0",
        b"MESSAGE", b"MESSAGE tel:1 SIP/2.0",
    ],
)  # fmt: skip
def test_no_more_than_the_host_of_a_request_uri_may_change(line):
    rule = ServerDomain()
    with pytest.raises(GuardError):
        check([Replace(0, line)], rule, sample_message(rule.samples[0].before))
