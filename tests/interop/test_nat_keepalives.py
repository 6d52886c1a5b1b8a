"""Keep-alives towards clients behind a real NAT that forgets (docs/operations.md): whom they reach can be called.

The clients without are the control group. All of them register, then nobody says anything until the NAT has forgotten
whomever it will. Needs root for its network namespaces.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from baresip_peer import Baresip
from flow_client import FlowClient, hang_up
from kamailio_peer import DOMAIN, Kamailio
from namespace import INSIDE, OUTSIDE, Nat
from peer_process import eventually, need_file
from sip_client import Identity, NothingCameError, host_port
from sipmend_peer import Sipmend

from tests.support.certificates import Authority

INTERVAL = 5  # the shortest that can be configured
FORGETS = 10
EACH = 3  # keep-alives of each client before it is called: more than the NAT remembers
LISTENERS = {
    "udp options": "udp:5060",
    "udp crlf": "udp:5062",
    "udp off": "udp:5064",
    "udp options picky": "udp:5066",
    "tcp options": "tcp:5060",
    "tcp crlf": "tcp:5062",
    "tcp off": "tcp:5064",
    "tls options": "tls:5061",
    "tls crlf": "tls:5063",
    "wss off": "wss:8443",
}
PHONES = ("udp options", "udp crlf", "udp off", "tcp options", "tls options")
SCRIPTED = ("tcp crlf", "tcp off", "tls crlf", "wss off")
# What some clients answer to OPTIONS; 0: nothing.
ANSWERS = {404: "Not Found", 405: "Method Not Allowed", 501: "Not Implemented", 0: ""}


class Street:
    """A PBX and sipmend outside, one client at each listener inside, and four more that dislike OPTIONS."""

    def __init__(self, nat: Nat, work: Path, cleanup: ExitStack) -> None:
        self.nat = nat
        self._work = work
        self._cleanup = cleanup
        self.authority = Authority(work)
        with nat.outside.entered():
            self.kamailio = Kamailio(OUTSIDE[1], work / "kamailio", defines=["OPEN"])
            cleanup.callback(self.kamailio.stop)
            self.edge = Sipmend(f"sip:{OUTSIDE[1]}:5060", work / "sipmend", edge=OUTSIDE[0], changes=self._settings())
            cleanup.callback(lambda: self.edge.process.stop(1.0))
        nat.forgets_after(FORGETS)
        self.bob = self._scripted("bob", OUTSIDE[1], "udp", self.kamailio.address)
        self.phones = {kind: self._baresip(kind) for kind in PHONES}
        self.scripted = {kind: self._client(kind, kind.replace(" ", "-")) for kind in SCRIPTED}
        self.picky = {status: self._client("udp options picky", f"picky-{status}") for status in ANSWERS}
        self.ports = {kind: self.port(kind) for kind in (*PHONES, *SCRIPTED)}

    def _settings(self) -> dict[str, object]:
        listen = []
        for kind, where in LISTENERS.items():
            transport, _, port = where.partition(":")
            item = {"uri": f"{transport}://{OUTSIDE[0]}:{port}", "keepalive": kind.split()[1]}
            listen.append(item if item["keepalive"] == "off" else item | {"keepalive_interval": f"{INTERVAL}s"})
        pair = self.authority.issue("edge", OUTSIDE[0])
        return {
            "listen": listen,
            "tls": {"certificate": str(pair[0]), "private_key": str(pair[1])},
            # It is looked at every five seconds.
            "limits": {"websocket_ping": "3s"},
        }

    def _baresip(self, kind: str) -> Baresip:
        transport, _, port = LISTENERS[kind].partition(":")
        user = kind.replace(" ", "-")
        with self.nat.inside.entered():
            phone = Baresip(user, (OUTSIDE[0], int(port)), transport, self._work / user, host=INSIDE[0])
        self._cleanup.callback(phone.stop)
        return phone

    def _client(self, kind: str, user: str) -> FlowClient:
        transport, _, port = LISTENERS[kind].partition(":")
        with self.nat.inside.entered():
            return self._scripted(user, INSIDE[1], transport, (OUTSIDE[0], int(port)))

    def _scripted(self, user: str, host: str, transport: str, server: tuple[str, int]) -> FlowClient:
        where = self.nat.inside if host in INSIDE else self.nat.outside
        with where.entered():
            client = FlowClient(Identity(user, DOMAIN), host, server, transport, ca=self.authority.file)
        self._cleanup.enter_context(client)
        transport = "ws" if transport == "wss" else transport
        client.who.contact = f"<sip:{user}@{host_port(client.address)};transport={transport}>"
        assert client.register().status == 200
        return client

    def port(self, kind: str) -> set[int]:
        """The port that the NAT has for the one client at this listener; none if it forgot it."""
        transport, _, port = LISTENERS[kind].partition(":")
        return self.nat.ports("udp" if transport == "udp" else "tcp", port)

    def wait(self) -> None:
        """Until each client has had its keep-alives."""
        deadline = time.monotonic() + 60
        while not self._had_enough():
            assert time.monotonic() < deadline, (self.asked(), self.sent("options"), self.sent("crlf"))
            for client in self.scripted.values():
                client.listen(0.02)
            for status, client in self.picky.items():
                with contextlib.suppress(NothingCameError):
                    options = client.expect("OPTIONS", 0.02)
                    if status:
                        client.answer(options, status, ANSWERS[status], contact=False)
        with self.nat.outside.entered():
            self.metrics = self.edge.metrics()

    def asked(self) -> list[int]:
        """How many OPTIONS each client has got that is sent any."""
        scripted = [[seen.method for seen in client.received].count("OPTIONS") for client in self.picky.values()]
        return scripted + [phone.log().count("\nOPTIONS sip:") for kind, phone in self.phones.items() if "op" in kind]

    def sent(self, kind: str) -> float:
        with self.nat.outside.entered():
            return self.edge.total("sipmend_keepalives_total", direction="out", kind=kind)

    def _had_enough(self) -> bool:
        crlf = sum(kind.endswith("crlf") for kind in LISTENERS)
        forgotten = not self.port("udp off") and not self.port("tcp off")
        return forgotten and min(self.asked()) >= EACH and self.sent("crlf") >= EACH * crlf


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    need_file("/usr/lib/*/kamailio/modules/tm.so", "kamailio")
    with ExitStack() as cleanup:
        street = Street(cleanup.enter_context(Nat()), tmp_path_factory.mktemp("street"), cleanup)
        street.wait()
        yield street
        street.edge.assert_sound()


@pytest.mark.parametrize("kind", [kind for kind in PHONES if kind != "udp off"])
def test_a_phone_that_is_kept_can_be_called(street: Street, kind: str) -> None:
    """baresip, by the port at which it registered. CRLFs that nobody answers keep this NAT open by UDP too."""
    assert street.port(kind) == street.ports[kind]
    asked = street.bob.invite(f"sip:{street.phones[kind].user}@{DOMAIN}")
    own = street.bob.established(asked, street.bob.final(asked, 10))
    bye = street.bob.in_dialog("BYE", own)
    assert street.bob.final(bye, 10).status == 200


@pytest.mark.parametrize("kind", [kind for kind in SCRIPTED if kind != "tcp off"])
def test_a_connection_that_is_kept_can_be_called_by(street: Street, kind: str) -> None:
    """Two CRLFs by TCP and inside TLS; a WebSocket has pings of its own, whatever the listener says."""
    client = street.scripted[kind]
    assert street.port(kind) == street.ports[kind]
    asked = street.bob.invite(f"sip:{client.who.user}@{DOMAIN}")
    client.pick_up(client.expect("INVITE", 10))
    own = street.bob.established(asked, street.bob.final(asked, 10))
    client.expect("ACK", 10)
    hang_up(street.bob, own, client)


@pytest.mark.parametrize("kind", ["udp off", "tcp off"])
def test_without_keep_alives_calls_end_at_the_nat(street: Street, kind: str) -> None:
    assert street.ports[kind]
    assert street.port(kind) == set()
    refused = street.nat.refused()
    street.bob.invite(f"sip:{kind.replace(' ', '-')}@{DOMAIN}")
    assert eventually(lambda: street.nat.refused() > refused, 10)
    if kind == "udp off":
        assert "\nINVITE sip:" not in street.phones[kind].log()
    else:
        assert street.scripted[kind].silence(0.2) == []


@pytest.mark.parametrize("status", list(ANSWERS))
def test_a_client_may_answer_what_it_likes(street: Street, status: int) -> None:
    """Refused or unanswered: it stays registered, and can be called."""
    client = street.picky[status]
    asked = street.bob.invite(f"sip:{client.who.user}@{DOMAIN}")
    client.pick_up(client.expect("INVITE", 10))
    own = street.bob.established(asked, street.bob.final(asked, 10))
    client.expect("ACK", 10)
    hang_up(street.bob, own, client)


def test_keep_alives_are_counted_and_not_for_the_server(street: Street) -> None:
    """Only the client that says nothing has left any unanswered; the PBX was asked by nobody but our own probes."""
    found = {name: value for (name, labels), value in street.metrics.items() if "unanswered" in name}
    mute = [seen.method for seen in street.picky[0].received].count("OPTIONS")
    assert EACH - 1 <= found["sipmend_keepalives_unanswered_total"] <= mute
    assert street.sent("options") >= EACH * len(street.asked())
    assert not [seen for seen in street.kamailio.from_clients(street.edge.inside) if seen.method == "OPTIONS"]
