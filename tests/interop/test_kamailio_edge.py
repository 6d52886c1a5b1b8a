"""Broken clients behind the proxy before a strict Kamailio: they register, call, are called, hung up on.

`test_kamailio_alone.py` is the control group: the same clients and calls without the proxy.
"""

from __future__ import annotations

import re

import pytest
from clients import PRIVATE_CONTACT, PRIVATE_VIA, MakeClient
from kamailio_peer import Kamailio
from sip_client import SDP, Seen, SipClient, addr_spec
from sipmend_peer import Sipmend

OUR_CONTACT = r"sip:alice@{host}:5070;transport=udp;b=[a-z0-9]{{16,}}"


@pytest.fixture(params=["udp", "tcp"])
def alice(request: pytest.FixtureRequest, edge: Sipmend, make_client: MakeClient) -> SipClient:
    """The broken client, registered through the proxy, over each transport."""
    client = make_client("alice", edge.address, broken=True, transport=request.param)
    assert client.register().status == 200
    return client


@pytest.fixture
def bob(kamailio: Kamailio, make_client: MakeClient) -> SipClient:
    """The far end: an honest client, registered at the PBX itself."""
    client = make_client("bob", kamailio.address)
    assert client.register().status == 200
    return client


def our_contact(edge: Sipmend) -> re.Pattern[str]:
    """What the server must see as alice's Contact."""
    return re.compile(OUR_CONTACT.format(host=re.escape(edge.inside)))


def contacts_at_server(kamailio: Kamailio, edge: Sipmend) -> dict[str, set[str]]:
    """Contact URIs by kind of message (`INVITE`, `200 INVITE`) in what the server got from the proxy."""
    found: dict[str, set[str]] = {}
    for seen in kamailio.from_clients(edge.inside):
        if seen.contact:
            kind = f"{seen.status} {seen.method}" if seen.status else seen.method
            if kind == "INVITE" and ";tag=" in seen.first("To"):
                kind = "re-INVITE"
            found.setdefault(kind, set()).add(seen.contact)
    return found


def own_via_only(seen: Seen, client: SipClient) -> bool:
    """A response carries exactly the Via its request had; `received` is the only addition allowed."""
    branch = seen.first("Via").partition("branch=")[2].partition(";")[0]
    sent = client.via(branch).removeprefix("Via: ")
    received = f";received={client.address[0]}"
    return seen.all("Via") in ([sent], [sent + received])


def nothing_of_ours(seen: Seen, edge: Sipmend) -> bool:
    """No line but Record-Route names the server side of the proxy or carries a token."""
    others = [line for line in seen.lines if not line.lower().startswith("record-route")]
    return not any(f"{edge.inside}:" in line or ";b=" in line for line in others)


def test_client_registers_and_finds_its_own_contact(alice: SipClient, edge: Sipmend) -> None:
    """The answer to REGISTER lists the client's Contact as it wrote it, and nothing of the proxy."""
    answers = [seen for seen in alice.received if seen.method == "REGISTER"]
    assert [seen.status for seen in answers] == [401, 200]
    assert answers[-1].contact == addr_spec(alice.who.register_contact or "")
    assert all(own_via_only(seen, alice) and nothing_of_ours(seen, edge) for seen in answers)
    assert int(re.search(r";expires=(\d+)", answers[-1].first("Contact"))[1]) in range(598, 601)


def test_call_without_contact_is_set_up_reinvited_and_hung_up(alice: SipClient, bob: SipClient, edge: Sipmend) -> None:
    """INVITE without Contact passes the strict PBX; re-INVITE and BYE of the other side arrive."""
    asked = alice.invite("sip:bob@pbx.test")
    invite = bob.expect("INVITE")
    dialog = bob.accept(invite)
    answer = alice.final(asked)
    assert answer.status == 200
    assert answer.contact == addr_spec(bob.who.contact or "")
    assert own_via_only(answer, alice)
    own = alice.established(asked, answer)
    assert our_contact(edge).fullmatch(invite.contact)
    bob.expect("ACK")

    reinvite = bob.in_dialog("INVITE", dialog, SDP)
    arrived = alice.expect("INVITE")
    assert arrived.uri == addr_spec(alice.who.register_contact or "")
    alice.reply(arrived, 200, body=SDP)
    accepted = bob.final(reinvite)
    assert (accepted.status, accepted.contact) == (200, invite.contact)
    bob.acknowledge(dialog)
    assert alice.expect("ACK").uri == arrived.uri

    bye = bob.in_dialog("BYE", dialog)
    hung_up = alice.expect("BYE")
    assert hung_up.uri == arrived.uri
    assert hung_up.first("Call-ID") == own.call_id
    alice.reply(hung_up, 200)
    assert bob.final(bye).status == 200


