"""The defects of the field that the core mends by itself: one test for each row, named after it, through the core."""

from __future__ import annotations

import pytest

from tests.support.flows import call_in, call_out, registration, route_pair, shown
from tests.support.ladder import Ladder, nothing, record
from tests.support.world import World

ANY = ["{*}", "{*}"]
EDGE = "SIP/2.0/UDP 203.0.113.10:5060;branch={P}"
OURS = "SIP/2.0/UDP 10.0.0.2:5070;branch={P}"
HERS = "SIP/2.0/UDP 192.168.1.20:5060;rport=31000;branch=z9hG4bKa;received=198.51.100.20"
ASKED = "SIP/2.0/UDP 192.168.1.20:5060;rport;branch=z9hG4bKa"
ONE = "<sip:anna@10.0.0.2:5070;transport=udp;b={T}>"
OWN = "sip:anna@192.168.1.20:5060"
URI = "sip:anna@10.0.0.2:5070;transport=udp;b={T}"
PHONES = ("udp://203.0.113.10:5060", "tcp://203.0.113.10:5060")


def counted(world, rule, mode="repair"):
    return sum(n for (name, _, how), n in world.counts.repairs.items() if (name, how) == (rule, mode))


def phones(**repair):
    """The world of the phones with a phone and the server, and other modes."""
    world = World(clients=PHONES, repair=repair)
    anna = world.client("anna", "198.51.100.20:31000", contact=f"<{OWN}>", via="SIP/2.0/UDP 192.168.1.20:5060;rport")
    return world, anna, world.server("pbx", contact="<sip:pbx@10.0.0.5:5060>")


# -- the Request-URI


def test_ruri_wrong_user(field, anna, pbx):
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> pbx.sends("MESSAGE sip:trunk@10.0.0.2:5070;transport=udp;b={T}")
        << anna.gets(f"MESSAGE {OWN}")
        << record("ruri-wrong-user", "Request-URI", after=OWN)
        >> pbx.sends(f"MESSAGE {URI}")
        << anna.gets(f"MESSAGE {OWN}")
        << record("restore-request-uri")
    )
    assert counted(field, "ruri-wrong-user") == 1


def test_ruri_case_folded(field, pbx):
    """A registrar that folds case: in the user that we show, and in the client's own Contact by way of its Path."""
    anna = field.client("Anna", "198.51.100.20:31000", contact="<sip:AbC@192.168.1.20:5060;transport=UDP>")
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> pbx.sends("MESSAGE sip:anna@10.0.0.2:5070;transport=udp;b={T}")
        << anna.gets("MESSAGE sip:AbC@192.168.1.20:5060;transport=UDP")
        << record("ruri-case-folded", "Request-URI")
    )
    assert counted(field, "ruri-case-folded") == 1


# -- Via of requests


def test_via_no_rport(field, pbx):
    gadget = field.client("gadget", "198.51.100.20:31000", via="SIP/2.0/UDP 192.168.1.20:5060")
    assert (
        Ladder(field)
        >> gadget.sends("MESSAGE sip:bob@example.com")
        << pbx.gets("MESSAGE")
        << record("via-no-rport", "Via")
        >> pbx.sends(200)
        << gadget.gets(200)
        >> gadget.sends("MESSAGE sip:bob@example.com")
        << pbx.gets("MESSAGE")
    )
    assert counted(field, "via-no-rport") == 1  # once for the flow, not for each message


def test_via_rport_unwanted(field, pbx):
    """A phone that sends from one port and listens on another, as its Via says, gets its answer there."""
    phone = field.client("phone", "198.51.100.20:31000", via="SIP/2.0/UDP 198.51.100.20:5062")
    ear = field.client("ear", "198.51.100.20:5062")
    assert (
        Ladder(field)
        >> phone.sends("MESSAGE sip:bob@example.com")
        << pbx.gets("MESSAGE", via=["{*}", "SIP/2.0/UDP 198.51.100.20:5062;{*}"])
        >> pbx.sends(200)
        << ear.gets(200)
    )


