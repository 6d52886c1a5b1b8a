"""From the settings to sockets: which share one, what each is told, and their certificates. Nothing is bound here."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from proxy.assembly import make_listeners, make_settings
from proxy.certificate import CertificateError
from proxy.config.load import parse_config
from proxy.core.proxy_core import ProxyCore
from proxy.counts import Counts
from proxy.flow import TLS, UDP
from proxy.ruling import make_pipelines
from proxy.sockets import Sockets, stun_questions
from proxy.transport.udp import UdpPort
from tests.support.certificates import Authority

SERVER = (UDP, "127.0.0.9", 5060)


def settings(listen, sections="", server="sip:127.0.0.9:5060"):
    text = (
        f"server: {{domain: example.com, uri: '{server}', bind: 'udp://127.0.0.1:5070'}}\nlisten:\n{listen}{sections}"
    )
    return parse_config(text, "edge.yaml", {"HOME": "/nonexistent"})


def sockets(config, note=lambda note: None):
    listeners = make_listeners(config, [SERVER])
    counts = Counts(len(listeners))
    pipelines = make_pipelines(config, counts, ())
    core = ProxyCore(make_settings(config, listeners, [SERVER]), *pipelines, counts, (b"k" * 32,), lambda: b"0" * 16)
    return Sockets(config, listeners, Clock(), core, lambda event: None, note, lambda host: ("example.com",), None)


def transports(listen, sections=""):
    return sockets(settings(listen, sections)).transports


def test_each_listener_has_its_transport_in_order():
    made = transports("  - udp://127.0.0.1:5060\n  - tcp://127.0.0.1:5060\n  - ws://127.0.0.1:8080\n")
    assert [transport.listener.index for transport in made] == [0, 1, 2, 3, 4]
    assert [isinstance(transport, UdpPort) for transport in made] == [True, False, False, True, False]


def test_listeners_of_one_address_share_a_socket():
    made = transports("  - tcp://127.0.0.1:5060\n  - ws://127.0.0.1:5060\n  - ws://127.0.0.2:5060\n")
    tcp, ws, other, _, side = made
    assert tcp.entrance is ws.entrance
    assert len({tcp.entrance, other.entrance, side.entrance}) == 3


def test_a_listener_gets_its_own_rules():
    one, other, *_ = transports(
        "  - {uri: 'ws://127.0.0.1:80', paths: [/sip], origins: [https://a.example], trusted_proxies: [10.0.0.0/8]}\n"
        "  - ws://127.0.0.1:81\n"
    )
    assert (one.rules.paths, one.rules.origins) == ({"/sip"}, {"https://a.example"})
    assert [str(network) for network in one.entrance.trusted] == ["10.0.0.0/8"]
    assert (other.rules.paths, other.rules.origins, other.entrance.trusted) == (frozenset(), frozenset(), ())


def test_the_bounds_are_those_of_the_file():
    tcp, ws, *_ = transports(
        "  - tcp://127.0.0.1:5060\n  - ws://127.0.0.1:80\n",
        "limits: {max_head: 2000, max_message: 3000, handshake: 3s, websocket_ping: 7s, idle_stream: 9s, flows: 5}\n",
    )
    limits = tcp.limits
    assert (limits.max_head, limits.max_body, limits.handshake, limits.ping) == (2000, 3000, 3.0, 7.0)
    assert (limits.idle, limits.connections) == (9.0, 5)
    assert ws.rules.max_message == 5000


def test_all_client_entrances_have_one_limit_and_the_server_some_more():
    one, other, *_, side = transports("  - tcp://127.0.0.1:5060\n  - ws://127.0.0.1:80\n", "limits: {flows: 5}\n")
    assert one.entrance._together is other.entrance._together is side.entrance._together
    assert side.limits.connections > one.limits.connections


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def tls(pair, more="", **keys):
    lines = "".join(f"  {key}: {value}\n" for key, value in keys.items())
    return f"tls:\n  certificate: {pair[0]}\n  private_key: {pair[1]}\n{lines}{more}"


def shown(port):
    """The names in the certificates of a port's entrance."""
    creator = port.entrance.certificates
    return [name for _, certificate in creator.certificates for name in certificate.hosts]


def test_every_certificate_is_there_for_every_secure_listener(authority):
    one, two = authority.issue("one", "one.example"), authority.issue("two", "two.example")
    more = f"  certificates: [{{certificate: {two[0]}, private_key: {two[1]}}}]\n"
    made = transports("  - tls://127.0.0.1:5061\n  - wss://127.0.0.1:443\n", tls(one, more))
    assert [shown(port) for port in made[:2]] == [["one.example", "two.example"]] * 2


@pytest.mark.parametrize("word", ["required", "optional"])
def test_clients_may_have_to_show_certificates(authority, word):
    section = tls(authority.issue("one", "one.example"), client_ca=authority.file, client_certificate=word)
    made = transports("  - tls://127.0.0.1:5061\n", section)
    files = made[0].entrance.certificates.files
    assert (files.ca, files.required) == (authority.file, word == "required")


@pytest.mark.parametrize("uri", ["sips:127.0.0.9", "sip:127.0.0.9;transport=tls"])
def test_the_server_side_has_tls_where_the_server_has(authority, uri):
    section = tls(authority.issue("one", "one.example"))
    config = settings("  - udp://127.0.0.1:5060\n", section, uri)
    _, _, tcp, secure = sockets(config).transports
    assert secure.listener.transport == TLS
    assert tcp.entrance is secure.entrance
    assert shown(secure) == ["one.example"]
    assert secure.verifier.files.ca is None


