"""Bindings: found by token, identity, AoR and flow, and lost in good order (protocol 2 and 3)."""

from __future__ import annotations

import pytest
from parts import ALICE, EDGE, mint, settings, wss_flow

from proxy.binding import GONE, LINGERING, REGISTERED, TENTATIVE, Binding
from proxy.core.bindings import Bindings, identity_of
from proxy.flow import Flow

AOR = b"alice@example.com"
HOME = Flow(EDGE, "198.51.100.7", 4711)
OFFICE = Flow(EDGE, "192.0.2.40", 5060)


class Play:
    def __init__(self, **more) -> None:
        self.table = Bindings(settings(**more), mint())

    def finds(self, contact=b"sip:a@h", flow=HOME, *, instance=b"", reg_id=0, aor=AOR, call_id=b"r1") -> Binding:
        return self.table.find_or_make(aor, b"alice", instance, reg_id, contact, flow, call_id)

    def registers(self, contact=b"sip:a@h", flow=HOME, *, until=100.0, key=None, call_id=b"r1", **more) -> Binding:
        binding = self.finds(contact, flow, call_id=call_id, **more)
        assert self.table.commit(binding, flow)
        binding.contact_key = key or (b"a", contact.partition(b"@")[2])
        binding.call_id = call_id
        binding.expires_at = until
        return binding


@pytest.fixture
def play() -> Play:
    return Play()


class TestIdentity:
    def test_instance_and_reg_id_count_more_than_the_contact(self):
        assert identity_of(AOR, b"i", 1, b"sip:a@x") == identity_of(AOR, b"i", 1, b"sip:b@y")
        assert identity_of(AOR, b"i", 1, b"x") != identity_of(AOR, b"i", 2, b"x")
        assert identity_of(AOR, b"i", 1, b"x") != identity_of(AOR, b"j", 1, b"x")

    def test_else_the_contact(self):
        assert identity_of(AOR, b"", 1, b"x") == identity_of(AOR, b"", 2, b"x")
        assert identity_of(AOR, b"", 0, b"x") != identity_of(AOR, b"", 0, b"y")
        assert identity_of(AOR, b"", 0, b"x") != identity_of(b"bob@example.com", b"", 0, b"x")
        assert identity_of(AOR, b"", 0, b"x", 1) != identity_of(AOR, b"", 0, b"x", 0)


class TestFindOrMake:
    def test_new_binding_is_in_no_table_before_its_commit(self, play):
        """State changes only on a 2xx to REGISTER (protocol 3.1)."""
        binding = play.finds()
        assert binding.state == TENTATIVE
        assert (len(play.table), play.table.by_token(binding.token)) == (0, None)
        assert play.table.of_aor(AOR) == []
        assert play.table.on_flow(HOME) == []
        assert play.finds() is not binding
        assert play.finds().token == binding.token

    def test_known_binding_is_found_again(self, play):
        binding = play.registers()
        assert play.finds() is binding
        assert play.finds(b"sip:other@h") is not binding

    def test_device_is_found_by_its_instance_from_anywhere(self, play):
        binding = play.registers(instance=b"i", reg_id=1)
        assert play.finds(b"sip:new@h", OFFICE, instance=b"i", reg_id=1, call_id=b"r2") is binding
        assert play.finds(instance=b"i", reg_id=2) is not binding

    def test_same_private_contact_at_two_sites_is_two_clients(self, play):
        """`sip:alice@192.168.1.100:5060` at home and in the office (protocol 2.7)."""
        home = play.registers(flow=HOME)
        office = play.registers(flow=OFFICE, call_id=b"r2")
        assert home is not office
        assert home.token != office.token
        assert play.finds(flow=HOME, call_id=b"r9") is home
        assert play.finds(flow=OFFICE, call_id=b"r9") is office
        third = play.finds(flow=Flow(EDGE, "192.0.2.99", 1), call_id=b"r3")
        assert third.serial == 2

    def test_same_call_id_from_another_address_is_a_client_that_moved(self, play):
        binding = play.registers(flow=HOME)
        assert play.finds(flow=OFFICE, call_id=b"r1") is binding

    def test_dead_connection_makes_room_for_its_successor(self, play):
        flow = wss_flow()
        binding = play.registers(flow=flow)
        flow.open = False
        assert play.finds(flow=OFFICE, call_id=b"r2") is binding

    def test_lingering_binding_is_taken_up_again(self, play):
        binding = play.registers()
        play.table.linger(binding, 5.0)
        assert play.finds(flow=OFFICE, call_id=b"r2") is binding


