"""`sipmend explain` and `sipmend doctor` as they are called: files, options, output, exit codes."""

from __future__ import annotations

import io
import json

import click
import pytest
from click.testing import CliRunner
from rich.console import Console

from proxy import dry_commands
from proxy.cli import cli
from proxy.config.model import Config
from proxy.dry_commands import dry_setting
from tests.proxy.doctor.traffic import ALICE, SERVER, answer, clean_call, invite, message, register
from tests.support.captures import pcap, pcapng, udp

LOG = b"<--- Received SIP request (%d bytes) from UDP:93.184.216.34:5060 --->\n%b\n"
CONFIG = """\
server: {domain: example.com, uri: "sip:127.0.0.1:5090"}
listen: [udp://127.0.0.1:5060]
repair: {maxfwd-missing: off}
profiles:
  - {name: phones, match: {user_agent: Phone}, repair: {contact-missing-request: off, maxfwd-missing: repair}}
"""


def call(*arguments, stdin=None):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], input=stdin)


@pytest.fixture
def file(tmp_path):
    def write(octets, name="a.pcap"):
        path = tmp_path / name
        path.write_bytes(octets.encode() if isinstance(octets, str) else octets)
        return path

    return write


BROKEN = [
    udp(ALICE, SERVER, invite(Contact=None)),
    udp(SERVER, ALICE, answer(200, "INVITE", Contact="<sip:b@93.184.216.1>")),
]


class TestDoctor:
    @pytest.mark.parametrize("write", [pcap, pcapng])
    @pytest.mark.parametrize(("packets", "code"), [(clean_call(), 0), (BROKEN, 1), ([], 2)])
    def test_exit_code_tells_what_was_found(self, file, packets, code, write):
        shown = call("doctor", file(write(packets)))
        assert shown.exit_code == code
        assert bool(shown.stderr) is (code == 2)

    @pytest.mark.parametrize(
        ("octets", "why"),
        [
            (b"hello\n", "holds no SIP message"),
            (b"", "holds no SIP message"),
            (b"\x1f\x8b\x08", "gunzip"),
            (pcap([])[:20], "in the middle of the header of the file"),
            (pcap([udp(ALICE, SERVER, invite())], snap=100), "the beginning only"),
        ],
    )
    def test_what_cannot_be_read_says_why(self, file, octets, why):
        shown = call("doctor", file(octets))
        assert (shown.exit_code, shown.stdout) == (2, "")
        assert why in shown.stderr

    def test_damaged_file_is_reported_as_far_as_it_goes(self, file):
        shown = call("doctor", file(pcap(BROKEN)[:-5]))
        assert shown.exit_code == 1
        assert "stopped: the file ends at byte" in shown.stdout

    def test_standard_input_is_a_dash(self):
        assert call("doctor", "-", stdin=pcap(BROKEN)).exit_code == 1

    def test_file_that_is_not_there(self, tmp_path):
        shown = call("doctor", tmp_path / "none")
        assert shown.exit_code == 2
        assert "none: cannot be read: No such file" in shown.stderr

    def test_page_is_written(self, file, tmp_path):
        page = tmp_path / "report.html"
        assert call("doctor", file(pcap(BROKEN)), "--html", page).exit_code == 1
        assert "contact-missing-request: repair" in page.read_text()
        shown = call("doctor", file(pcap(BROKEN)), "--html", tmp_path / "no" / "where.html")
        assert shown.exit_code == 2
        assert "where.html: cannot be written: No such file" in shown.stderr

    def test_json_is_one_object(self, file):
        found = json.loads(call("doctor", "--json", file(pcap(BROKEN))).stdout)
        assert [client["name"] for client in found["clients"]] == ["Phone/1.0"]

    def test_server_and_domain_can_be_named(self, file):
        shown = call("doctor", file(pcap(BROKEN)), "--server", "93.184.216.34", "--domain", "example.com")
        assert "Asterisk PBX 20  client" in shown.stdout or shown.exit_code == 0
        assert "a guess" not in shown.stdout

    def test_settings_of_a_file_are_used(self, file):
        config = file(CONFIG, "sipmend.yaml")
        packets = [udp(ALICE, SERVER, message("BYE sip:x SIP/2.0", Max_Forwards=None, User_Agent="Acme"))]
        assert call("doctor", file(pcap(packets))).exit_code == 1
        assert call("doctor", "-c", config, file(pcap(packets))).exit_code == 0

    def test_the_profile_of_a_client_is_chosen_and_named(self, file):
        """It names itself in its first message only; sipmend remembers that for its flow."""
        config = file(CONFIG, "sipmend.yaml")
        first = message("OPTIONS sip:x SIP/2.0", User_Agent="Phone/1.0")
        second = message("BYE sip:x SIP/2.0", Max_Forwards=None, User_Agent=None)
        found = json.loads(
            call(
                "doctor", "--json", "-c", config, file(pcap([udp(ALICE, SERVER, one) for one in (first, second)]))
            ).stdout
        )
        (client,) = found["clients"]
        assert (client["profile"], client["user_agent"]) == ("phones", "Phone/1.0")
        assert [(one["name"], one["mended"]) for one in client["findings"]] == [("maxfwd-missing", True)]
        assert (
            "Phone/1.0  client, profile phones, "
            in call("doctor", "-c", config, file(pcap([udp(ALICE, SERVER, one) for one in (first, second)]))).stdout
        )

    def test_bar_is_shown_where_somebody_looks(self, monkeypatch):
        screen = io.StringIO()
        monkeypatch.setattr(dry_commands, "Console", lambda **_: Console(file=screen, force_terminal=True))
        with dry_commands._progress(io.BytesIO(bytes(100))) as progress:
            progress(200)
        assert "reading" in screen.getvalue()


