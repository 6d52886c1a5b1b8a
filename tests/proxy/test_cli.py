"""The commands as a shell sees them: output, standard error, exit code."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from plugins import ORDER
from proxy.cli import LISTED, cli
from tests.support.stun_server import StunServer

INVITE = """\
INVITE sip:bob@example.com SIP/2.0
Via: SIP/2.0/UDP 93.184.216.34:5060;branch=z9hG4bK1;rport
Max-Forwards: 70
From: <sip:alice@example.com>;tag=1
To: <sip:bob@example.net>
Call-ID: c1
CSeq: 1 INVITE
Contact: <sip:alice@93.184.216.34>
Content-Length: 0

"""
BROKEN = INVITE.replace("Contact: <sip:alice@93.184.216.34>\n", "")


def call(*arguments, stdin=None):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], input=stdin)


def free_ports(count):
    """Ports of loopback that were free a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    for sock in sockets:
        sock.bind(("127.0.0.1", 0))
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


@pytest.fixture
def config(tmp_path):
    """A file that is right, on ports that are free."""
    client, server, bind, admin = free_ports(4)
    path = tmp_path / "sipmend.yaml"
    path.write_text(f"""\
server:
  domain: example.com
  uri: sip:127.0.0.1:{server}
  bind: udp://127.0.0.1:{bind}
listen:
  - udp://127.0.0.1:{client}
admin:
  listen: 127.0.0.1:{admin}
token_key: {tmp_path}/token.key
""")
    return path


class TestGroup:
    def test_commands_are_those_of_this_version(self):
        assert sorted(cli.commands) == ["check", "demo", "doctor", "explain", "new-rule", "rules", "run"]

    def test_help_names_them(self):
        shown = call("--help")
        assert shown.exit_code == 0
        assert all(name in shown.output for name in cli.commands)

    def test_version_is_shown(self):
        assert re.fullmatch(r"sipmend, version \d+\.\d+\.\d+\n", call("--version").output)


class TestRules:
    def test_every_rule_has_a_line(self):
        lines = call("rules").output.splitlines()
        assert len(lines) == len(LISTED)
        for rule, line in zip(LISTED, lines, strict=True):
            assert line.split()[:2] == [rule.name, rule.default]
            assert rule.rfc in line
            assert line.endswith(rule.summary)

    def test_json_is_a_list_in_the_order_of_the_rules(self):
        found = json.loads(call("rules", "--json").output)
        assert [row["name"] for row in found] == [rule.name for rule in LISTED]
        assert all(list(row) == ["name", "default", "rfc", "summary"] for row in found)

    def test_terminal_gets_a_table(self, monkeypatch):
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("COLUMNS", "160")
        shown = call("rules").output
        assert "what it does" in shown
        assert "\x1b[" in shown
        assert ORDER[0].name in shown


