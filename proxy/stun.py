"""STUN binding requests and responses as octets (RFC 8489): by which address a NAT shows a socket to others.

Only what a client without credentials needs, and what a server that answers such clients does (RFC 5626 section 8).
There is no socket, no clock and no SIP in here.
"""

from __future__ import annotations

import zlib
from ipaddress import IPv4Address, IPv6Address, ip_address
from struct import Struct, error
from typing import Final

# > The magic cookie field MUST contain the fixed value 0x2112a442 in network byte order. (section 5)
COOKIE: Final = b"\x21\x12\xa4\x42"
HEADER: Final = 20
TRANSACTION: Final = 12  # octets of a transaction id

REQUEST: Final = 0x0001
SUCCESS: Final = 0x0101
ERROR: Final = 0x0111

MAPPED_ADDRESS: Final = 0x0001
ERROR_CODE: Final = 0x0009
UNKNOWN_ATTRIBUTES: Final = 0x000A
XOR_MAPPED_ADDRESS: Final = 0x0020
FINGERPRINT: Final = 0x8028
# Those that have to be understood and are: the rest of section 14 is about credentials, which nobody needs here.
_CREDENTIALS: Final = (0x0006, 0x0008, 0x0014, 0x0015, 0x001C, 0x001D, 0x001E)
_UNDERSTOOD: Final = frozenset((MAPPED_ADDRESS, ERROR_CODE, UNKNOWN_ATTRIBUTES, XOR_MAPPED_ADDRESS, *_CREDENTIALS))
# > Attributes with type values between 0x0000 and 0x7FFF are comprehension-required attributes (section 14)
_OPTIONAL: Final = 0x8000
_FINGERPRINT_MASK: Final = 0x5354554E
_UNKNOWN_ATTRIBUTE: Final = b"\0\0\x04\x14Unknown Attribute"  # the value of an ERROR-CODE: 420 and its phrase
_IPV4: Final = 0x01
_IPV6: Final = 0x02

_FIXED: Final = Struct("!HH4s12s")
_HEAD: Final = Struct("!HH")
_NUMBER: Final = Struct("!I")
_ADDRESS: Final = Struct("!xBH")

Attributes = list[tuple[int, bytes]]


class StunError(ValueError):
    """A STUN message that is of no use; the text says why, in words that go on a sentence about its sender."""


def is_stun(datagram: bytes) -> bool:
    """Whether a datagram is STUN and none of what shares a port with it: SIP, or somebody's junk (section 5).

    > The most significant 2 bits of every STUN message MUST be zeroes. [...] All STUN attributes are padded to a
    > multiple of 4 bytes
    """
    return (
        len(datagram) >= HEADER
        and datagram[0] < 0x40
        and datagram[4:8] == COOKIE
        and len(datagram) % 4 == 0
        and int.from_bytes(datagram[2:4], "big") == len(datagram) - HEADER
    )


def is_response(message: bytes) -> bool:
    """Whether a STUN message is a response, be it of success or of an error."""
    return bool(message[0] & 0x01)


def binding_request(transaction: bytes) -> bytes:
    """A request without attributes; `transaction` are 12 octets that nobody can guess."""
    return _FIXED.pack(REQUEST, 0, COOKIE, transaction)


def answer_to(message: bytes, host: str, port: int) -> bytes:
    """The answer to a STUN message that came from that address, if it is a binding request.

    One that asks for what we do not know gets 420 (section 6.3.1). Raises StunError for what gets no answer.
    """
    kind, transaction, attributes = _read(message)
    if kind != REQUEST:
        raise StunError("it is no binding request")
    unknown = _not_understood(attributes)
    if unknown:
        listed = b"".join(number.to_bytes(2, "big") for number in unknown[:4])
        return _write(ERROR, transaction, [(ERROR_CODE, _UNKNOWN_ATTRIBUTE), (UNKNOWN_ATTRIBUTES, listed)])
    return _write(SUCCESS, transaction, [(XOR_MAPPED_ADDRESS, _xored(_packed(host, port), transaction))])


