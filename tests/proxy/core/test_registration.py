"""REGISTER: which bindings it names, and what a 2xx makes of them (protocol 2 to 6)."""

from __future__ import annotations

import pytest
from parts import ALICE, EDGE, LISTENERS, OWN, lines_of, node, request, response

from proxy.binding import LINGERING, REGISTERED, TENTATIVE
from proxy.core.registration import accept, add_path, is_nameable, read_registration
from proxy.effects import Record
from proxy.flow import CLIENT, UDP, Flow, Listener
from proxy.sip.address import parse_name_addr
from proxy.sip.errors import HeaderError, SipError

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


@pytest.mark.parametrize(
    ("contact", "nameable"),
    [
        (CONTACT, True), ("sip:a@b", True), ("<sips:a@b>", True), ("<tel:1>", False), ("*", False),
        ("<sip:a@b;gr=x>", False), ("<sip:a@b;b=bk3v9x2m7q4w8z5c1>", False), ("<sip:a@b;b>", True),
        ("<sip:a b>", False),
    ],
)  # fmt: skip
def test_nameable(contact, nameable):
    """gruu, other schemes and what carries our token already are left (protocol 4.4)."""
    assert is_nameable(parse_name_addr(contact.encode())) is nameable


class TestReading:
    def test_names_its_contact(self, play):
        registration = play.asks(f"Contact: {CONTACT};expires=600", "User-Agent: x",
                                 'Authorization: Digest username="al"')  # fmt: skip
        (named,) = registration.named
        assert (named.addr, named.asked, named.binding.state) == (CONTACT[1:-1].encode(), 600, TENTATIVE)
        token = named.binding.token
        assert named.binding.shown == b"sip:alice@10.0.0.2:5070;transport=udp;b=" + token
        assert registration.renamed() == {named.addr: named.binding.shown}
        assert (registration.aor, registration.user_agent) == (b"alice@example.com", b"x")
        assert registration.auth_user == b"al"
        assert not registration.star
        assert len(play.node.bindings) == 0

    @pytest.mark.parametrize(
        ("headers", "asked"),
        [
            ((f"Contact: {CONTACT}",), 3600), ((f"Contact: {CONTACT}", "Expires: 60"), 60),
            ((f"Contact: {CONTACT};expires=5", "Expires: 60"), 5), ((f"Contact: {CONTACT};expires=x",), 3600),
        ],
    )  # fmt: skip
    def test_expires(self, play, headers, asked):
        assert play.asks(*headers).named[0].asked == asked

    @pytest.mark.parametrize("line", ["Subject: query", "Contact: <tel:1>"])
    def test_nothing_to_name(self, play, line):
        assert play.asks(line).named == []

    @pytest.mark.parametrize("line", ["Contact: <broken", "Contact: sip:alice@h?Route=%3Csip:evil%3E"])
    def test_contact_that_cannot_be_read_is_400(self, play, line):
        """A server that reads it otherwise would be led past us (RFC 4475 section 3.1.2.13)."""
        with pytest.raises(HeaderError) as caught:
            play.asks(line)
        assert caught.value.status == 400

    def test_star(self, play):
        assert play.asks("Contact: *", "Expires: 0").star

    def test_two_contacts_of_one_device_are_one_binding(self, play):
        """pjsip: the new one and the old with expires=0; the largest expires wins (protocol 4.6)."""
        registration = play.asks(
            'Contact: <sip:new@h>;+sip.instance="<urn:x>";expires=600, <sip:old@h>;+sip.instance="<urn:x>";expires=0'
        )
        new, old = registration.named
        assert new.binding is old.binding
        assert [named.addr for named in registration.winners()] == [b"sip:new@h"]

    def test_instance_and_reg_id(self, play):
        registration = play.asks('Contact: <sip:a@h>;reg-id=2;+sip.instance="<urn:x>", <sip:b@h>;reg-id=3')
        one, other = registration.named
        assert (one.binding.instance, one.binding.reg_id) == (b'"<urn:x>"', 2)
        assert (other.binding.instance, other.binding.reg_id) == (b"", 0)

    def test_no_room(self):
        play = Play(max_bindings=1)
        play.registers()
        with pytest.raises(SipError) as caught:
            play.asks("Contact: <sip:b@h>")
        assert (caught.value.status, caught.value.label) == (503, "bindings_full")
        assert play.asks(f"Contact: {CONTACT}").named[0].binding.state == REGISTERED

    def test_contact_left_by_setting(self):
        left = Listener(0, CLIENT, UDP, "0.0.0.0", 5060, "203.0.113.10", 5060, contact_policy="leave")
        play = Play(listeners=(left, *LISTENERS[1:]))
        registration = play.asks(f"Contact: {CONTACT}", flow=Flow(left, "198.51.100.7", 4711))
        assert registration.renamed() == {}
        stored, _ = play.gets(registration, f"Contact: {CONTACT};expires=60")
        assert [binding.state for binding in stored] == [REGISTERED]


