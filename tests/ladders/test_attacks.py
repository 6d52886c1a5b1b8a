"""What must not succeed, whoever tries: each attack by name. Mallory knows everything but the key."""

from __future__ import annotations

import pytest

from proxy.effects import Send
from proxy.flow import TCP, UDP
from tests.support.flows import call_in, call_out, registration, shown
from tests.support.ladder import Ladder, after, note, nothing
from tests.support.world import World

ALICE_OWN = "sip:63et72ng@9sh.invalid;transport=ws"
TOKEN_URI = "sip:alice@10.0.0.2:5070;transport=udp;b={TOKA}"


@pytest.fixture
def mallory(edge):
    return edge.client(
        "mallory", "192.0.2.66:6666", contact="<sip:m@m.invalid;transport=ws>", via="SIP/2.0/WSS m.invalid"
    )


@pytest.fixture
def registered(edge, alice, k):
    assert Ladder(edge) >> registration(alice, k, "TOKA")


def calls_reach(alice, k):
    """The proof that nothing was taken over: a new request for alice still comes to her."""
    return [
        k.sends(f"MESSAGE {TOKEN_URI}"),
        alice.gets(f"MESSAGE {ALICE_OWN}"),
        alice.sends(200),
        k.gets(200),
    ]


def test_token_used_from_the_internet_on_the_server_side(edge, alice, k, registered):
    """By UDP such a request is dropped and counted; the first of an address is logged with the setting."""
    stranger = edge.server("stranger", "203.0.113.66:5060")
    assert (
        Ladder(edge)
        >> stranger.sends(f"INVITE {TOKEN_URI}")
        << note("INVITE from 203.0.113.66 on the server side refused: {*}server.networks")
        >> stranger.sends(f"INVITE {TOKEN_URI}")
        << nothing
    )
    assert edge.counts.dropped["not_server"] == 2


def test_token_used_from_the_internet_by_tcp(edge, alice, k, registered):
    """By a stream it is answered 403."""
    stranger = edge.server("stranger", "203.0.113.66:50000", TCP)
    assert Ladder(edge) >> stranger.sends(f"INVITE {TOKEN_URI}") << note("refused") << stranger.gets(403)


def test_token_of_another_client_in_a_request_uri(edge, alice, mallory, k, registered):
    """It goes to the server, to be challenged there, and not to the client it names."""
    assert (
        Ladder(edge)
        >> mallory.sends(f"MESSAGE {TOKEN_URI}")
        << k.gets(f"MESSAGE {TOKEN_URI}")
        >> k.sends(407)
        << mallory.gets(407)
    )


@pytest.mark.parametrize("tag", ["", ";tag=x"], ids=["out of dialog", "in dialog"])
def test_old_routes_under_a_new_call_id(edge, alice, mallory, k, registered, tag):
    """They are removed and have no effect: the request goes to the server."""
    routes = ["<sip:{RA}@edge.example.com:8443;transport=ws;lr>", "<sip:{RA}@10.0.0.2:5070;transport=udp;lr>"]
    assert (
        Ladder(edge)
        >> call_out(alice, k, "TOKA", "RA")
        >> mallory.sends("MESSAGE sip:bob@10.0.0.5:5060", to=f"<sip:bob@example.com>{tag}", route=routes)
        << k.gets("MESSAGE sip:bob@10.0.0.5:5060", route=None)
    )


