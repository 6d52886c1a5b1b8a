"""STUN messages as octets: those of RFC 5769, those we write, and junk."""

from __future__ import annotations

import socket
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import stun
from proxy.stun import StunError, answer_to, binding_request, is_response, is_stun, read_answer

ID = b"twelve octet"

# RFC 5769 sections 2.1 to 2.3. Their attributes are padded with spaces.
SAMPLE_ID = bytes.fromhex("b7e7a701bc34d686fa87dfae")
SAMPLE_REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae"
    "802200105354554e207465737420636c69656e74"
    "002400046e0001ff80290008932ff9b151263b36"
    "000600096576746a3a68367659202020"
    "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
    "80280004e57a3bcf"
)
SAMPLE_IPV4 = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7"
    "80280004c07d4c96"
)
SAMPLE_IPV6 = bytes.fromhex(
    "010100482112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9"
    "00080014a382954e4be67bf11784c97c8292c275bfe3ed41"
    "80280004c8fb0b4c"
)

ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).filter(
    lambda address: not address.is_unspecified and not address.is_multicast
)
PORTS = st.integers(1, 65535)


def message(kind, *attributes, transaction=ID):
    """A STUN message with these (type, value)."""
    body = b"".join(
        number.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value + bytes(-len(value) % 4)
        for number, value in attributes
    )
    return kind.to_bytes(2, "big") + len(body).to_bytes(2, "big") + stun.COOKIE + transaction + body


def mapped(host, port, family=None):
    """The value of a MAPPED-ADDRESS."""
    version = socket.AF_INET6 if ":" in host else socket.AF_INET
    number = family or (2 if ":" in host else 1)
    return bytes((0, number)) + port.to_bytes(2, "big") + socket.inet_pton(version, host)


# -- what is STUN


def test_a_request_is_twenty_octets():
    octets = binding_request(ID)
    assert octets == b"\x00\x01\x00\x00\x21\x12\xa4\x42" + ID
    assert is_stun(octets)
    assert not is_response(octets)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\0",
        b"\r\n\r\n",
        b"OPTIONS sip:a SIP/2.0\r\n\r\n",
        binding_request(ID)[:19],
        binding_request(ID) + b"\0",
        binding_request(ID) + b"\0\0\0\0",  # the length says 0
        b"\x80" + binding_request(ID)[1:],  # RTP
        b"\x40" + binding_request(ID)[1:],
        binding_request(ID).replace(stun.COOKIE, b"abcd"),  # RFC 3489, which nobody could tell from junk
        b"\x00\x01\x00\x02\x21\x12\xa4\x42" + ID + b"\0\0",
    ],
)
def test_what_is_none(octets):
    assert not is_stun(octets)


def test_responses_are_told_from_requests():
    for kind in (stun.SUCCESS, stun.ERROR, 0x0113):
        assert is_response(message(kind))
    for kind in (stun.REQUEST, 0x0011, 0x0003):
        assert not is_response(message(kind))


# -- the vectors of RFC 5769


def test_vector_of_an_ipv4_response():
    assert read_answer(SAMPLE_IPV4, SAMPLE_ID) == ("192.0.2.1", 32853)


def test_vector_of_an_ipv6_response():
    assert read_answer(SAMPLE_IPV6, SAMPLE_ID) == ("2001:db8:1234:5678:11:2233:4455:6677", 32853)


def test_vector_of_a_request_with_a_priority_is_refused():
    """PRIORITY has to be understood and belongs to ICE: 420, with its type."""
    answer = answer_to(SAMPLE_REQUEST, "192.0.2.1", 32853)
    with pytest.raises(StunError, match=r"^answers 420 Unknown Attribute$"):
        read_answer(answer, SAMPLE_ID)
    assert answer.endswith(b"\x00\x0a\x00\x02\x00\x24\x00\x00")


