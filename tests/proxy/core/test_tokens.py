"""Tokens: short, of [a-z0-9], the same after a restart, and nobody else can make one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parts import ALICE, EDGE, EDGE_WSS, mint, wss_flow

from proxy.core.bindings import identity_of
from proxy.core.tokens import (
    BINDING_LENGTH,
    BRANCH_LENGTH,
    BRANCH_PREFIX,
    LOOP_MARK_LENGTH,
    MAC_LENGTH,
    guest_subject,
    is_token,
    own_branch,
    read_subject,
)
from proxy.flow import Flow

OLD, NEW = b"o" * 32, b"n" * 32
ALPHABET = re.compile(rb"[a-z0-9]+").fullmatch
FLOWS = {
    "udp-ipv4": (Flow(EDGE, "198.51.100.7", 4711), b"f00c63364071267"),
    "udp-ipv6": (Flow(EDGE, "2001:db8::7", 65535), b"f0020010db8000000000000000000000007ffff"),
    "udp-link-local": (Flow(EDGE, "fe80::1%eth0", 5060), b"f00fe80000000000000000000000000000113c4"),
    "stream": (Flow(EDGE_WSS, "198.51.100.7", 50112, 0xABCDEF), b"cabcdef"),
}
flows = pytest.mark.parametrize(("flow", "subject"), FLOWS.values(), ids=FLOWS)
text = st.binary(min_size=0, max_size=12)


def altered(token: bytes) -> list[bytes]:
    """The token with each of its characters exchanged for another of the alphabet."""
    return [token[:i] + (b"0" if token[i : i + 1] != b"0" else b"1") + token[i + 1 :] for i in range(len(token))]


class TestBinding:
    def test_form(self):
        token = mint().binding(b"identity")
        assert len(token) == BINDING_LENGTH == 17
        assert token[:1] == b"b"
        assert ALPHABET(token)
        assert is_token(token)

    def test_same_after_a_restart(self):
        assert mint(OLD).binding(b"identity") == mint(OLD).binding(b"identity")

    def test_another_key_gives_another_token(self):
        assert mint(OLD).binding(b"identity") != mint(NEW).binding(b"identity")

    def test_first_key_makes(self):
        assert mint(NEW, OLD).binding(b"identity") == mint(NEW).binding(b"identity")

    @given(
        st.tuples(text, text, st.integers(0, 9), text, st.integers(0, 9)),
        st.tuples(text, text, st.integers(0, 9), text, st.integers(0, 9)),
    )
    def test_no_two_identities_alike(self, one, other):
        """Values from the wire have no line ends, which is what keeps the parts apart."""
        ours = [tuple(p.translate(None, b"\n") if isinstance(p, bytes) else p for p in parts) for parts in (one, other)]
        means = [
            (aor, "instance", instance, reg_id, serial) if instance else (aor, "contact", contact, serial)
            for aor, instance, reg_id, contact, serial in ours
        ]
        tokens = [mint().binding(identity_of(*parts)) for parts in ours]
        assert (tokens[0] == tokens[1]) == (means[0] == means[1])


class TestGuest:
    @flows
    def test_name_of_a_flow(self, flow, subject):
        assert guest_subject(flow) == subject
        assert flow.subject == subject, "made once for a flow"
        assert guest_subject(flow) is flow.subject

    @flows
    def test_form_and_way_back(self, flow, subject):
        token = mint().guest(flow)
        assert token[:-MAC_LENGTH] == subject
        assert ALPHABET(token)
        assert is_token(token)
        assert mint().read_guest(token) == subject
        address = read_subject(subject)
        if flow.number:
            assert (address.number, address.host) == (flow.number, "")
        else:
            host = flow.remote_host.partition("%")[0]
            assert (address.listener, address.host, address.port) == (EDGE.index, host, flow.remote_port)
            assert address.number == 0

    @flows
    def test_altered_anywhere_is_none(self, flow, subject):
        for forged in altered(mint().guest(flow)):
            assert mint().read_guest(forged) is None

    def test_two_keys_during_rotation(self):
        token = mint(OLD).guest(ALICE)
        assert mint(NEW, OLD).read_guest(token) == guest_subject(ALICE)
        assert mint(NEW).read_guest(token) is None

    @pytest.mark.parametrize("token", [b"", b"f", b"c", b"b" * 17, b"f" * 16, b"c" * 64, b"\xff" * 30])
    def test_anything_else_is_none(self, token):
        assert mint().read_guest(token) is None

    def test_binding_token_is_no_guest(self):
        assert mint().read_guest(mint().binding(b"x")) is None

    @pytest.mark.parametrize(
        "subject",
        [
            b"", b"c", b"cabcde", b"cabcdeg", b"cabcdef0", b"f00c6336407126", b"f00c633640712670", b"fxxc63364071267",
            b"f00c6336407126x", b"f00c633640x1267", b"x00c63364071267", b"f00\xff63364071267",
        ],
    )  # fmt: skip
    def test_name_of_another_form_is_none(self, subject):
        assert read_subject(subject) is None


class TestRecordRoute:
    @pytest.mark.parametrize(
        ("subject", "length"),
        [(mint().binding(b"x"), 41), (b"f00c63364071267", 39), (b"cabcdef", 31), (b"f00" + b"0" * 36, 63)],
    )
    def test_form_length_and_way_back(self, subject, length):
        """At most 45 characters for a binding's and an IPv4 guest's: some servers cut longer user parts."""
        user = mint().record_route(subject, 35, b"abcdef", b"c1@host")
        assert len(user) == length
        assert ALPHABET(user)
        assert is_token(user)
        mark = mint().read_record_route(user, b"c1@host")
        assert (mark.subject, mark.target, mark.flow_mark) == (subject, 35, b"abcdef")

    def test_belongs_to_its_call_id(self):
        """An old Route under a new Call-ID says nothing (protocol 14)."""
        user = mint().record_route(b"cabcdef", 0, b"000000", b"c1")
        assert mint().read_record_route(user, b"c2") is None
        assert mint().read_record_route(user, b"") is None

    def test_altered_anywhere_is_none(self):
        for forged in altered(mint().record_route(b"b" * 17, 3, b"000007", b"c1")):
            assert mint().read_record_route(forged, b"c1") is None

    def test_two_keys_during_rotation(self):
        user = mint(OLD).record_route(b"cabcdef", 1, b"000000", b"c1")
        assert mint(NEW, OLD).read_record_route(user, b"c1").target == 1
        assert mint(NEW).read_record_route(user, b"c1") is None

    @pytest.mark.parametrize("user", [b"", b"r", b"roger", b"r" * 24, b"r" * 60, b"x" * 41])
    def test_anything_else_is_none(self, user):
        assert mint().read_record_route(user, b"c1") is None

    def test_kinds_do_not_stand_for_each_other(self):
        """The MAC of a guest's Contact is none for a Record-Route, nor the other way round."""
        token = mint().guest(wss_flow())
        assert mint().read_record_route(b"r" + token, b"") is None
        user = mint().record_route(b"c000007", 0, b"000007", b"c1")
        assert mint().read_guest(user[1:]) is None


