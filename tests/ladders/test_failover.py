"""Several targets: a request goes on until one answers (RFC 3261 16.6 step 7 and 16.7, RFC 3263 4.3)."""

from __future__ import annotations

import pytest

from proxy.flow import TCP
from tests.support.flows import call_in, call_out, registration, shown
from tests.support.ladder import Ladder, after, does, nothing
from tests.support.world import World

TWO = ("udp://10.0.0.5:5060", "udp://10.0.0.6:5060")
THREE = (*TWO, "udp://10.0.0.7:5060")
OWN = "<sip:anna@198.51.100.20:31000>"
CALL = "INVITE sip:bob@example.com"


@pytest.fixture
def field():
    return World(clients=("udp://203.0.113.10:5060",), targets=TWO)


@pytest.fixture
def anna(field):
    return field.client("anna", "198.51.100.20:31000", contact=OWN)


@pytest.fixture
def one(field):
    return field.server("one", "10.0.0.5:5060", contact="<sip:one@10.0.0.5:5060>")


@pytest.fixture
def two(field):
    return field.server("two", "10.0.0.6:5060", contact="<sip:two@10.0.0.6:5060>")


def cast(world, *names):
    """Anna, and the servers at the targets."""
    anna = world.client("anna", "198.51.100.20:31000", contact=OWN)
    return anna, *(world.server(name, f"10.0.0.{5 + i}:5060") for i, name in enumerate(names))


def invited(server, **headers):
    """The server gets the call, with our Record-Routes and Contact."""
    return server.gets("INVITE", record_route=["{*}", "{*}"], contact="{*}", **headers)


# -- what makes a request go on


def test_new_requests_go_to_the_next_target_while_the_first_is_down(field, anna, one, two):
    """Each request that had to is counted; what the watch over targets finds out is tested with it."""
    targets = field.core.node.targets.all
    for up, server, counted in ((True, one, 0), (False, two, 1), (False, two, 2), (True, one, 2)):
        targets[0].up = up
        assert (
            Ladder(field)
            >> anna.sends("MESSAGE sip:bob@example.com")
            << server.gets("MESSAGE")
            >> server.sends(200)
            << anna.gets(200)
        )
        assert field.counts.failovers == counted


@pytest.mark.parametrize("method", ["INVITE", "REGISTER", "MESSAGE"])
def test_503_goes_to_the_next_target_at_once(field, anna, one, two, method):
    """> A client that receives a 503 ... SHOULD attempt to forward the request to an alternate server (21.5.4)"""
    ack = [one.gets("ACK")] if method == "INVITE" else []
    contact = {"contact": f"{shown(anna, 'T')};expires=60"} if method == "REGISTER" else {}
    seen = {"contact": f"{OWN};expires=60"} if method == "REGISTER" else {}
    more = {"contact": shown(anna, "T"), "path": "{*}", "supported": "path"} if method == "REGISTER" else {}
    more = {"contact": "{*}", "record_route": ["{*}", "{*}"]} if method == "INVITE" else more
    assert (
        Ladder(field)
        >> anna.sends(f"{method} sip:example.com")
        << one.gets(method, branch="{B1}", **more)
        >> one.sends(503)
        >> [*ack, two.gets(method, branch="{B2}", via=2, **more)]
        >> two.sends(200, **contact)
        << anna.gets(200, via=1, **seen)
    )
    assert field.names.fill("{B1}") != field.names.fill("{B2}")
    assert field.counts.failovers == 1


def test_503_after_a_provisional_response_goes_on_too(field, anna, one, two):
    assert (
        Ladder(field)
        >> anna.sends(CALL)
        << invited(one)
        >> one.sends(100)
        >> one.sends(183)
        << anna.gets(183)
        >> one.sends(503)
        << one.gets("ACK")
        << invited(two)
        >> two.sends(486)
        << two.gets("ACK")
        << anna.gets(486)
        >> anna.acks()
    )


def test_target_that_cannot_be_reached(field, anna, one, two):
    """A port where nobody listens: ICMP says so (RFC 3263 section 4.3)."""
    assert (
        Ladder(field)
        >> anna.sends(CALL)
        << invited(one)
        >> one.fails()
        << invited(two)
        >> two.sends(200)
        << anna.gets(200)
    )


