"""Where a server is: RFC 3263 section 4 as a generator that yields questions and is sent answers.

It opens no socket and knows no clock; `proxy.resolver` asks the questions. NAPTR records are read by
RFC 3403, SRV records by RFC 2782. What DNS says is not trusted to be small, sorted or sensible.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence
from ipaddress import ip_address
from itertools import accumulate
from typing import Final

from proxy.flow import DEFAULT_PORTS, TCP, TLS, TRANSPORTS, UDP, WS, WSS

# (transport, address, port)
Target = tuple[int, str, int]

# Limits against answers made to keep us busy: records read of one answer, targets, questions for one name.
MAX_RECORDS: Final = 64
MAX_TARGETS: Final = 64
MAX_QUERIES: Final = 64

# RFC 3263 section 4.1, RFC 7118 section 6.
_SERVICES: Final = {"SIP+D2U": UDP, "SIP+D2T": TCP, "SIPS+D2T": TLS, "SIP+D2W": WS, "SIPS+D2W": WSS}
# Asked in this order when there is no NAPTR record. For WebSocket no SRV name is defined.
_SRV_NAMES: Final = {UDP: "_sip._udp.", TCP: "_sip._tcp.", TLS: "_sips._tcp."}
_SECURE: Final = frozenset((TLS, WSS))

_LABEL: Final = r"[A-Za-z0-9_][A-Za-z0-9_-]{0,62}"
_HOST_NAME: Final = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}\.?")
_MAX_HOST_NAME: Final = 254


class Unlocatable(Exception):  # noqa: N818 - it is no failure of the program, and reads well after `raise`
    """There is no address to send to. `reason` says why, in words for an administrator."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Query:
    """A question for DNS. `rtype` is NAPTR, SRV, A or AAAA."""

    __slots__ = ("name", "rtype")

    def __init__(self, name: str, rtype: str) -> None:
        self.name = name
        self.rtype = rtype

    def __repr__(self) -> str:
        return f"{self.rtype} {self.name}"


class Naptr:
    """The parts of a NAPTR record that matter here (RFC 3403 section 4.1)."""

    __slots__ = ("flags", "order", "preference", "replacement", "service")

    def __init__(self, order: int, preference: int, flags: str, service: str, replacement: str) -> None:
        self.order = order
        self.preference = preference
        self.flags = flags
        self.service = service
        self.replacement = replacement


class Srv:
    """An SRV record (RFC 2782)."""

    __slots__ = ("port", "priority", "target", "weight")

    def __init__(self, priority: int, weight: int, port: int, target: str) -> None:
        self.priority = priority
        self.weight = weight
        self.port = port
        self.target = target


class Answer:
    """What DNS said: addresses as text for A and AAAA, else `Naptr` or `Srv`; empty if there are none.

    `trouble` is empty unless the question got no answer at all ("timed out").
    """

    __slots__ = ("records", "trouble")

    def __init__(self, records: Sequence[str | Naptr | Srv] = (), trouble: str = "") -> None:
        self.records = records
        self.trouble = trouble


Steps = Generator[Query, Answer, list[Target]]


def locate(
    host: str,
    port: int,
    transport: str | None,
    secure: bool,
    supported: frozenset[int],
    draw: Callable[[int], int],
    families: tuple[str, ...] = ("A", "AAAA"),
) -> Steps:
    """The addresses for a URI, in the order to try them.

    Args:
        host: name or address, an IPv6 address with or without brackets.
        port: 0 when the URI has none.
        transport: the `transport` parameter, if the URI has one.
        secure: the scheme is sips.
        supported: the transports (of `proxy.flow`) that we can send by.
        draw: returns a random integer from 0 to its argument, both included.
        families: the address records to ask for; leave out AAAA where our sockets speak IPv4 only.

    Raises:
        Unlocatable: no address was found, or the URI asks for what we cannot do.
    """
    return (yield from _Search(supported, secure, draw, families).run(host, port, transport))


def numeric(host: str) -> str:
    """The address, if the host is one (without brackets); else the empty string."""
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        return str(ip_address(bare))
    except ValueError:
        return ""


def is_host_name(text: str) -> bool:
    """Whether DNS can be asked about it; underscores are allowed, as in SRV names."""
    return len(text) <= _MAX_HOST_NAME and _HOST_NAME.fullmatch(text) is not None


