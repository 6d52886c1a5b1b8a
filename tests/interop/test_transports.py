"""Every transport of clients with every transport of the server: registration, calls both ways, and within them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from clients import MakeClient
from kamailio_peer import DOMAIN, Kamailio, Trust
from peer_process import fresh_address, need_file
from sip_client import SDP, Identity, Seen, SipClient, addr_spec
from sipmend_peer import Sipmend

from tests.support.certificates import Authority

PORTS = {"udp": 5060, "tcp": 5060, "tls": 5061, "ws": 5060, "wss": 5061}
SERVER = {"udp": "5060", "tcp": "5060;transport=tcp", "tls": "5061;transport=tls"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def pbx(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kamailio]:
    """One PBX with UDP, TCP and TLS."""
    need_file("/usr/lib/*/kamailio/modules/tls.so", "kamailio-tls-modules")
    trust = Trust(*authority.issue("pbx", DOMAIN), authority.file)
    peer = Kamailio(fresh_address(), tmp_path_factory.mktemp("kamailio"), trust=trust)
    yield peer
    peer.stop()


@pytest.fixture(scope="module", params=list(SERVER), ids=lambda name: f"server {name}")
def edge(
    request: pytest.FixtureRequest, pbx: Kamailio, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sipmend]:
    """A proxy for all transports of clients, two of them on each port; towards the server it has the one named."""
    work = tmp_path_factory.mktemp("sipmend")
    address = fresh_address()
    pair = authority.issue(f"edge-{request.param}", address)
    changes = {
        "public_address": address,
        "listen": [{"uri": f"{transport}://{address}:{port}"} for transport, port in PORTS.items()],
        "tls": {"certificate": str(pair[0]), "private_key": str(pair[1])},
        "server": {"uri": f"sip:{pbx.host}:{SERVER[request.param]}", "tls": {"ca": str(authority.file)}},
    }
    for listener in changes["listen"]:
        if listener["uri"].startswith("ws"):
            listener |= {"paths": ["/sip"], "origins": ["https://phone.test"]}
    proxy = Sipmend("", work, changes=changes)
    proxy.transport = request.param
    proxy.clients_at = address
    yield proxy
    try:
        proxy.assert_sound()
    finally:
        proxy.stop()


@pytest.fixture
def alice(request: pytest.FixtureRequest, edge: Sipmend, authority: Authority) -> Iterator[SipClient]:
    """A client by the transport named, with addresses that lead nowhere."""
    transport = request.param
    who = Identity("alice", DOMAIN, "alicepw", via_parameters=";rport")
    if transport in ("ws", "wss"):
        who.contact = "<sip:x7f3@9shi4j2ebuqn.invalid;transport=ws>"
        who.via = "9shi4j2ebuqn.invalid"
    else:
        who.contact = f"<sip:alice@192.168.77.7;transport={transport}>"
        who.via = "192.168.77.7"
    server = (edge.clients_at, PORTS[transport])
    with SipClient(who, fresh_address(), server, transport, ca=authority.file) as client:
        assert client.register().status == 200
        yield client
        assert client.register(expires=0).status == 200


@pytest.fixture
def bob(pbx: Kamailio, make_client: MakeClient) -> Iterator[SipClient]:
    """The far end of calls, at the PBX itself."""
    client = make_client("bob", pbx.address)
    assert client.register().status == 200
    yield client
    assert client.register(expires=0).status == 200


def within(asking: SipClient, dialog, answering: SipClient) -> None:
    """A request in the dialog with a body both ways, answered."""
    asked = asking.in_dialog("INVITE", dialog, SDP)
    arrived = answering.expect("INVITE")
    answering.reply(arrived, 200, body=SDP)
    answer = asking.final(asked)
    assert (answer.status, answer.body, arrived.body) == (200, SDP.encode(), SDP.encode())
    asking.acknowledge(dialog)
    answering.expect("ACK")


def hangs_up(asking: SipClient, dialog, answering: SipClient) -> None:
    asked = asking.in_dialog("BYE", dialog)
    answering.reply(answering.expect("BYE"), 200)
    assert asking.final(asked).status == 200


def lengths_are_right(messages: list[Seen]) -> bool:
    return all(seen.all("Content-Length") == [str(len(seen.body))] for seen in messages)


@pytest.mark.parametrize("alice", list(PORTS), indirect=True, ids=lambda name: f"client {name}")
def test_every_transport_of_clients_with_every_transport_of_the_server(
    alice: SipClient, bob: SipClient, edge: Sipmend, pbx: Kamailio
) -> None:
    """REGISTER, a call out, a call in, requests in both from both sides; Content-Length is right everywhere."""
    own = addr_spec(alice.who.contact or "")
    asked = alice.invite("sip:bob@pbx.test")
    invite = bob.expect("INVITE")
    theirs = bob.accept(invite)
    ours = alice.established(asked, alice.final(asked))
    bob.expect("ACK")
    assert addr_spec(invite.first("Contact")).startswith(f"sip:alice@{edge.inside}:5070;transport={edge.transport};b=")
    within(alice, ours, bob)
    within(bob, theirs, alice)
    hangs_up(bob, theirs, alice)

    asked = bob.invite("sip:alice@pbx.test")
    invite = alice.expect("INVITE")
    assert invite.uri == own
    ours = alice.accept(invite)
    theirs = bob.established(asked, bob.final(asked))
    assert alice.expect("ACK").uri == own
    within(bob, theirs, alice)
    within(alice, ours, bob)
    hangs_up(alice, ours, bob)

    assert pbx.transports(edge.inside) == {edge.transport}
    assert lengths_are_right(pbx.from_clients(edge.inside))
    if alice.transport in ("tcp", "tls"):
        assert lengths_are_right(alice.received)


def test_nothing_was_dropped(edge: Sipmend) -> None:
    """After all these calls: no connection was closed for what it did, no message given up."""
    dropped = {dict(labels)["reason"] for (name, labels), n in edge.metrics().items() if n and "dropped" in name}
    assert dropped <= {"stray_response"}, dropped


def test_the_certificate_of_the_server_is_held_against_its_name(
    pbx: Kamailio, authority: Authority, tmp_path: Path
) -> None:
    """For another domain the same PBX is not the right one: nothing is sent, and the log says why."""
    pair = authority.issue("other", "other.test")
    changes = {
        "server": {
            "uri": f"sip:{pbx.host}:5061;transport=tls",
            "tls": {"ca": str(authority.file), "certificate": str(pair[0]), "private_key": str(pair[1])},
        }
    }
    proxy = Sipmend("", tmp_path, domain="other.test", changes=changes)
    try:
        with SipClient(Identity("alice", "other.test"), fresh_address(), proxy.address) as client:
            client.who.contact = "<sip:alice@192.168.77.7>"
            asked = client.start("REGISTER", "sip:other.test", ["Contact: <sip:alice@192.168.77.7>"])
            assert client.final(asked).status == 500
        assert f"no TLS with the server at {pbx.host}:5061: its certificate is for {DOMAIN}" in proxy.process.log()
        assert pbx.from_clients(proxy.inside) == []
    finally:
        proxy.stop()
