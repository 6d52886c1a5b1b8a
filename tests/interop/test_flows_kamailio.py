"""Call flows with Kamailio: as the server of the broken client's calls, and before the far end that calls it.

alice is the broken client behind the proxy, bob and carol are honest phones registered at Kamailio itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from clients import PRIVATE_CONTACT
from flow_client import FlowClient, flow_client, hang_up, talk
from flow_sipp import branch
from kamailio_peer import Kamailio
from peer_process import eventually, fresh_address
from sip_client import SDP, Dialog, Seen
from sipmend_peer import Sipmend

CLIENT_URI = f"sip:alice-x7f3@{PRIVATE_CONTACT}"
# By this the proxy knows a phone that comes back by another address from a second phone of equal Contact.
INSTANCE = ';+sip.instance="<urn:uuid:00000000-0000-1000-8000-000a95a0e128>"'
DIRECTIONS = ("from the client", "to the client")
REFUSALS = [
    (302, "Moved Temporarily", "Contact: <sip:alice2@198.51.100.9:5062>;q=0.5"),
    (486, "Busy Here", "Retry-After: 30"),
    (603, "Decline", "Warning: 399 pbx.test not-now"),
]


@dataclass
class Site:
    """Kamailio, the proxy before it, and who calls through them."""

    kamailio: Kamailio
    edge: Sipmend
    alice: FlowClient
    bob: FlowClient
    new: Callable[..., FlowClient]

    def ends(self, direction: str) -> tuple[FlowClient, FlowClient]:
        """Caller and called."""
        return (self.alice, self.bob) if direction == DIRECTIONS[0] else (self.bob, self.alice)


@pytest.fixture(params=["udp", "tcp"])
def site(request: pytest.FixtureRequest, kamailio: Kamailio, edge: Sipmend) -> Iterator[Site]:
    """Both ends registered; the client's transport varies."""
    with ExitStack() as clients:

        def new(user: str, broken: bool, transport: str = "udp") -> FlowClient:
            server = edge.address if broken else kamailio.address
            client = clients.enter_context(flow_client(user, server, broken, transport))
            if broken:
                client.who.register_contact = f"<{CLIENT_URI}>{INSTANCE}"
            assert client.register().status == 200
            return client

        yield Site(kamailio, edge, new("alice", True, request.param), new("bob", False), new)


def call(caller: FlowClient, called: FlowClient) -> tuple[Dialog, Dialog]:
    """Set up a call; both sides' dialogs."""
    asked = caller.invite(f"sip:{called.who.user}@pbx.test")
    invite = called.expect("INVITE")
    called.answer(invite, 180, "Ringing")
    theirs = called.pick_up(invite)
    own = caller.established(asked, caller.final(asked))
    assert called.expect("ACK").uri == invite.uri
    return own, theirs


def one_hop(site: Site, method: str, call_id: str) -> list[Seen]:
    """The requests of this method in this call that the server got from the proxy."""
    seen = site.kamailio.from_clients(site.edge.inside)
    return [one for one in seen if not one.status and one.method == method and one.first("Call-ID") == call_id]


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_update_reinvite_and_bye_from_both_sides(site: Site, direction: str) -> None:
    """Two calls: UPDATE and re-INVITE from either side in each, then BYE from the caller, and from the called."""
    caller, called = site.ends(direction)
    for caller_ends in (True, False):
        own, theirs = call(caller, called)
        talk(caller, own, called)
        talk(called, theirs, caller)
        if caller_ends:
            hang_up(caller, own, called)
        else:
            hang_up(called, theirs, caller)
    asked = [seen for seen in site.alice.received if not seen.status]
    assert {seen.uri for seen in asked} == {CLIENT_URI}