class TestIsToken:
    @pytest.mark.parametrize("text", [b"a", b"0", b"z9" * 32])
    def test_letters_and_digits(self, text):
        assert is_token(text)

    @pytest.mark.parametrize("text", [b"", b"A", b"a-b", b"a b", b"\xe4", b"a" * 65, b"a\n"])
    def test_nothing_else(self, text):
        assert not is_token(text)


class TestBranchAndTag:
    def test_branch_has_the_cookie_and_the_mark_at_its_end(self):
        mark = b"0123456789abcdef"
        branch = mint().branch(mark)
        assert branch.startswith(b"z9hG4bK")
        assert branch.startswith(BRANCH_PREFIX)
        assert branch.endswith(mark)
        assert len(branch) == BRANCH_LENGTH
        assert ALPHABET(branch[len(b"z9hG4bK") :])

    def test_every_branch_is_new(self):
        ours = mint()
        assert len({ours.branch(b"") for _ in range(100)}) == 100

    def test_branch_without_a_mark_is_as_long(self):
        assert len(mint().branch(b"")) == BRANCH_LENGTH
        assert mint().branch(b"")[-LOOP_MARK_LENGTH:] == b"0" * LOOP_MARK_LENGTH

    def test_tag_is_the_same_again_and_for_nothing_else(self):
        """> ... MUST ensure that the same tag is used for all responses to that request (8.2.6.2), without state"""
        assert mint().tag(b"x") == mint().tag(b"x")
        assert mint().tag(b"x") != mint().tag(b"y")
        assert mint(OLD).tag(b"x") != mint(NEW).tag(b"x")
        assert re.fullmatch(rb"sm[a-z0-9]{16}", mint().tag(b"x"))


class TestOwnBranch:
    OWN = BRANCH_PREFIX + b"x" * (BRANCH_LENGTH - len(BRANCH_PREFIX))

    @pytest.mark.parametrize("behind", [b"", b";received=1.2.3.4", b", SIP/2.0/UDP b;branch=z9hG4bKx", b" ;x"])
    def test_is_found_in_the_first_value(self, behind):
        assert own_branch(b"Via: SIP/2.0/UDP a;branch=" + self.OWN + behind) == self.OWN

    @pytest.mark.parametrize(
        "value",
        [
            b"a;branch=z9hG4bKx, SIP/2.0/UDP b;branch=" + OWN, b"a;branch=" + OWN + b"x", b"a;branch=z9hG4bKx",
            b"a;BRANCH=" + OWN, b"a; branch=" + OWN, b"a;xbranch=" + OWN, b"a", b"",
        ],
    )  # fmt: skip
    def test_other_lines_have_to_be_parsed(self, value):
        assert own_branch(b"Via: SIP/2.0/UDP " + value) is None


class TestDialogTags:
    def test_form(self):
        assert re.fullmatch(rb"sm[a-z0-9]{16}", mint().dialog_tag(b"c1", b"alice@example.com"))

    def test_same_again_and_for_nothing_else(self):
        made = mint().dialog_tag(b"c1", b"alice")
        assert mint().dialog_tag(b"c1", b"alice") == made
        others = {
            mint().dialog_tag(b"c2", b"alice"),
            mint().dialog_tag(b"c1", b"bob"),
            mint(NEW).dialog_tag(b"c1", b"alice"),
        }
        assert made not in others
        assert made != mint().tag(b"c1\nalice")

    def test_known_by_both_keys_during_rotation(self):
        made = mint(OLD).dialog_tag(b"c1", b"alice")
        assert mint(NEW, OLD).is_dialog_tag(made, b"c1", b"alice")
        assert not mint(NEW).is_dialog_tag(made, b"c1", b"alice")

    def test_altered_anywhere_is_none(self):
        made = mint().dialog_tag(b"c1", b"alice")
        assert not any(mint().is_dialog_tag(tag, b"c1", b"alice") for tag in [*altered(made), made[2:], b"", b"sm"])
