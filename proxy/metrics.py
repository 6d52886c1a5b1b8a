"""The figures of this process in Prometheus form: read when a scrape comes, never while messages pass.

The core counts in plain integers; `Collector` turns them into metric families on an injected registry.
Nothing here decides anything or keeps a figure of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from proxy.counts import DURATION_BOUNDS, Counts
from proxy.flow import SIDES, TRANSPORTS, Listener

PREFIX: Final = "sipmend_"
KINDS: Final = ("invite_client", "invite_server", "non_invite_client", "non_invite_server")
DIRECTIONS: Final = ("in", "out")

_BOUNDS: Final = tuple(str(bound) for bound in DURATION_BOUNDS)


class Gauges(Protocol):
    """What the proxy holds at this moment. Asked once per scrape, on the reactor's thread."""

    def transactions(self) -> dict[str, int]:
        """Live transactions by kind (one of `KINDS`)."""

    def timers(self) -> int:
        """Entries in the timer wheel."""

    def bindings(self) -> dict[str, int]:
        """Bindings by state (`proxy.binding.STATES`)."""

    def guests(self) -> int:
        """Clients that talk through us without being registered."""

    def flows(self) -> dict[str, int]:
        """Open flows by the name of their transport."""

    def targets(self) -> list[tuple[str, bool, float]]:
        """Each target's URI, whether it is up, and its last round trip in seconds (NaN before the first)."""

    def config_generation(self) -> int:
        """1 after the start, one more after each reload that was accepted."""


class Writes(Protocol):
    """The store, as far as figures go."""

    results: dict[str, int]

    def waiting(self) -> int:
        """How many bindings wait to be written."""


