"""Two pages of a real browser, SIP.js or JsSIP, call each other over WSS through sipmend and a PBX by UDP."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path

import pytest
from browser_peer import Browser, Page
from browser_site import Site, await_media, await_silence, own_contact

REGISTRARS = {"honours Path": ["WITH_PATH"], "ignores Path": []}
# Both libraries, each pair of them, a random and a fixed user part of Contact, before registrars of both kinds.
CASES = [
    ("sip.js", "sip.js", "honours Path", "fixed"),
    ("sip.js", "sip.js", "ignores Path", "random"),
    ("jssip", "jssip", "honours Path", "random"),
    ("jssip", "jssip", "ignores Path", "fixed"),
    ("sip.js", "jssip", "honours Path", "random"),
    ("jssip", "sip.js", "ignores Path", "fixed"),
]
HARMLESS = {"connected", "ringing"}


def calls(caller: Page, called: Page, ends: Page) -> None:
    """A call with audio both ways that the caller holds and resumes, and one of them ends."""
    caller.call(called.user)
    called.expect("incoming", "established")
    caller.expect("established")
    await_media(caller, called)
    caller.do("hold", True)
    caller.expect("held")
    await_silence(caller)
    caller.do("hold", False)
    caller.expect("resumed")
    await_media(caller, called)
    ends.do("hangUp")
    caller.expect("ended")
    called.expect("ended")


@pytest.mark.parametrize(("one", "other", "registrar", "contact"), CASES)
def test_pages_call_each_other(
    browser: Browser, tmp_path: Path, one: str, other: str, registrar: str, contact: str
) -> None:
    """Register, call in both directions, hold, resume, hang up at either end, unregister."""
    with ExitStack() as cleanup:
        site = Site(browser, tmp_path, cleanup, REGISTRARS[registrar])
        alice = site.page("alice", one, contactName="alice" if contact == "fixed" else "")
        bob = site.page("bob", other, contactName="bob" if contact == "fixed" else "")
        calls(alice, bob, ends=bob)
        calls(bob, alice, ends=bob)
        for page in (alice, bob):
            requests = [seen for seen in page.received() if not seen.status]
            assert {seen.method for seen in requests} >= {"INVITE", "ACK"}
            # Each names the page as it names itself, or the libraries would answer 404. JsSIP takes the GRUU that
            # Kamailio gave it (RFC 5627) for its name where it calls.
            names = {re.sub(";ob$", "", seen.uri) for seen in requests if ";gr=" not in seen.uri}
            assert names == {own_contact(page)}
            page.do("unregister")
            assert set(page.unread()) <= HARMLESS
        ways = site.kamailio.ways()
        # What the PBX sends to is the Contact of the proxy, with the name of the user, and by Path if it keeps that.
        assert [re.match(rf"sip:(\w+)@{site.edge.inside}:5070;", uri)[1] for uri, _ in ways] == ["bob", "alice"]
        assert {way.startswith("sip:p") for _, way in ways} == {registrar == "honours Path"}
        site.edge.assert_sound()
