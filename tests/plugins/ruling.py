"""Puts messages through rules in the world of the samples; for the tests of all rules."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import plugins
from proxy.counts import Counts
from proxy.effects import Effect, Record
from proxy.flow import Flow
from proxy.repair.catalog import Catalog
from proxy.repair.pipeline import Pipeline
from proxy.repair.rule import OFF, REPAIR, REQUEST_IN, RESPONSE_IN, Context, Rule
from proxy.repair.sample import NETWORKS, sample_context, sample_flow, sample_message
from proxy.sip.errors import HeaderError
from proxy.sip.message import Request, Response

CATALOG = Catalog(plugins.ORDER)
# The mode that each rule has by itself.
DEFAULT = "default"
# What is on when nobody chose anything.
USUAL = tuple(rule for rule in CATALOG.rules if rule.default != OFF)
CORPUS = Path(__file__).parent.parent / "corpus" / "clean"
SHOWN = "sip:alice@10.0.0.2:5070;transport=udp;b=k3v9x2m7q4w8z5c1"
UDP = "udp:198.51.100.7:5060"


class Run:
    """A message after its way through the rules: its text, what was recorded and noted, and the counters."""

    def __init__(
        self,
        message: Request | Response,
        flow: Flow,
        context: Context | None = None,
        registered: bool = False,
        stage: int | None = None,
        rules: Iterable[Rule] | None = None,
        mode: str = REPAIR,
        asked: str = "",
    ) -> None:
        self.message = message
        self.counts = Counts(1)
        self.context = context or sample_context(message, flow, registered, stage, asked)
        self.out: list[Effect] = []
        rules = USUAL if rules is None else tuple(rules)
        modes = {rule.name: rule.default if mode == DEFAULT else mode for rule in rules}
        self.pipeline = Pipeline(rules, modes, self.counts, NETWORKS)
        if stage is None:
            stage = RESPONSE_IN if isinstance(message, Response) else REQUEST_IN
        self.pipeline.run(stage, method_of(message), message, self.context, self.out)
        self.records = [effect for effect in self.out if isinstance(effect, Record)]
        self.fired = [record.rule for record in self.records]

    @property
    def text(self) -> str:
        return self.message.octets().decode("utf-8", "surrogateescape").replace("\r\n", "\n")

    def lines(self, name: str) -> list[str]:
        """The header lines that begin with that name."""
        head = self.text.partition("\n\n")[0].split("\n")
        return [line for line in head if line.lower().startswith(name.lower() + ":")]

    def lines_of_body(self, beginning: str) -> list[str]:
        """The lines of the body that begin so."""
        return [line for line in self.text.partition("\n\n")[2].split("\n") if line.startswith(beginning)]


def method_of(message: Request | Response) -> bytes:
    if isinstance(message, Request):
        return message.method
    try:
        return message.cseq[1]
    except HeaderError:
        return b"other"


def put(text: str, sender: str = UDP, registered: bool = False, stage: int | None = None, **more: object) -> Run:
    """Put a message, written with LF line ends, through all rules that are on by default."""
    return Run(sample_message(text), sample_flow(sender), registered=registered, stage=stage, **more)  # type: ignore[arg-type]


def request(method: str, *headers: str, uri: str = "sip:bob@example.com", without: tuple[str, ...] = ()) -> str:
    """A request that is right but for the headers given, which take the place of the usual ones of their name."""
    usual = {
        "Via": "Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKa",
        "Max-Forwards": "Max-Forwards: 70",
        "From": "From: <sip:alice@example.com>;tag=1",
        "To": "To: <sip:alice@example.com>" if method == "REGISTER" else "To: <sip:bob@example.com>",
        "Call-ID": "Call-ID: c1",
        "CSeq": f"CSeq: 1 {method}",
    }
    for name in without:
        del usual[name]
    return _message(f"{method} {uri} SIP/2.0", usual, headers)


def response(status: int, method: str, *headers: str) -> str:
    """A response of alice, with a To tag, that is right but for the headers given."""
    usual = {
        "Via": "Via: SIP/2.0/UDP 10.0.0.2:5070;branch=z9hG4bKp",
        "From": "From: <sip:bob@example.com>;tag=1",
        "To": "To: <sip:alice@example.com>;tag=2",
        "Call-ID": "Call-ID: c1",
        "CSeq": f"CSeq: 1 {method}",
    }
    return _message(f"SIP/2.0 {status} Phrase", usual, headers)


def _message(start: str, usual: dict[str, str], headers: tuple[str, ...]) -> str:
    lines: list[str] = []
    rest = list(headers)
    for name, line in usual.items():
        own = [header for header in rest if header.partition(":")[0] == name]
        lines += own or [line]
        rest = [header for header in rest if header not in own]
    return "\n".join((start, *lines, *rest, "Content-Length: 0", "", ""))