def test_connection_that_is_refused():
    field = World(clients=("udp://203.0.113.10:5060",), targets=("tcp://10.0.0.5:5060", "udp://10.0.0.6:5060"))
    anna = field.client("anna", "198.51.100.20:31000", contact=OWN)
    one = field.server("one", "10.0.0.5:5060", TCP)
    two = field.server("two", "10.0.0.6:5060")
    one.listening = False
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com")
        << one.is_connected()
        << one.gets("MESSAGE")
        >> one.closes("refused")
        << two.gets("MESSAGE")
        >> two.sends(200)
        << anna.gets(200)
    )


def test_silent_target_is_given_up_after_four_seconds(field, anna, one, two):
    """`server.health.give_up`; the first branch goes on until it says something, and is cancelled then."""
    assert (
        Ladder(field)
        >> anna.sends(CALL)
        << invited(one)
        >> after(0.45)
        << anna.gets(100, at=0.15)
        >> after(3.1)
        << one.gets("INVITE", again=True, at=0.5)
        << one.gets("INVITE", again=True, at=1.5)
        << one.gets("INVITE", again=True, at=3.5)
        >> after(0.45)
        << invited(two, at=4.0)
        >> two.sends(180)
        << anna.gets(180)
        >> one.sends(180)
        << one.gets("CANCEL")
        >> one.sends(200, answers="CANCEL")
        >> one.sends(487, answers="INVITE")
        << one.gets("ACK")
        >> two.sends(200, answers="INVITE")
        << anna.gets(200)
    )


@pytest.mark.parametrize("method", ["MESSAGE", "REGISTER"])
def test_silent_target_is_given_up_for_other_requests_too(field, anna, one, two, method):
    """The one that was given up may still be first: the client gets one answer, and later ones are let go."""
    more = {"contact": shown(anna, "T"), "path": "{*}", "supported": "path"} if method == "REGISTER" else {}
    contact = {"contact": f"{shown(anna, 'T')};expires=60"} if method == "REGISTER" else {}
    seen = {"contact": f"{OWN};expires=60"} if method == "REGISTER" else {}
    again = [one.gets(method, again=True, at=at) for at in (0.5, 1.5, 3.5)]
    assert (
        Ladder(field)
        >> anna.sends(f"{method} sip:example.com")
        << one.gets(method, **more)
        >> after(4.05)
        << again[0]
        << again[1]
        << anna.gets(100, at=3.5)
        << again[2]
        << two.gets(method, at=4.0, **more)
        >> two.sends(200, **contact)
        << anna.gets(200, **seen)
        >> one.sends(200, **contact)
    )


def test_request_that_is_worked_on_stays_where_it_is(field, anna, one, two):
    """A target that answers others is not dead: a MESSAGE may wait for a far end, and must not be sent twice."""
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com")
        << one.gets("MESSAGE")
        >> after(1.0)
        << one.gets("MESSAGE", again=True)
        >> anna.sends("OPTIONS sip:example.com")
        << one.gets("OPTIONS")
        >> one.sends(200)
        << anna.gets(200)
        >> after(3.4)
        << one.gets("MESSAGE", again=True)
        << anna.gets(100)
        << one.gets("MESSAGE", again=True)
        >> one.sends(200, answers="MESSAGE")
        << anna.gets(200)
    )


# -- what does not


def test_refusals_of_other_kinds_go_home(field, anna, one, two):
    """Only 503 says that another server may do better."""
    for status in (401, 403, 404, 480, 486, 500, 603):
        assert (
            Ladder(field)
            >> anna.sends("MESSAGE sip:bob@example.com")
            << one.gets("MESSAGE")
            >> one.sends(status)
            << anna.gets(status)
        )


def test_call_that_rings_is_not_set_up_a_second_time(field, anna, one, two):
    """The connection to a target that answered 180 breaks: nobody knows what became of the call (RFC 3263 4.3)."""
    world = World(clients=("udp://203.0.113.10:5060",), targets=("tcp://10.0.0.5:5060", "udp://10.0.0.6:5060"))
    anna = world.client("anna", "198.51.100.20:31000", contact=OWN)
    one = world.server("one", "10.0.0.5:5060", TCP)
    world.server("two", "10.0.0.6:5060")
    assert (
        Ladder(world)
        >> anna.sends(CALL)
        << one.is_connected()
        << invited(one)
        >> one.sends(180)
        << anna.gets(180)
        >> one.closes()
        << anna.gets(500)
        >> anna.acks()
    )


