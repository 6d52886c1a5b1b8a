"""The page that docs/browsers.md offers: two of it call each other, by mouse and keyboard, with both libraries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from browser_peer import PATIENCE, Browser
from browser_site import Site
from kamailio_peer import DOMAIN


class ExamplePage:
    """The example in a page of its own, registered."""

    def __init__(self, site: Site, user: str, library: str) -> None:
        self._browser = site.browser
        self._page = self._browser.ask("open", path="/example/")
        site.cleanup.callback(self._browser.ask, "close", page=self._page)
        self._act("selectOption", "[name=library]", library)
        account = {"server": site.edge.wss, "domain": DOMAIN, "user": user, "password": f"{user}pw"}
        for name, value in account.items():
            self._act("fill", f"[name={name}]", value)
        self.click("#account button")
        self.shows("registered")

    def _act(self, action: str, selector: str, *values: Any) -> None:
        self._browser.ask("act", page=self._page, action=action, selector=selector, values=values)

    def click(self, selector: str) -> None:
        """Click, once it can be clicked."""
        self._act("click", selector)

    def call(self, user: str) -> None:
        self._act("fill", "[name=target]", user)
        self.click("#call button")

    def shows(self, state: str) -> None:
        """Wait until the page says that this is its state."""
        self._browser.ask("shows", page=self._page, selector="#state", text=state, patience=PATIENCE * 1000)

    def hears(self) -> None:
        """The audio element plays what comes from the other page."""
        self._browser.ask("plays", page=self._page, selector="#audio", patience=PATIENCE * 1000)


@pytest.fixture
def site(browser: Browser, tmp_path: Path) -> Iterator[Site]:
    """The proxy before the PBX; it must still run in the end, without a traceback."""
    with ExitStack() as cleanup:
        site = Site(browser, tmp_path, cleanup)
        yield site
        site.edge.assert_sound()


def test_example_pages_call_each_other(site: Site) -> None:
    """Register, call, answer, hear, hang up at each end; a second call is given up while it rings."""
    alice = ExamplePage(site, "alice", "SIP.js")
    bob = ExamplePage(site, "bob", "JsSIP")
    for caller, called, callee in ((alice, bob, "bob"), (bob, alice, "alice")):
        caller.call(callee)
        called.shows("ringing here")
        caller.shows("calling")
        called.click("#answer")
        for page in (caller, called):
            page.shows("in a call")
            page.hears()
        called.click("#end")
        for page in (caller, called):
            page.shows("registered")
        caller.call(callee)
        called.shows("ringing here")
        caller.click("#end")
        for page in (caller, called):
            page.shows("registered")
