"""The limit of open files: told when it is too low for the connections."""

from __future__ import annotations

import resource

import pytest

from proxy.config.load import load_config
from proxy.config.open_files import RESERVE, shortage

PLAIN = "server: {{domain: example.com, uri: sip:127.0.0.1:5070}}\nlisten: ['{uri}']\nlimits: {{flows: {flows}}}\n"


@pytest.fixture
def limits(monkeypatch):
    """The limits of the process, (soft, hard), as a list that a test may look at."""
    kept = [(1024, 4096)]
    monkeypatch.setattr(resource, "getrlimit", lambda which: kept[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda which, pair: kept.append(pair))
    return kept


def config(tmp_path, uri, flows):
    file = tmp_path / "sipmend.yaml"
    file.write_text(PLAIN.format(uri=uri, flows=flows))
    return load_config(file, {})


def test_limit_that_is_high_enough_is_not_spoken_of(limits, tmp_path):
    assert shortage(config(tmp_path, "ws://127.0.0.1:8080", 4096 - RESERVE)) is None


def test_connections_that_cannot_be_reached_are_told(limits, tmp_path):
    """The text names the remedy, with numbers that can be copied."""
    text = shortage(config(tmp_path, "ws://127.0.0.1:8080", 10_000))
    assert text is not None
    assert "10000 connections cannot be reached with 4096 open files" in text
    assert "to 10256" in text
    assert "limits.flows to 3840" in text


def test_udp_alone_takes_no_files(limits, tmp_path):
    assert shortage(config(tmp_path, "udp://127.0.0.1:5060", 10_000)) is None


def test_no_limit_is_enough(limits, tmp_path):
    limits.append((resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert shortage(config(tmp_path, "tcp://127.0.0.1:5060", 10_000)) is None
