"""The commands of `sipmend`: what they read, print and exit with. Exit codes are part of their contract.

The reactor is handed in by `proxy.__main__` as click's object: importing it installs it for the whole process.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text
from twisted.logger import Logger
from twisted.python.failure import Failure

from plugins import ORDER
from proxy import explain as dry_run
from proxy.config.errors import ConfigError, ConfigErrors, KeyPath, Origin
from proxy.config.load import load_config
from proxy.config.model import Config
from proxy.config.network import check_network, warn_of_network
from proxy.config.own import OwnRules
from proxy.config.render import render_effective
from proxy.config.section import readable_plugins
from proxy.config.source import Source
from proxy.declared import declared_clashes, declared_rules
from proxy.demo.run import run_demo
from proxy.dry_commands import dry_setting, examine_file, explain_files
from proxy.new_rule import NewRuleError, write_rule
from proxy.own_rules import load_own_rules, name_clash
from proxy.repair.catalog import Catalog, CatalogError, Choice
from proxy.repair.inherent import INHERENT
from proxy.repair.rule import Rule
from proxy.rule_source import installed
from proxy.ruling import rule_choices
from proxy.service import Service, StartError

# What `sipmend rules` shows.
LISTED = (*ORDER, *INHERENT)
REFUSED = 2

_log = Logger()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("sipmend"), prog_name="sipmend")
def cli() -> None:
    """A SIP outbound proxy that repairs headers."""


# -- run


@cli.command()
@click.option("-c", "--config", "file", required=True, metavar="FILE", help="The configuration file (YAML).")
@click.pass_obj
def run(reactor: Any, file: str) -> None:
    """Run the proxy. SIGTERM and SIGINT drain and stop it, SIGHUP reads the file again."""
    service = Service(_load(file), reactor, click.echo)
    raise SystemExit(serve(reactor, service, lambda: read_config(file)))


def serve(reactor: Any, service: Service, read: Callable[[], Config]) -> int:
    """Run a service until a signal ends it; `read` reads its configuration again. Returns the exit code."""
    code = 0

    def failed(why: Failure) -> None:
        nonlocal code
        code = REFUSED
        if not isinstance(why.value, StartError):
            _log.failure("sipmend cannot start", why)
        click.echo(f"sipmend: {why.getErrorMessage()}", err=True)
        reactor.stop()

    def stop(*_: object) -> None:
        # The second signal means it: what is still going on is given up.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        reactor.callFromThread(reactor.stop)

    def begin() -> None:
        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(reload, service, read))
        reactor.addSystemEventTrigger("before", "shutdown", service.stop)
        service.start().addErrback(failed)

    reactor.callWhenRunning(begin)
    reactor.run()
    return code


def reload(service: Service, read: Callable[[], Config]) -> None:
    """Take over the configuration file as it is now; with any mistake in it, name all and change nothing."""
    try:
        service.reload(read())
    except ConfigErrors as errors:
        for error in errors.errors:
            _log.error("not reloaded: {error}", error=str(error))


# -- check


@cli.command()
@click.option("-c", "--config", "file", required=True, metavar="FILE", help="The configuration file (YAML).")
def check(file: str) -> None:
    """Validate a configuration file and the network it names, and print the effective settings."""
    config = _load(file)
    errors = check_network(config, ports=False)
    if errors:
        _refuse(errors)
    # A port in use is no mistake while sipmend itself runs, and that is when a reload wants this command.
    for warning in check_network(config, ports=True, has_address=_known, has_service=_known):
        click.echo(f"{warning}; that is well if sipmend itself runs", err=True)
    for warning in warn_of_network(config):
        click.echo(f"{warning}", err=True)
    click.echo(render_effective(config), nl=False)


def _known(name: str) -> bool:
    """Stands in for DNS, which was asked before."""
    return True


def _load(file: str) -> Config:
    """The configuration; ends the process with every mistake in it."""
    try:
        return read_config(file)
    except ConfigErrors as errors:
        _refuse(errors.errors)


def read_config(file: str) -> Config:
    """The configuration, its rules included. Raises ConfigErrors with every mistake."""
    try:
        config = load_config(file, os.environ)
    except ConfigErrors as errors:
        said = {error.line for error in errors.errors}
        more = [error for error in _rule_errors_in(file) if error.line not in said]
        raise ConfigErrors([*errors.errors, *more]) from errors
    own, wrong = load_own_rules(config.plugins, config.origin)
    all_loaded = not wrong
    clashes = [config.origin.error(path, text) for path, text in declared_clashes(config.headers, own.rules)]
    if clashes:
        raise ConfigErrors([*wrong, *clashes])
    general = rule_choices(config.repair)
    declared = declared_rules(config.headers)
    wrong += rule_errors(config.origin, own, declared, general, all_loaded=all_loaded)
    for index, profile in enumerate(config.profiles):
        at = ("profiles", index, "repair")
        layers = (general, rule_choices(profile.repair))
        wrong += rule_errors(config.origin, own, declared, *layers, at=at, all_loaded=all_loaded)
    if wrong:
        raise ConfigErrors(wrong)
    return config.with_rules(own)


def _rule_errors_in(file: str) -> list[ConfigError]:
    """Mistakes in the sections `plugins` and `repair` of a file that has other mistakes too."""
    try:
        source = Source(file, Path(file).read_text("utf-8-sig"), os.environ)
    except (OSError, UnicodeDecodeError):
        return []  # that is the other mistake
    entries = readable_plugins(source.data.get("plugins"), Path(file).absolute().parent)
    own, wrong = load_own_rules(entries, source.origin)
    section = source.data.get("repair")
    if isinstance(section, dict):
        all_loaded = not wrong and None not in entries and "headers" not in source.data
        wrong += rule_errors(source.origin, own, (), section, all_loaded=all_loaded)
    return wrong


def rule_errors(
    origin: Origin,
    own: OwnRules,
    declared: Sequence[Rule],
    *layers: Mapping[str, Choice],
    at: KeyPath = ("repair",),
    all_loaded: bool = True,
) -> list[ConfigError]:
    """Names, modes and settings of rules that do not exist, in the last of these layers.

    `declared` are the rules of the section `headers`. Unless `all_loaded`, a name that nobody has may be that of a rule
    that could not be loaded.
    """
    try:
        Catalog((*ORDER, *own.rules), declared=declared).choose(own.choices, *layers)
    except CatalogError as wrong:
        here = [one for one in wrong.problems if one.layer == len(layers) and (all_loaded or not one.unknown)]
        return [origin.error((*at, *one.path), one.text, at_key=len(one.path) == 1) for one in here]
    return []


def _refuse(errors: Iterable[ConfigError]) -> NoReturn:
    for error in errors:
        click.echo(str(error), err=True)
    raise SystemExit(REFUSED)


# -- rules


@cli.command()
@click.option("-c", "--config", "file", metavar="FILE", help="List the rules of your own that this file names, too.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def rules(file: str | None, as_json: bool) -> None:
    """List the repair rules: name, default mode, RFC, what each does; then what the proxy mends by itself."""
    listed: tuple[Rule, ...] = (*ORDER, *INHERENT)
    if file is not None:
        config = _load(file)
        listed = (*ORDER, *config.own_rules.rules, *declared_rules(config.headers), *INHERENT)
    if as_json:
        rows = [
            {"name": rule.name, "default": rule.default, "rfc": rule.rfc, "summary": rule.summary} for rule in listed
        ]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    console = Console()
    if not console.is_terminal:
        width = max(len(rule.name) for rule in listed)
        for rule in listed:
            click.echo(f"{rule.name:{width}}  {rule.default:6}  {rule.rfc}  {rule.summary}")
    else:
        table = Table("rule", "default", "RFC", "what it does", row_styles=["", "dim"])
        for rule in listed:
            table.add_row(Text(rule.name, "bold"), rule.default, rule.rfc, rule.summary)
        console.print(table)
    for point in installed():
        owner = f"{point.dist.name} {point.dist.version}" if point.dist else "?"
        click.echo(f"installed: {point.name} ({point.value}, of {owner}); used where `plugins` names it", err=True)


@cli.command("new-rule")
@click.argument("name")
@click.option("--to", "folder", metavar="FOLDER", help="Where to write it; default: a new folder of the rule's name.")
def new_rule(name: str, folder: str | None) -> None:
    """Write the four files of a repair rule of your own: rule, tests, what installs it, how to use it."""
    found = name_clash(name)
    try:
        if found:
            raise NewRuleError(f"{name}: {found}")
        paths = write_rule(name, Path(folder or name))
    except NewRuleError as error:
        click.echo(str(error), err=True)
        raise SystemExit(REFUSED) from error
    for path in paths:
        click.echo(path)


# -- explain


def source_word(ctx: click.Context, parameter: click.Parameter, value: str | None) -> dry_run.Source | None:
    """`udp:192.0.2.7:4711` on the command line."""
    try:
        return None if value is None else dry_run.parse_source(value)
    except ValueError as wrong:
        raise click.BadParameter(str(wrong)) from wrong


@cli.command()
@click.argument("messages", nargs=-1, required=True, metavar="MESSAGE...")
@click.option("-c", "--config", "file", metavar="FILE", help="Use the settings of this file.")
@click.option(
    "--from",
    "source",
    callback=source_word,
    metavar="udp:ADDRESS:PORT",
    help="Where the messages came from; default: what the capture, or else the message itself, says.",
)
@click.option("--rule", "rules", multiple=True, metavar="NAME", help="Only this rule; may be given several times.")
@click.option("--profile", metavar="NAME", help="Repair as this profile of the configuration file says.")
@click.option("--way/--no-way", default=None, help="Show the way to the server and back; default: for single messages.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per message.")
def explain(
    messages: tuple[str, ...],
    file: str | None,
    source: dry_run.Source | None,
    rules: tuple[str, ...],
    profile: str | None,
    way: bool | None,
    as_json: bool,
) -> None:
    """Show what would be repaired in MESSAGE, and why. Nothing is sent.

    MESSAGE is a file with one message, a capture (pcap, pcapng), a log of Asterisk, or a dump of Kamailio, sngrep or
    ngrep; - for standard input.

    Exit code: 0 nothing to repair, 1 something repaired, 2 not a SIP message.
    """
    config = None if file is None else _load(file)
    raise SystemExit(explain_files(messages, dry_setting(config, profile, rules), source, way, as_json))


# -- doctor


@cli.command()
@click.argument("capture", metavar="CAPTURE")
@click.option("-c", "--config", "file", metavar="FILE", help="Use the settings of this file.")
@click.option("--domain", default="", metavar="NAME", help="The domain of the server; default: a guess.")
@click.option(
    "--server", "servers", multiple=True, metavar="ADDRESS[:PORT]", help="Which end is the server; default: a guess."
)
@click.option("--html", "page", metavar="FILE", help="Write the report to this file, as a page of HTML.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(
    capture: str, file: str | None, domain: str, servers: tuple[str, ...], page: str | None, as_json: bool
) -> None:
    """Tell what is wrong with the SIP in CAPTURE, by client, and what mends it.

    CAPTURE is a pcap or pcapng file, a log of Asterisk, or a dump of Kamailio, sngrep or ngrep; - for standard input.

    Exit code: 0 nothing found, 1 something found, 2 no SIP could be read.
    """
    setting = dry_setting(None if file is None else _load(file), None, ())
    raise SystemExit(examine_file(capture, setting, domain, servers, page, as_json))


# -- demo


def listen_word(ctx: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, int] | None:
    """`192.0.2.10:5060` on the command line."""
    try:
        source = None if value is None else dry_run.parse_source(f"udp:{value}")
    except ValueError as wrong:
        raise click.BadParameter(str(wrong)) from wrong
    return None if source is None else (source.host, source.port)


@cli.command()
@click.option(
    "--listen",
    callback=listen_word,
    metavar="HOST:PORT",
    help="Where phones reach the demo; default: 127.0.0.1:5060, or another port if that is taken.",
)
@click.option("--once", is_flag=True, help="End after the three calls; exit code 1 if one of them failed.")
@click.pass_obj
def demo(reactor: Any, listen: tuple[str, int] | None, once: bool) -> None:
    """Show three broken clients calling through sipmend, with a SIP server of its own. Needs nothing else."""
    raise SystemExit(run_demo(reactor, Console(highlight=False), listen, once))
