"""REGISTER: which bindings it names, and what a 2xx makes of them (protocol 2 to 6)."""

from __future__ import annotations

import pytest
from parts import ALICE, EDGE, LISTENERS, OWN, lines_of, node, request, response

from proxy.binding import REGISTERED, TENTATIVE
from proxy.core.acceptance import accept
from proxy.core.registration import is_nameable, prepare, read_registration
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

    def test_no_room_for_more_of_one_address_of_record(self):
        play = Play(max_bindings_of_aor=1)
        play.registers()
        with pytest.raises(SipError) as caught:
            play.asks("Contact: <sip:b@h>")
        assert (caught.value.status, caught.value.label) == (503, "bindings_of_aor_full")
        assert play.asks(f"Contact: {CONTACT}").named[0].binding.state == REGISTERED

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
        prepare(message, registration, play.node.targets.all[0], play.node, [])
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


def test_side_of_the_path():
    assert node().server_side is OWN
