"""Two phones with one Contact, and pages that come after each other: who continues which binding."""

from __future__ import annotations

import pytest
from parts import EDGE, wss_flow

from proxy.binding import LINGERING, REGISTERED, Binding
from proxy.core.succession import PROMISE, SILENCE, Inheritance, of_site
from proxy.flow import Flow

NOW = 1000.0
HOME = Flow(EDGE, "198.51.100.7", 4711)
OFFICE = Flow(EDGE, "192.0.2.40", 5060)
ELSEWHERE = Flow(EDGE, "192.0.2.99", 1)


def phone(flow=HOME, call_id=b"r1", heard=NOW, **values):
    """A phone by UDP that was granted 3600 s at 500 s and was heard just now."""
    own = Flow(flow.listener, flow.remote_host, flow.remote_port)
    own.heard = heard
    made = Binding(b"b" + call_id, b"alice@example.com", b"alice", b"", 0, b"sip:a@192.168.1.100", own)
    made.state, made.call_id, made.refreshed, made.expires_at = REGISTERED, call_id, 500.0, 4100.0
    for key, value in values.items():
        setattr(made, key, value)
    return made


class TestSite:
    def test_first_of_its_kind(self):
        assert of_site([], HOME, b"r1", NOW) is None

    def test_call_id_counts_more_than_the_address(self):
        """The phone that was carried from home to the office, where there is another one."""
        home, office = phone(HOME, b"h"), phone(OFFICE, b"o")
        assert of_site([home, office], OFFICE, b"h", NOW) is home
        assert of_site([home, office], OFFICE, b"new", NOW) is office
        assert of_site([home, office], HOME, b"new", NOW) is home

    def test_one_that_is_alive_is_not_taken_over(self):
        assert of_site([phone(), phone(OFFICE, b"o")], ELSEWHERE, b"new", NOW) is None

    def test_one_that_is_deserted_is(self):
        home, office = phone(), phone(OFFICE, b"o", state=LINGERING)
        assert of_site([home, office], ELSEWHERE, b"new", NOW) is office

    @pytest.mark.parametrize(
        ("interval", "silent", "alive"),
        [
            (0.0, 3599.0, True), (0.0, 3601.0, False),  # within the time it was granted
            (300.0, 599.0, True), (300.0, 601.0, False),  # within two of its own intervals
            (5.0, SILENCE - 1, True), (5.0, SILENCE + 1, False),  # two in a hurry are no habit
        ],
    )  # fmt: skip
    def test_how_long_a_phone_may_be_silent(self, interval, silent, alive):
        known = phone(interval=interval, heard=NOW - silent)
        assert (of_site([known], ELSEWHERE, b"new", NOW) is None) == alive

    def test_connection_says_so_itself(self):
        flow = wss_flow()
        known = phone(heard=0.0)
        known.flow = flow
        assert of_site([known], ELSEWHERE, b"new", 1e9) is None
        flow.open = False
        assert of_site([known], ELSEWHERE, b"new", NOW) is known


AGENT = b"SIP.js/0.21.1"


def page(token=b"bone", **values):
    """A page that went away."""
    made = Binding(token, b"alice@example.com", b"alice", b"", 0, b"sip:x@x.invalid", wss_flow())
    made.state, made.abandoned, made.expires_at, made.user_agent, made.shown = REGISTERED, True, 4100.0, AGENT, b"sip:"
    for key, value in values.items():
        setattr(made, key, value)
    return made


class TestInheritance:
    def asks(self, will, *pages, heir=b"new", instance=b"", reg_id=0, flow=None, agent=AGENT, now=NOW):
        return will.token(pages, heir, instance, reg_id, flow or wss_flow(9), agent, now)

    def test_next_page_of_the_same_client(self):
        assert self.asks(Inheritance(), page()) == b"bone"

    @pytest.mark.parametrize(
        "values",
        [
            {"abandoned": False}, {"state": LINGERING}, {"expires_at": NOW}, {"shown": b""}, {"user_agent": b"JsSIP"},
            {"flow": wss_flow(7, "192.0.2.66")}, {"reg_id": 1}, {"instance": b"<urn:x>"},
        ],
        ids=lambda values: next(iter(values)),
    )  # fmt: skip
    def test_what_is_not_to_be_inherited(self, values):
        assert self.asks(Inheritance(), page(**values)) == b""

    @pytest.mark.parametrize("heir", [{"agent": b""}, {"flow": HOME}, {"reg_id": 1}, {"instance": b"i"}])
    def test_who_inherits_nothing(self, heir):
        will = Inheritance()
        assert self.asks(will, page(user_agent=heir.get("agent", AGENT)), **heir) == b""
        assert len(will) == 0

    def test_new_instance(self):
        assert self.asks(Inheritance(), page(instance=b"one", reg_id=1), instance=b"two", reg_id=1) == b"bone"

    def test_each_gets_one(self):
        will = Inheritance()
        one, two = page(b"bone"), page(b"btwo")
        assert self.asks(will, one, two, heir=b"x") == b"bone"
        assert self.asks(will, one, two, heir=b"y") == b"btwo"
        assert self.asks(will, one, two, heir=b"z") == b""
        assert self.asks(will, one, two, heir=b"x") == b"bone", "with credentials it asks again"

    def test_promise_ends(self):
        will = Inheritance()
        self.asks(will, page(), heir=b"x")
        assert self.asks(will, page(), heir=b"y", now=NOW + PROMISE - 1) == b""
        assert self.asks(will, page(), heir=b"y", now=NOW + PROMISE) == b"bone"

    def test_nothing_is_remembered_of_what_is_settled(self):
        will = Inheritance()
        self.asks(will, page())
        will.settle(b"bone")
        will.settle(b"bother")
        assert len(will) == 0
