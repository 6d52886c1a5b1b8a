"""A PBX with sipmend before it, pages of a real browser outside, and phones at the PBX."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from browser_peer import Browser, Page
from kamailio_peer import Kamailio
from peer_process import eventually, fresh_address
from sipmend_peer import TLS_PORT, Sipmend, Value
from web_phone import WebPhone, web_phone

from tests.support.certificates import Authority

LIBRARIES = ("sip.js", "jssip")


class Site:
    """Kamailio, and sipmend with WSS before it; `cleanup` ends them with everything else that is made here."""

    def __init__(
        self,
        browser: Browser,
        work: Path,
        cleanup: ExitStack,
        defines: Sequence[str] = (),
        changes: Mapping[str, Value] | None = None,
    ) -> None:
        self.browser = browser
        self.cleanup = cleanup
        self.kamailio = Kamailio(fresh_address(), work / "kamailio", defines=defines)
        cleanup.callback(self.kamailio.stop)
        edge = fresh_address()
        authority = Authority(work)
        self.ca = authority.file
        certificate = authority.issue("edge", edge)
        self.edge = Sipmend(
            f"sip:{self.kamailio.host}:5060", work / "sipmend", edge=edge, certificate=certificate, changes=changes
        )
        cleanup.callback(lambda: self.edge.process.stop(1.0))

    def page(self, user: str, library: str, server: str = "", **settings: Any) -> Page:
        """A page whose phone has registered, through sipmend unless another server is named."""
        page = Page(self.browser, library, user, server or self.edge.wss, **settings)
        self.cleanup.callback(page.close)
        return page.start()

    def phone(self, user: str, transport: str = "udp", behind: bool = False) -> WebPhone:
        """A phone that is registered at Kamailio itself, or, if `behind` is set, through sipmend."""
        host = self.edge.edge if behind else self.kamailio.host
        server = (host, TLS_PORT if transport == "tls" else 5060)
        phone = self.cleanup.enter_context(web_phone(user, server, transport, self.ca))
        assert phone.register().status == 200
        return phone


def own_contact(page: Page) -> str:
    """The Contact that this page registered last."""
    return [seen for seen in page.sent() if seen.method == "REGISTER"][-1].contact


def await_media(*pages: Page, packets: int = 20) -> None:
    """Each of these pages receives so many more RTP packets soon."""
    wanted = {page: page.do("media")["received"] + packets for page in pages}

    def flows() -> bool:
        return all(page.do("media")["received"] >= number for page, number in wanted.items())

    assert eventually(flows, 15), [(page.user, page.do("media")) for page in pages]


def await_silence(page: Page) -> None:
    """Nothing more arrives at this page soon."""
    deadline = time.monotonic() + 10
    before = -1
    while (now := page.do("media")["received"]) != before:
        assert time.monotonic() < deadline, f"{page.user} still receives"
        before = now
        time.sleep(0.4)
