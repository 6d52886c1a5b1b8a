"""Tags and display names that clients or the server leave out or write wrongly, through the core: out as the other side
wants them, and home as they were written."""

from __future__ import annotations

import pytest

from proxy.config.model import Config
from proxy.ruling import make_pipelines
from tests.support.flows import registration, route_pair
from tests.support.ladder import Ladder, after, does, nothing, record
from tests.support.world import World

ANY = ["{*}", "{*}"]
PHONES = ("udp://203.0.113.10:5060", "tcp://203.0.113.10:5060")
OWN = "sip:anna@192.168.1.20:5060"
URI = "sip:anna@10.0.0.2:5070;transport=udp;b={T}"
ONE = f"<{URI}>"
BARE = "<sip:anna@example.com>"
TAGGED = "<sip:anna@example.com>;tag=sm{MAC}"
BOB = "<sip:bob@example.com>"
NO_COOKIE = {"via": "SIP/2.0/UDP 192.168.1.20:5060;rport;branch=1"}


def phones(**repair):
    """The world of the phones with those rules on."""
    world = World(clients=PHONES, repair={name.replace("_", "-"): mode for name, mode in repair.items()})
    via = "SIP/2.0/UDP 192.168.1.20:5060;rport"
    anna = world.client("anna", "198.51.100.20:31000", contact=f"<{OWN}>", via=via)
    return world, anna, world.server("pbx", contact="<sip:pbx@10.0.0.5:5060>")


def fired(world, mode="repair"):
    return {name for (name, _, how), n in world.counts.repairs.items() if n and how == mode}


@pytest.fixture
def cast():
    return phones(from_no_tag="repair")


@pytest.fixture
def calling(cast):
    """Anna calls, without a tag."""
    _, anna, pbx = cast
    return [
        anna.sends("INVITE sip:bob@example.com", from_=BARE),
        pbx.gets("INVITE", from_=TAGGED, contact="{*}", record_route=ANY),
    ]


@pytest.fixture
def in_call(cast, calling):
    """Until the ACK."""
    _, anna, pbx = cast
    return [
        *calling,
        pbx.sends(200),
        anna.gets(200, from_=BARE),
        anna.continues("ACK"),
        pbx.gets("ACK", from_=TAGGED, route=None),
    ]


# -- from-no-tag: the client calls


@pytest.mark.parametrize("method", ["INVITE", "UPDATE", "INFO", "BYE"])
def test_from_no_tag(cast, in_call, method):
    """One tag in all of a dialog, both ways; the client sees no tag, the server its own To again in answers."""
    world, anna, pbx = cast
    contact = {"contact": "{*}"} if method in ("INVITE", "UPDATE") else {}
    routes = {"record_route": None} if method == "INVITE" else {}
    assert (
        Ladder(world)
        >> in_call
        << record("from-no-tag", "From", before=f"From: {BARE}", after="From: " + TAGGED)
        >> anna.continues(method)
        << pbx.gets(method, from_=TAGGED, route=None, **contact)
        >> pbx.sends(200, **routes)
        << anna.gets(200, from_=BARE)
        >> pbx.continues(method, to=TAGGED)
        << anna.gets(f"{method} {OWN}", to=BARE, route=None)
        << record("restore-from-to", "To", before="To: " + TAGGED, after=f"To: {BARE}")
        >> anna.sends(200, to=BARE, **routes)
        << pbx.gets(200, to=TAGGED, **contact)
        << record("restore-from-to", "To", before=f"To: {BARE}", after="To: " + TAGGED)
    )


def test_from_no_tag_is_reported_by_default(field, anna, pbx):
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com", from_=BARE)
        << pbx.gets("MESSAGE")
        << record("from-no-tag", "From", before=f"From: {BARE}")
    )
    assert "from-no-tag" in fired(field, "report")


@pytest.mark.parametrize("status", [180, 183, 302, 401, 404, 486, 603])
def test_every_answer_brings_the_client_its_own_from(cast, calling, status):
    """And our ACK to a refusal is for what left; a retransmission gets the same answer again."""
    world, anna, pbx = cast
    acks = [pbx.gets("ACK", from_=TAGGED)] if status >= 300 else []
    assert (
        Ladder(world)
        >> [*calling, pbx.sends(status), *acks]
        << anna.gets(status, from_=BARE)
        >> anna.repeats()
        << anna.gets(status, again=True, from_=BARE)
    )


