"""Which profile a client has: the first that fits what it says of itself, its listener, its address and its AoR.

Chosen when a request arrives, and kept with its flow; the same words on the same flow cost one comparison.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Final

from proxy.core.settings import Network
from proxy.flow import PLAIN, Flow, Profile
from proxy.pattern import Pattern
from proxy.repair.pipeline import Pipeline
from proxy.sip.errors import HeaderError
from proxy.sip.message import Message, Request, line_value
from proxy.sip.registry import SERVER

_ENTRIES: Final = 1024
LONGEST_TEXT: Final = 256  # octets of a User-Agent or an AoR that are looked at


class Candidate:
    """A profile and the clients it is for: all that is given must fit, and None is what was not given.

    `listeners` are the indexes of those whose clients it is for; `outright` those of the listeners that name it: there
    nothing else is asked. `pipelines` are those of the core, and for a Via that cannot be read.
    """

    __slots__ = ("agent", "aor", "listeners", "networks", "outright", "pipelines", "profile")

    def __init__(
        self,
        profile: Profile,
        pipelines: tuple[Pipeline, Pipeline],
        agent: Pattern | None = None,
        aor: Pattern | None = None,
        listeners: frozenset[int] | None = None,
        networks: tuple[Network, ...] = (),
        outright: frozenset[int] = frozenset(),
    ) -> None:
        self.profile = profile
        self.pipelines = pipelines
        self.agent = agent
        self.aor = aor
        self.listeners = listeners
        self.networks = networks
        self.outright = outright

    @property
    def matches(self) -> bool:
        """Whether it says for whom it is; else only listeners that name it lead here."""
        return bool(self.agent or self.aor or self.listeners is not None or self.networks)

    def may_fit(self, listener: int, agent: bytes) -> bool:
        """Whether a client of that listener with that User-Agent (or Server) may have it."""
        if listener in self.outright:
            return True
        if not self.matches or (self.listeners is not None and listener not in self.listeners):
            return False
        return self.agent is None or self.agent.found(agent)

    def fits(self, flow: Flow, aor: bytes) -> bool:
        """Whether one that may have it comes from the right network and has the right AoR."""
        if flow.listener.index in self.outright:
            return True
        if self.aor is not None and not self.aor.found(aor[:LONGEST_TEXT]):
            return False
        if not self.networks:
            return True
        address = ip_address(flow.remote_host.partition("%")[0])
        return any(address in network for network in self.networks)


class Profiles:
    """All profiles, in the order in which they are asked."""

    __slots__ = ("_by_aor", "_candidates", "_known", "_named")

    def __init__(self, candidates: Sequence[Candidate] = ()) -> None:
        self._candidates = tuple(candidates)
        # A listener that names a profile has no use for any other.
        self._named = {index: candidate for candidate in candidates for index in candidate.outright}
        self._by_aor = any(candidate.aor is not None for candidate in candidates)
        self._known: dict[tuple[int, bytes], tuple[Candidate, ...]] = {}

    def pipelines(self, which: int) -> Mapping[str, Pipeline]:
        """By name of the profile: those of the core (0), those that mend a Via (1)."""
        return {candidate.profile.name: candidate.pipelines[which] for candidate in self._candidates}

    def meet(self, message: Message, flow: Flow) -> None:
        """Choose the profile of a client by a message that came from it.

        One without a User-Agent, as many an ACK is, changes nothing that was chosen before.
        """
        if not self._candidates:
            return
        index = message.places().agent
        agent = message.lines[index] if index > 0 else b""
        if flow.chooser is self and not self._by_aor and (not agent or agent == flow.agent):
            return
        if index < 0 and not isinstance(message, Request):
            index = message.index(SERVER)
            agent = message.lines[index] if index > 0 else b""
        if not agent and flow.chooser is self:
            agent = flow.agent
        aor = _aor(message) if self._by_aor else b""
        flow.agent = agent[: LONGEST_TEXT * 2]
        self._settle(flow, line_value(agent)[:LONGEST_TEXT] if agent else b"", aor)

    def recall(self, flow: Flow, agent: bytes, aor: bytes) -> None:
        """Choose the profile of a client that a former process knew."""
        if self._candidates and flow.chooser is not self:
            flow.agent = b"User-Agent: " + agent
            self._settle(flow, agent[:LONGEST_TEXT], b"sip:" + aor)

    def name_for(self, message: Message, flow: Flow) -> str:
        """The name of the profile that a client with this message on a new flow gets; empty without one."""
        flow.chooser = None
        self.meet(message, flow)
        return flow.profile.name

    def _settle(self, flow: Flow, agent: bytes, aor: bytes) -> None:
        profile = PLAIN
        for candidate in self._possible(flow.listener.index, agent):
            if candidate.fits(flow, aor):
                profile = candidate.profile
                break
        if flow.profile is not profile:
            flow.profile = profile
            flow.hop = None  # how its Via is stamped is a matter of the profile
            flow.leaves_contact = (profile.contact or flow.listener.contact_policy) == "leave"
        flow.chooser = self

    def _possible(self, listener: int, agent: bytes) -> tuple[Candidate, ...]:
        key = (listener, agent)
        possible = self._known.get(key)
        if possible is None:
            named = self._named.get(listener)
            if named is not None:
                possible = (named,)
            else:
                possible = tuple([one for one in self._candidates if one.may_fit(listener, agent)])
            if len(self._known) >= _ENTRIES:
                self._known.clear()
            self._known[key] = possible
        return possible


def _aor(message: Message) -> bytes:
    """The URI of who sent it, as it stands there: of From in a request, of To in a response."""
    try:
        return message.from_.addr if isinstance(message, Request) else message.to.addr
    except HeaderError:
        return b""
