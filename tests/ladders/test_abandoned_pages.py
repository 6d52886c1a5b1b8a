"""A page that was closed or loaded again never comes back: the next one takes its place (protocol 3.4)."""

from __future__ import annotations

import pytest

from tests.support.flows import call_out, registration, shown
from tests.support.ladder import Ladder, after, nothing, stores
from tests.support.world import World

GONE = "going_away"  # a WebSocket that the client closed with code 1001
# The shipped profiles would cap `Expires` here: that is in test_profiles.py.
PLAIN = ({"name": "SIP.js", "enabled": False}, {"name": "JsSIP", "enabled": False})
AGENT = {"user_agent": "SIP.js/0.21.1"}
URI = "sip:alice@10.0.0.2:5070;transport=udp;b={T}"
AUTH = 'Digest username="alice", realm="example.com", nonce="n", uri="sip:x", response="r"'


@pytest.fixture
def edge() -> World:
    return World(profiles=PLAIN)


def page(world, name, address="198.51.100.7:50555", user="alice"):
    """Another page: random names of its own, as SIP.js makes them."""
    return world.client(
        name, address, user=user, contact=f"<sip:{name}@{name}.invalid;transport=ws>", via=f"SIP/2.0/WSS {name}.invalid"
    )


def asks(party, k, token, **headers):
    """It registers; at the server it has that token."""
    return [
        party.sends("REGISTER sip:example.com", **{**AGENT, **headers}),
        k.gets("REGISTER", contact=shown(party, token), path="{*}", supported="path"),
    ]


def reached(k, party):
    own = party.contact.strip("<>")
    return [k.sends(f"MESSAGE {URI}"), party.gets(f"MESSAGE {own}"), party.sends(200), k.gets(200)]


def test_next_page_is_the_same_client_to_the_server(edge, alice, k):
    """No ghost: the server sees a refresh of the Contact it has, and calls come to the page that is open."""
    again = page(edge, "again")
    assert (
        Ladder(edge)
        >> registration(alice, k, "T", **AGENT)
        >> alice.closes(GONE)
        << stores("alice@example.com", waiting=False)
        >> registration(again, k, "T", **AGENT)
        >> reached(k, again)
    )
    assert len(edge.core.node.bindings) == 1


def test_page_that_is_gone_gets_nothing_new(edge, alice, k):
    """480 for what begins something, and no answer to OPTIONS, which would count as a sign of life."""
    assert (
        Ladder(edge)
        >> registration(alice, k, "T", **AGENT)
        >> alice.closes(GONE)
        >> k.sends(f"INVITE {URI}")
        << k.gets(480)
        >> k.acks()
        >> k.sends(f"OPTIONS {URI}")
        << nothing
    )
    assert edge.core.node.bindings.figures() == {"registered": 0, "abandoned": 1, "lingering": 0}
    assert edge.counts.dropped["options_gone"] == 1


def test_page_whose_connection_broke_is_waited_for(edge, alice, k):
    """Any other end of a connection: the page is there and comes back with the Contact it has, a new one is another."""
    other = page(edge, "other")
    assert (
        Ladder(edge)
        >> registration(alice, k, "T", **AGENT)
        >> alice.closes("peer_closed")
        >> registration(other, k, "U", **AGENT)
        >> alice.connects("198.51.100.7:50999")
        >> registration(alice, k, "T", **AGENT)
        >> reached(k, alice)
    )
    assert edge.names["T"] != edge.names["U"]


def test_nothing_is_inherited_before_the_2xx(edge, alice, k):
    """The challenge changes nothing; with the credentials the page asks for the same name again."""
    again = page(edge, "again")
    assert (
        Ladder(edge)
        >> registration(alice, k, "T", **AGENT)
        >> alice.closes(GONE)
        >> asks(again, k, "T")
        >> k.sends(401)
        << again.gets(401)
        >> k.sends(f"MESSAGE {URI}")
        << k.gets(480)
        >> registration(again, k, "T", authorization=AUTH, **AGENT)
        >> reached(k, again)
    )


