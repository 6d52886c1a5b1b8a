"""The contract between the proxy and its repair rules: `Rule`, `Finding`, the edits, `Context`.

A rule is data (name, RFC, stage, methods, header, default mode, samples) and two pure functions: `applies` finds
the defect and gives the reason, `repair` says which lines to change, or what the body is to be. Rules never change a
message themselves: so `report` costs nothing, every change is recorded, and lines that no edit names stay octet for
octet as they came.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Final, Protocol

from proxy.flow import Flow
from proxy.repair.setting import (
    DurationSetting,
    NumberSetting,
    Setting,
    SettingError,
    SwitchSetting,
    TextSetting,
    WordsSetting,
)
from proxy.sip.address import NameAddr
from proxy.sip.message import Message, Request, Response

# All of it is stable: rules of users are written with these names.
__all__ = [
    "ABSENT",
    "BODY",
    "HAS_LENGTH",
    "INVALID_NAME",
    "LEFT",
    "LINK_LOCAL",
    "LOOPBACK",
    "MODES",
    "NAMES_DOMAIN",
    "NO_BODY",
    "OFF",
    "ONE_CONTACT",
    "ONE_MAX_FORWARDS",
    "OTHER_SOURCE",
    "PARSED_CLEANLY",
    "PRIVATE",
    "REACHABLE",
    "REACHES",
    "REPAIR",
    "REPORT",
    "REQUEST_IN",
    "REQUEST_OUT",
    "RESPONSE_IN",
    "RESPONSE_OUT",
    "SHARED",
    "STAGES",
    "STATUS_LINE",
    "TRAITS",
    "UNPARSABLE",
    "UNSPECIFIED",
    "BodyFinding",
    "Context",
    "DurationSetting",
    "Edit",
    "Finding",
    "Hosts",
    "Insert",
    "Message",
    "NameAddr",
    "Naming",
    "NumberSetting",
    "Remove",
    "Replace",
    "ReplaceBody",
    "Request",
    "Response",
    "Rule",
    "Sample",
    "Setting",
    "SettingError",
    "SwitchSetting",
    "TextSetting",
    "WordsSetting",
]  # fmt: skip

# Where a message is met: requests and responses that come in from a client on their way to the server, and those of
# the server on their way out to a client.
REQUEST_IN: Final = 0
RESPONSE_IN: Final = 1
REQUEST_OUT: Final = 2
RESPONSE_OUT: Final = 3
STAGES: Final = ("request-in", "response-in", "request-out", "response-out")

OFF: Final = "off"
REPORT: Final = "report"
REPAIR: Final = "repair"
MODES: Final = (OFF, REPORT, REPAIR)

# How far a Contact leads, as `Context.reach` says: what keeps the server from using it as it is.
REACHABLE: Final = 0
ABSENT: Final = 1
UNPARSABLE: Final = 2
LEFT: Final = 3  # nothing a rule may judge: `*`, GRUU, tel:, our own token, a redirect list
INVALID_NAME: Final = 4  # .invalid, .local, .localhost, .internal, a single label
PRIVATE: Final = 5  # RFC 1918, ULA, documentation ranges
SHARED: Final = 6  # 100.64/10, carrier-grade NAT
LINK_LOCAL: Final = 7
LOOPBACK: Final = 8
UNSPECIFIED: Final = 9
OTHER_SOURCE: Final = 10  # names another address, port or transport than the message came from
REACHES: Final = 11  # how many of these constants there are


# Traits of ordinary messages, found once per message, that keep it away from rules it cannot concern (`Rule.unless`).
ONE_MAX_FORWARDS: Final = 1  # Max-Forwards stands there once, with a number up to 255
HAS_LENGTH: Final = 2  # Content-Length is there
PARSED_CLEANLY: Final = 4  # the parser let nothing odd pass
ONE_CONTACT: Final = 8  # Contact stands there once, with one value in brackets or without parameters
NAMES_DOMAIN: Final = 16  # a client's From and To, and its Request-URI outside of dialogs, plainly name the domain
NO_BODY: Final = 32
# The names before all addresses are quoted, or there are none; From of a request has a tag, and To of an answer of a
# client. Of an answer From and To do not count else: they are those of the request.
PLAIN_NAMES: Final = 64
TRAITS: Final = 128

# What a rule names in `touches` besides headers; no header can have such a name.
BODY: Final = b"(body)"
STATUS_LINE: Final = b"(status line)"


class Replace:
    """Put `text` (a whole header line, without CRLF) in the place of the line with that index."""

    __slots__ = ("line", "text")

    def __init__(self, line: int, text: bytes) -> None:
        self.line = line
        self.text = text


class Insert:
    """Insert a header line before the line with that index; `name` is its canonical (lower-case) name."""

    __slots__ = ("line", "name", "text")

    def __init__(self, line: int, name: bytes, text: bytes) -> None:
        self.line = line
        self.name = name
        self.text = text


class Remove:
    """Remove the line with that index."""

    __slots__ = ("line",)

    def __init__(self, line: int) -> None:
        self.line = line


class ReplaceBody:
    """Put `octets` in the place of the body; Content-Length follows by itself, where it is written."""

    __slots__ = ("octets",)

    def __init__(self, octets: bytes) -> None:
        self.octets = octets


Edit = Replace | Insert | Remove | ReplaceBody


class Finding:
    """A defect that a rule found: a sentence for an operator, and the index of the line it is about (-1: absent)."""

    __slots__ = ("line", "reason")

    def __init__(self, reason: str, line: int = -1) -> None:
        self.reason = reason
        self.line = line


class BodyFinding(Finding):
    """A defect in the body: the reason, and the line of the body it is about."""

    __slots__ = ("before",)

    def __init__(self, reason: str, before: bytes) -> None:
        super().__init__(reason)
        self.before = before


class Hosts(Protocol):
    """Knows whom a host (in lower case) means."""

    def is_proxy(self, host: bytes) -> bool:
        """Whether it is an address or name of ours, or an alias of the server's domain."""

    def is_server(self, host: bytes) -> bool:
        """Whether it is an address of the server, or an alias of its domain: what the server takes for its own."""

    def is_senders(self, host: bytes, flow: Flow) -> bool:
        """Whether it is the address the message came from, or one that leads nowhere outside the sender's network."""


