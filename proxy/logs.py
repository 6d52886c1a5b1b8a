"""What the administrator reads: lines of text or JSON on one stream, from our notes and records and from Twisted.

What came from the network is shown with every control character escaped, so that nobody can forge a line, and
without credentials. Repeated notes are bounded per second. No line is written for an ordinary message.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from string import Formatter
from time import time
from typing import Final, TextIO, cast

from twisted.logger import ILogObserver, LogBeginner, LogEvent, formatEvent, globalLogBeginner
from twisted.python.failure import Failure

from proxy.effects import Note, Record

LEVELS: Final = ("debug", "info", "warn", "error")
FORMATS: Final = ("text", "json")

# Notes with the same text written per second; the rest are counted and summed up in one line.
NOTES_PER_SECOND: Final = 10
# A plugin could make up texts without end; beyond this many at once they share one budget.
MAX_TEXTS: Final = 500
# Characters of one value.
MAX_VALUE: Final = 2048

# sd-daemon(3): the priority that journald reads from the start of a line.
_PRIORITIES: Final = {"debug": "<7>", "info": "<6>", "warn": "<4>", "error": "<3>"}
# The names that Twisted's levels have here.
_TWISTED_LEVELS: Final = {"critical": "error"}
_OUR_PACKAGES: Final = frozenset(("proxy", "plugins"))
_FORMATTER: Final = Formatter()

_AUTHORIZATION: Final = re.compile(
    # At the start of a line, also where the traceback of a rule shows one as Python writes it.
    rb"(?:(?<=[\r\n])|(?<=\\n)|(?<=b['\"])|\A)((?:Proxy-)?Authorization)([ \t]*:[ \t]*)(Digest\b|Basic\b|Bearer\b)?"
    rb"[^\r\n]*(?:(?:\r\n|\r|\n)[ \t][^\r\n]*)*",
    re.IGNORECASE,
)
# Digest answers outside their header, a password in a URI, the keys of SDP (RFC 4568, RFC 8839).
_SECRETS: Final = re.compile(
    rb"(\b(?:response|rspauth)[ \t]*=[ \t]*\"?)[0-9a-f]{16,}"
    rb"|(\bsips?:[^\s:@<>\"]*:)[^\s:@<>\"]+(?=@)"
    rb"|(\binline:)[^\s|;]+"
    rb"|(\ba=ice-pwd:)[^\s]+",
    re.IGNORECASE,
)
_HIDDEN: Final = b"[hidden]"
_CREDENTIALS: Final = frozenset(("authorization", "proxy-authorization"))


def redact(octets: bytes) -> bytes:
    """The octets of a message, or of a part of one, without credentials: safe to show. The rest is unchanged."""
    octets = _AUTHORIZATION.sub(
        lambda found: found[1] + found[2] + (found[3] + b" " if found[3] else b"") + _HIDDEN, octets
    )
    return _SECRETS.sub(lambda found: (found[1] or found[2] or found[3] or found[4]) + _HIDDEN, octets)


def printable(value: object) -> str:
    """A value on one line: octets decoded, credentials hidden, control characters escaped, length bounded."""
    if isinstance(value, bytes):
        text = redact(value).decode("utf-8", "backslashreplace")
    else:
        text = redact(str(value).encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")
    if len(text) > MAX_VALUE:
        text = f"{text[:MAX_VALUE]}... ({len(text) - MAX_VALUE} more)"
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        # An octet that surrogateescape carried through.
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


class LineWriter:
    """Writes one line (plus a traceback, if any) per entry. The stream's own troubles never reach the caller."""

    def __init__(self, stream: TextIO, form: str, journal: bool, wall_clock: Callable[[], float]) -> None:
        self._stream = stream
        self._json = form == "json"
        self._journal = journal
        self._wall_clock = wall_clock

    def write(self, level: str, message: str, fields: Mapping[str, object], traceback: str = "") -> None:
        """`message` is ready to print; `fields` are not. In text, the traceback follows on indented lines."""
        moment = datetime.fromtimestamp(self._wall_clock(), UTC).isoformat(timespec="milliseconds")
        moment = moment.replace("+00:00", "Z")
        if self._json:
            lines = [self._object(moment, level, message, fields, traceback)]
        else:
            start = "" if self._journal else f"{moment} "
            pairs = "".join(f" {printable(name)}={_quoted(value)}" for name, value in fields.items())
            lines = [f"{start}{level.upper():5} {message}{pairs}"]
            lines += [f"    | {printable(line)}" for line in traceback.splitlines()]
        mark = _PRIORITIES[level] if self._journal else ""
        self._put("".join(f"{mark}{line}\n" for line in lines))

    def _object(self, moment: str, level: str, message: str, fields: Mapping[str, object], traceback: str) -> str:
        entry: dict[str, object] = {"time": moment, "level": level, "message": message}
        for name, value in fields.items():
            plain = value is None or isinstance(value, bool | int | float)
            entry[name if name not in entry else f"{name}_"] = value if plain else printable(value)
        if traceback:
            entry["traceback"] = "\n".join(map(printable, traceback.splitlines()))
        return json.dumps(entry)

    def _put(self, text: str) -> None:
        try:
            try:
                self._stream.write(text)
            except UnicodeEncodeError:
                self._stream.write(text.encode("ascii", "backslashreplace").decode("ascii"))
            self._stream.flush()
        except (OSError, ValueError):
            # The reader of the pipe is gone, the disk is full, or the stream was closed: a proxy that stops
            # for want of a log would be worse, and there is nowhere left to say it.
            return


