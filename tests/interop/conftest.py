"""Fixtures that start the real peers and the proxy, and end what they started."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from browser_peer import Browser
from clients import MakeClient, new_client
from kamailio_peer import Kamailio
from peer_process import fresh_address
from sip_client import Address, SipClient
from sipmend_peer import Sipmend


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here talks to real sockets and real programs."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.interop)


@pytest.fixture
def kamailio(tmp_path: Path) -> Iterator[Kamailio]:
    """A PBX of its own for the test."""
    peer = Kamailio(fresh_address(), tmp_path / "kamailio")
    yield peer
    peer.stop()


@pytest.fixture
def edge(kamailio: Kamailio, tmp_path: Path) -> Iterator[Sipmend]:
    """The proxy before the PBX; whatever the test did, it must still run and have written no traceback."""
    proxy = Sipmend(f"sip:{kamailio.host}:5060", tmp_path / "sipmend")
    yield proxy
    try:
        proxy.assert_sound()
    finally:
        proxy.stop()


@pytest.fixture
def make_client() -> Iterator[MakeClient]:
    """`new_client` whose clients are closed when the test ends."""
    with ExitStack() as clients:

        def make(user: str, server: Address, broken: bool = False, transport: str = "udp") -> SipClient:
            return clients.enter_context(new_client(user, server, broken, transport))

        yield make


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One Chromium for all tests of a module; every page has a context of its own."""
    with Browser(tmp_path_factory.mktemp("browser")) as chromium:
        yield chromium
