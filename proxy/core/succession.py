"""Which binding a REGISTER continues when its Contact alone does not say (protocol 2.7 and 3.4).

A Contact such as `sip:alice@192.168.1.100:5060` may stand for two phones at two sites; a browser's page has a random
Contact and takes it to the grave, but the next page is the same client; and so is a phone that writes another address
into its Contact whenever an answer shows it one.
"""

from __future__ import annotations

from collections.abc import Sequence

from proxy.binding import REGISTERED, Binding
from proxy.flow import WS, WSS, Flow
from proxy.sip.errors import UriError
from proxy.sip.uri import parse_uri

# How long the token of an abandoned page waits for the 2xx to the REGISTER that asked for it: as long as its
# transaction may take, and a second one with credentials (seconds).
PROMISE = 64.0
# A phone is not taken for gone because it was silent for less than this (seconds).
SILENCE = 60.0


def of_site(same: Sequence[Binding], flow: Flow, call_id: bytes, now: float) -> Binding | None:
    """Of the bindings with this AoR and Contact, that of this client: by Call-ID, by address, or one that is deserted.

    None if all are at other sites and alive: then this is one more.
    """
    for binding in same:
        if binding.call_id == call_id:
            return binding
    for binding in same:
        if binding.flow.remote_host == flow.remote_host:
            return binding
    for binding in same:
        if not _is_alive(binding, now):
            return binding
    return None


def _is_alive(binding: Binding, now: float) -> bool:
    """Whether a client is there as far as one can tell: its connection open, or heard by UDP lately.

    Lately is within two of its own intervals between REGISTERs, or within the time it was granted.
    """
    if binding.state != REGISTERED or not binding.flow.open:
        return False
    if binding.flow.listener.reliable:
        return True
    quiet = 2 * binding.interval if binding.interval else binding.expires_at - binding.refreshed
    return binding.flow.heard + max(quiet, SILENCE) > now


def instance_to_show(of_aor: Sequence[Binding], left: Binding | None, instance: bytes, reg_id: int) -> bytes:
    """The +sip.instance by which the server is to know a new binding; empty if that is its own.

    A registrar that tells devices apart by it (RFC 5626 section 6) would take the heir of the page that `left` for one
    more device. Whoever comes with an instance that the server has for another client by now shows that one's.
    """
    if not instance:
        return b""
    if left is not None:
        wanted = left.shown_instance or left.instance
    else:
        owners = {one.shown_instance: one.instance for one in of_aor if one.shown_instance and one.reg_id == reg_id}
        wanted = instance
        while wanted in owners:
            wanted = owners.pop(wanted)
    return b"" if wanted == instance else wanted


def rewritten(of_aor: Sequence[Binding], contact: bytes, flow: Flow) -> bytes:
    """The token of the client that, on that very flow, has another address in its Contact by now; empty without one.

    Some register each address that `received` and `rport` show them, for ever where a router gets these wrong. Of such
    a client the server sees one Contact. A client with an instance is known by that.
    """
    user = _user(contact)
    for left in of_aor:
        same = left.flow is flow and left.state == REGISTERED and bool(left.shown) and not left.instance
        if same and user is not None and left.contact != contact and _user(left.contact) == user:
            return left.token
    return b""


def _user(contact: bytes) -> bytes | None:
    try:
        return parse_uri(contact).user
    except UriError:
        return None


class Inheritance:
    """The tokens of pages that went away, for those that come after them."""

    __slots__ = ("_promised",)

    def __init__(self) -> None:
        # By token: to whose identity it is promised, and until when.
        self._promised: dict[bytes, tuple[bytes, float]] = {}

    def __len__(self) -> int:
        return len(self._promised)

    def token(
        self, of_aor: Sequence[Binding], heir: bytes, instance: bytes, reg_id: int, flow: Flow, agent: bytes, now: float
    ) -> bytes:
        """The token of a page of the same AoR, address and User-Agent that went away; empty if there is none.

        Two that come at once get two different ones: each is promised to one identity, that of the `heir`, for as long
        as its REGISTER may take. Nothing is the heir's before its 2xx.
        """
        if not agent or flow.listener.transport not in (WS, WSS):
            return b""
        for left in of_aor:
            promise = self._promised.get(left.token)
            if (
                left.abandoned
                and left.state == REGISTERED
                and left.expires_at > now
                and left.shown
                and left.user_agent == agent
                and left.flow.remote_host == flow.remote_host
                and left.reg_id == reg_id
                and bool(left.instance) == bool(instance)
                and (promise is None or promise[0] == heir or promise[1] <= now)
            ):
                self._promised[left.token] = (heir, now + PROMISE)
                return left.token
        return b""

    def settle(self, token: bytes) -> None:
        """The token is somebody's again, or nobody's any more: no promise holds."""
        self._promised.pop(token, None)
