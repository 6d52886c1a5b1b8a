"""The defects of the field that rules mend: one test for each row, named after it, through the core."""

from __future__ import annotations

import pytest

from proxy.sip.stand_in import stand_in
from tests.support.flows import call_in, call_out, registration, route_pair
from tests.support.ladder import Ladder, record
from tests.support.world import World

ANY = ["{*}", "{*}"]
OWN = "sip:anna@192.168.1.20:5060"
PUBLIC = "sip:anna@198.51.100.20:31000"
URI = "sip:anna@10.0.0.2:5070;transport=udp;b={T}"
ONE = f"<{URI}>"
PBX = "sip:pbx@10.0.0.5:5060"
PHONES = ("udp://203.0.113.10:5060", "tcp://203.0.113.10:5060")


def phones(contact=f"<{OWN}>", pbx=f"<{PBX}>", **repair):
    """The world of the phones with a phone and the server, and other modes."""
    world = World(clients=PHONES, repair={name.replace("_", "-"): mode for name, mode in repair.items()})
    anna = world.client("anna", "198.51.100.20:31000", contact=contact, via="SIP/2.0/UDP 192.168.1.20:5060;rport")
    return world, anna, world.server("pbx", contact=pbx)


def fired(world, mode="repair"):
    return {name for (name, _, how), n in world.counts.repairs.items() if n and how == mode}


# -- Contact missing


@pytest.mark.parametrize("method", ["INVITE", "SUBSCRIBE", "REFER", "NOTIFY", "UPDATE"])
def test_contact_missing_request(field, anna, pbx, method):
    """Of a guest, and of a client that is registered: then it is the same Contact as there."""
    routes = ANY if method in ("INVITE", "SUBSCRIBE", "REFER", "NOTIFY") else None
    assert (
        Ladder(field)
        >> anna.sends(f"{method} sip:bob@example.com", contact=None)
        << pbx.gets(method, contact="<sip:anna@10.0.0.2:5070;transport=udp;b={G}>", record_route=routes)
        << record("contact-missing-request", "Contact")
        >> registration(anna, pbx, "T")
        >> anna.sends(f"{method} sip:bob@example.com", contact=None)
        << pbx.gets(method, contact=ONE, record_route=routes)
        << record("contact-missing-request", "Contact", after=f"Contact: {ONE}")
    )


def test_contact_missing_response(field, anna, pbx):
    """Of a client in 180, 200 to INVITE and 200 to UPDATE; of the server likewise, and the ACK finds its way."""
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> pbx.sends(f"INVITE {URI}")
        << anna.gets(f"INVITE {OWN}", record_route=ANY)
        >> anna.sends(180, contact=None)
        << pbx.gets(180, contact=ONE)
        << record("contact-missing-response", "Contact")
        >> anna.sends(200, contact=None)
        << pbx.gets(200, contact=ONE)
        >> pbx.continues("ACK")
        << anna.gets(f"ACK {OWN}", route=None)
        >> pbx.continues("UPDATE")
        << anna.gets(f"UPDATE {OWN}", route=None)
        >> anna.sends(200, contact=None)
        << pbx.gets(200, contact=ONE)
    )
    assert (
        Ladder(field)
        >> anna.sends("INVITE sip:bob@example.com")
        << pbx.gets("INVITE", contact=ONE, record_route=ANY)
        >> pbx.sends(200, contact=None)
        << anna.gets(200, contact="<sip:bob@203.0.113.10:5060;transport=udp>")
        << record("contact-missing-response", "Contact")
        >> anna.continues("ACK")
        << pbx.gets("ACK sip:bob@10.0.0.5:5060", route=None)
    )


# -- Contact that leads nowhere