def test_answers_of_our_own_bring_it_too(cast, calling):
    """While we wait for the server, and when it cannot be reached."""
    world, anna, pbx = cast
    assert (
        Ladder(world)
        >> calling
        >> after(0.2)
        << anna.gets(100, from_=BARE)
        >> pbx.fails()
        << anna.gets(500, from_=BARE)
        >> anna.acks()
        << nothing
    )


@pytest.mark.parametrize("via", [{}, NO_COOKIE], ids=["by branch", "by RFC 2543"])
def test_cancel_and_ack_of_a_client_without_tags(cast, via):
    """By RFC 2543 the From tag, which is not there, is part of what a transaction is known by."""
    world, anna, pbx = cast
    assert (
        Ladder(world)
        >> anna.sends("INVITE sip:bob@example.com", from_=BARE, **via)
        << pbx.gets("INVITE", from_=TAGGED, contact="{*}", record_route=ANY)
        >> pbx.sends(180)
        << anna.gets(180, from_=BARE)
        >> anna.cancels()
        << anna.gets(200, from_=BARE)
        << pbx.gets("CANCEL", from_=TAGGED)
        >> pbx.sends(200, answers="CANCEL")
        >> pbx.sends(487, answers="INVITE")
        << pbx.gets("ACK", from_=TAGGED)
        << anna.gets(487, from_=BARE)
        >> anna.acks()
        << nothing
    )


def test_cancel_and_ack_with_a_wrong_branch(cast, calling):
    """They are known by Call-ID, CSeq, Request-URI and the tag that is not there."""
    world, anna, pbx = cast
    other = "SIP/2.0/UDP 192.168.1.20:5060;rport;branch=z9hG4bK-another"
    assert (
        Ladder(world)
        >> calling
        >> pbx.sends(180)
        << anna.gets(180, from_=BARE)
        >> anna.cancels(via=other)
        << anna.gets(200, from_=BARE)
        << pbx.gets("CANCEL", from_=TAGGED)
        << record("cancel-new-branch", "Via")
        >> pbx.sends(487, answers="INVITE")
        << pbx.gets("ACK", from_=TAGGED)
        << anna.gets(487, from_=BARE)
        >> anna.acks(via=other + "2")
        << nothing
        << record("ack-new-branch", "Via")
    )


def test_a_lost_route_set_and_the_tag(cast, in_call):
    """An ACK without Route is known by what it shares with its INVITE: no From tag in both."""
    world, anna, pbx = cast
    assert (
        Ladder(world)
        >> in_call[:-2]
        >> anna.continues("ACK", route=None)
        << pbx.gets("ACK", from_=TAGGED)
        << record("ack-no-route", "Route")
    )


def test_a_loop_is_found_one_round_later(cast):
    """A request comes back with the tag that we made, which is a change; from then on nothing changes any more."""
    world, anna, pbx = cast
    sender = world.client("sender", "198.51.100.90:5060")
    assert Ladder(world) >> anna.sends("MESSAGE sip:bob@example.com", from_=BARE) << pbx.gets("MESSAGE", from_=TAGGED)
    assert Ladder(world) >> sender.sends_octets(pbx.received[-1].octets) << pbx.gets("MESSAGE")
    assert Ladder(world) >> sender.sends_octets(pbx.received[-1].octets) << sender.gets(482)


