"""The ladder DSL: what passes, what must not, and what a failure shows."""

from __future__ import annotations

import sys

import pytest
from twisted.internet.task import Clock

from proxy.effects import Send
from tests.support.clock import run_until
from tests.support.ladder import Ladder, after, does, note, nothing, record, stored, stores
from tests.support.placeholder import Names
from tests.support.sip_text import SipText, addr_spec, split_list, tag_of
from tests.support.world import World

ONE = "<sip:alice@10.0.0.2:5070;transport=udp;b={A}>"


class Tampered:
    """A core whose every output is changed on the way."""

    def __init__(self, core, old, new):
        self._core, self._old, self._new = core, old, new

    def __getattr__(self, name):
        return getattr(self._core, name)

    def handle(self, event):
        effects = self._core.handle(event)
        for effect in effects:
            if isinstance(effect, Send):
                assert self._old in effect.octets
                effect.octets = effect.octets.replace(self._old, self._new)
        return effects


@pytest.fixture
def world():
    return World()


@pytest.fixture
def alice(world):
    return world.client("alice", "198.51.100.7:50112")


@pytest.fixture
def k(world):
    return world.server()


MESSAGE = "MESSAGE sip:bob@example.com"


def test_flow_as_it_happens_passes(world, alice, k):
    assert (
        Ladder(world)
        >> alice.sends(MESSAGE, body=b"hello")
        << k.gets(MESSAGE, branch="{B1}", via=2)
        >> after(0.5)
        << k.gets("MESSAGE", again=True, at=0.5)
        >> k.sends(200)
        << alice.gets("200 OK", via=1)
        >> after(3)
        << nothing
    )
    assert world.names["B1"].startswith("z9hG4bK")


def test_output_nobody_asserted_fails_at_the_end(world, alice, k):
    with pytest.raises(AssertionError, match="output that nobody asserted"):
        assert Ladder(world) >> alice.sends(MESSAGE)


def test_output_nobody_asserted_fails_before_the_next_input(world, alice, k):
    with pytest.raises(AssertionError, match="output that nobody asserted"):
        assert Ladder(world) >> alice.sends(MESSAGE) >> after(0.1) << k.gets("MESSAGE")


def test_nothing_fails_where_something_came_out(world, alice, k):
    with pytest.raises(AssertionError, match="something came out"):
        assert Ladder(world) >> alice.sends(MESSAGE) << nothing


def test_expected_message_that_does_not_come_fails(world, alice, k):
    with pytest.raises(AssertionError, match="nothing came out"):
        assert Ladder(world) >> after(1) << k.gets("MESSAGE")


def test_message_for_somebody_else_fails(world, alice, k):
    with pytest.raises(AssertionError, match="not for alice"):
        assert Ladder(world) >> alice.sends(MESSAGE) << alice.gets("MESSAGE")


def test_other_start_line_fails(world, alice, k):
    with pytest.raises(AssertionError, match="expected OPTIONS, got MESSAGE"):
        assert Ladder(world) >> alice.sends(MESSAGE) << k.gets("OPTIONS")


def test_wrong_time_fails(world, alice, k):
    flow = Ladder(world) >> alice.sends(MESSAGE) << k.gets("MESSAGE") >> after(1)
    with pytest.raises(AssertionError, match=r"came at 0\.500 s, not 0\.400 s"):
        assert flow << k.gets("MESSAGE", again=True, at=0.4)


def test_repetition_has_to_be_said(world, alice, k):
    flow = Ladder(world) >> alice.sends(MESSAGE) << k.gets("MESSAGE") >> after(0.5)
    with pytest.raises(AssertionError, match="it was sent before"):
        assert flow << k.gets("MESSAGE")


