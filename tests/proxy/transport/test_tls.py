"""TLS listeners on real sockets: which certificate is shown to whom, who has to show one, and what is read again."""

from __future__ import annotations

import shutil
import socket
import ssl
import warnings
from ipaddress import ip_network

import pytest
from twisted.internet.task import Clock
from websockets.client import ClientProtocol
from websockets.uri import parse_uri

from proxy.certificate import DAY, CertificateError, read_certificate
from proxy.core.flows import Flows
from proxy.counts import Counts
from proxy.events import FlowClosed, FlowOpened, MessageReceived
from proxy.flow import CLIENT, TCP, TLS, WS, WSS, Listener
from proxy.transport.contract import StreamLimits
from proxy.transport.entrance import Entrance
from proxy.transport.stream import StreamPort
from proxy.transport.tls import LOOK, CertificateWatch, ListenerCertificates, TlsFiles
from tests.support.certificates import NOW, Authority
from tests.support.private_reactor import PrivateReactor
from tests.support.tls_end import TlsEnd, client_context

pytestmark = pytest.mark.loopback

MESSAGE = b"MESSAGE sip:a@example.com SIP/2.0\r\nContent-Length: 0\r\n\r\n"


class Bench:
    """An entrance with TLS."""

    def __init__(self, files, transports=(TLS,), trusted=(), **limits):
        self.reactor = PrivateReactor()
        listeners = [Listener(i, CLIENT, t, "127.0.0.1", 0, "192.0.2.1", 5061) for i, t in enumerate(transports)]
        self.flows = Flows(tuple(listeners), 100, 1)
        self.counts = Counts(len(listeners))
        self.time = Clock()
        self.events = []
        self.notes = []
        bounds = StreamLimits(**limits)
        self.ports = [
            StreamPort(listener, self.reactor, self.flows, self.deliver, self.time.seconds, bounds, self.counts)
            for listener in listeners
        ]
        self.certificates = ListenerCertificates()
        self.certificates.use(files)
        self.entrance = Entrance(self.reactor, self.ports, self.notes.append, trusted, self.certificates)
        self.ports[0].listen()
        self.ends = []
        self.pump = lambda: self.reactor.iterate(0.005)

    def deliver(self, event):
        self.events.append(event)
        if isinstance(event, FlowClosed):
            self.flows.close(event.flow)

    @property
    def address(self):
        return ("127.0.0.1", self.entrance._port.getHost().port)

    def client(self, context=None, server_name=None):
        self.ends.append(TlsEnd.connect(self.address, context or client_context(), self.pump, server_name))
        return self.ends[-1]

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    def until(self, kind):
        self.reactor.until(lambda: self.of(kind))
        return self.of(kind)[0]

    def close(self):
        for port in self.ports:
            port.stop()
        for end in self.ends:
            end.close()
        self.reactor.until(lambda: not self.entrance.waiting and not any(port.held for port in self.ports))
        self.reactor.turn()
        assert self.reactor.getDelayedCalls() == []
        self.reactor.close()


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def make():
    made = []

    def make(*arguments, **options):
        made.append(Bench(*arguments, **options))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


@pytest.fixture
def bench(make, authority):
    return make(TlsFiles([authority.issue("edge", "edge.example.com")]))


# -- connections


def test_sip_inside_tls(bench, authority):
    client = bench.client(client_context(authority), "edge.example.com").shake()
    client.send(MESSAGE + b"\r\n\r\n")
    assert client.read() == b"\r\n"
    flow = bench.until(MessageReceived).flow
    assert (bench.events[1].octets, flow.listener.transport) == (MESSAGE, TLS)
    bench.ports[0].send(flow, b"SIP/2.0 200 OK\r\n\r\n")
    assert client.read() == b"SIP/2.0 200 OK\r\n\r\n"
    assert client.certificate_names == ["edge.example.com"]


