"""Tags for clients that write none, as RFC 2543 allows: made for the server, and taken off again (protocol 5.6).

Such a tag is a MAC over Call-ID and AoR, so it is the same in all of a dialog, and known again without memory: in From
of the client's requests and To of its answers (rule `from-no-tag`), and in To of what the server sends it.
"""

from __future__ import annotations

from proxy.core.identity import Identity
from proxy.core.own_repairs import OwnRepairs
from proxy.core.tokens import TokenMint
from proxy.effects import Effect
from proxy.flow import Flow
from proxy.repair.inherent import RESTORE_FROM_TO
from proxy.sip.address import NameAddr
from proxy.sip.contact import splice
from proxy.sip.message import Message, Request, Response


class OwnTags:
    """Makes these tags, and knows them again."""

    __slots__ = ("_identity", "_mint")

    def __init__(self, identity: Identity, mint: TokenMint) -> None:
        self._identity = identity
        self._mint = mint

    def of(self, message: Message) -> bytes:
        """The tag for the sender of a message: of From in requests, of To in answers. Raises HeaderError."""
        address = message.to if isinstance(message, Response) else message.from_
        return self._mint.dialog_tag(message.call_id, self._name(address))

    def take_off(self, request: Request, flow: Flow, own: OwnRepairs, out: list[Effect]) -> None:
        """Take such a tag off the To of a request on its way to its client, which knows of none.

        It goes whatever `from-no-tag` is set to by now: the dialog may be older than that.
        """
        address = request.to
        tag = address.tag
        if tag is None or not self._mint.is_dialog_tag(tag, request.call_id, self._name(address)):
            return
        index = request.places().to
        before = request.lines[index]
        after = splice(before, [(address.raw, address.tagged(b""))])
        request.replace(index, after)
        reason = "the client wrote no tag: this one was made for it"
        own.record(RESTORE_FROM_TO, request, flow, "to-client", before, after, reason, out, header="To")

    def _name(self, address: NameAddr) -> bytes:
        """By AoR, so that parameters and the choice of host do not matter; else the URI as it is."""
        return self._identity.aor(address) or address.addr
