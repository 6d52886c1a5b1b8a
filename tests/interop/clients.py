"""The clients of the interop tests: honest ones, and those whose headers nobody else would put up with."""

from __future__ import annotations

from collections.abc import Callable

from kamailio_peer import DOMAIN
from peer_process import fresh_address
from sip_client import Address, Identity, SipClient

PRIVATE_CONTACT = "10.9.8.7:5060"
PRIVATE_VIA = "192.168.77.7"
MakeClient = Callable[..., SipClient]


def new_client(user: str, server: Address, broken: bool = False, transport: str = "udp") -> SipClient:
    """A client on an address of its own.

    A broken one is behind a NAT that keeps its port: Contact and Via name private addresses, the Via asks for
    no rport, and its INVITE and its answers have no Contact. The others write the truth.
    """
    client = SipClient(Identity(user, DOMAIN, f"{user}pw"), fresh_address(), server, transport)
    host, port = client.address
    if broken:
        client.who.register_contact = f"<sip:{user}-x7f3@{PRIVATE_CONTACT}>"
        client.who.via = f"{PRIVATE_VIA}:{port}"
    else:
        client.who.contact = f"<sip:{user}@{host}:{port};transport={transport}>"
        client.who.via_parameters = ";rport"
    return client