def test_the_flow_knows_which_name_was_asked_for(bench, authority):
    """SNI (RFC 6066 section 3): a Route with that name is ours (protocol 7.4)."""
    client = bench.client(client_context(authority), "Other.example.com").shake()
    client.send(MESSAGE)
    assert bench.until(MessageReceived).flow.asked == b"other.example.com"


def test_there_is_no_flow_before_the_first_octet_inside(bench):
    """Who only shakes hands is not known to the core."""
    bench.client().shake()
    bench.reactor.turn()
    assert bench.events == []
    assert len(bench.entrance.waiting) == 1


def test_our_end_is_told_by_tls(bench):
    """> Each party MUST send a "close_notify" alert before closing its write side (RFC 8446 section 6.1)"""
    client = bench.client().shake()
    client.send(MESSAGE)
    bench.ports[0].close_flow(bench.until(MessageReceived).flow, "why")
    assert client.read() == b""  # and not SSLEOFError
    assert [event.reason for event in bench.of(FlowClosed)] == ["why"]
    client.close()
    bench.reactor.until(lambda: bench.ports[0].held == 0)


def test_a_client_that_closes_ends_its_flow(bench):
    client = bench.client().shake()
    client.send(MESSAGE)
    bench.until(MessageReceived)
    client.close()
    assert bench.until(FlowClosed).reason == "peer_closed"


def test_a_peer_that_never_answers_our_goodbye_is_reset(bench):
    client = bench.client().shake()
    client.send(MESSAGE)
    bench.ports[0].close_flow(bench.until(MessageReceived).flow, "why")
    bench.time.advance(6)
    bench.ports[0].sweep()
    bench.reactor.until(lambda: bench.ports[0].held == 0)


def test_a_client_that_does_not_read_is_closed(make, authority):
    bench = make(TlsFiles([authority.issue("edge", "edge.example.com")]), write_buffer=65536)
    client = bench.client().shake()
    client.send(MESSAGE)
    flow = bench.until(MessageReceived).flow

    def writes():
        if flow.open:
            bench.ports[0].send(flow, b"x" * 65000)
        return not flow.open

    bench.reactor.until(writes)
    assert bench.counts.dropped["slow_reader"] == 1
    bench.reactor.until(lambda: bench.ports[0].held == 0)


@pytest.mark.parametrize("inside", [WSS, TLS])
@pytest.mark.parametrize("plain", [False, True])
def test_everything_may_share_one_port(make, authority, inside, plain):
    bench = make(TlsFiles([authority.issue("edge", "edge.example.com")]), (TCP, WS, TLS, WSS))
    protocol = ClientProtocol(parse_uri("ws://edge.example.com/"), subprotocols=["sip"])
    protocol.send_request(protocol.connect())
    octets = MESSAGE if inside == TLS else b"".join(protocol.data_to_send())
    if plain:
        client = socket.create_connection(bench.address)
        bench.ends.append(client)
        client.send(octets)
        expected = TCP if inside == TLS else WS
    else:
        client = bench.client().shake()
        client.send(octets)
        expected = inside
    assert bench.until(FlowOpened).flow.listener.transport == expected


def test_who_speaks_plainly_to_a_tls_port_has_to_go(bench):
    with socket.create_connection(bench.address) as client:
        client.send(MESSAGE)
        bench.reactor.until(lambda: bench.counts.dropped["not_tls"])
        bench.reactor.until(lambda: not bench.entrance.waiting)
    assert bench.events == []


def test_a_proxy_header_comes_before_tls(make, authority):
    files = TlsFiles([authority.issue("edge", "edge.example.com")])
    bench = make(files, trusted=(ip_network("127.0.0.1"),))
    sock = socket.create_connection(bench.address)
    sock.send(b"PROXY TCP4 198.51.100.7 203.0.113.10 4711 5061\r\n")
    client = TlsEnd(sock, client_context(), bench.pump)
    bench.ends.append(client)
    client.shake().send(MESSAGE)
    assert bench.until(MessageReceived).flow.address == ("198.51.100.7", 4711)


