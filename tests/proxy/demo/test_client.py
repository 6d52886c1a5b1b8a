"""The broken clients: broken in what they write, sound in everything else."""

from __future__ import annotations

import demo_reactor
import pytest
from twisted.internet.defer import Deferred

from proxy.demo.calls import CallFailedError
from proxy.demo.client import Client, is_own_contact_in
from proxy.demo.compose import request, response
from proxy.demo.scenario import INVALID, NO_CONTACT, PRIVATE
from proxy.demo.wire import DatagramSocket, DatagramWay
from proxy.sip.parser import parse_message

pytestmark = pytest.mark.loopback


@pytest.fixture
def far(reactor):
    """The far end: a bare socket that keeps what it gets, with the way back."""
    got = []
    sock = DatagramSocket(lambda message, way: got.append((message, way)))
    sock.got = got
    sock.address = sock.listen(reactor, "127.0.0.1", 0)
    yield sock
    sock.close()


@pytest.fixture
def make(reactor, far):
    clients = []

    def client(flaw):
        made = Client(reactor, flaw, b"demo.test", b"secret", lambda *_: None)
        made.listen(reactor, "127.0.0.1", far.address)
        clients.append(made)
        return made

    yield client
    for made in clients:
        made.stop()


def first(reactor, far):
    assert demo_reactor.turn(reactor, lambda: far.got)
    return far.got[0][0]


def start(reactor, coroutine):
    """Begin something whose end does not matter here."""
    Deferred.fromCoroutine(coroutine).addErrback(lambda why: why.trap(CallFailedError))


@pytest.mark.parametrize(
    ("flaw", "contact", "sent_by", "rport"),
    [
        (PRIVATE, b"<sip:ben@192.168.77.7:5062>", b"192.168.77.7:5062", None),
        (INVALID, b"<sip:63et72ng@df7jal23ls0d.invalid;transport=udp;ob>", b"df7jal23ls0d.invalid", b""),
        (NO_CONTACT, None, None, b""),
    ],
)
def test_flaw_shows_in_the_invite(reactor, far, make, flaw, contact, sent_by, rport):
    client = make(flaw)
    start(reactor, client.call(b"echo", 0.2))
    invite = first(reactor, far)
    assert invite.value(b"contact") == contact
    assert invite.via.sent_by == (sent_by or b"127.0.0.1:%d" % client.address[1])
    assert invite.via.rport == rport
    assert invite.value(b"user-agent") == flaw.user_agent.encode()
    assert invite.body


def test_client_without_contact_still_registers_with_one(reactor, far, make):
    client = make(NO_CONTACT)
    start(reactor, client.register(0.2))
    asked = first(reactor, far)
    assert asked.contacts[0].addr == b"sip:anna@127.0.0.1:%d" % client.address[1]
    assert asked.contacts[0].param(b"expires") == b"300"


def test_request_is_sent_again_until_it_is_answered(reactor, far, make):
    start(reactor, make(PRIVATE).register(2.0))
    assert demo_reactor.turn(reactor, lambda: len(far.got) > 1)
    assert far.got[0][0].octets() == far.got[1][0].octets()


def test_challenge_is_answered_once_and_no_more(reactor, far, make):
    start(reactor, make(PRIVATE).register(2.0))
    for count in (1, 2):
        assert demo_reactor.turn(reactor, lambda count=count: len(far.got) >= count)
        asked, way = far.got[-1]
        challenge = (b"WWW-Authenticate", b'Digest realm="demo.test",nonce="n",qop="auth"')
        way.send(response(asked, 401, way.address, [challenge], tag=b"t"))
    first_try, second_try = far.got[0][0], far.got[1][0]
    assert b"authorization" not in first_try.names
    assert b'username="ben"' in second_try.value(b"authorization")
    assert second_try.cseq[0] == first_try.cseq[0] + 1
    assert second_try.call_id == first_try.call_id
    demo_reactor.turn(reactor, lambda: False, rounds=20)
    assert len(far.got) == 2


def ring(client, far, method, uri):
    headers = [
        (b"Via", b"SIP/2.0/UDP 127.0.0.1:%d;branch=z9hG4bK1" % far.address[1]),
        (b"From", b"<sip:echo@demo.test>;tag=f"),
        (b"To", b"<sip:clara@demo.test>"),
        (b"Call-ID", b"c1"),
        (b"CSeq", b"1 " + method),
        (b"Contact", b"<sip:echo@127.0.0.1>"),
    ]
    DatagramWay(far, client.address).send(request(method, uri, headers))


@pytest.mark.parametrize(
    ("method", "uri", "status"),
    [
        (b"INVITE", b"sip:63et72ng@df7jal23ls0d.invalid;transport=udp", 180),
        (b"INVITE", b"sip:clara@demo.test", 404),
        (b"OPTIONS", b"sip:63et72ng@df7jal23ls0d.invalid", 405),
    ],
)
def test_only_the_user_of_its_own_contact_is_this_client(reactor, far, make, method, uri, status):
    """As SIP.js: a Request-URI with another user is 'not for us'."""
    ring(make(INVALID), far, method, uri)
    assert first(reactor, far).status == status


def test_client_without_contact_answers_without_one(reactor, far, make):
    client = make(NO_CONTACT)
    ring(client, far, b"INVITE", client.registered_contact)
    assert demo_reactor.turn(reactor, lambda: any(message.status == 200 for message, _ in far.got))
    assert all(b"contact" not in message.names for message, _ in far.got)


def test_own_contact_is_looked_for_octet_for_octet():
    asked = parse_message(
        request(b"REGISTER", b"sip:d", [(b"Via", b"SIP/2.0/UDP a;branch=z9hG4bK1"), (b"To", b"<sip:a@d>")])
    )

    def ok(*contacts):
        octets = response(asked, 200, ("127.0.0.1", 1), [(b"Contact", contact) for contact in contacts])
        return parse_message(octets)

    assert is_own_contact_in(ok(b"<sip:other@h>", b"<sip:a@h;x>;expires=9"), b"sip:a@h;x")
    assert not is_own_contact_in(ok(b"<sip:a@h>"), b"sip:a@h;x")
    assert not is_own_contact_in(ok(), b"sip:a@h")