def test_first_message_is_no_repetition(world, alice, k):
    with pytest.raises(AssertionError, match="differs from what was sent before"):
        assert Ladder(world) >> alice.sends(MESSAGE) << k.gets("MESSAGE", again=True)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (b"\r\nSubject: tea", b"", "gone or changed without being named: Subject: tea"),
        (b"Subject: tea", b"subject: tea", "came in without being named: subject: tea"),
        (b"\r\nSubject: tea", b"\r\nSubject: tea\r\nX: y", "came in without being named: X: y"),
        (b"\r\n\r\nhello", b"\r\n\r\nHello", "the body changed"),
        (b"sip:bob@example.com SIP/2.0", b"sip:rob@example.com SIP/2.0", "start line"),
        (b"Max-Forwards: 69", b"Max-Forwards: 68", "Max-Forwards: sent '70', came out '68'"),
        (b"branch=z9hG4bK-alice", b"branch=z9hG4bK-ALICE", "Via below ours"),
        (b"branch=z9hG4bK5m", b"branch=5m", "our Via is not on top"),
    ],
)
def test_change_that_is_not_named_fails(world, alice, k, old, new, complaint):
    world.core = Tampered(world.core, old, new)
    flow = Ladder(world) >> alice.sends(MESSAGE, subject="tea", body=b"hello")
    with pytest.raises(AssertionError) as failure:
        assert flow << k.gets("MESSAGE")
    assert complaint in str(failure.value)


def test_change_of_order_fails(world, alice, k):
    world.core = Tampered(world.core, b"A: 1\r\nB: 2", b"B: 2\r\nA: 1")
    with pytest.raises(AssertionError, match="the order of the headers changed"):
        assert Ladder(world) >> alice.sends(MESSAGE, lines=("A: 1", "B: 2")) << k.gets("MESSAGE")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (b"200 OK", b"200 Fine", "status line"),
        (b"Call-ID: ", b"X: 1\r\nCall-ID: ", "came in without being named: X: 1"),
        (b"Via: ", b"Via: SIP/2.0/UDP 10.0.0.2:5070;branch=z9hG4bKx\r\nVia: ", "Via: expected"),
    ],
)
def test_change_in_a_response_fails(world, alice, k, old, new, complaint):
    assert Ladder(world) >> alice.sends(MESSAGE) << k.gets("MESSAGE")
    world.core = Tampered(world.core, old, new)
    with pytest.raises(AssertionError) as failure:
        assert Ladder(world) >> k.sends(200) << alice.gets(200)
    assert complaint in str(failure.value)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (b"Content-Length: 0", b"Content-Length: 1", "needs Content-Length: 0"),
        (b"tag=alice-", b"tag=bob-", "from of our answer"),
        (b";tag=sm", b";t=sm", "To of our answer"),
        (b"CSeq: ", b"X: 1\r\nCSeq: ", "in our answer without being named: X: 1"),
        (b"Via: SIP", b"Via: sip", "Via of our answer"),
    ],
)
def test_answer_of_the_core_is_checked(world, alice, k, old, new, complaint):
    world.core = Tampered(world.core, old, new)
    with pytest.raises(AssertionError) as failure:
        assert Ladder(world) >> alice.sends(MESSAGE, max_forwards=0) << alice.gets(483)
    assert complaint in str(failure.value)


def test_named_header_is_compared(world, alice, k):
    register = alice.sends("REGISTER sip:example.com")
    with pytest.raises(AssertionError, match="contact: expected"):
        assert Ladder(world) >> register << k.gets("REGISTER", contact="<sip:bob@{*}>", path="{*}", supported="path")


def test_header_named_as_absent_must_be_absent(world, alice, k):
    with pytest.raises(AssertionError, match="subject: expected"):
        assert Ladder(world) >> alice.sends(MESSAGE, subject="tea") << k.gets("MESSAGE", subject=None)


def test_records_stores_and_notes_can_be_asserted(world, alice, k):
    assert (
        Ladder(world)
        >> alice.sends("REGISTER sip:example.com")
        << k.gets("REGISTER", contact=ONE, path="{*}", supported="path")
        << record("contact-private", "Contact", after="Contact: " + ONE)
        >> k.sends(200, contact=ONE)
        << stores("alice@example.com", waiting=True)
        << alice.gets(200, contact=alice.contact + ";expires=3600")
    )
    stranger = world.server("stranger", "10.9.9.9:5060")
    assert Ladder(world) >> stranger.sends(MESSAGE) << note("from 10.9.9.9 on the server side refused") << nothing