def test_within_a_dialog_there_is_one_target(field, anna, one, two):
    """No other server knows the call."""
    assert (
        Ladder(field)
        >> registration(anna, one, "T")
        >> call_out(anna, one, "T", "R")
        >> anna.continues("UPDATE")
        << one.gets("UPDATE", route=None, contact=shown(anna, "T"))
        >> one.sends(503)
        << anna.gets("500 Next hop answered 503 Service Unavailable")
    )


def test_cancelled_call_goes_nowhere_else(field, anna, one, two):
    assert (
        Ladder(field)
        >> anna.sends(CALL)
        << invited(one)
        >> one.sends(180)
        << anna.gets(180)
        >> anna.cancels()
        << anna.gets(200)
        << one.gets("CANCEL")
        >> one.sends(200, answers="CANCEL")
        >> one.sends(503, answers="INVITE")
        << one.gets("ACK")
        << anna.gets(500, cseq="1 INVITE")
        >> anna.acks()
    )


# -- when nobody is left


def test_503_of_all_targets_is_500():
    """> ... if the only response that was received is a 503, the proxy SHOULD generate a 500 (16.7 step 6)"""
    world = World(clients=("udp://203.0.113.10:5060",), targets=THREE)
    anna, one, two, three = cast(world, "one", "two", "three")
    assert (
        Ladder(world)
        >> anna.sends("MESSAGE sip:bob@example.com")
        << one.gets("MESSAGE")
        >> one.sends(503)
        << two.gets("MESSAGE")
        >> two.sends(503)
        << three.gets("MESSAGE")
        >> three.sends(503)
        << anna.gets("500 Next hop answered 503 Service Unavailable", via=1)
    )
    assert world.counts.failovers == 2


def test_503_of_a_client_is_500_for_the_server(field, anna, one):
    """503 would mean that no client behind this proxy can be called."""
    assert (
        Ladder(field)
        >> registration(anna, one, "T")
        >> one.sends("MESSAGE sip:anna@10.0.0.2:5070;transport=udp;b={T}")
        << anna.gets("MESSAGE {*}")
        >> anna.sends(503)
        << one.gets(500)
    )


def test_one_that_was_given_up_may_still_answer(field, anna, one, two):
    """The second is dead: what the first says late is all there is, and is not cancelled."""
    assert (
        Ladder(field)
        >> anna.sends(CALL)
        << invited(one)
        >> after(4.05)
        << anna.gets(100)
        << one.gets("INVITE", again=True)
        << one.gets("INVITE", again=True)
        << one.gets("INVITE", again=True)
        << invited(two)
        >> two.fails()
        << nothing
        >> one.sends(180)
        << anna.gets(180)
        >> one.sends(200)
        << anna.gets(200)
    )


def test_503_waits_for_one_that_was_given_up(field, anna, one, two):
    """It says nothing better than silence; if the first keeps silent, 500 goes home when its Timer B ends it."""
    silence = [one.gets("INVITE", again=True, at=at) for at in (0.5, 1.5, 3.5)]
    assert (
        Ladder(field)
        >> anna.sends(CALL)
        << invited(one)
        >> after(4.05)
        << anna.gets(100)
        << silence[0]
        << silence[1]
        << silence[2]
        << invited(two)
        >> two.sends(503)
        << two.gets("ACK")
        << nothing
        >> after(28.0)
        << one.gets("INVITE", again=True, at=7.5)
        << one.gets("INVITE", again=True, at=15.5)
        << one.gets("INVITE", again=True, at=31.5)
        << anna.gets(500, at=32.0)
        >> anna.acks()
    )


def test_refusal_does_not_wait_for_one_that_was_given_up(field, anna, one, two):
    """A challenge has to come in time; a 2xx of the first, later, is passed on all the same (16.7 step 5)."""
    assert (
        Ladder(field)
        >> anna.sends(CALL)
        << invited(one)
        >> after(4.05)
        << anna.gets(100)
        << one.gets("INVITE", again=True)
        << one.gets("INVITE", again=True)
        << one.gets("INVITE", again=True)
        << invited(two)
        >> two.sends(407)
        << two.gets("ACK")
        << anna.gets(407)
        >> anna.acks()
        >> one.sends(180)
        << one.gets("CANCEL")
        >> one.sends(200, answers="INVITE")
        << anna.gets(200)
    )


