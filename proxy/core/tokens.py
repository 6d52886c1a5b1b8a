"""Tokens: the names under which bindings, guests and dialogs come back to us (design 4, protocol 2, 6 and 8).

    binding   b + 16 characters          a keyed hash of the binding's identity
    guest     f LISTENER ADDRESS PORT    a UDP flow in hexadecimal, or c NUMBER for a stream; + MAC in a Contact
    Path      p BINDING
    Record-Route user  r SUBJECT TARGET FLOW MAC, the MAC also over the Call-ID

All of it is [a-z0-9]. A token is a name and never a permission; a MAC (80 bits) keeps others from making names up.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable
from hashlib import blake2s
from hmac import compare_digest
from ipaddress import ip_address
from typing import Final

from proxy.flow import UDP, Flow

MAC_LENGTH: Final = 16
MARK_LENGTH: Final = 6
BINDING_LENGTH: Final = 17
BRANCH_PREFIX: Final = b"z9hG4bK5m"
LOOP_MARK_LENGTH: Final = 16
BRANCH_LENGTH: Final = len(BRANCH_PREFIX) + 16 + LOOP_MARK_LENGTH
_OWN_BRANCH: Final = b";branch=" + BRANCH_PREFIX
_BEHIND_BRANCH: Final = (b"", b";", b",", b" ")
_NO_LOOP_MARK: Final = b"0" * LOOP_MARK_LENGTH
_TAIL: Final = 1 + MARK_LENGTH + MAC_LENGTH

# Base64 folded onto [a-z0-9]: no symbol is likelier than 2/64, so 16 characters carry at least 80 bits.
FOLD: Final = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ+/", b"abcdefghijklmnopqrstuvwxyz01")
_SAFE: Final = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789")


class RouteMark:
    """What a Record-Route of ours says: the client it is for, the target and the flow of its dialog."""

    __slots__ = ("flow_mark", "subject", "target")

    def __init__(self, subject: bytes, target: int, flow_mark: bytes) -> None:
        self.subject = subject
        self.target = target
        self.flow_mark = flow_mark


class GuestAddress:
    """The flow that a guest's token names: a UDP address at one of our listeners, or a stream connection."""

    __slots__ = ("host", "listener", "number", "port")

    def __init__(self, listener: int, host: str, port: int, number: int) -> None:
        self.listener = listener
        self.host = host
        self.port = port
        self.number = number


def is_token(text: bytes) -> bool:
    """Whether the octets could be a token at all."""
    return 0 < len(text) <= 64 and _SAFE.issuperset(text)


def own_branch(line: bytes) -> bytes | None:
    """Our branch in the first value of a Via line, where it is written as we write it; None: it has to be parsed."""
    at = line.find(_OWN_BRANCH) + 8
    end = at + BRANCH_LENGTH
    if at < 8 or line.find(b",", 0, at) >= 0 or line[end : end + 1] not in _BEHIND_BRANCH:
        return None
    return line[at:end]


def guest_subject(flow: Flow) -> bytes:
    """The name of a guest's flow, without MAC; kept on the flow."""
    subject = flow.subject
    if not subject:
        if flow.listener.transport == UDP:
            address = ip_address(flow.remote_host.partition("%")[0]).packed.hex().encode()
            subject = b"f%02x%b%04x" % (flow.listener.index, address, flow.remote_port)
        else:
            subject = b"c" + flow.mark
        flow.subject = subject
    return subject


def read_subject(subject: bytes) -> GuestAddress | None:
    """Read a guest's name; None if it is not of that form. The caller has checked a MAC over it."""
    try:
        if subject[:1] == b"c" and len(subject) == 1 + MARK_LENGTH:
            return GuestAddress(0, "", 0, int(subject[1:], 16))
        if subject[:1] == b"f" and len(subject) in (15, 39):
            host = ip_address(bytes.fromhex(subject[3:-4].decode("ascii")))
            return GuestAddress(int(subject[1:3], 16), str(host), int(subject[-4:], 16), 0)
    except ValueError:
        return None
    return None


class TokenMint:
    """Derives and checks tokens with the keys of the key file: the first makes, all check (rotation)."""

    __slots__ = ("_key", "_keys", "_random")

    def __init__(self, keys: tuple[bytes, ...], random: Callable[[], bytes]) -> None:
        """`random` returns 16 unguessable characters of [a-z0-9]."""
        self._keys = tuple(blake2s(key, person=b"sipmend").digest() for key in keys)
        self._key = self._keys[0]
        self._random = random

    def binding(self, identity: bytes) -> bytes:
        """The token of a new binding; the same for the same identity and key."""
        return b"b" + self._mac(self._key, b"binding\n" + identity)

    def guest(self, flow: Flow) -> bytes:
        """The token of a client that never registered, for its Contact."""
        subject = guest_subject(flow)
        return subject + self._mac(self._key, b"guest\n" + subject)

    def read_guest(self, token: bytes) -> bytes | None:
        """The guest's name in a token of ours; None if it is none, or forged."""
        subject, mac = token[:-MAC_LENGTH], token[-MAC_LENGTH:]
        if subject[:1] not in (b"f", b"c"):
            return None
        return subject if self._fits(b"guest\n" + subject, mac) else None

    def record_route(self, subject: bytes, target: int, flow_mark: bytes, call_id: bytes) -> bytes:
        """The user part of our Record-Routes in one dialog; `subject` is a binding's token or a guest's name."""
        body = b"%b%c%b" % (subject, b"0123456789abcdefghijklmnopqrstuvwxyz"[target], flow_mark)
        return b"r%b%b" % (body, self._mac(self._key, b"route\n%b\n%b" % (body, call_id)))

    def read_record_route(self, user: bytes, call_id: bytes) -> RouteMark | None:
        """What one of our Record-Routes says; None if it is none, is forged, or belongs to another Call-ID."""
        if user[:1] != b"r" or len(user) <= _TAIL + 1:
            return None
        body, mac = user[1:-MAC_LENGTH], user[-MAC_LENGTH:]
        if not self._fits(b"route\n%b\n%b" % (body, call_id), mac):
            return None
        end = -MARK_LENGTH - 1
        return RouteMark(body[:end], int(body[end:-MARK_LENGTH], 36), body[-MARK_LENGTH:])

    def branch(self, loop_mark: bytes) -> bytes:
        """A new branch: unguessable, and with the mark by which we know a loop (RFC 5393 section 4.2.2)."""
        return BRANCH_PREFIX + self._random() + (loop_mark or _NO_LOOP_MARK)

    def tag(self, material: bytes) -> bytes:
        """A tag that the same request gets again, so that answering needs no state (8.2.7)."""
        return b"sm" + self._mac(self._key, b"tag\n" + material)

    def dialog_tag(self, call_id: bytes, name: bytes) -> bytes:
        """The tag for a client that writes none, the same wherever it goes by that name in a Call-ID."""
        return b"sm" + self._mac(self._key, b"dialog\n%b\n%b" % (call_id, name))

    def is_dialog_tag(self, tag: bytes, call_id: bytes, name: bytes) -> bool:
        """Whether `dialog_tag` made that one, by whichever key."""
        return tag[:2] == b"sm" and self._fits(b"dialog\n%b\n%b" % (call_id, name), tag[2:])

    def _mac(self, key: bytes, material: bytes) -> bytes:
        digest = blake2s(material, digest_size=12, key=key).digest()
        return b2a_base64(digest, newline=False).translate(FOLD)

    def _fits(self, material: bytes, mac: bytes) -> bool:
        return any(compare_digest(self._mac(key, material), mac) for key in self._keys)