@pytest.mark.parametrize("branch", ["0", "1234"])
@pytest.mark.parametrize("from_client", [True, False], ids=["to the server", "to the client"])
def test_via_branch_no_cookie(field, anna, pbx, branch, from_client):
    asker, answerer = (anna, pbx) if from_client else (pbx, anna)
    host = "192.168.1.20:5060;rport" if from_client else "10.0.0.5:5060"
    uri = "sip:bob@example.com" if from_client else URI
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> asker.sends(f"MESSAGE {uri}", via=f"SIP/2.0/UDP {host};branch={branch}")
        << answerer.gets("MESSAGE {*}", branch="z9hG4bK{*}")
        << record("via-branch-no-cookie", "Via")
        >> asker.repeats("MESSAGE")
        << nothing
        >> answerer.sends(200)
        << asker.gets(200, via=f"SIP/2.0/UDP {{*}};branch={branch}{{*}}")
    )


def test_via_branch_reused(field, anna, pbx):
    """The REGISTER with credentials has branch and CSeq of the one without: it is not answered with the old 401."""
    same = {
        "via": "SIP/2.0/UDP 192.168.1.20:5060;rport;branch=z9hG4bKsame",
        "call_id": "r",
        "cseq": 1,
        "from_": "<sip:anna@example.com>;tag=a",
    }
    credentials = 'Digest username="anna", realm="example.com", nonce="n"'
    assert (
        Ladder(field)
        >> anna.sends("REGISTER sip:example.com", **same)
        << pbx.gets("REGISTER", contact=ONE, path="{*}", supported="path")
        >> pbx.sends(401, www_authenticate='Digest realm="example.com", nonce="n"')
        << anna.gets(401)
        >> anna.sends("REGISTER sip:example.com", authorization=credentials, **same)
        << pbx.gets("REGISTER", contact=ONE, path="{*}", supported="path", authorization=credentials)
        << record("via-branch-reused", "Via")
        >> anna.repeats("REGISTER")
        << nothing
        >> pbx.sends(200, contact=f"{ONE};expires=60")
        << anna.gets(200, contact=f"<{OWN}>;expires=60")
        >> anna.repeats("REGISTER")
        << anna.gets(200, again=True, contact=f"<{OWN}>;expires=60")
    )
    assert counted(field, "via-branch-reused") == 1


def test_via_transport_mismatch(field, pbx):
    """A TLS terminator in front: its Via names another transport than it speaks."""
    cable = field.client("cable", "198.51.100.30:42000", listener=1, via="SIP/2.0/WSS 9sh.invalid")
    assert (
        Ladder(field)
        >> cable.sends("MESSAGE sip:bob@example.com")
        << pbx.gets("MESSAGE")
        << record("via-transport-mismatch", "Via")
        >> pbx.sends(200)
        << cable.gets(200)
    )


def test_via_received_self(field, anna, pbx):
    """In a request, and in the answer of a server that puts its own address into our Via."""
    liar = field.client("liar", "198.51.100.21:5060", via="SIP/2.0/UDP 192.168.1.21:5060;rport;received=203.0.113.10")
    assert (
        Ladder(field)
        >> liar.sends("MESSAGE sip:bob@example.com")
        << pbx.gets("MESSAGE", via=[OURS, "SIP/2.0/UDP 192.168.1.21:5060;rport=5060;received=198.51.100.21;branch={L}"])
        << record("via-received-self", "Via")
        >> pbx.sends(
            200,
            via=[
                OURS + ";received=10.0.0.5",
                "SIP/2.0/UDP 192.168.1.21:5060;rport=5060;received=198.51.100.21;branch={L}",
            ],
        )
        << liar.gets(200, via="{*}")
        << record("via-received-self", "Via", before="Via: " + OURS + ";received=10.0.0.5")
    )


# -- Via of answers