def test_refused_page_takes_nothing(edge, alice, k):
    """403: the token waits for somebody whom the server accepts."""
    eve, again = page(edge, "eve"), page(edge, "again")
    assert (
        Ladder(edge)
        >> registration(alice, k, "T", **AGENT)
        >> alice.closes(GONE)
        >> asks(eve, k, "T")
        >> k.sends(403)
        << eve.gets(403)
        >> after(100)
        >> registration(again, k, "T", **AGENT)
        >> reached(k, again)
    )


@pytest.mark.parametrize(
    ("address", "user", "agent"),
    [
        ("192.0.2.66:50555", "alice", AGENT["user_agent"]),
        ("198.51.100.7:50555", "alice", "JsSIP 3.10.0"),
        ("198.51.100.7:50555", "alice", None),
        ("198.51.100.7:50555", "mallory", AGENT["user_agent"]),
    ],
    ids=["other address", "other program", "no program named", "other user"],
)
def test_stranger_inherits_nothing(edge, alice, k, address, user, agent):
    """Even if the server accepts it: a client of its own, and alice's calls do not come to it."""
    stranger = page(edge, "stranger", address, user)
    assert (
        Ladder(edge)
        >> registration(alice, k, "T", **AGENT)
        >> alice.closes(GONE)
        >> registration(stranger, k, "U", user_agent=agent)
        >> k.sends(f"MESSAGE {URI}")
        << k.gets(480)
    )
    assert edge.names["T"] != edge.names["U"]


def test_two_pages_at_once_get_two_names(edge, alice, k):
    """A browser that opens its tabs again: each takes the place of one, none is called in place of the other."""
    one, two, three = (page(edge, name, f"198.51.100.7:5060{n}") for n, name in enumerate(("one", "two", "three")))
    assert (
        Ladder(edge)
        >> registration(alice, k, "T", **AGENT)
        >> registration(one, k, "U", **AGENT)
        >> alice.closes(GONE)
        >> one.closes(GONE)
        >> asks(two, k, "T")
        >> asks(three, k, "U")
        >> k.sends(401)
        << three.gets(401)
        >> registration(three, k, "U", authorization=AUTH, **AGENT)
        >> registration(two, k, "T", authorization=AUTH, **AGENT)
        >> reached(k, two)
    )


def test_contact_that_comes_back_after_all_gets_a_name_of_its_own(edge, alice, k):
    """A page taken out of the browser's cache: its old name is somebody else's by now."""
    again = page(edge, "again")
    assert (
        Ladder(edge)
        >> registration(alice, k, "T", **AGENT)
        >> alice.closes(GONE)
        >> registration(again, k, "T", **AGENT)
        >> alice.connects("198.51.100.7:50777")
        >> registration(alice, k, "U", **AGENT)
        >> reached(k, again)
    )
    assert edge.names["T"] != edge.names["U"]


def test_page_that_comes_back_before_its_heir_keeps_its_name(edge, alice, k):
    again = page(edge, "again")
    assert (
        Ladder(edge)
        >> registration(alice, k, "T", **AGENT)
        >> alice.closes(GONE)
        >> alice.connects("198.51.100.7:50777")
        >> registration(alice, k, "T", **AGENT)
        >> registration(again, k, "U", **AGENT)
        >> reached(k, alice)
    )
    assert edge.names["T"] != edge.names["U"]


def test_bye_of_the_old_call_comes_to_the_new_page(edge, alice, k):
    """It knows no such call and says so, which is what the server has to hear."""
    again = page(edge, "again")
    assert (
        Ladder(edge)
        >> registration(alice, k, "T", **AGENT)
        >> call_out(alice, k, "T", "R")
        >> alice.closes(GONE)
        >> registration(again, k, "T", **AGENT)
        >> k.continues("BYE")
        << again.gets("BYE sip:again@again.invalid;transport=ws", route=None)
        >> again.sends(481)
        << k.gets(481)
    )


def test_name_of_a_registration_that_ran_out_is_not_inherited(edge, alice, k):
    """The server has forgotten it: there is no ghost to lay."""
    again = page(edge, "again")
    assert (
        Ladder(edge)
        >> registration(alice, k, "T", granted=60, **AGENT)
        >> alice.closes(GONE)
        >> after(61)
        >> registration(again, k, "U", **AGENT)
    )
    assert edge.names["T"] != edge.names["U"]


