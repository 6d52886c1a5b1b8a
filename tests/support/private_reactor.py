"""A reactor of the test's own, turned by hand: real sockets without the one reactor that a process runs."""

from __future__ import annotations

import time
from collections.abc import Callable

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.selectreactor import SelectReactor

PATIENCE = 10.0  # seconds until a test is given up; nothing is measured with it


class _Turned:
    """Runs only inside `until`."""

    def until(self, condition: Callable[[], object]) -> None:
        """Turn until the condition holds."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, "what the test waits for did not happen"
            self.iterate(0.01)

    def turn(self, times: int = 5) -> None:
        """A few rounds, for what is done in the next one."""
        for _ in range(times):
            self.iterate(0)

    def close(self) -> None:
        """Finish what is closing, and give the sockets of the reactor itself back."""
        self.turn()
        for reader in list(self._internalReaders):
            self.removeReader(reader)
            self._internalReaders.discard(reader)
            reader.connectionLost(None)


class PrivateReactor(_Turned, SelectReactor):
    """The plainest one, which sees a socket with an error as one that can be read."""


class PrivateEPollReactor(_Turned, EPollReactor):
    """The usual one on Linux, which tells errors apart."""

    def close(self) -> None:
        super().close()
        self._poller.close()