@pytest.mark.parametrize("spelled", ["sip", "SIP"], ids=["as written", "otherwise"])
def test_old_routes_do_not_choose_the_server(spelled):
    """Two servers. Routes of a call with the second say so in that call only: not under another Call-ID, not even to
    the client whose call it was, and not in that call by another connection."""
    world = World(targets=("udp://10.0.0.5:5060", "udp://10.0.0.6:5060"))
    alice = world.client("alice", "198.51.100.7:50112", contact=f"<{ALICE_OWN}>", via="SIP/2.0/WSS 9sh.invalid")
    thief = world.client("thief", "192.0.2.66:6666", contact="<sip:m@m.invalid>", via="SIP/2.0/WSS m.invalid")
    one, two = world.server("one"), world.server("two", "10.0.0.6:5060", contact="<sip:bob@10.0.0.6:5060>")
    assert Ladder(world) >> registration(alice, one, "TOKA")
    world.core.node.targets.all[0].up = False
    assert Ladder(world) >> call_out(alice, two, "TOKA", "RA", call_id="old")
    world.core.node.targets.all[0].up = True
    far = {"from_": alice.dialog.local, "to": alice.dialog.remote, "cseq": 7}
    routes = [route.replace("sip:", f"{spelled}:", 1) for route in alice.dialog.routes]
    assert (
        Ladder(world)
        >> alice.sends("MESSAGE sip:bob@example.com", call_id="old", route=routes, **far)
        << note("names example.com")
        << two.gets("MESSAGE", route=None)
        >> alice.sends("MESSAGE sip:bob@example.com", call_id="new", route=routes, **far)
        << one.gets("MESSAGE", route=None)
        >> thief.sends("MESSAGE sip:bob@example.com", call_id="old", route=routes, **far)
        << one.gets("MESSAGE", route=None)
    )


def test_old_routes_do_not_make_a_spiral(edge, alice, mallory, k, registered):
    """Two pairs of Routes, the second stolen from another call: nothing reaches alice but through the server."""
    stolen = ["<sip:{RA}@10.0.0.2:5070;transport=udp;lr>", "<sip:{RA}@edge.example.com:8443;transport=ws;lr>"]
    ladder = Ladder(edge) >> call_out(alice, k, "TOKA", "RA") >> registration(mallory, k, "TOKM")
    assert (
        ladder
        >> call_out(mallory, k, "TOKM", "RM")
        >> mallory.continues(
            f"MESSAGE {TOKEN_URI}",
            route=[
                "<sip:{RM}@edge.example.com:8443;transport=ws;lr>",
                "<sip:{RM}@10.0.0.2:5070;transport=udp;lr>",
                *stolen,
            ],
        )
        << note("names 10.0.0.2:5070, which is no target")
        << k.gets(f"MESSAGE {TOKEN_URI}", route=stolen)
    )


def test_spiral_reaches_the_far_end_of_the_call_only(edge, alice, bob, mallory, k, registered):
    """In a call with alice, mallory names bob's token in the Request-URI: that goes to the server, not to bob."""
    ladder = Ladder(edge) >> registration(bob, k, "TOKB") >> registration(mallory, k, "TOKM")
    pair_a = ["<sip:{RA}@10.0.0.2:5070;transport=udp;lr>", "<sip:{RA}@edge.example.com:8443;transport=ws;lr>"]
    pair_m = ["<sip:{RM}@edge.example.com:8443;transport=ws;lr>", "<sip:{RM}@10.0.0.2:5070;transport=udp;lr>"]
    assert (
        ladder
        >> alice.sends("INVITE sip:mallory@example.com", call_id="am", from_="<sip:alice@example.com>;tag=a")
        << k.gets("INVITE", record_route=pair_a, contact=shown(alice, "TOKA"))
        >> k.forwards("INVITE", uri=shown(mallory, "TOKM").strip("<>"))
        << mallory.gets("INVITE sip:m@m.invalid;transport=ws", record_route=[*pair_m, *pair_a])
        >> mallory.sends(200)
        << k.gets(200, contact=shown(mallory, "TOKM"))
        >> mallory.continues("MESSAGE sip:bob@10.0.0.2:5070;transport=udp;b={TOKB}", route=[*pair_m, *pair_a])
        << note("names 10.0.0.2:5070")
        << k.gets("MESSAGE sip:bob@10.0.0.2:5070;transport=udp;b={TOKB}", route=pair_a)
    )


