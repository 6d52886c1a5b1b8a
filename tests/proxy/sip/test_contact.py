"""Contact lines read and edited element by element."""

from __future__ import annotations

import pytest

from proxy.sip.address import parse_name_addr
from proxy.sip.contact import (
    all_contacts,
    contacts_at,
    is_plain,
    misplaced,
    needs_contact,
    place_for_contact,
    splice,
    uri_param,
    with_uri,
)
from proxy.sip.errors import UriError
from proxy.sip.message import Message
from proxy.sip.parser import parse_message


def message(start, *headers):
    return parse_message("\r\n".join((start, *headers, "", "")).encode())


@pytest.mark.parametrize("method", ["INVITE", "SUBSCRIBE", "REFER", "NOTIFY", "UPDATE"])
def test_requests_that_need_one(method):
    assert needs_contact(message(f"{method} sip:b SIP/2.0", "To: x"))


@pytest.mark.parametrize("method", ["ACK", "BYE", "CANCEL", "REGISTER", "OPTIONS", "MESSAGE", "INFO", "invite"])
def test_requests_that_need_none(method):
    assert not needs_contact(message(f"{method} sip:b SIP/2.0", "To: x"))


@pytest.mark.parametrize(
    ("status", "method", "to", "needed"),
    [
        (100, "INVITE", "<sip:b>;tag=1", False),
        (101, "INVITE", "<sip:b>;tag=1", True),
        (199, "INVITE", "<sip:b>;tag=1", True),
        (180, "INVITE", "<sip:b>", False),
        (180, "INVITE", "<broken", False),
        (180, "UPDATE", "<sip:b>;tag=1", False),
        (200, "INVITE", "<broken", True),
        (299, "UPDATE", "<sip:b>", True),
        (200, "SUBSCRIBE", "<sip:b>;tag=1", True),
        (200, "NOTIFY", "<sip:b>;tag=1", False),
        (200, "BYE", "<sip:b>;tag=1", False),
        (300, "INVITE", "<sip:b>;tag=1", False),
        (486, "INVITE", "<sip:b>;tag=1", False),
    ],
)
def test_responses(status, method, to, needed):
    assert needs_contact(message(f"SIP/2.0 {status} X", f"To: {to}", f"CSeq: 1 {method}")) is needed


def test_responses_without_cseq_and_other_messages():
    assert not needs_contact(message("SIP/2.0 200 OK", "To: <sip:b>;tag=1"))
    assert not needs_contact(Message([b""], [b""], b"", None))


@pytest.mark.parametrize(
    ("contact", "name", "value"),
    [
        (b"<sip:a@h;transport=tcp>;lr", b"transport", b"tcp"),
        (b"<sip:a@h;transport=tcp>;lr", b"lr", None),
        (b"sip:a@h;lr;q=1", b"lr", b""),
        (b"sip:a@h;lr;q=1", b"ob", None),
    ],
)
def test_uri_parameters_with_and_without_brackets(contact, name, value):
    assert uri_param(parse_name_addr(contact), name) == value


@pytest.mark.parametrize(
    ("contact", "plain"),
    [
        (b"<sip:a@h>", True), (b"sips:h", True), (b"*", False), (b"<tel:+1>", False), (b"<sip:a@h;gr>", False),
        (b"<sip:a@h;b=k3v9x2m7q4w8z5c1>", False), (b"sip:a@h;b=k3v9x2m7q4w8z5c1", False), (b"<sip:a@h>;b=1;gr", True),
    ],
)  # fmt: skip
def test_plain_addresses(contact, plain):
    assert is_plain(parse_name_addr(contact)) is plain


def test_broken_addresses_are_not_judged():
    with pytest.raises(UriError):
        is_plain(parse_name_addr(b"<sip:a@>"))


def test_contacts_by_line_leave_out_what_is_broken():
    several = message("BYE sip:b SIP/2.0", "Contact: <sip:a>, <sip:b>", "To: x", "m: <sip:c>", "Contact: <broken")
    found = [[contact.addr for contact in contacts_at(several, line)] for line in (1, 3, 4)]
    assert found == [[b"sip:a", b"sip:b"], [b"sip:c"], []]
    assert [c.addr for c in all_contacts(several)] == [b"sip:a", b"sip:b", b"sip:c"]
    one = message("BYE sip:b SIP/2.0", "Contact: <sip:a>, junk junk")
    assert [c.addr for c in contacts_at(one, 1)] == [b"sip:a"]


@pytest.mark.parametrize(
    ("line", "changes", "result"),
    [
        (b"m:a ,  a,b ", [(b"a", b"a"), (b"a", b"x"), (b"b", b"b")], b"m:a ,  x,b "),
        (b"Contact: ab, b", [(b"ab", b"ab"), (b"b", b"y")], b"Contact: ab, y"),
        (b"Contact: a, bb", [(b"a", b"bb"), (b"bb", b"c")], b"Contact: bb, c"),
        (b"Contact: a", [], b"Contact: a"),
        (b"Contact: a\r\n ;x,\r\n\tb", [(b"a ;x", b"A ;x"), (b"b", b"B")], b"Contact: A ;x, B"),
    ],
)
def test_splicing_changes_the_elements_named_only(line, changes, result):
    assert splice(line, changes) == result


@pytest.mark.parametrize(
    ("contact", "result"),
    [
        (b'"A" <sip:a@h;x=1> ;q=1', b'"A" <sip:new> ;q=1'),
        (b"sip:a@h", b"<sip:new>"),
        (b"sip:a@h;q=1;transport=tcp;ob;expires=3", b"<sip:new>;q=1;expires=3"),
    ],
)
def test_another_uri_takes_its_parameters_along(contact, result):
    assert with_uri(parse_name_addr(contact), b"sip:new") == result


def test_misplaced_parameters():
    inside, outside = misplaced(parse_name_addr(b'sip:a@h;q=1;Transport=tcp; lr ;+x=";ob;"'))
    assert (inside, outside) == (b";Transport=tcp; lr", b';q=1;+x=";ob;"')


def test_place():
    assert place_for_contact(message("BYE sip:b SIP/2.0", "CSeq: 1 BYE", "To: x")) == 2
    assert place_for_contact(message("BYE sip:b SIP/2.0", "To: x")) == 2