class TestSites:
    """The same private Contact at several sites (protocol 2.7), over the lives of each."""

    def test_second_site_keeps_its_binding_when_the_first_is_gone(self, play):
        home, office = play.registers(flow=HOME), play.registers(flow=OFFICE, call_id=b"r2")
        play.table.remove(home)
        assert play.finds(flow=OFFICE, call_id=b"r2") is office
        assert play.finds(flow=OFFICE, call_id=b"r9") is office
        again = play.registers(flow=HOME, call_id=b"r3")
        assert again.token == home.token

    def test_phone_that_was_carried_to_the_other_site_is_known_by_its_call_id(self, play):
        home, office = play.registers(flow=HOME), play.registers(flow=OFFICE, call_id=b"r2")
        assert play.finds(flow=OFFICE, call_id=b"r1") is home
        assert play.finds(flow=HOME, call_id=b"r2") is office


class TestPagesThatWentAway:
    """Their tokens pass on to the next page (protocol 3.4)."""

    OLD, NEW = wss_flow(1), wss_flow(2)

    def asks(self, play, contact, flow, agent=b"SIP.js", **more):
        binding = play.table.find_or_make(AOR, b"alice", b"", 0, contact, flow, b"c", 1.0, agent, **more)
        binding.user_agent, binding.shown, binding.expires_at = agent, b"sip:", 100.0
        return binding

    def registers_page(self, play, contact, flow):
        binding = self.asks(play, contact, flow)
        play.table.commit(binding, flow)
        return binding

    def test_heir_takes_the_place_at_its_commit_and_not_before(self, play):
        old = self.registers_page(play, b"sip:old@x", self.OLD)
        assert play.table.abandon(self.OLD) == [old]
        assert play.table.abandon(self.OLD) == []
        heir = self.asks(play, b"sip:new@y", self.NEW)
        assert (heir.token, heir.state) == (old.token, TENTATIVE)
        assert play.table.by_token(old.token) is old
        assert play.table.current(heir) is heir
        play.table.commit(heir, self.NEW)
        assert play.table.by_token(old.token) is heir
        assert (old.state, len(play.table), play.table.of_aor(AOR)) == (GONE, 1, [heir])
        assert (play.table.on_flow(self.OLD), play.table.on_flow(self.NEW)) == ([], [heir])

    def test_two_requests_of_one_heir_are_one_binding(self, play):
        self.registers_page(play, b"sip:old@x", self.OLD)
        play.table.abandon(self.OLD)
        first, second = (self.asks(play, b"sip:new@y", self.NEW) for _ in range(2))
        play.table.commit(first, self.NEW)
        assert play.table.current(second) is first

    def test_inherited_token_is_made_for_nobody_else(self, play):
        """The old Contact comes back after all: the token that was made for it is somebody else's."""
        old = self.registers_page(play, b"sip:old@x", self.OLD)
        play.table.abandon(self.OLD)
        heir = self.registers_page(play, b"sip:new@y", self.NEW)
        back = self.registers_page(play, b"sip:old@x", wss_flow(3))
        assert heir.token == old.token != back.token
        assert back.serial == 1
        assert play.finds(b"sip:old@x", wss_flow(3), call_id=b"c") is back

    def test_client_by_two_tokens_is_one_in_the_end(self, play):
        """Its first REGISTER was answered after the promise had lapsed: the later one counts, and the store hears."""
        early = self.asks(play, b"sip:new@y", self.NEW)
        self.registers_page(play, b"sip:old@x", self.OLD)
        play.table.abandon(self.OLD)
        late = self.registers_page(play, b"sip:new@y", self.NEW)
        assert early.token != late.token
        play.table.commit(early, self.NEW)
        assert (len(play.table), late.state) == (1, GONE)
        assert play.table.expire(2.0) == [late]

    def test_page_that_is_back_is_no_longer_abandoned(self, play):
        old = self.registers_page(play, b"sip:old@x", self.OLD)
        play.table.abandon(self.OLD)
        assert play.table.figures() == {"registered": 0, "abandoned": 1, "lingering": 0}
        play.table.commit(old, self.NEW)
        assert not old.abandoned
        assert play.table.figures() == {"registered": 1, "abandoned": 0, "lingering": 0}

    def test_only_binding_of_an_aor_is_the_one_that_is_there(self, play):
        """A page that went away does not hide the phone."""
        page = self.registers_page(play, b"sip:old@x", self.OLD)
        phone = play.registers(b"sip:phone@h")
        assert play.table.only_registered(AOR) is None
        play.table.abandon(self.OLD)
        assert play.table.only_registered(AOR) is phone
        play.table.remove(phone)
        assert play.table.only_registered(AOR) is page


