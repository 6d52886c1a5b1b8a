"""The clients we know: bindings by token, by identity, by AoR and by flow, and the life of each (protocol 2 and 3).

The table decides nothing about messages; `registration` changes it on a 2xx to REGISTER, `identity` reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from proxy.binding import GONE, LINGERING, REGISTERED, Binding
from proxy.core.room import Room, find_room
from proxy.core.settings import CoreSettings
from proxy.core.succession import Inheritance, instance_to_show, of_site, rewritten
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
        "_inheritance",
        "_lingering",
        "_mint",
        "_settings",
        "moved",
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
        self._inheritance = Inheritance()
        # Those that made room and are still in the store.
        self._evicted: list[Binding] = []
        self.on_move: Callable[[Binding], None] | None = None
        # Set when one has taken another flow; for whoever waits for that, who clears it.
        self.moved = False

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
        if flow.former is not None:
            # Another tab of the same instance has registered since: this one's calls go on (protocol 8.4).
            former = self._by_token.get(flow.former[0])
            return former if former is not None and former.aor == aor else None
        return None

    def only_registered(self, aor: bytes) -> Binding | None:
        """The AoR's binding if it has exactly one that is registered (protocol 5.2)."""
        found = [b for b in self._by_aor.get(aor, ()) if b.state == REGISTERED]
        if len(found) > 1:
            found = [b for b in found if not b.abandoned]
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
        self,
        aor: bytes,
        user: bytes,
        instance: bytes,
        reg_id: int,
        contact: bytes,
        flow: Flow,
        call_id: bytes,
        now: float = 0.0,
        user_agent: bytes = b"",
    ) -> Binding:
        """The binding that a Contact of a REGISTER names. A new one is tentative: it is in no table yet.

        With a `user_agent`, a new one gets the token of a page of the same client that went away (protocol 3.4), and
        without an instance that of the same client before it rewrote its Contact.
        """
        same = [
            binding
            for binding in self._by_aor.get(aor, ())
            if binding.instance == instance and (binding.reg_id == reg_id if instance else binding.contact == contact)
        ]
        known = (same[0] if same else None) if instance else of_site(same, flow, call_id, now)
        if known is not None:
            return known
        serial = 0
        identity = identity_of(aor, instance, reg_id, contact)
        token = b"" if instance else rewritten(self.of_aor(aor), contact, flow)
        token = token or self._inheritance.token(self.of_aor(aor), identity, instance, reg_id, flow, user_agent, now)
        while identity in self._by_identity or not token:
            made = self._mint.binding(identity)
            # A token may have been inherited by another client than it was made for.
            if identity not in self._by_identity and made not in self._by_token:
                token = made
            else:
                serial += 1
                identity = identity_of(aor, instance, reg_id, contact, serial)
        binding = Binding(token, aor, user, instance, reg_id, contact, flow)
        binding.serial = serial
        binding.shown_instance = instance_to_show(self.of_aor(aor), self._by_token.get(token), instance, reg_id)
        return binding

    def current(self, binding: Binding) -> Binding:
        """The binding as it is in the tables by now, if the same client is there; else itself."""
        known = self._by_identity.get(self._identity(binding))
        return known if known is not None and known.token == binding.token else binding

    # -- changing

    def room_for(self, aor: bytes) -> Room:
        """Whether one more of that AoR can be taken, and what gives way to it."""
        return find_room(len(self._by_token), self._by_aor.get(aor, ()), self._lingering, self._settings)

    def commit(self, binding: Binding, flow: Flow) -> bool:
        """Put an accepted binding into the tables, on its current flow. False if there is no room for a new one."""
        if binding.token not in self._by_token:
            room = self.room_for(binding.aor)
            if not room.left:
                return False
            if room.leaves is not None:
                self._evicted.append(room.leaves)
                self.remove(room.leaves)
            self._enter(binding, flow)
        elif self._by_token[binding.token] is not binding:
            self.remove(self._by_token[binding.token])  # the page that went away: this is its heir
            self._enter(binding, flow)
            self.moved = True
        else:
            self.move(binding, flow)
        self._lingering.pop(binding.token, None)
        binding.state = REGISTERED
        return True

    def take_back(self, binding: Binding) -> bool:
        """Put back a binding of an earlier run. False if there is no room, or its name or client is there already."""
        identity = self._identity(binding)
        if (
            len(self._by_token) >= self._settings.max_bindings
            or binding.token in self._by_token
            or identity in self._by_identity
        ):
            return False
        self._enter(binding, binding.flow)
        if binding.state == LINGERING:
            self._lingering[binding.token] = binding
        return True

    def _enter(self, binding: Binding, flow: Flow) -> None:
        identity = self._identity(binding)
        twin = self._by_identity.get(identity)
        if twin is not None:
            self.remove(twin)  # one client by two tokens, from two REGISTERs that crossed: the later one counts
            self._evicted.append(twin)
        self._by_token[binding.token] = binding
        self._by_identity[identity] = binding
        self._by_aor.setdefault(binding.aor, []).append(binding)
        self._by_flow.setdefault(flow.key, []).append(binding)
        binding.flow = flow

    def move(self, binding: Binding, flow: Flow) -> bool:
        """From now on the binding is reached by that flow; the state stays (protocol 3.3). False if it is gone."""
        if self._by_token.get(binding.token) is not binding:
            return False
        binding.dialog_flow = None
        if binding.abandoned:
            binding.abandoned = False
            self._inheritance.settle(binding.token)
        away = binding.flow.key != flow.key
        if away:
            _drop(self._by_flow, binding.flow.key, binding)
            self._by_flow.setdefault(flow.key, []).append(binding)
        binding.flow = flow
        if away:
            self.moved = True
            if self.on_move is not None:
                self.on_move(binding)
        return True

    def abandon(self, flow: Flow) -> list[Binding]:
        """The page at the other end went away for good (protocol 3.4). Returns those whose state changed by it."""
        left = [binding for binding in self.on_flow(flow) if binding.state == REGISTERED and not binding.abandoned]
        for binding in left:
            binding.abandoned = True
        return left

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
        self._inheritance.settle(binding.token)
        _drop(self._by_aor, binding.aor, binding)
        _drop(self._by_flow, binding.flow.key, binding)

    def expire(self, now: float) -> list[Binding]:
        """Let run out what has run out; returns the bindings whose state changed. Called now and then."""
        # One whose client has come again meanwhile is in the store under the same token.
        changed = [binding for binding in self._evicted if binding.token not in self._by_token]
        self._evicted = []
        for binding in list(self._by_token.values()):
            if binding.state == REGISTERED and binding.expires_at <= now:
                self.linger(binding, now)
                changed.append(binding)
            elif binding.state == LINGERING and binding.last_used + self._settings.linger <= now:
                self.remove(binding)
                changed.append(binding)
        return changed

    def figures(self) -> dict[str, int]:
        """How many bindings are registered and reached, how many of pages that went away, and how many linger."""
        lingering = sum(1 for binding in self._by_token.values() if binding.state == LINGERING)
        abandoned = sum(1 for b in self._by_token.values() if b.abandoned and b.state == REGISTERED)
        registered = len(self._by_token) - lingering - abandoned
        return {"registered": registered, "abandoned": abandoned, "lingering": lingering}

    def _identity(self, binding: Binding) -> bytes:
        return identity_of(binding.aor, binding.instance, binding.reg_id, binding.contact, binding.serial)


def _drop(table: dict[_Key, list[Binding]], key: _Key, binding: Binding) -> None:
    listed = table.get(key)
    if listed is not None and binding in listed:
        listed.remove(binding)
        if not listed:
            del table[key]
