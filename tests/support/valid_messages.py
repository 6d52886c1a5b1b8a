"""A thousand messages that are right, made from a seed: all methods, transports and directions, headers of every kind.

Of what is right but for which there is a rule nobody needs to switch on, nothing is made: `ob` in a Contact, private
Contacts of the server, a 202 to one's own SUBSCRIBE, a guest without a user in its Contact. Nor is a message without
Content-Length by WebSocket: right there, it needs one where it goes.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from proxy.repair.rule import REQUEST_IN, REQUEST_OUT, RESPONSE_IN, RESPONSE_OUT

METHODS = (
    "INVITE", "ACK", "BYE", "CANCEL", "REGISTER", "OPTIONS", "PRACK", "SUBSCRIBE", "NOTIFY", "PUBLISH", "INFO", "REFER",
    "MESSAGE", "UPDATE", "JUNK",
)  # fmt: skip
TARGETS = ("INVITE", "SUBSCRIBE", "REFER", "NOTIFY", "UPDATE")
STATUSES = (100, 180, 183, 199, 200, 202, 204, 301, 302, 380, 400, 401, 404, 407, 423, 480, 485, 486, 491, 503, 600)
PHRASES = ("OK", "", "Fine, thanks", "Schön", "100%")
SOURCES = ("62.100.1.7", "9.9.9.9", "[2a00::7]")
SERVERS = ("sip:bob@pbx.example.com", "sip:9.9.9.8:5080;lr", "sips:bob@pbx.example.net:5061", "<>")
COMPACT = {
    "Via": "v",
    "From": "f",
    "To": "t",
    "Call-ID": "i",
    "Contact": "m",
    "Content-Length": "l",
    "Content-Type": "c",
}
NAMES = ("", "Alice ", '"Alice" ', '"Al, \\"ice\\"; <x>" ', '"Älice" ', "A B C ")
OPTIONAL = (
    "Supported: path, outbound, 100rel", "Supported:", "Allow: INVITE, ACK, CANCEL, BYE", "User-Agent: A/1.0 (x; y)",
    "Subject: lunch, or not;=<>", "s: compact", "Date: Sat, 13 Nov 2010 23:29:00 GMT", "Priority: urgent",
    "X-Own: \t1 ",
    "P-Asserted-Identity: <sip:alice@192.168.1.5>", "Accept: application/sdp, text/*;q=0.5", "Organization: A\r\n B",
    "Require: 100rel", "Session-Expires: 1800;refresher=uac", "Min-SE: 90", "Event: presence", "o: message-summary",
    'Call-Info: <http://192.168.1.5/x>;purpose=icon', "Alert-Info: <http://www.example.com/moo.wav>",
    "Alert-Info: <urn:alert:service:normal>;x=1, <http://a.example/b>", "Refer-To: <sip:c@192.168.1.9?Replaces=a%3Bb>",
    "Expires: 3600", "Reason: Q.850;cause=16", "Diversion: <sip:x@10.0.0.1>", "History-Info: <sip:x@10.0.0.1>;index=1",
    'Authorization: Digest username="alice", realm="example.com", nonce="n", uri="sip:x", response="r", qop=auth-int',
    "Identity: eyJ.eyJ.sig;info=<https://cert.example.org/p.cer>;alg=ES256", "Warning: 399 10.0.0.1 \"x\"",
)  # fmt: skip


class Valid:
    """One message as octets, the flow it comes by (`udp:198.51.100.7:5060`), where it is met, and what was asked."""

    def __init__(self, octets: bytes, sender: str, stage: int, asked: str) -> None:
        self.octets = octets
        self.sender = sender
        self.stage = stage
        self.asked = asked


def valid_messages(count: int, seed: int = 1) -> Iterator[Valid]:
    """So many messages, always the same ones for one seed."""
    random = Random(seed)
    for number in range(count):
        yield _message(random, number)


def _message(random: Random, number: int) -> Valid:
    transport = random.choice(("udp", "tcp", "tls", "ws", "wss"))
    host = random.choice(SOURCES)
    port = random.choice((5060, 5061, 5070, 50112))
    method = random.choice(METHODS)
    request = random.random() < 0.6
    outward = random.random() < 0.4 and not (request and method == "REGISTER")
    to_tag = not request or method in ("ACK", "BYE", "PRACK", "INFO", "UPDATE") or random.random() < 0.3
    if request and method == "REGISTER":
        to_tag = False  # it is in no dialog
    status = random.choice(STATUSES)
    scheme = random.choice(("sip", "sip", "sips")) if transport in ("tls", "wss") else "sip"
    own = _contact(random, transport, host, port, scheme)
    headers = _common(random, number, method, transport, f"{host}:{port}", to_tag)
    if request:
        uri = random.choice(
            ("sip:bob@example.com", "sip:bob@other.example.net;user=phone", "tel:+49-30-1", "urn:service:sos")
        )
        uri = "sips:bob@example.com" if scheme == "sips" else uri
        start = f"{method} {uri} SIP/2.0"
        headers.append(f"Max-Forwards: {random.randrange(256)}")
    else:
        start = f"SIP/2.0 {status} {random.choice(PHRASES)}"
    if outward:
        own = f"<{random.choice(SERVERS[:3])}>"
    contact = _contacts(random, request, method, status, own)
    if contact:
        headers.append(contact)
    headers += random.sample(
        [one for one in OPTIONAL if method != "REGISTER" or "Expires:" not in one], random.randrange(6)
    )
    body, kind = _body(random, host, outward)
    if kind:
        headers.append(f"Content-Type: {kind}")
    if transport != "udp" or random.random() < 0.8:
        headers.append(f"Content-Length: {len(body)}")
    random.shuffle(headers)
    lines = "".join(f"{_spelled(random, line)}\r\n" for line in (start, *headers))
    stage = (RESPONSE_OUT if outward else RESPONSE_IN, REQUEST_OUT if outward else REQUEST_IN)[request]
    asked = own[1:].partition(">")[0] if outward and not request and random.random() < 0.5 else ""
    return Valid(lines.encode() + b"\r\n" + body, f"{transport}:{host}:{port}", stage, asked)


def _common(random: Random, number: int, method: str, transport: str, source: str, to_tag: bool) -> list[str]:
    """What every message has."""
    via = f"Via: SIP/2.0/{transport.upper()} {source};branch=z9hG4bK{number}{random.choice(('', ';rport', ';x=y'))}"
    sender = random.choice(
        ("<sip:alice@example.com>", "<sips:alice@example.com;x=y>", "<tel:+4930>", "<sip:example.com>")
    )
    to = random.choice(("<sip:bob@example.com>", "<sip:bob@other.example.net>", "<urn:service:sos>"))
    tag = f";tag=t{number}" if to_tag else ""
    return [
        via,
        f"From: {random.choice(NAMES)}{sender};tag=f{number}",
        f"To: {random.choice(NAMES)}{to}{tag}",
        f"Call-ID: {number}@{random.choice(('example.com', '192.168.1.5', 'x'))}",
        f"CSeq: {random.randrange(1, 2**31)} {method}",
    ]


def _contact(random: Random, transport: str, host: str, port: int, scheme: str) -> str:
    """The Contact of a client that is right: where its message came from, a name, a GRUU or another scheme."""
    named = {"tls": "tcp" if scheme == "sips" else "tls", "wss": "ws"}.get(transport, transport)
    param = "" if transport == "udp" and random.random() < 0.5 else f";transport={named}"
    where = f"{scheme}:alice@{host}:{port}{param}"
    choices = (where, where, f"{scheme}:alice@phone.example.com", f"{scheme}:a@example.com;gr=urn:uuid:1", "tel:+4930")
    uri = random.choice(choices)
    params = random.choice(
        ("", "", ";q=0.5", ";expires=60", ';+sip.instance="<urn:uuid:1>";reg-id=1', ";isfocus", ";x")
    )
    return f"{random.choice(NAMES)}<{uri}>{params}"


def _contacts(random: Random, request: bool, method: str, status: int, own: str) -> str:
    """The Contact line: where there has to be one, and now and then where there may be one."""
    if request and method == "REGISTER":
        return random.choice(("", f"Contact: {own}", "Contact: *", f"Contact: {own}, <sip:second@other.example.org>"))
    if not request and status in (301, 302, 380, 485):
        return "Contact: <sip:a@192.168.1.5>, <sip:b@10.0.0.1;x=y>;q=0.1"
    needed = method in TARGETS if request else method in ("INVITE", "SUBSCRIBE", "UPDATE") and 100 < status < 300
    return f"Contact: {own}" if needed or random.random() < 0.2 else ""


def _body(random: Random, host: str, outward: bool) -> tuple[bytes, str]:
    """None, or text, SDP or parts; SDP of a client names where it came from, nothing (a hold), or is ICE's business."""
    kind = random.choice(("", "", "text/plain", "application/sdp", "application/sdp", "multipart/mixed;boundary=x"))
    if not kind:
        return b"", ""
    if kind == "text/plain":
        return "Größe\r\nc=IN IP4 10.0.0.1\r\n".encode(), kind
    version = "IP6" if ":" in host else "IP4"
    address = host.strip("[]")
    more = ""
    which = random.randrange(4)
    if outward or which == 0:
        version, address, more = (
            "IP4",
            "192.168.1.5",
            "a=ice-ufrag:x\r\na=candidate:1 1 udp 1 192.168.1.5 9 typ host\r\n",
        )
    elif which == 1:
        version, address = "IP4", "0.0.0.0"
    elif which == 2:
        address = "8.8.8.8" if version == "IP4" else "2a00::8"
    where = f"IN {version} {address}\r\n"
    text = f"v=0\r\no=- 1 1 {where}s=-\r\nc={where}t=0 0\r\nm=audio 9 RTP/AVP 0\r\n{more}"
    if kind.startswith("multipart"):
        text = f"--x\r\nContent-Type: application/sdp\r\n\r\n{text.replace(address, '10.0.0.1')}\r\n--x--\r\n"
    return text.encode(), kind


def _spelled(random: Random, line: str) -> str:
    """A header line as somebody may write it: compact, in capitals, with spaces, folded."""
    name, colon, value = line.partition(": ")
    if " SIP/2.0" in line or line.startswith("SIP/2.0") or not colon:
        return line
    name = random.choice((name, name, name, COMPACT.get(name, name), name.upper(), name.lower()))
    return name + random.choice((": ", ": ", ":", " :  ", ":\r\n ", ":\t")) + value