def test_binding_that_is_gone_moves_nowhere(play):
    """A request of it may still be on its way when it goes."""
    binding = play.registers()
    play.table.remove(binding)
    assert not play.table.move(binding, OFFICE)
    assert play.table.on_flow(OFFICE) == []


def test_client_that_comes_again_after_it_made_room_is_not_deleted():
    """Its token is the same again: the sweep that tells the store of the old one must not take the new one."""
    play = Play(max_bindings=1)
    one = play.registers(b"sip:a@h")
    play.table.linger(one, 0.0)
    two = play.registers(b"sip:b@h")
    play.table.linger(two, 0.0)
    again = play.registers(b"sip:a@h")
    assert again.token == one.token
    assert play.table.expire(1.0) == [two]


def test_who_waits_for_a_client_to_move_hears_of_it(play):
    """And not of refreshes: thousands of calls may wait while a network is down."""
    binding = play.registers()
    play.table.commit(binding, Flow(EDGE, "198.51.100.7", 4711))
    assert not play.table.moved
    play.table.commit(binding, OFFICE)
    assert play.table.moved


class TestCommit:
    def test_puts_a_binding_into_every_table(self, play):
        binding = play.registers()
        assert binding.state == REGISTERED
        assert play.table.by_token(binding.token) is binding
        assert play.table.of_aor(AOR) == [binding]
        assert play.table.on_flow(HOME) == [binding]
        assert len(play.table) == 1
        assert play.table.figures() == {"registered": 1, "abandoned": 0, "lingering": 0}

    def test_again_on_the_same_flow_changes_nothing_but_the_state(self, play):
        binding = play.registers()
        play.table.linger(binding, 1.0)
        assert play.table.commit(binding, Flow(EDGE, "198.51.100.7", 4711))
        assert (binding.state, play.table.on_flow(HOME), len(play.table)) == (REGISTERED, [binding], 1)

    def test_moves_to_a_new_flow(self, play):
        binding = play.registers(instance=b"i")
        play.table.commit(binding, OFFICE)
        assert binding.flow is OFFICE
        assert play.table.on_flow(HOME) == []
        assert play.table.on_flow(OFFICE) == [binding]

    def test_no_room(self):
        play = Play(max_bindings=1)
        first = play.registers()
        second = play.finds(b"sip:b@h")
        assert not play.table.commit(second, HOME)
        assert (len(play.table), second.state) == (1, TENTATIVE)
        assert play.table.commit(first, OFFICE), "what is there may stay"


