"""Which transaction a message belongs to (RFC 3261 sections 17.1.3 and 17.2.3, protocol of NATed gadgets included)."""

from __future__ import annotations

import pytest
from played import request

from proxy.flow import CLIENT, SERVER
from proxy.sip.errors import HeaderError
from proxy.sip.registry import ACK, CANCEL, INVITE
from proxy.transaction.key import client_key, invite_key, server_key


def key(method: str = "INVITE", side: int = CLIENT, **more):
    return server_key(request(method, **more), side)


class TestServerKey:
    def test_same_request_same_key(self):
        assert key() == key()
        assert key(branch=None) == key(branch=None)

    def test_sent_by_is_compared_without_regard_to_case(self):
        assert key(via="Gadget.Invalid") == key(via="gadget.invalid")

    @pytest.mark.parametrize(
        "other",
        [
            {"branch": "z9hG4bKa2"}, {"via": "192.0.2.7:5061"}, {"via": "192.0.2.7"}, {"via": "192.0.2.8:5060"},
            {"method": "OPTIONS"}, {"call_id": "c2"}, {"number": 2}, {"side": SERVER},
        ],
    )  # fmt: skip
    def test_what_makes_requests_different(self, other):
        """Two gadgets behind NATs both send `Via: 192.168.1.5:5060;branch=z9hG4bK1`: the Call-ID tells them apart."""
        assert key(**other) != key()

    @pytest.mark.parametrize("other", [{"from_tag": "f2"}, {"uri": "sip:carol@example.com"}, {"to_tag": "t1"}])
    def test_what_does_not(self, other):
        assert key(**other) == key()

    def test_ack_finds_the_invite(self):
        """> ... the method of the request matches the one that created the transaction, except for ACK (17.2.3)"""
        assert key("ACK") == key()
        assert key("ACK", to_tag="t1") == key()

    def test_cancel_has_a_transaction_of_its_own_and_names_the_invite(self):
        assert key("CANCEL") != key()
        assert invite_key(key("CANCEL")) == key()

    @pytest.mark.parametrize("branch", [None, "", "1", "z9hG4bK", "Z9HG4BKabc"])
    def test_branch_without_the_cookie_or_with_nothing_behind_it(self, branch):
        """> The branch parameter ... MUST begin with the magic cookie; without it the rules of RFC 2543 apply"""
        old = {"branch": branch}
        assert key(**old) == key(**old)
        assert key("ACK", **old) == key(**old)
        assert key("ACK", to_tag="t1", **old) == key(**old), "the To tag is compared by the layer"
        assert invite_key(key("CANCEL", **old)) == key(**old)
        for other in (
            {"uri": "sip:carol@example.com"}, {"from_tag": "f2"}, {"from_tag": None}, {"call_id": "c2"}, {"number": 2},
            {"via": "192.0.2.8:5060"}, {"method": "OPTIONS"}, {"side": SERVER},
        ):  # fmt: skip
            assert key(**{**old, **other}) != key(**old)

    def test_longer_than_the_cookie_is_enough(self):
        assert key(branch="z9hG4bK1")[0] == b"z9hG4bK1"

    @pytest.mark.parametrize("name", [b"via", b"cseq", b"call-id"])
    def test_missing_header_is_an_error(self, name):
        broken = request()
        broken.remove(broken.index(name))
        with pytest.raises(HeaderError):
            server_key(broken, CLIENT)

    def test_old_key_needs_a_readable_from(self):
        broken = request(branch=None)
        broken.remove(broken.index(b"from"))
        with pytest.raises(HeaderError):
            server_key(broken, CLIENT)


class TestClientKey:
    def test_branch_alone_names_a_transaction(self):
        assert client_key(b"z9hG4bKx", INVITE) == b"z9hG4bKx"

    def test_cancel_shares_the_branch_of_its_invite(self):
        """> the branch ... MUST match that of the request being cancelled (9.1), so the method counts too"""
        assert client_key(b"z9hG4bKx", CANCEL) != client_key(b"z9hG4bKx", INVITE)
        assert client_key(b"z9hG4bKx", ACK) == client_key(b"z9hG4bKx", INVITE)
