"""RFC 3261 sections 16.7 to 16.10: responses, Timer C, transport errors and CANCEL, if no other ladder shows it."""

from __future__ import annotations

import pytest

from proxy.flow import TCP
from tests.support.flows import call_out
from tests.support.ladder import Ladder, after, nothing
from tests.support.world import World

ANY = ["{*}", "{*}"]
INVITE = "INVITE sip:bob@example.com"


def invited(anna, pbx, **headers):
    return [anna.sends(INVITE, **headers), pbx.gets("INVITE", contact="{*}", record_route=ANY, branch="{B}")]


# -- 16.7


def test_100_does_not_set_timer_c_back(field, anna, pbx):
    """Step 2: 101 to 199 do; Timer C runs from the 180."""
    assert (
        Ladder(field)
        >> invited(anna, pbx)
        >> pbx.sends(180)
        << anna.gets(180)
        >> after(100)
        >> pbx.sends(100)
        << nothing
        >> after(84.95)
        << nothing
        >> after(0.05)
        << pbx.gets("CANCEL", at=185.0)
    )


def test_timer_c_is_longer_than_three_minutes(field, anna, pbx):
    """16.6 step 11, 16.7 step 2: each provisional response gives 185 s more; three minutes alone cancel nothing."""
    ladder = Ladder(field) >> invited(anna, pbx)
    for count in range(3):
        ladder = ladder >> pbx.sends(f"183 Still {count}") << anna.gets(183) >> after(184) << nothing
    assert ladder >> after(1) << pbx.gets("CANCEL", at=553.0)


@pytest.mark.parametrize("status", [180, 200, 486])
def test_response_without_another_via_is_not_forwarded(field, anna, pbx, status):
    """Step 3: only our own Via is left, so it cannot be for the client."""
    assert (
        Ladder(field) >> invited(anna, pbx) >> pbx.sends(status, via="SIP/2.0/UDP 10.0.0.2:5070;branch={B}") << nothing
    )


def test_first_via_only_is_taken_off(field, anna, pbx):
    """Step 3: whether the values stand in one line or several."""
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com", via="SIP/2.0/UDP 192.168.1.20:5060;rport;branch=z9hG4bKx")
        << pbx.gets("MESSAGE", branch="{B}")
        >> pbx.sends(
            200,
            via="SIP/2.0/UDP 10.0.0.2:5070;branch={B}, "
            "SIP/2.0/UDP 192.168.1.20:5060;rport=31000;branch=z9hG4bKx;received=198.51.100.20",
        )
        << anna.gets(200, via="SIP/2.0/UDP 192.168.1.20:5060;rport=31000;branch=z9hG4bKx;received=198.51.100.20")
    )


@pytest.mark.parametrize("status", [180, 183, 199])
def test_provisional_responses_go_home_at_once(field, anna, pbx, status):
    """Step 5: each of them, also the same once more."""
    assert (
        Ladder(field)
        >> invited(anna, pbx)
        >> pbx.sends(f"{status} Ringing")
        << anna.gets(status)
        >> pbx.sends(f"{status} Still")
        << anna.gets(status)
    )


def test_after_the_2xx_only_2xx_go_home(field, anna, pbx):
    """Step 5: a late 180 or 486 of another fork behind the server ends here."""
    assert (
        Ladder(field)
        >> invited(anna, pbx)
        >> pbx.sends(200, to="<sip:bob@example.com>;tag=one")
        << anna.gets(200, to="<sip:bob@example.com>;tag=one")
        >> pbx.sends(180, to="<sip:bob@example.com>;tag=two")
        << nothing
        >> pbx.sends(486, to="<sip:bob@example.com>;tag=two")
        << nothing
        >> pbx.sends(200, to="<sip:bob@example.com>;tag=three")
        << anna.gets(200, to="<sip:bob@example.com>;tag=three")
    )


def test_one_final_response_to_a_request_without_dialog(field, anna, pbx):
    """Step 5: exactly one, whatever else the server says."""
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com")
        << pbx.gets("MESSAGE")
        >> pbx.sends(404)
        << anna.gets(404)
        >> pbx.sends(200)
        << nothing
    )


def test_6xx_goes_home(field, anna, pbx):
    """Steps 5 and 6: the only branch has ended, and no new one begins."""
    assert (
        Ladder(field)
        >> invited(anna, pbx)
        >> pbx.sends(603)
        << pbx.gets("ACK")
        << anna.gets(603)
        >> anna.acks()
        >> after(10)
        << nothing
    )


def test_to_tag_is_neither_inserted_nor_changed(field, anna, pbx):
    """Step 6: a 180 without a tag stays without; whatever tag a response has, it keeps."""
    assert (
        Ladder(field)
        >> invited(anna, pbx)
        >> pbx.sends(180, to="<sip:bob@example.com>", contact=None)
        << anna.gets(180, to="<sip:bob@example.com>")
        >> pbx.sends(183, to="<sip:bob@example.com>;tag=EarlyOne")
        << anna.gets(183, to="<sip:bob@example.com>;tag=EarlyOne")
        >> pbx.sends(200, to="<sip:bob@example.com>;tag=Other;x=y")
        << anna.gets(200, to="<sip:bob@example.com>;tag=Other;x=y")
    )


@pytest.mark.parametrize("status", [200, 404, 481])
def test_to_tag_within_a_dialog_stays(field, anna, pbx, status):
    """Step 6: in every response to a request that has one; ours too."""
    assert (
        Ladder(field)
        >> call_out(anna, pbx, "G", "R")
        >> anna.continues("INFO")
        << pbx.gets("INFO", route=None)
        >> pbx.sends(status)
        << anna.gets(status, to="<sip:bob@example.com>;tag=pbx-tag")
        >> anna.continues("INFO", max_forwards=0)
        << anna.gets(483, to="<sip:bob@example.com>;tag=pbx-tag")
    )