def test_spiral_by_somebody_elses_routes(edge, alice, bob, mallory, k, registered):
    """Two clients of ours are in a call; mallory has their Routes, tags and Call-ID, and no part in it. What it sends
    with them goes to the server, to be challenged there, and not to alice."""
    pair_a = ["<sip:{RA}@10.0.0.2:5070;transport=udp;lr>", "<sip:{RA}@edge.example.com:8443;transport=ws;lr>"]
    pair_b = ["<sip:{RB}@edge.example.com:8443;transport=ws;lr>", "<sip:{RB}@10.0.0.2:5070;transport=udp;lr>"]
    target = shown(alice, "TOKA").strip("<>")
    assert (
        Ladder(edge)
        >> registration(bob, k, "TOKB")
        >> alice.sends("INVITE sip:bob@example.com", call_id="ab", from_="<sip:alice@example.com>;tag=a")
        << k.gets("INVITE", record_route=pair_a, contact=shown(alice, "TOKA"))
        >> k.forwards("INVITE", uri=shown(bob, "TOKB").strip("<>"))
        << bob.gets("INVITE sip:k2oq8vpl@4fj.invalid;transport=ws", record_route=[*pair_b, *pair_a])
        >> bob.sends(200)
        << k.gets(200, contact=shown(bob, "TOKB"))
        >> bob.continues("MESSAGE", route=[*pair_b, *pair_a])
        << alice.gets(f"MESSAGE {ALICE_OWN}", route=None)
    )
    mallory.dialog = bob.dialog
    assert (
        Ladder(edge)
        >> mallory.continues("MESSAGE", route=[*pair_b, *pair_a])
        << note("names 10.0.0.2:5070")
        << k.gets(f"MESSAGE {target}", route=pair_a)
    )


def credentials(user):
    return f'Digest username="{user}", realm="example.com", nonce="n", uri="sip:example.com", response="r"'


@pytest.mark.parametrize("own", [None, credentials("alice")], ids=["alice has none", "alice has some"])
@pytest.mark.parametrize("shows", [None, credentials("mallory")], ids=["without", "with those of mallory"])
def test_options_answered_without_credentials_moves_nothing(edge, alice, mallory, k, own, shows):
    """From alice, Contact of alice, answered 200: her calls still come to her."""
    assert (
        Ladder(edge)
        >> registration(alice, k, "TOKA", authorization=own)
        >> mallory.sends(
            "OPTIONS sip:bob@example.com",
            from_="<sip:alice@example.com>;tag=m",
            contact="<sip:63et72ng@9sh.invalid;transport=ws>",
            authorization=shows,
        )
        << k.gets("OPTIONS", contact=shown(alice, "TOKA"))
        >> k.sends(200)
        << mallory.gets(200)
        >> calls_reach(alice, k)
    )


@pytest.mark.parametrize("shows", [None, credentials("mallory")], ids=["without credentials", "with its own"])
def test_forged_re_invite_from_another_address(edge, alice, mallory, k, shows):
    """The far end knows all tags and Routes of the call; with them it moves neither the binding nor the dialog."""
    ladder = Ladder(edge) >> registration(alice, k, "TOKA", authorization=credentials("alice"))
    assert ladder >> call_in(alice, k, "TOKA", "RA", call_id="forged")
    dialog = alice.dialog
    assert (
        Ladder(edge)
        >> mallory.sends(
            f"INVITE {dialog.target}",
            from_=dialog.local,
            to=dialog.remote,
            call_id="forged",
            route=dialog.routes,
            contact="<sip:63et72ng@9sh.invalid;transport=ws>",
            proxy_authorization=shows,
        )
        << k.gets("INVITE", route=None, contact=shown(alice, "TOKA"))
        >> k.sends(200, contact=f"<{dialog.target}>")
        << mallory.gets(200)
        >> k.continues("BYE")
        << alice.gets(f"BYE {ALICE_OWN}", route=None)
        >> calls_reach(alice, k)
    )


