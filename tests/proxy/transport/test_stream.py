"""The connections of a TCP listener, on real sockets and a clock of the test."""

from __future__ import annotations

import contextlib
import socket

import pytest
from twisted.internet.error import CannotListenError
from twisted.internet.task import Clock

from proxy.core.flows import Flows
from proxy.counts import Counts
from proxy.events import FlowClosed, FlowOpened, FramingFailed, MessageReceived
from proxy.flow import CLIENT, TCP, Listener
from proxy.transport.contract import StreamLimits
from proxy.transport.entrance import SWEEP, Entrance
from proxy.transport.stream import LINGER, StreamPort
from tests.support.private_reactor import PrivateReactor

pytestmark = pytest.mark.loopback


def message(number, body=b""):
    head = b"MESSAGE sip:%d@example.com SIP/2.0\r\nContent-Length: %d\r\n\r\n" % (number, len(body))
    return head + body


class Bench:
    """One port; `core` does with an event what the test wants, after the flow table was told as by the core."""

    def __init__(self, reactor, host="127.0.0.1", port=0, **limits):
        self.reactor = reactor
        self.listener = Listener(0, CLIENT, TCP, host, port, "192.0.2.1", 5060)
        self.flows = Flows((self.listener,), 100, 1)
        self.counts = Counts(1)
        self.time = Clock()
        self.events = []
        self.core = None
        self.used = False
        self.made = StreamPort(
            self.listener,
            reactor,
            self.flows,
            self._deliver,
            self.time.seconds,
            StreamLimits(**limits),
            self.counts,
            lambda flow: self.used,
        )
        self.entrance = Entrance(reactor, [self.made], lambda note: None)
        self.made.listen()
        self.clients = []

    def _deliver(self, event):
        self.events.append(event)
        if isinstance(event, FlowClosed):
            self.flows.close(event.flow)
        if self.core is not None:
            self.core(event)

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    def client(self, host="127.0.0.1", receive_buffer=None):
        """A connection from a client, once it is known here: it has sent the answer to a keep-alive."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        client = socket.socket(family, socket.SOCK_STREAM)
        client.settimeout(10)
        if receive_buffer is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.clients.append(client)
        opened = len(self.of(FlowOpened))
        client.connect((host, self.entrance._port.getHost().port))
        client.send(b"\r\n")
        self.reactor.until(lambda: len(self.of(FlowOpened)) > opened)
        return client, self.of(FlowOpened)[-1].flow

    def until_closed(self, number=1):
        self.reactor.until(lambda: len(self.of(FlowClosed)) >= number)
        return [event.reason for event in self.of(FlowClosed)]

    def read_all(self, client):
        """Everything until the end of the stream, the reactor being turned meanwhile."""
        client.setblocking(False)
        read = bytearray()
        end = []

        def reads():
            try:
                octets = client.recv(65536)
            except BlockingIOError:
                return False
            if not octets:
                end.append(True)
            read.extend(octets)
            return bool(end)

        self.reactor.until(reads)
        return bytes(read)

    @property
    def tables(self):
        """How much is held: connections, attempts, those that are being closed, flows."""
        port = self.made
        assert not self.entrance.waiting
        assert not port._greeting
        return (len(port._connections), len(port._attempts), len(port._leaving), len(self.flows.streams))

    def sweep_after(self, seconds):
        self.time.advance(seconds)
        self.made.sweep()


@pytest.fixture
def make():
    reactor = PrivateReactor()
    made = []

    def make(host="127.0.0.1", **limits):
        made.append(Bench(reactor, host, **limits))
        return made[-1]

    yield make
    for bench in made:
        bench.made.stop()
        for client in bench.clients:
            client.close()
    reactor.turn()
    reactor.close()


@pytest.fixture
def bench(make):
    return make()


@pytest.fixture
def far_end():
    """A listening socket of somebody else."""
    with socket.socket() as far:
        far.bind(("127.0.0.1", 0))
        far.listen()
        far.settimeout(10)
        yield far


# -- connections of clients


def test_a_connection_has_a_flow_of_its_own(bench):
    first, one = bench.client()
    _, two = bench.client()
    assert one.number != two.number
    assert (one.remote_host, one.remote_port) == first.getsockname()
    assert not one.outgoing


def test_messages_arrive_byte_by_byte_and_pipelined(bench):
    client, flow = bench.client()
    for octet in message(1):
        client.send(bytes([octet]))
        bench.reactor.turn(1)
    client.send(message(2) + message(3))
    bench.reactor.until(lambda: len(bench.of(MessageReceived)) == 3)
    assert [(event.flow, event.octets) for event in bench.of(MessageReceived)] == [
        (flow, message(1)), (flow, message(2)), (flow, message(3)),
    ]  # fmt: skip


def test_what_is_sent_on_a_flow_reaches_its_client_only(bench):
    one, flow = bench.client()
    other, _ = bench.client()
    bench.made.send(flow, b"for one")
    bench.reactor.turn()
    assert one.recv(100) == b"for one"
    other.setblocking(False)
    with pytest.raises(BlockingIOError):
        other.recv(100)


def test_a_ping_gets_a_pong(bench):
    client, _ = bench.client()
    client.send(b"\r\n\r\n")
    bench.reactor.turn()
    assert client.recv(100) == b"\r\n"


def test_a_client_that_closes_ends_its_flow_once(bench):
    client, flow = bench.client()
    client.close()
    assert bench.until_closed() == ["peer_closed"]
    bench.reactor.turn()
    assert [event.flow for event in bench.of(FlowClosed)] == [flow]
    assert bench.tables == (0, 0, 0, 0)


def test_a_client_that_resets_ends_its_flow_once(bench):
    client, _ = bench.client()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    assert bench.until_closed() == ["peer_closed"]
    assert bench.tables == (0, 0, 0, 0)


def test_a_half_closed_connection_is_over(bench):
    """A peer that says it will send no more is taken at its word: responses then go by 18.2.2."""
    client, _ = bench.client()
    client.send(message(1))
    client.shutdown(socket.SHUT_WR)
    assert bench.until_closed() == ["peer_closed"]
    assert [event.octets for event in bench.of(MessageReceived)] == [message(1)]
    assert bench.read_all(client) == b""


def test_a_send_on_a_flow_that_is_gone_is_counted(bench):
    client, flow = bench.client()
    client.close()
    bench.until_closed()
    bench.made.send(flow, b"late")
    assert bench.counts.dropped["flow_gone"] == 1


def test_connections_beyond_the_limit_are_turned_away(make):
    bench = make(connections=2)
    bench.client()
    bench.client()
    bench.used = True
    third = socket.create_connection(("127.0.0.1", bench.entrance._port.getHost().port))
    bench.clients.append(third)
    assert bench.read_all(third) == b""
    assert bench.counts.dropped["connections_full"] == 1
    assert len(bench.of(FlowOpened)) == 2


def test_a_place_that_is_free_again_is_given_away(make):
    bench = make(connections=1)
    client, _ = bench.client()
    client.close()
    bench.until_closed()
    bench.client()
    assert len(bench.of(FlowOpened)) == 2


# -- closing


def test_the_answer_to_a_framing_error_arrives_although_more_octets_come(bench):
    """What the client still sends must not make the kernel throw the answer away."""

    def answer(event):
        if isinstance(event, FramingFailed):
            bench.made.send(event.flow, b"SIP/2.0 400 Bad\r\n\r\n")
            bench.made.close_flow(event.flow, event.reason)

    bench.core = answer
    client, _ = bench.client()
    client.send(b"MESSAGE sip:a SIP/2.0\r\n\r\n" + b"x" * 100_000)
    assert bench.until_closed() == ["no_content_length"]
    client.setblocking(True)
    client.send(b"y" * 10_000)
    bench.reactor.turn()
    assert bench.read_all(client) == b"SIP/2.0 400 Bad\r\n\r\n"
    client.close()
    bench.reactor.until(lambda: bench.tables == (0, 0, 0, 0))
    assert len(bench.of(FlowClosed)) == 1


def test_close_flow_waits_for_much_that_is_still_to_be_written(bench):
    client, flow = bench.client()
    bench.made.send(flow, b"x" * 20_000_000)
    bench.made.close_flow(flow, "why")
    assert bench.until_closed() == ["why"]
    assert len(bench.read_all(client)) == 20_000_000


def test_messages_behind_one_that_closes_are_not_delivered(bench):
    bench.core = lambda event: isinstance(event, MessageReceived) and bench.made.close_flow(event.flow, "refused")
    client, _ = bench.client()
    client.send(message(1) + message(2) + message(3))
    bench.until_closed()
    bench.reactor.turn()
    assert [event.octets for event in bench.of(MessageReceived)] == [message(1)]


def test_a_peer_that_never_closes_its_half_is_reset(bench):
    _, flow = bench.client()
    bench.made.close_flow(flow, "why")
    bench.reactor.turn()
    bench.sweep_after(LINGER)
    assert bench.tables == (0, 0, 1, 0)
    bench.sweep_after(0.1)
    bench.reactor.until(lambda: bench.tables == (0, 0, 0, 0))
    assert len(bench.of(FlowClosed)) == 1


def test_an_unframed_connection_that_nobody_closed_is_closed_by_the_sweep(bench):
    """If the core failed over it, it would be held for good otherwise."""
    client, _ = bench.client()
    client.send(b"MESSAGE sip:a SIP/2.0\r\n\r\n")
    bench.reactor.until(lambda: bench.of(FramingFailed))
    bench.made.sweep()
    assert bench.until_closed() == ["unframed"]
    bench.reactor.until(lambda: bench.tables == (0, 0, 0, 0))


def test_closing_a_flow_that_is_gone_changes_nothing(bench):
    client, flow = bench.client()
    client.close()
    bench.until_closed()
    bench.made.close_flow(flow, "why")
    assert len(bench.of(FlowClosed)) == 1


# -- slow and silent ones


@pytest.mark.parametrize("start", [b"M", b"MESSAGE sip:a SIP/2.0\r\nX: ", message(1, b"xxxx")[:-3], b"\r"])
def test_a_message_that_is_never_finished_ends_its_connection(bench, start):
    client, _ = bench.client()
    _, innocent = bench.client()
    client.send(start)
    bench.reactor.until(lambda: any(c.partial for c in bench.made._connections.values()))
    bench.sweep_after(30.0)
    assert bench.of(FlowClosed) == []
    client.send(b" ")  # a little more now and then does not help
    bench.reactor.turn()
    bench.sweep_after(0.1)
    assert bench.until_closed() == ["slow_message"]
    assert bench.counts.dropped["slow_message"] == 1
    assert innocent.open
    bench.reactor.until(lambda: bench.tables == (1, 0, 0, 1))


def test_headers_without_end_are_cut_off_at_the_limit(bench):
    client, _ = bench.client()
    client.send(b"MESSAGE sip:a SIP/2.0\r\n")
    client.setblocking(False)

    def feeds():
        with contextlib.suppress(BlockingIOError):
            client.send(b"X: y\r\n" * 100)
        return bench.of(FramingFailed)

    bench.reactor.until(feeds)
    assert bench.of(FramingFailed)[0].reason in ("head_too_long", "too_many_lines")
    assert bench.of(MessageReceived) == []


def test_a_silent_connection_is_closed_after_the_idle_time(make):
    bench = make(idle=60.0)
    client, _ = bench.client()
    bench.time.advance(40)
    client.send(b"\r\n\r\n")
    bench.reactor.turn()
    bench.sweep_after(60.0)
    assert bench.of(FlowClosed) == []
    bench.sweep_after(0.1)
    assert bench.until_closed() == ["idle"]
    assert client.recv(10) == b"\r\n"
    assert bench.read_all(client) == b""


def test_a_silent_connection_of_a_registered_client_stays(make):
    """It may be called any time, and many phones send no keep-alives over TCP."""
    bench = make(idle=60.0)
    bench.client()
    bench.used = True
    bench.sweep_after(1000.0)
    assert bench.of(FlowClosed) == []
    bench.used = False
    bench.sweep_after(0.1)
    assert bench.until_closed() == ["idle"]


def test_the_sweep_runs_by_itself(make):
    """On the reactor's time: here a clock that the test turns."""
    bench = make(first_message=30.0)
    assert bench.entrance._sweeper.running
    assert bench.entrance._sweeper.interval == SWEEP
    assert bench.entrance._sweeper.clock is bench.reactor


