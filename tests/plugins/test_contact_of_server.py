"""Contacts of the server that clients cannot use; how what is shown is undone is in the ladders."""

from __future__ import annotations

import pytest
from ruling import CATALOG, put, request, response

from proxy.repair.rule import REQUEST_OUT, RESPONSE_OUT
from proxy.sip.stand_in import stood_for
from proxy.sip.uri import parse_uri

PRIVATE = CATALOG.rule("contact-private-server")
PARAMS = CATALOG.rule("contact-bad-param-chars")
SCHEME = CATALOG.rule("contact-scheme-changed")


def answer(contact, rule, status=200, method="INVITE", **more):
    return put(response(status, method, f"Contact: {contact}"), stage=RESPONSE_OUT, rules=[rule], **more)


def shown(run):
    (line,) = run.lines("Contact")
    return stood_for(parse_uri(line.partition("<")[2].partition(">")[0].encode()))


@pytest.mark.parametrize("method", ["INVITE", "SUBSCRIBE", "REFER", "NOTIFY", "UPDATE"])
@pytest.mark.parametrize("make", [request, lambda method, *more: response(200, method, *more)], ids=["asks", "answers"])
def test_private_contact_of_the_server(method, make):
    stage = REQUEST_OUT if make is request else RESPONSE_OUT
    run = put(make(method, 'Contact: "PBX" <sip:bob@10.0.0.5:5060>;+x=1'), stage=stage, rules=[PRIVATE])
    assert run.fired == ["contact-private-server"]
    assert run.lines("Contact")[0].startswith('Contact: "PBX" <sip:bob@203.0.113.10:5060;transport=udp;sm=')
    assert run.lines("Contact")[0].endswith(">;+x=1")
    assert shown(run) == b"sip:bob@10.0.0.5:5060"


@pytest.mark.parametrize("host", ["10.0.0.5", "pbx", "pbx.local", "127.0.0.1", "100.64.1.1", "[fe80::1]"])
def test_hosts_that_lead_nowhere(host):
    assert answer(f"<sip:bob@{host}>", PRIVATE).fired


@pytest.mark.parametrize(
    "contact",
    [
        "<sip:bob@pbx.example.com>",
        "<sip:bob@9.9.9.9:5060>",
        "<sip:bob@10.0.0.2:5070;transport=udp;b=k3v9x2m7q4w8z5c1>",  # another client of ours
        "<sip:bob@10.0.0.5;gr=urn:uuid:1>",
        "<tel:+4930>",
        "*",
        '"broken <sip:bob@10.0.0.5>',
        "<sip:" + "b" * 400 + "@10.0.0.5>",
    ],
)
def test_contacts_of_the_server_that_stay(contact):
    assert answer(contact, PRIVATE).fired == []


@pytest.mark.parametrize(("status", "method"), [(302, "INVITE"), (485, "INVITE"), (200, "REGISTER"), (200, "OPTIONS")])
def test_lists_of_contacts_stay(status, method):
    """A redirection names other people, and an answer to REGISTER bindings."""
    assert answer("<sip:bob@10.0.0.5>", PRIVATE, status, method).fired == []


@pytest.mark.parametrize("params", [";did=4a5==", ';alias="a~b"', ";a=b=c", ";a=", ";=b", ";;", ";x=,"])
def test_params_that_no_uri_may_have(params):
    contact = f"sip:bob@pbx.example.com{params}"
    run = answer(f"<{contact}>", PARAMS)
    assert run.fired == ["contact-bad-param-chars"]
    assert shown(run) == contact.encode()


@pytest.mark.parametrize("params", ["", ";lr", ";x=y;z=%3D", ";x=[a]:/&+$", ";b=k3v9x2m7q4w8z5c1=="])
def test_params_that_are_right(params):
    contact = f"<sip:a=b;c@pbx.example.com{params}>"
    assert answer(contact, PARAMS).fired == [] or params.endswith("==")


@pytest.mark.parametrize(
    ("asked", "contact", "left"),
    [
        ("sip:bob@h", "<sips:bob@h;transport=tcp>;x", "<sip:bob@h;transport=tcp>;x"),
        ("SIPS:bob@h", "<SIP:bob@h>", "<sips:bob@h>"),
        ("sip:bob@h", "sips:bob@h", "<sip:bob@h>"),
    ],
)
def test_scheme_stays_that_of_the_dialog(asked, contact, left):
    run = answer(contact, SCHEME, asked=asked)
    assert run.fired == ["contact-scheme-changed"]
    assert run.lines("Contact") == [f"Contact: {left}"]


@pytest.mark.parametrize(
    ("asked", "contact"),
    [("", "<sips:bob@h>"), ("sip:bob@h", "<sip:bob@other>"), ("tel:+49", "<sip:b@h>"), ("sip:b@h", "<tel:+49>")],
)
def test_schemes_that_may_be(asked, contact):
    assert answer(contact, SCHEME, asked=asked).fired == []


def test_scheme_in_requests_stays():
    run = put(request("UPDATE", "Contact: <sips:b@h>"), stage=RESPONSE_OUT, rules=[SCHEME], asked="sip:b@h")
    assert run.fired == []
