"""SIP messages as the tests see them: text and header lines, read without the code under test."""

from __future__ import annotations

import re

COMPACT = {
    "b": "referred-by",
    "c": "content-type",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
}
REASONS = {
    100: "Trying",
    180: "Ringing",
    183: "Session Progress",
    200: "OK",
    202: "Accepted",
    302: "Moved Temporarily",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    420: "Bad Extension",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    485: "Ambiguous",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    500: "Server Internal Error",
    503: "Service Unavailable",
    600: "Busy Everywhere",
    603: "Decline",
}
_LINE = re.compile(r"\r\n(?![ \t])")


def header_name(keyword: str) -> str:
    """`record_route` as a keyword argument is `record-route` as a header; `from_` is `from`."""
    return keyword.rstrip("_").replace("_", "-").lower()


def spelled(name: str) -> str:
    special = {"call-id": "Call-ID", "cseq": "CSeq"}
    return special.get(name) or "-".join(word.capitalize() for word in name.split("-"))


class SipText:
    """One message: start line, raw header lines (folded ones whole) and body."""

    def __init__(self, octets: bytes) -> None:
        head, _, self.body = octets.partition(b"\r\n\r\n")
        self.octets = octets
        self.start, *self.lines = _LINE.split(head.decode("utf-8", "surrogateescape"))
        self.names = [_canonical(line) for line in self.lines]
        self.is_response = self.start.startswith("SIP/2.0 ")

    @property
    def status(self) -> int:
        return int(self.start.split(" ")[1]) if self.is_response else 0

    @property
    def method(self) -> str:
        """Of a response, the method it answers."""
        words = self.value("cseq").split() if self.is_response else self.start.split(" ")[:1]
        return words[-1] if words else ""

    @property
    def uri(self) -> str:
        return self.start.split(" ")[1]

    def values(self, name: str) -> list[str]:
        """The values of all lines of a header, unfolded, in order."""
        return [unfolded(line) for line, found in zip(self.lines, self.names, strict=True) if found == name]

    def value(self, name: str) -> str:
        """The value of the first line of a header; empty without one."""
        return next(iter(self.values(name)), "")

    def elements(self, name: str) -> list[str]:
        """The values of a header with comma-separated lists taken apart."""
        return [element for value in self.values(name) for element in split_list(value)]

    @property
    def call_id(self) -> str:
        return self.value("call-id")

    @property
    def number(self) -> int:
        words = self.value("cseq").split()
        return int(words[0]) if words and words[0].isdigit() else -1

    def key(self) -> tuple[str, int, str]:
        return (self.call_id, self.number, self.method)

    def __str__(self) -> str:
        return self.octets.decode("utf-8", "backslashreplace").replace("\r\n", "\n")


def _canonical(line: str) -> str:
    name = line.partition(":")[0].strip().lower()
    return COMPACT.get(name, name)


def unfolded(line: str) -> str:
    return " ".join(part.strip() for part in line.partition(":")[2].split("\r\n")).strip()


def split_list(value: str) -> list[str]:
    """Split at the commas outside quotes and angle brackets."""
    parts, depth, quoted, start = [], 0, False, 0
    for place, sign in enumerate(value):
        if sign == '"' and value[place - 1 : place] != "\\":
            quoted = not quoted
        elif not quoted and sign in "<>":
            depth += 1 if sign == "<" else -1
        elif sign == "," and not quoted and not depth:
            parts.append(value[start:place].strip())
            start = place + 1
    return [part for part in [*parts, value[start:].strip()] if part]


def addr_spec(value: str) -> str:
    """The URI of a Contact, Route, From or To value."""
    inside = re.search(r"<([^>]*)>", value)
    return inside.group(1) if inside else value.partition(";")[0].strip()


def tag_of(value: str) -> str:
    """The tag of a From or To value; empty without one."""
    found = re.search(r";\s*tag=([^;\s>]+)", value.rpartition(">")[2])
    return found.group(1) if found else ""


def compose(start: str, headers: dict[str, object], lines: tuple[str, ...], body: bytes) -> bytes:
    """The octets of a message. A header's value may be None (no such line), a text, a number or a list of texts."""
    out = [start]
    for name, value in headers.items():
        if value is None:
            continue
        for one in value if isinstance(value, list | tuple) else [value]:
            out.append(f"{spelled(name)}: {one}")
    out[1:1] = lines
    return "\r\n".join(out).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body
