"""Brackets around a Contact URI whose parameters read as those of the header (RFC 3261 section 20.10)."""

from __future__ import annotations

import pytest
from ruling import put, request, response

from proxy.repair.rule import REQUEST_IN, REQUEST_OUT, RESPONSE_OUT

ADDRESS = "sip:a@pc33.example.com"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"Contact: {ADDRESS};transport=tcp", f"Contact: <{ADDRESS};transport=tcp>"),
        (f"Contact: {ADDRESS};Transport=TCP", f"Contact: <{ADDRESS};Transport=TCP>"),
        (f"m:{ADDRESS};ob", f"m:<{ADDRESS};ob>"),
        (f"Contact: {ADDRESS};lr;q=0.1", f"Contact: <{ADDRESS};lr>;q=0.1"),
        (f"Contact: {ADDRESS};q=0.1;maddr=192.0.2.1", f"Contact: <{ADDRESS};maddr=192.0.2.1>;q=0.1"),
        (f'Contact: {ADDRESS};+x="a;lr";user=phone', f'Contact: <{ADDRESS};user=phone>;+x="a;lr"'),
        (f"Contact: {ADDRESS} ;ttl=1 ; expires=3", f"Contact: <{ADDRESS};ttl=1>; expires=3"),
        (f"Contact: <sip:b@x.example>, {ADDRESS};user=ip", f"Contact: <sip:b@x.example>, <{ADDRESS};user=ip>"),
        (f"Contact: <sip:b@x.example>\nContact: {ADDRESS};lr", f"Contact: <sip:b@x.example>\nContact: <{ADDRESS};lr>"),
    ],
)
@pytest.mark.parametrize("stage", [REQUEST_IN, REQUEST_OUT])
def test_parameters_of_the_uri_get_into_it(before, after, stage):
    run = put(request("INVITE", "X: 1").replace("X: 1", before), stage=stage)
    assert after in run.text
    assert run.fired == ["contact-no-brackets"]


@pytest.mark.parametrize(
    "contact",
    [
        ADDRESS, f"{ADDRESS};expires=60;q=1", f"{ADDRESS};+sip.ice", f"<{ADDRESS};transport=tcp>;lr",
        f"<{ADDRESS}>;transport=tcp", "*;lr", f'{ADDRESS};x="transport=tcp;lr"',
    ],
)  # fmt: skip
def test_what_may_belong_to_the_header_stays_there(contact):
    assert put(request("INVITE", f"Contact: {contact}")).fired == []


def test_the_contact_of_the_server_is_mended_too():
    run = put(response(200, "INVITE", "Contact: sip:bob@10.0.0.5;transport=tcp"), stage=RESPONSE_OUT)
    assert run.lines("Contact") == ["Contact: <sip:bob@10.0.0.5;transport=tcp>"]