@pytest.mark.parametrize("octets", [b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"])
def test_a_slow_handshake_has_its_time(make, authority, octets):
    bench = make(TlsFiles([authority.issue("edge", "edge.example.com")]), handshake=15.0)
    with socket.create_connection(bench.address) as client:
        client.send(octets)
        bench.reactor.until(lambda: any(arrival._secure for arrival in bench.entrance.waiting))
        bench.time.advance(15.1)
        bench.entrance.sweep()
        bench.reactor.until(lambda: not bench.entrance.waiting)
    assert bench.counts.dropped["handshake_timeout"] == 1


def test_a_handshake_that_fails_is_counted_and_told_at_debug(bench):
    with socket.create_connection(bench.address) as client:
        client.send(b"\x16\x03\x01\x00\x05nonse")
        bench.reactor.until(lambda: bench.counts.dropped["tls_handshake"])
        bench.reactor.until(lambda: not bench.entrance.waiting)
    [note] = bench.notes
    assert note.level == "debug"
    assert note.fields["host"] == "127.0.0.1"


def test_old_versions_are_refused(bench):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context = client_context(newest=ssl.TLSVersion.TLSv1_1)
    with pytest.raises((ssl.SSLError, OSError)):
        bench.client(context).shake()
    bench.reactor.until(lambda: not bench.entrance.waiting)
    assert bench.counts.dropped["tls_handshake"] == 1


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_new_versions_are_taken(bench, version):
    assert bench.client(client_context(newest=version)).shake().socket.version() == version.name.replace("_", ".")


# -- which certificate


@pytest.mark.parametrize(
    ("asked", "shown"),
    [("one.example", "one.example"), ("TWO.example", "two.example"), ("a.three.example", "*.three.example"),
     ("a.b.three.example", "one.example"), ("other.example", "one.example"), (None, "one.example")],
)  # fmt: skip
def test_the_name_that_is_asked_for_chooses(make, authority, asked, shown):
    names = ("one.example", "two.example", "*.three.example")
    bench = make(TlsFiles([authority.issue(f"c{number}", name) for number, name in enumerate(names)]))
    assert bench.client(client_context(authority), asked).shake().certificate_names == [shown]


# -- client certificates


def phone(bench, context):
    """Whether a client with this context gets through."""
    client = bench.client(context)
    try:
        client.shake().send(MESSAGE)
        return client.read() != b""
    except (ssl.SSLError, OSError):
        return False


@pytest.mark.parametrize(
    ("required", "shows", "taken"),
    [(True, "good", True), (True, "none", False), (True, "foreign", False), (False, "none", True),
     (False, "good", True), (False, "foreign", False), (True, "expired", False)],
)  # fmt: skip
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_clients_show_a_certificate_of_the_right_ca(make, authority, tmp_path, required, shows, taken, version):
    edge = authority.issue("edge", "edge.example.com")
    other = authority.issue("other", "other.example.com")
    bench = make(TlsFiles([edge, other], authority.file, required))

    def answer(event):
        Bench.deliver(bench, event)
        if isinstance(event, MessageReceived):
            bench.ports[0].send(event.flow, b"hello")

    bench.ports[0].deliver = answer
    pair = {
        "good": lambda: authority.issue("phone", "phone.example"),
        "expired": lambda: authority.issue("old", "phone.example", begins=-9, days=2),
        "foreign": lambda: Authority(tmp_path, "Foreign CA").issue("foreign", "phone.example"),
        "none": lambda: None,
    }[shows]()
    assert phone(bench, client_context(pair=pair, newest=version)) is taken
    assert bool(bench.of(MessageReceived)) is taken


# -- reading again


def test_new_files_are_used_from_the_next_connection_on(bench, authority):
    old = bench.client(client_context(authority)).shake()
    bench.certificates.use(TlsFiles([authority.issue("new", "new.example.com")]))
    assert bench.client(client_context(authority)).shake().certificate_names == ["new.example.com"]
    old.send(MESSAGE)
    assert bench.until(MessageReceived)


def test_files_that_cannot_be_used_change_nothing(bench, authority, tmp_path):
    good = authority.issue("new", "new.example.com")
    for files in (
        TlsFiles([good, (good[0], tmp_path / "none.key")]),
        TlsFiles([good], tmp_path / "none.pem"),
        TlsFiles([good], good[1]),
    ):
        with pytest.raises(CertificateError):
            bench.certificates.use(files)
        with pytest.raises(CertificateError):
            files.check()
    assert bench.client(client_context(authority)).shake().certificate_names == ["edge.example.com"]


class Watched:
    def __init__(self, *pairs):
        self.user = ListenerCertificates()
        self.user.use(TlsFiles(pairs))
        self.clock = Clock()
        self.wall = NOW.timestamp()
        self.notes = []
        self.watch = CertificateWatch([self.user], self.clock, lambda: self.wall, self.notes.append)
        self.watch.start()

    def later(self, seconds):
        for _ in range(int(seconds // LOOK)):
            self.wall += LOOK
            self.clock.advance(LOOK)
        return self.told()

    def told(self):
        told = [(note.level, note.text.format_map(note.fields)) for note in self.notes]
        self.notes.clear()
        return told


def test_files_that_change_are_read_within_a_minute(authority):
    edge = authority.issue("edge", "edge.example.com")
    watched = Watched(edge)
    assert watched.later(180) == []
    for ours, new in zip(edge, authority.issue("new", "new.example.com"), strict=True):
        shutil.copy(new, ours)
    assert watched.later(60) == [("info", f"certificates read again: {edge[0]}")]
    assert watched.user.certificates[0][1].hosts == ("new.example.com",)
    assert watched.later(180) == []


def test_files_that_change_for_the_worse_are_told_once(authority):
    """Half of a pair is there before the other half: soon all is well again."""
    edge = authority.issue("edge", "edge.example.com")
    watched = Watched(edge)
    new = authority.issue("new", "new.example.com")
    shutil.copy(new[0], edge[0])
    text = "the certificate files have changed and cannot be used, the old ones stay: "
    assert watched.later(600) == [("error", f"{text}{edge[1]} is not the key of {edge[0]}")]
    assert watched.user.certificates[0][1].hosts == ("edge.example.com",)
    shutil.copy(new[1], edge[1])
    assert watched.later(600) == [("info", f"certificates read again: {edge[0]}")]


def test_the_last_days_of_a_certificate_are_told_once_a_day(authority):
    edge = authority.issue("edge", "edge.example.com", days=11)
    ends = read_certificate(edge[0]).ends
    watched = Watched(edge)
    [(level, text)] = watched.told()
    assert (level, text.startswith(f"the certificate {edge[0]} expires on ")) == ("warn", True)
    assert text.endswith(", in 9 days")
    assert [text.rpartition(", ")[2] for _, text in watched.later(2 * DAY)] == ["in 8 days", "in 7 days"]
    watched.wall = ends + 1
    assert watched.later(DAY)[0][0] == "error"


def test_new_certificates_end_the_warnings(authority):
    edge = authority.issue("edge", "edge.example.com", days=11)
    watched = Watched(edge)
    watched.told()
    for ours, new in zip(edge, authority.issue("new", "edge.example.com"), strict=True):
        shutil.copy(new, ours)
    assert watched.later(2 * DAY) == [("info", f"certificates read again: {edge[0]}")]


def test_a_watch_that_is_stopped_leaves_nothing(authority):
    watched = Watched(authority.issue("edge", "edge.example.com"))
    watched.watch.stop()
    watched.watch.stop()
    assert watched.clock.getDelayedCalls() == []


def test_without_certificates_nothing_is_watched():
    clock = Clock()
    CertificateWatch([], clock, lambda: 0.0, print).start()
    assert clock.getDelayedCalls() == []


def test_without_certificates_no_connection_is_made():
    with pytest.raises(CertificateError):
        ListenerCertificates().serverConnectionForTLS(None)
