"""Pages and phones call each other: phones at the PBX by UDP, and phones by TCP and TLS that are behind sipmend too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from browser_peer import Browser
from browser_site import Site


@pytest.fixture
def site(browser: Browser, tmp_path: Path) -> Iterator[Site]:
    """The proxy before the PBX; it must still run in the end, without a traceback."""
    with ExitStack() as cleanup:
        site = Site(browser, tmp_path, cleanup)
        yield site
        site.edge.assert_sound()


@pytest.mark.parametrize(
    ("library", "transport", "behind"),
    [("sip.js", "udp", False), ("jssip", "udp", False), ("sip.js", "tcp", True), ("jssip", "tls", True)],
    ids=["sip.js and UDP", "jssip and UDP", "sip.js and TCP", "jssip and TLS"],
)
def test_page_and_phone_call_each_other(site: Site, library: str, transport: str, behind: bool) -> None:
    """Hold and resume by the page, BYE by the called side, by the caller, and by the page."""
    phone = site.phone("bob", transport, behind)
    page = site.page("alice", library)
    page.call("bob")
    invite = phone.expect("INVITE", 10)
    dialog = phone.pick_up(invite)
    phone.expect("ACK", 10)
    page.expect("established")
    for version, (hold, direction, event) in enumerate(((True, "sendonly", "held"), (False, "sendrecv", "resumed")), 2):
        page.do("hold", hold)
        phone.is_reinvited(direction, version)
        page.expect(event)
    phone.hangs_up(dialog)
    page.expect("ended")
    for page_ends in (False, True):
        asked = phone.call("alice")
        page.expect("incoming")
        own = phone.established(asked, phone.final(asked, 10))
        page.expect("established")
        if page_ends:
            page.do("hangUp")
            phone.is_hung_up()
        else:
            phone.hangs_up(own)
        page.expect("ended")
