"""A proxy for each test, which must end in order and without a traceback."""

from __future__ import annotations

import contextlib
import signal

import pytest
from running_proxy import RunningProxy

from tests.support.wire_end import TcpServer, WireEnd


@pytest.fixture
def scene(tmp_path):
    """Makes proxies, and closes what else is handed to it."""
    with contextlib.ExitStack() as stack:
        yield Scene(tmp_path, stack)


class Scene:
    def __init__(self, folder, stack):
        self._folder = folder
        self._stack = stack

    def keep(self, end):
        """Close it at the end of the test."""
        self._stack.callback(end.close)
        return end

    def udp(self, host="127.0.0.1"):
        return self.keep(WireEnd.udp(host))

    def tcp(self, host, port):
        return self.keep(WireEnd.tcp(host, port))

    def tcp_server(self):
        return self.keep(TcpServer())

    def proxy(self, server, **options):
        proxy = RunningProxy(self._folder, server, **options)
        self._stack.callback(self._end, proxy)
        return proxy

    def _end(self, proxy):
        code = proxy.stop()
        # That of a rule which a test made to fail is no fault of the proxy.
        own = [line for line in proxy.errors.splitlines() if "was skipped for this message: Traceback" not in line]
        assert "Traceback" not in "\n".join(own), proxy.errors
        assert code in (0, -signal.SIGTERM)
