"""RFC 3261 section 17: the transactions as both sides of a hop see them, deadline by deadline."""

from __future__ import annotations

import pytest

from proxy.flow import TCP
from tests.support.flows import registration
from tests.support.ladder import Ladder, after, note, nothing
from tests.support.world import World

ANY = ["{*}", "{*}"]
INVITE = "INVITE sip:bob@example.com"
MESSAGE = "MESSAGE sip:bob@example.com"
TIMER_A = (0.5, 1.5, 3.5, 7.5, 15.5, 31.5)
CAPPED = (0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5)


class Cast:
    """A caller and a server, each by UDP or TCP."""

    def __init__(self, caller: int, server: int, **sections: object) -> None:
        clients = ("udp://203.0.113.10:5060", "tcp://203.0.113.10:5060")
        scheme = "tcp" if server == TCP else "udp"
        self.world = World(clients=clients, targets=(f"{scheme}://10.0.0.5:5060",), **sections)
        self.caller = self.world.client("caller", "198.51.100.20:31000", listener=int(caller == TCP))
        self.server = self.world.server("server", transport=server)

    def asks(self, what: str):
        """The request up to the server; its connection is opened with the first."""
        expected = {"contact": "{*}", "record_route": ANY} if what == INVITE else {}
        if self.server.flow.listener.transport == TCP:
            opened = [self.server.is_connected()]
        else:
            opened = []
        return [self.caller.sends(what), *opened, self.server.gets(what, **expected)]


UDP_ONLY, TCP_ONLY = (0, 0), (TCP, TCP)


# -- 17.1.1: INVITE client transaction


def test_timer_a_starts_at_t1_and_doubles(field, anna, pbx):
    """0, 0.5, 1.5, 3.5 ... 31.5 s: seven requests, no cap, and no ACK when Timer B runs out."""
    ladder = Ladder(field) >> anna.sends(INVITE) << pbx.gets("INVITE", contact="{*}", record_route=ANY, at=0.0)
    ladder = ladder >> after(31.95) << anna.gets(100, at=0.15)
    for at in TIMER_A:
        ladder = ladder << pbx.gets("INVITE", again=True, at=at)
    assert ladder >> after(0.05) << anna.gets(408, at=32.0) >> anna.acks() >> after(64) << nothing


def test_timer_a_with_another_t1():
    """The back-off is exponential whatever T1 is; Timer B is 64*T1."""
    cast = Cast(*UDP_ONLY, timers={"t1": "1s"})
    ladder = Ladder(cast.world) >> cast.asks(INVITE) >> after(64) << cast.caller.gets(100, at=0.15)
    for at in (1.0, 3.0, 7.0, 15.0, 31.0, 63.0):
        ladder = ladder << cast.server.gets("INVITE", again=True, at=at)
    assert ladder << cast.caller.gets(408, at=64.0) >> cast.caller.acks()


def test_by_a_reliable_transport_the_invite_is_sent_once():
    """No Timer A; Timer B runs for any transport."""
    cast = Cast(*TCP_ONLY)
    assert (
        Ladder(cast.world)
        >> cast.asks(INVITE)
        >> after(31.95)
        << cast.caller.gets(100, at=0.15)
        << nothing
        >> after(0.05)
        << cast.caller.gets(408, at=32.0)
        >> cast.caller.acks()
    )


@pytest.mark.parametrize("status", [100, 180])
def test_any_provisional_response_ends_the_retransmissions(field, anna, pbx, status):
    """Calling to Proceeding: the response is passed up (a 100 ends there), nothing is repeated any longer."""
    ladder = Ladder(field) >> anna.sends(INVITE) << pbx.gets("INVITE", contact="{*}", record_route=ANY)
    ladder = ladder >> after(0.6) << anna.gets(100, at=0.15) << pbx.gets("INVITE", again=True, at=0.5)
    ladder = ladder >> pbx.sends(status)
    if status == 180:
        ladder = ladder << anna.gets(180)
    assert ladder >> after(100) << nothing


