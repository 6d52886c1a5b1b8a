"""A 2xx to REGISTER: what becomes a binding, what the client sees of it, what the store has to know."""

from __future__ import annotations

import pytest
from parts import ALICE, EDGE, node, request, response

from proxy.binding import LINGERING, REGISTERED
from proxy.core.acceptance import LEEWAY, accept
from proxy.core.registration import read_registration
from proxy.effects import Record
from proxy.flow import Flow

CONTACT = "<sip:63et@9sh.invalid;transport=ws>"
OTHER = Flow(EDGE, "192.0.2.40", 5060)


class Play:
    def __init__(self, **more) -> None:
        self.node = node(**more)
        self.out: list = []

    def asks(self, *headers: str, flow: Flow = ALICE):
        return read_registration(request("REGISTER", *headers), flow, self.node)

    def gets(self, registration, *headers: str):
        """A 200 with these headers, `T` standing for the URI that stands for the first binding."""
        shown = registration.named[0].binding.shown.decode() if registration.named else ""
        answer = response(200, *(header.replace("{T}", shown) for header in headers), method="REGISTER")
        self.answer = answer
        return accept(registration, answer, self.node, self.out)

    def registers(self, contact: str = CONTACT, flow: Flow = ALICE, *more: str):
        registration = self.asks(f"Contact: {contact};expires=600", *more, flow=flow)
        self.gets(registration, "Contact: <{T}>;expires=600")
        return registration.named[0].binding


@pytest.fixture
def play() -> Play:
    return Play()


class TestAccepted:
    def test_listed_contact_is_committed_and_restored(self, play):
        registration = play.asks(f"Contact: {CONTACT};expires=600", "Call-ID: r1")
        stored, urgent = play.gets(registration, "Contact: <sip:k@x>;expires=9, <{T}>;expires=599;q=1")
        (binding,) = stored
        assert urgent
        assert (binding.state, binding.contact, binding.expires_at) == (REGISTERED, CONTACT[1:-1].encode(), 599.0)
        assert (binding.call_id, binding.contact_key) == (b"r1", (b"63et", b"9sh.invalid"))
        # A second less than asked is rounding, and would make the client register again at once (protocol 5.3).
        assert play.answer.values(b"contact") == [b"<sip:k@x>;expires=9, %b;expires=600;q=1" % CONTACT.encode()]
        (record,) = play.out
        assert isinstance(record, Record)
        assert (record.rule, record.direction, record.header) == ("expires-shrink", "to-client", "Contact")

    def test_refresh_does_not_wait_for_the_store(self, play):
        """Only what changes a binding waits for its commit (protocol 3.5)."""
        binding = play.registers()
        registration = play.asks(f"Contact: {CONTACT};expires=600", "User-Agent: new")
        assert play.gets(registration, "Contact: <{T}>;expires=600") == ([binding], False)
        moved = play.asks(f"Contact: {CONTACT};expires=600", flow=OTHER)
        assert play.gets(moved, "Contact: <{T}>;expires=600") == ([binding], True)
        assert binding.flow is OTHER

    def test_refresh_is_written_when_the_store_needs_it_only(self, play):
        """The store was given a later expiry than the registrar's: refreshes within it are no news to it."""
        binding = play.registers()
        assert (binding.expires_at, binding.stored_until) == (600.0, 1200.0 + LEEWAY)
        written = []
        for now in range(300, 3001, 300):
            play.node.layer.scene.now = float(now)
            stored, urgent = play.gets(play.asks(f"Contact: {CONTACT};expires=600"), "Contact: <{T}>;expires=600")
            assert binding.expires_at == now + 600.0 <= binding.stored_until
            assert not urgent
            written += [now] if stored else []
        assert written == [1500, 3000]

    @pytest.mark.parametrize("line", ["Call-ID: r2", "User-Agent: y", "Require: outbound"])
    def test_what_else_is_new_is_written(self, play, line):
        binding = play.registers()
        answers = ("Require: outbound",) if line.startswith("Require") else ()
        registration = play.asks(f"Contact: {CONTACT};expires=600", *(() if answers else (line,)))
        assert play.gets(registration, "Contact: <{T}>;expires=600", *answers) == ([binding], False)

    @pytest.mark.parametrize(
        ("line", "shown"),
        [
            ("Contact: <{T}>;expires=100", b"100"), ("Contact: <{T}>;expires=598", b"600"),
            ("Contact: <{T}>;expires=597", b"597"), ("Contact: <{T}>;expires=900", b"900"),
            ("Contact: {T};expires=600", b"600"), ("m:   <{T}>\r\n ;expires=600", b"600"),
            ("Contact: <sip:x@y>,\r\n <{T}>\r\n ;expires=600", b"600"),
        ],
    )  # fmt: skip
    def test_forms_of_the_answer(self, play, line, shown):
        registration = play.asks(f"Contact: {CONTACT};expires=600")
        stored, _ = play.gets(registration, line)
        assert len(stored) == 1
        own = play.answer.contacts[-1]
        assert (own.addr, own.param(b"expires")) == (CONTACT[1:-1].encode(), shown)

    def test_token_is_known_whatever_the_host_and_case(self, play):
        registration = play.asks(f"Contact: {CONTACT};expires=600")
        token = registration.named[0].binding.token.decode().upper()
        assert len(play.gets(registration, f"Contact: <sip:ALICE@192.0.2.1:41234;b={token}>;expires=600")[0]) == 1

    def test_expires_of_the_header(self, play):
        registration = play.asks(f"Contact: {CONTACT};expires=600")
        (binding,), _ = play.gets(registration, "Contact: <{T}>", "Expires: 300")
        assert binding.expires_at == 300.0
        assert play.answer.contacts[0].param(b"expires") == b"300"

    def test_answer_without_any_contact(self, play):
        registration = play.asks(f"Contact: {CONTACT};expires=600")
        (binding,), _ = play.gets(registration)
        assert binding.expires_at == 600.0
        assert play.answer.values(b"contact") == [CONTACT.encode() + b";expires=600"]
        other = play.asks("Contact: <sip:b@h>;expires=60")
        play.gets(other, "Expires: 30")
        assert play.answer.contacts[0].param(b"expires") == b"30"

    def test_contacts_of_others_stay(self, play):
        registration = play.asks(f"Contact: {CONTACT};expires=600")
        lines = ("Contact: <sip:x@10.0.0.2:5070;b=unknown>;expires=88", "Contact: <sip:y@h>, <broken", "Contact: *")
        assert play.gets(registration, *lines) == ([], False)
        assert play.answer.values(b"contact") == [line.partition(": ")[2].encode() for line in lines]
        assert play.out == []

    def test_other_binding_of_this_client_is_restored_too(self, play):
        first = play.registers()
        registration = play.asks("Contact: <sip:b@h>;expires=600")
        other = f"Contact: <{first.shown.decode()}>;expires=90"
        stored, _ = play.gets(registration, "Contact: <{T}>;expires=600", other)
        assert len(stored) == 1
        assert [contact.addr for contact in play.answer.contacts] == [b"sip:b@h", first.contact]

    def test_query_changes_nothing(self, play):
        binding = play.registers()
        registration = play.asks()
        assert play.gets(registration, f"Contact: <{binding.shown.decode()}>;expires=90") == ([], False)
        assert play.answer.contacts[0].addr == binding.contact

    def test_two_at_once_are_one_binding(self, play):
        """A client that registers again before its first answer: the second answer finds what the first made."""
        first, second = (play.asks(f"Contact: {CONTACT};expires=600") for _ in range(2))
        (binding,), _ = play.gets(first, "Contact: <{T}>;expires=600")
        play.node.layer.scene.now = 50.0
        assert play.gets(second, "Contact: <{T}>;expires=600") == ([], False)
        assert binding.expires_at == 650.0
        assert len(play.node.bindings) == 1

    def test_no_room_any_more(self):
        play = Play(max_bindings=1)
        first, second = play.asks("Contact: <sip:a@h>"), play.asks("Contact: <sip:b@h>")
        play.gets(first, "Contact: <{T}>;expires=600")
        assert play.gets(second, "Contact: <{T}>;expires=600") == ([], False)
        assert play.node.counts.dropped["bindings_full"] == 1
        assert len(play.node.bindings) == 1


