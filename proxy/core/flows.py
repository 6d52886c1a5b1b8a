"""The flows the core knows: UDP flows by remote address (bounded), stream flows by connection number."""

from __future__ import annotations

from proxy.flow import MAX_CONNECTION, UDP, Flow, Listener


class Flows:
    """Makes flows and finds them again. A UDP flow that was dropped for want of room is made anew when needed."""

    __slots__ = ("_limit", "_next", "_udp", "streams")

    def __init__(self, listeners: tuple[Listener, ...], limit: int, first_number: int) -> None:
        """`first_number` is random, so that a name of a connection from before a restart fits none of today's."""
        self._udp: list[dict[tuple[str, int], Flow]] = [{} for _ in listeners]
        self._limit = limit
        self._next = first_number % MAX_CONNECTION
        self.streams: dict[int, Flow] = {}

    def udp(self, listener: Listener, host: str, port: int) -> Flow:
        """The UDP flow between that socket and that remote address."""
        known = self._udp[listener.index]
        flow = known.get((host, port))
        if flow is None:
            if len(known) >= self._limit:
                del known[next(iter(known))]
            flow = known[(host, port)] = Flow(listener, host, port)
        return flow

    def stream(self, listener: Listener, host: str, port: int, outgoing: bool) -> Flow:
        """A flow for a new connection, with a number of its own."""
        number = self._next
        while number in self.streams or number == 0:
            number = number % MAX_CONNECTION + 1
        self._next = number % MAX_CONNECTION + 1
        flow = self.streams[number] = Flow(listener, host, port, number, outgoing)
        return flow

    def close(self, flow: Flow) -> None:
        flow.open = False
        self.streams.pop(flow.number, None)

    def figures(self) -> list[int]:
        """How many flows there are by transport number."""
        figures = [0] * 5
        figures[UDP] = sum(len(known) for known in self._udp)
        for flow in self.streams.values():
            figures[flow.listener.transport] += 1
        return figures
