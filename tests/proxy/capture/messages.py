"""SIP messages for the tests of captures."""

from __future__ import annotations

INVITE = (
    b"INVITE sip:bob@example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/TCP 192.168.1.9:5060;branch=z9hG4bK1\r\n"
    b"Call-ID: c1\r\nCSeq: 1 INVITE\r\nContent-Length: 5\r\n\r\nv=0\r\n"
)
ANSWER = b"SIP/2.0 200 OK\r\nVia: SIP/2.0/WSS a.invalid;branch=z9hG4bK1\r\nContent-Length: 0\r\n\r\n"
