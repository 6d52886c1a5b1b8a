"""TLS towards the server on real sockets: whom we trust, by which name (RFC 5922), and what the log says of others."""

from __future__ import annotations

import contextlib
import socket
import ssl

import pytest
from twisted.internet.task import Clock

from proxy.certificate import CertificateError
from proxy.core.flows import Flows
from proxy.counts import Counts
from proxy.events import FlowClosed, FlowOpened, MessageReceived
from proxy.flow import SERVER, TLS, Listener
from proxy.transport.contract import StreamLimits
from proxy.transport.entrance import Entrance
from proxy.transport.stream import StreamPort
from proxy.transport.tls import ListenerCertificates, TlsFiles
from proxy.transport.tls_client import Verifier
from tests.support.certificates import Authority
from tests.support.private_reactor import PrivateReactor
from tests.support.tls_end import TlsEnd, server_context

pytestmark = pytest.mark.loopback

MESSAGE = b"MESSAGE sip:a@example.com SIP/2.0\r\nContent-Length: 0\r\n\r\n"


class Bench:
    """The server side of a proxy, and a server that the test plays."""

    def __init__(self, files, names=("pbx.example.com", "example.com", "127.0.0.1")):
        self.reactor = PrivateReactor()
        listener = Listener(0, SERVER, TLS, "127.0.0.1", 0, "127.0.0.1", 5070)
        self.flows = Flows((listener,), 100, 1)
        self.counts = Counts(1)
        self.time = Clock()
        self.events = []
        self.notes = []
        self.verifier = Verifier(lambda host: names, self.notes.append)
        self.verifier.use(files)
        self.port = StreamPort(
            listener, self.reactor, self.flows, self.deliver, self.time.seconds, StreamLimits(), self.counts,
            verifier=self.verifier,
        )  # fmt: skip
        self.entrance = Entrance(self.reactor, [self.port], self.notes.append, (), ListenerCertificates())
        self.pump = lambda: self.reactor.iterate(0.005)
        self.far = socket.create_server(("127.0.0.1", 0))
        self.far.settimeout(10)
        self.ends = []

    def deliver(self, event):
        self.events.append(event)
        if isinstance(event, FlowClosed):
            self.flows.close(event.flow)

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    def connect(self):
        flow = self.flows.stream(self.port.listener, *self.far.getsockname(), True)
        self.port.connect(flow)
        return flow

    def accept(self, context):
        """The server's end of the connection that we make."""
        self.reactor.turn()
        end = TlsEnd(self.far.accept()[0], context, self.pump, server_side=True)
        self.ends.append(end)
        return end

    def meets(self, pair, context=None):
        """Connect to a server with this certificate; None if it was taken, else the reason in the flow's end."""
        flow = self.connect()
        self.port.send(flow, MESSAGE)
        end = self.accept(context or server_context(pair))
        with contextlib.suppress(ssl.SSLError, OSError):
            end.shake()
        self.reactor.until(lambda: self.of(FlowOpened) or self.of(FlowClosed))
        closed = self.of(FlowClosed)
        return closed[0].reason if closed else None

    def said(self):
        told = [note.text.format_map(note.fields) for note in self.notes]
        self.notes.clear()
        return told

    def close(self):
        self.port.stop()
        for end in self.ends:
            end.close()
        self.far.close()
        self.reactor.until(lambda: not (self.port.held or self.port._attempts))
        self.reactor.turn()
        assert self.reactor.getDelayedCalls() == []
        self.reactor.close()


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def make(authority):
    made = []

    def make(files=None, **options):
        made.append(Bench(files or TlsFiles([], authority.file), **options))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


# -- those we take


@pytest.mark.parametrize(
    "names",
    [("pbx.example.com",), ("x.example", "PBX.example.com"), ("example.com",), ("127.0.0.1",),
     ("host7.example.net", "sip:example.com")],
    ids=" ".join,
)  # fmt: skip
def test_the_server_is_known_by_the_name_it_was_found_by_or_by_the_domain(make, authority, names):
    bench = make()
    assert bench.meets(authority.issue("pbx", *names)) is None
    assert bench.ends[0].read() == MESSAGE
    bench.ends[0].send(MESSAGE)
    bench.reactor.until(lambda: bench.of(MessageReceived))
    assert bench.said() == []


def test_the_name_is_asked_for(make, authority):
    asked = []
    context = server_context(authority.issue("pbx", "pbx.example.com"))
    context.sni_callback = lambda connection, name, context: asked.append(name)
    assert make().meets(None, context) is None
    assert asked == ["pbx.example.com"]


def test_an_address_is_never_asked_for(make, authority):
    """> Literal IPv4 and IPv6 addresses are not permitted in "HostName" (RFC 6066 section 3)"""
    asked = []
    context = server_context(authority.issue("pbx", "127.0.0.1"))
    context.sni_callback = lambda connection, name, context: asked.append(name)
    assert make(names=("127.0.0.1",)).meets(None, context) is None
    assert asked == [None]


