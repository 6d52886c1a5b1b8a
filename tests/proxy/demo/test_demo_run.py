"""The whole demo as a user starts it, and what it prepares before."""

from __future__ import annotations

import io
import re
import signal
import socket
import subprocess
import sys

import pytest
from rich.console import Console

from proxy.config.load import parse_config
from proxy.demo.run import Demo, DemoFailedError, Places, configuration, find_places, free_port, own_address

pytestmark = pytest.mark.loopback


@pytest.fixture
def taken():
    """A UDP port of loopback that somebody has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@pytest.fixture
def start():
    started = []

    def begin(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "proxy", "demo", *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


class TestPlaces:
    def test_wanted_port_is_taken_if_it_is_free(self):
        port = free_port("127.0.0.1")
        assert free_port("127.0.0.1", port) == port

    def test_another_port_is_found_if_it_is_not(self, taken):
        assert free_port("127.0.0.1", taken) not in (0, taken)

    def test_address_of_another_machine_is_refused(self):
        with pytest.raises(DemoFailedError, match=r"192\.0\.2\.99 cannot be listened on"):
            free_port("192.0.2.99")

    def test_given_address_is_kept(self):
        places = find_places(("127.0.0.9", 5999))
        assert places.listen == ("127.0.0.9", 5999)
        assert places.public == "127.0.0.9"

    def test_any_address_is_known_by_ours(self):
        assert find_places(("0.0.0.0", 5999)).public == own_address() != "0.0.0.0"

    def test_ports_of_one_demo_differ(self):
        places = find_places(None)
        assert len({places.listen[1], places.server_side, places.admin, places.web}) == 4


def test_configuration_is_one_that_an_administrator_could_write(tmp_path):
    places = Places(("0.0.0.0", 5999), "127.0.0.1", 5998, 5997, 5996)
    config = parse_config(configuration(places, ("127.0.0.1", 5995), str(tmp_path)), "demo.yaml", {})
    assert str(config.server.uri) == "sip:127.0.0.1:5995"
    assert [str(item.uri) for item in config.listen] == [
        "udp://0.0.0.0:5999", "tcp://0.0.0.0:5999", "ws://0.0.0.0:5996",
    ]  # fmt: skip
    assert config.token_key == tmp_path / "token.key"


def test_all_three_clients_work_through_sipmend(start):
    """The promise of the demo: each fails alone, each works with sipmend; exit code 0."""
    process = start("--once")
    shown, errors = process.communicate(timeout=100)
    assert process.returncode == 0, shown + errors
    assert errors == ""
    assert "3 of 3 broken clients work through sipmend." in shown
    sections = re.split(r"^─+ \d\. .* ─+$", shown, flags=re.MULTILINE)[1:]
    assert len(sections) == 3
    for section in sections:
        direct, through = section.split("Through sipmend:")
        assert "FAILS" in direct
        assert "FAILS" not in through
        assert through.count("works  ") == 8
        for heading in ("REGISTER", "INVITE", "200 OK", "ACK", "BYE"):
            assert f"--- {heading}" in through
        assert re.search(r"\n {8}- .*\n {8}\+ Contact: .*;b=\w+.*\n {10}contact-[a-z-]+: .* \(RFC 3261", through)
        assert "restore-request-uri: " in through
        assert "restore-contact: " in through
    assert "400 Missing Contact" in sections[0]
    assert "(no Contact)" in sections[0]
    assert "192.168.77.7:5062 cannot be reached" in sections[1]
    assert ";received=127.0.0.1" in sections[1]
    assert "df7jal23ls0d.invalid" in sections[2]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stays_up_for_phones_until_a_signal(start, number):
    """Also with nothing on its standard input, as under `make run` in a container."""
    port = free_port("127.0.0.1")
    process = start("--listen", f"127.0.0.1:{port}")
    shown = ""
    for line in process.stdout:
        shown += line
        if "Ctrl-C" in line:
            break
    assert f"127.0.0.1:{port}, UDP or TCP" in shown
    assert re.search(r"registers at ws://127\.0\.0\.1:\d+ from a page", shown)
    assert re.search(r"user +phone\n +password +[0-9a-f]{8}\n", shown)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.bind(("127.0.0.1", 0))
        phone.settimeout(10)
        me = "{}:{}".format(*phone.getsockname())
        lines = (
            "REGISTER sip:127.0.0.1 SIP/2.0",
            f"Via: SIP/2.0/UDP {me};branch=z9hG4bK1;rport",
            "Max-Forwards: 70",
            "From: <sip:phone@127.0.0.1>;tag=1",
            "To: <sip:phone@127.0.0.1>",
            "Call-ID: 1",
            "CSeq: 1 REGISTER",
            f"Contact: <sip:phone@{me}>",
            "Content-Length: 0",
        )
        phone.sendto("\r\n".join([*lines, "", ""]).encode(), ("127.0.0.1", port))
        assert phone.recv(4096).startswith(b"SIP/2.0 401 ")
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert errors == ""


def test_taken_address_is_one_sentence_and_exit_code_2(start, taken):
    process = start("--once", "--listen", f"127.0.0.1:{taken}")
    shown, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert shown.splitlines()[-1].startswith("sipmend demo: ")
    assert str(taken) in shown.splitlines()[-1]
    assert "Traceback" not in shown + errors


def test_port_that_is_taken_meanwhile_is_replaced(taken):
    """Between the search for a free port and its use somebody else may be faster."""
    code = f"""
import sys
import proxy.demo.run as run
from proxy.__main__ import main

found = run.find_places
places = iter([run.Places(("127.0.0.1", {taken}), "127.0.0.1", run.free_port("127.0.0.1"), run.free_port("127.0.0.1"))])
run.find_places = lambda listen: next(places, None) or found(listen)
sys.argv = ["sipmend", "demo", "--once"]
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 of 3 broken clients work" in done.stdout
    assert str(taken) not in done.stdout


def test_failing_client_is_said_to_fail():
    """What `--once` exits with 1 for."""
    out = io.StringIO()
    demo = Demo(None, Console(file=out), None)
    assert demo.summary([True, False, True]) is False
    assert "2 of 3 broken clients work" in out.getvalue()
    assert demo.summary([True, True]) is True


def test_reader_that_stops_reading_ends_it_quietly(start):
    """`sipmend demo | head`."""
    process = start()
    first = process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=60) == 1, first
    assert "Traceback" not in process.stderr.read()
    process.stdout = None