@pytest.mark.parametrize("status", [401, 403])
def test_register_of_somebody_else_that_is_refused(edge, alice, mallory, k, registered, status):
    """A REGISTER of alice that the server refuses changes nothing."""
    assert (
        Ladder(edge)
        >> mallory.sends(
            "REGISTER sip:example.com", from_="<sip:alice@example.com>;tag=m", to="<sip:alice@example.com>"
        )
        << k.gets("REGISTER", contact="<sip:alice@10.0.0.2:5070;transport=udp;b={TOKM}>", path="{*}", supported="path")
        >> k.sends(status)
        << mallory.gets(status)
        >> k.sends("MESSAGE sip:alice@10.0.0.2:5070;transport=udp;b={TOKM}")
        << k.gets(404)
        >> calls_reach(alice, k)
    )


def test_register_with_the_contact_of_somebody_else_that_is_refused(edge, alice, mallory, k, registered):
    """The same Contact is the same binding, which a 401 does not move."""
    assert (
        Ladder(edge)
        >> mallory.sends(
            "REGISTER sip:example.com",
            from_="<sip:alice@example.com>;tag=m",
            to="<sip:alice@example.com>",
            contact=alice.contact,
        )
        << k.gets("REGISTER", contact="<sip:alice@10.0.0.2:5070;transport=udp;b={*}>", path="{*}", supported="path")
        >> k.sends(401)
        << mallory.gets(401)
        >> calls_reach(alice, k)
    )


def test_query_register_answered_200(edge, alice, mallory, k, registered):
    """A REGISTER without Contact changes nothing, and does not show what alice wrote."""
    listed = shown(alice, "TOKA") + ";expires=3000"
    assert (
        Ladder(edge)
        >> mallory.sends(
            "REGISTER sip:example.com",
            from_="<sip:alice@example.com>;tag=m",
            to="<sip:alice@example.com>",
            contact=None,
        )
        << k.gets("REGISTER")
        >> k.sends(200, contact=listed)
        << mallory.gets(200, contact=listed)
        >> calls_reach(alice, k)
    )


@pytest.mark.parametrize("branch", ["z9hG4bKa", "z9hG4bKb"], ids=["its branch", "another branch"])
def test_ack_from_another_flow(branch):
    """It does not end the retransmission of the final response."""
    world = World(clients=("udp://203.0.113.10:5060",))
    anna = world.client("anna", "198.51.100.20:31000", via="SIP/2.0/UDP 192.168.1.20:5060;rport")
    thief = world.client("thief", "192.0.2.66:6666")
    pbx = world.server()
    assert (
        Ladder(world)
        >> anna.sends(
            "INVITE sip:bob@example.com", via="SIP/2.0/UDP 192.168.1.20:5060;rport;branch=z9hG4bKa", call_id="c"
        )
        << pbx.gets("INVITE", contact="{*}", record_route=["{*}", "{*}"])
        >> pbx.sends(486)
        << pbx.gets("ACK")
        << anna.gets(486)
    )
    thief.sends(
        "ACK sip:bob@example.com",
        via=f"SIP/2.0/UDP 192.168.1.20:5060;rport;branch={branch}",
        call_id="c",
        from_=anna.sent[-1].value("from"),
        to=anna.received[-1].value("to"),
    ).play(world)
    # With another branch it passes for the ACK to a 2xx, which the server throws away.
    sent = [output.effect.flow for output in world.outputs if isinstance(output.effect, Send)]
    assert sent == ([pbx.flow] if branch.endswith("b") else [])
    world.outputs.clear()
    assert Ladder(world) >> after(0.5) << anna.gets(486, again=True)


def test_response_from_another_flow(edge, alice, mallory, k, registered):
    """Whoever did not get the request does not answer it."""
    ladder = Ladder(edge) >> k.sends(f"MESSAGE {TOKEN_URI}") << alice.gets(f"MESSAGE {ALICE_OWN}")
    assert ladder
    mallory.received.append(alice.received[-1])
    assert Ladder(edge) >> mallory.sends(200) << nothing >> alice.sends(200) << k.gets(200)
    assert edge.counts.dropped["foreign_response"] == 1


