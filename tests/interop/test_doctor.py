"""The doctor on real captures, taken by tcpdump: a browser, baresip and a home-made client at a PBX without the proxy.

Each report has the defects that are in the traffic, and no other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from baresip_peer import Baresip
from browser_peer import Browser, Page
from click.testing import CliRunner
from clients import MakeClient
from kamailio_peer import Kamailio
from peer_process import PeerProcess, eventually, fresh_address, need

from proxy.cli import cli


class Recording:
    """A capture of everything to and from one address."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def holds(self, *words: bytes) -> bool:
        """Whether all of these are in the file soon: tcpdump writes a little later."""
        return eventually(lambda: all(word in self.path.read_bytes() for word in words), 15)

    def diagnosed(self, *options: str) -> dict[str, Any]:
        """What `sipmend doctor` says of it."""
        done = CliRunner().invoke(cli, ["doctor", "--json", str(self.path), *options])
        assert done.exit_code in (0, 1), done.output
        found: dict[str, Any] = json.loads(done.stdout)
        assert done.exit_code == bool(found["clients"])
        return found


@contextmanager
def recorded(host: str, work: Path) -> Iterator[Recording]:
    """Record until the end of the block."""
    path = work / "capture.pcap"
    argv = [need("tcpdump", "tcpdump"), "-i", "lo", "-s", "0", "-U", "--immediate-mode", "-Z", "root", "-w", str(path)]
    dump = PeerProcess([*argv, "host", host], work, "tcpdump")
    dump.await_start(lambda: "listening on" in dump.log())
    try:
        yield Recording(path)
    finally:
        dump.stop()


def defects(report: dict[str, Any]) -> dict[str, set[str]]:
    """The names of the findings, by client and kind."""
    return {client["name"]: {finding["name"] for finding in client["findings"]} for client in report["clients"]}


def test_page_in_a_browser(browser: Browser, tmp_path: Path) -> None:
    """SIP.js by WebSocket: random names that nobody resolves, and once a call without Contact."""
    kamailio = Kamailio(fresh_address(), tmp_path / "kamailio", defines=["WITH_WEBSOCKET"])
    try:
        with recorded(kamailio.host, tmp_path) as recording:
            page = Page(browser, "sip.js", "alice", f"ws://{kamailio.host}:8080").start()
            page.call("bob", contact=False)
            page.expect("rejected:400", "ended")
            page.close()
            assert recording.holds(b"400 Missing Contact")
        report = recording.diagnosed()
    finally:
        kamailio.stop()
    (found,) = defects(report).items()
    assert found[0].startswith("SIP.js/")
    assert found[1] == {"contact-invalid-host", "contact-missing-request"}
    assert report["stopped"] is None


def test_baresip(kamailio: Kamailio, tmp_path: Path) -> None:
    """A sound client without NAT registers and calls: nothing is found, at it or at the server."""
    with recorded(kamailio.host, tmp_path) as recording, ExitStack() as cleanup:
        phones = [Baresip(user, kamailio.address, "udp", tmp_path / user) for user in ("alice", "bob")]
        for phone in phones:
            cleanup.callback(phone.stop)
        phones[0].call("bob")
        phones[1].expect("CALL_ESTABLISHED")
        phones[0].do("hangup")
        phones[1].expect("CALL_CLOSED")
        assert recording.holds(b"BYE sip:")
    report = recording.diagnosed()
    assert defects(report) == {}
    assert report["messages"] >= 14
    assert report["lost"] == {}
    assert report["servers"]


def test_home_made_client(kamailio: Kamailio, make_client: MakeClient, tmp_path: Path) -> None:
    """Private addresses in Contact and Via, no rport, no Contact in INVITE."""
    with recorded(kamailio.host, tmp_path) as recording:
        client = make_client("alice", kamailio.address, broken=True)
        assert client.register().status == 200
        asked = client.start("INVITE", "sip:bob@pbx.test")
        client.acknowledge_failure(asked, client.final(asked))
        assert recording.holds(b"ACK sip:")
    report = recording.diagnosed()
    ((_, found),) = defects(report).items()
    assert found == {"contact-private", "contact-missing-request"}
    (client_report,) = report["clients"]
    assert client_report["addresses"] == [client.address[0]]
