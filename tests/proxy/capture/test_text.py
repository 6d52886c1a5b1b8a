"""Logs and dumps as their programs write them."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.capture.captured import LONG_LINES, Tally
from proxy.capture.text import read_text
from proxy.flow import TCP, UDP, WS

REGISTER = """\
REGISTER sip:pbx.example.com SIP/2.0
Via: SIP/2.0/UDP 192.168.1.9:5060;branch=z9hG4bK1
Call-ID: c1
CSeq: 1 REGISTER
Content-Length: 0

"""
INVITE = """\
INVITE sip:bob@pbx.example.com SIP/2.0
Via: SIP/2.0/TCP 192.168.1.9:5060;branch=z9hG4bK1
Call-ID: c1
CSeq: 1 INVITE
Content-Length: 10

v=0
s=-
"""
PHONE = ("192.168.1.9", 5060)
SERVER = ("10.0.0.5", 5060)


def wire(text):
    return text.replace("\n", "\r\n").encode()


def read(text):
    tally = Tally()
    octets = text.encode() if isinstance(text, str) else text
    return [message for message in read_text(io.BytesIO(octets), tally) if message is not None], tally


ASTERISK = f"""\
[Nov 15 11:17:09] VERB[1] x.c: <--- Received SIP request ({len(wire(REGISTER))} bytes) from UDP:192.168.1.9:5060 --->
{REGISTER}
[Nov 15 11:17:09] VERB[1] x.c: <--- Transmitting SIP request ({len(wire(INVITE))} bytes) to WS:192.168.1.9:5060 --->
{INVITE}
  == Setting global variable 'SIPDOMAIN' to 'pbx.example.com'
[Nov 15 11:17:09] NOTICE[99]: something else entirely
    -- Executing [bob@from-internal:1] Dial("PJSIP/alice", "PJSIP/bob") in new stack
<--- Received SIP request (77 bytes) from UDP:[2001:db8::9]:5060 --->
OPTIONS sip:pbx SIP/2.0
Call-ID: c2

"""


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_log_of_asterisk(ends):
    """The writer of the log does not name itself."""
    found, tally = read(ASTERISK.replace("\n", ends))
    assert [(m.octets, m.source, m.destination, m.transport) for m in found] == [
        (wire(REGISTER), PHONE, None, UDP),
        (wire(INVITE), None, PHONE, WS),
        (b"OPTIONS sip:pbx SIP/2.0\r\nCall-ID: c2\r\n\r\n", ("2001:db8::9", 5060), None, UDP),
    ]
    assert found[0].number == 1
    assert not tally.lost
    assert tally.packets == len(ASTERISK.split("\n")) - 1


def test_log_of_chan_sip():
    text = f"""\
<--- SIP read from UDP:192.168.1.9:5060 --->
{INVITE}
<------------->
--- (5 headers 2 lines) ---
Sending to 192.168.1.9:5060 (NAT)

<--- Reliably Transmitting (no NAT) to 192.168.1.9:5060 --->
garbage
Retransmitting #3 (NAT) to 192.168.1.9:5060:
{REGISTER}

---
"""
    found, _ = read(text)
    assert [(m.octets, m.source, m.destination) for m in found] == [
        (wire(INVITE), PHONE, None),
        (wire(REGISTER), None, PHONE),
    ]


def test_dump_of_kamailio():
    entry = """\
====================
tag: rcv
pid: 22
process: 3
time: 1605000000.123456
date: Tue Nov 10 11:17:09 2020
proto: tcp ipv4
srcip: 192.168.1.9
srcport: 5060
dstip: 10.0.0.5
dstport: 5060
~~~~~~~~~~~~~~~~~~~~
"""
    text = (entry.encode() + wire(INVITE) + b"||||||||||||||||||||\n") * 2
    found, _ = read(text)
    assert [(m.octets, m.source, m.destination, m.transport) for m in found] == [
        (wire(INVITE), PHONE, SERVER, TCP),
        (wire(INVITE), PHONE, SERVER, TCP),
    ]
    found, _ = read(entry.replace("srcport: 5060", "srcport: many").encode() + wire(INVITE))
    assert found[0].source is None


def test_text_of_sngrep():
    text = f"""\
2023/02/01 12:00:00.123456 192.168.1.9:5060 -> 10.0.0.5:5060
{INVITE}

2023/02/01 12:00:00.223456 10.0.0.5:5060 -> 192.168.1.9:5060
{REGISTER}

"""
    found, _ = read(text)
    assert [(m.octets, m.source, m.destination, m.transport) for m in found] == [
        (wire(INVITE), PHONE, SERVER, TCP),
        (wire(REGISTER), SERVER, PHONE, UDP),
    ]


def test_text_of_ngrep():
    """`ngrep -W byline`: a CR is shown as a point."""
    text = "interface: any\nfilter: port 5060\n####\n"
    text += "U 2023/02/01 12:00:00.123456 192.168.1.9:5060 -> 10.0.0.5:5060 #5\n"
    text += INVITE.replace("\n", ".\n") + "\n#\n"
    text += "T 192.168.1.9:5060 -> 10.0.0.5:5060 [AP] #6\n" + REGISTER.replace("\n", ".\n") + "\n##exit\n"
    found, _ = read(text)
    assert [(m.octets, m.source) for m in found] == [(wire(INVITE), PHONE), (wire(REGISTER), PHONE)]


def test_announced_octets_that_are_no_sip_are_nothing():
    assert read("2023/02/01 12:00:00.1 1.1.1.1:5 -> 2.2.2.2:6\nhello\n")[0] == []
    assert read("<--- Received SIP request (5 bytes) from UDP:x:99999 --->\n\n\n")[0] == []
    assert read("")[0] == []


def test_message_without_end_is_bounded():
    """A log in which nothing ends a message must not be kept as one."""
    line = "<--- Received SIP request (5 bytes) from UDP:192.168.1.9:5060 --->\n".replace("5 b", "999999 b")
    found, tally = read(line + "INVITE sip:a SIP/2.0\n" + "X: y\n" * 100_000)
    assert found == []
    assert tally.lost == {LONG_LINES: 1}
    assert read(b"x" * 1_000_000)[0] == []


ODD = [b"=" * 20, b"~" * 20, b"|" * 20, b"\0\xff", b"a -> b"]


@given(st.lists(st.sampled_from([*ASTERISK.encode().split(b"\n"), *ODD])))
def test_no_order_of_lines_crashes_it(lines):
    read(b"\n".join(lines))


@given(st.binary(max_size=300))
def test_no_octets_crash_it(octets):
    read(octets)