@pytest.mark.parametrize(
    "step", [record("contact-private"), stores("alice@example.com"), note("anything")], ids=["record", "stores", "note"]
)
def test_expected_trace_that_is_not_there_fails(world, alice, k, step):
    with pytest.raises(AssertionError):
        assert Ladder(world) >> alice.sends(MESSAGE) << k.gets("MESSAGE") << step


def test_store_can_be_held(world, alice, k):
    def hold(where):
        where.hold_store = True

    assert (
        Ladder(world)
        >> does(hold, "the store is slow")
        >> alice.sends("REGISTER sip:example.com")
        << k.gets("REGISTER", contact=ONE, path="{*}", supported="path")
        >> k.sends(200, contact=ONE)
        << nothing
        >> stored()
        << alice.gets(200, contact="{*}")
    )
    with pytest.raises(AssertionError, match="nothing waits for the store"):
        assert Ladder(world) >> stored()


def test_failure_shows_both_ladders_with_times(world, alice, k):
    flow = Ladder(world) >> after(2) >> alice.sends(MESSAGE) << k.gets("MESSAGE") >> k.sends(200) << k.gets(200)
    with pytest.raises(AssertionError) as failure:
        assert flow
    lines = str(failure.value).split("\n")
    assert any(line.startswith("=> << k 200") and line.endswith("2.000  << alice 200 OK") for line in lines)
    assert any(line.startswith("   >> after 2 s") for line in lines)


def test_ladder_that_is_never_asserted_raises(world, alice, monkeypatch):
    raised = []
    monkeypatch.setattr(sys, "unraisablehook", raised.append)
    flow = Ladder(world) >> alice.sends(MESSAGE)
    del flow
    assert [str(item.exc_value) for item in raised] == ["a ladder was never asserted: write `assert Ladder(...) ...`"]


def test_arrows_have_a_direction(world, alice):
    with pytest.raises(TypeError, match="write << before"):
        Ladder(world) >> alice.gets(200)
    with pytest.raises(TypeError, match="write >> before"):
        Ladder(world) << after(1)


def test_placeholder_is_bound_at_first_use_and_kept():
    names = Names()
    assert names.fits("<sip:{A}@{B}>;x={A}", "<sip:a1@b>;x=a1")
    assert not names.fits("{A}", "a2")
    assert names.fits("{A} {*}", "a1 and more")
    assert names.fill("{A}/{B}") == "a1/b"
    assert names.shown("{A}/{C}") == "a1/{C}"
    with pytest.raises(KeyError):
        names.fill("{C}")


def test_placeholder_that_does_not_fit_twice_binds_nothing():
    names = Names()
    assert not names.fits("{A}{*};{A}", "x;y;z")
    assert names.bound == {}


def test_text_of_a_message():
    octets = "INVITE sip:b@c SIP/2.0\r\nv: one,\r\n two\r\nX-é: \udcff\r\n\r\nbody".encode("utf-8", "surrogateescape")
    text = SipText(octets)
    assert (text.method, text.uri, text.body) == ("INVITE", "sip:b@c", b"body")
    assert text.elements("via") == ["one", "two"]
    assert split_list('"a,b" <sip:x,y>, <c>') == ['"a,b" <sip:x,y>', "<c>"]
    assert addr_spec('"A" <sip:a@b;x>;tag=1') == "sip:a@b;x"
    assert tag_of("<sip:a@b;tag=no>;tag=yes;x") == "yes"


def test_twisted_clock_is_stepped_from_call_to_call():
    """A doubling timer fires at 0.5, 1.5, 3.5 and 7.5, not once at the end."""
    clock, fired = Clock(), []

    def fire(interval):
        fired.append(clock.seconds())
        clock.callLater(2 * interval, fire, 2 * interval)

    clock.callLater(0.5, fire, 0.5)
    run_until(clock, 8)
    assert fired == [0.5, 1.5, 3.5, 7.5]
    assert clock.seconds() == 8