@pytest.mark.parametrize(
    ("rule", "contact"),
    [
        ("contact-invalid-host", "sip:63et72ng@9sh.invalid;transport=ws"),
        ("contact-private", "sip:anna@192.168.1.20:5060"),
        ("contact-private-cgn", "sip:anna@100.64.7.7:5060"),
        ("contact-unspecified", "sip:anna@0.0.0.0:5060"),
    ],
)
def test_contacts_that_lead_nowhere(rule, contact):
    """In REGISTER, in a call and in an answer it is the one Contact; the client sees its own again in all of them."""
    world, anna, pbx = phones(f"<{contact}>")
    assert (
        Ladder(world)
        >> registration(anna, pbx, "T")
        << record(rule, "Contact")
        >> call_out(anna, pbx, "T", "R")
        << record(rule, "Contact", before=f"Contact: <{contact}>", after=f"Contact: {ONE}")
        >> call_in(anna, pbx, "T", "S", own=contact)
        << record(rule, "Contact")
    )


def test_contact_invalid_host():
    test_contacts_that_lead_nowhere("contact-invalid-host", "sip:63et72ng@9sh.invalid;transport=ws")


def test_contact_private():
    test_contacts_that_lead_nowhere("contact-private", "sip:anna@10.11.12.13:5060")


def test_contact_private_cgn():
    test_contacts_that_lead_nowhere("contact-private-cgn", "sip:anna@100.127.255.1:5060")


def test_contact_unspecified():
    test_contacts_that_lead_nowhere("contact-unspecified", "sip:anna@0.0.0.0")


@pytest.mark.parametrize(
    "contact", ["sip:anna@8.8.8.8:5060", "sip:anna@8.8.8.8:31000;transport=tcp", "sip:anna@9.9.9.9:31000"]
)
def test_contact_port_mismatch(contact):
    """Another port, transport or address than the message came from."""
    world = World(clients=PHONES)
    anna = world.client("anna", "8.8.8.8:31000", contact=f"<{contact}>")
    pbx = world.server("pbx", contact=f"<{PBX}>")
    assert (
        Ladder(world)
        >> call_out(anna, pbx, "G", "R")
        << record("contact-port-mismatch", "Contact")
        >> pbx.continues("BYE")
        << anna.gets(f"BYE {contact}", route=None)
    )


def test_contact_duplicate():
    """The old Contact of an instance, with expires=0, does not take its new one off; back comes the new one."""
    instance = ';+sip.instance="<urn:uuid:1>"'
    world, anna, pbx = phones(f"<{OWN}>{instance}")
    both = [f"<{OWN}>{instance};expires=300", f"<sip:anna@192.168.1.99:5060>{instance};expires=0"]
    assert (
        Ladder(world)
        >> anna.sends("REGISTER sip:example.com", contact=both)
        << pbx.gets("REGISTER", contact=f"{ONE}{instance};expires=300", path="{*}", supported="path")
        << record("contact-duplicate", "Contact")
        >> pbx.sends(200, contact=f"{ONE}{instance};expires=300")
        << anna.gets(200, contact=f"<{OWN}>{instance};expires=300")
    )


# -- Contact that is written wrongly


def test_contact_no_brackets():
    """From a client, and from the server."""
    bare = "sip:anna@198.51.100.20:31000;transport=udp;q=0.5"
    world = World(clients=PHONES)
    anna = world.client("anna", "198.51.100.20:31000", contact=bare)
    pbx = world.server("pbx", contact="sip:pbx@10.0.0.5:5060;transport=udp")
    assert (
        Ladder(world)
        >> anna.sends("INVITE sip:bob@example.com")
        << pbx.gets("INVITE", contact="{*}", record_route=ANY)
        >> pbx.sends(200)
        << anna.gets(200, contact="<sip:pbx@10.0.0.5:5060;transport=udp>")
        << record("contact-no-brackets", "Contact")
    )