@pytest.mark.parametrize("stage", ["before 100", "after 100", "after 180"])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_cancel_reaches_the_far_end_and_487_comes_home(site: Site, direction: str, stage: str) -> None:
    """At each hop CANCEL and the ACK of 487 have the branch, Request-URI and Route of the INVITE."""
    caller, called = site.ends(direction)
    asked = caller.invite(f"sip:{called.who.user}@pbx.test")
    invite = called.expect("INVITE")
    if stage == "after 180":
        called.answer(invite, 180, "Ringing")
        caller.expect(180)
    else:
        caller.expect(100, where=lambda seen: seen.first("CSeq") == f"{asked.sequence} INVITE")
    if stage == "after 100":
        called.answer(invite, 100, "Trying")
    caller.cancel(asked)
    if stage == "before 100":
        # Every hop has answered 100 but the last one: the CANCEL waits before that.
        side = "client" if direction == DIRECTIONS[0] else "server"
        assert site.edge.becomes("sipmend_messages_total", 1, type="CANCEL", direction="in", side=side)
        called.answer(invite, 100, "Trying")
    assert caller.expect(200, where=lambda seen: seen.method == "CANCEL").first("Call-ID") == asked.call_id
    called.is_cancelled(invite)
    answer = caller.refused(asked, 487)
    assert branch(answer) == asked.branch
    if direction == DIRECTIONS[0]:
        # Kamailio's log may lag behind; the ACK of its challenge is not in it.
        assert eventually(lambda: bool(one_hop(site, "ACK", asked.call_id)))
        invites = {branch(one): one for one in one_hop(site, "INVITE", asked.call_id)}
        (cancel,) = one_hop(site, "CANCEL", asked.call_id)
        (ack,) = one_hop(site, "ACK", asked.call_id)
        origin = invites[branch(cancel)]
        assert (cancel.uri, cancel.all("Via")) == (ack.uri, ack.all("Via")) == (origin.uri, origin.all("Via")[:1])


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_cancel_that_comes_too_late_changes_nothing(site: Site, direction: str) -> None:
    """The call is answered: CANCEL gets its 200, nobody else hears of it, and the call goes on."""
    caller, called = site.ends(direction)
    asked = caller.invite(f"sip:{called.who.user}@pbx.test")
    called.pick_up(called.expect("INVITE"))
    answer = caller.final(asked)
    caller.cancel(asked)
    caller.expect(200, where=lambda seen: seen.method == "CANCEL")
    own = caller.established(asked, answer)
    called.expect("ACK")
    hang_up(caller, own, called)
    assert [seen.method for seen in called.received if seen.method == "CANCEL"] == []


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_refusals_come_home_with_what_they_say(site: Site, direction: str) -> None:
    """302, 486 and 603 pass with their headers; every hop acknowledges within its own transaction."""
    caller, called = site.ends(direction)
    for status, phrase, line in REFUSALS:
        asked = caller.invite(f"sip:{called.who.user}@pbx.test")
        called.refuse(called.expect("INVITE"), status, phrase, [line])
        answer = caller.refused(asked, status)
        assert line in answer.lines
    asked = caller.invite(f"sip:{called.who.user}@pbx.test")
    called.refuse(called.expect("INVITE"), 503, "Service Unavailable", ["Retry-After: 1"])
    # > A proxy which receives a 503 SHOULD NOT forward it unless it can determine that any subsequent requests it
    # > might proxy will also generate a 503 (RFC 3261 section 16.7)
    assert caller.refused(asked, 500).status == 500


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_call_that_the_far_end_challenges_succeeds_with_credentials(site: Site, direction: str) -> None:
    """401 from the far end itself, behind the 407 of Kamailio: the challenge and the answer to it pass unchanged."""
    caller, called = site.ends(direction)
    challenge = 'WWW-Authenticate: Digest realm="far.test", nonce="f84f1cec41e6cbe5aea9c8e88d359", algorithm=MD5'
    asked = caller.invite(f"sip:{called.who.user}@pbx.test")
    called.refuse(called.expect("INVITE"), 401, "Unauthorized", [challenge])
    answer = caller.refused(asked, 401)
    assert challenge in answer.lines
    again = caller.again(asked, answer, SDP)
    invite = called.expect("INVITE")
    assert invite.line("Authorization") == Seen(again.octets).line("Authorization")
    theirs = called.pick_up(invite)
    caller.established(again, caller.final(again))
    called.expect("ACK")
    hang_up(called, theirs, caller)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_early_media_is_acknowledged_by_prack(site: Site, direction: str) -> None:
    """A reliable 183 with SDP; its PRACK finds its way by the Record-Routes with RAck; the call is answered then."""
    caller, called = site.ends(direction)
    asked = caller.invite(f"sip:{called.who.user}@pbx.test", ["Supported: 100rel"])
    invite = called.expect("INVITE")
    called.answer(invite, 183, "Session Progress", ["Require: 100rel", "RSeq: 7001"], SDP)
    early = caller.expect(183)
    assert (early.first("RSeq"), early.first("Require"), early.body) == ("7001", "100rel", SDP.encode())
    dialog = Dialog(
        asked.call_id,
        Seen(asked.octets).first("From"),
        early.first("To"),
        early.contact,
        early.all("Record-Route")[::-1],
        asked.sequence,
    )
    rack = f"RAck: 7001 {asked.sequence} INVITE"
    prack = caller.start("PRACK", "", [rack], dialog=dialog)
    arrived = called.expect("PRACK")
    assert rack in arrived.lines
    assert arrived.uri == invite.uri if called is site.alice else called.who.contact
    called.answer(arrived, 200, "OK", contact=False)
    assert caller.final(prack).status == 200
    theirs = called.pick_up(invite)
    caller.established(asked, caller.final(asked))
    called.expect("ACK")
    hang_up(called, theirs, caller)