@pytest.mark.parametrize(
    ("rule", "vias"),
    [
        ("via-port-added", [OURS, "SIP/2.0/WSS 9sh.invalid:443;branch=z9hG4bKa;received=198.51.100.7"]),
        (
            "via-extra-not-removed",
            [OURS, "SIP/2.0/UDP 10.0.0.5;branch=z9hG4bKk", "SIP/2.0/WSS 9sh.invalid;branch=z9hG4bKa"],
        ),
        ("via-dtag", [OURS, "SIP/2.0/UDP"]),
        ("via-dtag", [OURS, "SIP/2.0/WSS 9sh.invalid;branch=z9hG4bKother"]),
    ],
)
def test_vias_of_an_answer(edge, alice, k, rule, vias):
    """Whatever the server made of it: the browser gets its own Via, and it alone."""
    own = "SIP/2.0/WSS 9sh.invalid;branch=z9hG4bKa;received=198.51.100.7"
    assert (
        Ladder(edge)
        >> alice.sends("MESSAGE sip:bob@example.com", via="SIP/2.0/WSS 9sh.invalid;branch=z9hG4bKa")
        << k.gets("MESSAGE", via=[OURS, own])
        >> k.sends(200, via=vias)
        << alice.gets(200, via=own)
        << record(rule, "Via", after="Via: " + own)
    )
    assert counted(edge, rule) == 1


def test_via_port_added(field, anna, pbx):
    """Of a client, too: what it makes of the server's Via does not reach the server."""
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> pbx.sends(f"MESSAGE {URI}", via="SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bKs")
        << anna.gets(f"MESSAGE {OWN}", via=[EDGE, "SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bKs"])
        >> anna.sends(200, via=[EDGE, "SIP/2.0/UDP 10.0.0.5:9;branch=z9hG4bKs"])
        << pbx.gets(200, via="SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bKs")
        << record("via-port-added")
    )


def test_via_extra_not_removed(field, anna, pbx):
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com", via=ASKED)
        << pbx.gets("MESSAGE", via=[OURS, HERS])
        >> pbx.sends(200, via=[OURS, "SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKx", HERS])
        << anna.gets(200, via=HERS)
        << record("via-extra-not-removed")
    )


def test_via_dtag(field, anna, pbx):
    """A 2xx that comes again is mended again, though nothing else is kept of its request by then."""
    broken = [OURS, "SIP/2.0/UDP"]
    assert (
        Ladder(field)
        >> anna.sends("INVITE sip:bob@example.com", via=ASKED)
        << pbx.gets("INVITE", via=[OURS, HERS], contact="{*}", record_route=ANY)
        >> pbx.sends(200, via=broken)
        << anna.gets(200, via=HERS)
        << record("via-dtag")
        >> pbx.sends(200, via=broken, to="<sip:bob@example.com>;tag=second")
        << anna.gets(200, via=HERS)
        << record("via-dtag")
    )


def test_an_answer_whose_via_is_only_written_otherwise_stays(field, anna, pbx):
    """Parameters in another order are no defect."""
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com", via="SIP/2.0/UDP 192.168.1.20:5060;rport;branch=z9hG4bKo")
        << pbx.gets("MESSAGE", via=[OURS, "{*}"])
        >> pbx.sends(
            200, via=[OURS, "SIP/2.0/UDP 192.168.1.20:5060;received=198.51.100.20;branch=z9hG4bKo;rport=31000"]
        )
        << anna.gets(200, via="SIP/2.0/UDP 192.168.1.20:5060;received=198.51.100.20;branch=z9hG4bKo;rport=31000")
    )
    assert not field.counts.repairs


# -- ACK and CANCEL


def test_ack_new_branch(field, anna, pbx):
    assert (
        Ladder(field)
        >> anna.sends("INVITE sip:bob@example.com")
        << pbx.gets("INVITE", contact="{*}", record_route=ANY)
        >> pbx.sends(486)
        << pbx.gets("ACK")
        << anna.gets(486)
        >> anna.acks(via="SIP/2.0/UDP 192.168.1.20:5060;rport;branch=z9hG4bKanother")
        << record("ack-new-branch", "Via")
        << nothing
    )
    assert counted(field, "ack-new-branch") == 1


def test_cancel_new_branch(field, anna, pbx):
    assert (
        Ladder(field)
        >> anna.sends("INVITE sip:bob@example.com")
        << pbx.gets("INVITE", contact="{*}", record_route=ANY)
        >> pbx.sends(180)
        << anna.gets(180)
        >> anna.cancels(via="SIP/2.0/UDP 192.168.1.20:5060;rport;branch=z9hG4bKanother")
        << anna.gets(200)
        << pbx.gets("CANCEL")
        << record("cancel-new-branch", "Via")
    )


