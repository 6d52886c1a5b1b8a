"""`sipmend rules --for`: the profile and the rules of a message, and of every client of a capture."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from proxy.cli import cli
from tests.proxy.doctor.traffic import ALICE, SERVER, invite, register
from tests.proxy.test_dry_commands import CONFIG
from tests.support.captures import pcap, udp


def call(*arguments):
    return CliRunner().invoke(cli, ["rules", *(str(argument) for argument in arguments)])


@pytest.fixture
def file(tmp_path):
    def write(octets, name="a.pcap"):
        path = tmp_path / name
        path.write_bytes(octets if isinstance(octets, bytes) else octets.encode())
        return path

    return write


def test_a_message_with_a_shipped_profile(file):
    path = file(register(Contact="<sip:x@198.51.100.7>;expires=600", User_Agent="JsSIP 3.10.1"), "register.txt")
    shown = call("--for", path)
    assert shown.exit_code == 0
    lines = shown.output.splitlines()
    assert lines[0].endswith("(a guess): a request on its way to the server")
    assert lines[1] == "profile JsSIP (rport auto, expires_max 2m)"
    assert lines[-1].endswith(" more rules are on, and cannot concern such a message")


def test_modes_are_those_of_the_profile_and_findings_have_their_reasons(file):
    path = file(invite(Contact=None, Max_Forwards=None, User_Agent="Phone/1"), "invite.txt")
    config = file(CONFIG, "sipmend.yaml")
    found = json.loads(call("-c", config, "--for", path, "--json").output)
    rules = {one["name"]: one for one in found["rules"]}
    assert found["profile"] == "phones"
    assert rules["maxfwd-missing"]["mode"] == "repair"
    assert rules["maxfwd-missing"]["found"].startswith("Max-Forwards is missing")
    assert "contact-missing-request" not in rules  # the profile turns it off
    others = json.loads(call("-c", config, "--for", path, "--profile", "SIP.js", "--json").output)
    assert others["profile"] == "SIP.js"
    assert {one["name"]: one["mode"] for one in others["rules"]}["contact-missing-request"] == "repair"


def test_a_rule_that_finds_nothing_says_what_it_looks_for(file):
    path = file(invite(Contact="<sip:alice@192.168.1.9>", Max_Forwards="1000"), "invite.txt")
    rows = [line.split(maxsplit=2) for line in call("--for", path).output.splitlines()[2:-1]]
    said = {row[1]: (row[0], row[2]) for row in rows}
    assert said["contact-private"][0] == "repair"
    assert said["contact-private"][1].startswith("found: ")
    assert said["maxfwd-high"] == ("report", said["maxfwd-high"][1])
    quiet = [text for _, text in said.values() if not text.startswith("found: ")]
    assert all(text.endswith(".") for text in quiet)


def test_each_client_of_a_capture_once(file):
    packets = [
        udp(ALICE, SERVER, register(User_Agent="JsSIP 3.10.1")),
        udp(ALICE, SERVER, register(User_Agent="JsSIP 3.10.1", Call_ID="again")),
        udp(("93.184.216.99", 5060), SERVER, register(User_Agent="Home made/1.0")),
    ]
    lines = call("--for", file(pcap(packets))).output.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("JsSIP 3.10.1, from udp:")
    assert lines[0].endswith("profile JsSIP (rport auto, expires_max 2m)")
    assert lines[1].endswith("no profile")


@pytest.mark.parametrize(
    ("octets", "told"), [(b"hello\n", "holds no SIP message"), (b"", "holds no SIP message"), (None, "cannot be read")]
)
def test_what_is_no_sip_is_refused(file, tmp_path, octets, told):
    path = tmp_path / "gone.txt" if octets is None else file(octets, "x.txt")
    shown = call("--for", path)
    assert (shown.exit_code, told in shown.output) == (2, True)


def test_an_unknown_profile_is_told(file):
    shown = call("--for", file(register(), "register.txt"), "--profile", "JsSPI")
    assert shown.exit_code == 2
    assert "there is no profile 'JsSPI'" in shown.output