class TestExplain:
    def test_every_message_of_a_capture_is_explained_with_its_real_source(self, file):
        shown = call("explain", file(pcap([udp(ALICE, SERVER, register(Contact="<sip:alice@192.168.1.9>")), *BROKEN])))
        assert shown.exit_code == 1
        assert "a.pcap no. 1, from udp:93.184.216.34:5060\n" in shown.stdout
        assert "contact-private (Contact)" in shown.stdout
        assert "no. 2, from" in shown.stdout
        assert "no. 3, from udp:93.184.216.1:5060\n" in shown.stdout

    def test_log_is_explained(self, file):
        octets = invite(Contact=None)
        shown = call("explain", "--json", file(LOG % (len(octets), octets), "full.log"))
        (line,) = shown.stdout.splitlines()
        assert [repair["rule"] for repair in json.loads(line)["repairs"]] == ["contact-missing-request"]

    def test_capture_without_sip_is_not_readable(self, file):
        shown = call("explain", file(pcap([udp(ALICE, SERVER, b"rtp")])))
        assert shown.exit_code == 2
        assert "holds no SIP message" in shown.stderr
        assert "stopped" in call("explain", file(pcap(BROKEN)[:-5])).stderr

    def test_messages_that_are_broken_do_not_stop_the_others(self, file):
        shown = call("explain", file(pcap([udp(ALICE, SERVER, b"SIP/2.0 9 x\r\n\r\n"), *BROKEN])))
        assert shown.exit_code == 2
        assert "not a SIP message" in shown.stderr
        assert "contact-missing-request" in shown.stdout

    def test_way_of_a_single_message_is_shown(self, file):
        path = file(invite(Contact=None), "invite.txt")
        shown = call("explain", path).stdout
        assert "client -> sipmend -> server\n" in shown
        assert "server -> sipmend -> client\n" in shown
        assert "\n+Record-Route: " in shown
        assert "-> sipmend ->" not in call("explain", "--no-way", path).stdout
        assert "-> sipmend ->" not in call("explain", file(pcap(BROKEN))).stdout
        assert "-> sipmend ->" in call("explain", "--way", file(pcap(BROKEN))).stdout

    def test_request_that_is_answered_at_once_shows_the_answer(self, file):
        shown = call("explain", file(invite(Max_Forwards="0"), "invite.txt")).stdout
        assert "sipmend answers the client itself\nSIP/2.0 483 " in shown

    def test_way_in_json(self, file):
        path = file(invite(Contact=None), "invite.txt")
        assert "way" not in json.loads(call("explain", "--json", path).stdout)
        way = json.loads(call("explain", "--json", "--way", path).stdout)["way"]
        assert [(step["from"], step["to"]) for step in way] == [
            ("client", "sipmend"),
            ("sipmend", "server"),
            ("server", "sipmend"),
            ("sipmend", "client"),
        ]

    def test_only_the_rules_asked_for(self, file):
        path = file(invite(Contact=None, Max_Forwards=None), "invite.txt")
        shown = call("explain", "--rule", "maxfwd-missing", path)
        assert shown.exit_code == 1
        assert "maxfwd-missing (" in shown.stdout
        assert "contact-missing-request (" not in shown.stdout
        shown = call("explain", "--rule", "maxfwd-mising", path)
        assert shown.exit_code == 2
        assert "there is no rule 'maxfwd-mising'" in shown.stderr

    def test_profile_decides(self, file):
        """That which fits the client; `--profile` names another."""
        profiles = CONFIG + "  - {name: others}\n"
        config, path = file(profiles, "sipmend.yaml"), file(invite(Contact=None, Max_Forwards=None), "invite.txt")
        shown = call("explain", "-c", config, "--profile", "others", "--no-way", path).stdout
        assert "contact-missing-request (" in shown
        assert "maxfwd-missing (" not in shown
        assert ", profile others\n" in shown
        shown = call("explain", "-c", config, "--no-way", path).stdout
        assert "contact-missing-request (" not in shown
        assert "maxfwd-missing (" in shown
        assert ", profile phones\n" in shown
        shown = call("explain", "-c", config, "--profile", "phone", path)
        assert shown.exit_code == 2
        assert "there is no profile 'phone'; there are: phones" in shown.stderr
        assert (
            "there is no profile 'phones'; there are: SIP.js, JsSIP"
            in call("explain", "--profile", "phones", path).stderr
        )

    def test_shipped_profiles_are_there_without_a_file(self, file):
        path = file(register(Contact="<sip:x@198.51.100.7>;expires=600", User_Agent="JsSIP 3.10.1"), "register.txt")
        shown = call("explain", path).stdout
        assert ", profile JsSIP\n" in shown
        assert "expires=120" in shown  # on the way to the server
        assert "expires=120" not in call("explain", "--profile", "SIP.js", "--rule", "maxfwd-missing", path).stdout

    def test_what_is_no_plain_file_is_refused(self, monkeypatch, tmp_path):
        shown = call("explain", tmp_path)
        assert shown.exit_code == 2
        assert "cannot be read" in shown.stderr


def test_setting_without_a_file_has_the_defaults():
    assert dry_setting(None, None, ()).core is None
    config = Config.model_validate(
        {"server": {"domain": "x.example", "uri": "sip:127.0.0.1"}, "listen": ["udp://127.0.0.1:1"]}
    )
    assert dry_setting(config, "SIP.js", ("maxfwd-missing",)).modes["maxfwd-missing"] == "repair"
    with pytest.raises(click.BadParameter, match="no profile"):
        dry_setting(config, "nobody", ())
