"""Brings a message to the repair rules: says who sent it and how far its Contact leads, and runs the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from proxy.binding import Binding
from proxy.core.guests import Guests
from proxy.core.identity import asks_for_privacy, hides_answerer, hides_sender, user_of
from proxy.core.settings import CoreSettings
from proxy.effects import Effect
from proxy.flow import SERVER, TRANSPORTS, Flow, Listener
from proxy.repair.pipeline import Pipeline
from proxy.repair.reach import reach_of
from proxy.repair.rule import ABSENT, LEFT, REQUEST_IN, REQUEST_OUT, RESPONSE_IN, RESPONSE_OUT, Context, Hosts
from proxy.sip.errors import HeaderError
from proxy.sip.message import Message, Request, Response
from proxy.sip.uri import escape_user


class Sender:
    """The client that a message comes from: one with a binding, or a guest."""

    __slots__ = ("_names", "binding", "hosts")

    def __init__(self, binding: Binding | None, names: Names) -> None:
        self.binding = binding
        self._names = names
        self.hosts: Hosts | None = names.hosts

    def shown(self, message: Message, flow: Flow) -> bytes:
        """The one Contact URI that stands for this client towards the server (protocol 2.3 and 4.1)."""
        return self._names.shown(self.binding, message, flow)

    def tag(self, message: Message) -> bytes:
        """The tag for this client if it writes none (protocol 5.6). Raises HeaderError."""
        return self._names.tag_for(message)


class Names:
    """The URIs by which clients are known to the server: `sip:USER@SERVER-SIDE-ADDRESS:PORT;transport=T;b=TOKEN`."""

    __slots__ = ("_guests", "_hidden", "_most_hidden", "_token_user", "address", "hosts", "tag_for")

    def __init__(
        self,
        settings: CoreSettings,
        guests: Guests,
        tag_for: Callable[[Message], bytes],
        hosts: Hosts | None = None,
    ) -> None:
        """`tag_for` gives the tag for the sender of a message if it writes none."""
        self._guests = guests
        # Who asked for privacy in which call: Call-ID and its own tag, who was met longest ago at the front.
        self._hidden: dict[tuple[bytes, bytes], None] = {}
        self._most_hidden = settings.max_guests
        self.tag_for = tag_for
        self._token_user = settings.contact_user == "token"
        self.hosts = hosts
        listener = server_listener(settings, settings.server_transport)
        self.address = b"%b;transport=%b" % (listener.sent_by, listener.uri_transport)

    def of_binding(self, binding: Binding) -> bytes:
        """The name of a binding, made once with it (protocol 2.4)."""
        user = binding.token if self._token_user else user_of(binding.aor)
        return b"sip:%b@%b;b=%b" % (user, self.address, binding.token)

    def shown(self, binding: Binding | None, message: Message, flow: Flow) -> bytes:
        """The name of a message's sender; `anonymous` for one who wants no identity shown."""
        hidden = self.hides(message)
        if binding is not None and binding.shown:
            if hidden:
                return b"sip:anonymous@%b;b=%b" % (self.address, binding.token)
            return binding.shown
        if binding is not None:
            return binding.contact
        if hidden:
            user = b"anonymous"
        else:
            user = self.guest_user(message)
        return self._guests.shown(flow, user, self.address)

    def hides(self, message: Message) -> bool:
        """Whether a client's message shows no identity: it says so, or its sender did so before in the same call.

        Few clients repeat Privacy in every message of a dialog, and whoever was anonymous in its first Contact would
        be named by the next (RFC 3323). `Privacy: none` names the sender again. What is remembered is
        bounded by `limits.guests` and does not outlive the process.
        """
        hidden = hides_answerer(message) if isinstance(message, Response) else hides_sender(message)
        asked = asks_for_privacy(message)
        if asked is None and (hidden or not self._hidden):
            return hidden
        try:
            call = (message.call_id, (message.to if isinstance(message, Response) else message.from_).tag or b"")
        except HeaderError:
            return hidden
        if asked is None and call not in self._hidden:
            return False
        self._hidden.pop(call, None)
        if asked is False or not call[1]:
            return hidden
        while len(self._hidden) >= self._most_hidden:
            del self._hidden[next(iter(self._hidden))]
        self._hidden[call] = None
        return True

    def guest_user(self, message: Message) -> bytes:
        """The user of a guest: of From in its requests, of To in its responses; `anonymous` where there is none."""
        address = message.to if isinstance(message, Response) else message.from_
        try:
            return escape_user(address.uri.user or b"") or b"anonymous"
        except HeaderError:
            return b"anonymous"