def test_a_sweep_asks_the_time_once_however_many_connections_there_are(bench):
    for _ in range(20):
        bench.client()
    asked = []
    bench.made.clock = lambda: asked.append(1) or 0.0
    bench.made.sweep()
    assert len(asked) == 1


def test_a_client_that_does_not_read_is_closed_and_others_are_not_affected(make):
    bench = make(write_buffer=65536)
    _, slow = bench.client(receive_buffer=4096)
    other, quick = bench.client()

    def write():
        if slow.open:
            bench.made.send(slow, b"x" * 65000)
        return not slow.open

    bench.reactor.until(write)
    assert [(event.flow, event.reason) for event in bench.of(FlowClosed)] == [(slow, "slow_reader")]
    assert bench.counts.dropped["slow_reader"] == 1
    bench.made.send(quick, b"still here")
    bench.reactor.turn()
    assert other.recv(100) == b"still here"
    bench.reactor.until(lambda: bench.tables == (1, 0, 0, 1))


# -- connections of ours


def connect(bench, port, host="127.0.0.1"):
    flow = bench.flows.stream(bench.listener, host, port, True)
    bench.made.connect(flow)
    return flow


def test_messages_wait_for_the_connection_and_leave_in_order(bench, far_end):
    flow = connect(bench, far_end.getsockname()[1])
    for octets in (b"1", b"2", b"3"):
        bench.made.send(flow, octets)
    # What the core sends when it hears of the connection comes behind what waited for it.
    bench.core = lambda event: isinstance(event, FlowOpened) and bench.made.send(flow, b"4")
    bench.reactor.until(lambda: bench.of(FlowOpened))
    bench.reactor.turn()
    accepted, source = far_end.accept()
    with accepted:
        assert accepted.recv(100) == b"1234"
        assert source[0] == "127.0.0.1"
        accepted.send(message(1))
        bench.reactor.until(lambda: bench.of(MessageReceived))
    assert [event.flow for event in bench.of(MessageReceived) + bench.of(FlowOpened)] == [flow, flow]
    assert bench.until_closed() == ["peer_closed"]
    assert bench.tables == (0, 0, 0, 0)


