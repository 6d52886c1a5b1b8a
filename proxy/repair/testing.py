"""For the tests of rules, also those of users: puts messages through rules in the world of the samples.

    from proxy.repair.testing import check, put, request

    def test_rule():
        check(RULE)                                    # the contract, and every sample of the rule
        run = put(request("INVITE", "Subject: "), RULE)
        assert run.lines("Subject") == []

All of it is stable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from proxy.counts import Counts
from proxy.effects import Effect, Note, Record
from proxy.flow import Flow
from proxy.repair.contract import flaws
from proxy.repair.pipeline import Pipeline
from proxy.repair.rule import REPAIR, REQUEST_IN, RESPONSE_IN, Context, Rule, Sample
from proxy.repair.sample import NETWORKS, sample_context, sample_flow, sample_message, sample_stage
from proxy.repair.watched import Watched
from proxy.sip.errors import HeaderError, ParseError
from proxy.sip.message import Request, Response

__all__ = ["DEFAULT", "UDP", "Run", "check", "complaints", "method_of", "put", "request", "response"]

# The mode that each rule has by itself.
DEFAULT: Final = "default"
# Where messages come from if nobody says otherwise.
UDP: Final = "udp:198.51.100.7:5060"


class Run:
    """A message after its way through the rules: its text, what was recorded and noted, and the counters.

    `fired` are the names of the rules that found something, one for each record; `failures` what the log would say of
    rules that failed.
    """

    def __init__(
        self,
        message: Request | Response,
        flow: Flow,
        rules: Iterable[Rule],
        context: Context | None = None,
        registered: bool = False,
        stage: int | None = None,
        mode: str = REPAIR,
        asked: str = "",
    ) -> None:
        self.message = message
        self.counts = Counts(1)
        self.context = context or sample_context(message, flow, registered, stage, asked)
        self.out: list[Effect] = []
        rules = tuple(rules)
        modes = {rule.name: rule.default if mode == DEFAULT else mode for rule in rules}
        self.pipeline = Pipeline(rules, modes, self.counts, NETWORKS)
        if stage is None:
            stage = RESPONSE_IN if isinstance(message, Response) else REQUEST_IN
        self.pipeline.run(stage, method_of(message), message, self.context, self.out)
        self.records = [effect for effect in self.out if isinstance(effect, Record)]
        self.fired = [record.rule for record in self.records]
        notes = [effect for effect in self.out if isinstance(effect, Note)]
        self.failures = [note.text.format_map(note.fields) for note in notes]

    @property
    def text(self) -> str:
        """The message with LF line ends."""
        return self.message.octets().decode("utf-8", "surrogateescape").replace("\r\n", "\n")

    def lines(self, name: str) -> list[str]:
        """The header lines that begin with that name."""
        head = self.text.partition("\n\n")[0].split("\n")
        return [line for line in head if line.lower().startswith(name.lower() + ":")]

    def lines_of_body(self, beginning: str) -> list[str]:
        """The lines of the body that begin so."""
        return [line for line in self.text.partition("\n\n")[2].split("\n") if line.startswith(beginning)]


def put(
    text: str,
    rules: Rule | Iterable[Rule],
    sender: str = UDP,
    registered: bool = False,
    stage: int | None = None,
    mode: str = REPAIR,
    asked: str = "",
) -> Run:
    """Put a message, written with LF line ends, through these rules, as the proxy runs rules of users.

    `sender` is where it comes from (`wss:198.51.100.7:50112`), `registered` whether that client is known, `stage`
    where it is met (by default on its way from a client), `asked` as in `Context`. Raises AssertionError with the
    traceback if a rule fails.
    """
    several = [rules] if isinstance(rules, Rule) else rules
    watched = [rule if isinstance(rule, Watched) else Watched(rule) for rule in several]
    run = Run(sample_message(text), sample_flow(sender), watched, None, registered, stage, mode, asked)
    if run.failures:
        raise AssertionError("\n".join(run.failures))
    return run


def check(rule: Rule) -> None:
    """Raise AssertionError with everything by which the rule breaks the contract, or its samples do not hold."""
    found = [*flaws(rule)] or complaints(rule)
    if found:
        raise AssertionError("\n".join(f"{rule.name}: {text}" for text in found))


def complaints(rule: Rule) -> list[str]:
    """Which samples do not hold, and why. The rule keeps the contract."""
    watched = rule if isinstance(rule, Watched) else Watched(rule)
    return [
        f"sample {number}: {text}" for number, sample in enumerate(rule.samples, 1) for text in _play(watched, sample)
    ]


def _play(rule: Rule, sample: Sample) -> Iterator[str]:
    """What is wrong with one sample; its second half is not tried if the first fails."""
    try:
        message, after = sample_message(sample.before), sample_message(sample.after)
        flow = sample_flow(sample.sender)
    except ParseError as error:
        yield f"it is no SIP message: {error.text}"
        return
    except (ValueError, AttributeError, TypeError) as error:
        yield f"it cannot be read: {error}"
        return
    stage = sample_stage(rule, sample, message)
    if stage not in rule.stages:
        yield "its stage is none of the rule's"
        return
    run = Run(message, flow, [rule], None, sample.registered, stage, asked=sample.asked)
    if run.failures:
        yield run.failures[0].rstrip().rpartition("\n")[2]
    elif not run.fired:
        yield "the rule finds nothing in it"
    elif run.text != sample.after:
        yield _difference(run.text, sample.after)
    else:
        again = Run(after, flow, [rule], None, sample.registered, stage, asked=sample.asked)
        if again.fired or again.failures:
            yield "the rule finds something in what it mended; repairing twice has to change nothing"


def _difference(found: str, wanted: str) -> str:
    """The first line that differs."""
    pairs = [*zip(found.split("\n"), wanted.split("\n"), strict=False), ("", "")]
    left, right = next((pair for pair in pairs if pair[0] != pair[1]), ("", ""))
    return f"what leaves is not what `after` says: {left!r} in the place of {right!r}"


def method_of(message: Request | Response) -> bytes:
    """The method of a request, or of that which a response answers."""
    if isinstance(message, Request):
        return message.method
    try:
        return message.cseq[1]
    except HeaderError:
        return b"other"


def request(
    method: str, *headers: str, uri: str = "sip:bob@example.com", without: tuple[str, ...] = (), body: str = ""
) -> str:
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
    return _message(f"{method} {uri} SIP/2.0", usual, headers, body)


def response(status: int, method: str, *headers: str, body: str = "") -> str:
    """A response of alice, with a To tag, that is right but for the headers given."""
    usual = {
        "Via": "Via: SIP/2.0/UDP 10.0.0.2:5070;branch=z9hG4bKp",
        "From": "From: <sip:bob@example.com>;tag=1",
        "To": "To: <sip:alice@example.com>;tag=2",
        "Call-ID": "Call-ID: c1",
        "CSeq": f"CSeq: 1 {method}",
    }
    return _message(f"SIP/2.0 {status} Phrase", usual, headers, body)


def _message(start: str, usual: dict[str, str], headers: tuple[str, ...], body: str) -> str:
    lines: list[str] = []
    rest = list(headers)
    for name, line in usual.items():
        own = [header for header in rest if header.partition(":")[0] == name]
        lines += own or [line]
        rest = [header for header in rest if header not in own]
    length = len(body.replace("\n", "\r\n").encode())
    return "\n".join((start, *lines, *rest, f"Content-Length: {length}", "", body))