def test_two_2xx_both_go_home(field, anna, one, two):
    """The first had answered already when the second was asked; every 2xx is passed on."""
    assert (
        Ladder(field)
        >> anna.sends(CALL)
        << invited(one)
        >> after(4.05)
        << anna.gets(100)
        << one.gets("INVITE", again=True)
        << one.gets("INVITE", again=True)
        << one.gets("INVITE", again=True)
        << invited(two)
        >> two.sends(200)
        << anna.gets(200)
        >> one.sends(200)
        << anna.gets(200)
    )


def test_all_silent_is_408_once(field, anna, one, two):
    """Timer B of the last branch ends it; nothing is left then."""
    first = [one.gets("INVITE", again=True, at=at) for at in (0.5, 1.5, 3.5, 7.5, 15.5, 31.5)]
    second = [two.gets("INVITE", again=True, at=4.0 + at) for at in (0.5, 1.5, 3.5, 7.5, 15.5, 31.5)]
    invite = invited(two, at=4.0)
    assert (
        Ladder(field)
        >> anna.sends(CALL)
        << invited(one)
        >> after(36.05)
        >> [anna.gets(100), *first[:3], invite, *second[:2], first[3], second[2], second[3], first[4]]
        >> [second[4], first[5], second[5], anna.gets(408, at=36.0)]
        >> anna.acks()
        >> after(40.0)
        << nothing
    )
    assert field.core.node.layer.clients == {}
    assert field.core.node.layer.servers == {}


# -- what is remembered of a target


def test_retry_after_is_heeded(field, anna, one, two):
    """> ... SHOULD NOT forward any other requests to that server for the duration specified in Retry-After (21.5.4)"""
    message = "MESSAGE sip:bob@example.com"
    assert (
        Ladder(field)
        >> anna.sends(message)
        << one.gets("MESSAGE")
        >> one.sends(503, retry_after="20 (maintenance);duration=3600")
        << two.gets("MESSAGE")
        >> two.sends(200)
        << anna.gets(200)
        >> after(19.0)
        >> anna.sends(message)
        << two.gets("MESSAGE")
        >> two.sends(200)
        << anna.gets(200)
        >> after(1.5)
        >> anna.sends(message)
        << one.gets("MESSAGE")
        >> one.sends(200)
        << anna.gets(200)
    )


@pytest.mark.parametrize("value", ["soon", "", "99999999999999999999"])
def test_retry_after_is_bounded(field, anna, one, two, value):
    """A far end may have written it: never longer than five minutes, and nothing for what is no number."""
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com")
        << one.gets("MESSAGE")
        >> one.sends(503, retry_after=value)
        << two.gets("MESSAGE")
        >> two.sends(200)
        << anna.gets(200)
    )
    rest = field.core.node.targets.all[0].busy_until - field.now
    assert rest <= 300.0
    assert (rest > 0) == value.isdigit()


def test_without_room_anywhere_the_first_is_asked(field, anna, one, two):
    for target in field.core.node.targets.all:
        target.busy_until = field.now + 60.0
    assert Ladder(field) >> anna.sends("MESSAGE sip:bob@example.com") << one.gets("MESSAGE")


def test_calls_in_come_from_either(field, anna, one, two):
    """The dialog stays with the server that began it."""
    assert (
        Ladder(field)
        >> registration(anna, one, "T")
        >> call_in(anna, two, "T", "R", own="sip:anna@198.51.100.20:31000")
        >> anna.continues("BYE")
        << two.gets("BYE", route=None)
    )


def test_draining_target_list_leaves_no_entry(field, anna, one, two):
    """What the watch over a branch holds is let go with the answer, though its entry in the wheel waits."""
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com")
        << one.gets("MESSAGE")
        >> one.sends(200)
        << anna.gets(200)
        >> does(lambda world: world.wait(60.0), "a minute passes")
    )
    assert field.core.node.layer.scene.wheel.entries == 0
