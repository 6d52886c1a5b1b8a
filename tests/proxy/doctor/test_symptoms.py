"""Defects that only several messages show, and silence where nothing is certain."""

from __future__ import annotations

import pytest

from proxy.doctor.symptoms import AUTH_LOOP, NO_ANSWER, WRONG_USER
from tests.proxy.doctor.traffic import ALICE, SERVER, answer, clean_call, invite, names, register, report_on
from tests.support.captures import udp

OPTIONS = b"OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 93.184.216.1;branch=z9hG4bKo%d\r\nCSeq: 1 OPTIONS\r\n\r\n"
VIA = "SIP/2.0/UDP 93.184.216.34;branch=z9hG4bK9"


def found(report):
    return {name for party in report.ill for name in party.findings}


def symptom(packets, **options):
    return found(report_on(packets, **options)) & {AUTH_LOOP, NO_ANSWER, WRONG_USER}


def test_request_repeated_without_any_answer():
    asked = udp(ALICE, SERVER, invite(Call_ID="c9", Via=VIA))
    assert symptom([*clean_call(), *[asked] * 7, *clean_call()], step=5.0) == {NO_ANSWER}


@pytest.mark.parametrize("case", ["the capture ends", "no answers in it", "sent once", "provisional", "answered"])
def test_silence_that_proves_nothing(case):
    asked = udp(ALICE, SERVER, invite(Call_ID="c9", Via=VIA))
    status = 180 if case == "provisional" else 486
    ringing = udp(SERVER, ALICE, answer(status, "INVITE", Contact="<sip:b@93.184.216.1:5060>", Via=VIA))
    packets = {
        "the capture ends": [*clean_call(), asked, asked],
        "no answers in it": [asked, asked, *[udp(ALICE, SERVER, register())] * 10],
        "sent once": [*clean_call(), asked, *clean_call()],
        "provisional": [asked, asked, ringing, *clean_call()],
        "answered": [asked, asked, ringing, *clean_call()],
    }[case]
    assert symptom(packets, step=5.0) == set()


def test_credentials_that_are_refused_again_and_again():
    packets = []
    for number in range(1, 5):
        headers = {"CSeq": f"{number} REGISTER", "Via": f"SIP/2.0/UDP 93.184.216.34:5060;branch=z9hG4bK{number}"}
        credentials = {} if number == 1 else {"Authorization": 'Digest username="alice"'}
        packets.append(udp(ALICE, SERVER, register(**headers, **credentials)))
        packets += [udp(SERVER, ALICE, answer(401, "REGISTER", **headers))] * 2
        if number == 3:
            assert symptom(packets) == set()
    report = report_on(packets)
    assert names(report)["Phone/1.0"] == [AUTH_LOOP]
    assert "REGISTER with credentials is answered 401 every time" in report.ill[0].sorted[0].example.reason


@pytest.mark.parametrize(("user", "expected"), [("bob", set()), ("0x55aa", {WRONG_USER})])
def test_call_for_a_user_that_the_client_never_was(user, expected):
    """SIP.js issue 1091: the server calls a Contact that it made up."""
    via = "SIP/2.0/UDP 93.184.216.1:5060;branch=z9hG4bKs"
    call = invite(Via=via, Contact="<sip:x@93.184.216.1:5060>")
    call = call.replace(b"sip:bob@example.com SIP", b"sip:%b@x SIP" % user.encode())
    packets = [
        udp(ALICE, SERVER, register(To="<sip:bob@example.com>", Contact="<sip:r4nd@93.184.216.34:5060>")),
        udp(SERVER, ALICE, call),
        udp(ALICE, SERVER, answer(404, "INVITE", Via=via, Server="Phone/1.0")),
    ]
    assert symptom(packets) == expected


def test_what_is_remembered_is_bounded():
    """A scan: requests without end and without answers."""
    packets = [udp(SERVER, ALICE, OPTIONS % number) for number in range(5000)]
    assert symptom(packets) == set()
