"""The demo's server at its socket: what it refuses, where it finds its users, what it does for a real phone."""

from __future__ import annotations

import demo_reactor
import pytest
from twisted.internet.error import CannotListenError

from proxy.demo.calls import CallFailedError
from proxy.demo.client import Client, Flaw
from proxy.demo.compose import request
from proxy.demo.server import Server
from proxy.demo.wire import DatagramSocket, DatagramWay

pytestmark = pytest.mark.loopback

SOUND = Flaw("dora", "sound/1.0", "sip:dora@%(here)s", "sip:dora@%(here)s", "%(here)s;rport")


def nobody(*_):
    """Watches nothing."""


@pytest.fixture
def server(reactor):
    server = Server(reactor, b"demo.test", nobody)
    server.listen("127.0.0.1")
    server.registrar.add_account(b"dora", b"secret")
    yield server
    server.stop()


@pytest.fixture
def dora(reactor, server):
    client = Client(reactor, SOUND, b"demo.test", b"secret", nobody)
    client.listen(reactor, "127.0.0.1", server.address)
    yield client
    client.stop()


@pytest.fixture
def ask(reactor, server):
    """Send one request from a bare socket; returns the final response."""
    got = []
    sock = DatagramSocket(lambda message, way: got.append(message))
    host, port = sock.listen(reactor, "127.0.0.1", 0)

    def send(method, headers=(), user=b"dora", uri=b"sip:echo@demo.test"):
        leading = [
            (b"Via", b"SIP/2.0/UDP %b:%d;rport;branch=z9hG4bK%d" % (host.encode(), port, len(got))),
            (b"From", b"<sip:%b@demo.test>;tag=f" % user),
            (b"To", b"<sip:dora@demo.test>"),
            (b"Call-ID", b"c%d" % len(got)),
            (b"CSeq", b"1 " + method),
        ]
        before = len(got)
        DatagramWay(sock, server.address).send(request(method, uri, [*leading, *headers]))
        assert demo_reactor.turn(reactor, lambda: len(got) > before)
        return got[-1]

    yield send
    sock.close()


CONTACT = (b"Contact", b"<sip:dora@127.0.0.1>")


def test_invite_without_contact_is_refused_before_any_challenge(ask):
    answer = ask(b"INVITE")
    assert (answer.status, answer.reason) == (400, b"Missing Contact header")
    assert answer.to.tag
    assert ask(b"INVITE", [CONTACT]).status == 401


def test_register_is_challenged_and_path_does_not_help(ask):
    answer = ask(b"REGISTER", [CONTACT, (b"Path", b"<sip:p@127.0.0.1;lr>"), (b"Supported", b"path")])
    assert answer.status == 401
    assert b'realm="demo.test"' in answer.value(b"www-authenticate")


def test_options_is_answered_and_unknown_methods_are_not_allowed(ask):
    assert ask(b"OPTIONS").status == 200
    refused = ask(b"PUBLISH")
    assert refused.status == 405
    assert b"INVITE" in refused.value(b"allow")


@pytest.mark.parametrize(
    ("called", "headers", "status"),
    [(b"nobody", [], 404), (b"echo", [(b"Require", b"100rel")], 420)],
)
def test_calls_that_cannot_be_are_refused(reactor, server, dora, called, headers, status):
    own = dora.own
    dora.own = lambda: [*own(), *headers]
    with pytest.raises(CallFailedError, match=str(status)):
        demo_reactor.run(reactor, dora.call(called, 2.0))


def test_nobody_calls_under_another_name(reactor, server, dora):
    server.registrar.add_account(b"eve", b"secret")
    authenticated = server.registrar.authenticate
    server.registrar.authenticate = lambda asked: authenticated(asked) and b"eve"
    with pytest.raises(CallFailedError, match="403"):
        demo_reactor.run(reactor, dora.call(b"echo", 2.0))


def test_wrong_password_is_refused(reactor, server, dora):
    server.registrar.add_account(b"dora", b"other")
    assert demo_reactor.run(reactor, dora.register(2.0)).status == 403


def test_user_without_registration_cannot_be_called(reactor, server):
    with pytest.raises(CallFailedError, match="dora is not registered"):
        demo_reactor.run(reactor, server.call(b"dora", 1.0))


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        (b"sip:dora@phone.invalid", "leads to no address"),
        (b"sip:dora@localhost", "leads to no address"),
        (b"sip:dora@[::1]", "leads to no address"),
        (b"tel:123", "leads to no address"),
        (b"garbage", "leads to no address"),
        (b"sip:dora@127.0.0.1:9;transport=tcp", "no TCP connection"),
    ],
)
def test_contact_that_is_no_address_leads_nowhere(server, uri, why):
    with pytest.raises(CallFailedError, match=why):
        server.way_to(uri)


def test_default_port_is_5060(server):
    assert server.way_to(b"sip:dora@127.0.0.1").address == ("127.0.0.1", 5060)


def test_refused_call_says_how(reactor, server, dora):
    """A client that is strict about its own Contact, as browsers are."""
    demo_reactor.run(reactor, dora.register(2.0))
    host, port = dora.address
    server.registrar._contacts[b"dora"][-1].addr = b"sip:else@%b:%d" % (host.encode(), port)
    with pytest.raises(CallFailedError, match="404"):
        demo_reactor.run(reactor, server.call(b"dora", 2.0))


def test_call_is_renewed_within_the_dialog(reactor, server, dora):
    demo_reactor.run(reactor, dora.register(2.0))
    call_id = demo_reactor.run(reactor, dora.call(b"echo", 2.0))
    assert demo_reactor.turn(reactor, lambda: server.calls.is_confirmed(call_id))
    assert demo_reactor.run(reactor, server.calls.renew(call_id, 2.0)).status == 200


def test_callback_hangs_up_and_calls(reactor, server, dora):
    demo_reactor.run(reactor, dora.register(2.0))
    call_id = demo_reactor.run(reactor, dora.call(b"callback", 2.0))
    ended = []
    dora.calls.ended = ended.append
    confirmed = []
    dora.calls.confirmed = confirmed.append
    assert demo_reactor.turn(reactor, lambda: confirmed, rounds=600)
    assert ended == [call_id]
    assert confirmed[0] in server.calls


def test_callback_to_somebody_who_left_ends_quietly(reactor, server, dora):
    demo_reactor.run(reactor, dora.register(2.0))
    demo_reactor.run(reactor, dora.call(b"callback", 2.0))
    server.registrar.remove_account(b"dora")
    ended = []
    dora.calls.ended = ended.append
    assert demo_reactor.turn(reactor, lambda: ended, rounds=600)


def test_port_that_udp_cannot_have_is_given_up(reactor, monkeypatch):
    """TCP of it was free; both have to be the same."""
    server = Server(reactor, b"demo.test", nobody)
    listen, refused = server._udp.listen, []

    def refuse_once(reactor, host, port):
        if not refused:
            refused.append(port)
            raise CannotListenError(host, port, OSError(98, "Address already in use"))
        return listen(reactor, host, port)

    monkeypatch.setattr(server._udp, "listen", refuse_once)
    address = server.listen("127.0.0.1")
    assert address == server.address
    assert address[1] != refused[0]
    refused.clear()
    with pytest.raises(CannotListenError):
        server.listen("127.0.0.1", address[1])
    server.stop()