def test_the_tag_is_that_of_call_and_client(cast):
    """Host and parameters of From do not matter to it; user and Call-ID do. An empty tag is none."""
    world, anna, pbx = cast
    own = "sip:anna@192.168.1.20:5060"
    assert (
        Ladder(world)
        >> anna.sends("MESSAGE sip:bob@example.com", from_=BARE, call_id="one")
        << pbx.gets("MESSAGE", from_=TAGGED)
        >> anna.sends("MESSAGE sip:bob@example.com", from_=own, call_id="one")
        << pbx.gets("MESSAGE", from_="sip:anna@example.com;tag=sm{MAC}")
        >> pbx.sends(200)
        << anna.gets(200, from_=own)
        >> anna.sends("MESSAGE sip:bob@example.com", from_='"A" <sip:anna@example.com;x=y>;tag=', call_id="one")
        << pbx.gets("MESSAGE", from_='"A" <sip:anna@example.com;x=y>;tag=sm{MAC}')
        >> anna.sends("MESSAGE sip:bob@example.com", from_="<sip:otto@example.com>", call_id="one")
        << pbx.gets("MESSAGE", from_="<sip:otto@example.com>;tag=sm{OTHER}")
        >> anna.sends("MESSAGE sip:bob@example.com", from_=BARE, call_id="two")
        << pbx.gets("MESSAGE", from_="<sip:anna@example.com>;tag=sm{THIRD}")
    )
    tags = {world.names[name] for name in ("MAC", "OTHER", "THIRD")}
    assert len(tags) == 3
    assert {len(tag) for tag in tags} == {16}


def test_a_tag_that_is_not_ours_stays(cast, in_call):
    """It may look like ours, be that of another client, or stand in another place; ours may be spelled otherwise."""
    world, anna, pbx = cast
    theirs = '"An\\"na;tag=x" <sip:anna@example.com:5060>;x; tag = sm{MAC} ;y'
    assert (
        Ladder(world)
        >> in_call
        >> pbx.continues("INFO", to="<sip:anna@example.com>;tag=sm0123456789abcdef")
        << anna.gets(f"INFO {OWN}", route=None)
        >> pbx.continues("INFO", to="<sip:otto@example.com>;tag=sm{MAC}")
        << anna.gets(f"INFO {OWN}", route=None)
        >> pbx.continues("INFO", to=theirs)
        << anna.gets(f"INFO {OWN}", route=None, to='"An\\"na;tag=x" <sip:anna@example.com:5060>;x ;y')
        >> anna.sends(200, to='"An\\"na;tag=x" <sip:anna@example.com:5060>;x ;y')
        << pbx.gets(200, to=theirs)
    )


def test_what_was_made_is_taken_off_though_the_rule_is_off_by_now(cast, in_call):
    """A dialog may be older than the configuration. The server gets its tag again from whatever the client answers."""
    world, anna, pbx = cast

    def switch_off(world):
        config = Config.model_validate({"listen": ["udp://0.0.0.0:5060"], "server": {"domain": "x", "uri": "sip:x"}})
        world.core.node.use_pipelines(*make_pipelines(config, world.counts, ()))

    assert (
        Ladder(world)
        >> in_call
        >> does(switch_off, "the rule is switched off")
        >> pbx.continues("BYE", to=TAGGED)
        << anna.gets(f"BYE {OWN}", to=BARE, route=None)
        >> anna.sends(481, to=BARE)
        << pbx.gets(481, to=TAGGED)
    )


# -- from-no-tag: the client is called


def test_a_client_without_tags_is_called(cast):
    """Its 2xx has no tag in To, its BYE none in From: both get the same, and what the server sends has none for it."""
    world, anna, pbx = cast
    call = {"call_id": "called", "from_": "<sip:bob@example.com>;tag=b"}
    back = {"call_id": "called", "to": "<sip:bob@example.com>;tag=b", "from_": BARE}
    assert (
        Ladder(world)
        >> registration(anna, pbx, "T")
        >> pbx.sends(f"INVITE {URI}", to=BARE, **call)
        << anna.gets(f"INVITE {OWN}", record_route=route_pair(anna, "R", "client"))
        >> anna.sends(180, to=BARE)
        << pbx.gets(180, contact=ONE)
        >> anna.sends(200, to=BARE)
        << pbx.gets(200, to=TAGGED, contact=ONE)
        << record("from-no-tag", "To", before=f"To: {BARE}", after="To: " + TAGGED)
        >> pbx.continues("ACK")
        << anna.gets(f"ACK {OWN}", to=BARE, route=None)
        >> pbx.continues("INFO")
        << anna.gets(f"INFO {OWN}", to=BARE, route=None)
        >> anna.sends(488, to=BARE)
        << pbx.gets(488, to=TAGGED)
        >> anna.sends("BYE sip:pbx@10.0.0.5:5060", route=route_pair(anna, "R", "client"), cseq=7, **back)
        << pbx.gets("BYE", from_=TAGGED, route=None)
        >> pbx.sends(200)
        << anna.gets(200, from_=BARE)
    )