def test_what_waits_for_a_connection_is_bounded(make, far_end):
    bench = make(write_buffer=1000)
    flow = connect(bench, far_end.getsockname()[1])
    bench.made.send(flow, b"x" * 600)
    bench.made.send(flow, b"y" * 401)
    bench.made.send(flow, b"z" * 400)
    assert bench.counts.dropped["slow_connect"] == 1
    bench.reactor.until(lambda: bench.of(FlowOpened))
    bench.reactor.turn()
    accepted, _ = far_end.accept()
    with accepted:
        assert accepted.recv(2000) == b"x" * 600 + b"z" * 400


def test_a_connection_that_is_refused_ends_its_flow(bench):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        flow = connect(bench, unused.getsockname()[1])
        bench.made.send(flow, b"x")
        assert bench.until_closed() == ["refused"]
    bench.reactor.turn()
    assert [event.flow for event in bench.of(FlowClosed)] == [flow]
    assert bench.tables == (0, 0, 0, 0)


def test_a_connection_without_a_way_ends_its_flow(bench):
    connect(bench, 5060, "::1")  # from an IPv4 address there is none
    assert bench.until_closed() == ["no_route"]
    assert bench.tables == (0, 0, 0, 0)


def test_a_flow_can_be_closed_before_it_is_open(bench, far_end):
    flow = connect(bench, far_end.getsockname()[1])
    bench.made.close_flow(flow, "why")
    assert bench.until_closed() == ["why"]
    bench.reactor.turn()
    assert bench.of(FlowOpened) == []
    assert bench.tables == (0, 0, 0, 0)