class Naming(Protocol):
    """Knows the name under which a client is reachable through us; `hosts` is None where no host is known."""

    hosts: Hosts | None

    def shown(self, message: Message, flow: Flow) -> bytes:
        """The one Contact URI that stands for the sender of this message towards the server."""

    def tag(self, message: Message) -> bytes:
        """The tag for a sender that writes none, in From of its requests and To of its answers: one for a Call-ID.

        Raises HeaderError where the message has no such line, or no Call-ID.
        """


class Context:
    """What a rule may know besides the message: where it came from, where it goes, how its sender is named.

    `reach` is one of the constants above for the first Contact; `registered` is true for a client with a binding;
    `renamed` maps, for a REGISTER only, each own Contact (addr-spec octets) to the URI to show in its place, and is
    None for any other message. `by_stream` is true if the message arrived or leaves on a stream transport.
    `home` is the address (host[:port];transport=...) by which a client reaches us. `second_hop` is true for a message
    of a client that passed another proxy, so that it came from there. `asked` is, for an answer of the server within a
    dialog, the Request-URI to which the client sent its request; empty otherwise. `stage` is set by the
    pipeline, and so are `local_networks`, those in which clients and the server reach each other directly.
    """

    __slots__ = (
        "asked",
        "by_stream",
        "domain",
        "flow",
        "home",
        "local_networks",
        "message",
        "naming",
        "reach",
        "registered",
        "renamed",
        "second_hop",
        "stage",
    )

    def __init__(
        self,
        message: Message,
        flow: Flow,
        naming: Naming,
        domain: bytes,
        home: bytes,
        reach: int,
        registered: bool,
        by_stream: bool,
        renamed: dict[bytes, bytes] | None,
    ) -> None:
        self.message = message
        self.flow = flow
        self.naming = naming
        self.domain = domain
        self.home = home
        self.reach = reach
        self.registered = registered
        self.by_stream = by_stream
        self.renamed = renamed
        self.local_networks: tuple[IPv4Network | IPv6Network, ...] = ()
        self.second_hop = False
        self.asked = b""
        self.stage = REQUEST_IN

    def shown(self) -> bytes:
        """The one Contact URI that stands for the sender towards the server, without angle brackets."""
        return self.naming.shown(self.message, self.flow)

    def tag(self) -> bytes:
        """The tag that stands for the one the sender did not write; the proxy takes it off again on the way back."""
        return self.naming.tag(self.message)

    def shown_for(self, contact: NameAddr) -> bytes | None:
        """The URI to put in the place of this Contact of the sender; None if it is to be left alone.

        Of the client's own URI parameters only `ob` stays (RFC 5626 section 4.3).
        """
        if self.renamed is not None:
            return self.renamed.get(contact.addr)
        shown = self.shown()
        return shown + b";ob" if contact.uri.param(b"ob") is not None else shown