def test_a_server_that_wants_to_know_us_gets_our_certificate(make, authority):
    bench = make(TlsFiles([authority.issue("edge", "edge.example.com")], authority.file))
    context = server_context(authority.issue("pbx", "pbx.example.com"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.file)
    assert bench.meets(None, context) is None
    assert bench.ends[0].certificate_names == ["edge.example.com"]


# -- those we do not


@pytest.mark.parametrize(
    ("names", "said"),
    [(("other.example",), "is for other.example, and"), (("*.example.com",), "is for *.example.com, and"),
     (("pbx.example.com", "sip:other.example"), "is for other.example, and")],
)  # fmt: skip
def test_a_certificate_for_somebody_else_is_refused(make, authority, names, said):
    bench = make()
    assert bench.meets(authority.issue("pbx", *names)) == "bad_certificate"
    [line] = bench.said()
    port = bench.far.getsockname()[1]
    assert line.startswith(f"no TLS with the server at 127.0.0.1:{port}: its certificate {said}")
    assert "should be for pbx.example.com or example.com or 127.0.0.1" in line
    assert bench.of(FlowOpened) == []


@pytest.mark.parametrize(
    ("days", "said"),
    [({"begins": -9, "days": 2}, "has expired"), ({"begins": 2}, "is not valid yet")],
)
def test_a_certificate_out_of_its_time_is_refused(make, authority, days, said):
    bench = make()
    assert bench.meets(authority.issue("pbx", "pbx.example.com", **days)) == "bad_certificate"
    assert f"its certificate {said}" in bench.said()[0]


def test_a_certificate_of_an_unknown_ca_is_refused(make, tmp_path):
    foreign = Authority(tmp_path, "Foreign CA")
    bench = make()
    assert bench.meets(foreign.issue("pbx", "pbx.example.com")) == "bad_certificate"
    assert "signed by a CA that is not known here: name that CA as server.tls.ca" in bench.said()[0]


def test_without_a_ca_of_our_own_those_of_the_system_count(make, authority):
    bench = make(TlsFiles([]))
    assert bench.meets(authority.issue("pbx", "pbx.example.com")) == "bad_certificate"
    assert "name that CA as server.tls.ca" in bench.said()[0]


def test_a_server_that_speaks_no_tls_is_told(make):
    bench = make()
    bench.connect()
    bench.reactor.turn()
    accepted = bench.far.accept()[0]
    with accepted:
        accepted.send(b"SIP/2.0 400 What?\r\n\r\n")
        bench.reactor.until(lambda: bench.of(FlowClosed))
    assert bench.of(FlowClosed)[0].reason == "tls_failed"
    [line] = bench.said()
    assert "wrong version number" in line


def test_a_server_that_hangs_up_is_told(make):
    bench = make()
    bench.connect()
    bench.reactor.turn()
    bench.far.accept()[0].close()
    bench.reactor.until(lambda: bench.of(FlowClosed))
    assert "in the handshake: does it speak TLS at that port?" in bench.said()[0]


def test_a_server_that_says_nothing_has_its_time(make):
    bench = make()
    bench.connect()
    bench.reactor.turn()
    accepted = bench.far.accept()[0]
    with accepted:
        bench.time.advance(15.1)
        bench.entrance.sweep()
        bench.reactor.until(lambda: bench.of(FlowClosed))
    assert bench.of(FlowClosed)[0].reason == "handshake_timeout"
    assert "it does not answer the handshake" in bench.said()[0]


def test_no_port_at_all_is_no_matter_of_tls(make):
    bench = make()
    bench.connect()
    bench.far.close()
    bench.reactor.until(lambda: bench.of(FlowClosed))
    assert bench.of(FlowClosed)[0].reason in ("refused", "tls_failed")


def test_a_stop_in_the_handshake_is_nobodys_fault(make):
    bench = make()
    bench.connect()
    bench.reactor.turn()
    with bench.far.accept()[0]:
        bench.port.stop()
        bench.reactor.until(lambda: bench.of(FlowClosed))
    assert bench.of(FlowClosed)[0].reason == "shutdown"
    assert bench.said() == []


# -- what is said


def test_the_same_is_said_once_and_the_end_of_it(make, authority):
    bench = make()
    wrong = authority.issue("wrong", "other.example")
    for _ in range(3):
        bench.events.clear()
        bench.meets(wrong)
    assert len(bench.said()) == 1
    bench.events.clear()
    assert bench.meets(authority.issue("pbx", "pbx.example.com")) is None
    assert bench.said() == [f"TLS with the server at 127.0.0.1:{bench.far.getsockname()[1]} works again"]


def test_files_that_cannot_be_used_change_nothing(make, authority, tmp_path):
    bench = make()
    with pytest.raises(CertificateError):
        bench.verifier.use(TlsFiles([], tmp_path / "none.pem"))
    assert bench.meets(authority.issue("pbx", "pbx.example.com")) is None


def test_without_a_ca_read_no_connection_is_made():
    with pytest.raises(CertificateError):
        Verifier(lambda host: (), print).wrap(None, None, ("127.0.0.1", 1), None)