def test_the_server_may_have_a_certificate_and_a_ca_of_its_own(authority):
    one, two = authority.issue("one", "one.example"), authority.issue("two", "two.example")
    config = settings("  - tls://127.0.0.1:5061\n", tls(one), "sips:127.0.0.9")
    own = config.server.tls.model_copy(update={"certificate": two[0], "private_key": two[1], "ca": authority.file})
    config = config.model_copy(update={"server": config.server.model_copy(update={"tls": own})})
    clients, *_, secure = sockets(config).transports
    assert (shown(clients), shown(secure)) == (["one.example"], ["two.example"])
    assert secure.verifier.files.ca == authority.file
    assert [path for path, _ in secure.verifier.certificates] == [two[0]]


def test_new_settings_bring_new_certificates_or_change_nothing(authority):
    one, two = authority.issue("one", "one.example"), authority.issue("two", "two.example")
    made = sockets(settings("  - tls://127.0.0.1:5061\n", tls(one), "sips:127.0.0.9"))
    made.use_certificates(settings("  - tls://127.0.0.1:5061\n", tls(two), "sips:127.0.0.9"))
    clients, *_, secure = made.transports
    assert shown(clients) == shown(secure) == ["two.example"]
    two[1].write_text("nonsense")
    with pytest.raises(CertificateError):
        made.use_certificates(settings("  - tls://127.0.0.1:5061\n", tls(two), "sips:127.0.0.9"))
    assert shown(clients) == shown(secure) == ["two.example"]


def test_a_certificate_that_clients_will_refuse_is_told_in_the_log(authority):
    """At the start and with each reload; whoever reads no `sipmend check` finds it where the clients' trouble is."""
    wrong, right = authority.issue("wrong", "other.example"), authority.issue("right", "127.0.0.1")
    notes = []
    made = sockets(settings("  - udp://127.0.0.1:5060\n  - tls://127.0.0.1:5061\n", tls(wrong)), notes.append)
    made.use_certificates(settings("  - tls://127.0.0.1:5061\n", tls(right)))
    [note] = notes
    assert note.level == "warn"
    assert note.text.format_map(note.fields) == (
        "clients that connect to 127.0.0.1 by tls://127.0.0.1:5061 will refuse the certificate, which is for "
        "other.example"
    )


def test_a_certificate_that_nobody_shows_need_not_be_right(authority):
    one = authority.issue("one", "one.example")
    one[1].write_text("nonsense")
    made = sockets(settings("  - udp://127.0.0.1:5060\n", tls(one)))
    made.watch()
    made.stop()
    with pytest.raises(CertificateError):
        sockets(settings("  - wss://127.0.0.1:443\n", tls(one)))


# -- who asks STUN servers


def questions(listen, sections="public_address: stun:stun.example.com\n"):
    """(server, host, index of the UDP listener that asks, [(taker, keeps its port)]) of each question."""
    config = settings(listen, sections)
    return [
        (
            str(each.server),
            each.host,
            each.by,
            [(taker.index, taker.index in each.fixed) for taker in each.takers],
        )
        for each in stun_questions(config, make_listeners(config, [SERVER]))
    ]


def test_each_udp_listener_asks_for_itself():
    assert questions("  - udp://127.0.0.1:5060\n  - udp://127.0.0.1:5062\n") == [
        ("stun.example.com:3478", "127.0.0.1", 0, [(0, False)]),
        ("stun.example.com:3478", "127.0.0.1", 1, [(1, False)]),
    ]


def test_streams_share_the_answer_of_a_udp_listener_beside_them():
    assert questions("  - tcp://127.0.0.1:5060\n  - ws://127.0.0.1:80\n  - udp://127.0.0.1:5060\n") == [
        ("stun.example.com:3478", "127.0.0.1", 2, [(2, False), (0, True), (1, True)])
    ]


def test_streams_alone_have_one_socket_that_asks():
    assert questions("  - tcp://127.0.0.1:5060\n  - ws://127.0.0.1:80\n  - tcp://127.0.0.2:5060\n") == [
        ("stun.example.com:3478", "127.0.0.1", None, [(0, True), (1, True)]),
        ("stun.example.com:3478", "127.0.0.2", None, [(2, True)]),
    ]


def test_each_listener_may_ask_another_server_or_none():
    listen = (
        "  - {uri: 'udp://127.0.0.1:5060', public_address: 'stun:192.0.2.1:3479', public_port: 5060}\n"
        "  - {uri: 'udp://127.0.0.1:5062', public_address: 192.0.2.9}\n"
        "  - {uri: 'tcp://127.0.0.1:5060'}\n"
    )
    assert questions(listen, "") == [("192.0.2.1:3479", "127.0.0.1", 0, [(0, True)])]
    assert questions(listen)[1] == ("stun.example.com:3478", "127.0.0.1", None, [(2, True)])


def test_until_it_is_told_a_listener_is_known_by_its_own_address():
    config = settings("  - udp://127.0.0.1:5060\n  - udp://0.0.0.0:5062\n", "public_address: stun:stun.example.com\n")
    assert [listener.sent_by for listener in make_listeners(config, [SERVER])[:2]] == [
        b"127.0.0.1:5060", b"127.0.0.1:5062",
    ]  # fmt: skip