class TestExplain:
    @pytest.fixture
    def files(self, tmp_path):
        paths = {}
        texts = {"sound": INVITE, "broken": BROKEN, "junk": "hello\n", "short": "INVITE sip:x SIP/2.0\n"}
        for name, text in texts.items():
            paths[name] = tmp_path / f"{name}.txt"
            paths[name].write_text(text)
        return paths

    @pytest.mark.parametrize(("name", "code"), [("sound", 0), ("broken", 1), ("junk", 2), ("short", 2)])
    def test_exit_code_tells_what_was_found(self, files, name, code):
        shown = call("explain", files[name])
        assert shown.exit_code == code
        assert ("not a" in shown.stderr) is (code == 2)
        assert bool(shown.stdout) is (code != 2)

    def test_worst_of_several_counts(self, files):
        assert call("explain", files["sound"], files["broken"]).exit_code == 1
        assert call("explain", files["broken"], files["junk"], files["sound"]).exit_code == 2

    def test_diff_and_reason_are_shown(self, files):
        shown = call("explain", files["broken"]).stdout
        assert "\n+Contact: <sip:alice@192.0.2.1:5070" in shown
        assert "contact-missing-request (Contact): " in shown
        assert "RFC 3261 section 8.1.1.8" in shown

    def test_standard_input_is_a_dash(self):
        assert call("explain", "-", stdin=BROKEN).exit_code == 1
        assert call("explain", "-", stdin=INVITE.replace("\n", "\r\n")).exit_code == 0

    def test_json_is_one_object_per_message_and_line(self, files):
        lines = call("explain", "--json", files["sound"], files["broken"]).stdout.splitlines()
        sound, broken = (json.loads(line) for line in lines)
        assert sound == {"repairs": [], "message": INVITE.replace("\n", "\r\n"), "profile": None}
        assert [repair["rule"] for repair in broken["repairs"]] == ["contact-missing-request"]

    def test_source_decides(self, files):
        """The Contact names another port than the message came from."""
        shown = call("explain", "--from", "udp:93.184.216.34:4711", files["sound"])
        assert shown.exit_code == 1
        assert "93.184.216.34:4711" in shown.stdout

    @pytest.mark.parametrize("word", ["192.0.2.7", "udp:phone:5060", "udp:192.0.2.7"])
    def test_wrong_source_is_a_usage_error(self, files, word):
        shown = call("explain", "--from", word, files["sound"])
        assert shown.exit_code == 2
        assert "--from" in shown.stderr

    def test_file_that_is_not_there(self, tmp_path):
        shown = call("explain", tmp_path / "none")
        assert shown.exit_code == 2
        assert "none: cannot be read: No such file" in shown.stderr

    def test_settings_of_a_file_are_used(self, files, config):
        shown = call("explain", "-c", config, files["broken"])
        bind = re.search(r"bind: udp://(.*)", config.read_text())[1]
        assert f"+Contact: <sip:alice@{bind};transport=udp;b=" in shown.stdout
        assert "stands for sipmend" not in shown.stdout
        config.write_text(config.read_text() + "repair:\n  contact-missing: off\n")
        assert call("explain", "-c", config, files["broken"]).exit_code == 0

    def test_server_by_name_is_not_looked_up(self, files, config):
        config.write_text(re.sub(r"uri: .*", "uri: sip:pbx.invalid", config.read_text()))
        assert call("explain", "-c", config, files["broken"]).exit_code == 1

    def test_mistakes_of_the_settings_are_named(self, files, config):
        config.write_text(config.read_text() + "limts: 3\n")
        shown = call("explain", "-c", config, files["sound"])
        assert shown.exit_code == 2
        assert "limts" in shown.stderr


class TestCheck:
    def test_right_file_prints_the_settings_in_effect(self, config):
        shown = call("check", "-c", config)
        assert (shown.exit_code, shown.stderr) == (0, "")
        assert "domain: example.com" in shown.stdout
        assert "t1: 500ms" in shown.stdout, "defaults are settings too"

    def test_every_mistake_is_named_at_once_with_its_place(self, config):
        text = config.read_text().replace("domain:", "domian:")
        config.write_text(text + "repair:\n  maxfwd-mising: off\n  contact-missing: sometimes\nlimts: 3\n")
        shown = call("check", "-c", config)
        assert shown.exit_code == 2
        assert shown.stdout == ""
        lines = shown.stderr.splitlines()
        assert all(re.match(rf"{re.escape(str(config))}:\d+:\d+: [\w.-]+: ", line) for line in lines)
        for place, key, hint in (
            ("2:3", "server.domian", "did you mean domain"),
            ("11:3", "repair.maxfwd-mising", "did you mean maxfwd-missing"),
            ("12:20", "repair.contact-missing", "off, report or repair"),
            ("13:1", "limts", "did you mean limits"),
        ):
            assert any(f":{place}: {key}: " in line and hint in line for line in lines), (key, lines)

    def test_setting_that_a_rule_does_not_have(self, config):
        config.write_text(config.read_text() + "repair:\n  contact-missing-request: {mode: repair, hots: own}\n")
        shown = call("check", "-c", config)
        assert shown.exit_code == 2
        assert "repair.contact-missing-request.hots: " in shown.stderr

    def test_address_that_is_not_ours_is_a_mistake(self, config):
        config.write_text(re.sub(r"- udp://.*", "- udp://192.0.2.99:5060", config.read_text()))
        shown = call("check", "-c", config)
        assert shown.exit_code == 2
        assert "192.0.2.99 is not an address of this machine" in shown.stderr

    def test_port_in_use_is_a_hint_only(self, config):
        """`systemctl reload` checks the file while sipmend itself holds the ports."""
        port = int(re.search(r"listen:\n  - udp://127.0.0.1:(\d+)", config.read_text())[1])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", port))
            shown = call("check", "-c", config)
        assert shown.exit_code == 0
        assert "is in use" in shown.stderr

    def test_what_the_stun_server_says_is_told(self, config):
        server = StunServer()
        server.shown = ("203.0.113.9", 40000)
        try:
            config.write_text(config.read_text() + f"public_address: {server.uri}\n")
            shown = call("check", "-c", config)
            assert shown.exit_code == 0
            said = f"public_address: the STUN server 127.0.0.1:{server.port} sees this machine at 203.0.113.9"
            assert said in shown.stderr
        finally:
            server.close()

    def test_stun_server_that_refuses_is_a_mistake(self, config):
        server = StunServer()
        server.error = (500, "Server Error")
        try:
            config.write_text(config.read_text() + f"public_address: {server.uri}\n")
            shown = call("check", "-c", config)
        finally:
            server.close()
        assert shown.exit_code == 2
        assert f"public_address: the STUN server 127.0.0.1:{server.port} answers 500 Server Error" in shown.stderr

    def test_file_that_is_not_there(self, tmp_path):
        shown = call("check", "-c", tmp_path / "none.yaml")
        assert shown.exit_code == 2
        assert "none.yaml:1:1: cannot be read" in shown.stderr