@pytest.mark.parametrize("sample", [SAMPLE_IPV4, SAMPLE_IPV6])
def test_a_vector_with_another_octet_has_a_wrong_fingerprint(sample):
    broken = bytearray(sample)
    broken[24] ^= 1
    with pytest.raises(StunError, match="FINGERPRINT"):
        read_answer(bytes(broken), SAMPLE_ID)


# -- what a server answers


@given(host=ADDRESSES, port=PORTS, transaction=st.binary(min_size=12, max_size=12))
def test_an_answer_names_the_source_of_its_request(host, port, transaction):
    answer = answer_to(binding_request(transaction), str(host), port)
    assert is_stun(answer)
    assert is_response(answer)
    assert read_answer(answer, transaction) == (str(host), port)
    assert len(answer) == (32 if host.version == 4 else 44)


def test_the_address_does_not_stand_in_plain():
    """Some NATs rewrite what looks like an address: that is what the XOR is for."""
    assert socket.inet_aton("198.51.100.7") not in answer_to(binding_request(ID), "198.51.100.7", 4711)


def test_a_link_local_source_is_named_without_its_zone():
    assert read_answer(answer_to(binding_request(ID), "fe80::1%eth0", 4711), ID) == ("fe80::1", 4711)


def test_optional_attributes_and_credentials_do_not_matter():
    request = message(stun.REQUEST, (0x8022, b"phone"), (0x0006, b"user"), (0x0008, bytes(20)), (0xC057, b"x"))
    assert read_answer(answer_to(request, "198.51.100.7", 4711), ID) == ("198.51.100.7", 4711)


def test_unknown_attributes_are_listed_within_bounds():
    """CHANGE-REQUEST of RFC 5780 asks for an answer from elsewhere: nobody here can, and it must not seem so."""
    request = message(stun.REQUEST, (0x0003, b"\0\0\0\6"), *[(0x0100 + n, b"") for n in range(50)])
    answer = answer_to(request, "198.51.100.7", 4711)
    assert answer[:2] == b"\x01\x11"
    assert answer[-12:] == b"\x00\x0a\x00\x08\x00\x03\x01\x00\x01\x01\x01\x02"
    assert is_stun(answer)


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (message(0x0011), "no binding request"),  # an indication
        (message(0x0003), "no binding request"),  # TURN Allocate
        (message(stun.SUCCESS), "no binding request"),
        (message(stun.REQUEST, (0x8028, b"\0\0\0\0")), "FINGERPRINT"),
        (b"\x00\x01\x00\x04" + stun.COOKIE + ID + b"\x80\x22\x00\x05", "cut off"),
    ],
)
def test_what_gets_no_answer(octets, reason):
    assert is_stun(octets)
    with pytest.raises(StunError, match=reason):
        answer_to(octets, "198.51.100.7", 4711)


def test_a_right_fingerprint_is_taken():
    head = b"\x00\x01\x00\x08" + stun.COOKIE + ID
    request = head + b"\x80\x28\x00\x04" + (zlib.crc32(head) ^ 0x5354554E).to_bytes(4, "big")
    assert read_answer(answer_to(request, "198.51.100.7", 4711), ID) == ("198.51.100.7", 4711)


# -- what a client reads


def test_another_transaction_is_nobodys():
    answer = answer_to(binding_request(b"other octets"), "198.51.100.7", 4711)
    assert read_answer(answer, ID) is None


@pytest.mark.parametrize("octets", [b"", b"SIP/2.0 200 OK\r\n\r\n", binding_request(ID), SAMPLE_IPV4])
def test_what_is_no_response_to_the_request(octets):
    assert read_answer(octets, ID) is None


def test_a_server_of_rfc_3489_is_understood():
    answer = message(stun.SUCCESS, (stun.MAPPED_ADDRESS, mapped("203.0.113.9", 5060)))
    assert read_answer(answer, ID) == ("203.0.113.9", 5060)