def test_page_that_unregisters_takes_no_name_for_it(edge, alice, k):
    """expires=0 for a Contact that nobody knows removes nobody else's."""
    again = page(edge, "again")
    assert (
        Ladder(edge)
        >> registration(alice, k, "T", **AGENT)
        >> alice.closes(GONE)
        >> again.sends("REGISTER sip:example.com", contact=f"{again.contact};expires=0", **AGENT)
        << k.gets("REGISTER", contact=shown(again, "U") + ";expires=0", path="{*}", supported="path")
        >> k.sends(200)
        << again.gets(200)
    )
    assert edge.names["T"] != edge.names["U"]


def with_instance(party, k, token, at_server, reg_id=1, expires=600):
    """It registers with an instance of its own name; the server sees that of `at_server`, and the page none but its."""
    own = f'{party.contact};reg-id={reg_id};+sip.instance="<urn:uuid:{party.name}>"'
    mine = f'{shown(party, token)};reg-id={reg_id};+sip.instance="<urn:uuid:{at_server.name}>"'
    asked = f";expires={expires}"
    listed = f'{mine};expires={expires};pub-gruu="sip:alice@example.com;gr=urn:uuid:{at_server.name}"'
    return [
        party.sends("REGISTER sip:example.com", contact=own + asked, **AGENT),
        k.gets("REGISTER", contact=mine + asked, path="{*};ob>", supported="path"),
        k.sends(200, contact=listed if expires else None),
        party.gets(200, contact=listed.replace(mine, own) if expires else None),
    ]


def test_new_instance_with_the_same_reg_id_inherits_and_another_reg_id_does_not(edge, alice, k):
    """JsSIP makes a new instance with each page. A registrar that tells devices apart by it must see the first one."""
    again = page(edge, "again")
    assert (
        Ladder(edge)
        >> with_instance(alice, k, "T", alice)
        >> alice.closes(GONE)
        >> with_instance(again, k, "U", again, reg_id=2)
        >> with_instance(again, k, "T", alice)
        >> reached(k, again)
    )
    assert edge.names["T"] != edge.names["U"]


def test_first_instance_stays_that_of_all_pages_in_the_line(edge, alice, k):
    """Refreshes and the end of the registration included: the server removes the device that it knows."""
    pages = [page(edge, name) for name in ("two", "three", "four")]
    ladder = Ladder(edge) >> with_instance(alice, k, "T", alice) >> alice.closes(GONE)
    for one in pages:
        ladder = ladder >> with_instance(one, k, "T", alice) >> with_instance(one, k, "T", alice) >> one.closes(GONE)
    last = page(edge, "last")
    assert ladder >> with_instance(last, k, "T", alice) >> with_instance(last, k, "T", alice, expires=0)


def test_instance_that_comes_back_after_all_is_no_other_device(edge, alice, k):
    """The server has it for another page by now: both would remove each other there."""
    two, three = page(edge, "two"), page(edge, "three", "198.51.100.7:50556")
    assert (
        Ladder(edge)
        >> with_instance(alice, k, "T", alice)
        >> alice.closes(GONE)
        >> with_instance(two, k, "T", alice)
        >> alice.connects("198.51.100.7:50777")
        >> with_instance(alice, k, "U", two)
        >> two.closes(GONE)
        >> with_instance(three, k, "T", alice)
        >> with_instance(alice, k, "U", two)
        >> reached(k, three)
    )


def test_a_phone_that_says_goodbye_is_no_page():
    """Only a WebSocket has such a code; whatever a transport reports for TCP, the phone will be back."""
    field = World(clients=("udp://203.0.113.10:5060", "tcp://203.0.113.10:5060"), profiles=PLAIN)
    tom = field.client("tom", "198.51.100.30:42000", listener=1, contact="<sip:tom@192.168.1.30;transport=tcp>")
    pbx = field.server("pbx")
    assert Ladder(field) >> registration(tom, pbx, "T", **AGENT) >> tom.closes(GONE)
    assert field.core.node.bindings.figures()["abandoned"] == 0