@pytest.mark.parametrize("word", ["None", "<none>", "undefined", ""])
def test_contact_none_literal(field, anna, pbx, word):
    """In a request and in an answer."""
    assert (
        Ladder(field)
        >> anna.sends("INVITE sip:bob@example.com", contact=word)
        << pbx.gets("INVITE", contact="<sip:anna@10.0.0.2:5070;transport=udp;b={G}>", record_route=ANY)
        << record("contact-none-literal", "Contact")
        >> registration(anna, pbx, "T")
        >> pbx.sends(f"INVITE {URI}")
        << anna.gets(f"INVITE {OWN}", record_route=ANY)
        >> anna.sends(200, contact=word)
        << pbx.gets(200, contact=ONE)
        << record("contact-none-literal", "Contact")
    )


# -- the user part


@pytest.mark.parametrize(
    ("rule", "user"), [("contact-user-missing", ""), ("contact-user-semicolon", "anna;phone-context=x@")]
)
def test_users_of_contacts(rule, user):
    """A client that is registered has its one Contact anyway; a guest gets it for this, and back comes its own."""
    contact = f"sip:{user}8.8.8.8:31000"
    world = World(clients=PHONES)
    anna = world.client("anna", "8.8.8.8:31000", contact=f"<{contact}>")
    pbx = world.server("pbx", contact=f"<{PBX}>")
    assert (
        Ladder(world)
        >> call_out(anna, pbx, "G", "R")
        << record(rule, "Contact", before=f"Contact: <{contact}>")
        >> pbx.continues("BYE")
        << anna.gets(f"BYE {contact}", route=None)
        >> anna.sends(200)
        << pbx.gets(200)
    )
    assert (
        Ladder(world)
        >> registration(anna, pbx, "T")
        << record(rule, "Contact", after=f"Contact: {ONE}")
        >> call_in(anna, pbx, "T", "S")
        << record(rule, "Contact")
    )


def test_contact_user_missing():
    """Who shows no name gets none: the Contact of an anonymous guest stays."""
    test_users_of_contacts("contact-user-missing", "")
    world = World(clients=PHONES)
    anna = world.client("anna", "8.8.8.8:31000", contact="<sip:8.8.8.8:31000>")
    assert (
        Ladder(world)
        >> anna.sends("INVITE sip:bob@example.com", from_='"Anonymous" <sip:anonymous@anonymous.invalid>;tag=1')
        << world.server("pbx").gets("INVITE", record_route=ANY)
    )
    assert fired(world) == set()


def test_contact_user_semicolon():
    test_users_of_contacts("contact-user-semicolon", "anna;ext=7@")


def test_contact_inconsistent_of_users():
    """The client writes another user in each message: the server sees one."""
    world = World(clients=PHONES)
    anna = world.client("anna", "8.8.8.8:31000", contact="<sip:4711@8.8.8.8:31000>")
    pbx = world.server("pbx", contact=f"<{PBX}>")
    assert (
        Ladder(world)
        >> registration(anna, pbx, "T")
        >> anna.sends("INVITE sip:bob@example.com", contact="<sip:0815@8.8.8.8:31000;x=y>")
        << pbx.gets("INVITE", contact=ONE, record_route=ANY)
        << record("contact-inconsistent", "Contact")
    )


# -- an anonymous Contact


@pytest.mark.parametrize("contact", ["<sip:anonymous@anonymous.invalid>", "<sip:anonymous@198.51.100.20:31000>"])
def test_contact_anon(field, anna, pbx, contact):
    """A client that calls or answers anonymously is known by its flow; a server that calls so, by our token."""
    hidden = "<sip:anonymous@10.0.0.2:5070;transport=udp;b={T}>"
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> anna.sends("INVITE sip:bob@example.com", contact=contact, privacy="id")
        << pbx.gets("INVITE", contact=hidden, record_route=ANY, privacy="id")
        >> pbx.sends(200)
        << anna.gets(200)
        >> pbx.sends(f"INVITE {URI}", from_="<sip:anonymous@anonymous.invalid>;tag=9", contact=contact)
        << anna.gets(f"INVITE {OWN}", record_route=ANY)
        >> anna.sends(200, contact=contact)
        << pbx.gets(200, contact=ONE)
        >> pbx.continues("ACK")
        << anna.gets(f"ACK {OWN}", route=None)
        >> pbx.continues("BYE")
        << anna.gets(f"BYE {OWN}", route=None)
    )


