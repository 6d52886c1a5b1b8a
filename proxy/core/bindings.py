"""The clients we know: bindings by token, by identity, by AoR and by flow, and the life of each (protocol 2 and 3).

The table decides nothing about messages; `registration` changes it on a 2xx to REGISTER, `identity` reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from proxy.binding import GONE, LINGERING, REGISTERED, Binding
from proxy.core.settings import CoreSettings
from proxy.core.tokens import TokenMint
from proxy.flow import Flow

FlowKey = tuple[int, str, int, int]
_Key = TypeVar("_Key", bytes, FlowKey)


def identity_of(aor: bytes, instance: bytes, reg_id: int, contact: bytes, serial: int = 0) -> bytes:
    """What makes a binding the same one: AoR, instance and reg-id, or AoR and Contact (protocol 2.2)."""
    if instance:
        return b"%b\n%b\n%d\n%d" % (aor, instance, reg_id, serial)
    return b"%b\n%b\n%d" % (aor, contact, serial)


class Bindings:
    """All bindings of this node. `on_move` is called with each that has come to another flow."""

    __slots__ = (
        "_by_aor",
        "_by_flow",
        "_by_identity",
        "_by_token",
        "_evicted",
        "_lingering",
        "_mint",
        "_settings",
        "on_move",
    )

    def __init__(self, settings: CoreSettings, mint: TokenMint) -> None:
        self._settings = settings
        self._mint = mint
        self._by_token: dict[bytes, Binding] = {}
        self._by_identity: dict[bytes, Binding] = {}
        self._by_aor: dict[bytes, list[Binding]] = {}
        self._by_flow: dict[FlowKey, list[Binding]] = {}
        # Those whose registration ended, the one that ended first at the front.
        self._lingering: dict[bytes, Binding] = {}
        # Those that made room and are still in the store.
        self._evicted: list[Binding] = []
        self.on_move: Callable[[Binding], None] | None = None

    def __len__(self) -> int:
        return len(self._by_token)

    # -- finding

    def by_token(self, token: bytes) -> Binding | None:
        return self._by_token.get(token)

    def of_aor(self, aor: bytes) -> list[Binding]:
        return self._by_aor.get(aor, [])

    def has_registered(self, flow: Flow) -> bool:
        """Whether a registered client waits at the other end of the flow."""
        return any(binding.state == REGISTERED for binding in self._by_flow.get(flow.key, ()))

    def on_flow(self, flow: Flow) -> list[Binding]:
        return self._by_flow.get(flow.key, [])

    def sender(self, flow: Flow, aor: bytes, contact: tuple[bytes, bytes] | None, anonymous: bool) -> Binding | None:
        """Which binding a client's request comes from; None for a guest (protocol 2.5 a to e)."""
        here = self._by_flow.get(flow.key)
        if here:
            for binding in here:
                if contact is not None and binding.contact_key == contact:
                    return binding
            of_sender = [binding for binding in here if binding.aor == aor]
            if len(of_sender) == 1:
                return of_sender[0]
            if len(here) == 1 and (anonymous or not self._by_aor.get(aor)):
                return here[0]
        if contact is not None:
            for binding in self._by_aor.get(aor, ()):
                if binding.contact_key == contact:
                    return binding
        return None

    def only_registered(self, aor: bytes) -> Binding | None:
        """The AoR's binding if it has exactly one that is registered (protocol 5.2)."""
        found = [b for b in self._by_aor.get(aor, ()) if b.state == REGISTERED]
        return found[0] if len(found) == 1 else None

    def uses(self, binding: Binding, flow: Flow) -> bool:
        """Whether a flow is this binding's, or that of another registration of the same device (RFC 5626)."""
        if flow.key == binding.flow.key:
            return True
        return any(
            other.aor == binding.aor and other.instance == binding.instance != b"" for other in self.on_flow(flow)
        )

    def sibling_flow(self, binding: Binding) -> Flow | None:
        """A live flow of the same AoR and instance by another reg-id (protocol 8.4)."""
        if not binding.instance:
            return None
        for other in self._by_aor.get(binding.aor, ()):
            if other.instance == binding.instance and other.flow.open:
                return other.flow
        return None

    def find_or_make(
        self, aor: bytes, user: bytes, instance: bytes, reg_id: int, contact: bytes, flow: Flow, call_id: bytes
    ) -> Binding:
        """The binding that a Contact of a REGISTER names. A new one is tentative: it is in no table yet."""
        serial = 0
        while True:
            identity = identity_of(aor, instance, reg_id, contact, serial)
            known = self._by_identity.get(identity)
            if known is None:
                binding = Binding(self._mint.binding(identity), aor, user, instance, reg_id, contact, flow)
                binding.serial = serial
                return binding
            if instance or not self._elsewhere(known, flow, call_id):
                return known
            serial += 1

    def _elsewhere(self, known: Binding, flow: Flow, call_id: bytes) -> bool:
        """The same private Contact from another site, while the first is alive: another client (protocol 2.7)."""
        return (
            known.state == REGISTERED
            and known.flow.open
            and known.flow.remote_host != flow.remote_host
            and known.call_id != call_id
        )

    # -- changing

    def has_room(self) -> bool:
        """Whether one more can be taken: those that linger give way to it, the oldest first (protocol 3.2)."""
        return len(self._by_token) < self._settings.max_bindings or bool(self._lingering)

    def commit(self, binding: Binding, flow: Flow) -> bool:
        """Put an accepted binding into the tables, on its current flow. False if there is no room for a new one."""
        if binding.token not in self._by_token:
            if not self.has_room():
                return False
            if len(self._by_token) >= self._settings.max_bindings:
                oldest = next(iter(self._lingering.values()))
                self.remove(oldest)
                self._evicted.append(oldest)
            self._by_token[binding.token] = binding
            self._by_identity[self._identity(binding)] = binding
            self._by_aor.setdefault(binding.aor, []).append(binding)
            self._by_flow.setdefault(flow.key, []).append(binding)
            binding.flow = flow
        else:
            self.move(binding, flow)
        self._lingering.pop(binding.token, None)
        binding.state = REGISTERED
        return True

    def move(self, binding: Binding, flow: Flow) -> None:
        """From now on the binding is reached by that flow; the state stays (protocol 3.3)."""
        binding.dialog_flow = None
        moved = binding.flow.key != flow.key
        if moved:
            self._leave_flow(binding)
            self._by_flow.setdefault(flow.key, []).append(binding)
        binding.flow = flow
        if moved and self.on_move is not None:
            self.on_move(binding)

    def linger(self, binding: Binding, now: float) -> None:
        """The registration ended; in-dialog requests still reach the client for a while (protocol 3.2)."""
        binding.state = LINGERING
        self._lingering[binding.token] = binding
        binding.expires_at = now
        binding.last_used = now

    def remove(self, binding: Binding) -> None:
        binding.state = GONE
        if self._by_token.pop(binding.token, None) is None:
            return
        self._by_identity.pop(self._identity(binding), None)
        self._lingering.pop(binding.token, None)
        _drop(self._by_aor, binding.aor, binding)
        self._leave_flow(binding)

    def expire(self, now: float) -> list[Binding]:
        """Let run out what has run out; returns the bindings whose state changed. Called now and then."""
        changed, self._evicted = self._evicted, []
        for binding in list(self._by_token.values()):
            if binding.state == REGISTERED and binding.expires_at <= now:
                self.linger(binding, now)
                changed.append(binding)
            elif binding.state == LINGERING and binding.last_used + self._settings.linger <= now:
                self.remove(binding)
                changed.append(binding)
        return changed

    def figures(self) -> dict[str, int]:
        """How many bindings are registered, and how many linger."""
        lingering = sum(1 for binding in self._by_token.values() if binding.state == LINGERING)
        return {"registered": len(self._by_token) - lingering, "lingering": lingering}

    def _identity(self, binding: Binding) -> bytes:
        return identity_of(binding.aor, binding.instance, binding.reg_id, binding.contact, binding.serial)

    def _leave_flow(self, binding: Binding) -> None:
        _drop(self._by_flow, binding.flow.key, binding)


def _drop(table: dict[_Key, list[Binding]], key: _Key, binding: Binding) -> None:
    listed = table.get(key)
    if listed is not None and binding in listed:
        listed.remove(binding)
        if not listed:
            del table[key]
