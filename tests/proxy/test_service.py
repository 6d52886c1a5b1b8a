"""The whole proxy in this process, on real sockets and a reactor of the test's own."""

from __future__ import annotations

import contextlib
import gc
import socket
import ssl
from contextlib import closing

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure

from proxy import service as module
from proxy.config.load import parse_config
from proxy.core.locate import Unlocatable
from proxy.flow import TLS, UDP
from proxy.memory import settle_memory
from proxy.repair.catalog import CatalogError
from proxy.resolver import Location
from proxy.service import Service, StartError
from tests.support.certificates import Authority
from tests.support.private_log import private_log
from tests.support.private_reactor import PrivateReactor
from tests.support.tls_end import TlsEnd, client_context, server_context
from tests.support.wire_end import WireEnd, answer, free_port, request

pytestmark = pytest.mark.loopback


class Running:
    """One service with ports of its own and a server that the test plays."""

    def __init__(self, reactor, folder, sections="", listen=None, server=None, own_log=True, store="memory"):
        self.reactor = reactor
        self.pump = lambda: reactor.iterate(0.01)
        self.server = WireEnd.udp(pump=self.pump)
        self.ends = [self.server]
        self.client_port, self.side_port, self.admin_port = free_port(), free_port(), free_port()
        self.key = folder / f"key{self.client_port}"
        self.store = store
        self.listen = listen or [f"udp://127.0.0.1:{self.client_port}", f"tcp://127.0.0.1:{self.client_port}"]
        self.uri = server or f"sip:127.0.0.1:{self.server.port}"
        self.lines = []
        self.log, self.stream = private_log(reactor.callLater)
        self.settled = []
        self.service = Service(
            self.config(sections),
            reactor,
            self.lines.append,
            self.log if own_log else None,
            lambda: self.settled.append(1),
        )

    def config(self, sections=""):
        listen = "".join(f"  - {uri}\n" for uri in self.listen)
        text = (
            f"server:\n  domain: example.com\n  uri: {self.uri}\n  bind: udp://127.0.0.1:{self.side_port}\n"
            f"listen:\n{listen}admin: {{listen: '127.0.0.1:{self.admin_port}'}}\ntoken_key: {self.key}\n"
            f"store: {self.store}\n"
        )
        for key, extra in (("server:\n", "server "), ("", "")):
            for section in sections.split("|"):
                if extra and section.startswith(extra):
                    text = text.replace(key, f"{key}  {section.removeprefix(extra)}\n", 1)
                elif not extra and not section.startswith("server "):
                    text += f"{section}\n"
        return parse_config(text, "edge.yaml", {"HOME": "/nonexistent"})

    def wait(self, deferred):
        """The result; a failure is raised."""
        results = []
        deferred.addBoth(results.append)
        self.reactor.until(lambda: results)
        if isinstance(results[0], Failure):
            results[0].raiseException()
        return results[0]

    def start(self):
        self.wait(self.service.start())
        return self

    def stop(self):
        self.wait(self.service.stop())

    def client(self, host="127.0.0.1"):
        self.ends.append(WireEnd.udp(host, pump=self.pump))
        return self.ends[-1]

    def get(self, path):
        """Status and body of an administrator's page."""
        with closing(WireEnd.tcp("127.0.0.1", self.admin_port, self.pump)) as end:
            end.send(b"GET %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % path.encode())
            head, _, body = end.until_closed().partition(b"\r\n\r\n")
            return int(head.split()[1]), body.decode()


@pytest.fixture
def make(tmp_path):
    reactor = PrivateReactor()
    made = []

    def make(sections="", **options):
        made.append(Running(reactor, tmp_path, sections, **options))
        return made[-1]

    yield make
    for running in made:
        running.service._close()
        for end in running.ends:
            end.close()
    reactor.turn()
    left = [getattr(call.func, "__module__", "") for call in reactor.getDelayedCalls()]
    reactor.close()
    # What a stopped service leaves in the reactor would wake it for nobody. The log is not the service's.
    assert [name for name in left if name.startswith("proxy.") and name != "proxy.logs"] == []


@pytest.fixture
def running(make):
    return make().start()


def invite(client, port, call="1@test", **fields):
    client.send(request("INVITE", f"127.0.0.1:{client.port}", call=call, **fields), port=port)


# -- start


def test_start_tells_each_listener_and_then_that_it_is_ready(running):
    client, side, admin = running.client_port, running.side_port, running.admin_port
    assert running.lines == [
        f"listening on udp://127.0.0.1:{client} for clients, known as 127.0.0.1:{client}",
        f"listening on tcp://127.0.0.1:{client} for clients, known as 127.0.0.1:{client}",
        f"listening on udp://127.0.0.1:{side} for server, known as 127.0.0.1:{side}",
        f"listening on tcp://127.0.0.1:{side} for server, known as 127.0.0.1:{side}",
        f"listening on http://127.0.0.1:{admin} for metrics and health",
        "ready",
    ]
    assert running.settled == [1]


def test_an_ipv6_listener_is_written_as_a_uri(make):
    port = free_port("::1")
    running = make(listen=[f"udp://[::1]:{port}"]).start()
    assert running.lines[0] == f"listening on udp://[::1]:{port} for clients, known as [::1]:{port}"


def test_two_services_in_one_process_do_not_meet(make):
    one, two = make().start(), make().start()
    assert one.lines[-1] == two.lines[-1] == "ready"
    assert one.get("/readyz") == two.get("/readyz") == (200, "ready\n")


SIDE = ("udp", "tcp", "tls")


def with_tls(make, folder, server=None, name="127.0.0.1", **certificate):
    """A service with one port for TCP, WS, TLS and WSS, and the CA that vouches for it."""
    authority = Authority(folder)
    pair = authority.issue("edge", name, **certificate)
    port = free_port()
    listen = [f"{transport}://127.0.0.1:{port}" for transport in ("tcp", "ws", "tls", "wss")]
    running = make(
        f"tls: {{certificate: {pair[0]}, private_key: {pair[1]}}}|server tls: {{ca: {authority.file}}}",
        listen=listen,
        server=server,
    )
    return running, authority, port


def test_listeners_that_share_a_port_are_told_one_by_one(make, tmp_path):
    running, _, port = with_tls(make, tmp_path, "sip:127.0.0.1:9;transport=tls")
    running.start()
    known = f"for clients, known as 127.0.0.1:{port}"
    side = running.side_port
    assert running.lines[:-2] == [
        *(f"listening on {name}://127.0.0.1:{port} {known}" for name in ("tcp", "ws", "tls", "wss")),
        *(f"listening on {name}://127.0.0.1:{side} for server, known as 127.0.0.1:{side}" for name in SIDE),
    ]


def test_a_certificate_that_cannot_be_used_refuses_the_start(make, tmp_path):
    running, _, _ = with_tls(make, tmp_path)
    (tmp_path / "edge.key").write_text("nonsense")
    with pytest.raises(StartError, match=r"^tls: .*edge\.pem and .*edge\.key are not a certificate and its key"):
        running.start()


def test_a_certificate_that_has_expired_is_told_and_used(make, tmp_path):
    """Clients that do not look still get through, and the others say why they do not."""
    running, _, _ = with_tls(make, tmp_path, begins=-9, days=2)
    running.start()
    assert "edge.pem expired on 20" in running.stream.getvalue()


def test_new_certificates_are_taken_over_by_a_reload(make, tmp_path):
    running, authority, port = with_tls(make, tmp_path)
    running.start()

    def shown():
        end = TlsEnd.connect(("127.0.0.1", port), client_context(authority), running.pump)
        running.ends.append(end)
        return end.shake().certificate_names

    assert shown() == ["127.0.0.1"]
    new = authority.issue("new", "edge.example.com")
    config = running.config(f"tls: {{certificate: {new[0]}, private_key: {new[1]}}}")
    running.service.reload(config)
    assert shown() == ["edge.example.com"]
    assert "after a restart" not in running.stream.getvalue()
    new[1].write_text("nonsense")
    running.service.reload(config)
    assert shown() == ["edge.example.com"]
    assert "not reloaded: tls: " in running.stream.getvalue()
    assert running.service._gauges.generation == 2


@pytest.mark.parametrize(("name", "taken"), [("pbx.example.net", True), ("example.com", True), ("x.example", False)])
def test_the_server_by_tls_is_known_by_its_name(make, tmp_path, name, taken):
    with socket.create_server(("127.0.0.1", 0)) as far:
        far.settimeout(10)
        running, authority, _ = with_tls(make, tmp_path, "sips:pbx.example.net")
        dns = running.service._resolver = DnsAnswers(Location([(TLS, *far.getsockname())], 600.0, []))
        running.start()
        assert TLS in dns.asked[0][4]
        running.reactor.turn()
        end = TlsEnd(far.accept()[0], server_context(authority.issue("pbx", name)), running.pump, server_side=True)
        running.ends.append(end)
        with contextlib.suppress(ssl.SSLError, OSError):
            end.shake()
        if taken:
            assert end.read().startswith(b"OPTIONS sip:")
        else:
            running.reactor.until(lambda: "no TLS with the server" in running.stream.getvalue())
            assert "its certificate is for x.example, and should be for pbx.example.net" in running.stream.getvalue()


def test_without_admin_there_is_no_page(make):
    running = make()
    running.service._config = running.config().model_copy(
        update={"admin": running.config().admin.model_copy(update={"listen": None})}
    )
    running.start()
    assert not any("http" in line for line in running.lines)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Twisted drops the socket unclosed
@pytest.mark.parametrize(
    ("kind", "port", "said"),
    [
        (socket.SOCK_DGRAM, "client_port", "udp://127.0.0.1:{port} cannot be bound: Address already in use"),
        (socket.SOCK_STREAM, "client_port", "tcp://127.0.0.1:{port} cannot be bound: Address already in use"),
        (socket.SOCK_STREAM, "side_port", "tcp://127.0.0.1:{port} cannot be bound: Address already in use"),
        (socket.SOCK_STREAM, "admin_port", "admin 127.0.0.1:{port} cannot be bound: Address already in use"),
    ],
)
def test_a_port_in_use_refuses_the_start_and_frees_the_others(make, kind, port, said):
    running = make()
    number = getattr(running, port)
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", number))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        with pytest.raises(StartError) as caught:
            running.start()
    assert str(caught.value) == said.format(port=number)
    assert running.lines == []
    running.reactor.turn()
    for free in (running.client_port, running.side_port, running.admin_port):
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tcp.bind(("127.0.0.1", free))
            udp.bind(("127.0.0.1", free))
    # The error holds on to the socket that Twisted left unclosed: it must not be another test that finds it.
    del caught
    gc.collect()


@pytest.mark.parametrize(("content", "mode", "said"), [("nonsense", 0o600, "key"), ("ab" * 32, 0o644, "others")])
def test_a_key_that_cannot_be_used_refuses_the_start(make, content, mode, said):
    running = make()
    running.key.write_text(content)
    running.key.chmod(mode)
    with pytest.raises(StartError) as caught:
        running.start()
    assert str(running.key) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert said in str(caught.value)


def test_a_key_is_made_and_stays_the_same(make):
    running = make().start()
    first = running.key.read_text()
    running.stop()
    running.service = Service(running.config(), running.reactor, running.lines.append, running.log, lambda: None)
    running.start()
    assert running.key.read_text() == first


class DnsAnswers:
    """Stands for the resolver."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.results = {}
        self.asked = []

    def start(self):
        pass

    def stop(self):
        pass

    def locate(self, *question):
        self.asked.append(question)
        given = self.answers.pop(0)
        if isinstance(given, Deferred):
            return given
        return fail(given) if isinstance(given, Exception) else succeed(given)


def test_a_server_without_address_refuses_the_start(make):
    running = make(server="sip:pbx.example.com")
    running.service._resolver = DnsAnswers(Unlocatable("the name does not exist"))
    with pytest.raises(StartError) as caught:
        running.start()
    assert str(caught.value) == "server: sip:pbx.example.com cannot be resolved: the name does not exist"


def test_a_server_that_cannot_be_reached_from_here_refuses_the_start(make, monkeypatch):
    def unreachable(config, addresses):
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(module, "make_listeners", unreachable)
    running = make(server="sip:192.0.2.9:5062")
    with pytest.raises(StartError) as caught:
        running.start()
    assert str(caught.value) == "no way to the server at 192.0.2.9:5062: Network is unreachable"


@pytest.mark.parametrize(
    ("bind", "families"),
    [("0.0.0.0", ("A",)), ("127.0.0.1", ("A",)), ("[::1]", ("AAAA",)), ("[::]", ("AAAA", "A"))],
)
def test_only_addresses_that_the_server_side_can_reach_are_asked_for(make, bind, families):
    running = make(server="sip:pbx.example.com")
    config = running.config()
    text = f"udp://{bind}:{running.side_port}"
    server = config.server.model_copy(update={"bind": type(config.server.bind)(
        transport="udp", host=bind.strip("[]"), port=running.side_port)})  # fmt: skip
    assert str(server.bind) == text
    running.service._config = config.model_copy(update={"server": server})
    dns = running.service._resolver = DnsAnswers(Unlocatable("x"))
    with pytest.raises(StartError):
        running.start()
    assert dns.asked[0][-1] == families


def test_a_log_file_that_cannot_be_written_refuses_the_start(make, tmp_path):
    running = make(f"log: {{file: {tmp_path}/none/sipmend.log}}", own_log=False)
    with pytest.raises(StartError, match=r"^log\.file .*/none/sipmend\.log cannot be written: No such file"):
        running.start()


def test_told_to_stop_while_dns_is_asked_it_opens_nothing(make):
    running = make(server="sip:pbx.example.com")
    late = Deferred()
    running.service._resolver = DnsAnswers(late)
    started = []
    running.service.start().addBoth(started.append)
    running.stop()
    late.callback(Location([(UDP, "127.0.0.1", 5060)], 60.0, []))
    assert started == [None]
    assert running.lines == []
    assert running.service._sockets is None


def test_memory_is_settled_unless_the_caller_says_otherwise(make):
    running = make()
    assert Service(running.config(), running.reactor, print, running.log)._settle is settle_memory


# -- while it runs


def test_the_pages_of_the_administrator_answer(running):
    client = running.client()
    invite(client, running.client_port)
    running.server.read(b"INVITE")
    assert running.get("/healthz") == (200, "ok\n")
    status, text = running.get("/metrics")
    assert status == 200
    assert 'sipmend_messages_total{direction="in",side="client",transport="udp",type="INVITE"} 1.0' in text
    assert 'sipmend_messages_total{direction="out",side="server",transport="udp",type="INVITE"} 1.0' in text
    assert "sipmend_config_generation 1.0" in text
    assert f'sipmend_server_up{{target="udp:127.0.0.1:{running.server.port}"}} 1.0' in text


def test_readiness_follows_the_server(make):
    running = make("server health: {interval: 400ms, timeout: 200ms}").start()
    assert running.get("/readyz") == (200, "ready\n")
    running.reactor.until(lambda: running.service.readiness() is not None)
    assert running.get("/readyz") == (503, "no server answers\n")

    def answers():
        running.server.send(answer(running.server.read(b"OPTIONS"), 200))
        running.pump()
        return running.service.readiness() is None

    running.reactor.until(answers)
    assert running.get("/readyz") == (200, "ready\n")
    assert "is down" in running.stream.getvalue()
    assert "answers again" in running.stream.getvalue()


def test_before_the_start_it_is_not_ready(make):
    assert make().service.readiness() == "starting"


def test_another_address_of_the_server_is_used_from_then_on(make):
    running = make(server="sip:pbx.example.com")
    other = WireEnd.udp(pump=running.pump)
    running.ends.append(other)
    dns = running.service._resolver = DnsAnswers(
        Location([(UDP, "127.0.0.1", running.server.port)], 3600.0, []),
        Location([(UDP, "127.0.0.1", other.port)], 3600.0, []),
    )
    running.start()
    running.service._where._call.reset(0)
    running.reactor.until(lambda: len(dns.asked) == 2)
    invite(running.client(), running.client_port)
    assert other.read(b"INVITE").start == b"INVITE sip:bob@example.com SIP/2.0"


# -- reload


def test_a_reload_swaps_the_modes_of_rules(running):
    client = running.client()
    running.service.reload(running.config("repair: {contact-missing: off}"))
    invite(client, running.client_port)
    assert running.server.read(b"INVITE").all(b"Contact") == []
    running.service.reload(running.config("repair: {contact-missing: repair}"))
    invite(client, running.client_port, "2@test")
    assert len(running.server.read(b"INVITE").all(b"Contact")) == 1
    assert "sipmend_config_generation 3.0" in running.get("/metrics")[1]


def test_a_reload_swaps_the_level_of_the_log(running):
    assert not running.log.debug
    running.service.reload(running.config("log: {level: debug}"))
    assert running.log.debug
    assert "reloaded" in running.stream.getvalue()


def test_a_reload_names_what_waits_for_a_restart_each_time(running):
    changed = "limits: {flows: 10}|log: {format: json}|server aliases: [example.net]"
    for count in (1, 2):
        running.service.reload(running.config(changed))
        text = "reloaded; the changes under server, limits, log.format take effect after a restart"
        assert running.stream.getvalue().count(text) == count
    running.service.reload(running.config())
    assert running.stream.getvalue().rstrip().endswith("reloaded")


def test_an_unknown_rule_changes_nothing(running):
    with pytest.raises(CatalogError):
        running.service.reload(running.config("repair: {no-such-rule: off}|log: {level: debug}"))
    assert not running.log.debug
    assert "sipmend_config_generation 1.0" in running.get("/metrics")[1]


def test_a_reload_before_the_start_does_nothing(make):
    running = make()
    running.service.reload(running.config("log: {level: debug}"))
    assert not running.log.debug


# -- the end


def test_stop_waits_for_calls_that_are_set_up_and_takes_no_new_ones(running):
    client = running.client()
    invite(client, running.client_port)
    asked = running.server.read(b"INVITE")
    stopped = []
    running.service.stop().addBoth(stopped.append)
    assert running.service.readiness() == "shutting down"
    client.read(100)
    invite(client, running.client_port, "2@test")
    refused = client.read(503)
    assert refused.one(b"Call-ID") == b"2@test"
    assert refused.one(b"Retry-After") == b"5"
    assert stopped == []
    running.server.send(answer(asked, 486))
    assert client.read(486).one(b"Call-ID") == b"1@test"
    running.reactor.until(lambda: stopped)
    assert stopped == [None]


def test_requests_in_dialog_are_served_until_the_end(running):
    client = running.client()
    invite(client, running.client_port)
    running.server.read(b"INVITE")
    running.service.stop()
    client.send(request("BYE", f"127.0.0.1:{client.port}", call="3@test", to_tag="b1"), port=running.client_port)
    assert running.server.read(b"BYE").one(b"Call-ID") == b"3@test"


def test_stop_waits_no_longer_than_it_says(running, monkeypatch):
    monkeypatch.setattr(module, "DRAIN_LIMIT", 0.2)
    invite(running.client(), running.client_port)
    running.server.read(b"INVITE")
    running.stop()


def test_stop_closes_every_socket(running):
    end = WireEnd.tcp("127.0.0.1", running.client_port, running.pump)
    running.ends.append(end)
    running.reactor.turn()
    running.stop()
    assert end.until_closed() == b""
    for port in (running.client_port, running.side_port, running.admin_port):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.bind(("127.0.0.1", port))


def test_after_stop_a_new_address_of_the_server_is_nobodys(running):
    running.stop()
    running.service._moved(((UDP, "127.0.0.1", 9),))
    assert [target.name for target in running.service._core.node.targets.all] == [
        f"udp:127.0.0.1:{running.server.port}"
    ]


def test_stopping_what_never_started_is_no_error(make):
    make().stop()


# -- the addresses in headers


def test_each_listener_has_its_own_public_address(make):
    ports = [free_port(), free_port()]
    listen = [
        f"{{uri: 'udp://127.0.0.1:{ports[0]}', public_address: 198.51.100.1, public_port: 6001}}",
        f"{{uri: 'udp://127.0.0.1:{ports[1]}', public_address: 198.51.100.2}}",
    ]
    running = make(listen=listen).start()
    for port, known in ((ports[0], b"198.51.100.1:6001"), (ports[1], b"198.51.100.2:%d" % ports[1])):
        client = running.client()
        invite(client, port, f"{port}@test")
        top, second = running.server.read(b"INVITE").all(b"Record-Route")
        assert b"127.0.0.1:%d;" % running.side_port in top
        assert known + b";" in second


@pytest.mark.parametrize(
    ("bound", "host"),
    [("0.0.0.0", "127.0.0.1"), ("[::]", "127.0.0.1"), ("[::]", "::1")],
)
def test_a_wildcard_never_appears_in_a_header(make, bound, host):
    port = free_port()
    running = make("public_address: 198.51.100.1", listen=[f"udp://{bound}:{port}"])
    config = running.config("public_address: 198.51.100.1")
    wild = type(config.server.bind)(transport="udp", host=bound.strip("[]"), port=running.side_port)
    server = config.server.model_copy(update={"bind": wild})
    running.service._config = config.model_copy(update={"server": server})
    running.start()
    client = running.client(host)
    written = f"[{host}]" if ":" in host else host
    sent = request("INVITE", f"{written}:{client.port}", contact=f"sip:alice@{written}:{client.port}")
    client.send(sent, host, port)
    trying = client.read(100)
    asked = running.server.read(b"INVITE")
    assert asked.all(b"Via")[0].startswith(b"SIP/2.0/UDP 127.0.0.1:%d;" % running.side_port)
    assert b";received=%b" % host.encode() in asked.all(b"Via")[1]
    running.server.send(answer(asked, 200, f"Contact: <sip:bob@127.0.0.1:{running.server.port}>"))
    final = client.read(200)
    for octets in (trying, asked, final):
        assert b"0.0.0.0" not in octets
        assert b"[::]" not in octets
        assert b"::ffff:" not in octets


# -- the store


def test_a_store_that_cannot_be_used_refuses_the_start(make, tmp_path):
    path = tmp_path / "none" / "clients.db"
    running = make(store=f"sqlite:{path}")
    with pytest.raises(StartError, match=f"store: {path} cannot be made: the folder {path.parent} does not exist"):
        running.start()
    assert running.lines == []


def test_clients_of_the_run_before_are_known(make, tmp_path):
    """Told to the core before the first socket is open."""
    store = f"sqlite:{tmp_path}/clients.db"
    first = make(store=store).start()
    client = first.client()
    sent_by = f"127.0.0.1:{client.port}"
    sent = request("REGISTER", sent_by, "sip:example.com", contact=f"sip:alice@{sent_by}")
    client.send(sent.replace(b"To: <sip:bob@", b"To: <sip:alice@"), port=first.client_port)
    asked = first.server.read(b"REGISTER")
    first.server.send(answer(asked, 200, f"Contact: {asked.one(b'Contact').decode()};expires=600"))
    client.read(200)
    assert 'store_writes_total{result="written"} 1.0' in first.get("/metrics")[1]
    first.stop()
    second = make(store=store).start()
    assert 'sipmend_bindings{state="registered"} 1.0' in second.get("/metrics")[1]