class TestRemoved:
    def test_expires_0(self, play):
        binding = play.registers()
        registration = play.asks(f"Contact: {CONTACT};expires=0")
        assert play.gets(registration) == ([binding], True)
        assert binding.state == LINGERING

    def test_of_what_was_never_there(self, play):
        assert play.gets(play.asks(f"Contact: {CONTACT};expires=0")) == ([], False)

    def test_star_removes_all_of_the_aor(self, play):
        one, two = play.registers(), play.registers("<sip:b@h>", OTHER)
        registration = play.asks("Contact: *", "Expires: 0")
        assert play.gets(registration) == ([one, two], True)
        assert (one.state, two.state) == (LINGERING, LINGERING)


class TestPathInTheAnswer:
    OURS = "<sip:pbx0123456789abcde@10.0.0.2:5070;lr>"

    def left(self, play, *paths: str, supported: bool = False):
        registration = play.asks(f"Contact: {CONTACT}", *(["Supported: path"] if supported else []))
        play.gets(registration, *(f"Path: {path}" for path in paths))
        return play.answer.values(b"path")

    def test_ours_is_no_business_of_the_client(self, play):
        assert self.left(play, self.OURS) == []
        assert self.left(play, f"{self.OURS}, <sip:edge;lr>", self.OURS) == [b"<sip:edge;lr>"]

    @pytest.mark.parametrize("path", ["<sip:pbx.example.com;lr>", "<sip:pbx@10.0.0.9;lr>", "<sip:edge;lr>"])
    def test_those_of_others_stay(self, play, path):
        assert self.left(play, path) == [path.encode()]

    def test_stays_for_a_client_that_knows_it(self, play):
        assert self.left(play, self.OURS, supported=True) == [self.OURS.encode()]