# -- Contacts of the server


STOOD = "sip:pbx@203.0.113.10:5060;transport=udp;sm={S}"


def test_contact_private_server():
    """Off by default. Where it is on, the client names ours, and the server sees its own: in the dialog, in Refer-To,
    and also when the server calls."""
    world, anna, pbx = phones(contact_private_server="repair")
    assert (
        Ladder(world)
        >> registration(anna, pbx, "T")
        >> anna.sends("INVITE sip:bob@example.com")
        << pbx.gets("INVITE", contact=ONE, record_route=ANY)
        >> pbx.sends(200)
        << anna.gets(200, contact=f"<{STOOD}>")
        << record("contact-private-server", "Contact", before=f"Contact: <{PBX}>")
        >> anna.continues("ACK")
        << pbx.gets(f"ACK {PBX}", route=None)
        << record("restore-server-contact", "Request-URI", before=STOOD, after=PBX)
        >> anna.sends("REFER sip:carol@example.com", refer_to=f"<{STOOD}?Replaces=a%3Bto-tag%3Db>")
        << pbx.gets("REFER", contact=ONE, record_route=ANY, refer_to=f"<{PBX}?Replaces=a%3Bto-tag%3Db>")
        << record("restore-server-contact", "Refer-To")
        >> anna.continues("BYE")
        << pbx.gets(f"BYE {PBX}", route=None)
        >> pbx.sends(200)
        << anna.gets(200)
    )
    assert (
        Ladder(world)
        >> pbx.sends(f"INVITE {URI}")
        << anna.gets(f"INVITE {OWN}", record_route=ANY, contact=f"<{STOOD}>")
        >> anna.sends(200)
        << pbx.gets(200, contact=ONE)
        >> pbx.continues("ACK")
        << anna.gets(f"ACK {OWN}", route=None)
        >> anna.continues("BYE")
        << pbx.gets(f"BYE {PBX}", route=None)
    )


def test_contact_private_server_is_off(field, anna, pbx):
    assert Ladder(field) >> registration(anna, pbx, "T") >> call_out(anna, pbx, "T", "R")
    assert not fired(field) & {"contact-private-server", "restore-server-contact"}


def test_a_dialog_outlives_the_rule_that_showed_another_contact(field, anna, pbx):
    """What a client names is undone whatever the rules say by now (a reload, another worker)."""
    mine = stand_in(PBX.encode(), b"203.0.113.10:5060;transport=udp").decode()
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> call_out(anna, pbx, "T", "R")
        >> anna.continues(f"BYE {mine}")
        << pbx.gets(f"BYE {PBX}", route=None)
        << record("restore-server-contact", "Request-URI")
    )


@pytest.mark.parametrize(
    "mark", ["sm=", "sm=%00", "sm=zz", "sm=edkn0", "sm", "sm=64p36d1l6orjge9g64p36", "sm=" + "e" * 400, "sm=1480a123"]
)
def test_what_is_no_contact_of_the_server_goes_there_as_it_is(field, anna, pbx, mark):
    """Whatever a client makes up: it goes to the server, and to nobody else."""
    uri = f"sip:pbx@203.0.113.10:5060;transport=udp;{mark}"
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> anna.sends(f"MESSAGE {uri}", to="<sip:bob@example.com>")
        << pbx.gets("MESSAGE {*}")
    )
    assert "restore-server-contact" not in fired(field)