@pytest.mark.loopback
class TestRun:
    @pytest.fixture
    def start(self):
        started = []

        def begin(path):
            command = [sys.executable, "-m", "proxy", "run", "-c", str(path)]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            started.append(process)
            return process

        yield begin
        for process in started:
            process.kill()
            process.communicate()

    def ready(self, process):
        lines = []
        for line in process.stdout:
            lines.append(line.strip())
            if line == "ready\n":
                return lines
        raise AssertionError(f"never ready: {lines} {process.stderr.read()}")

    def test_every_listener_has_a_line_and_ready_is_the_last(self, config, start):
        lines = self.ready(start(config))
        listen = re.search(r"- (udp://.*)", config.read_text())[1]
        assert any(listen in line for line in lines)
        assert lines[-1] == "ready"

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_signal_ends_it_well(self, config, start, number):
        process = start(config)
        self.ready(process)
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 0
        assert "Traceback" not in errors

    def says(self, process, words):
        """The next line of its log with these words; others, such as that nobody is at the server, may come before."""
        for line in process.stderr:
            if words in line:
                return line
        raise AssertionError(f"it ended without saying {words!r}")

    def test_hangup_reads_the_file_again_and_survives_a_broken_one(self, config, start):
        process = start(config)
        self.ready(process)
        text = config.read_text()
        config.write_text(text.replace("domain:", "domian:"))
        process.send_signal(signal.SIGHUP)
        refused = self.says(process, "not reloaded")
        assert "domian" in refused or self.says(process, "domian")
        config.write_text(text)
        process.send_signal(signal.SIGHUP)
        assert "not reloaded" not in self.says(process, "reloaded")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        assert process.returncode == 0

    def test_port_in_use_is_one_line_and_exit_code_2(self, config, start):
        port = int(re.search(r"listen:\n  - udp://127.0.0.1:(\d+)", config.read_text())[1])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", port))
            process = start(config)
            _, errors = process.communicate(timeout=30)
        assert process.returncode == 2
        assert len(errors.splitlines()) == 1
        assert str(port) in errors

    def test_wrong_settings_are_named_and_exit_code_2(self, config, start):
        config.write_text(config.read_text() + "limts: 3\n")
        process = start(config)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 2
        assert re.fullmatch(rf"{re.escape(str(config))}:\d+:1: limts: .*\n", errors)


def test_only_main_needs_the_reactor():
    """`check`, `rules` and `explain` work without one being installed."""
    code = "import proxy.cli, sys; sys.exit('twisted.internet.reactor' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 0
