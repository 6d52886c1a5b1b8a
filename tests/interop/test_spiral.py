"""Both ends behind the same proxy, with a Kamailio that proxies between them: spirals, and forks to several pages.

> If the request has been here before with other values in what routing depends on, it has spiraled, which is legal
> (RFC 3261 section 16.3); loops are told apart by the hash in the branch (RFC 5393).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from flow_client import FlowClient, flow_client, hang_up, talk
from flow_sipp import branch
from kamailio_peer import Kamailio
from sip_client import Dialog, Seen, addr_spec
from sipmend_peer import Sipmend

PAGES = 3
MakePage = Callable[..., FlowClient]


@pytest.fixture
def page(edge: Sipmend) -> Iterator[MakePage]:
    """Makes registered clients behind the proxy; `number` tells the pages of one user apart."""
    with ExitStack() as clients:

        def make(user: str, number: int = 0, transport: str = "udp") -> FlowClient:
            client = clients.enter_context(flow_client(user, edge.address, True, transport, number))
            assert client.register().status == 200
            return client

        yield make


@pytest.fixture
def outside(kamailio: Kamailio) -> Iterator[FlowClient]:
    """carol, an honest phone at Kamailio itself."""
    with flow_client("carol", kamailio.address, False) as carol:
        assert carol.register().status == 200
        yield carol


def own_uri(client: FlowClient) -> str:
    """The URI by which the client knows itself."""
    return addr_spec(client.who.register_contact or "")


def host_of(route: str) -> str:
    """The host of a Record-Route."""
    found = re.search(r"sip:(?:[^@>]*@)?([\d.]+)", route)
    return found[1] if found else ""


def assert_no_loop_found(edge: Sipmend, kamailio: Kamailio) -> None:
    """Nobody saw a loop or a merged request, and nobody was told of one."""
    assert edge.total("sipmend_responses_total", status="200") > 0
    assert edge.total("sipmend_responses_total", status="482") == 0
    assert [seen.start for seen in kamailio.seen() if seen.status in (482, 483)] == []


@pytest.mark.parametrize(
    ("caller", "called"), [("udp", "udp"), ("udp", "tcp"), ("tcp", "udp"), ("tcp", "tcp")], ids=lambda kind: str(kind)
)
def test_two_clients_of_one_proxy_call_each_other(
    page: MakePage, edge: Sipmend, kamailio: Kamailio, caller: str, called: str
) -> None:
    """Set-up, UPDATE, re-INVITE and BYE from both sides; everyone is asked by its own URI all the time."""
    alice, bob = page("alice", transport=caller), page("bob", transport=called)
    for alice_ends in (True, False):
        asked = alice.invite("sip:bob@pbx.test")
        invite = bob.expect("INVITE")
        assert [host_of(route) for route in invite.all("Record-Route")] == [
            edge.edge,
            edge.inside,
            kamailio.host,
            edge.inside,
            edge.edge,
        ]
        theirs = bob.pick_up(invite)
        answer = alice.final(asked)
        assert answer.all("Record-Route") == invite.all("Record-Route")
        own = alice.established(asked, answer)
        assert bob.expect("ACK").all("Route") == []
        talk(alice, own, bob)
        talk(bob, theirs, alice)
        if alice_ends:
            hang_up(alice, own, bob)
        else:
            hang_up(bob, theirs, alice)
    for client in (alice, bob):
        assert {seen.uri for seen in client.received if not seen.status} == {own_uri(client)}
    assert_no_loop_found(edge, kamailio)


def test_a_spiralling_call_is_cancelled_and_refused(page: MakePage, edge: Sipmend, kamailio: Kamailio) -> None:
    """CANCEL, 487 and 486 pass the proxy twice; every hop has one transaction."""
    alice, bob = page("alice"), page("bob")
    asked = alice.invite("sip:bob@pbx.test")
    invite = bob.expect("INVITE")
    bob.answer(invite, 180, "Ringing")
    alice.expect(180)
    alice.cancel(asked)
    bob.is_cancelled(invite)
    assert branch(alice.refused(asked, 487)) == asked.branch
    asked = alice.invite("sip:bob@pbx.test")
    bob.refuse(bob.expect("INVITE"), 486, "Busy Here")
    alice.refused(asked, 486)
    assert_no_loop_found(edge, kamailio)


def test_client_calls_itself(page: MakePage, edge: Sipmend, kamailio: Kamailio) -> None:
    """The same binding is caller and called: the call comes up, and BYE passes."""
    alice = page("alice")
    asked = alice.invite("sip:alice@pbx.test")
    invite = alice.expect("INVITE")
    alice.pick_up(invite)
    own = alice.established(asked, alice.final(asked))
    assert alice.expect("ACK").uri == own_uri(alice)
    hang_up(alice, own, alice)
    assert_no_loop_found(edge, kamailio)


def ringing_everywhere(caller: FlowClient, pages: list[FlowClient]) -> list[Seen]:
    """The INVITE that each page got; all of them ring."""
    invites = [page.expect("INVITE") for page in pages]
    for one, invite in zip(pages, invites, strict=True):
        assert invite.uri == own_uri(one)
        one.answer(invite, 180, "Ringing")
    for _ in pages:
        caller.expect(180)
    return invites


@pytest.mark.parametrize("inside", [True, False], ids=["caller behind the proxy", "caller outside"])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_one_of_three_pages_answers_and_the_others_are_cancelled(
    page: MakePage, outside: FlowClient, edge: Sipmend, kamailio: Kamailio, inside: bool, transport: str
) -> None:
    """Kamailio forks to all pages through one proxy, with one Call-ID and From tag: no 482, one call, two CANCELs."""
    caller = page("alice") if inside else outside
    pages = [page("bob", number, transport) for number in range(1, PAGES + 1)]
    asked = caller.invite("sip:bob@pbx.test")
    invites = ringing_everywhere(caller, pages)
    assert len({branch(invite) for invite in invites}) == PAGES
    theirs = pages[1].pick_up(invites[1])
    own = caller.established(asked, caller.final(asked))
    assert pages[1].expect("ACK").first("To") == own.remote
    for index in (0, 2):
        pages[index].is_cancelled(invites[index])
    talk(caller, own, pages[1])
    talk(pages[1], theirs, caller)
    hang_up(pages[1], theirs, caller)
    assert [seen.start for one in (pages[0], pages[2]) for seen in one.silence(0.3)] == []
    assert_no_loop_found(edge, kamailio)


@pytest.mark.parametrize("inside", [True, False], ids=["caller behind the proxy", "caller outside"])
def test_two_of_three_pages_answer_at_once(
    page: MakePage, outside: FlowClient, edge: Sipmend, kamailio: Kamailio, inside: bool
) -> None:
    """Both 2xx reach the caller, which acknowledges and ends each; the third page is cancelled."""
    caller = page("alice") if inside else outside
    pages = [page("bob", number) for number in range(1, PAGES + 1)]
    asked = caller.invite("sip:bob@pbx.test")
    invites = ringing_everywhere(caller, pages)
    dialogs: dict[str, tuple[FlowClient, Dialog]] = {}
    for one, invite in zip(pages[:2], invites[:2], strict=True):
        dialog = one.pick_up(invite)
        dialogs[dialog.local] = (one, dialog)
    answers = [caller.expect(200, where=lambda seen: seen.method == "INVITE") for _ in dialogs]
    assert {answer.first("To") for answer in answers} == set(dialogs)
    for answer in answers:
        one, theirs = dialogs[answer.first("To")]
        own = caller.established(asked, answer)
        assert one.expect("ACK").first("To") == answer.first("To")
        hang_up(caller, own, one)
        assert theirs.call_id == own.call_id
    pages[2].is_cancelled(invites[2])
    assert_no_loop_found(edge, kamailio)


def test_the_caller_gives_up_and_every_page_is_cancelled(page: MakePage, edge: Sipmend, kamailio: Kamailio) -> None:
    """A call from behind the proxy to three pages behind it: one CANCEL becomes three; 487 comes home once."""
    alice = page("alice")
    pages = [page("bob", number) for number in range(1, PAGES + 1)]
    asked = alice.invite("sip:bob@pbx.test")
    invites = ringing_everywhere(alice, pages)
    alice.cancel(asked)
    for one, invite in zip(pages, invites, strict=True):
        one.is_cancelled(invite)
    alice.refused(asked, 487)
    assert [seen.start for seen in alice.silence(0.3) if seen.status != 200] == []
    assert_no_loop_found(edge, kamailio)