@pytest.mark.parametrize(("caller", "server"), [UDP_ONLY, TCP_ONLY], ids=["UDP", "TCP"])
@pytest.mark.parametrize("ringing", [False, True], ids=["Calling", "Proceeding"])
@pytest.mark.parametrize("status", [302, 486, 500, 603])
def test_refusal_is_acknowledged_and_passed_up(caller, server, ringing, status):
    """From either state, by any transport: ACK to where the INVITE went, the response to the client."""
    cast = Cast(caller, server)
    ladder = Ladder(cast.world) >> cast.asks(INVITE)
    if ringing:
        ladder = ladder >> cast.server.sends(180) << cast.caller.gets(180)
    assert (
        ladder
        >> cast.server.sends(status)
        << cast.server.gets("ACK sip:bob@example.com")
        << cast.caller.gets(status)
        >> cast.caller.acks()
        << nothing
    )


def test_timer_d_acknowledges_for_32_seconds(field, anna, pbx):
    """Completed: each repetition gets the ACK again and goes no further; after Timer D it is a stray."""
    ladder = Ladder(field) >> anna.sends(INVITE) << pbx.gets("INVITE", contact="{*}", record_route=ANY)
    ladder = ladder >> pbx.sends(486) << pbx.gets("ACK") << anna.gets(486) >> anna.acks()
    ladder = ladder >> after(31.95) >> pbx.repeats() << pbx.gets("ACK", again=True) << nothing
    assert ladder >> after(0.05) >> pbx.repeats() << nothing
    assert field.counts.dropped["stray_response"] == 1
    assert field.core.node.layer.clients == {}


def test_by_a_reliable_transport_timer_d_is_zero():
    """Completed is left at once."""
    cast = Cast(*TCP_ONLY)
    ladder = Ladder(cast.world) >> cast.asks(INVITE) >> cast.server.sends(486) << cast.server.gets("ACK")
    assert ladder << cast.caller.gets(486) >> cast.caller.acks() >> cast.server.repeats() << nothing
    assert cast.world.core.node.layer.clients == {}


def test_ack_is_made_of_the_invite_and_the_to_of_the_response(field, anna, pbx):
    """17.1.1.3: Request-URI, Call-ID, From, Route and top Via of the INVITE as sent, To of the response, CSeq ACK."""
    assert (
        Ladder(field)
        >> anna.sends(INVITE, route="<sip:10.0.0.5;lr>", cseq=4711, body=b"v=0", content_type="application/sdp")
        << pbx.gets("INVITE", contact="{*}", record_route=ANY, branch="{B}")
        >> pbx.sends(486, to="<sip:bob@example.com>;tag=Busy")
        << pbx.gets(
            "ACK sip:bob@example.com",
            via="SIP/2.0/UDP 10.0.0.2:5070;branch={B}",
            route="<sip:10.0.0.5;lr>",
            from_="<sip:anna@example.com>;tag=anna-1",
            to="<sip:bob@example.com>;tag=Busy",
            call_id="anna-1",
            cseq="4711 ACK",
            record_route=None,
            contact=None,
            content_length="0",
            body=b"",
        )
        << anna.gets(486, to="<sip:bob@example.com>;tag=Busy")
    )


# -- 17.1.2: non-INVITE client transaction


def test_timer_e_is_capped_at_t2(field, anna, pbx):
    """0.5, 1.5, 3.5, then each 4 s; Timer F at 32 s ends it."""
    ladder = Ladder(field) >> anna.sends(MESSAGE) << pbx.gets("MESSAGE", at=0.0) >> after(3.45)
    ladder = ladder << pbx.gets("MESSAGE", again=True, at=0.5) << pbx.gets("MESSAGE", again=True, at=1.5)
    ladder = ladder >> after(60) << anna.gets("100 Trying", at=3.5)
    for at in CAPPED[2:]:
        ladder = ladder << pbx.gets("MESSAGE", again=True, at=at)
    assert ladder << nothing
    assert field.core.node.layer.clients == {}


def test_timer_e_is_t2_once_a_provisional_response_came(field, anna, pbx):
    """Proceeding: the Timer E that runs, then each 4 s; Timer F runs from the start."""
    ladder = Ladder(field) >> anna.sends(MESSAGE) << pbx.gets("MESSAGE") >> after(0.2) >> pbx.sends(100) >> after(60)
    ladder = ladder << pbx.gets("MESSAGE", again=True, at=0.5) << anna.gets("100 Trying", at=3.5)
    for at in (4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5):
        ladder = ladder << pbx.gets("MESSAGE", again=True, at=at)
    assert ladder << nothing


