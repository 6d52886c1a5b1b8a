"""A page, SIP.js or JsSIP, and baresip call each other through sipmend: a phone that can do what WebRTC asks for."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
from baresip_peer import Baresip
from browser_peer import Browser
from browser_site import Site


@pytest.mark.parametrize("library", ["sip.js", "jssip"])
def test_page_and_baresip_call_each_other(browser: Browser, tmp_path: Path, library: str) -> None:
    """WSS and UDP through the same proxy; baresip has the ICE and DTLS-SRTP that a page asks for.

    Audio is not looked at: on one machine ICE has several pairs of addresses that work, the two choose different ones,
    and the DTLS of this baresip takes none but its own.
    """
    with ExitStack() as cleanup:
        site = Site(browser, tmp_path, cleanup)
        page = site.page("alice", library)
        webrtc = "mediaenc=dtls_srtp;medianat=ice;audio_codecs=pcmu"
        phone = Baresip("bob", site.edge.address, "udp", tmp_path / "bob", webrtc)
        cleanup.callback(phone.stop)
        page.call("bob")
        page.expect("established")
        phone.expect("CALL_ESTABLISHED")
        page.do("hold", True)
        page.expect("held")
        page.do("hold", False)
        page.expect("resumed")
        phone.do("hangup")
        page.expect("ended")
        phone.call("alice")
        page.expect("incoming", "established")
        phone.expect("CALL_ESTABLISHED")
        page.do("hangUp")
        page.expect("ended")
        phone.expect("CALL_CLOSED")
        site.edge.assert_sound()
