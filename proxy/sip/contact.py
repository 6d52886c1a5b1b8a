"""Reading and editing Contact lines element by element, every other octet kept (RFC 3261 sections 8.1.1.8, 20.10)."""

from __future__ import annotations

import re
from typing import Final

from proxy.sip import abnf
from proxy.sip.address import NameAddr, parse_name_addr, split_list
from proxy.sip.errors import HeaderError
from proxy.sip.message import Message, Request, Response, line_value
from proxy.sip.registry import CONTACT, CSEQ, INVITE, NOTIFY, REFER, SUBSCRIBE, UPDATE

# Requests that set or refresh the remote target of a dialog, and those whose 2xx does so: RFC 3261 section 12.1,
# RFC 3311 section 5, RFC 6665 section 4.1, RFC 3515 section 2.2.
# Eighty bits, as we write them, take so many characters.
SHORTEST_TOKEN: Final = 16

TARGET_REQUESTS: Final = (INVITE, SUBSCRIBE, REFER, NOTIFY, UPDATE)
TARGET_RESPONSES: Final = (INVITE, UPDATE, SUBSCRIBE)

# Parameters that belong to the URI, wherever they are written: RFC 3261 section 19.1.1, RFC 5626 section 11.1 (ob),
# RFC 5627 section 8.1 (gr), and the token that names a binding of ours.
URI_PARAMS: Final = frozenset((b"transport", b"maddr", b"ttl", b"user", b"method", b"lr", b"ob", b"gr", b"b"))
_EACH_PARAM: Final = re.compile(rb';[^;"]*(?:' + abnf.QUOTED_OR_OPEN + rb'[^;"]*)*', re.DOTALL).findall


def needs_contact(message: Message) -> bool:
    """The message sets or refreshes the remote target of a dialog, so a Contact must be in it."""
    if isinstance(message, Request):
        return message.method in TARGET_REQUESTS
    if not isinstance(message, Response):
        return False
    try:
        return answer_needs_contact(message, message.cseq[1])
    except HeaderError:
        return False


def answer_needs_contact(response: Response, method: bytes) -> bool:
    """The same for a response to this method: 2xx, and for INVITE 101 to 199 once there is an early dialog."""
    if 200 <= response.status < 300:
        return method in TARGET_RESPONSES
    if not 100 < response.status < 200 or method != INVITE:
        return False
    try:
        return response.to.tag is not None
    except HeaderError:
        return False


def uri_param(contact: NameAddr, name: bytes) -> bytes | None:
    """A URI parameter of the Contact, also where brackets are missing and it reads as one of the header.

    Raises UriError if the URI cannot be parsed.
    """
    value = contact.uri.param(name)
    return contact.param(name) if value is None and not contact.bracketed else value


def is_plain(contact: NameAddr) -> bool:
    """A sip or sips URI that names a place. Raises UriError if the URI cannot be parsed.

    Not plain are `*`, other schemes, GRUUs (RFC 5627), and URIs with a token of ours.
    """
    if contact.addr == b"*" or not contact.uri.host:
        return False
    return uri_param(contact, b"gr") is None and not is_token(uri_param(contact, b"b"))


def is_token(value: bytes | None) -> bool:
    """Whether the value of a `b` parameter has the form of a token of ours; anybody else may have a `b` too."""
    return value is not None and len(value) >= SHORTEST_TOKEN and value.isalnum()


def contacts_at(message: Message, index: int) -> list[NameAddr]:
    """The Contacts of one line; what cannot be parsed is left out."""
    if message.names.count(CONTACT) == 1:
        try:
            return message.contacts
        except HeaderError:
            pass
    found = []
    for element in split_list(line_value(message.lines[index])):
        try:
            found.append(parse_name_addr(element))
        except HeaderError:
            continue
    return found


def all_contacts(message: Message) -> list[NameAddr]:
    """The Contacts of all lines; what cannot be parsed is left out."""
    return [contact for index in message.indexes(CONTACT) for contact in contacts_at(message, index)]


def splice(line: bytes, changes: list[tuple[bytes, bytes]]) -> bytes:
    """Put the second in the place of the first of each pair; these are elements of the line, in their order.

    A folded line is unfolded, because elements are known by their unfolded text.
    """
    if b"\n" in line:
        line = line.partition(b":")[0] + b": " + line_value(line)
    at = line.index(b":") + 1
    for old, new in changes:
        start = line.index(old, at)
        line = line[:start] + new + line[start + len(old) :]
        at = start + len(new)
    return line


def with_uri(contact: NameAddr, uri: bytes) -> bytes:
    """The element with another URI. What was meant as a parameter of the old URI goes with it."""
    if contact.bracketed or not contact.params:
        return contact.with_addr(uri)
    return b"<" + uri + b">" + misplaced(contact)[1]


def misplaced(contact: NameAddr) -> tuple[bytes, bytes]:
    """The header parameters of a Contact without brackets: those that belong to the URI, and the others."""
    inside, outside = [], []
    for param in _EACH_PARAM(contact.params):
        if param[1:].partition(b"=")[0].strip().lower() in URI_PARAMS:
            inside.append(param.strip())
        else:
            outside.append(param)
    return b"".join(inside), b"".join(outside)


def place_for_contact(message: Message) -> int:
    """Where an absent Contact is best inserted: behind CSeq, among the headers every message has."""
    index = message.index(CSEQ)
    return len(message.lines) if index < 0 else index + 1
