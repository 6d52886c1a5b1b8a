"""The story of SIP.js issue 1091: a page calls without Contact. Only with sipmend it calls, and is called."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from browser_peer import Browser
from browser_site import Site, own_contact


@pytest.fixture
def site(browser: Browser, tmp_path: Path) -> Iterator[Site]:
    """Kamailio takes browsers itself too, for what happens without the proxy."""
    with ExitStack() as cleanup:
        site = Site(browser, tmp_path, cleanup, ["WITH_WEBSOCKET"])
        yield site
        site.edge.assert_sound()


def test_page_without_contact_calls_and_is_called(site: Site) -> None:
    """The PBX gets the Contact it insists on, and by it calls the page back."""
    phone = site.phone("bob")
    page = site.page("alice", "sip.js")
    page.call("bob", contact=False)
    invite = phone.expect("INVITE", 10)
    assert invite.contact.startswith(f"sip:alice@{site.edge.inside}:5070;")
    phone.answer(invite, 180, "Ringing")
    page.expect("ringing")
    dialog = phone.pick_up(invite)
    phone.expect("ACK", 10)
    page.expect("established")
    phone.hangs_up(dialog)
    page.expect("ended")
    assert [seen.contact for seen in page.sent() if seen.method == "INVITE" and not seen.status] == ["", ""]
    assert site.edge.total("sipmend_repairs_total", rule="contact-missing-request", mode="repair") == 2
    asked = phone.call("alice")
    page.expect("incoming")
    own = phone.established(asked, phone.final(asked, 10))
    page.expect("established")
    page.do("hangUp")
    phone.is_hung_up()
    page.expect("ended")
    incoming = [seen for seen in page.received() if seen.method == "INVITE" and not seen.status]
    assert [seen.uri for seen in incoming] == [own_contact(page)]
    assert own.call_id == incoming[0].first("Call-ID")


def test_without_the_proxy_neither_works(site: Site) -> None:
    """The same page at the PBX itself: 400 for what it sends, 478 for who calls it."""
    phone = site.phone("bob")
    page = site.page("alice", "sip.js", f"ws://{site.kamailio.host}:8080")
    page.call("bob", contact=False)
    page.expect("rejected:400", "ended")
    asked = phone.call("alice")
    answer = phone.final(asked, 10)
    phone.acknowledge_failure(asked, answer)
    assert answer.status == 478
    assert [seen for seen in phone.received if seen.method == "INVITE" and not seen.status] == []
    assert [seen for seen in page.received() if not seen.status] == []
