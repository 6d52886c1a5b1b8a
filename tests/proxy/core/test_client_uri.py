"""A client's Contact as Request-URI; tests/ladders/test_restoring.py has that it is the client's own."""

from __future__ import annotations

import pytest
from parts import request

from proxy.core.client_uri import as_request_uri, readdress


@pytest.mark.parametrize(
    ("contact", "uri"),
    [
        (b"sip:63et72ng@9sh.invalid;transport=ws", None),
        (b"sip:a@h;ob?Subject=x", b"sip:a@h;ob"),
        (b"sip:a@h;method=INVITE;ob", b"sip:a@h;ob"),
        (b"sip:a@h;x;METHOD=INVITE", b"sip:a@h;x"),
        (b"sip:method@h", None),
        (b"sip:a@[?", None),
    ],
)
def test_without_what_no_request_uri_may_have(contact, uri):
    assert as_request_uri(contact) == (contact if uri is None else uri)


def test_a_gruu_stays():
    asked = request(uri="sip:alice@example.com;gr=urn:uuid:1")
    readdress(asked, b"sip:new@h")
    assert asked.uri == b"sip:alice@example.com;gr=urn:uuid:1"
    asked = request(uri="sip:old@h")
    readdress(asked, b"sip:new@h?x=y")
    assert asked.uri == b"sip:new@h"