def read_answer(message: bytes, transaction: bytes) -> tuple[str, int] | None:
    """Address and port as a response to our request names them; None for a message that is none to this request.

    XOR-MAPPED-ADDRESS counts; a server that speaks RFC 3489 only writes MAPPED-ADDRESS. Raises StunError where the
    response names no address.
    """
    if not is_stun(message) or message[8:HEADER] != transaction or not is_response(message):
        return None
    kind, _, attributes = _read(message)
    named = dict(reversed(attributes))  # of several of one type the first counts (section 14)
    if kind == ERROR:
        raise StunError(f"answers {_error_text(named.get(ERROR_CODE, b''))}")
    unknown = _not_understood(attributes)
    if kind != SUCCESS or unknown:
        raise StunError(f"answers what is not understood here ({', '.join(map(hex, unknown)) or hex(kind)})")
    if XOR_MAPPED_ADDRESS in named:
        return _address(_xored(named[XOR_MAPPED_ADDRESS], transaction))
    if MAPPED_ADDRESS in named:
        return _address(named[MAPPED_ADDRESS])
    raise StunError("answers without an address")


def _read(message: bytes) -> tuple[int, bytes, Attributes]:
    """Type, transaction id and attributes. Raises StunError where they cannot be read, or the checksum is wrong."""
    kind, _, _, transaction = _FIXED.unpack_from(message)
    attributes: Attributes = []
    at = HEADER
    while at < len(message):
        number, length = _HEAD.unpack_from(message, at)
        value = message[at + 4 : at + 4 + length]
        if len(value) < length:
            raise StunError("sends an attribute that is cut off")
        if number == FINGERPRINT and value != _NUMBER.pack(zlib.crc32(message[:at]) ^ _FINGERPRINT_MASK):
            raise StunError("sends a wrong FINGERPRINT")
        attributes.append((number, value))
        at += 4 + length + -length % 4
    return kind, transaction, attributes


def _write(kind: int, transaction: bytes, attributes: Attributes) -> bytes:
    body = b"".join(_HEAD.pack(number, len(value)) + value + bytes(-len(value) % 4) for number, value in attributes)
    return _FIXED.pack(kind, len(body), COOKIE, transaction) + body


def _not_understood(attributes: Attributes) -> list[int]:
    return [number for number, _ in attributes if number < _OPTIONAL and number not in _UNDERSTOOD]


def _packed(host: str, port: int) -> bytes:
    """The value of a MAPPED-ADDRESS (section 14.1)."""
    address = ip_address(host.partition("%")[0])
    return _ADDRESS.pack(_IPV4 if address.version == 4 else _IPV6, port) + address.packed


def _address(value: bytes) -> tuple[str, int]:
    """Address and port of a MAPPED-ADDRESS. Raises StunError for what nobody could send to."""
    try:
        family, port = _ADDRESS.unpack_from(value)
        address = IPv4Address(value[4:]) if family == _IPV4 else IPv6Address(value[4:])
    except (error, ValueError):
        raise StunError("answers with an address that cannot be read") from None
    if family not in (_IPV4, _IPV6) or not port or address.is_unspecified or address.is_multicast:
        raise StunError(f"answers with an address of no use ({address}, port {port})")
    return str(address), port


def _xored(value: bytes, transaction: bytes) -> bytes:
    """The other form of the address: the port with the cookie, the address with cookie and transaction (14.2)."""
    mask = b"\0\0" + COOKIE[:2] + COOKIE + transaction
    return bytes(octet ^ masked for octet, masked in zip(value, mask, strict=False))


def _error_text(value: bytes) -> str:
    """Code and phrase of an ERROR-CODE (section 14.8), fit for a log line."""
    if len(value) < 4:
        return "an error without a code"
    phrase = value[4:132].decode("utf-8", "replace")
    shown = "".join(character if character.isprintable() else "?" for character in phrase).strip()
    return f"{(value[2] & 0x07) * 100 + value[3]} {shown}".rstrip()
