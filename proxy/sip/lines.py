"""Single header lines: their values, and what they were parsed to, remembered by their octets.

A call says the same From, To and Route in each of its messages, and a client the same Contact in each of its calls.
The values are never changed.
"""

from __future__ import annotations

from typing import TypeVar

from proxy.sip.address import NameAddr, parse_name_addr, split_list
from proxy.sip.cseq import parse_cseq


def line_value(line: bytes) -> bytes:
    """What stands behind the colon of a header line, without outer white space; folding becomes a space."""
    value = line.partition(b":")[2].strip()
    if b"\n" in value:
        return b" ".join(part.strip() for part in value.split(b"\r\n"))
    return value


# Bounded in entries and in octets, as clients choose the keys.
_MEMO_ENTRIES = 4096
_MEMO_LINE = 512
# > token  =  1*(alphanum / "-" / "." / "!" / "%" / "*" / "_" / "+" / "`" / "'" / "~" )  (25.1)
_TOKEN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.!%*_+`'~"
_addresses: dict[bytes, NameAddr] = {}
_address_lists: dict[bytes, list[NameAddr]] = {}
_cseqs: dict[bytes, tuple[int, bytes]] = {}
_View = TypeVar("_View")


def _remember(memo: dict[bytes, _View], line: bytes, view: _View) -> None:
    if len(line) <= _MEMO_LINE:
        if len(memo) >= _MEMO_ENTRIES:
            memo.clear()
        memo[line] = view


def address_of(line: bytes) -> NameAddr:
    """The one address in a header line (From, To); raises HeaderError."""
    view = _addresses.get(line)
    if view is None:
        # One tag per call, but the same address in all calls of a client.
        head, found, tag = line.partition(b">;tag=")
        plain = _addresses.get(head + b">") if found and not tag.translate(None, _TOKEN) else None
        if plain is not None and plain.bracketed and not plain.params:
            view = plain.with_tag(tag)
        else:
            view = parse_name_addr(line_value(line))
            if found and view.params == b";tag=" + tag:
                _remember(_addresses, head + b">", parse_name_addr(line_value(head + b">")))
        _remember(_addresses, line, view)
    return view


def addresses_of(line: bytes) -> list[NameAddr]:
    """All addresses in a header line (Route, Record-Route); raises HeaderError. The list is shared."""
    views = _address_lists.get(line)
    if views is None:
        views = [parse_name_addr(element) for element in split_list(line_value(line))]
        _remember(_address_lists, line, views)
    return views


def cseq_of(line: bytes) -> tuple[int, bytes]:
    """Number and method of a CSeq line; raises HeaderError."""
    view = _cseqs.get(line)
    if view is None:
        view = parse_cseq(line_value(line))
        _remember(_cseqs, line, view)
    return view
