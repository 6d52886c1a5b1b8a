"""Each figure of the core appears in the scrape and moves when its count moves."""

from __future__ import annotations

import math
import shutil
import subprocess

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from proxy.counts import Counts
from proxy.flow import CLIENT, SERVER, TLS, UDP, Listener
from proxy.metrics import KINDS, Collector, install

LISTENERS = [
    Listener(0, CLIENT, UDP, "0.0.0.0", 5060, "203.0.113.10", 5060),
    Listener(1, SERVER, UDP, "10.0.0.2", 5070, "10.0.0.2", 5070),
    Listener(2, CLIENT, UDP, "::", 5060, "2001:db8::1", 5060),
    Listener(3, CLIENT, TLS, "0.0.0.0", 5061, "203.0.113.10", 5061),
]


class FakeGauges:
    """What the proxy holds, as plain attributes to change."""

    def __init__(self):
        self.held = {
            "transactions": {"invite_client": 0},
            "timers": 0,
            "bindings": {"registered": 0},
            "guests": 0,
            "flows": {"udp": 0},
            "targets": [],
            "config_generation": 1,
        }

    def __getattr__(self, name):
        return lambda: self.held[name]


class FakeStore:
    """A store, as far as figures go."""

    def __init__(self):
        self.results = {"written": 0, "failed": 0}
        self.queue = [0]

    def waiting(self):
        return self.queue[0]


class Scene:
    """One core's counts with a registry that reads them."""

    def __init__(self):
        self.counts = Counts(len(LISTENERS))
        self.gauges = FakeGauges()
        self.dns = {"ok": 0, "timeout": 0}
        self.store = FakeStore()
        self.registry = CollectorRegistry()
        install(self.registry, Collector(self.counts, LISTENERS, self.gauges, self.dns, self.store, "1.2.3"))

    def value(self, name, **labels):
        return self.registry.get_sample_value("sipmend_" + name, labels)


@pytest.fixture
def scene():
    return Scene()


def bump(table, *key, by=1):
    return lambda: table.__setitem__(key[0] if len(key) == 1 else key, by)


COUNTED = [
    (
        "messages_total",
        {"side": "client", "direction": "in", "transport": "udp", "type": "INVITE"},
        lambda s: bump(s.counts.received[0], b"INVITE"),
    ),
    (
        "messages_total",
        {"side": "server", "direction": "out", "transport": "udp", "type": "2xx"},
        lambda s: bump(s.counts.sent[1], b"2xx"),
    ),
    (
        "messages_total",
        {"side": "client", "direction": "in", "transport": "tls", "type": "other"},
        lambda s: bump(s.counts.received[3], b"other"),
    ),
    (
        "repairs_total",
        {"rule": "contact-missing-request", "header": "Contact", "mode": "repair"},
        lambda s: bump(s.counts.repairs, "contact-missing-request", "Contact", "repair"),
    ),
    (
        "responses_total",
        {"side": "client", "status": "486"},
        lambda s: bump(s.counts.responses, CLIENT, 486),
    ),
    ("retransmissions_total", {"direction": "in"}, lambda s: bump(s.counts.retransmissions, 0)),
    ("retransmissions_total", {"direction": "out"}, lambda s: bump(s.counts.retransmissions, 1)),
    ("dropped_total", {"reason": "not_server"}, lambda s: bump(s.counts.dropped, "not_server")),
    ("plugin_errors_total", {"rule": "via-broken"}, lambda s: bump(s.counts.plugin_errors, "via-broken")),
    ("found_without_token_total", {"by": "aor"}, lambda s: bump(s.counts.restored_by, "aor")),
    (
        "keepalives_total",
        {"direction": "in", "kind": "stun"},
        lambda s: bump(s.counts.keep_alives, "in", "stun"),
    ),
    ("keepalives_unanswered_total", {}, lambda s: lambda: setattr(s.counts, "keep_alives_unanswered", 1)),
    ("misdirected_total", {}, lambda s: lambda: setattr(s.counts, "misdirected", 1)),
    ("server_failovers_total", {}, lambda s: lambda: setattr(s.counts, "failovers", 1)),
    ("dns_queries_total", {"result": "timeout"}, lambda s: bump(s.dns, "timeout")),
    (
        "transaction_duration_seconds_count",
        {"method": "INVITE"},
        lambda s: lambda: s.counts.durations[b"INVITE"].observe(0.3),
    ),
    ("transactions", {"kind": "invite_server"}, lambda s: bump(s.gauges.held["transactions"], "invite_server")),
    ("timers", {}, lambda s: bump(s.gauges.held, "timers")),
    ("bindings", {"state": "registered"}, lambda s: bump(s.gauges.held["bindings"], "registered")),
    ("store_writes_total", {"result": "failed"}, lambda s: bump(s.store.results, "failed")),
    ("store_waiting", {}, lambda s: bump(s.store.queue, 0)),
    ("guests", {}, lambda s: bump(s.gauges.held, "guests")),
    ("flows", {"transport": "wss"}, lambda s: bump(s.gauges.held["flows"], "wss")),
    (
        "server_up",
        {"target": "sip:10.0.0.5:5060"},
        lambda s: bump(s.gauges.held, "targets", by=[("sip:10.0.0.5:5060", True, 0.02)]),
    ),
]


