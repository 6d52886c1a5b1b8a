"""The messages of the benchmark's call as octets: INVITE 100 180 200 ACK BYE 200, and the REGISTER before it.

They are those of `scenarios/uac_call.xml` and `uas_call.xml`. What the server and the caller say later in a call
is made from what the proxy sent them, as real ends do.
"""

from __future__ import annotations

CALLER, CALLER_PORT = "127.0.0.2", 15080
SERVER, SERVER_PORT = "127.0.0.3", 15070

SDP = b"\r\n".join(
    (
        b"v=0",
        b"o=alice 53655765 2353687637 IN IP4 127.0.0.2",
        b"s=-",
        b"c=IN IP4 127.0.0.2",
        b"t=0 0",
        b"m=audio 6000 RTP/AVP 96 8 0 9 18 101",
        b"a=rtpmap:96 opus/48000/2",
        b"a=fmtp:96 minptime=10;useinbandfec=1",
        b"a=rtpmap:8 PCMA/8000",
        b"a=rtpmap:0 PCMU/8000",
        b"a=rtpmap:9 G722/8000",
        b"a=rtpmap:18 G729/8000",
        b"a=fmtp:18 annexb=no",
        b"a=rtpmap:101 telephone-event/8000",
        b"a=fmtp:101 0-16",
        b"a=ptime:20",
        b"a=sendrecv",
        b"",
    )
)
CONTACT = (
    b"Contact: <sip:alice@127.0.0.2:15080;transport=udp>"
    b';+sip.instance="<urn:uuid:0c67446e-f1a1-11d9-94d3-000a95a0e128>"'
)
AGENT = b"User-Agent: EdgeBench/1.0 (SIPp)"


def _message(*lines: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join((*lines, b"Content-Length: %d" % len(body), b"", body))


def _from_caller(method: bytes, uri: bytes, number: int, sequence: int, branch: bytes, *more: bytes) -> list[bytes]:
    return [
        b"%b %b SIP/2.0" % (method, uri),
        b"Via: SIP/2.0/UDP 127.0.0.2:15080;rport;branch=z9hG4bK-%d-%b" % (number, branch),
        *more,
        b"Max-Forwards: 70",
        b'From: "Alice Example" <sip:alice@127.0.0.3>;tag=a%dx4711' % number,
        b"Call-ID: %d-4711@127.0.0.2" % number,
        b"CSeq: %d %b" % (sequence, method),
    ]


def register() -> bytes:
    """The REGISTER that makes the caller a known client."""
    lines = [
        b"REGISTER sip:127.0.0.3:15070 SIP/2.0",
        b"Via: SIP/2.0/UDP 127.0.0.2:15080;rport;branch=z9hG4bK-r-1",
        b"Max-Forwards: 70",
        b"From: <sip:alice@127.0.0.3>;tag=r1",
        b"To: <sip:alice@127.0.0.3>",
        b"Call-ID: register@127.0.0.2",
        b"CSeq: 1 REGISTER",
        CONTACT + b";reg-id=1",
        b"Expires: 3600",
        b"Supported: path, outbound, gruu",
        AGENT,
    ]
    return _message(*lines)


def invite(number: int) -> bytes:
    """The INVITE of one call, about 1.2 kB."""
    lines = _from_caller(b"INVITE", b"sip:1001@127.0.0.3:15070", number, 1, b"0")
    lines += [
        b"To: <sip:1001@127.0.0.3>",
        CONTACT,
        b"Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, INFO, UPDATE, PRACK, MESSAGE",
        b"Supported: replaces, outbound, path, timer, 100rel",
        b"Session-Expires: 1800",
        b"Min-SE: 90",
        AGENT,
        b"Subject: benchmark call",
        b"Content-Type: application/sdp",
    ]
    return _message(*lines, body=SDP)


def in_dialog(method: bytes, number: int, sequence: int, answer: bytes) -> bytes:
    """ACK or BYE of the caller, from the 200 it got."""
    found = headers(answer)
    routes = [b"Route:" + line.partition(b":")[2] for line in reversed(found[b"record-route"])]
    target = found[b"contact"][0].partition(b"<")[2].partition(b">")[0]
    lines = _from_caller(method, target, number, sequence, method.lower(), *routes)
    return _message(*lines, found[b"to"][0], AGENT)


def reply(request: bytes, status: bytes, number: int, *more: bytes, body: bytes = b"") -> bytes:
    """The server's response to a request as it arrived there; dialog-making ones copy the Record-Route."""
    found = headers(request)
    to = found[b"to"][0]
    trying = status.startswith(b"100")
    tag = b"" if trying or b";tag=" in to else b";tag=b%dx4712" % number
    routes = [] if trying else found.get(b"record-route", [])
    lines = [b"SIP/2.0 " + status, *found[b"via"], *routes, *found[b"from"], to + tag]
    return _message(*lines, *found[b"call-id"], *found[b"cseq"], *more, body=body)


def headers(message: bytes) -> dict[bytes, list[bytes]]:
    """Header lines by lower case name."""
    found: dict[bytes, list[bytes]] = {}
    for line in message.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]:
        found.setdefault(line.partition(b":")[0].strip().lower(), []).append(line)
    return found


SERVER_CONTACT = b"Contact: <sip:pbx@127.0.0.3:15070;transport=udp>"
SERVER_ABOUT = (
    b"Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, INFO, UPDATE",
    b"Supported: replaces, path, timer",
    b"Server: EdgeBench-PBX/1.0 (SIPp)",
)


def accepted(request: bytes, number: int) -> bytes:
    """The 200 to the INVITE."""
    more = (SERVER_CONTACT, *SERVER_ABOUT, b"Content-Type: application/sdp")
    return reply(request, b"200 OK", number, *more, body=SDP)