@pytest.mark.parametrize("mode", ["repair", "report", "off"])
def test_ack_no_route(mode):
    """The route set of the 2xx is put in, and goes on to where it leads; a CANCEL of ours has its INVITE's anyway."""
    world, anna, pbx = phones(**{"ack-no-route": mode})
    assert (
        Ladder(world)
        >> anna.sends("INVITE sip:bob@example.com")
        << pbx.gets("INVITE", contact="{*}", record_route=route_pair(anna, "R"))
        >> pbx.sends(200, record_route=["<sip:10.0.0.5;lr>", *route_pair(anna, "R")])
        << anna.gets(200)
        >> anna.continues("ACK", route=None)
        << pbx.gets("ACK", route="<sip:10.0.0.5;lr>" if mode == "repair" else None)
    )
    assert counted(world, "ack-no-route", mode) == (mode != "off")


# -- Route and Record-Route


def test_rr_no_transport(field, anna, tom, pbx):
    assert Ladder(field) >> call_out(anna, pbx, "G", "R") >> call_out(tom, pbx, "H", "S")
    lines = [line for text in pbx.received for line in text.values("record-route")]
    assert len(lines) == 4
    assert all(";transport=" in line for line in lines)


def test_rr_wss_param(edge, alice, k):
    """We write ws; a Route that comes back with wss is ours all the same."""
    assert Ladder(edge) >> call_out(alice, k, "G", "R")
    routes = [line.replace("transport=ws", "transport=wss") for line in route_pair(alice, "R", "client")]
    assert ";transport=ws;" in "".join(route_pair(alice, "R"))
    assert Ladder(edge) >> alice.continues("BYE", route=routes) << k.gets("BYE", route=None)


def test_rr_no_lr(field, anna, pbx):
    """A Route of the server's without lr, and ours that lost it."""
    pair = [line.replace(";lr", "") for line in route_pair(anna, "R", "client")]
    assert (
        Ladder(field)
        >> call_out(anna, pbx, "G", "R")
        >> anna.continues("BYE", route=[*pair, "<sip:10.0.0.5>"])
        << pbx.gets("BYE sip:pbx@10.0.0.5:5060", route="<sip:10.0.0.5>")
        << record("rr-no-lr", "Route")
    )


def test_rr_lost_in_2xx(field, anna, pbx):
    """Of a client: the server gets our Record-Routes, in their order, and its ACK comes by us."""
    pair = route_pair(anna, "R", "client")
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> pbx.sends(f"INVITE {URI}", record_route="<sip:10.0.0.9;lr>")
        << anna.gets(f"INVITE {OWN}", record_route=[*pair, "<sip:10.0.0.9;lr>"])
        >> anna.sends(200, record_route="<sip:10.0.0.9;lr>")
        << pbx.gets(200, contact=ONE, record_route=[*pair, "<sip:10.0.0.9;lr>"])
        << record("rr-lost-in-2xx", "Record-Route")
        >> pbx.continues("ACK", route=pair[::-1])
        << anna.gets(f"ACK {OWN}", route=None)
    )
    assert counted(field, "rr-lost-in-2xx") == 1


@pytest.mark.parametrize("mode", ["repair", "report", "off"])
def test_rr_lost_in_2xx_of_the_server(mode):
    world, anna, pbx = phones(**{"rr-lost-in-2xx": mode})
    pair = route_pair(anna, "R")
    assert (
        Ladder(world)
        >> anna.sends("INVITE sip:bob@example.com")
        << pbx.gets("INVITE", contact="{*}", record_route=pair)
        >> pbx.sends(200, record_route=None)
        << anna.gets(200, record_route=pair if mode == "repair" else None)
        >> pbx.sends(200, record_route=None, to="<sip:bob@example.com>;tag=second")
        << anna.gets(200, record_route=pair if mode == "repair" else None)
    )
    assert counted(world, "rr-lost-in-2xx", mode) == (0 if mode == "off" else 2)


def test_rr_bind_ip(field, anna, pbx):
    """Bound to 0.0.0.0; what is written is what each side sees."""
    assert Ladder(field) >> call_out(anna, pbx, "G", "R")
    lines = [line for text in pbx.received for line in text.values("record-route")]
    assert "@10.0.0.2:5070" in lines[0]
    assert "@203.0.113.10:5060" in lines[1]


