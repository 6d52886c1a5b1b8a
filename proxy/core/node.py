"""The parts of one node, put together once: what the steps of the core work with.

A node is one process with its own server-side address (design 4). This object holds the parts and decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from proxy.binding import Binding
from proxy.core.bindings import Bindings
from proxy.core.flows import Flows
from proxy.core.guests import Guests
from proxy.core.identity import Identity
from proxy.core.known_hosts import KnownHosts
from proxy.core.own_repairs import OwnRepairs
from proxy.core.own_tags import OwnTags
from proxy.core.profiles import Profiles
from proxy.core.repairs import Names, Repairs, server_listener
from proxy.core.settings import CoreSettings
from proxy.core.targets import Targets
from proxy.core.tokens import TokenMint
from proxy.counts import Counts
from proxy.repair.pipeline import Pipeline
from proxy.repair.reach import host_address
from proxy.transaction.layer import TransactionLayer


class Node:
    """Everything the steps of the core share. `via_repairs` are the rules that mend a Via before it is matched."""

    __slots__ = (
        "bindings",
        "counts",
        "draining",
        "flows",
        "guests",
        "identity",
        "layer",
        "mint",
        "names",
        "noted",
        "on_registered",
        "own",
        "profiles",
        "repairs",
        "server_side",
        "settings",
        "tags",
        "targets",
        "tickets",
        "via_repairs",
    )

    def __init__(
        self,
        settings: CoreSettings,
        pipeline: Pipeline,
        via_pipeline: Pipeline,
        counts: Counts,
        keys: tuple[bytes, ...],
        random: Callable[[], bytes],
        profiles: Profiles | None = None,
    ) -> None:
        """`random` returns 16 unguessable characters of [a-z0-9]."""
        self.settings = settings
        self.counts = counts
        self.mint = TokenMint(keys, random)
        self.flows = Flows(settings.listeners, settings.max_flows, int(random(), 36))
        self.targets = Targets(settings, self.flows)
        self.bindings = Bindings(settings, self.mint)
        self.guests = Guests(settings, self.mint)
        self.identity = Identity(settings)
        # Where an address stands for the domain, another address is no mistake.
        hosts = KnownHosts(settings, self.identity, self.targets) if host_address(settings.domain) is None else None
        self.tags = OwnTags(self.identity, self.mint)
        self.names = Names(settings, self.guests, self.tags.of, hosts)
        self.use_pipelines(pipeline, via_pipeline, profiles)
        self.layer = TransactionLayer(settings.timers, counts)
        # The listener whose address stands for us at the server, constant for every client (protocol 4.1).
        self.server_side = server_listener(settings, settings.server_transport)
        # What was said once per source: bounded, so that nobody fills the log.
        self.noted: set[tuple[str, str]] = set()
        self.tickets = 0
        # Called with each client that has registered, or registered again, or is known from an earlier run.
        self.on_registered: Callable[[Binding], None] | None = None
        # Set while the process stops: what would begin something new is answered 503.
        self.draining = False

    def use_pipelines(self, pipeline: Pipeline, via_pipeline: Pipeline, profiles: Profiles | None = None) -> None:
        """Repair by other rules, and other profiles, from the next message on."""
        profiles = self.profiles = profiles or Profiles()
        self.repairs = Repairs(self.settings, pipeline, self.names, profiles.pipelines(0))
        self.via_repairs = Repairs(self.settings, via_pipeline, self.names, profiles.pipelines(1))
        # What the core mends by itself.
        self.own = OwnRepairs(pipeline.modes, self.counts)

    @property
    def now(self) -> float:
        return self.layer.scene.now
