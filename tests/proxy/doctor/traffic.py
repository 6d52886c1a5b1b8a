"""SIP traffic for the tests of the doctor: sound unless something is put in, in packets of any transport."""

from __future__ import annotations

import io

from plugins import ORDER
from proxy.doctor.examine import examine
from proxy.explain import Setting
from proxy.repair.catalog import Catalog
from tests.support.captures import Connection, frame, handshake, pcap, udp

SERVER = ("93.184.216.1", 5060)
ALICE = ("93.184.216.34", 5060)
BOB = ("93.184.216.35", 5060)
SETTING = Setting(*Catalog(ORDER).choose({}))

Headers = str | None


def message(start: str, body: str = "", **headers: Headers) -> bytes:
    """A request by ALICE or an answer to it; a header of None is left out, others are added or replaced."""
    status = start.startswith("SIP/2.0")
    method = headers.pop("method", None) or (start.split(maxsplit=1)[0] if not status else "INVITE")
    names: dict[str, Headers] = {
        "Via": f"SIP/2.0/UDP 93.184.216.34:5060;branch=z9hG4bK{method}1;rport",
        "Max_Forwards": None if status else "70",
        "From": "<sip:alice@example.com>;tag=1",
        "To": "<sip:alice@example.com>" if method == "REGISTER" else "<sip:bob@example.com>",
        "Call_ID": f"{method}-1",
        "CSeq": f"1 {method}",
        "Contact": "<sip:alice@93.184.216.34:5060>" if method in ("REGISTER", "INVITE") and not status else None,
        "User_Agent": None if status else "Phone/1.0",
    }
    names.update(headers)
    lines = [start, *(f"{name.replace('_', '-')}: {value}" for name, value in names.items() if value is not None)]
    if "Content_Length" not in headers:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def answer(status: int, method: str, **headers: Headers) -> bytes:
    headers = {"Server": "Asterisk PBX 20", "To": "<sip:bob@example.com>;tag=9", **headers}
    return message(f"SIP/2.0 {status} Something", method=method, **headers)


def register(**headers: Headers) -> bytes:
    return message("REGISTER sip:example.com SIP/2.0", **headers)


def invite(**headers: Headers) -> bytes:
    return message("INVITE sip:bob@example.com SIP/2.0", **headers)


def clean_call() -> list[bytes]:
    """A registration with a challenge, and a call, by UDP: nothing is wrong with any of it."""
    contact = "<sip:alice@93.184.216.34:5060>;expires=600"
    own = "<sip:bob@93.184.216.1:5060>"
    tagged = "<sip:bob@example.com>;tag=9"
    credentials = 'Digest username="alice", realm="x", nonce="n", uri="sip:example.com", response="0123456789abcdef"'
    second = {"CSeq": "2 REGISTER", "Via": "SIP/2.0/UDP 93.184.216.34:5060;branch=z9hG4bKr2"}
    return [
        udp(ALICE, SERVER, register(Contact=contact)),
        udp(SERVER, ALICE, answer(401, "REGISTER", WWW_Authenticate='Digest realm="x", nonce="n"')),
        udp(ALICE, SERVER, register(Contact=contact, Authorization=credentials, **second)),
        udp(SERVER, ALICE, answer(200, "REGISTER", Contact=contact, **second)),
        udp(ALICE, SERVER, invite()),
        udp(SERVER, ALICE, answer(100, "INVITE", To="<sip:bob@example.com>")),
        udp(SERVER, ALICE, answer(180, "INVITE", Contact=own)),
        udp(SERVER, ALICE, answer(200, "INVITE", Contact=own)),
        udp(ALICE, SERVER, message("ACK sip:bob@93.184.216.1:5060 SIP/2.0", To=tagged, Call_ID="INVITE-1")),
        udp(ALICE, SERVER, message("BYE sip:bob@93.184.216.1:5060 SIP/2.0", To=tagged, Call_ID="INVITE-1")),
        udp(SERVER, ALICE, answer(200, "BYE", Call_ID="INVITE-1")),
    ]


def by_stream(*octets: bytes, client=("93.184.216.40", 50_112), web: bool = False) -> list[bytes]:
    """Messages of a client by TCP, or in WebSocket frames."""
    talk = Connection(client, SERVER)
    packets = talk.opens()
    if web:
        request, accepted = handshake()
        packets += talk.says(request) + talk.says(accepted, back=True)
    for one in octets:
        packets += talk.says(frame(one, True) if web else one)
    return packets


def report_on(packets, setting=SETTING, domain="", servers=None, **options):
    octets = packets if isinstance(packets, bytes) else pcap(packets, **options)
    return examine(io.BytesIO(octets), "test.pcap", setting, domain, servers)


def names(report):
    """The names of the findings, by the name of the party."""
    return {party.name: [finding.name for finding in party.sorted] for party in report.ill}