@pytest.mark.parametrize("transport", [UDP, TCP], ids=["udp", "tcp"])
def test_response_of_a_stranger_on_the_server_side(edge, alice, k, transport):
    """Even with the branch that we made, nobody but a server accepts a registration."""
    stranger = edge.server("stranger", "203.0.113.66:5060", transport)
    contact = shown(alice, "TOKA")
    assert (
        Ladder(edge)
        >> alice.sends("REGISTER sip:example.com")
        << k.gets("REGISTER", contact=contact, path="{*}", supported="path")
    )
    stranger.received.append(k.received[-1])
    assert (
        Ladder(edge)
        >> stranger.sends(200, contact=f"{contact};expires=3600")
        << nothing
        >> k.sends(403)
        << alice.gets(403)
    )
    assert edge.counts.dropped["foreign_response"] == 1
    assert len(edge.core.node.bindings) == 0


def test_udp_request_in_dialog_from_another_ip(field, anna, pbx):
    """It may reach the server, but what the server sends still goes to the client's own address."""
    thief = field.client("thief", "192.0.2.66:6666", via="SIP/2.0/UDP 192.0.2.66:6666")
    own = "sip:anna@192.168.1.20:5060"
    assert Ladder(field) >> registration(anna, pbx, "T") >> call_in(anna, pbx, "T", "R", call_id="c")
    dialog = anna.dialog
    assert (
        Ladder(field)
        >> thief.sends(f"INFO {dialog.target}", from_=dialog.local, to=dialog.remote, call_id="c", route=dialog.routes)
        << pbx.gets("INFO", route=None)
        >> pbx.sends(200)
        << thief.gets(200)
        >> pbx.continues("BYE")
        << anna.gets(f"BYE {own}", route=None)
    )


def test_maddr_in_a_via(field, pbx):
    """`maddr` is ignored and counted: the answer goes to where the request came from."""
    guest = field.client("guest", "198.51.100.20:5060", via="SIP/2.0/UDP 198.51.100.20:5060")
    assert (
        Ladder(field)
        >> guest.sends(
            "MESSAGE sip:bob@example.com", via="SIP/2.0/UDP 198.51.100.20:5060;maddr=192.0.2.1;branch=z9hG4bKm"
        )
        << pbx.gets("MESSAGE")
        >> pbx.sends(200)
        << guest.gets(200)
    )
    assert field.counts.dropped["maddr_ignored"] == 1


def test_two_clients_with_equal_private_vias_and_branches(field, pbx):
    """Two phones behind two NATs send the same Via: each gets its own answer."""
    via = "SIP/2.0/UDP 192.168.1.5:5060;rport;branch=z9hG4bK1"
    one = field.client("one", "198.51.100.20:31000")
    two = field.client("two", "198.51.100.21:31000")
    assert Ladder(field) >> one.sends("MESSAGE sip:bob@example.com", via=via) << pbx.gets("MESSAGE")
    first = pbx.received[-1]
    assert (
        Ladder(field)
        >> two.sends("MESSAGE sip:bob@example.com", via=via)
        << pbx.gets("MESSAGE")
        >> pbx.sends(200)
        << two.gets(200)
    )
    pbx.received.append(first)
    assert Ladder(field) >> pbx.sends(486) << one.gets(486)


def test_guests_with_random_names_fill_nothing():
    """Callers with random From are remembered up to a bound, and never stored."""
    world = World(clients=("udp://203.0.113.10:5060",), limits={"guests": 3})
    guest = world.client("guest", "198.51.100.20:5060", contact="<sip:x@192.168.1.1:5060>")
    pbx = world.server()
    for number in range(10):
        assert (
            Ladder(world)
            >> guest.sends("INVITE sip:bob@example.com", from_=f"<sip:u{number}@example.com>;tag={number}")
            << pbx.gets("INVITE", contact="{*}", record_route=["{*}", "{*}"])
            >> pbx.sends(200)
            << guest.gets(200)
        )
    node = world.core.node
    assert len(node.guests) == 3
    assert len(node.guests._shown) <= 3
    assert len(node.bindings) == 0