class TestPath:
    def sent(self, play, *headers: str, contact: str = CONTACT):
        message = request("REGISTER", f"Contact: {contact}", *headers)
        registration = read_registration(message, ALICE, play.node)
        add_path(message, registration, play.node.targets.all[0], play.node)
        token = registration.named[0].binding.token.decode() if registration.named else ""
        return [line.decode().replace(token or "?", "T") for line in lines_of(message.octets())]

    def test_path_and_supported(self, play):
        lines = self.sent(play)
        assert "Path: <sip:pT@10.0.0.2:5070;transport=udp;lr>" in lines
        assert "Supported: path" in lines
        assert not any(line.startswith("Require") for line in lines)

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("Supported: gruu", "Supported: gruu, path"), ("Supported: gruu ,", "Supported: gruu, path"),
            ("Supported:", "Supported: path"), ("k: ", "k: path"),
            ("Supported: outbound, Path", "Supported: outbound, Path"),
        ],
    )  # fmt: skip
    def test_supported_that_is_there(self, play, before, after):
        assert after in self.sent(play, before)

    def test_goes_above_others(self, play):
        lines = self.sent(play, "Path: <sip:first;lr>")
        assert [line for line in lines if line.startswith("Path")] == [
            "Path: <sip:pT@10.0.0.2:5070;transport=udp;lr>", "Path: <sip:first;lr>",
        ]  # fmt: skip

    def test_outbound(self, play):
        """`ob` if and only if there are reg-id and +sip.instance (RFC 5626 section 5.1)."""
        lines = self.sent(play, contact='<sip:a@h>;reg-id=1;+sip.instance="<urn:x>"')
        assert "Path: <sip:pT@10.0.0.2:5070;transport=udp;lr;ob>" in lines

    def test_not_where_it_is_of_no_use(self):
        assert not any("Path" in line for line in self.sent(Play(path="off")))
        play = Play()
        play.node.targets.all[0].path_refused = True
        assert not any("Path" in line for line in self.sent(play))
        assert not any("Path" in line for line in self.sent(Play(), contact="*"))


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
        assert (record.rule, record.direction, record.header) == ("restore-contact", "to-client", "Contact")

    def test_refresh_does_not_wait_for_the_store(self, play):
        """Only what changes a binding waits for its commit (protocol 3.5)."""
        binding = play.registers()
        registration = play.asks(f"Contact: {CONTACT};expires=600")
        assert play.gets(registration, "Contact: <{T}>;expires=600") == ([binding], False)
        moved = play.asks(f"Contact: {CONTACT};expires=600", flow=OTHER)
        assert play.gets(moved, "Contact: <{T}>;expires=600") == ([binding], True)
        assert binding.flow is OTHER

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
        assert play.gets(second, "Contact: <{T}>;expires=600") == ([binding], False)
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


def test_side_of_the_path():
    assert node().server_side is OWN
