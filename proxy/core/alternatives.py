"""What a response context asks when a branch of its request comes to nothing (RFC 3261 section 16.7)."""

from __future__ import annotations

from typing import Protocol

from proxy.effects import Effect
from proxy.sip.message import Response
from proxy.transaction.layer import ClientTransaction


class Alternatives(Protocol):
    """Where else a request of a client may go (`core.attempts`)."""

    def heard(self, branch: ClientTransaction) -> None:
        """A branch got a provisional response."""

    def after_error(self, branch: ClientTransaction, out: list[Effect]) -> bool:
        """A branch could not be sent; true if another was opened."""

    def after_timeout(self, branch: ClientTransaction, out: list[Effect]) -> bool:
        """A branch got no answer; true if another was opened."""

    def after_503(self, response: Response, out: list[Effect]) -> bool:
        """A target has no room; true if another was tried."""

    def stop(self) -> None:
        """The request is answered."""