class Sample:
    """A message with the defect and the message that leaves, as documentation and as first test of a rule.

    Both are written with LF line ends and are read as CRLF. `sender` is the flow it arrives on
    (`udp:198.51.100.7:5060`), `registered` whether the client is known, `stage` where it is met (by default the one
    on the way from the client). `home` is the answer that the client gets at last, when the server has answered 200:
    it shows what is restored. `asked` is as in `Context`.
    """

    __slots__ = ("after", "asked", "before", "home", "registered", "sender", "stage")

    def __init__(
        self,
        before: str,
        after: str,
        sender: str = "udp:198.51.100.7:5060",
        registered: bool = False,
        stage: int | None = None,
        home: str = "",
        asked: str = "",
    ) -> None:
        self.before = before
        self.after = after
        self.sender = sender
        self.registered = registered
        self.stage = stage
        self.home = home
        self.asked = asked


class Rule:
    """One repair. Subclasses set the attributes and define both functions; instances are stateless.

    `name` is the kebab-case word used in YAML, metrics, logs and docs; `rfc` the section that defines right
    behaviour; `methods` the methods (of the CSeq, for responses) the rule can concern, empty for all; `touches` the
    canonical names of the headers its edits may change, and `BODY`, `STATUS_LINE`; `default` its mode; `summary` one
    line for `sipmend rules`; `source` the reports of the defect (`owner/repository/issues/1` at GitHub, or a whole
    address), or empty, with a sentence in `no_source` that says where else it comes from.
    `reaches` are the values of `Context.reach` the rule can concern, empty for all: like stages and methods they keep
    a rule away from messages that it cannot concern; so does `unless`, the traits of a message (added up) of which any
    one rules the defect out. `settings` are what an administrator may choose. `never_off`: it stays on however often it
    fails, since an administrator wrote it down and clients may not switch it off.
    """

    name: str = ""
    rfc: str = ""
    summary: str = ""
    stages: tuple[int, ...] = ()
    methods: tuple[bytes, ...] = ()
    reaches: tuple[int, ...] = ()
    unless: int = 0
    touches: tuple[bytes, ...] = ()
    default: str = REPAIR
    settings: tuple[Setting, ...] = ()
    samples: tuple[Sample, ...] = ()
    source: tuple[str, ...] = ()
    no_source: str = ""
    never_off: bool = False

    def configured(self, values: Mapping[str, object]) -> Rule:
        """This rule with these settings; raises SettingError for what it does not have or take."""
        known = {setting.name: setting for setting in self.settings}
        chosen = {name: setting.default for name, setting in known.items()}
        for name, value in values.items():
            setting = known.get(name)
            if setting is None:
                has = ", ".join(("mode", *known))
                raise SettingError(name, f"the rule {self.name} has no such setting; it has: {has}")
            chosen[name] = setting.read(value)
        return self.with_settings(chosen) if values else self

    def with_settings(self, chosen: Mapping[str, Any]) -> Rule:
        """A rule made with these settings (all of them, checked). Rules that have `settings` must define it.

        Settings that depend on each other are checked here too: raise SettingError with the name of one of them.
        """
        raise NotImplementedError

    def applies(self, message: Message, context: Context) -> Finding | None:
        """The defect, or None. Must not change anything."""
        raise NotImplementedError

    def repair(self, message: Message, finding: Finding, context: Context) -> list[Edit]:
        """The edits that mend what `applies` found; none if it is mended already (by the parser).

        Line numbers are those of the message as it is; what is inserted before a line goes before its replacement.
        """
        raise NotImplementedError
