"""Who sent a message: one AoR in all its spellings (protocol 2)."""

from __future__ import annotations

import pytest
from parts import request, settings

from proxy.core.identity import Identity, contact_key, hides_sender, user_of
from proxy.sip.address import parse_name_addr
from proxy.sip.uri import parse_uri


@pytest.fixture
def identity() -> Identity:
    return Identity(settings(aliases=frozenset((b"pbx.local",))))


@pytest.mark.parametrize(
    "address",
    [
        b"<sip:alice@example.com>", b"sip:alice@example.com", b'"A. L." <sips:alice@EXAMPLE.com:5061;x=y?a=b>;tag=1',
        b"<sip:alice:secret@example.com>", b"<sip:%61lice@example.com>", b"<sip:alice@pbx.local>",
        b"<sip:alice@203.0.113.10>", b"<sip:alice@edge.example.com:8443>", b"<sip:alice@10.0.0.2>",
        b"<sip:alice@example.com;user=phone>",
    ],
)  # fmt: skip
def test_one_aor_in_all_its_spellings(identity, address):
    """sip and sips equal, our hosts are the domain; port, parameters, headers and password dropped (protocol 2.1)."""
    assert identity.aor(parse_name_addr(address)) == b"alice@example.com"


@pytest.mark.parametrize(
    ("address", "aor"),
    [
        (b"<sip:Alice@example.com>", b"Alice@example.com"),
        (b"<sip:a%3Bb@example.com>", b"a%3Bb@example.com"),
        (b"<sip:a%3bb@example.com>", b"a%3Bb@example.com"),
        (b"<sip:alice@Other.Org>", b"alice@other.org"),
        (b"<sip:example.com>", b"@example.com"),
        (b"<tel:+49-30.(123)>", b"+4930123@example.com"),
        (b"<tel:+4930123;phone-context=x>", b"+4930123@example.com"),
        (b"<sip:+4930123@example.com;user=phone>", b"+4930123@example.com"),
        (b"<urn:service:sos>", b""),
        (b"<sip:a@>", b""),
        (b"<nonsense>", b""),
    ],
)
def test_canonical_form(identity, address, aor):
    assert identity.aor(parse_name_addr(address)) == aor
    assert identity.aor(parse_name_addr(address)) == aor, "from memory"


def test_memory_is_bounded(identity):
    for i in range(9000):
        identity.aor(parse_name_addr(b"<sip:u%d@example.com>" % i))
    assert len(identity._memo) <= 8192


def test_ours(identity):
    assert identity.is_ours(b"alice@example.com")
    assert not identity.is_ours(b"alice@other.org")
    assert not identity.is_ours(b"alice@badexample.com")
    assert not identity.is_ours(b"")
    assert identity.is_own_host(b"PBX.local")
    assert identity.is_own_host(b"203.0.113.10")
    assert not identity.is_own_host(b"10.0.0.5")


@pytest.mark.parametrize(
    ("uri", "key"),
    [
        (b"sip:63et@9SH.invalid;transport=ws;ob", (b"63et", b"9sh.invalid")),
        (b"sip:63et@9sh.invalid:5060", (b"63et", b"9sh.invalid")),
        (b"sip:9sh.invalid", (b"", b"9sh.invalid")),
    ],
)
def test_contact_is_known_by_user_and_host(uri, key):
    """SIP.js sends `;ob` in INVITE only: parameters do not count (protocol 2.5)."""
    assert contact_key(parse_uri(uri)) == key


@pytest.mark.parametrize(
    ("aor", "user"),
    [
        (b"alice@example.com", b"alice"), (b"a;b@example.com", b"a%3Bb"), (b"@example.com", b"anonymous"),
        (b"", b"anonymous"), (b"a@b@example.com", b"a%40b"),
    ],
)  # fmt: skip
def test_user_of_an_aor(aor, user):
    assert user_of(aor) == user


@pytest.mark.parametrize(
    ("headers", "hidden"),
    [
        ((), False), (("Privacy: none",), False), (("Privacy: None",), False), (("Privacy: id",), True),
        (("Privacy: header;user",), True), (('From: "Anonymous" <sip:anonymous@anonymous.invalid>;tag=1',), True),
        (("From: <sip:Anonymous@example.com>;tag=1",), True), (("From: <sip:example.com>;tag=1",), True),
        (("From: <sip:anonymous@anonymous.invalid>;tag=1", "Privacy: none"), True),
        (("From: <tel:+4930123>;tag=1",), False),
    ],
)  # fmt: skip
def test_who_hides(headers, hidden):
    assert hides_sender(request("INVITE", *headers)) is hidden


def test_a_new_address_of_ours_means_the_domain_from_then_on(identity):
    """Also where it was remembered as somebody else's."""
    address = parse_name_addr(b"<sip:alice@edge2.example.com>")
    assert identity.aor(address) == b"alice@edge2.example.com"
    identity.learn(b"198.51.100.99")
    identity.learn(b"Edge2.Example.com")
    assert identity.aor(address) == b"alice@example.com"
    assert identity.aor(parse_name_addr(b"<sip:alice@203.0.113.10>")) == b"alice@example.com"
    assert identity.is_own_host(b"EDGE2.example.com")


@pytest.mark.parametrize("host", [b"192.168.1.5", b"8.8.8.8", b"[2001:db8::1]"])
def test_an_address_stands_for_the_domain(identity, host):
    """Nobody's domain is an address; rows of earlier runs are read alike."""
    assert identity.aor(parse_name_addr(b"<sip:alice@%b:5070>" % host)) == b"alice@example.com"
    assert identity.renewed(b"alice@" + host) == b"alice@example.com"
    assert identity.renewed(b"alice@example.org") == b"alice@example.org"


def test_of_many_addresses_the_latest_are_known(identity):
    for number in range(200):
        identity.learn(b"198.51.100.%d" % number)
        identity.learn(b"198.51.100.0")
    assert identity.is_own_host(b"198.51.100.0")
    assert identity.is_own_host(b"198.51.100.199")
    assert not identity.is_own_host(b"198.51.100.1")
    assert identity.is_own_host(b"203.0.113.10")
