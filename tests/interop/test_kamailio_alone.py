"""The control group: what a strict PBX does to broken clients when nobody repairs their headers."""

from __future__ import annotations

from clients import PRIVATE_CONTACT, MakeClient
from kamailio_peer import Kamailio


def test_invite_without_contact_is_refused(kamailio: Kamailio, make_client: MakeClient) -> None:
    """The PBX answers 400 to an INVITE without Contact; the call does not reach the other side."""
    alice, bob = make_client("alice", kamailio.address, broken=True), make_client("bob", kamailio.address)
    assert alice.register().status == 200
    assert bob.register().status == 200
    _, answer = alice.ask("INVITE", "sip:bob@pbx.test")
    assert (answer.status, "Contact" in answer.start) == (400, True)
    assert bob.silence(0.5) == []


def test_client_with_private_contact_cannot_be_called(kamailio: Kamailio, make_client: MakeClient) -> None:
    """The PBX stores the private Contact and cannot send a call there."""
    alice, bob = make_client("alice", kamailio.address, broken=True), make_client("bob", kamailio.address)
    assert PRIVATE_CONTACT in alice.register().contact
    assert bob.register().status == 200
    _, answer = bob.ask("INVITE", "sip:alice@pbx.test", bob.contact_lines())
    assert answer.status in (477, 478, 500)
    assert alice.silence(0.5) == []


def test_path_does_not_help_here(kamailio: Kamailio, make_client: MakeClient) -> None:
    """The PBX ignores Path: a Path to where the client really is changes nothing."""
    alice, bob = make_client("alice", kamailio.address, broken=True), make_client("bob", kamailio.address)
    host, port = alice.address
    answer = alice.register(headers=[f"Path: <sip:alice@{host}:{port};lr>", "Supported: path"])
    assert (answer.status, answer.all("Path")) == (200, [])
    assert bob.register().status == 200
    assert bob.ask("INVITE", "sip:alice@pbx.test", bob.contact_lines())[1].status in (477, 478, 500)
    assert alice.silence(0.5) == []


def test_bye_and_reinvite_of_the_other_side_are_lost(kamailio: Kamailio, make_client: MakeClient) -> None:
    """Even with the private Contact in INVITE the call is up only until the other side says something."""
    alice, bob = make_client("alice", kamailio.address, broken=True), make_client("bob", kamailio.address)
    assert alice.register().status == bob.register().status == 200
    alice.who.contact = alice.who.register_contact
    asked = alice.invite("sip:bob@pbx.test")
    dialog = bob.accept(bob.expect("INVITE"))
    alice.established(asked, alice.final(asked))
    bob.expect("ACK")
    reinvite = bob.in_dialog("INVITE", dialog)
    failed = bob.final(reinvite)
    bob.acknowledge_failure(reinvite, failed)
    assert failed.status in (477, 478, 500)
    assert bob.final(bob.in_dialog("BYE", dialog)).status in (477, 478, 500)
    assert [seen.start for seen in alice.silence(0.5) if not seen.status] == []
