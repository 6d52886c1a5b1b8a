"""What a message says of its body, and which bodies nobody may edit."""

from __future__ import annotations

import re

import pytest

from proxy.repair.sample import sample_message
from proxy.sip.body import media_type, sealed


def message(*headers):
    return sample_message("\n".join(("INVITE sip:bob@example.com SIP/2.0", "Via: v", *headers, "", "body")))


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("Content-Type: application/sdp", b"application/sdp"),
        ("c: Application/SDP ;charset=utf-8", b"application/sdp"),
        ("Content-Type:\tmultipart/mixed;boundary=x", b"multipart/mixed"),
        ("Content-Type:", b""),
        ("Subject: none", b""),
    ],
)
def test_media_type(header, kind):
    assert media_type(message(header)) == kind


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("Identity: abc;info=<https://cert.example.org>;alg=ES256", "sign it"),
        ("y: abc", "sign it"),
        ("Content-Encoding: gzip", "encoded"),
        ("e: tar", "encoded"),
        ("Content-Type: application/pkcs7-mime; smime-type=enveloped-data", "signed or encrypted"),
        ("Content-Type: Multipart/Signed;boundary=x", "signed or encrypted"),
        ('Authorization: Digest username="a", qop=auth-int, nc=00000001', "auth-int"),
        ('Proxy-Authorization: Digest username="a", qop="AUTH-INT"', "auth-int"),
        ("Authentication-Info: qop=auth-int, rspauth=x", "auth-int"),
    ],
)
def test_sealed_bodies(header, why):
    assert re.search(why, sealed(message(header)))


@pytest.mark.parametrize("header", ['Authorization: Digest username="a", qop=auth', "Content-Type: application/sdp"])
def test_bodies_that_may_be_edited(header):
    assert sealed(message(header)) == ""