def test_by_a_reliable_transport_a_request_is_sent_once():
    """No Timer E; Timer F as ever, and Timer K takes no time."""
    cast = Cast(*TCP_ONLY)
    assert Ladder(cast.world) >> cast.asks(MESSAGE) >> after(33) << cast.caller.gets("100 Trying", at=3.5) << nothing
    assert cast.world.core.node.layer.clients == {}
    answered = Cast(*TCP_ONLY)
    ladder = Ladder(answered.world) >> answered.asks(MESSAGE) >> answered.server.sends(200)
    assert ladder << answered.caller.gets(200)
    assert answered.world.core.node.layer.clients == {}


@pytest.mark.parametrize("status", [200, 302, 404, 500, 603])
@pytest.mark.parametrize("proceeding", [False, True], ids=["Trying", "Proceeding"])
def test_final_response_is_passed_up_and_ends_the_retransmissions(field, anna, pbx, proceeding, status):
    """Trying or Proceeding to Completed."""
    ladder = Ladder(field) >> anna.sends(MESSAGE) << pbx.gets("MESSAGE")
    if proceeding:
        ladder = ladder >> pbx.sends(100)
    assert ladder >> pbx.sends(status) << anna.gets(status) >> after(60) << nothing


def test_timer_k_absorbs_repeated_responses_for_t4(field, anna, pbx):
    """Completed: for 5 s they are repetitions, then strays."""
    ladder = Ladder(field) >> anna.sends(MESSAGE) << pbx.gets("MESSAGE") >> pbx.sends(200) << anna.gets(200)
    assert ladder >> after(4.95) >> pbx.repeats() << nothing
    assert field.counts.dropped["stray_response"] == 0
    assert Ladder(field) >> after(0.05) >> pbx.repeats() << nothing
    assert field.counts.dropped["stray_response"] == 1


# -- 17.1.3


def test_response_belongs_to_the_method_in_its_cseq(field, anna, pbx):
    """CANCEL and INVITE share a branch: the 200 to the CANCEL is no answer to the INVITE."""
    assert (
        Ladder(field)
        >> anna.sends(INVITE)
        << pbx.gets("INVITE", contact="{*}", record_route=ANY)
        >> pbx.sends(180)
        << anna.gets(180)
        >> anna.cancels()
        << anna.gets(200)
        << pbx.gets("CANCEL")
        >> pbx.sends(200, answers="CANCEL")
        << nothing
        >> pbx.sends(200, answers="INVITE")
        << anna.gets(200, cseq="1 INVITE")
    )


def test_response_with_another_branch_belongs_to_nobody(field, anna, pbx):
    """Neither Call-ID nor tags count: the branch is what a response is known by."""
    assert (
        Ladder(field)
        >> anna.sends(MESSAGE)
        << pbx.gets("MESSAGE")
        >> pbx.sends(
            200,
            via=[
                "SIP/2.0/UDP 10.0.0.2:5070;branch=z9hG4bK5mxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                "SIP/2.0/UDP 192.168.1.20:5060;rport=31000;branch=z9hG4bK-anna-1;received=198.51.100.20",
            ],
        )
        << nothing
    )
    assert field.counts.dropped["stray_response"] == 1


# -- 17.2.1: INVITE server transaction


def test_repeated_invite_gets_the_latest_provisional_response(field, anna, pbx):
    """Proceeding: none at first, then ours, then each of the server's; none is repeated by itself."""
    assert (
        Ladder(field)
        >> anna.sends(INVITE)
        << pbx.gets("INVITE", contact="{*}", record_route=ANY)
        >> anna.repeats()
        << nothing
        >> after(0.2)
        << anna.gets(100, at=0.15)
        >> anna.repeats()
        << anna.gets(100, again=True)
        >> pbx.sends(180)
        << anna.gets(180)
        >> pbx.sends(183)
        << anna.gets(183)
        >> anna.repeats()
        << anna.gets(183, again=True)
        >> after(100)
        << nothing
    )