class Collector:
    """Reads the counts, the gauges and the resolver's results at each scrape.

    `listeners` gives side and transport to the lists in `counts`; listeners that share both are added up.
    `dns_results` is `Resolver.results`.
    """

    def __init__(
        self,
        counts: Counts,
        listeners: Sequence[Listener],
        gauges: Gauges,
        dns_results: Mapping[str, int],
        store: Writes,
        version: str,
    ) -> None:
        self._counts = counts
        self._listeners = listeners
        self._gauges = gauges
        self._dns_results = dns_results
        self._store = store
        self._version = version

    def collect(self) -> Iterator[Metric]:
        """All families, each with at least its name, so that a dashboard finds them from the first scrape."""
        yield from self._messages()
        yield from self._outcomes()
        yield self._durations()
        yield from self._state()
        yield from self._targets()
        yield _gauge("build_info", "The running version; always 1", ("version",), [((self._version,), 1)])

    def _messages(self) -> Iterator[Metric]:
        totals: defaultdict[tuple[str, ...], int] = defaultdict(int)
        for listener in self._listeners:
            side, transport = SIDES[listener.side], TRANSPORTS[listener.transport]
            for direction, tables in zip(DIRECTIONS, (self._counts.received, self._counts.sent), strict=True):
                for kind, number in tables[listener.index].items():
                    totals[side, direction, transport, kind.decode("ascii")] += number
        labels = ("side", "direction", "transport", "type")
        text = "SIP messages by side, direction and transport; type is the method or the status class"
        yield _counter("messages", text, labels, totals.items())
        yield _counter(
            "responses",
            "Responses sent, by side and status code",
            ("side", "status"),
            [((SIDES[side], str(status)), n) for (side, status), n in self._counts.responses.items()],
        )
        yield _counter(
            "retransmissions",
            "Messages received again or sent again",
            ("direction",),
            [((name,), n) for name, n in zip(DIRECTIONS, self._counts.retransmissions, strict=True)],
        )

    def _outcomes(self) -> Iterator[Metric]:
        counts = self._counts
        yield _counter(
            "repairs",
            "Findings of the repair rules; mode tells repaired from only reported",
            ("rule", "header", "mode"),
            counts.repairs.items(),
        )
        yield _counter("dropped", "Messages dropped, or refused by ourselves", ("reason",), _named(counts.dropped))
        yield _counter(
            "keepalives",
            "What keeps NATs open and is no SIP message, by direction and kind; STUN requests are answered",
            ("direction", "kind"),
            counts.keep_alives.items(),
        )
        yield _counter(
            "keepalives_unanswered",
            "OPTIONS to clients, sent as keep-alives, that got no answer",
            (),
            [((), counts.keep_alives_unanswered)],
        )
        yield _counter("plugin_errors", "Failures of a repair rule", ("rule",), _named(counts.plugin_errors))
        yield _counter(
            "found_without_token",
            "Requests of the server that carried no token of ours, by how their client was found",
            ("by",),
            _named(counts.restored_by),
        )
        yield _counter(
            "misdirected",
            "In-dialog requests whose next hop was no target of ours and that went to the dialog's target",
            (),
            [((), counts.misdirected)],
        )
        yield _counter("server_failovers", "Requests tried at a further target", (), [((), counts.failovers)])
        yield _counter(
            "dns_queries",
            "DNS questions by result; hosts and cached were answered here",
            ("result",),
            _named(self._dns_results),
        )

        yield _counter(
            "store_writes",
            "Bindings given to the store by result; late counts answers that went before their binding was written",
            ("result",),
            _named(self._store.results),
        )

    def _durations(self) -> Metric:
        family = HistogramMetricFamily(
            PREFIX + "transaction_duration_seconds",
            "From the arrival of a request to its final response",
            labels=("method",),
        )
        for method, histogram in self._counts.durations.items():
            cumulated = list(accumulate(histogram.buckets))
            buckets = [*zip(_BOUNDS, map(float, cumulated), strict=False), ("+Inf", float(cumulated[-1]))]
            family.add_metric((method.decode("ascii"),), buckets, histogram.total)
        return family

    def _state(self) -> Iterator[Metric]:
        gauges = self._gauges
        transactions = {**dict.fromkeys(KINDS, 0), **gauges.transactions()}
        yield _gauge("transactions", "Live transactions", ("kind",), _named(transactions))
        yield _gauge("timers", "Entries in the timer wheel", (), [((), gauges.timers())])
        yield _gauge("bindings", "Bindings of clients", ("state",), _named(gauges.bindings()))
        yield _gauge("store_waiting", "Bindings that wait to be written", (), [((), self._store.waiting())])
        yield _gauge("guests", "Clients served without a registration", (), [((), gauges.guests())])
        yield _gauge("flows", "Open flows", ("transport",), _named(gauges.flows()))
        text = "Counts the configurations accepted since the start"
        yield _gauge("config_generation", text, (), [((), gauges.config_generation())])

    def _targets(self) -> Iterator[Metric]:
        targets = self._gauges.targets()
        text = "1 while the target answers"
        yield _gauge("server_up", text, ("target",), [((t,), up) for t, up, _ in targets])
        text = "Last round trip to the target; NaN until one was measured"
        yield _gauge("server_rtt_seconds", text, ("target",), [((t,), rtt) for t, _, rtt in targets])


def install(registry: CollectorRegistry, collector: Collector) -> None:
    """Put our collector on the registry, and those for process, garbage collector and interpreter."""
    registry.register(collector)
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    PlatformCollector(registry=registry)


_Samples = Iterable[tuple[tuple[str, ...], float]]


def _named(table: Mapping[str, int]) -> _Samples:
    return [((name,), number) for name, number in table.items()]


def _counter(name: str, text: str, labels: Sequence[str], samples: _Samples) -> Metric:
    # The exposition adds the `_total` of a counter itself.
    family = CounterMetricFamily(PREFIX + name, text, labels=labels)
    for values, number in samples:
        family.add_metric(values, number)
    return family


def _gauge(name: str, text: str, labels: Sequence[str], samples: _Samples) -> Metric:
    family = GaugeMetricFamily(PREFIX + name, text, labels=labels)
    for values, number in samples:
        family.add_metric(values, number)
    return family