def test_two_clients_of_ours(cast):
    """The one without tags calls the other, the server being a proxy that stays out of the dialog: its tag comes home
    by the spiral inside the process."""
    world, anna, pbx = cast
    tom = world.client("tom", "198.51.100.30:31000", contact="<sip:tom@192.168.1.30:5060>")
    tom_uri = "sip:tom@10.0.0.2:5070;transport=udp;b={TOM}"
    four = [*route_pair(tom, "RT", "client"), *route_pair(anna, "RA")]
    assert (
        Ladder(world)
        >> registration(anna, pbx, "T")
        >> registration(tom, pbx, "TOM")
        >> anna.sends("INVITE sip:tom@example.com", from_=BARE)
        << pbx.gets("INVITE", from_=TAGGED, contact=ONE, record_route=route_pair(anna, "RA"))
        >> pbx.forwards("INVITE", uri=tom_uri)
        << tom.gets("INVITE sip:tom@192.168.1.30:5060", record_route=four)
        >> tom.sends(200)
        << pbx.gets(200, contact=f"<{tom_uri}>")
        >> tom.continues("BYE")
        << anna.gets(f"BYE {OWN}", to=BARE, route=None, via=2)
        >> anna.sends(200, to=BARE)
        << tom.gets(200, to=TAGGED)
    )


# -- to-tag-in-register


@pytest.mark.parametrize("status", [200, 401, 403, 423])
def test_to_tag_in_register(status):
    """The registrar sees a To without tag; the client its own, whatever tag the registrar gave its answer."""
    world, anna, pbx = phones(to_tag_in_register="repair")
    own = f"{BARE};tag=46UQm7ggKt1ZS"
    more = {"contact": f"{ONE};expires=60"} if status == 200 else {}
    assert (
        Ladder(world)
        >> anna.sends("REGISTER sip:example.com", to=own)
        << pbx.gets("REGISTER", to=BARE, contact=ONE, path="{*}", supported="path")
        << record("to-tag-in-register", "To", before=f"To: {own}", after=f"To: {BARE}")
        >> pbx.sends(f"{status} Answer", to=f"{BARE};tag=r", **more)
        << anna.gets(status, to=own, **({"contact": f"<{OWN}>;expires=60"} if more else {}))
        << record("restore-from-to", "To", before=f"To: {BARE};tag=r", after=f"To: {own}")
        >> anna.repeats()
        << anna.gets(status, again=True)
    )


def test_to_tag_in_register_is_reported_by_default(field, anna, pbx):
    """An answer of our own has the client's tag as well."""
    own = f"{BARE};tag=46UQm7ggKt1ZS"
    assert (
        Ladder(field)
        >> anna.sends("REGISTER sip:example.com", to=own)
        << pbx.gets("REGISTER", contact=ONE, path="{*}", supported="path")
        << record("to-tag-in-register", "To", before=f"To: {own}")
        >> pbx.fails()
        << anna.gets(500, to=own)
    )
    assert "to-tag-in-register" in fired(field, "report")


# -- display-unquoted

MESSY = 'Änna "A" (home) <sip:anna@example.com>'
QUOTED = '"Änna \\"A\\" (home)" <sip:anna@example.com>'


@pytest.mark.parametrize("status", [180, 200, 404, 603])
def test_display_unquoted(status):
    """Of a client: the server sees From, To and Contact in quotes; every answer has the client's own From and To."""
    world, anna, pbx = phones(display_unquoted="repair")
    acks = [pbx.gets("ACK", from_=f"{QUOTED};tag=1", to='"B/ob" <sip:bob@example.com>;tag=b')] if status >= 300 else []
    assert (
        Ladder(world)
        >> anna.sends(
            "INVITE sip:bob@example.com",
            from_=f"{MESSY};tag=1",
            to="B/ob <sip:bob@example.com>",
            contact="Änna<sip:anna@192.168.1.20>",
            p_preferred_identity=MESSY,
        )
        << pbx.gets(
            "INVITE",
            from_=f"{QUOTED};tag=1",
            to='"B/ob" <sip:bob@example.com>',
            contact='"Änna"<sip:anna@10.0.0.2:5070;transport=udp;b={T}>',
            p_preferred_identity=QUOTED,
            record_route=ANY,
        )
        << record("display-unquoted", "P-Preferred-Identity")
        >> [pbx.sends(status, to='"B/ob" <sip:bob@example.com>;tag=b'), *acks]
        << anna.gets(status, from_=f"{MESSY};tag=1", to="B/ob <sip:bob@example.com>;tag=b")
        << record("restore-from-to", "From")
        << record("restore-from-to", "To")
    )