def test_timer_g_is_capped_at_t2_and_timer_h_ends_it(field, anna, pbx):
    """Completed: the refusal at 0, 0.5, 1.5, 3.5, 7.5, 11.5 ... 31.5 s; without an ACK it is over at 32 s, counted."""
    ladder = Ladder(field) >> anna.sends(INVITE) << pbx.gets("INVITE", contact="{*}", record_route=ANY)
    ladder = ladder >> pbx.sends(404) << pbx.gets("ACK") << anna.gets(404, at=0.0) >> after(31.95)
    for at in CAPPED:
        ladder = ladder << anna.gets(404, again=True, at=at)
    assert ladder << nothing
    assert field.counts.dropped["ack_never_came"] == 0
    assert Ladder(field) >> after(0.05) << nothing
    assert field.counts.dropped["ack_never_came"] == 1
    assert field.core.node.layer.servers == {}


def test_by_a_reliable_transport_a_refusal_is_sent_once():
    """No Timer G, but Timer H for all transports."""
    cast = Cast(*TCP_ONLY)
    ladder = Ladder(cast.world) >> cast.asks(INVITE) >> cast.server.sends(486) << cast.server.gets("ACK")
    assert ladder << cast.caller.gets(486) >> after(31.95) << nothing
    assert len(cast.world.core.node.layer.servers) == 1
    assert Ladder(cast.world) >> after(0.05) << nothing
    assert cast.world.core.node.layer.servers == {}


def test_repeated_invite_gets_the_refusal_again(field, anna, pbx):
    """Completed: besides what Timer G repeats."""
    assert (
        Ladder(field)
        >> anna.sends(INVITE)
        << pbx.gets("INVITE", contact="{*}", record_route=ANY)
        >> pbx.sends(486)
        << pbx.gets("ACK")
        << anna.gets(486)
        >> after(0.2)
        >> anna.repeats("INVITE")
        << anna.gets(486, again=True, at=0.2)
        >> after(0.3)
        << anna.gets(486, again=True, at=0.5)
    )


def test_ack_ends_timer_g_and_timer_i_absorbs_further_ones(field, anna, pbx):
    """Confirmed for T4: more ACKs and late INVITEs have no effect; then nothing is left of it."""
    ladder = Ladder(field) >> anna.sends(INVITE) << pbx.gets("INVITE", contact="{*}", record_route=ANY)
    ladder = ladder >> pbx.sends(486) << pbx.gets("ACK") << anna.gets(486) >> anna.acks() << nothing
    assert ladder >> after(4.95) >> anna.acks() << nothing >> anna.repeats("INVITE") << nothing
    assert len(field.core.node.layer.servers) == 1
    assert Ladder(field) >> after(0.05) << nothing
    assert field.core.node.layer.servers == {}


def test_by_a_reliable_transport_timer_i_is_zero():
    """The ACK ends the transaction."""
    cast = Cast(*TCP_ONLY)
    ladder = Ladder(cast.world) >> cast.asks(INVITE) >> cast.server.sends(486) << cast.server.gets("ACK")
    assert ladder << cast.caller.gets(486) >> cast.caller.acks() << nothing
    assert cast.world.core.node.layer.servers == {}


# -- 17.2.2: non-INVITE server transaction


def test_repeated_request_is_discarded_then_gets_the_100_then_the_answer(field, anna, pbx):
    """Trying, Proceeding, Completed; Timer J keeps the answer for 32 s."""
    ladder = Ladder(field) >> anna.sends(MESSAGE) << pbx.gets("MESSAGE") >> anna.repeats() << nothing >> after(3.5)
    ladder = ladder << pbx.gets("MESSAGE", again=True, at=0.5) << pbx.gets("MESSAGE", again=True, at=1.5)
    ladder = ladder << anna.gets("100 Trying", at=3.5) << pbx.gets("MESSAGE", again=True, at=3.5)
    ladder = ladder >> anna.repeats() << anna.gets(100, again=True) >> pbx.sends(200) << anna.gets(200)
    ladder = ladder >> after(31.95) >> anna.repeats("MESSAGE") << anna.gets(200, again=True)
    assert ladder
    assert len(field.core.node.layer.servers) == 1
    assert Ladder(field) >> after(0.05) << nothing
    assert field.core.node.layer.servers == {}


def test_by_a_reliable_transport_timer_j_is_zero():
    """The answer ends the transaction."""
    cast = Cast(*TCP_ONLY)
    assert Ladder(cast.world) >> cast.asks(MESSAGE) >> cast.server.sends(200) << cast.caller.gets(200)
    assert cast.world.core.node.layer.servers == {}


# -- 17.2.3


