"""The live transactions of one core: a message finds its machine here (RFC 3261 section 17).

The layer makes no proxy decisions: what matches nothing is handed back to the caller.
"""

from __future__ import annotations

from proxy.counts import Counts
from proxy.effects import Effect
from proxy.flow import CLIENT, SERVER, Flow
from proxy.sip.message import Request, Response
from proxy.sip.registry import ACK, CANCEL, INVITE
from proxy.transaction.invite_client import InviteClient
from proxy.transaction.invite_server import Answer, InviteServer
from proxy.transaction.key import ServerKey, client_key, invite_key, reused_key
from proxy.transaction.machine import (
    ACCEPTED,
    BY_CLASS,
    CALLING,
    GOT_ACK,
    PROCEEDING,
    REQUEST,
    TRANSPORT_ERROR,
    TRYING,
    TU_BY_CLASS,
    ClientUser,
    Scene,
    Transaction,
)
from proxy.transaction.non_invite_client import NonInviteClient
from proxy.transaction.non_invite_server import NonInviteServer
from proxy.transaction.timers import Timers

ServerTransaction = InviteServer | NonInviteServer
ClientTransaction = InviteClient | NonInviteClient

KINDS = ("invite_client", "invite_server", "non_invite_client", "non_invite_server")


class TransactionLayer:
    """All server and client transactions, their time and their wheel.

    `too_large` is the client transaction whose datagram was too large to be sent, while its user is told.
    """

    __slots__ = ("_by_flow", "_invites", "clients", "scene", "servers", "too_large")

    def __init__(self, timers: Timers, counts: Counts) -> None:
        self.scene = Scene(timers, counts, self._ended)
        self.servers: dict[ServerKey, ServerTransaction] = {}
        self.clients: dict[bytes, ClientTransaction] = {}
        self.too_large: ClientTransaction | None = None
        # INVITEs by (Call-ID, CSeq number), for an ACK or CANCEL whose branch is wrong.
        self._invites: dict[tuple[bytes, int], list[InviteServer]] = {}
        # Client transactions by stream connection, which may break under them.
        self._by_flow: dict[int, set[ClientTransaction]] = {}

    # -- server side of a hop

    def find_server(self, request: Request, key: ServerKey, flow: Flow) -> ServerTransaction | None:
        """The transaction that this request repeats, or that this ACK belongs to."""
        found = self.servers.get(key)
        if request.method != ACK:
            return found
        if found is None:
            return self._astray(request, key, flow)
        # > Any ACK received while in the "Accepted" state ... MUST be passed up to the TU (6026 7.1): to a 2xx, with
        # the branch of the INVITE where a client does not make a new one.
        if found.state == ACCEPTED:
            return None
        # A branch with its cookie says enough, whatever the To tag. Keys of RFC 2543 (without sent-by) do not: there
        # only the tag that we sent counts (17.2.3).
        known = found.to_tag if not key[1] and isinstance(found, InviteServer) else None
        if known is not None and request.to.tag != known:
            return None
        return found

    def find_cancelled(self, request: Request, key: ServerKey, flow: Flow) -> InviteServer | None:
        """The INVITE that this CANCEL is about (9.2), also if its branch is wrong. None for somebody else's INVITE."""
        found = self.servers.get(invite_key(key))
        if found is not None and found.challenged:
            found = self.servers.get(reused_key(invite_key(key))) or found
        if isinstance(found, InviteServer):
            # A server may have several addresses; they were checked.
            same = flow.listener.side == SERVER or found.flow.remote_host == flow.remote_host
            return found if same else None
        return self._astray(request, key, flow)

    def _astray(self, request: Request, key: ServerKey, flow: Flow) -> InviteServer | None:
        """The INVITE of an ACK or CANCEL with a wrong branch; None if there is none, or more than one candidate."""
        if flow.listener.side != CLIENT:
            return None
        candidates = self._invites.get((key[3], key[4]))
        if candidates and request.method == ACK:
            # Those that were answered 300 to 699; usually none: the ACK is one to a 2xx.
            candidates = [t for t in candidates if t.to_tag is not None and t.to_tag == request.to.tag]
        if not candidates:
            return None
        tag = request.from_.tag
        found = [t for t in candidates if t.flow_key == flow.key and t.from_tag == tag and t.uri == request.uri]
        if len(found) != 1:
            return None
        self.scene.counts.restored_by["wrong_branch"] += 1
        return found[0]

    def find_accepted(self, request: Request, key: ServerKey, flow: Flow) -> InviteServer | None:
        """The INVITE whose 2xx this ACK of a client confirms, by what RFC 3261 section 13.2.2.4 makes them share."""
        tag = request.from_.tag
        found = [
            t
            for t in self._invites.get((key[3], key[4]), ())
            if t.state == ACCEPTED and t.flow_key == flow.key and t.from_tag == tag
        ]
        return found[0] if len(found) == 1 else None

    def repeat(self, transaction: ServerTransaction, request: Request, out: list[Effect]) -> None:
        """Feed a retransmission or an ACK."""
        transaction.step(GOT_ACK if request.method == ACK else REQUEST, request, out)

    def open_server(self, request: Request, key: ServerKey, flow: Flow, out: list[Effect]) -> ServerTransaction:
        """Make the server transaction of a new request."""
        t: ServerTransaction
        if request.method == INVITE:
            t = InviteServer(self.scene, flow, request)
            self._invites.setdefault((key[3], key[4]), []).append(t)
        else:
            t = NonInviteServer(self.scene, flow, request)
        t.key = key
        self.servers[key] = t
        t.start(out)
        return t

    def answer(self, transaction: ServerTransaction, status: int, octets: bytes, out: list[Effect]) -> None:
        """Hand a response down to a server transaction."""
        transaction.step(TU_BY_CLASS[status // 100], Answer(status, octets), out)

    # -- client side of a hop

    def open_client(
        self,
        request: Request,
        branch: bytes,
        flow: Flow,
        user: ClientUser,
        out: list[Effect],
        octets: bytes = b"",
    ) -> ClientTransaction:
        """Make the client transaction of a request that is ready to leave, and send it.

        `octets` are the request as it goes on the wire, if they are made already.
        """
        t: ClientTransaction
        if request.method == INVITE:
            t = InviteClient(self.scene, flow, request, branch, user, octets)
        else:
            t = NonInviteClient(self.scene, flow, request, branch, user, octets)
        t.key = client_key(branch, request.method)
        self.clients[t.key] = t
        if flow.number:
            self._by_flow.setdefault(flow.number, set()).add(t)
        t.start(out)
        return t

    def find_client(self, response: Response, branch: bytes) -> ClientTransaction | None:
        """The transaction that this response answers (17.1.3); None for a stray."""
        method = response.cseq[1]
        t = self.clients.get(branch if method != CANCEL else client_key(branch, method))
        return t if t is not None and t.method == method else None

    def receive(self, transaction: ClientTransaction, response: Response, out: list[Effect]) -> None:
        transaction.step(BY_CLASS[response.status // 100], response, out)

    def on_flow(self, flow: Flow) -> list[ClientTransaction]:
        """The client transactions whose requests went out on that connection."""
        return list(self._by_flow.get(flow.number, ()))

    def flow_failed(self, flow: Flow, out: list[Effect]) -> None:
        """The connection broke, or could not be made: every request that waits on it fails (18.4)."""
        for t in self._by_flow.pop(flow.number, ()):
            t.step(TRANSPORT_ERROR, None, out)

    def datagram_failed(self, flow: Flow, out: list[Effect], octets: bytes | None = None) -> None:
        """A datagram could not be sent, or nobody listens there: the requests that wait for a first answer fail.

        With `octets` only the request that is this very datagram: it was too large, the others were not.
        """
        if octets is None:
            for t in [t for t in self.clients.values() if t.flow.key == flow.key and t.octets]:
                t.step(TRANSPORT_ERROR, None, out)
            return
        large = self.clients.get(_key_in(octets))
        if large is not None and large.octets == octets:
            self.too_large = large
            large.step(TRANSPORT_ERROR, None, out)
            self.too_large = None

    # -- time and figures

    def tick(self, now: float, out: list[Effect]) -> None:
        self.scene.now = now
        self.scene.wheel.tick(now, out)

    def next_deadline(self) -> float | None:
        return self.scene.wheel.next_deadline()

    def unanswered(self) -> bool:
        """Whether a request of somebody still waits for its final response."""
        return any(t.state in (CALLING, TRYING, PROCEEDING) for t in self.servers.values())

    def figures(self) -> dict[str, int]:
        """How many transactions of each kind are alive."""
        figures = dict.fromkeys(KINDS, 0)
        for t in self.clients.values():
            figures[KINDS[t.kind]] += 1
        for s in self.servers.values():
            figures[KINDS[s.kind]] += 1
        return figures

    def _ended(self, t: Transaction) -> None:
        if isinstance(t, InviteClient | NonInviteClient):
            self.clients.pop(t.key, None)
            if t.flow.number:
                waiting = self._by_flow.get(t.flow.number)
                if waiting is not None:
                    waiting.discard(t)
                    if not waiting:
                        del self._by_flow[t.flow.number]
            return
        self.servers.pop(t.key, None)
        if isinstance(t, InviteServer):
            self._forget_invite(t)

    def _forget_invite(self, t: InviteServer) -> None:
        mark = (t.key[3], t.key[4])
        candidates = self._invites[mark]
        candidates.remove(t)
        if not candidates:
            del self._invites[mark]


def _key_in(octets: bytes) -> bytes:
    """The key of the client transaction that sent this request: our own Via is the first line of its head."""
    method, _, rest = octets.partition(b" ")
    via = rest.partition(b"\r\n")[2].partition(b"\r\n")[0]
    return client_key(via.partition(b";branch=")[2], method)