def test_route_ignored(field, anna, pbx):
    """Both ways: the server uses our Contact, the client the server's."""
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> call_in(anna, pbx, "T", "R")
        >> pbx.continues("INFO", route=None)
        << anna.gets(f"INFO {OWN}", route=None)
        << record("route-ignored", "Route")
        >> anna.sends(200)
        << pbx.gets(200)
        >> anna.continues("BYE", route=None)
        << pbx.gets("BYE", route=None)
        << record("route-ignored", "Route")
    )
    assert counted(field, "route-ignored") == 2


@pytest.mark.parametrize("mode", ["repair", "report", "off"])
def test_route_unknown(mode):
    world, anna, pbx = phones(**{"route-unknown": mode})
    stray = "<sip:proxy.example.org;lr>"
    assert (
        Ladder(world)
        >> anna.sends("MESSAGE sip:bob@example.com", route=stray)
        << pbx.gets("MESSAGE", route=None if mode == "repair" else stray)
    )
    assert counted(world, "route-unknown", mode) == (mode != "off")


# -- REGISTER


@pytest.mark.parametrize("mode", ["repair", "report", "off"])
def test_expires_missing(mode):
    world, anna, pbx = phones(**{"expires-missing": mode})
    assert (
        Ladder(world)
        >> anna.sends("REGISTER sip:example.com")
        << pbx.gets("REGISTER", contact=ONE, path="{*}", supported="path")
        >> pbx.sends(200, contact=ONE, expires=120)
        << anna.gets(200, contact=f"<{OWN}>" + (";expires=120" if mode == "repair" else ""))
    )
    assert counted(world, "expires-missing", mode) == (mode != "off")


@pytest.mark.parametrize("mode", ["repair", "report", "off"])
def test_expires_shrink(mode):
    """Asterisk grants 59 for 60; a client that asks for what it was granted last would end at nothing."""
    world, anna, pbx = phones(**{"expires-shrink": mode})
    assert (
        Ladder(world)
        >> anna.sends("REGISTER sip:example.com", expires=60)
        << pbx.gets("REGISTER", contact=ONE, path="{*}", supported="path")
        >> pbx.sends(200, contact=f"{ONE};expires=59")
        << anna.gets(200, contact=f"<{OWN}>;expires={60 if mode == 'repair' else 59}")
    )
    assert counted(world, "expires-shrink", mode) == (mode != "off")


@pytest.mark.parametrize("mode", ["repair", "report", "off"])
def test_contact_register_foreign(mode):
    """The client's own comes back octet for octet; those of others stay unless the administrator wants them away."""
    world, anna, pbx = phones(**{"contact-register-foreign": mode})
    others = ["<sip:anna@10.0.0.2:5070;b=bxxxxxxxxxxxxxxxx>;expires=20", "<sip:desk@10.0.0.9>;expires=30"]
    mine = f"<{OWN}>;expires=60"
    kept = mine if mode == "repair" else [f"{others[0]}, {mine}", others[1]]
    assert (
        Ladder(world)
        >> anna.sends("REGISTER sip:example.com", expires=60)
        << pbx.gets("REGISTER", contact=ONE, path="{*}", supported="path")
        >> pbx.sends(200, contact=[f"{others[0]}, {ONE};expires=60", others[1]])
        << anna.gets(200, contact=kept)
    )
    assert counted(world, "contact-register-foreign", mode) == (0 if mode == "off" else 2)


def test_contact_inconsistent(field, anna, pbx):
    """Other parameters in INVITE than in REGISTER: the server sees one Contact."""
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> anna.sends("INVITE sip:bob@example.com", contact=f"<{OWN};transport=udp;rtcweb-breaker=no>")
        << pbx.gets("INVITE", contact=ONE, record_route=ANY)
    )


@pytest.mark.parametrize("instance", ["", ';+sip.instance="<urn:uuid:1>"'])
def test_contact_rewrite_loop(field, pbx, instance):
    """An ALG shows a client another port each time; it registers each, and the server sees one Contact throughout."""
    loop = field.client("loop", "198.51.100.20:31000")
    ladder = Ladder(field)
    for port in (1001, 1002, 1003, 1004):
        ladder = (
            ladder
            >> loop.sends("REGISTER sip:example.com", contact=f"<sip:loop@198.51.100.20:{port}>{instance}")
            << pbx.gets("REGISTER", contact=shown(loop, "T") + instance, path="{*}", supported="path")
            >> pbx.sends(200, contact=shown(loop, "T") + instance + ";expires=60")
            << loop.gets(200, contact=f"<sip:loop@198.51.100.20:{port}>{instance};expires=60")
        )
    assert ladder
    assert field.core.node.bindings.figures()["registered"] == 1