def test_client_is_called_updates_and_hangs_up(alice: SipClient, bob: SipClient, edge: Sipmend) -> None:
    """A call to the client arrives with its own URI; its answer, UPDATE, re-INVITE and BYE get through."""
    asked = bob.invite("sip:alice@pbx.test")
    invite = alice.expect("INVITE")
    assert invite.uri == addr_spec(alice.who.register_contact or "")
    dialog = alice.accept(invite)
    answer = bob.final(asked)
    assert our_contact(edge).fullmatch(answer.contact)
    bob.established(asked, answer)
    assert alice.expect("ACK").uri == invite.uri

    update = alice.in_dialog("UPDATE", dialog)
    bob.reply(bob.expect("UPDATE"), 200)
    assert alice.final(update).status == 200
    reinvite = alice.in_dialog("INVITE", dialog, SDP)
    bob.reply(bob.expect("INVITE"), 200, body=SDP)
    assert alice.final(reinvite).status == 200
    alice.acknowledge(dialog)
    bob.expect("ACK")
    bye = alice.in_dialog("BYE", dialog)
    bob.reply(bob.expect("BYE"), 200)
    assert alice.final(bye).status == 200


def test_server_sees_one_contact_one_via_and_two_record_routes(
    alice: SipClient, bob: SipClient, edge: Sipmend, kamailio: Kamailio
) -> None:
    """One Contact in REGISTER, INVITE, 200, re-INVITE and UPDATE; one Via of ours; two Record-Routes."""
    asked = alice.invite("sip:bob@pbx.test")
    theirs = bob.accept(bob.expect("INVITE"))
    own = alice.established(asked, alice.final(asked))
    for method in ("UPDATE", "INVITE"):
        request = alice.in_dialog(method, own, SDP if method == "INVITE" else "")
        bob.reply(bob.expect(method), 200)
        assert alice.final(request).status == 200
    alice.acknowledge(own)
    bye = bob.in_dialog("BYE", theirs)
    alice.reply(alice.expect("BYE"), 200)
    assert bob.final(bye).status == 200
    called = bob.invite("sip:alice@pbx.test")
    alice.accept(alice.expect("INVITE"))
    bob.established(called, bob.final(called))

    by_kind = contacts_at_server(kamailio, edge)
    assert set(by_kind) >= {"REGISTER", "INVITE", "re-INVITE", "UPDATE", "180 INVITE", "200 INVITE"}, by_kind
    (contact,) = set.union(*by_kind.values())
    assert our_contact(edge).fullmatch(contact)

    requests = [seen for seen in kamailio.from_clients(edge.inside) if not seen.status]
    for seen in requests:
        vias = seen.all("Via")
        assert f" {edge.inside}:5070;" in vias[0]
        # The ACK of a refused INVITE is the proxy's own, hop by hop (RFC 3261 section 17.1.1.3).
        assert len(vias) == 2 or (seen.method == "ACK" and len(vias) == 1), seen.start
        assert all(f" {PRIVATE_VIA}:" in via for via in vias[1:])
    first = next(seen for seen in requests if seen.method == "INVITE")
    routes = [addr_spec(route) for route in first.all("Record-Route")]
    assert [route.partition("@")[2].partition(":")[0] for route in routes] == [edge.inside, edge.edge]
    assert all(";lr" in route for route in routes)


