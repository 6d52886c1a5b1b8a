"""Where a response goes (RFC 3261 sections 16.11 and 18.2.2, RFC 3581; protocol 1.3 and 10).

The place is settled when the request arrives: the flow it came on, or over UDP the source address with the port that
the sender listens on. `maddr` is never followed. The requests of a client that listens on another port follow suit.
"""

from __future__ import annotations

from proxy.core.flows import Flows
from proxy.counts import Counts
from proxy.flow import CLIENT, Flow
from proxy.sip.errors import UriError
from proxy.sip.message import Request
from proxy.sip.registry import VIA
from proxy.sip.uri import parse_uri
from proxy.sip.via import add_params, first_value


def stamp_via(request: Request, flow: Flow) -> None:
    """Write down where the request came from: `received`, and the value of `rport` if asked for.

    > If the host portion of the "sent-by" parameter contains a domain name, or if it contains an IP address that
    > differs from the packet source address, the server MUST add a "received" parameter (18.2.1)

    The view `request.via` stays what the sender wrote.
    """
    via = request.via
    params = via.params.lower()
    asks = wants_rport(request, flow)
    if asks and via.rport is None:  # by profile
        index = request.names.index(VIA)
        line = request.lines[index]
        first = first_value(line.partition(b":")[2])[0]
        end = line.index(first, line.index(b":")) + len(first)
        request.lines[index] = b"%b;rport%b" % (line[:end], line[end:])
    if not asks and via.host == flow.source and b"received" not in params:
        return
    index = request.names.index(VIA)
    line = request.lines[index]
    if asks and b"received" not in params and b"," not in line and b'"' not in line:
        before, found, after = line.partition(b";rport")
        if found and (not after or after[:1] == b";"):
            # The usual form. RFC 3581 section 4: with rport, `received` is added even if it says nothing new.
            request.lines[index] = b"%b;rport=%b%b;received=%b" % (before, flow.rport, after, flow.received)
            return
    name, _, value = line.partition(b":")
    stamped = add_params(value, flow.received, flow.rport if asks else None)
    request.lines[index] = b"%b:%b" % (name, stamped)


def wants_rport(request: Request, flow: Flow) -> bool:
    """Whether the responses go to the source port and say so: where the top Via asks, unless the profile decides."""
    rule = flow.profile.rport
    if rule == "auto":
        via = request.via
        return b"rport" in via.params.lower() and via.rport is not None
    return rule == "always"


def reply_flow(request: Request, flow: Flow, flows: Flows, counts: Counts) -> Flow:
    """The flow for the responses to this request, as its top Via says."""
    via = request.via
    params = via.params.lower()
    if b"maddr" in params and via.maddr is not None:
        counts.dropped["maddr_ignored"] += 1
    if flow.listener.reliable or wants_rport(request, flow):
        return flow
    port = via.port or 5060
    if port == flow.remote_port:
        return flow
    if flow.listener.side == CLIENT and via.host != flow.source:
        # Behind a NAT, or without an address of its own: the port in its Via is not one that we can reach.
        return flow
    return flows.udp(flow.listener, flow.remote_host, port)


def listening_flow(flow: Flow, contact: bytes, flows: Flows) -> Flow:
    """Where a client on that flow takes requests: there, but for one by UDP whose profile says `rport: never`.

    That one listens on the port of its Contact; at its own address only, never at another one that it may name.
    """
    if flow.profile.rport != "never" or flow.listener.reliable:
        return flow
    try:
        uri = parse_uri(contact)
    except UriError:
        return flow
    port = uri.port or 5060
    if port == flow.remote_port or uri.host != flow.source:
        return flow
    listening = flows.udp(flow.listener, flow.remote_host, port)
    listening.take_after(flow)
    return listening


def reopened(flow: Flow, sent_by_port: int, flows: Flows) -> Flow:
    """A new connection to where a request came from, at the port it listens on (18.2.2)."""
    return flows.stream(flow.listener, flow.remote_host, sent_by_port or 5060, True)