FIRST, SECOND = "<sip:loop@198.51.100.20:1001>", "<sip:loop@198.51.100.20:1002>"


@pytest.fixture
def loop(field, pbx):
    """A client that is registered under its first Contact."""
    loop = field.client("loop", "198.51.100.20:31000")
    assert Ladder(field) >> registration(loop, pbx, "L", contact=FIRST)
    return loop


def registers_anew(loop, pbx, contacts, home):
    return [
        loop.sends("REGISTER sip:example.com", contact=contacts),
        pbx.gets("REGISTER", contact="{*}", path="{*}", supported="path"),
        pbx.sends(200, contact=shown(loop, "L") + ";expires=60"),
        loop.gets(200, contact=home),
    ]


@pytest.mark.parametrize("contacts", [SECOND, [FIRST + ";expires=0", SECOND], [SECOND, FIRST + ";expires=0"]])
def test_contact_rewrite_loop_leads_to_the_address_of_last(field, pbx, loop, contacts):
    """With the old one taken away in the same REGISTER, as PJSIP does, or not: one Contact at the server."""
    home = contacts if isinstance(contacts, str) else SECOND
    assert (
        Ladder(field)
        >> registers_anew(loop, pbx, contacts, home + ";expires=60")
        >> pbx.sends("MESSAGE sip:loop@10.0.0.2:5070;transport=udp;b={L}")
        << loop.gets("MESSAGE " + SECOND.strip("<>"))
    )
    assert field.core.node.bindings.figures()["registered"] == 1


@pytest.mark.parametrize(
    ("address", "contact"),
    [
        ("198.51.100.20:31001", SECOND),  # another client of the house
        ("198.51.100.20:31000", "<sip:desk@198.51.100.20:1002>"),  # another user of a gateway
    ],
)
def test_contact_rewrite_loop_is_of_one_client(field, pbx, loop, address, contact):
    other = loop if address.endswith("31000") else field.client("other", address, user="loop")
    assert (
        Ladder(field)
        >> other.sends("REGISTER sip:example.com", contact=contact, from_=f"{loop.aor};tag=o", to=loop.aor)
        << pbx.gets("REGISTER", contact=shown(loop, "O"), path="{*}", supported="path")
        >> pbx.sends(200, contact=shown(loop, "O") + ";expires=60")
        << other.gets(200, contact=contact + ";expires=60")
    )
    assert field.core.node.bindings.figures()["registered"] == 2


@pytest.mark.parametrize("status", [302, 485])
def test_contact_redirect_nat(field, anna, pbx, status):
    """Both ways."""
    elsewhere = "<sip:bob@192.168.7.7:5060>, <sip:bob@phone.invalid>;q=0.5"
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> anna.sends("MESSAGE sip:bob@example.com")
        << pbx.gets("MESSAGE")
        >> pbx.sends(status, contact=elsewhere)
        << anna.gets(status, contact=elsewhere)
        >> pbx.sends(f"MESSAGE {URI}")
        << anna.gets(f"MESSAGE {OWN}")
        >> anna.sends(status, contact=elsewhere)
        << pbx.gets(status, contact=elsewhere)
    )


# -- size


def test_size_udp():
    world = World(clients=PHONES)
    anna = world.client("anna", "198.51.100.20:31000", contact=f"<{OWN}>", via="SIP/2.0/UDP 192.168.1.20:5060;rport")
    stream = world.server("stream", transport=1)
    body = b"v=0\r\n" + b"a=x\r\n" * 300
    assert (
        Ladder(world)
        >> anna.sends("MESSAGE sip:bob@example.com", body=body, content_length=len(body))
        << stream.is_connected()
        << stream.gets("MESSAGE", via=["SIP/2.0/TCP {*}", "{*}"])
        << record("size-udp", "Via", "Via: SIP/2.0/UDP {*}", "Via: SIP/2.0/TCP {*}")
    )