def test_the_masked_address_counts_more_than_the_plain_one():
    """A NAT that rewrites addresses in packets has reached the plain one."""
    good = answer_to(binding_request(ID), "203.0.113.9", 5060)[20:]
    plain = message(stun.SUCCESS, (stun.MAPPED_ADDRESS, mapped("192.168.1.1", 1)))[20:]
    answer = b"\x01\x01" + len(plain + good).to_bytes(2, "big") + stun.COOKIE + ID + plain + good
    assert read_answer(answer, ID) == ("203.0.113.9", 5060)


def test_of_two_addresses_the_first_counts():
    pairs = [(stun.MAPPED_ADDRESS, mapped(host, 5060)) for host in ("203.0.113.9", "203.0.113.8")]
    assert read_answer(message(stun.SUCCESS, *pairs), ID) == ("203.0.113.9", 5060)


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ((), "answers without an address"),
        (((0x8022, b"software"),), "answers without an address"),
        (((stun.MAPPED_ADDRESS, mapped("203.0.113.9", 0)),), r"no use \(203.0.113.9, port 0\)"),
        (((stun.MAPPED_ADDRESS, mapped("0.0.0.0", 5060)),), "no use"),
        (((stun.MAPPED_ADDRESS, mapped("::", 5060)),), "no use"),
        (((stun.MAPPED_ADDRESS, mapped("224.0.0.1", 5060)),), "no use"),
        (((stun.MAPPED_ADDRESS, mapped("2001:db8::1", 5060, family=3)),), "no use"),
        (((stun.MAPPED_ADDRESS, b""),), "cannot be read"),
        (((stun.MAPPED_ADDRESS, mapped("203.0.113.9", 5060, family=2)),), "cannot be read"),
        (((stun.MAPPED_ADDRESS, mapped("203.0.113.9", 5060) + b"more"),), "cannot be read"),
        (((stun.XOR_MAPPED_ADDRESS, bytes(7)),), "cannot be read"),
        (((0x0101, b""), (stun.MAPPED_ADDRESS, mapped("203.0.113.9", 5060))), r"not understood here \(0x101\)"),
    ],
)
def test_an_answer_of_no_use(attributes, reason):
    with pytest.raises(StunError, match=reason):
        read_answer(message(stun.SUCCESS, *attributes), ID)


def test_a_response_of_another_method_is_of_no_use():
    with pytest.raises(StunError, match=r"not understood here \(0x103\)"):
        read_answer(message(0x0103), ID)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"\0\0\x04\x01Unauthorized", "answers 401 Unauthorized"),
        (b"\0\0\x05\x00", "answers 500"),
        (b"\0\0\x03\x00Try\r\n\x1b[31mAlternate", "answers 300 Try???[31mAlternate"),
        (b"", "answers an error without a code"),
    ],
)
def test_an_error_is_told_as_the_server_gave_it(value, text):
    with pytest.raises(StunError) as caught:
        read_answer(message(stun.ERROR, (stun.ERROR_CODE, value)), ID)
    assert str(caught.value) == text


# -- junk


ATTRIBUTES = st.lists(
    st.tuples(st.sampled_from((1, 3, 6, 8, 9, 10, 0x20, 0x24, 0x8022, 0x8028, 0xFFFF)), st.binary(max_size=24)),
    max_size=5,
)


@given(kind=st.integers(0, 0x3FFF), attributes=ATTRIBUTES, cut=st.integers(0, 200), junk=st.binary(max_size=8))
def test_junk_is_refused_and_breaks_nothing(kind, attributes, cut, junk):
    octets = (message(kind, *attributes) + junk)[: 20 + cut]
    if is_stun(octets):
        for read in (lambda: answer_to(octets, "2001:db8::7", 4711), lambda: read_answer(octets, ID)):
            text = ""
            try:
                read()
            except StunError as error:
                text = str(error)
            assert text.isprintable()


@given(st.binary(max_size=80))
def test_any_octets(octets):
    assert read_answer(octets, ID) is None