def _quoted(value: object) -> str:
    """A value behind `key=`: in quotation marks when a reader could not tell where it ends."""
    text = printable(value)
    if text and not any(character in ' "=\\' for character in text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class _Window:
    """The notes of one text within the current second."""

    __slots__ = ("level", "number", "text")

    def __init__(self, text: str, level: str) -> None:
        self.text = text
        self.level = level
        self.number = 0


class OperatorLog:
    """Where notes and records go. `debug` and `info` tell whether such lines are wanted: ask before making one."""

    def __init__(self, writer: LineWriter, level: str, call_later: Callable[..., object], per_second: int) -> None:
        self._writer = writer
        self._call_later = call_later
        self._per_second = per_second
        self._windows: dict[str, _Window] = {}
        self._mentioned: dict[str, frozenset[str]] = {}
        self.set_level(level)

    def set_level(self, level: str) -> None:
        """Write from this level on (one of `LEVELS`); a reload may change it."""
        self.level = LEVELS.index(level)
        self.debug = self.level == 0
        self.info = self.level <= 1

    def write_note(self, note: Note) -> None:
        """Write the note, unless its level is not wanted or its text came too often within this second."""
        if LEVELS.index(note.level) < self.level or not self._within_budget(note):
            return
        message = _filled(note.text, note.fields)
        self._writer.write(note.level, message, self._not_mentioned(note))

    def write_record(self, record: Record) -> None:
        """Write what a rule did, at debug level."""
        if not self.debug:
            return
        secret = record.header.lower() in _CREDENTIALS
        fields = {
            "rule": record.rule,
            "mode": record.mode,
            "header": record.header,
            "before": _HIDDEN if secret and record.before is not None else record.before,
            "after": _HIDDEN if secret and record.after is not None else record.after,
            "reason": record.reason,
            "rfc": record.rfc,
            "method": record.method,
            "call_id": record.call_id,
            "flow": record.flow,
            "direction": record.direction,
        }
        kept = {name: value for name, value in fields.items() if value is not None}
        self._writer.write("debug", "repair", kept)

    def _not_mentioned(self, note: Note) -> dict[str, object]:
        """The fields that the sentence itself does not show."""
        mentioned = self._mentioned.get(note.text)
        if mentioned is None:
            if len(self._mentioned) >= MAX_TEXTS:
                self._mentioned.clear()
            mentioned = self._mentioned[note.text] = _names(note.text)
        return {name: value for name, value in note.fields.items() if name not in mentioned}

    def _within_budget(self, note: Note) -> bool:
        text = note.text
        if text not in self._windows and len(self._windows) >= MAX_TEXTS:
            text = "notes of many kinds"
        window = self._windows.get(text)
        if window is None:
            window = self._windows[text] = _Window(text, note.level)
            self._call_later(1.0, self._close, window)
        window.number += 1
        return window.number <= self._per_second

    def _close(self, window: _Window) -> None:
        """The second is over: say how many were not written."""
        del self._windows[window.text]
        suppressed = window.number - self._per_second
        if suppressed > 0:
            message = f"suppressed {suppressed} similar: {printable(window.text)}"
            self._writer.write(window.level, message, {"suppressed": suppressed})

    def observe(self, event: LogEvent) -> None:
        """Write an event of `twisted.logger`. Twisted itself and other libraries are heard from `warn` on."""
        twisted_level = getattr(event.get("log_level"), "name", "info")
        level = _TWISTED_LEVELS.get(twisted_level, twisted_level)
        source = str(event.get("log_namespace", ""))
        ours = source.partition(".")[0] in _OUR_PACKAGES
        lowest = self.level if ours or self.debug else max(self.level, LEVELS.index("warn"))
        if LEVELS.index(level) < lowest:
            return
        failure = event.get("log_failure")
        traceback = failure.getTraceback() if isinstance(failure, Failure) else ""
        message = printable(formatEvent(event).partition("\n")[0] if traceback else formatEvent(event))
        self._writer.write(level, message or "unexplained failure", {"source": source}, traceback)


def _names(text: str) -> frozenset[str]:
    """The fields that a format string shows; none if it is no format string."""
    try:
        return frozenset(name for _, name, _, _ in _FORMATTER.parse(text) if name)
    except ValueError:
        return frozenset()


def _filled(text: str, fields: Mapping[str, object]) -> str:
    """The sentence with its fields: octets from the network in quotation marks where that helps the reader.

    Values are made printable first, so that a format string cannot reach into objects. A text that does not
    fit its fields is shown as it stands: a slip in a note must not cost the note.
    """
    shown: dict[str, object] = {}
    for name, value in fields.items():
        if isinstance(value, bytes):
            shown[name] = _quoted(value)
        else:
            shown[name] = value if isinstance(value, int | float) else printable(value)
    try:
        return printable(text.format_map(shown))
    except (LookupError, ValueError, AttributeError, TypeError):
        return printable(text)


def start_logging(
    level: str,
    form: str,
    stream: TextIO,
    call_later: Callable[..., object],
    *,
    journal: bool = False,
    wall_clock: Callable[[], float] = time,
    beginner: LogBeginner = globalLogBeginner,
    per_second: int = NOTES_PER_SECOND,
) -> OperatorLog:
    """Send everything that is logged to the stream, and return where notes and records go. Once per process.

    Args:
        level: the lowest of `LEVELS` that is written.
        form: one of `FORMATS`.
        call_later: the reactor's `callLater`: ends the second for which repeated notes are bounded.
        journal: the stream ends in journald, which wants a priority and adds the time itself.
        wall_clock: seconds since 1970, for the time in the lines.
        beginner: Twisted's logging system, a private one in tests.
        per_second: how many notes with the same text are written per second.

    Raises:
        ValueError: no such level or format.
    """
    if level not in LEVELS or form not in FORMATS:
        raise ValueError(f"log: level is one of {', '.join(LEVELS)}, format one of {', '.join(FORMATS)}")
    log = OperatorLog(LineWriter(stream, form, journal, wall_clock), level, call_later, per_second)
    # Any callable observes; the interface is one of zope, which the type checker cannot read.
    beginner.beginLoggingTo([cast(ILogObserver, log.observe)], redirectStandardIO=False)
    return log