@pytest.mark.parametrize(
    "contact",
    [
        "sip:pbx@10.0.0.5:5060;did=4a5.b1e1==",
        'sip:pbx@10.0.0.5:5060;alias="10.0.0.9~5060~1"',
        "sip:pbx@10.0.0.5:5060;a=b=c",
        "sip:pbx@10.0.0.5:5060;x=,y",
    ],
)
def test_contact_bad_param_chars(contact):
    """By profile: the browser is shown what it can parse, and the server gets back what it wrote, octet for octet."""
    world, anna, pbx = phones(pbx=f"<{contact}>", contact_bad_param_chars="repair")
    assert (
        Ladder(world)
        >> registration(anna, pbx, "T")
        >> anna.sends("INVITE sip:bob@example.com")
        << pbx.gets("INVITE", contact=ONE, record_route=ANY)
        >> pbx.sends(200)
        << anna.gets(200, contact=f"<{STOOD}>")
        << record("contact-bad-param-chars", "Contact", before=f"Contact: <{contact}>")
        >> anna.continues("ACK")
        << pbx.gets(f"ACK {contact}", route=None)
        >> anna.continues("BYE")
        << pbx.gets(f"BYE {contact}", route=None)
        << record("restore-server-contact", after=contact)
        >> pbx.sends(200)
        << anna.gets(200)
        >> pbx.sends(f"INVITE {URI}")
        << anna.gets(f"INVITE {OWN}", record_route=ANY, contact=f"<{STOOD}>")
    )


@pytest.mark.parametrize("contact", ["sip:pbx@10.0.0.5:5060;x=y;lr;z=%3D", "sip:a;b==c@10.0.0.5:5060", "tel:+49;x=="])
def test_good_params_stay(contact):
    world, anna, pbx = phones(pbx=f"<{contact}>", contact_bad_param_chars="repair")
    assert (
        Ladder(world)
        >> anna.sends("INVITE sip:bob@example.com")
        << pbx.gets("INVITE", contact="{*}", record_route=ANY)
        >> pbx.sends(200)
        << anna.gets(200)
    )


@pytest.mark.parametrize("mode", ["report", "repair"])
@pytest.mark.parametrize(("first", "later"), [("sip", "sips"), ("sips", "sip")])
@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_contact_scheme_changed(first, later, method, mode):
    """The 2xx to a re-INVITE, and one that comes again; a 2xx to a first INVITE may have what it likes.

    By default it is reported: a Contact of the server is nothing that is changed unasked.
    """
    target, other = f"{first}:pbx@10.0.0.5:5060", f"{later}:pbx@10.0.0.5:5060"
    shown = f"<{target if mode == 'repair' else other}>;x=1"
    world, anna, pbx = phones(pbx=f"<{target}>", **({"contact_scheme_changed": mode} if mode == "repair" else {}))
    more = {"record_route": None} if method == "INVITE" else {}
    assert (
        Ladder(world)
        >> registration(anna, pbx, "T")
        >> anna.sends("INVITE sip:bob@example.com")
        << pbx.gets("INVITE", contact=ONE, record_route=ANY)
        >> pbx.sends(200)
        << anna.gets(200)
        >> anna.continues("ACK")
        << pbx.gets("ACK {*}", route=None)
        >> anna.continues(method)
        << pbx.gets(f"{method} {target}", contact=ONE, route=None)
        >> pbx.sends(200, contact=f"<{other}>;x=1", **more)
        << anna.gets(200, contact=shown)
        << record("contact-scheme-changed", "Contact", before=f"Contact: <{other}>;x=1")
    )
    assert "contact-scheme-changed" in fired(world, mode)
    if method == "INVITE":
        assert Ladder(world) >> pbx.repeats() << anna.gets(200, again=True, contact=shown)


# -- ob, Alert-Info, 202


def test_ob_unsupported():
    """It stays by default; taken out by profile, in requests and in answers, and the client sees its own."""
    contact = f"<{OWN};ob>"
    for mode in ("off", "repair"):
        world, anna, pbx = phones(contact, ob_unsupported=mode)
        seen = f"<{URI};ob>" if mode == "off" else ONE
        assert (
            Ladder(world)
            >> registration(anna, pbx, "T")
            >> anna.sends("INVITE sip:bob@example.com")
            << pbx.gets("INVITE", contact=seen, record_route=ANY)
            >> pbx.sends(200)
            << anna.gets(200)
            >> pbx.sends(f"INVITE {seen.strip('<>')}")
            << anna.gets(f"INVITE {OWN};ob", record_route=ANY)
            >> anna.sends(200)
            << pbx.gets(200, contact=seen)
        )
        assert ("ob-unsupported" in fired(world)) == (mode == "repair")


