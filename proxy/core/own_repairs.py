"""Counts and records what the core mends by itself (`repair.inherent`), as the pipeline does for its rules.

Nothing in here is met by a message that has no defect.
"""

from __future__ import annotations

from collections.abc import Mapping

from proxy.counts import Counts
from proxy.effects import Effect, Record
from proxy.flow import Flow
from proxy.repair.inherent import Inherent
from proxy.repair.rule import REPAIR, REPORT
from proxy.sip.errors import HeaderError
from proxy.sip.message import Message, Request, Response


class OwnRepairs:
    """The modes of the core's repairs, and their records."""

    __slots__ = ("_by_profile", "_counts", "_modes")

    def __init__(
        self, modes: Mapping[str, str], counts: Counts, by_profile: Mapping[str, Mapping[str, str]] | None = None
    ) -> None:
        """A repair that `modes` does not name has its default; `by_profile` are those of clients with a profile."""
        self._modes = modes
        self._by_profile = dict(by_profile or {})
        self._counts = counts

    def mode(self, repair: Inherent, client: Flow) -> str:
        """What the administrator chose for it, where messages of that client or for it are concerned."""
        return self._by_profile.get(client.profile.name, self._modes).get(repair.name, repair.default)

    def record(
        self,
        repair: Inherent,
        message: Message,
        flow: Flow,
        direction: str,
        before: bytes | None,
        after: bytes | None,
        reason: str,
        out: list[Effect],
        reported: bool = False,
        header: str = "",
    ) -> None:
        """One defect of this message, which came on that flow or leaves by it; mended unless `reported`.

        `header` names the one concerned where the repair has several.
        """
        header = header or repair.header
        mode = REPORT if reported else REPAIR
        self._counts.repairs[(repair.name, header, mode)] += 1
        try:
            call_id = message.call_id
        except HeaderError:
            call_id = b""
        out.append(
            Record(
                repair.name, mode, header, before, None if reported else after, reason, repair.rfc,
                method_of(message), call_id, flow, direction,
            )
        )  # fmt: skip


def method_of(message: Message) -> bytes:
    """The method of a request, or the one that a response answers; empty where it cannot be read."""
    if isinstance(message, Request):
        return message.method
    if not isinstance(message, Response):
        return b""
    try:
        return message.cseq[1]
    except HeaderError:
        return b""
