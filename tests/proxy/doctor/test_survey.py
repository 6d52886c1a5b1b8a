"""Who is the server of a capture, and what is its domain."""

from __future__ import annotations

import pytest

from proxy.capture.captured import Captured
from proxy.doctor.survey import Survey, named_servers
from proxy.flow import UDP
from tests.proxy.doctor.traffic import ALICE, BOB, SERVER, answer, invite, register


def survey(*messages):
    found = Survey()
    for source, destination, octets in messages:
        found.take(Captured(octets, source, destination, UDP, 1, 0.0))
    return found


def test_server_is_who_gets_the_registrations():
    found = survey((SERVER, ALICE, invite()), (SERVER, BOB, invite()), (ALICE, SERVER, register()))
    servers = found.servers()
    assert servers.names == ["93.184.216.1:5060"]
    assert servers.guessed
    assert servers.has((SERVER[0], 40_000)), "by TCP it sends from any port"
    assert servers.has(None), "who writes a log is a server"
    assert not servers.has(ALICE)


def test_machine_that_is_both_is_a_server_by_its_port():
    here, there = ("127.0.0.1", 5060), ("127.0.0.1", 5070)
    servers = survey((there, here, register())).servers()
    assert servers.has(here)
    assert not servers.has(there)


def test_without_registrations_a_pbx_by_its_own_word_goes_before_others():
    calls = [(SERVER, ALICE, invite(User_Agent="FPBX-16")), (SERVER, ALICE, invite(User_Agent="FPBX-16"))]
    calls.append((ALICE, SERVER, invite()))
    assert survey(*calls).servers().has(SERVER)
    assert not survey(*calls).servers().has(ALICE)
    assert survey((ALICE, SERVER, invite())).servers().has(SERVER)


def test_nothing_known_is_said():
    assert not survey((SERVER, ALICE, answer(200, "INVITE")), (ALICE, SERVER, b"junk")).servers().known
    assert survey().domain() == ""


def test_domain_is_that_of_most_registrations():
    odd = register(To="<sip:alice@other.example>")
    usual = (ALICE, SERVER, register())
    assert survey(usual, usual, (BOB, SERVER, odd)).domain() == "example.com"
    assert survey((ALICE, SERVER, invite(From="<sip:alice@Callers.example>;tag=1"))).domain() == "callers.example"
    assert survey((ALICE, SERVER, invite(From="broken <"))).domain() == ""


@pytest.mark.parametrize(
    ("word", "end"),
    [
        ("192.0.2.1", ("192.0.2.1", 9)),
        ("192.0.2.1:5060", ("192.0.2.1", 5060)),
        ("[2001:db8::1]:5060", ("2001:db8::1", 5060)),
        ("2001:db8::1", ("2001:db8::1", 9)),
    ],
)
def test_servers_can_be_named(word, end):
    servers = named_servers((word,))
    assert servers.has(end)
    assert not servers.has(("192.0.2.2", 5060))
    assert not servers.guessed


def test_first_server_is_one_at_the_usual_port():
    assert named_servers(("192.0.2.9:5080", "192.0.2.10:5060")).first == ("192.0.2.10", 5060)
    assert named_servers(("192.0.2.9",)).first is None