def test_sent_by_and_method_tell_transactions_apart(field, anna, pbx):
    """The same branch from another sent-by, or with another method, is another request; no other parameter counts."""
    via = "SIP/2.0/UDP 192.168.1.20:5060;rport;branch=z9hG4bKsame"
    other = via.replace("192.168.1.20", "192.168.1.21")
    again = via.replace(";rport;branch=z9hG4bKsame", ";branch=z9hG4bKsame;rport;x=y")
    assert (
        Ladder(field)
        >> anna.sends(MESSAGE, via=via, call_id="c")
        << pbx.gets("MESSAGE")
        >> anna.sends(MESSAGE, via=again, call_id="c")
        << nothing
        >> anna.sends(MESSAGE, via=other, call_id="c")
        << pbx.gets("MESSAGE")
        >> anna.sends("OPTIONS sip:bob@example.com", via=via, call_id="c")
        << pbx.gets("OPTIONS")
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"uri": "sip:carol@example.com"},
        {"from_": "<sip:anna@example.com>;tag=other"},
        {"call_id": "other"},
        {"cseq": 2},
        {"via": "SIP/2.0/UDP 192.168.1.20:5060;rport;branch=2"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_request_of_rfc_2543_matches_as_a_whole(field, anna, pbx, changed):
    """Without the cookie: Request-URI, From tag, Call-ID, CSeq and top Via make the transaction."""
    usual = {
        "via": "SIP/2.0/UDP 192.168.1.20:5060;rport;branch=1",
        "from_": "<sip:anna@example.com>;tag=one",
        "call_id": "c",
        "cseq": 1,
    }
    uri = changed.pop("uri", "sip:bob@example.com")
    assert (
        Ladder(field)
        >> anna.sends(MESSAGE, **usual)
        << pbx.gets("MESSAGE")
        >> anna.sends(MESSAGE, **usual)
        << nothing
        >> anna.sends(f"MESSAGE {uri}", **{**usual, **changed})
        << pbx.gets(f"MESSAGE {uri}")
    )


def test_ack_of_rfc_2543_matches_by_the_to_tag_that_we_sent():
    """One with another To tag belongs to another response and ends nothing here."""
    cast = Cast(0, TCP)
    caller, server = cast.caller, cast.server
    ladder = Ladder(cast.world) >> caller.sends(INVITE, via="SIP/2.0/UDP 198.51.100.20:31000") << server.is_connected()
    ladder = ladder << server.gets("INVITE", contact="{*}", record_route=ANY) >> after(32) << caller.gets(100, at=0.15)
    ladder = ladder << caller.gets(408, at=32.0) >> caller.acks(to="<sip:bob@example.com>;tag=other")
    ladder = ladder << note("example.com:5060") << server.gets("ACK sip:bob@example.com")
    ladder = ladder >> after(0.5) << caller.gets(408, again=True, at=32.5) >> caller.acks() << nothing
    assert ladder >> after(40) << nothing


@pytest.mark.parametrize("to", ["<sip:bob@example.com>", "<sip:bob@example.com>;tag=wrong"], ids=["none", "wrong"])
def test_ack_with_the_branch_of_its_invite_needs_no_to_tag(field, anna, pbx, to):
    """Branch, sent-by and method match: some phones copy the To of their INVITE."""
    ladder = Ladder(field) >> anna.sends(INVITE) << pbx.gets("INVITE", contact="{*}", record_route=ANY)
    ladder = ladder >> pbx.sends(486) << pbx.gets("ACK") << anna.gets(486) >> anna.acks(to=to) << nothing
    assert ladder >> after(40) << nothing


# -- both directions


def test_timers_towards_a_client(field, anna, pbx):
    """The same machines serve the server's requests: Timer A to the phone, 100 and 408 to the server."""
    ladder = Ladder(field) >> registration(anna, pbx, "T")
    ladder = ladder >> pbx.sends("INVITE sip:anna@10.0.0.2:5070;transport=udp;b={T}")
    ladder = ladder << anna.gets("INVITE sip:anna@192.168.1.20:5060", record_route=ANY) >> after(32)
    ladder = ladder << pbx.gets(100, at=0.15)
    for at in TIMER_A:
        ladder = ladder << anna.gets("INVITE", again=True, at=at)
    assert ladder << pbx.gets(408, at=32.0) >> pbx.acks()
