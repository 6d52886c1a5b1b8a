"""An INVITE that needs no repair, and variants of it, for the tests of dry runs."""

from __future__ import annotations

from proxy.capture.plain import read_octets

INVITE = """\
INVITE sip:bob@example.com SIP/2.0
Via: SIP/2.0/UDP 192.0.2.77:5062;branch=z9hG4bK1;rport
Max-Forwards: 70
From: <sip:alice@Example.com>;tag=1
To: <sip:bob@example.net>
Call-ID: c1
CSeq: 1 INVITE
Contact: <sip:alice@93.184.216.34:5062>
Content-Length: 0

"""


def message(text=INVITE, **changed):
    for name, value in changed.items():
        header = name.replace("_", "-") + ": "
        lines = text.split("\n")
        index = next((i for i, line in enumerate(lines) if line.startswith(header)), None)
        if index is None:
            lines.insert(-2, header + value)
        else:
            lines[index : index + 1] = [] if value is None else [header + value]
        text = "\n".join(lines)
    return read_octets(text.encode())
