"""Parts of ladders that many tests begin with, and the headers the proxy writes in them."""

from __future__ import annotations

from typing import Any

from proxy.flow import CLIENT
from tests.support.party import Party
from tests.support.steps import Step


def server_side(party: Party) -> str:
    """Our address as the server sees it, with the transport."""
    listener = party.world.core.node.server_side
    return f"{listener.sent_by.decode()};transport={listener.uri_transport.decode()}"


def client_side(party: Party) -> str:
    """Our address as this client sees it, with the transport."""
    listener = party.flow.listener
    return f"{listener.sent_by.decode()};transport={listener.uri_transport.decode()}"


def shown(party: Party, token: str, more: str = "") -> str:
    """The one Contact of a client: `<sip:USER@OUR-ADDRESS;transport=T;b={TOKEN}>` with a placeholder for the token."""
    return f"<sip:{party.user}@{server_side(party)};b={{{token}}}{more}>"


def route_pair(party: Party, name: str, leaving: str = "server") -> list[str]:
    """Our two Record-Routes for a client, that of the side by which the request leaves on top."""
    pair = [f"<sip:{{{name}}}@{server_side(party)};lr>", f"<sip:{{{name}}}@{client_side(party)};lr>"]
    return pair if leaving == "server" else pair[::-1]


def registration(party: Party, k: Party, token: str, granted: int = 3600, **headers: Any) -> list[Step]:
    """The client registers and the server accepts; its token is bound to the placeholder."""
    contact = headers.pop("contact", party.contact)
    return [
        party.sends("REGISTER sip:example.com", contact=contact, **headers),
        k.gets("REGISTER sip:example.com", contact=shown(party, token), path="{*}", supported="path"),
        k.sends(200, contact=f"{shown(party, token)};expires={granted}"),
        party.gets(200, contact=f"{contact};expires={granted}"),
    ]


def call_out(
    party: Party, k: Party, token: str, route: str, to: str = "sip:bob@example.com", **headers: Any
) -> list[Step]:
    """A call from a client, up to the ACK; our Record-Route's user is bound to the placeholder `route`."""
    assert party.flow.listener.side == CLIENT
    return [
        party.sends(f"INVITE {to}", **headers),
        k.gets(f"INVITE {to}", contact=shown(party, token), record_route=route_pair(party, route)),
        k.sends(200),
        party.gets(200),
        party.continues("ACK"),
        k.gets("ACK", route=None),
    ]


def call_in(party: Party, k: Party, token: str, route: str, own: str = "", **headers: Any) -> list[Step]:
    """A call to a client, up to the ACK; `own` is the Contact URI that it gets back as Request-URI."""
    target = shown(party, token).strip("<>")
    own = own or party.contact.strip("<>")
    return [
        k.sends(f"INVITE {target}", **headers),
        party.gets(f"INVITE {own}", record_route=route_pair(party, route, "client")),
        party.sends(200),
        k.gets(200, contact=shown(party, token)),
        k.continues("ACK"),
        party.gets(f"ACK {own}", route=None),
    ]