@pytest.mark.parametrize(
    ("setting", "before", "after"),
    [
        ("bracket", "http://x.example/r.wav", "<http://x.example/r.wav>"),
        ("bracket", "http://x.example/r.wav;info=ring", "<http://x.example/r.wav>;info=ring"),
        ("bracket", "Bellcore-dr2", None),
        ("bracket", "Bellcore-dr2, <http://x.example/r.wav>", "<http://x.example/r.wav>"),
        ("drop", "http://x.example/r.wav", None),
        ("drop", "<http://x.example/r.wav>;a=b, x", "<http://x.example/r.wav>;a=b"),
    ],
)
def test_hdr_alert_info(setting, before, after):
    """In the INVITE of the server, and in its 180."""
    world, anna, pbx = phones(hdr_alert_info={"mode": "repair", "action": setting})
    assert (
        Ladder(world)
        >> registration(anna, pbx, "T")
        >> pbx.sends(f"INVITE {URI}", alert_info=before)
        << anna.gets(f"INVITE {OWN}", record_route=ANY, alert_info=after)
        << record("hdr-alert-info", "Alert-Info", before=f"Alert-Info: {before}")
        >> anna.sends("INVITE sip:bob@example.com", alert_info=before)
        << pbx.gets("INVITE", contact=ONE, record_route=ANY)
        >> pbx.sends(180, alert_info=before, answers="INVITE")
        << anna.gets(180, alert_info=after)
    )


def test_hdr_alert_info_is_off(field, anna, pbx):
    assert (
        Ladder(field)
        >> registration(anna, pbx, "T")
        >> pbx.sends(f"INVITE {URI}", alert_info="Bellcore-dr2")
        << anna.gets(f"INVITE {OWN}", record_route=ANY)
    )


@pytest.mark.parametrize("mode", ["off", "report", "repair"])
def test_resp_subscribe_202(mode):
    """The server sends the SUBSCRIBE back to the phone; the phone's own 202 comes to it as a 404."""
    world, anna, pbx = phones(resp_subscribe_202=mode)
    mailbox = {"event": "message-summary"}
    status = 404 if mode == "repair" else 202
    assert (
        Ladder(world)
        >> registration(anna, pbx, "T")
        >> anna.sends("SUBSCRIBE sip:anna@example.com", **mailbox)
        << pbx.gets("SUBSCRIBE", contact=ONE, record_route=route_pair(anna, "R"))
        >> pbx.forwards("SUBSCRIBE", uri=URI)
        << anna.gets(f"SUBSCRIBE {OWN}", record_route=["{*}"] * 4)
        >> anna.sends(202)
        << pbx.gets(202, contact=ONE)
        >> pbx.sends(202, answers="SUBSCRIBE", contact=ONE, record_route=None)
        << anna.gets(status, contact=ONE, record_route=ANY)
    )
    assert fired(world, mode) >= ({"resp-subscribe-202"} if mode != "off" else set())
    assert ("resp-subscribe-202" in fired(world)) == (mode == "repair")


def test_a_202_to_another_subscription_stays():
    """To somebody else, or from the server itself."""
    world, anna, pbx = phones(resp_subscribe_202="repair")
    assert (
        Ladder(world)
        >> registration(anna, pbx, "T")
        >> anna.sends("SUBSCRIBE sip:bob@example.com", event="presence")
        << pbx.gets("SUBSCRIBE", contact=ONE, record_route=ANY)
        >> pbx.sends(202, contact=ONE)
        << anna.gets(202)
        >> anna.sends("SUBSCRIBE sip:anna@example.com", event="message-summary")
        << pbx.gets("SUBSCRIBE", contact=ONE, record_route=ANY)
        >> pbx.sends(202)
        << anna.gets(202)
    )