class _Search:
    """One run: what was found so far, how often was asked, and what went wrong on the way."""

    def __init__(
        self,
        supported: frozenset[int],
        secure: bool,
        draw: Callable[[int], int],
        families: tuple[str, ...],
    ) -> None:
        self._usable = supported & _SECURE if secure else supported
        self._secure = secure
        self._draw = draw
        self._families = families
        self._found: dict[Target, None] = {}
        self._queries = 0
        self._troubles: list[str] = []
        self._declined = False

    def run(self, host: str, port: int, transport: str | None) -> Steps:
        """RFC 3263 section 4: first the transport (4.1), then port and addresses (4.2)."""
        asked = None if transport is None else self._transport(transport)
        address = numeric(host)
        if not address and (not is_host_name(host) or host.rpartition(".")[2].isdigit()):
            # No top level domain is a number: 10.0.0.256 is a slip of the pen.
            raise Unlocatable(f"{host!r} is neither an address nor a host name")
        if address or port:
            # Section 4.1: an address, or a name with a port, and no transport: UDP; for sips TCP, thus TLS.
            chosen = self._default(host) if asked is None else asked
            yield from self._add(chosen, address or host, port or DEFAULT_PORTS[chosen])
            return self._result(host)
        if asked is None:
            yield from self._by_naptr(host)
        if not self._found and not self._declined:
            yield from self._by_srv(host, tuple(_SRV_NAMES) if asked is None else (asked,))
        if not self._found and not self._declined:
            chosen = self._default(host) if asked is None else asked
            yield from self._add(chosen, host, DEFAULT_PORTS[chosen])
        return self._result(host)

    def _transport(self, name: str) -> int:
        """The transport that the URI parameter names; sips makes TLS of tcp, wss of ws (RFC 3261 26.2.2)."""
        lower = name.lower()
        if lower not in TRANSPORTS:
            raise Unlocatable(f"transport={name} is unknown; possible are {', '.join(TRANSPORTS)}")
        chosen = TRANSPORTS.index(lower)
        if self._secure:
            chosen = {TCP: TLS, WS: WSS}.get(chosen, chosen)
            if chosen not in _SECURE:
                raise Unlocatable(f"a sips URI cannot go over {name}: write transport=tls, or sip for sips")
        return self._checked(chosen)

    def _default(self, host: str) -> int:
        """UDP, or TLS for sips: what RFC 3263 section 4.1 says when neither URI nor DNS name a transport."""
        if not self._usable:
            scheme = "sips" if self._secure else "sip"
            raise Unlocatable(f"no transport that we have may be used for {scheme}:{host}")
        return self._checked(TLS if self._secure else UDP)

    def _checked(self, transport: int) -> int:
        if transport not in self._usable:
            have = ", ".join(TRANSPORTS[each] for each in sorted(self._usable)) or "none"
            raise Unlocatable(f"{TRANSPORTS[transport]} is needed, but of our transports only these fit: {have}")
        return transport

    def _by_naptr(self, host: str) -> Generator[Query, Answer, None]:
        answer = yield from self._ask(host, "NAPTR")
        fitting = [
            record
            for record in answer.records[:MAX_RECORDS]
            if isinstance(record, Naptr)
            and record.flags.lower() == "s"
            and _SERVICES.get(record.service.upper()) in self._usable
        ]
        # RFC 3403 section 4.1: once a record fits, none with a higher order may be considered.
        lowest = min((record.order for record in fitting), default=0)
        best = [record for record in fitting if record.order == lowest]
        for record in sorted(best, key=lambda record: record.preference):
            yield from self._srv(_SERVICES[record.service.upper()], record.replacement)

    def _by_srv(self, host: str, transports: Sequence[int]) -> Generator[Query, Answer, None]:
        for transport in transports:
            if transport in self._usable and transport in _SRV_NAMES:
                yield from self._srv(transport, _SRV_NAMES[transport] + host)
                if self._found:
                    # Section 4.1: any transport that the server supports may be used, so the first will do.
                    return

    def _srv(self, transport: int, name: str) -> Generator[Query, Answer, None]:
        if not is_host_name(name):
            return
        answer = yield from self._ask(name, "SRV")
        records = [record for record in answer.records[:MAX_RECORDS] if isinstance(record, Srv)]
        offered = [record for record in records if record.target not in (".", "")]
        # RFC 2782: a target of "." means that the service is decidedly not available at this domain.
        self._declined = self._declined or (bool(records) and not offered)
        for record in ordered(offered, self._draw):
            if 0 < record.port < 65536:
                yield from self._add(transport, record.target, record.port)

    def _add(self, transport: int, host: str, port: int) -> Generator[Query, Answer, None]:
        """Note the addresses of a host. Some zones wrongly have an address as SRV target: it is taken."""
        address = numeric(host.rstrip("."))
        if address:
            self._note((transport, address, port))
            return
        if not is_host_name(host):
            return
        for family in self._families:
            answer = yield from self._ask(host, family)
            for record in answer.records[:MAX_RECORDS]:
                if isinstance(record, str):
                    self._note((transport, record, port))

    def _note(self, target: Target) -> None:
        if len(self._found) < MAX_TARGETS:
            self._found[target] = None

    def _ask(self, name: str, rtype: str) -> Generator[Query, Answer, Answer]:
        if self._queries >= MAX_QUERIES or len(self._found) >= MAX_TARGETS:
            return Answer()
        self._queries += 1
        answer = yield Query(name, rtype)
        if answer.trouble:
            self._troubles.append(f"{rtype} {name}: {answer.trouble}")
        return answer

    def _result(self, host: str) -> list[Target]:
        if self._found:
            return list(self._found)
        if self._troubles:
            raise Unlocatable(f"no address for {host}, DNS gave no answer ({'; '.join(self._troubles)})")
        if self._declined:
            raise Unlocatable(f'{host} offers no SIP service: its SRV record has the target "."')
        kinds = " and no ".join(self._families)
        raise Unlocatable(f"{host} has no {kinds} record: check the spelling, or write an address")


def ordered(records: Sequence[Srv], draw: Callable[[int], int]) -> list[Srv]:
    """SRV records in the order to try: by priority; equals drawn in proportion to weight (RFC 2782)."""
    result: list[Srv] = []
    for priority in sorted({record.priority for record in records}):
        equals = [record for record in records if record.priority == priority]
        # Those with weight 0 go to the front: there they are drawn only by a 0, a very small chance.
        left = sorted(equals, key=lambda record: record.weight > 0)
        while left:
            total = sum(record.weight for record in left)
            mark = min(draw(total), total)
            sums = enumerate(accumulate(record.weight for record in left))
            result.append(left.pop(next(place for place, running in sums if running >= mark)))
    return result
