"""What `sipmend explain` and `sipmend doctor` do: open files, run dry, print. Both exit with 0, 1 or 2, see there."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, Final, cast

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from plugins import ORDER
from proxy.capture.captured import Captured, Tally
from proxy.capture.plain import read_octets
from proxy.capture.reading import kind_of, read_messages
from proxy.config.model import Config
from proxy.doctor.diagnosis import source_of
from proxy.doctor.examine import examine
from proxy.doctor.html import as_html
from proxy.doctor.objects import as_object as report_object
from proxy.doctor.remedy import snippet
from proxy.doctor.report import Finding, Party
from proxy.doctor.survey import Servers, Survey, named_servers
from proxy.doctor.text import print_report
from proxy.explain import DryRun, Explanation, Setting, Source
from proxy.explain_setting import setting_of
from proxy.explain_text import as_object, print_explanation, print_way, way_objects
from proxy.flow import CLIENT, SERVER
from proxy.repair.catalog import Catalog
from proxy.roundtrip import round_trip
from proxy.sip.errors import ParseError
from proxy.sip.parser import parse_message

NOTHING, FOUND, UNREADABLE = 0, 1, 2
# What comes by standard input stays in memory up to so many octets, and goes to a file beyond.
_SPOOL: Final = 16_777_216
_PIECE: Final = 1_048_576


def dry_setting(config: Config | None, profile: str | None, rules: tuple[str, ...]) -> Setting:
    """What a dry run goes by. Raises click.BadParameter for names that do not exist."""
    if config is None and profile is not None:
        raise click.BadParameter("profiles stand in a configuration file; give it with -c", param_hint="--profile")
    try:
        setting = Setting(*Catalog(ORDER).choose({})) if config is None else setting_of(config, profile)
    except LookupError as unknown:
        raise click.BadParameter(str(unknown.args[0]), param_hint="--profile") from unknown
    try:
        return setting.only(rules) if rules else setting
    except KeyError as unknown:
        text = f"there is no rule {unknown.args[0]!r}; `sipmend rules` lists them"
        raise click.BadParameter(text, param_hint="--rule") from unknown


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    """The file, or a copy of standard input that can be rewound. Raises OSError."""
    if name != "-":
        with Path(name).open("rb") as file:
            if not file.seekable():
                raise OSError("it is no file that can be read twice; write it to one, or give it by standard input")
            yield file
        return
    with SpooledTemporaryFile(_SPOOL) as spool:
        while piece := sys.stdin.buffer.read(_PIECE):
            spool.write(piece)
        spool.seek(0)
        yield cast(BinaryIO, spool)


def _called(name: str) -> str:
    return "standard input" if name == "-" else name


def _complain(name: str, error: OSError) -> int:
    click.echo(f"{_called(name)}: cannot be read: {error.strerror or error}", err=True)
    return UNREADABLE


# -- explain


class _Explaining:
    """One run of `explain` with its options."""

    def __init__(self, setting: Setting, source: Source | None, way: bool | None, as_json: bool) -> None:
        self._setting = setting
        self._runs = DryRun(setting)
        self._source = source
        self._way = way
        self._as_json = as_json
        self._console = Console(highlight=False)

    def file(self, name: str, file: BinaryIO) -> int:
        """Explain every message of a file; returns the exit code."""
        if kind_of(file.read(4)) == "text":
            file.seek(0)
            if not any(True for _ in read_messages(file, Tally())):
                # What it is not, the parser says best.
                file.seek(0)
                self._explain(read_octets(file.read(_PIECE)), name, None, None)
                return UNREADABLE
        file.seek(0)
        servers = self._servers(file)
        tally = Tally()
        code, count = NOTHING, 0
        for captured in read_messages(file, tally):
            count += 1
            code = max(code, self._captured(captured, name, servers))
        if tally.stopped:
            click.echo(f"{name}: stopped: {tally.stopped}", err=True)
        if not count:
            click.echo(f"{name}: holds no SIP message that can be read", err=True)
            return UNREADABLE
        return code

    def _servers(self, file: BinaryIO) -> Servers | None:
        """Which end of a capture is the server; None where the settings say it."""
        if self._setting.core is not None:
            return None
        survey = Survey()
        for captured in read_messages(file, Tally()):
            survey.take(captured)
        file.seek(0)
        return survey.servers()

    def _captured(self, captured: Captured, name: str, servers: Servers | None) -> int:
        single = captured.source is None and captured.destination is None
        if single:
            return self._explain(captured.octets, name, self._source, None)
        try:
            source = self._source or source_of(captured, parse_message(captured.octets))
        except ParseError:
            source = None
        side = None
        if captured.source is None:
            side = SERVER  # the log of a server: it sent this itself
        elif servers is not None and servers.known:
            side = SERVER if servers.has(captured.source) else CLIENT
        return self._explain(captured.octets, f"{name} no. {captured.number}", source, side, bool(self._way))

    def _explain(
        self, octets: bytes, name: str, source: Source | None, side: int | None, way: bool | None = None
    ) -> int:
        try:
            explanation = self._runs.explain(octets, source, side)
        except ParseError as error:
            click.echo(f"{name}: not a SIP message: {error.text}", err=True)
            return UNREADABLE
        if explanation.broken:
            click.echo(f"{name}: not a valid SIP message: {explanation.refusal}", err=True)
            return UNREADABLE
        wanted = way if way is not None else self._way is not False and (not self._as_json or bool(self._way))
        self._print(explanation, name, wanted and side != SERVER)
        return FOUND if explanation.repairs else NOTHING

    def _print(self, explanation: Explanation, name: str, way: bool) -> None:
        steps = round_trip(explanation.before, self._setting, explanation.source) if way else []
        if self._as_json:
            more = {"way": way_objects(steps)} if way else {}
            click.echo(json.dumps({**as_object(explanation), **more}))
            return
        print_explanation(explanation, name, self._console)
        print_way(steps, self._console)


def explain_files(
    names: tuple[str, ...], setting: Setting, source: Source | None, way: bool | None, as_json: bool
) -> int:
    """Explain the messages of these files; returns the exit code."""
    explaining = _Explaining(setting, source, way, as_json)
    code = NOTHING
    for name in names:
        try:
            with _opened(name) as file:
                code = max(code, explaining.file(_called(name), file))
        except OSError as error:
            code = max(code, _complain(name, error))
    return code


# -- doctor


def examine_file(
    name: str, setting: Setting, domain: str, servers: tuple[str, ...], page: str | None, as_json: bool
) -> int:
    """Write the report on a capture; returns the exit code."""
    named = named_servers(servers) if servers else None
    try:
        with _opened(name) as file, _progress(file) as progress:
            report = examine(file, _called(name), setting, domain, named, progress)
    except OSError as error:
        return _complain(name, error)
    if not report.messages:
        for what, count in sorted(report.tally.lost.items()):
            click.echo(f"{report.file}: not used: {count:,} {what}", err=True)
        why = f": {report.tally.stopped}" if report.tally.stopped else ""
        click.echo(f"{report.file}: holds no SIP message that can be read{why}", err=True)
        return UNREADABLE
    if page is not None:
        defaults = {rule.name: rule.default for rule in setting.rules}

        def remedy(party: Party, finding: Finding) -> str:
            return snippet(party, finding.rule, defaults.get(finding.rule, ""))

        try:
            Path(page).write_text(as_html(report, remedy), encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            click.echo(f"{page}: cannot be written: {error.strerror or error}", err=True)
            return UNREADABLE
    if as_json:
        click.echo(json.dumps(report_object(report)))
    else:
        print_report(report, Console(highlight=False))
    return FOUND if report.ill else NOTHING


@contextmanager
def _progress(file: BinaryIO) -> Iterator[Callable[[int], None] | None]:
    """A bar on the terminal over both passes; None where nobody looks."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    columns = (TextColumn("reading"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=2 * size)
        yield lambda done: bar.update(task, completed=done)
