"""Where a response goes (RFC 3261 sections 16.11 and 18.2.2, RFC 3581; protocol 1.3 and 10).

The place is settled when the request arrives: the flow it came on, or over UDP the source address with the port that
the sender listens on. `maddr` is never followed.
"""

from __future__ import annotations

from proxy.core.flows import Flows
from proxy.counts import Counts
from proxy.flow import CLIENT, UDP, Flow, host_octets
from proxy.sip.message import Request
from proxy.sip.registry import VIA
from proxy.sip.via import add_params


def stamp_via(request: Request, flow: Flow) -> None:
    """Write down where the request came from: `received`, and the value of `rport` if asked for.

    > If the host portion of the "sent-by" parameter contains a domain name, or if it contains an IP address that
    > differs from the packet source address, the server MUST add a "received" parameter (18.2.1)
    """
    via = request.via
    source = host_octets(flow.remote_host)
    rport = via.rport
    if rport is None and via.host == source and via.received is None:
        return
    index = request.names.index(VIA)
    name, _, value = request.lines[index].partition(b":")
    # RFC 3581 section 4: with rport, `received` is added even if it says nothing new.
    received = flow.remote_host.encode()
    port = None if rport is None else b"%d" % flow.remote_port
    request.replace(index, b"%b:%b" % (name, add_params(value, received, port)))


def reply_flow(request: Request, flow: Flow, flows: Flows, counts: Counts) -> Flow:
    """The flow for the responses to this request, as its top Via says before it is stamped."""
    via = request.via
    if via.maddr is not None:
        counts.dropped["maddr_ignored"] += 1
    if flow.listener.transport != UDP or via.rport is not None:
        return flow
    port = via.port or 5060
    if port == flow.remote_port:
        return flow
    if flow.listener.side == CLIENT and via.host != host_octets(flow.remote_host):
        # Behind a NAT, or without an address of its own: the port in its Via is not one that we can reach.
        return flow
    return flows.udp(flow.listener, flow.remote_host, port)


def reopened(flow: Flow, sent_by_port: int, flows: Flows) -> Flow:
    """A new connection to where a request came from, at the port it listens on (18.2.2)."""
    return flows.stream(flow.listener, flow.remote_host, sent_by_port or 5060, True)
