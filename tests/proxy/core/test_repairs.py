"""How a message is brought to the rules: who sent it, and the one URI that stands for that client at the server."""

from __future__ import annotations

import pytest
from parts import ALICE, EDGE_WSS, LISTENERS, OWN, OWN_TCP, K, mint, node, request, response, settings, wss_flow

import plugins
from proxy.core.guests import Guests
from proxy.core.repairs import Names, Repairs, Sender, server_listener
from proxy.counts import Counts
from proxy.effects import Record
from proxy.flow import TCP, TLS
from proxy.repair.catalog import Catalog
from proxy.repair.pipeline import Pipeline
from proxy.repair.rule import OFF, REPAIR

ADDRESS = "10.0.0.2:5070;transport=udp"


class Play:
    def __init__(self, **more) -> None:
        self.settings = settings(**more)
        self.guests = Guests(self.settings, mint())
        self.node = node(**more)
        self.names = Names(self.settings, self.guests, self.node.tags.of)
        rules = Catalog(plugins.ORDER).rules
        self.counts = Counts(len(LISTENERS))
        modes = {rule.name: OFF if rule.default == OFF else REPAIR for rule in rules}
        pipeline = Pipeline(rules, modes, self.counts)
        self.repairs = Repairs(self.settings, pipeline, self.names)
        self.out: list = []

    def binding(self, shown: bytes | None = None):
        made = self.node.bindings.find_or_make(
            b"alice@example.com", b"alice", b"", 0, b"sip:x@9sh.invalid", ALICE, b"r1"
        )
        made.shown = self.names.of_binding(made) if shown is None else shown
        return made

    @property
    def rules(self) -> list[str]:
        return [effect.rule for effect in self.out if isinstance(effect, Record)]


@pytest.fixture
def play() -> Play:
    return Play()


class TestNames:
    def test_of_a_binding(self, play):
        binding = play.binding()
        assert binding.shown == b"sip:alice@%b;b=%b" % (ADDRESS.encode(), binding.token)
        assert play.names.shown(binding, request(), ALICE) == binding.shown

    def test_token_as_user_for_servers_that_key_on_it(self):
        play = Play(contact_user="token")
        binding = play.binding()
        assert binding.shown == b"sip:%b@%b;b=%b" % (binding.token, ADDRESS.encode(), binding.token)

    def test_transport_towards_the_server_is_the_configured_one(self):
        assert Play(server_transport=TCP).names.address == b"10.0.0.2:5070;transport=tcp"

    def test_anonymous_where_the_sender_hides(self, play):
        """Privacy: the user of the AoR must not stand in the Contact (RFC 3323, protocol 2.3)."""
        binding = play.binding()
        hiding = request("INVITE", "Privacy: id")
        assert play.names.shown(binding, hiding, ALICE) == b"sip:anonymous@%b;b=%b" % (ADDRESS.encode(), binding.token)
        assert play.names.shown(None, hiding, ALICE).startswith(b"sip:anonymous@")
        answer = response(200, "Privacy: id")
        assert play.names.shown(binding, answer, ALICE) == b"sip:anonymous@%b;b=%b" % (ADDRESS.encode(), binding.token)

    def test_anonymous_where_a_caller_who_hid_answers_a_request_in_the_dialog(self, play):
        """Its 200 to a re-INVITE must not tell what its INVITE did not."""
        binding = play.binding()
        hiding = response(200, "To: <sip:Anonymous@anonymous.invalid>;tag=1")
        assert play.names.shown(binding, hiding, ALICE) == b"sip:anonymous@%b;b=%b" % (ADDRESS.encode(), binding.token)
        for to in ("To: <sip:example.com>;tag=1", "To: <sip:[>;tag=1"):
            assert play.names.shown(binding, response(200, to), ALICE) == binding.shown

    def test_binding_whose_contact_was_left_shows_that(self, play):
        assert play.names.shown(play.binding(b""), request(), ALICE) == b"sip:x@9sh.invalid"

    @pytest.mark.parametrize(
        ("message", "user"),
        [
            (request(), b"alice"), (response(200), b"bob"), (request("INVITE", "From: <sip:a;b@h>;tag=1"), b"a%3Bb"),
            (response(200, "To: <sip:example.com>;tag=1"), b"anonymous"),
        ],
    )  # fmt: skip
    def test_guest_is_named_by_its_own_side(self, play, message, user):
        shown = play.names.shown(None, message, ALICE)
        assert shown == b"sip:%b@%b;b=%b" % (user, ADDRESS.encode(), play.guests.token(ALICE))

    def test_sender_asks_the_names(self, play):
        binding = play.binding()
        assert Sender(binding, play.names).shown(request(), ALICE) == binding.shown
        assert Sender(None, play.names).shown(request(), ALICE) == play.names.shown(None, request(), ALICE)


def test_listener_of_the_server_side():
    assert server_listener(settings(), OWN.transport) is OWN
    assert server_listener(settings(), TCP) is OWN_TCP
    with pytest.raises(LookupError, match="tls"):
        server_listener(settings(), TLS)


class TestRepairs:
    INVALID = "Contact: <sip:x@9sh.invalid;transport=ws>"

    def test_request_of_a_binding_gets_the_one_contact(self, play):
        binding = play.binding()
        message = request("INVITE", self.INVALID)
        play.repairs.request_in(message, wss_flow(), binding, False, None, play.out, K)
        assert message.contacts[0].addr == binding.shown
        assert play.rules

    def test_second_hop_is_left(self, play):
        """Who has a proxy in front of us is not ours to repair (protocol 1.4)."""
        message = request("INVITE", self.INVALID)
        before = message.octets()
        play.repairs.request_in(message, wss_flow(), None, True, None, play.out, K)
        assert message.octets() == before

    def test_response_of_a_client(self, play):
        message = response(200, self.INVALID)
        play.repairs.response_in(message, wss_flow(), play.binding(), False, play.out, K)
        assert message.contacts[0].param(b"x") is None
        assert b"@10.0.0.2:5070" in message.contacts[0].addr
        left = response(200, self.INVALID)
        play.repairs.response_in(left, wss_flow(), None, True, play.out)
        assert left.contacts[0].addr == b"sip:x@9sh.invalid;transport=ws"

    def test_contact_of_the_server_is_never_a_finding(self, play):
        """It is private, and right (protocol 5.5)."""
        for message, run in (
            (response(200, "Contact: <sip:bob@10.0.0.5>"), play.repairs.response_out),
            (request("INVITE", "Contact: <sip:bob@10.0.0.5>"), play.repairs.request_out),
        ):
            before = message.octets()
            run(message, K, wss_flow(), play.out)
            assert message.octets() == before
        assert play.rules == []

    def test_missing_contact_of_the_server_leads_back_here(self, play):
        message = response(200)
        play.repairs.response_out(message, K, wss_flow(), play.out)
        assert play.rules == ["contact-missing-response"]
        assert message.contacts[0].addr == b"sip:bob@edge.example.com:8443;transport=ws"
        assert EDGE_WSS.sent_by == b"edge.example.com:8443"
