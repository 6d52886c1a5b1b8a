"""The alert rules: right in themselves (promtool), and about metrics that the proxy has."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from proxy import metrics
from proxy.counts import Counts
from proxy.flow import CLIENT, UDP, Listener
from proxy.store.memory import MemoryStore

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "prometheus"
ALERTS = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"][0]["rules"]
PROMTOOL = shutil.which("promtool")

needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not installed (Debian package prometheus): alerts are not checked by it"
)

METRIC = re.compile(r"\bsipmend_\w+")


class NothingYet:
    """A proxy that has just started."""

    def transactions(self):
        return {}

    def timers(self):
        return 0

    def bindings(self):
        return {}

    def guests(self):
        return 0

    def flows(self):
        return {}

    def targets(self):
        return []

    def config_generation(self):
        return 1


def exposed_names() -> set[str]:
    listener = Listener(0, CLIENT, UDP, "127.0.0.1", 5060, "127.0.0.1", 5060)
    collector = metrics.Collector(Counts(1), [listener], NothingYet(), {}, MemoryStore(), "0")
    names = set()
    for family in collector.collect():
        endings = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        names |= {family.name + ending for ending in endings}
    return names


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROMTOOL, *arguments], cwd=FOLDER, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_alert_uses_only_metrics_that_exist(alert):
    """An alert about a name nobody exposes would stay silent for ever."""
    assert set(METRIC.findall(alert["expr"])) <= exposed_names()


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_alert_says_how_bad_it_is_and_what_happened(alert):
    assert alert["labels"]["severity"] in {"page", "ticket", "note"}
    assert alert["annotations"]["summary"]


def test_every_alert_is_exercised():
    """Each alert fires in alerts_test.yml at least once."""
    tests = (FOLDER / "alerts_test.yml").read_text()
    assert [alert["alert"] for alert in ALERTS if alert["alert"] not in tests] == []


def test_operations_page_lists_every_metric_and_no_other():
    """docs/operations.md is what an operator builds dashboards from."""
    page = (FOLDER.parents[1] / "docs" / "operations.md").read_text()
    table = page.partition("## Metrics")[2].partition("## Log")[0]
    listed = {"sipmend_" + name for name in re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)}
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in exposed_names()}
    assert listed == families


@needs_promtool
@pytest.mark.parametrize(
    "arguments",
    [("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml"), ("check", "config", "scrape.yml")],
    ids=" ".join,
)
def test_promtool_agrees(arguments):
    result = run(*arguments)
    assert result.returncode == 0, result.stdout + result.stderr