def test_both_phones_of_a_forked_call_may_answer(site: Site) -> None:
    """Kamailio forks to two phones that answer at once: both 2xx reach the client, which ends each dialog."""
    phones = [site.new("carol", False) for _ in range(2)]
    asked = site.alice.invite("sip:carol@pbx.test")
    invites = [phone.expect("INVITE") for phone in phones]
    for phone, invite in zip(phones, invites, strict=True):
        phone.pick_up(invite)
    answers = [site.alice.expect(200, where=lambda seen: seen.method == "INVITE") for _ in phones]
    assert len({answer.first("To") for answer in answers}) == 2
    for answer in answers:
        dialog = site.alice.established(asked, answer)
        phone = next(one for one in phones if (one.who.contact or "")[1:-1] == answer.contact)
        assert phone.expect("ACK").first("To") == answer.first("To")
        hang_up(site.alice, dialog, phone)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_call_goes_on_at_the_clients_new_address(site: Site, direction: str) -> None:
    """The client's address changes in mid-call and it registers again: the call goes on there, from both sides."""
    caller, called = site.ends(direction)
    own, theirs = call(caller, called)
    mine, far = (own, theirs) if direction == DIRECTIONS[0] else (theirs, own)
    old, moved = site.alice, site.new("alice", True, site.alice.transport)
    if old.transport == "tcp":
        old.close()
    talk(site.bob, far, moved)
    talk(moved, mine, site.bob)
    hang_up(site.bob, far, moved)
    if old.transport == "udp":
        assert [seen.start for seen in old.silence(0.2) if not seen.status] == []


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_call_that_nobody_answers_ends_with_408(tmp_path: Path, transport: str) -> None:
    """A silent far end: Kamailio gives up after 1.5 s. A silent client: the proxy does, after 64 times T1."""
    with ExitStack() as cleanup:
        kamailio = Kamailio(fresh_address(), tmp_path / "kamailio", patience=1500)
        cleanup.callback(kamailio.stop)
        edge = Sipmend(f"sip:{kamailio.host}:5060", tmp_path / "sipmend", changes={"timers": {"t1": "50ms"}})
        cleanup.callback(edge.process.stop, 1.0)
        alice = cleanup.enter_context(flow_client("alice", edge.address, True, transport))
        bob = cleanup.enter_context(flow_client("bob", kamailio.address, False))
        for client in (alice, bob):
            assert client.register().status == 200
        for caller, called in ((alice, bob), (bob, alice)):
            asked = caller.invite(f"sip:{called.who.user}@pbx.test")
            called.expect("INVITE")
            assert caller.final(asked, 10).status == 408
        edge.assert_sound()
