"""What no rule may do, whoever wrote it: checked before the first edit of a rule is applied.

Signed headers and bodies (RFC 8224, RFC 8551, auth-int), dialog identifiers (RFC 3261 section 12), the Via values of
other hops (section 16.7), and what the proxy itself writes while forwarding are out of bounds; nothing written can
smuggle in another line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from proxy.repair.rule import BODY, STATUS_LINE, Edit, Insert, Remove, Replace, ReplaceBody, Rule
from proxy.sip.address import parse_name_addr
from proxy.sip.body import sealed
from proxy.sip.errors import HeaderError
from proxy.sip.message import Message, Request, Response, line_value
from proxy.sip.registry import (
    CALL_ID,
    CANON,
    CONTENT_LENGTH,
    CSEQ,
    DATE,
    FROM,
    IDENTITY,
    INVITE,
    PATH,
    RECORD_ROUTE,
    REGISTER,
    ROUTE,
    START,
    TO,
    VIA,
)
from proxy.sip.uri import parse_uri, with_host
from proxy.sip.via import first_value

# The proxy writes Route, Record-Route and Path itself (RFC 3261 section 16, RFC 3327); Call-ID and CSeq identify
# dialog and transaction; the start line belongs to routing, and digests cover it.
FORBIDDEN: Final = frozenset((START, CALL_ID, CSEQ, RECORD_ROUTE, ROUTE, PATH))
# RFC 8224 section 4: what an Identity header signs.
SIGNED: Final = frozenset((FROM, TO, DATE))

# By so many octets a rule may make the head of a message longer; `limits.max_head` has the same default.
LARGEST_GROWTH: Final = 32768
# No rule makes a body longer than this (octets); `limits.max_message` has it as its default.
LARGEST_BODY: Final = 65535

# What was checked and found good: (touches, name, text) of replacements that depend on nothing else. Bounded in entries
# and in octets, as clients have a part in the texts.
_ENTRIES: Final = 4096
_LONGEST: Final = 512
_good: Final[set[tuple[tuple[bytes, ...], bytes, bytes]]] = set()
_CONTEXTUAL: Final = frozenset((CONTENT_LENGTH, VIA, *SIGNED))


class GuardError(ValueError):
    """A rule asked for an edit that no rule may make."""


def check(edits: Sequence[Edit], rule: Rule, message: Message) -> None:
    """Raise GuardError if one of the edits is out of bounds; the message is not changed."""
    if len(edits) == 1:
        edit = edits[0]
        if isinstance(edit, Replace) and 0 < edit.line < len(message.names):
            known = (tuple(rule.touches), message.names[edit.line], edit.text)
            if known not in _good:
                _check_all(edits, rule, message)
                _remember(known)
            return
    _check_all(edits, rule, message)


def _remember(known: tuple[tuple[bytes, ...], bytes, bytes]) -> None:
    if known[1] not in _CONTEXTUAL and len(known[2]) <= _LONGEST:
        if len(_good) >= _ENTRIES:
            _good.clear()
        _good.add(known)


def _check_all(edits: Sequence[Edit], rule: Rule, message: Message) -> None:
    taken: set[int] = set()
    _check_growth(edits, rule, message)
    for edit in edits:
        if isinstance(edit, Replace) and edit.line == 0:
            _check_start(edit, rule, message)
            taken.add(0)
            continue
        if isinstance(edit, ReplaceBody):
            _check_body(edit.octets, rule, message)
            if -1 in taken:
                raise GuardError(f"{rule.name} replaces the body twice")
            taken.add(-1)
            continue
        name = _named(edit, message)
        if name in FORBIDDEN:
            raise GuardError(f"{rule.name} may not edit {_label(name)}: the proxy or the dialog depends on it")
        if name not in rule.touches:
            raise GuardError(f"{rule.name} edits {_label(name)}, which is not among the headers it names in touches")
        if name in SIGNED and IDENTITY in message.names:
            raise GuardError(f"{rule.name} may not edit {_label(name)}: the Identity header signs it")
        if not isinstance(edit, Insert):
            if edit.line in taken:
                raise GuardError(f"{rule.name} edits line {edit.line} twice")
            taken.add(edit.line)
        if not isinstance(edit, Remove):
            _check_text(edit.text, name, rule, message)
        if name == VIA:
            _check_via(edit, rule, message)
        elif name in (FROM, TO):
            _check_tag(edit, name, rule, message)


def _check_growth(edits: Sequence[Edit], rule: Rule, message: Message) -> None:
    """A message that swells is lost on its way: above a datagram, or the limit of the next element."""
    growth = 0
    for edit in edits:
        if isinstance(edit, Insert):
            growth += len(edit.text) + 2
        elif isinstance(edit, Replace) and 0 <= edit.line < len(message.lines):
            growth += len(edit.text) - len(message.lines[edit.line])
    if growth > LARGEST_GROWTH:
        raise GuardError(f"{rule.name} makes the head {growth} octets longer; {LARGEST_GROWTH} are the most")


def _check_start(edit: Replace, rule: Rule, message: Message) -> None:
    """Of the start line the host of a Request-URI may change, and that port, by a rule that says so."""
    if isinstance(message, Response):
        _check_status(edit, rule, message)
        return
    if START not in rule.touches or not isinstance(message, Request):
        raise GuardError(f"{rule.name} may not edit the start line: the proxy or the dialog depends on it")
    parts = edit.text.split(b" ")
    try:
        before = parse_uri(message.uri)
        after = parse_uri(parts[1]) if len(parts) == 3 else None
    except HeaderError as error:
        raise GuardError(f"{rule.name} wrote a Request-URI that cannot be parsed: {error.text}") from error
    if after is None or edit.text != b"%b %b SIP/2.0" % (message.method, parts[1]):
        raise GuardError(f"{rule.name} wrote another start line than that of the request")
    if with_host(before, after.host) != with_host(after, after.host) or not after.host:
        raise GuardError(f"{rule.name} may change no more of a Request-URI than its host")


def _check_status(edit: Replace, rule: Rule, response: Response) -> None:
    """A 2xx may become a refusal, by a rule that says so; not that of an INVITE, which is a call by then."""
    if STATUS_LINE not in rule.touches:
        raise GuardError(f"{rule.name} may not edit the start line: the proxy or the dialog depends on it")
    version, _, rest = edit.text.partition(b" ")
    status, _, phrase = rest.partition(b" ")
    if version != b"SIP/2.0" or len(status) != 3 or not status.isdigit() or not 400 <= int(status) < 700:
        raise GuardError(f"{rule.name} wrote another status line than that of a refusal")
    if b"\r" in phrase or b"\n" in phrase or b"\0" in phrase:
        raise GuardError(f"{rule.name} wrote a line end or NUL into the status line")
    if not 200 <= response.status < 300 or response.cseq[1] == INVITE:
        raise GuardError(f"{rule.name} may change the status of a 2xx only, and not to INVITE")


def _check_body(octets: bytes, rule: Rule, message: Message) -> None:
    """No rule may touch a body that somebody signed or encrypted, or that is compressed, or swell one."""
    if BODY not in rule.touches:
        raise GuardError(f"{rule.name} replaces the body, which is not named in touches")
    before = message.body
    if len(octets) > max(LARGEST_BODY, len(before)):
        raise GuardError(f"{rule.name} wrote a body of {len(octets)} octets; {LARGEST_BODY} are the most")
    if b"\0" in octets and octets.count(b"\0") > before.count(b"\0"):
        raise GuardError(f"{rule.name} wrote NUL into the body")
    why = sealed(message)
    if why:
        raise GuardError(f"{rule.name} may not replace the body: {why}")


def _named(edit: Replace | Insert | Remove, message: Message) -> bytes:
    """The canonical name of the header that the edit is about."""
    last = len(message.lines) if isinstance(edit, Insert) else len(message.lines) - 1
    if not 1 <= edit.line <= last:
        raise GuardError(f"there is no header line {edit.line}: the message has lines 1 to {len(message.lines) - 1}")
    return edit.name if isinstance(edit, Insert) else message.names[edit.line]


def _check_text(text: bytes, name: bytes, rule: Rule, message: Message) -> None:
    if b"\r" in text or b"\n" in text or b"\0" in text:
        raise GuardError(f"{rule.name} wrote a line end or NUL into {_label(name)}")
    spelled = text.partition(b":")[0].strip(b" \t")
    if b":" not in text or b"(" in spelled or CANON.get(spelled, spelled.lower()) != name:
        raise GuardError(f"{rule.name} wrote a line that does not begin with {_label(name)} and a colon")
    if name == CONTENT_LENGTH and line_value(text) != b"%d" % len(message.body):
        # Anything else would let one element see another message than the next (RFC 3261 section 18.3).
        raise GuardError(f"{rule.name} wrote a Content-Length that is not the length of the body")


def _check_via(edit: Replace | Insert | Remove, rule: Rule, message: Message) -> None:
    """Only the topmost line may change; the values behind its first belong to other hops and must stay."""
    top = message.index(VIA)
    if top >= 0 and edit.line > top:
        raise GuardError(f"{rule.name} may edit the topmost Via only")
    if top < 0 or edit.line != top or isinstance(edit, Insert):
        return
    rest = _behind_first(message.lines[top])
    kept = _behind_first(edit.text) if isinstance(edit, Replace) else b""
    if rest != kept:
        raise GuardError(f"{rule.name} changes the Via values of other hops")


def _behind_first(line: bytes) -> bytes:
    return first_value(line_value(line))[1]


def _check_tag(edit: Replace | Insert | Remove, name: bytes, rule: Rule, message: Message) -> None:
    """Dialogs match by tags (RFC 3261 section 12.2.2): a tag that is there stays; one that is missing may be added."""
    if isinstance(edit, Remove) or (isinstance(edit, Insert) and name in message.names):
        raise GuardError(f"{rule.name} may neither remove nor double {_label(name)}")
    if isinstance(edit, Insert):
        return
    try:
        before = parse_name_addr(line_value(message.lines[edit.line])).tag
    except HeaderError:
        return  # no tag that anybody could have matched
    try:
        after = parse_name_addr(line_value(edit.text)).tag
    except HeaderError as error:
        raise GuardError(f"{rule.name} wrote a {_label(name)} that cannot be parsed: {error.text}") from error
    if before != after and not _may_tag(before, after, name, message):
        raise GuardError(f"{rule.name} may not change the tag of {_label(name)}")


def _may_tag(before: bytes | None, after: bytes | None, name: bytes, message: Message) -> bool:
    """Whether a tag may come or go here: come where one is wanted and missing, go where there is no dialog."""
    if isinstance(message, Request) and message.method == REGISTER and name == TO:
        return not after
    # RFC 3261 section 8.1.1.3, section 8.2.6.2: From of every request has one, and To of every answer but 100.
    wanted = name == FROM if isinstance(message, Request) else name == TO
    return wanted and not before and bool(after)


def _label(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace") or "the start line"