def test_challenge_passes_unchanged(field, anna, pbx):
    """Step 7, with one branch: all challenges of the one response, in their order."""
    first, second = 'Digest realm="a", nonce="1"', 'Digest realm="b", nonce="2", algorithm=SHA-256'
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com")
        << pbx.gets("MESSAGE")
        >> pbx.sends(401, www_authenticate=[first, second], proxy_authenticate=first)
        << anna.gets(401, www_authenticate=[first, second], proxy_authenticate=first)
    )


def test_fields_and_body_of_a_response_stay(field, anna, pbx):
    """Step 9: nothing but our Via is taken away, `received` included; the body is not touched."""
    lines = ("X-One: 1", "k: 100rel", "Record-Route:  <sip:elsewhere;lr>\r\n ,<sip:more;lr>", "X-One: 2")
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com")
        << pbx.gets("MESSAGE")
        >> pbx.sends(200, lines=lines, body=b"\x00\xff\r\n\r\n")
        << anna.gets(200, via="SIP/2.0/UDP 192.168.1.20:5060;rport=31000;branch=z9hG4bK-anna-1;received=198.51.100.20")
    )


def test_2xx_keeps_coming_while_the_transactions_live(field, anna, pbx):
    """Step 9: the response context stays until its transactions end, 32 s after the first 2xx."""
    ladder = Ladder(field) >> invited(anna, pbx) >> pbx.sends(200) << anna.gets(200)
    for _ in range(7):
        ladder = ladder >> after(4) >> pbx.repeats() << anna.gets(200, again=True)
    assert ladder >> after(4) >> pbx.repeats() << nothing


# -- 16.8, 16.9


def test_invite_without_any_answer_is_408(field, anna, pbx):
    """16.8: without a provisional response as if 408 had come; Timer B is shorter than C."""
    ladder = Ladder(field) >> invited(anna, pbx) >> after(32) << anna.gets(100, at=0.15)
    for at in (0.5, 1.5, 3.5, 7.5, 15.5, 31.5):
        ladder = ladder << pbx.gets("INVITE", again=True, at=at)
    assert ladder << anna.gets(408, at=32.0) >> anna.acks()


def test_connection_lost_while_it_rings_is_500(field, anna, pbx):
    """16.9, 16.7 step 6: as if 503 had come, which goes home as 500."""
    world = World(clients=("udp://203.0.113.10:5060",), targets=("tcp://10.0.0.5:5060",))
    caller = world.client("caller", "198.51.100.20:31000")
    server = world.server("server", transport=TCP)
    assert (
        Ladder(world)
        >> caller.sends(INVITE)
        << server.is_connected()
        << server.gets("INVITE", contact="{*}", record_route=ANY)
        >> server.sends(180)
        << caller.gets(180)
        >> server.closes()
        << caller.gets(500)
        >> caller.acks()
    )


# -- 16.10


def test_cancel_is_answered_at_once_and_goes_on_when_it_rings(field, anna, pbx):
    """200 to the CANCEL by ourselves, at once; ours leaves when the first provisional response is there."""
    assert (
        Ladder(field)
        >> invited(anna, pbx)
        >> after(0.05)
        >> anna.cancels()
        << anna.gets(200, at=0.05)
        >> pbx.sends(180)
        << pbx.gets("CANCEL", at=0.05)
        << anna.gets(180)
        >> pbx.sends(200, answers="CANCEL")
        >> pbx.sends(487, answers="INVITE")
        << pbx.gets("ACK")
        << anna.gets(487)
    )


def test_cancel_is_sent_once(field, anna, pbx):
    """16.7 step 10: what is cancelled already is not cancelled again, by a repeated CANCEL or a further 180."""
    assert (
        Ladder(field)
        >> invited(anna, pbx)
        >> pbx.sends(180)
        << anna.gets(180)
        >> anna.cancels()
        << anna.gets(200)
        << pbx.gets("CANCEL")
        >> pbx.sends(200, answers="CANCEL")
        >> anna.repeats("CANCEL")
        << anna.gets(200, again=True)
        >> pbx.sends("183 Session Progress", answers="INVITE")
        << anna.gets(183)
        >> after(1)
        << nothing
    )


def test_cancel_that_fits_no_context_goes_nowhere(field, anna, pbx):
    """16.10 would forward it without state; we keep state of all we forward, so it is about nothing: 481."""
    assert (
        Ladder(field)
        >> anna.sends("CANCEL sip:bob@example.com")
        << anna.gets(481)
        >> invited(anna, pbx)
        >> anna.cancels(cseq=99)
        << anna.gets(481)
        >> pbx.sends(180)
        << anna.gets(180)
    )


def test_cancel_of_another_request_than_invite(field, anna, pbx):
    """16.10 would have it answered 200 and ignored. Nobody should send it (9.1): 481, and the request goes on."""
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com", via="SIP/2.0/UDP 192.168.1.20:5060;rport;branch=z9hG4bKm")
        << pbx.gets("MESSAGE")
        >> anna.sends(
            "CANCEL sip:bob@example.com",
            via="SIP/2.0/UDP 192.168.1.20:5060;rport;branch=z9hG4bKm",
            call_id="anna-1",
            from_="<sip:anna@example.com>;tag=anna-1",
        )
        << anna.gets(481)
        >> pbx.sends(200, answers="MESSAGE")
        << anna.gets(200)
    )
