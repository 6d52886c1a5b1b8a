"""What clients are told about keep-alives: Flow-Timer (RFC 5626 section 5.4) and `keep` (RFC 6223 section 4.4)."""

from __future__ import annotations

import pytest

from tests.support.flows import route_pair
from tests.support.ladder import Ladder
from tests.support.world import World

ONE = "<sip:anna@10.0.0.2:5070;transport=udp;b={T}>"
OWN = "sip:anna@192.168.1.20:5060"
FLOW = ';reg-id=1;+sip.instance="<urn:uuid:1>"'
VIA = "SIP/2.0/UDP 192.168.1.20:5060;branch=z9hG4bKkeep1"


def _world(seconds: int = 29) -> World:
    return World(clients=("udp://203.0.113.10:5060",), listener={"flow_timer": seconds}, server={"path": "off"})


def _register(world: World, contact: str, require: str | None, told: str | None) -> None:
    anna = world.client("anna", "198.51.100.20:31000", contact=f"<{OWN}>")
    pbx = world.server("pbx")
    assert (
        Ladder(world)
        >> anna.sends("REGISTER sip:example.com", contact=f"<{OWN}>{contact}")
        << pbx.gets("REGISTER", contact=ONE + contact)
        >> pbx.sends(200, contact=ONE + contact, require=require)
        << anna.gets(200, contact=f"<{OWN}>{contact};expires=3600", flow_timer=told)
    )


@pytest.mark.parametrize(
    ("contact", "require", "told"),
    [(FLOW, "outbound", "29"), (FLOW, None, None), ("", "outbound", None)],
    ids=["outbound", "server without", "client without"],
)
def test_flow_timer_only_with_outbound(contact, require, told):
    """`MAY include a Flow-Timer header field if the response contains the outbound option-tag in a Require`."""
    _register(_world(), contact, require, told)


def test_flow_timer_off():
    """`flow_timer: 0s`."""
    _register(_world(0), FLOW, "outbound", None)


@pytest.mark.parametrize(
    ("asked", "told"),
    [(";keep", ";keep=29"), (";keep=5", ";keep=5"), ("", ""), (";x=keep", ";x=keep"), (";KEEP;a=b", ";KEEP=29;a=b")],
)
@pytest.mark.parametrize("method", ["REGISTER", "INVITE"])
def test_keep_gets_a_value_where_it_is_asked_for(method, asked, told):
    """Only a bare `keep`; otherwise the client's Via comes back as it was."""
    world = _world()
    register = method == "REGISTER"
    own = {"contact": f"<{OWN}>;expires=3600"} if register else {}
    anna = world.client("anna", "198.51.100.20:31000", contact=f"<{OWN}>")
    pbx = world.server("pbx")
    assert (
        Ladder(world)
        >> anna.sends(f"{method} sip:example.com", via=VIA + asked)
        << pbx.gets(method, contact=ONE, **({} if register else {"record_route": route_pair(anna, "R")}))
        >> pbx.sends(200, contact=ONE if register else "<sip:pbx@10.0.0.5>")
        << anna.gets(200, via=VIA + told + ";received=198.51.100.20", **own)
    )


@pytest.mark.parametrize("contact", [f"<{OWN}>;expires=0", "*", None], ids=["expires=0", "star", "query"])
def test_no_value_where_nothing_is_set_up(contact):
    """Who unregisters, or asks what is registered, has nothing to keep alive."""
    world = _world()
    shown = ONE + ";expires=0" if contact and contact != "*" else contact
    anna = world.client("anna", "198.51.100.20:31000", contact=f"<{OWN}>")
    pbx = world.server("pbx")
    assert (
        Ladder(world)
        >> anna.sends("REGISTER sip:example.com", via=VIA + ";keep", contact=contact, expires=0 if contact else None)
        << pbx.gets("REGISTER", contact=shown)
        >> pbx.sends(200)
        << anna.gets(200, via=VIA + ";keep;received=198.51.100.20")
    )
