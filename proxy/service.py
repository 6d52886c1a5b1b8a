"""The composition root: configuration and reactor to a running proxy, and its orderly end. No protocol logic."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from time import monotonic, time
from typing import Any

from prometheus_client import CollectorRegistry
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.task import deferLater

from proxy.admin import make_site
from proxy.assembly import make_listeners, make_settings
from proxy.certificate import CertificateError
from proxy.config.address import targets_of, uses_tls
from proxy.config.keyfile import KeyFileError, load_or_create_key
from proxy.config.model import Config
from proxy.core.proxy_core import ProxyCore
from proxy.counts import Counts
from proxy.driver import Driver
from proxy.effects import Note
from proxy.events import BindingsLoaded, TargetsResolved
from proxy.flow import TLS, Listener
from proxy.gauges import CoreGauges
from proxy.inspector import Inspector
from proxy.logs import OperatorLog, start_logging
from proxy.memory import settle_memory
from proxy.metrics import Collector, install
from proxy.open_files import make_room
from proxy.randomness import RandomPool
from proxy.resolver import Resolver
from proxy.ruling import make_pipelines, make_profiles
from proxy.sockets import Sockets
from proxy.store.choice import make_store
from proxy.store.contract import Store, StoreError
from proxy.store.memory import MemoryStore
from proxy.store.row import Row, bindings_of
from proxy.transport.asking import NoAnswerError
from proxy.whereabouts import SUPPORTED, Address, NotFoundError, Whereabouts, families_of

# How long a stop waits for calls that are being set up, and how often it looks (seconds).
DRAIN_LIMIT = 10.0
DRAIN_STEP = 0.1


# What `reload` cannot change.
FIXED = (
    "server", "public_address", "listen", "stun", "limits", "timers", "store", "admin",
    "networks", "token_key",
)  # fmt: skip


class StartError(Exception):
    """The proxy cannot start; the text is one line for the administrator."""


class Service:
    """One proxy. `echo` takes the lines that `sipmend run` prints."""

    def __init__(
        self,
        config: Config,
        reactor: Any,
        echo: Callable[[str], None],
        operator_log: OperatorLog | None = None,
        settle: Callable[[], None] = settle_memory,
    ) -> None:
        """Without `operator_log`, `start` begins logging as the configuration says: once per process.

        `settle` is called when everything is made; tests that make many services leave the collector alone.
        """
        self._config = config
        self._reactor = reactor
        self._log = operator_log
        self._echo = echo
        self._settle = settle
        self._resolver = Resolver(reactor)
        self._store: Store = MemoryStore()
        self._sockets: Sockets | None = None
        self._where: Whereabouts | None = None
        self._driver: Driver | None = None
        self._core: ProxyCore | None = None
        self._gauges: CoreGauges | None = None
        self._site: Any = None
        self._admin: Any = None
        self._draining = False
        self.inspector = Inspector()

    # -- start

    def start(self) -> Deferred[None]:
        """Bind every socket, print a line per listener and `ready`. Fails with StartError."""
        return Deferred.fromCoroutine(self._start())

    async def _start(self) -> None:
        log = self._log = self._log or _begin_log(self._config, self._reactor)
        try:
            keys = load_or_create_key(self._config.token_key)
        except KeyFileError as error:
            raise StartError(str(error)) from error
        self._store = make_store(self._config.store, self._reactor, log.write_note)
        self._resolver.start()
        names = [target.uri for target in targets_of(self._config.server)]
        supported = SUPPORTED | {TLS} if uses_tls(self._config.server) else SUPPORTED
        families = families_of(self._config.server.bind.host)
        where = Whereabouts(self._resolver, self._reactor, names, families, self._moved, log.write_note, supported)
        self._where = where
        try:
            try:
                addresses = await where.find()
                rows = await self._store.load()
            except NotFoundError as error:
                raise StartError(f"server: {error}") from error
            except StoreError as error:
                raise StartError(f"store: {error}") from error
            if self._draining:
                return  # told to stop while DNS and the disk were asked: no socket is open yet
            try:
                listeners = make_listeners(self._config, addresses)
            except OSError as error:
                host, port = addresses[0][1:]
                raise StartError(f"no way to the server at {host}:{port}: {error.strerror or error}") from error
            driver, sockets = self._build(listeners, addresses, keys, log, rows)
            self._bind(listeners, sockets)
            if not await sockets.find_addresses():
                return  # told to stop meanwhile
        except NoAnswerError as error:
            self._close()
            raise StartError(f"public_address: {error}") from error
        except CertificateError as error:
            self._close()
            raise StartError(f"tls: {error}") from error
        except StartError:
            self._close()
            raise
        self._tell(listeners)
        driver.deliver(TargetsResolved(addresses, monotonic()))
        self._settle()
        self._echo("ready")

    def _moved(self, addresses: tuple[Address, ...]) -> None:
        """The server has other addresses now."""
        if self._driver is not None:
            self._driver.deliver(TargetsResolved(addresses, monotonic()))

    def _build(
        self,
        listeners: tuple[Listener, ...],
        addresses: Sequence[Address],
        keys: tuple[bytes, ...],
        log: OperatorLog,
        rows: Sequence[Row],
    ) -> tuple[Driver, Sockets]:
        config = self._config
        counts = Counts(len(listeners))
        settings = make_settings(config, listeners, addresses)
        pipelines = make_pipelines(config, counts, settings.local_networks)
        profiles = make_profiles(config, counts, settings.local_networks)
        core = self._core = ProxyCore(settings, *pipelines, counts, keys, RandomPool(), profiles)
        driver = self._driver = Driver(core, counts, self._reactor, monotonic, self._store, log, self.inspector)
        deliver, note = driver.deliver, log.write_note
        sockets = Sockets(
            config, listeners, self._reactor, core, deliver, note, self._names_of_server, self._resolver,
            make_room(config.limits.flows, note),
        )  # fmt: skip
        self._sockets = sockets
        driver.attach(sockets.transports)
        flows = core.node.flows
        driver.deliver(BindingsLoaded(bindings_of(rows, listeners, flows, monotonic(), time()), monotonic()))
        self._gauges = CoreGauges(core)
        registry = CollectorRegistry()
        install(
            registry,
            Collector(counts, listeners, self._gauges, self._resolver.results, self._store, version("sipmend")),
        )
        self._site = make_site(registry, self.readiness, self._reactor, counts.dropped)
        return driver, sockets

    def _names_of_server(self, host: str) -> tuple[str, ...]:
        """The domains that the server at that address may have: the names it was found by, and our own (RFC 5922)."""
        found = self._where.names.get(host, ()) if self._where is not None else ()
        return tuple(dict.fromkeys((*found, self._config.server.domain, host)))

    def _bind(self, listeners: tuple[Listener, ...], sockets: Sockets) -> None:
        for transport, listener in zip(sockets.transports, listeners, strict=True):
            try:
                transport.listen()
            except CannotListenError as error:
                raise StartError(f"{listener} cannot be bound: {_reason(error)}") from error
        sockets.watch()
        admin = self._config.admin.listen
        if admin is not None:
            try:
                self._admin = self._reactor.listenTCP(admin.port, self._site, interface=admin.host)
            except CannotListenError as error:
                raise StartError(f"admin {admin} cannot be bound: {_reason(error)}") from error

    def _tell(self, listeners: tuple[Listener, ...]) -> None:
        for listener in listeners:
            side = "clients" if listener.side == 0 else "server"
            name = f"{listener.public_host.decode()}:{listener.public_port}"
            self._echo(f"listening on {listener} for {side}, known as {name}")
        if self._config.admin.listen is not None:
            self._echo(f"listening on http://{self._config.admin.listen} for metrics and health")

    # -- while it runs

    def readiness(self) -> str | None:
        """None if calls can be taken, else the reason why not."""
        if self._draining:
            return "shutting down"
        core = self._core
        if core is None:
            return "starting"
        if not any(target.up for target in core.node.targets.all):
            return "no server answers"
        return None

    def reload(self, config: Config) -> None:
        """Take over what can change while calls run: repair modes and settings, certificates, the log level.

        Raises CatalogError for unknown rules. What needs other sockets is named in the log and waits for a restart.
        """
        core, log, sockets = self._core, self._log, self._sockets
        if core is None or self._gauges is None or log is None or sockets is None:
            return
        try:
            sockets.use_certificates(config)
        except CertificateError as error:
            log.write_note(Note("error", "not reloaded: tls: {error}", {"error": str(error)}))
            return
        networks = core.node.settings.local_networks
        profiles = make_profiles(config, core.counts, networks)
        core.node.use_pipelines(*make_pipelines(config, core.counts, networks), profiles)
        log.set_level(config.log.level)
        self._gauges.generation += 1
        # Compared with what runs, and not with the file before: what needed a restart then still does.
        wanted_server = config.server.model_copy(update={"tls": self._config.server.tls})
        fixed = config.model_copy(update={"server": wanted_server})
        waiting = [name for name in FIXED if getattr(fixed, name) != getattr(self._config, name)]
        was, wanted = self._config.log, config.log
        waiting += [f"log.{name}" for name in ("format", "file") if getattr(was, name) != getattr(wanted, name)]
        if waiting:
            text = "reloaded; the changes under {keys} take effect after a restart"
            log.write_note(Note("warn", text, {"keys": ", ".join(waiting)}))
        else:
            log.write_note(Note("info", "reloaded", {}))

    # -- end

    def stop(self) -> Deferred[None]:
        """Take no new calls, wait for those being set up (at most ten seconds), close every socket."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self._draining = True
        core = self._core
        if core is not None:
            core.node.draining = True
            deadline = monotonic() + DRAIN_LIMIT
            while core.node.layer.unanswered() and monotonic() < deadline:
                await deferLater(self._reactor, DRAIN_STEP)
        self._close()
        # Closing connections need a turn of the reactor to say goodbye.
        await deferLater(self._reactor, DRAIN_STEP)

    def _close(self) -> None:
        if self._where is not None:
            self._where.stop()
        if self._driver is not None:
            self._driver.stop()
        if self._sockets is not None:
            self._sockets.stop()
        if self._admin is not None:
            self._admin.stopListening()
            self._admin = None
        self._resolver.stop()
        self._store.stop()


def _begin_log(config: Config, reactor: Any) -> OperatorLog:
    """Log to the file of the configuration, else to standard error (for journald in its own form)."""
    file = config.log.file
    try:
        stream = sys.stderr if file is None else file.open("a", encoding="utf-8")
    except OSError as error:
        raise StartError(f"log.file {file} cannot be written: {error.strerror}") from error
    journal = file is None and "JOURNAL_STREAM" in os.environ
    return start_logging(config.log.level, config.log.format, stream, reactor.callLater, journal=journal)


def _reason(error: CannotListenError) -> str:
    """Why a socket could not be bound, without the code of Python around it."""
    cause = error.socketError
    return getattr(cause, "strerror", None) or str(cause)