def server_listener(settings: CoreSettings, transport: int) -> Listener:
    """The server-side listener of that transport. Raises LookupError where there is none."""
    for listener in settings.listeners:
        if listener.side == SERVER and listener.transport == transport:
            return listener
    raise LookupError(f"no server-side listener speaks {TRANSPORTS[transport]}")


class Repairs:
    """The repair pipeline as the core uses it."""

    __slots__ = ("_by_profile", "_domain", "_local_networks", "_pipeline", "names")

    def __init__(
        self,
        settings: CoreSettings,
        pipeline: Pipeline,
        names: Names,
        by_profile: Mapping[str, Pipeline] | None = None,
    ) -> None:
        """`by_profile` are the pipelines for clients with a profile, by its name; for all others there is `pipeline`.

        A message meets the pipeline of the client that it comes from or goes to.
        """
        self._by_profile = dict(by_profile or {})
        self._domain = settings.domain
        self._local_networks = settings.local_networks
        self._pipeline = pipeline
        self.names = names

    def pipeline(self, client: Flow) -> Pipeline:
        """The one that messages from this client and to it meet."""
        return self._by_profile.get(client.profile.name, self._pipeline)

    def request_in(
        self,
        request: Request,
        flow: Flow,
        binding: Binding | None,
        second_hop: bool,
        renamed: dict[bytes, bytes] | None,
        out: list[Effect],
        leaving: Flow | None = None,
    ) -> None:
        """A client's request on its way to the server, by the flow `leaving` if that is known already."""
        reach = LEFT if second_hop else reach_of(request, flow, self._local_networks)
        pipeline = self.pipeline(flow)
        rows = pipeline.rows(REQUEST_IN, request.method, request, self._domain)
        if rows[reach]:
            context = self._context(request, flow, binding, reach, renamed, leaving)
            context.second_hop = second_hop
            pipeline.run_rows(rows, REQUEST_IN, request.method, request, context, out)

    def response_in(
        self,
        response: Response,
        flow: Flow,
        binding: Binding | None,
        second_hop: bool,
        out: list[Effect],
        leaving: Flow | None = None,
    ) -> None:
        """A client's response on its way to the server."""
        reach = LEFT if second_hop else reach_of(response, flow, self._local_networks)
        method = response.cseq[1]
        pipeline = self.pipeline(flow)
        rows = pipeline.rows(RESPONSE_IN, method, response, self._domain)
        if rows[reach]:
            context = self._context(response, flow, binding, reach, None, leaving)
            context.second_hop = second_hop
            pipeline.run_rows(rows, RESPONSE_IN, method, response, context, out)

    def request_out(self, request: Request, flow: Flow, client: Flow, out: list[Effect]) -> None:
        """A request of the server on its way out to a client on the flow `client`."""
        self._to_client(REQUEST_OUT, request.method, request, flow, client, out)

    def response_out(self, response: Response, flow: Flow, client: Flow, out: list[Effect], asked: bytes = b"") -> None:
        """A response of the server on its way out to a client on the flow `client`.

        `asked` is the Request-URI to which the client sent the request, if that was one within a dialog.
        """
        self._to_client(RESPONSE_OUT, response.cseq[1], response, flow, client, out, asked)

    def _to_client(
        self,
        stage: int,
        method: bytes,
        message: Message,
        flow: Flow,
        client: Flow,
        out: list[Effect],
        asked: bytes = b"",
    ) -> None:
        # A Contact of the server, or of another client, is never a finding (protocol 5.5).
        reach = LEFT if message.places().contact > 0 else ABSENT
        pipeline = self.pipeline(client)
        rows = pipeline.rows(stage, method, message, self._domain)
        if rows[reach]:
            listener = client.listener
            home = b"%b;transport=%b" % (listener.sent_by, listener.uri_transport)
            by_stream = flow.listener.reliable or listener.reliable
            sender = Sender(None, self.names)
            context = Context(message, flow, sender, self._domain, home, reach, False, by_stream, None)
            context.asked = asked
            pipeline.run_rows(rows, stage, method, message, context, out)

    def _context(
        self,
        message: Message,
        flow: Flow,
        binding: Binding | None,
        reach: int,
        renamed: dict[bytes, bytes] | None,
        leaving: Flow | None,
    ) -> Context:
        listener = flow.listener
        registered = binding is not None and bool(binding.shown)
        by_stream = listener.reliable or (leaving is not None and leaving.listener.reliable)
        sender = Sender(binding, self.names)
        return Context(message, flow, sender, self._domain, listener.sent_by, reach, registered, by_stream, renamed)
