"""A binding as a plain value: one client as we know it (design 4, protocol 2 and 3). No behaviour, no socket."""

from __future__ import annotations

from typing import Final

from proxy.flow import Flow

TENTATIVE: Final = 0  # made for a REGISTER that has not been answered with 2xx yet: in no table
REGISTERED: Final = 1
LINGERING: Final = 2  # no longer registered; in-dialog requests still reach it
GONE: Final = 3
STATES: Final = ("tentative", "registered", "lingering", "gone")


class Binding:
    """One client: its AoR, instance, own Contact exactly as it wrote it, current flow and expiry.

    `contact` is the addr-spec of its last accepted REGISTER, octet for octet; `shown` is the URI that stands for it
    towards the server (empty when its own Contact was left). `expires_at` and `last_used` are seconds on the
    driver's clock; `stored_until` is the expiry that the store knows, which is later (`core.acceptance`). `refreshed`
    is when its last REGISTER was accepted, `interval` the time between the last two (0.0 after the first).
    `abandoned` is set when the page behind it went away (protocol 3.4). `dialog_flow` is where requests within a
    dialog go, once one came from another port of the same address (protocol 3.3); `outbound` whether the registrar
    said that it keeps flows (RFC 5626). `serial` tells apart bindings of equal identity at two sites (protocol 2.7).
    """

    __slots__ = (
        "abandoned",
        "aor",
        "auth_user",
        "call_id",
        "contact",
        "contact_key",
        "dialog_flow",
        "expires_at",
        "flow",
        "instance",
        "interval",
        "last_used",
        "outbound",
        "refreshed",
        "reg_id",
        "serial",
        "shown",
        "state",
        "stored_until",
        "token",
        "user",
        "user_agent",
    )

    def __init__(
        self, token: bytes, aor: bytes, user: bytes, instance: bytes, reg_id: int, contact: bytes, flow: Flow
    ) -> None:
        self.token = token
        self.aor = aor
        self.user = user
        self.instance = instance
        self.reg_id = reg_id
        self.contact = contact
        self.contact_key: tuple[bytes, bytes] = (b"", b"")
        self.flow = flow
        self.dialog_flow: Flow | None = None
        self.shown = b""
        self.state: int = TENTATIVE
        self.expires_at = 0.0
        self.stored_until = 0.0
        self.refreshed = 0.0
        self.interval = 0.0
        self.last_used = 0.0
        self.abandoned = False
        self.call_id = b""
        self.auth_user = b""
        self.user_agent = b""
        self.outbound = False
        self.serial = 0