@pytest.mark.parametrize("status", [180, 200, 486])
def test_display_unquoted_of_the_server(status):
    """A browser sees quotes; the server gets its own lines back in every answer, and its ACK and CANCEL pass."""
    world, anna, pbx = phones(display_unquoted="repair")
    messy, quoted = "Zürich: Büro <sip:bob@example.com>;tag=b", '"Zürich: Büro" <sip:bob@example.com>;tag=b'
    acks = [anna.gets("ACK", from_=quoted, to=QUOTED + ";tag=a")] if status >= 300 else []
    contact = {"contact": ONE} if status < 300 else {}
    assert (
        Ladder(world)
        >> registration(anna, pbx, "T")
        >> pbx.sends(
            f"INVITE {URI}",
            from_=messy,
            to=MESSY,
            p_asserted_identity=["Büro <sip:b@x>, <tel:1>", "A B <sip:c@x>"],
        )
        << anna.gets(
            f"INVITE {OWN}",
            from_=quoted,
            to=QUOTED,
            p_asserted_identity=['"Büro" <sip:b@x>, <tel:1>', "A B <sip:c@x>"],
            record_route=route_pair(anna, "R", "client"),
        )
        << record("display-unquoted", "From", before="From: " + messy, after="From: " + quoted)
        >> [anna.sends(status, to=QUOTED + ";tag=a"), *acks]
        << pbx.gets(status, from_=messy, to=MESSY + ";tag=a", **contact)
        << record("restore-from-to", "From", before="From: " + quoted, after="From: " + messy)
    )
    if status == 180:
        assert (
            Ladder(world)
            >> pbx.cancels()
            << pbx.gets(200, to=MESSY + ";tag={*}")
            << anna.gets("CANCEL", from_=quoted, to=QUOTED)
            >> anna.sends(200, answers="CANCEL")
            >> anna.sends(487, to=QUOTED + ";tag=a", answers="INVITE")
            << anna.gets("ACK", from_=quoted, to=QUOTED + ";tag=a")
            << pbx.gets(487, from_=messy, to=MESSY + ";tag=a")
        )
    if status == 200:
        assert (
            Ladder(world)
            >> pbx.continues("ACK")
            << anna.gets(f"ACK {OWN}", from_=quoted, to=QUOTED + ";tag=a", route=None)
            >> anna.continues("BYE")
            << pbx.gets("BYE", route=None)
        )


def test_display_unquoted_is_reported_by_default(field, anna, pbx):
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com", from_=f"{MESSY};tag=1")
        << pbx.gets("MESSAGE")
        << record("display-unquoted", "From", before=f"From: {MESSY};tag=1")
        >> registration(anna, pbx, "T")
        >> pbx.sends(f"MESSAGE {URI}", to=MESSY)
        << anna.gets(f"MESSAGE {OWN}")
        << record("display-unquoted", "To")
    )
    assert "display-unquoted" in fired(field, "report")


def test_signed_names_stay():
    """What the Identity header signs is not touched (RFC 8224 section 4); the tag that we made goes all the same."""
    world, anna, pbx = phones(display_unquoted="repair", from_no_tag="repair", to_tag_in_register="repair")
    assert (
        Ladder(world)
        >> anna.sends("MESSAGE sip:bob@example.com", from_=MESSY, identity="x", reply_to="Ä <sip:x@y>")
        << pbx.gets("MESSAGE", reply_to='"Ä" <sip:x@y>')
    )
    assert fired(world) == {"display-unquoted"}