def test_a_wildcard_port_connects_from_whatever_address_fits(make, far_end):
    bench = make("0.0.0.0")
    connect(bench, far_end.getsockname()[1])
    bench.reactor.until(lambda: bench.of(FlowOpened))
    far_end.accept()[0].close()
    assert bench.until_closed() == ["peer_closed"]


# -- addresses


@pytest.mark.parametrize(
    ("bound", "host"),
    [("0.0.0.0", "127.0.0.1"), ("::1", "::1"), ("::", "::1"), ("::", "127.0.0.1")],
)
def test_a_client_is_known_by_its_plain_address(make, bound, host):
    _, flow = make(bound).client(host)
    assert flow.remote_host == host


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # as in test_udp.py
def test_a_port_in_use_is_told(make, far_end):
    with pytest.raises(CannotListenError):
        make("127.0.0.1", port=far_end.getsockname()[1])


# -- the end


def test_stop_closes_all_there_is(bench, far_end):
    client, _ = bench.client()
    _, leaving = bench.client()
    bench.made.close_flow(leaving, "why")
    connect(bench, far_end.getsockname()[1])
    bench.made.stop()
    bench.made.stop()
    bench.reactor.until(lambda: bench.tables == (0, 0, 0, 0))
    assert bench.read_all(client) == b""
    assert sorted(event.reason for event in bench.of(FlowClosed)) == ["shutdown", "shutdown", "why"]
    assert bench.reactor.getDelayedCalls() == []


def test_after_stop_no_connection_is_begun(bench, far_end):
    bench.made.stop()
    flow = connect(bench, far_end.getsockname()[1])
    assert [(event.flow, event.reason) for event in bench.of(FlowClosed)] == [(flow, "shutdown")]
    assert bench.tables == (0, 0, 0, 0)


def test_many_short_connections_leave_nothing_behind(bench):
    for number in range(200):
        client, _ = bench.client()
        client.send(message(number))
        client.close()
        bench.until_closed(number + 1)
        bench.clients.clear()
    assert len(bench.of(MessageReceived)) == 200
    assert bench.tables == (0, 0, 0, 0)