@pytest.mark.parametrize(
    ("name", "labels", "change"), COUNTED, ids=[f"{name}-{'-'.join(labels.values())}" for name, labels, _ in COUNTED]
)
def test_each_metric_moves_with_its_count(scene, name, labels, change):
    assert scene.value(name, **labels) in (None, 0.0)
    change(scene)()
    assert scene.value(name, **labels) == 1.0


def test_configuration_generation_counts_reloads(scene):
    assert scene.value("config_generation") == 1
    scene.gauges.held["config_generation"] = 2
    assert scene.value("config_generation") == 2


def test_round_trip_is_shown_per_target_and_nan_before_the_first(scene):
    scene.gauges.held["targets"] = [("sip:a", True, 0.025), ("sip:b", False, math.nan)]
    assert scene.value("server_rtt_seconds", target="sip:a") == 0.025
    assert math.isnan(scene.value("server_rtt_seconds", target="sip:b"))
    assert scene.value("server_up", target="sip:b") == 0


def test_build_info_carries_the_version(scene):
    assert scene.value("build_info", version="1.2.3") == 1


def test_listeners_of_equal_side_and_transport_are_added_up(scene):
    """Two UDP sockets for clients, IPv4 and IPv6, are one series: twice the same series would be invalid."""
    scene.counts.received[0][b"INVITE"] = 2
    scene.counts.received[2][b"INVITE"] = 3
    labels = {"side": "client", "direction": "in", "transport": "udp", "type": "INVITE"}
    assert scene.value("messages_total", **labels) == 5
    assert generate_latest(scene.registry).count(b"sipmend_messages_total{") == 1


def test_duration_buckets_are_cumulative_and_end_with_all(scene):
    for seconds in (0.004, 0.3, 0.3, 500.0):
        scene.counts.durations[b"INVITE"].observe(seconds)

    def bucket(le):
        return scene.value("transaction_duration_seconds_bucket", method="INVITE", le=le)

    assert [bucket(le) for le in ("0.005", "0.25", "0.5", "180.0", "+Inf")] == [1, 1, 3, 3, 4]
    assert scene.value("transaction_duration_seconds_count", method="INVITE") == 4
    assert scene.value("transaction_duration_seconds_sum", method="INVITE") == pytest.approx(500.604)


def test_all_transaction_kinds_are_there_before_the_first_call(scene):
    """A graph of rates needs the series before they move."""
    assert [scene.value("transactions", kind=kind) for kind in KINDS] == [0, 0, 0, 0]


def test_process_and_interpreter_are_measured_too(scene):
    text = generate_latest(scene.registry).decode()
    assert "process_resident_memory_bytes " in text
    assert "python_gc_objects_collected_total{" in text
    assert "python_info{" in text


def test_promtool_accepts_the_output(scene):
    """promtool knows the naming rules of Prometheus and the text format better than we do."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is missing (Debian: apt install prometheus): naming rules NOT checked")
    for _, _, change in COUNTED:
        change(scene)()
    scene.counts.dropped['quote " and backslash \\'] = 1
    done = subprocess.run(
        [promtool, "check", "metrics"], input=generate_latest(scene.registry), capture_output=True, timeout=30
    )
    assert b"sipmend_" not in done.stdout + done.stderr, (done.stdout + done.stderr).decode()
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
