"""Fixtures of the demo's tests."""

from __future__ import annotations

import demo_reactor
import pytest


@pytest.fixture
def reactor():
    reactor = demo_reactor.make()
    yield reactor
    demo_reactor.close(reactor)
