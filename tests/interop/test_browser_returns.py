"""Pages that are loaded again, pages of one user, pages that lose their connection in a call, and a proxy that dies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from browser_peer import Browser, Page
from browser_site import LIBRARIES, Site
from cable import Cable
from peer_process import eventually
from sip_client import Dialog
from sipmend_peer import WSS_PORT
from web_phone import WebPhone


@pytest.fixture
def site(browser: Browser, tmp_path: Path) -> Iterator[Site]:
    """A proxy that keeps its clients in a file; it must run in the end, without a traceback."""
    with ExitStack() as cleanup:
        # Pages are shown all that the PBX lists, so that they tell of ghosts; the shipped profiles would hide these.
        changes = {"store": f"sqlite:{tmp_path / 'bindings.db'}", "repair": {"contact-register-foreign": "off"}}
        site = Site(browser, tmp_path, cleanup, changes=changes)
        yield site
        site.edge.assert_sound()


def listed(page: Page) -> list[str]:
    """The Contacts that the PBX listed when the page registered last."""
    answers = [seen for seen in page.received() if seen.status == 200 and seen.method == "REGISTER"]
    return answers[-1].all("Contact")


def call(phone: WebPhone, page: Page) -> Dialog:
    """The phone calls the page; the call is up when its ACK is there, which SIP.js does not wait for."""
    asked = phone.call(page.user)
    page.expect("incoming")
    own = phone.established(asked, phone.final(asked, 10))
    page.expect("established")
    ack = ("ACK", own.call_id)
    assert eventually(lambda: ack in [(seen.method, seen.first("Call-ID")) for seen in page.received()])
    return own


@pytest.mark.parametrize(
    ("library", "settings"),
    [("sip.js", {}), ("jssip", {}), ("jssip", {"instance": "3f1c8b2e-7a54-4c1d-9e60-1b2a3c4d5e6f"})],
    ids=["sip.js", "jssip", "jssip with instance_id"],
)
def test_page_that_is_loaded_again_is_one_client(site: Site, library: str, settings: dict[str, str]) -> None:
    """Each load is a new random Contact, and for JsSIP a new instance; the PBX lists one, and a call rings once."""
    phone = site.phone("bob")
    page = site.page("alice", library, **settings)
    for _ in range(5):
        page.reload()
        page.start()
    assert len(listed(page)) == 1
    assert len({seen.contact for seen in page.sent() if seen.method == "REGISTER"}) == 6
    own = call(phone, page)
    phone.hangs_up(own)
    page.expect("ended")
    assert [seen.method for seen in page.received() if not seen.status] == ["INVITE", "ACK", "BYE"]
    assert site.edge.total("sipmend_bindings", state="registered") == 1


def test_two_pages_of_one_user_ring_and_one_has_the_call(site: Site) -> None:
    """The other one hears that it was answered elsewhere; what the far end says reaches the one that answered."""
    phone = site.phone("bob")
    pages = [site.page("alice", library, answer="later") for library in LIBRARIES]
    assert len(listed(pages[1])) == 2
    for answering, other in (pages, pages[::-1]):
        asked = phone.call("alice")
        for page in pages:
            page.expect("incoming")
        answering.do("answer")
        own = phone.established(asked, phone.final(asked, 10))
        answering.expect("established")
        other.expect("ended")
        phone.hangs_up(own)
        answering.expect("ended")
        assert "established" not in other.unread()


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("page_calls", [True, False], ids=["calls", "is called"])
def test_page_that_lost_its_connection_in_a_call_is_hung_up_on(site: Site, library: str, page_calls: bool) -> None:
    """The WebSocket is cut; the page connects and registers again, and re-INVITE and BYE of the far end reach it."""
    cable = site.cleanup.enter_context(Cable((site.edge.edge, WSS_PORT)))
    phone = site.phone("bob")
    page = site.page("alice", library, f"wss://{cable.near[0]}:{WSS_PORT}/sip")
    page.expect("connected")
    if page_calls:
        page.call("bob")
        own = phone.pick_up(phone.expect("INVITE", 10))
        phone.expect("ACK", 10)
        page.expect("established")
    else:
        own = call(phone, page)
    cable.cut()
    page.expect("disconnected", "connected", "registered")
    phone.hangs_up(own)
    page.expect("ended")
    assert len(listed(page)) == 1
    phone.hangs_up(call(phone, page))


@pytest.mark.parametrize("library", LIBRARIES)
def test_call_outlives_the_proxy(site: Site, library: str) -> None:
    """kill -9 in a call, and a new start: the page connects and registers again, and the BYE of the far end arrives."""
    phone = site.phone("bob")
    page = site.page("alice", library)
    page.expect("connected")
    own = call(phone, page)
    site.edge.kill()
    page.expect("disconnected")
    site.edge.start()
    page.expect("connected", "registered", patience=30)
    phone.hangs_up(own)
    page.expect("ended")
    assert len(listed(page)) == 1
    own = call(phone, page)
    page.do("hangUp")
    phone.is_hung_up()
    page.expect("ended")