class TestLife:
    def test_expired_binding_lingers_then_goes(self):
        play = Play(linger=50.0)
        binding = play.registers(until=100.0)
        assert play.table.expire(99.0) == []
        assert play.table.expire(100.0) == [binding]
        assert binding.state == LINGERING
        assert play.table.figures() == {"registered": 0, "abandoned": 0, "lingering": 1}
        assert play.table.by_token(binding.token) is binding, "the BYE of the running call still finds it"
        binding.last_used = 120.0
        assert play.table.expire(169.0) == []
        assert play.table.expire(170.0) == [binding]
        assert binding.state == GONE
        assert len(play.table) == 0
        assert (play.table.of_aor(AOR), play.table.on_flow(HOME)) == ([], [])
        assert play.finds() is not binding

    def test_remove_twice(self, play):
        one, other = play.registers(), play.registers(b"sip:b@h")
        play.table.remove(one)
        play.table.remove(one)
        assert play.table.of_aor(AOR) == [other]
        assert play.table.on_flow(HOME) == [other]
        assert play.finds().token == one.token, "the same client gets the same token again"

    def test_remove_of_a_tentative_one(self, play):
        binding = play.finds()
        play.table.remove(binding)
        assert binding.state == GONE


class TestSender:
    """Which binding a client's request comes from (protocol 2.5)."""

    def test_by_contact_on_its_flow(self, play):
        one = play.registers(b"sip:a@h1", key=(b"a", b"h1"))
        two = play.registers(b"sip:a@h2", key=(b"a", b"h2"))
        assert play.table.sender(HOME, AOR, (b"a", b"h2"), False) is two
        assert play.table.sender(HOME, b"x@y", (b"a", b"h1"), False) is one

    def test_by_aor_on_its_flow_if_exactly_one(self, play):
        one = play.registers()
        assert play.table.sender(HOME, AOR, None, False) is one
        play.registers(b"sip:b@h")
        assert play.table.sender(HOME, AOR, None, False) is None

    def test_the_only_one_on_the_flow_for_an_anonymous_sender(self, play):
        one = play.registers()
        play.registers(b"sip:bob@o", OFFICE, aor=b"bob@example.com", key=(b"bob", b"o"))
        assert play.table.sender(HOME, b"anonymous@anonymous.invalid", None, True) is one
        assert play.table.sender(HOME, b"bob@example.com", None, True) is one
        assert play.table.sender(HOME, b"bob@example.com", None, False) is None

    def test_by_contact_elsewhere_for_this_transaction_only(self, play):
        one = play.registers(b"sip:a@h1", key=(b"a", b"h1"))
        assert play.table.sender(OFFICE, AOR, (b"a", b"h1"), False) is one
        assert play.table.sender(OFFICE, AOR, (b"a", b"h2"), False) is None
        assert play.table.sender(OFFICE, b"bob@example.com", (b"a", b"h1"), False) is None
        assert play.table.on_flow(OFFICE) == []

    def test_nobody_known_is_a_guest(self, play):
        assert play.table.sender(HOME, AOR, None, True) is None


class TestDelivery:
    def test_only_registered(self, play):
        assert play.table.only_registered(AOR) is None
        one = play.registers()
        assert play.table.only_registered(AOR) is one
        two = play.registers(b"sip:b@h")
        assert play.table.only_registered(AOR) is None
        play.table.linger(one, 0.0)
        assert play.table.only_registered(AOR) is two

    def test_sibling_of_a_device_with_two_flows(self, play):
        first, second = wss_flow(1), wss_flow(2)
        one = play.registers(flow=first, instance=b"i", reg_id=1)
        play.registers(flow=second, instance=b"i", reg_id=2)
        first.open = False
        assert play.table.sibling_flow(one) is second
        second.open = False
        assert play.table.sibling_flow(one) is None

    def test_no_sibling_without_an_instance(self, play):
        one = play.registers(flow=wss_flow(1))
        play.registers(b"sip:b@h", ALICE)
        assert play.table.sibling_flow(one) is None

    def test_whose_flow_it_is(self, play):
        """Tokens travel to far ends: a Route that names a flow counts only if the flow is the client's."""
        first, second, third = wss_flow(1), wss_flow(2), wss_flow(3)
        one = play.registers(flow=first, instance=b"i", reg_id=1)
        play.registers(flow=second, instance=b"i", reg_id=2)
        plain = play.registers(b"sip:b@h", third)
        assert play.table.uses(one, first)
        assert play.table.uses(one, second)
        assert not play.table.uses(one, third)
        assert not play.table.uses(plain, first)