def test_client_sees_nothing_of_ours_but_record_route(alice: SipClient, bob: SipClient, edge: Sipmend) -> None:
    """Everything the client receives names its own Contact and Via, octet for octet, and no token of ours."""
    asked = alice.invite("sip:bob@pbx.test")
    theirs = bob.accept(bob.expect("INVITE"))
    alice.established(asked, alice.final(asked))
    bye = bob.in_dialog("BYE", theirs)
    alice.reply(alice.expect("BYE"), 200)
    assert bob.final(bye).status == 200
    called = bob.invite("sip:alice@pbx.test")
    alice.accept(alice.expect("INVITE"))
    bob.established(called, bob.final(called))
    alice.expect("ACK")

    responses = [seen for seen in alice.received if seen.status]
    requests = [seen for seen in alice.received if not seen.status]
    assert {seen.method for seen in requests} == {"BYE", "INVITE", "ACK"}
    assert all(own_via_only(seen, alice) for seen in responses)
    assert all(nothing_of_ours(seen, edge) for seen in responses)
    for seen in requests:
        assert seen.uri == addr_spec(alice.who.register_contact or "")
        assert ";b=" not in "".join(line for line in seen.lines if not line.startswith("Record-Route"))


def test_invalid_contact_of_a_browser_is_called(edge: Sipmend, bob: SipClient, make_client: MakeClient) -> None:
    """A random user at a host under .invalid is what browsers register: the call finds them all the same."""
    browser = make_client("alice", edge.address, broken=True)
    browser.who.register_contact = '<sip:63et72ng@9shi4j2ebuqn.invalid;transport=ws>;+sip.instance="<urn:uuid:1>"'
    browser.who.via = "9shi4j2ebuqn.invalid"
    assert browser.register().contact == "sip:63et72ng@9shi4j2ebuqn.invalid;transport=ws"
    asked = bob.invite("sip:alice@pbx.test")
    invite = browser.expect("INVITE")
    assert invite.uri == "sip:63et72ng@9shi4j2ebuqn.invalid;transport=ws"
    browser.accept(invite)
    bob.established(asked, bob.final(asked))
    browser.expect("ACK")


def test_two_broken_clients_call_each_other(edge: Sipmend, make_client: MakeClient) -> None:
    """Both ends are behind the proxy and write the same private addresses: set up, re-INVITE, BYE."""
    alice, bob = (make_client(user, edge.address, broken=True) for user in ("alice", "bob"))
    assert alice.register().status == bob.register().status == 200
    asked = alice.invite("sip:bob@pbx.test")
    invite = bob.expect("INVITE")
    assert invite.uri == f"sip:bob-x7f3@{PRIVATE_CONTACT}"
    theirs = bob.accept(invite)
    own = alice.established(asked, alice.final(asked))
    assert bob.expect("ACK").uri == invite.uri
    reinvite = alice.in_dialog("INVITE", own, SDP)
    bob.reply(bob.expect("INVITE"), 200, body=SDP)
    assert alice.final(reinvite).status == 200
    alice.acknowledge(own)
    bob.expect("ACK")
    bye = bob.in_dialog("BYE", theirs)
    arrived = alice.expect("BYE")
    assert arrived.uri == f"sip:alice-x7f3@{PRIVATE_CONTACT}"
    alice.reply(arrived, 200)
    assert bob.final(bye).status == 200


def test_repairs_are_counted(alice: SipClient, bob: SipClient, edge: Sipmend) -> None:
    """What was repaired on the way shows in /metrics by rule and header."""
    asked = alice.invite("sip:bob@pbx.test")
    theirs = bob.accept(bob.expect("INVITE"))
    alice.established(asked, alice.final(asked))
    bye = bob.in_dialog("BYE", theirs)
    alice.reply(alice.expect("BYE"), 200)
    assert bob.final(bye).status == 200
    assert edge.total("sipmend_repairs_total", header="Contact", mode="repair") >= 3
    assert edge.total("sipmend_messages_total", type="INVITE", direction="in", side="client") >= 2
    assert edge.total("sipmend_bindings", state="registered") == 1
