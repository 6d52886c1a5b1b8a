"""The profiles that come with the proxy: data, each with the source that justifies what it sets.

A client without a deviation that is known and has a source has no profile here.
"""

from __future__ import annotations

from typing import Final

from proxy.config.model import Profile

BROWSER: Final = {"expires_max": "120s"}

# Profile, and why.
SHIPPED: Final[tuple[tuple[Profile, str], ...]] = (
    (
        Profile.model_validate({"name": "SIP.js", "match": {"user_agent": r"SIP\.js/"}, **BROWSER}),
        "A page that is closed never comes back under its random Contact, and cannot always unregister: a short "
        "registration bounds how long calls go to nobody (RFC 7118 section 5; https://github.com/onsip/SIP.js).",
    ),
    (
        Profile.model_validate({"name": "JsSIP", "match": {"user_agent": r"JsSIP[/ ]"}, **BROWSER}),
        "As SIP.js: the Contact is made anew with every page (https://github.com/versatica/JsSIP).",
    ),
)
