"""The control of the demo: what each client can do straight at the server. The flaws must really fail."""

from __future__ import annotations

import demo_reactor
import pytest

from proxy.demo.client import Flaw
from proxy.demo.scenario import INVALID, NO_CONTACT, PRIVATE, STORIES, WITH_RPORT, Stage

pytestmark = pytest.mark.loopback

HEALTHY = Flaw(
    user="dora",
    user_agent="sound/1.0",
    register_contact="sip:dora@%(here)s",
    contact="sip:dora@%(here)s",
    via="%(here)s;rport",
)
REGISTERS = ["REGISTER is accepted", "its answer lists the client's own Contact"]
CALLS = ["the client's call to echo is answered", "its ACK reaches the server", "the server's BYE reaches the client"]
IS_CALLED = [
    "the server calls the client back",
    "the server's ACK reaches the client",
    "the client's BYE reaches the server",
]


@pytest.fixture
def stage(reactor):
    stage = Stage(reactor, b"demo.test")
    stage.server.listen("127.0.0.1")
    yield stage
    stage.server.stop()


def walk(stage, flaw):
    return demo_reactor.run(stage.reactor, stage.walk(flaw, stage.server.address, "127.0.0.1", 0.6))


def failures(walked):
    return {check.name: check.detail for check in walked.checks if not check.passed}


def test_healthy_client_needs_no_proxy(stage):
    """Without this control the failures below would prove nothing."""
    walked = walk(stage, HEALTHY)
    assert walked.passed
    assert [check.name for check in walked.checks] == REGISTERS + CALLS + IS_CALLED
    assert not any(seen.repeated for seen in walked.seen)


def test_client_without_contact_is_refused_as_asterisk_does(stage):
    walked = walk(stage, NO_CONTACT)
    assert failures(walked) == {
        "the client's call to echo is answered": "INVITE was answered 400 Missing Contact header"
    }
    # Its REGISTER carries a true Contact: the server's call gets through.
    assert [check.name for check in walked.checks] == REGISTERS + CALLS[:1] + IS_CALLED


def test_client_with_a_private_via_gets_no_answer_at_all(stage):
    """RFC 3261 18.2.2: without rport the response goes to the port in the Via, where nobody is."""
    walked = walk(stage, PRIVATE)
    assert list(failures(walked)) == ["REGISTER is answered"]
    assert any(seen.repeated and seen.end == "client" for seen in walked.seen), "it must have been sent again"


@pytest.mark.parametrize(
    ("flaw", "why"),
    [(WITH_RPORT, "192.168.77.7:5062 cannot be reached"), (INVALID, "df7jal23ls0d.invalid;transport=udp")],
)
def test_client_with_an_unreachable_contact_calls_but_nothing_reaches_it(stage, flaw, why):
    failed = failures(walk(stage, flaw))
    assert set(failed) == {"the server's BYE reaches the client", "the server calls the client back"}
    assert all(why in detail for detail in failed.values())


def test_walks_leave_no_account_behind(stage):
    walk(stage, HEALTHY)
    assert stage.server.registrar.contact_of(b"dora", stage.reactor.seconds()) is None


def test_stories_are_three_and_each_fails_in_its_own_way():
    assert [story.flaw for story in STORIES] == [NO_CONTACT, PRIVATE, INVALID]
    assert all(story.direct for story in STORIES)
