"""The profiles that come with the proxy: data, each line with the source that justifies it.

docs/profiles.md is rendered from it. A line may also name what the defaults do anyway: the defect is known of that
client, and stays mended for it should the default change. What the section `repair` of the file says counts more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from proxy.config.model import Profile

_GIT: Final = "https://github.com/"
_SIPROXD: Final = _GIT + "hb9xar/siproxd/blob/"
_CLOSED_PAGE: Final = (
    "A page that is closed never comes back under its random Contact, and cannot always unregister: a short "
    "registration bounds how long calls go to nobody."
)


@dataclass(frozen=True, slots=True)
class Line:
    """One setting of a profile. `key` is its place in the file, `repair.RULE` for a rule.

    `sources` are addresses of reports, or RFC sections.
    """

    key: str
    value: str
    why: str
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shipped:
    """A profile, whom it is for, its settings line by line, and User-Agents that it is for, as they were seen."""

    profile: Profile
    about: str
    lines: tuple[Line, ...]
    agents: tuple[str, ...]


def _line(key: str, value: str, why: str, *sources: str) -> Line:
    """A line; what is no address and no RFC names an issue, a pull request or a file on GitHub."""
    known = ("https://", "RFC ")
    return Line(key, value, why, tuple(one if one.startswith(known) else _GIT + one for one in sources))


def _shipped(name: str, about: str, agents: tuple[str, ...], *lines: Line) -> Shipped:
    data: dict[str, Any] = {"name": name}
    for line in lines:
        section, dot, key = line.key.partition(".")
        if dot:
            data.setdefault(section, {})[key] = line.value
        else:
            data[section] = line.value
    return Shipped(Profile.model_validate(data), about, lines, agents)


_SIP_JS: Final = _shipped(
    "SIP.js",
    "Browsers, and programs for Node, with SIP.js.",
    ("SIP.js/0.21.1", "SIP.js/0.20.0", "SIP.js/0.13.5.2;mozilla/5.0 (macintosh)", "SIP.js/0.7.8"),
    _line(
        "match.user_agent", r"(^|[ (;])SIP\.js/[0-9]", "The name that the library gives itself.",
        "onsip/SIP.js/issues/932",
    ),
    _line("expires_max", "120s", _CLOSED_PAGE, "onsip/SIP.js/pull/896", "RFC 7118 section 5"),
    _line(
        "repair.contact-bad-param-chars", "repair",
        "Its parser refuses a Contact with quotes or `=` in a URI parameter, as topology hiding writes them, and "
        "with it the answer.",
        "onsip/SIP.js/issues/419", "onsip/SIP.js/issues/593", "RFC 3261 section 25.1",
    ),
    _line(
        "repair.contact-register-foreign", "repair",
        "One Contact of another phone that it cannot parse (a `#`, a tel URI) in the 2xx to its REGISTER, and it "
        "counts as unregistered.",
        "onsip/SIP.js/issues/560", "onsip/SIP.js/issues/953",
    ),
)  # fmt: skip
_JSSIP: Final = _shipped(
    "JsSIP",
    "Browsers with JsSIP.",
    ("JsSIP 3.10.1", "JsSIP 3.9.1", "JsSIP 3.1.2", "JsSIP 0.7.11"),
    _line(
        "match.user_agent", "(^|[ (;])JsSIP[/ ][0-9]", "The name that the library gives itself.",
        "versatica/JsSIP/blob/0e31fd56a41519592331599f57126703ba51dbec/lib/Constants.js",
    ),
    _line("expires_max", "120s", _CLOSED_PAGE, "versatica/JsSIP/issues/437", "RFC 7118 section 5"),
    _line(
        "repair.contact-register-foreign", "repair",
        "A Contact of another phone that it cannot parse in the 2xx to its REGISTER ends its registering.",
        "versatica/JsSIP/issues/698", "versatica/JsSIP/issues/699",
    ),
    _line(
        "repair.expires-missing", "repair", "It takes a Contact without expires in the 2xx for a failure.",
        "versatica/JsSIP/issues/482",
    ),
    _line(
        "repair.ack-no-route", "repair", "ACK and CANCEL without the route set.", "versatica/JsSIP/pull/552",
    ),
)  # fmt: skip
_LINPHONE: Final = _shipped(
    "Linphone",
    "Linphone on every platform, and programs made with its SDK that name belle-sip.",
    (
        "Linphone/3.9.0 (belle-sip/1.4.2)",
        "Linphone/3.6.1 (eXosip2/4.1.0)",
        "Linphone Desktop/4.2.3 (Ubuntu 20.04.1 LTS, Qt 5.12.5) LinphoneCore/4.4.2-7-g4bded1443",
        "Linphone_iPhone9.4_iOS10.3.3/3.16.4-94-g8937a2ca (belle-sip/1.6.3)",
        "LinphoneiOS/4.5.1 (iPhone) LinphoneSDK/5.0.40-pre.2+ea19d3d",
        "LinphoneAndroid/1.0 (belle-sip/1.5.0)",
        "Unknown (belle-sip/1.6.3)",
    ),
    _line(
        "match.user_agent", r"^Linphone|[ (]belle-sip/[0-9]| LinphoneSDK/[0-9]",
        "Its name, that of its SDK or that of its SIP stack.",
        "BelledonneCommunications/linphone-desktop/issues/397", "BelledonneCommunications/linphone-iphone/issues/304",
        "BelledonneCommunications/linphone-android/issues/472",
    ),
    _line(
        "repair.contact-register-foreign", "repair",
        "With two Contacts in the 2xx an app does not know its own, and registers again and again.",
        "BelledonneCommunications/flexisip/issues/186",
    ),
    _line(
        "repair.contact-missing-request", "repair",
        "Its UPDATE has no Contact: Asterisk answers 400, and the call drops at the first session refresh.",
        "BelledonneCommunications/linphone-android/issues/455", "BelledonneCommunications/liblinphone/issues/103",
    ),
    _line(
        "repair.contact-missing-response", "repair", "A 180 or 200 without Contact upsets it, or ends the call.",
        "BelledonneCommunications/linphone-desktop/issues/641", "asterisk/asterisk/issues/1711",
    ),
    _line(
        "repair.contact-duplicate", "repair",
        "After a change of network its REGISTER has two Contacts, the old one with expires=0.",
        "BelledonneCommunications/linphone-iphone/issues/304",
    ),
    _line(
        "repair.rr-no-transport", "repair", "It goes on by UDP where a Record-Route has no transport.",
        "kamailio/kamailio/pull/257",
    ),
)  # fmt: skip
_ZOIPER: Final = _shipped(
    "Zoiper",
    "Zoiper; from version 5 on it calls itself `Z`.",
    (
        "Zoiper rev.5415",
        "Zoiper v2.10.20.4_1",
        "Zoiper for Windows 2.38 rev.16635",
        "Z 5.2.28 rv2.8.115",
        "Z 5.4.12 v2.10.13.2-mod",
        "Z 5.6.6 v2.10.20.5",
    ),
    _line(
        "match.user_agent", r"^Zoiper( |/|$)|^Z [0-9]+\.[0-9.]+ r?v[0-9]",
        "Its name, or the short one with the two versions behind it.", "RFC 3261 section 20.41",
    ),
    _line(
        "rport", "always",
        "Without its option \"rport\" it asks for none behind a NAT, answers miss it, and it never registers.",
        "Metaswitch/sprout/issues/1567", "RFC 3581 section 4",
    ),
    _line(
        "repair.contact-port-mismatch", "repair",
        "It keeps a public address in its Contact that it learned elsewhere, and cannot be called there.",
        "drachtio/drachtio-server/issues/207",
    ),
)  # fmt: skip
_CISCO: Final = _shipped(
    "Cisco",
    "Cisco's desk phones with the firmware for its own call manager (7900, 8800); not the `-3PCC` firmware, the SPA "
    "and ATA models and the gateways, which send and listen on one port.",
    ("Cisco-CP7970G/8.4.0", "Cisco-CP7960G/8.0", "Cisco-CP7941G-GE/8.0", "Cisco-CP7975G/9.4.2", "Cisco-CP8865/14.4.1"),
    _line(
        "match.user_agent", "^Cisco-CP[0-9]+[A-Z]*(-GE)?/", "The model, and the version of this firmware.",
        "drachtio/drachtio-server/issues/374", "usecallmanagernz/patches/issues/39",
    ),
    _line(
        "rport", "never",
        "By UDP it sends from a high port and listens on 5060: answers and calls to the port it sends from are lost.",
        "drachtio/drachtio-server/issues/374", "RFC 3261 section 18.2.2",
    ),
    _line(
        "repair.via-rport-unwanted", "repair", "It does not ask for rport, and must not get one.",
        "drachtio/drachtio-server/issues/374", "drachtio/drachtio-server/issues/444",
    ),
)  # fmt: skip
_3CX: Final = _shipped(
    "3CX SBC",
    "3CX, the PBX and its SBC, where it comes as a client: as the trunk of another server.",
    (
        "3CXPhoneSystem 14.0.44198.522 (44097)",
        "3CXPhoneSystem 18.0.1.234 (234)",
        "3CXPhoneSystem 15.5.15502.6 (15502)",
        "3CXPhoneSystem 11.0.28976.849 (28862)",
        "3CX",
    ),
    _line(
        "match.user_agent", "^3CX($| ?Phone ?System| SBC)", "The name of the PBX (in answers 3CX alone), or its SBC.",
        "https://osqa-ask.wireshark.org/questions/45635",
    ),
    _line(
        "repair.contact-loopback", "repair", "Its Contact names 127.0.0.1, so that nothing within a call reaches it.",
        "eigger/hass-sip/issues/39",
    ),
    _line(
        "repair.rr-no-lr", "repair", "Its Record-Route has no lr: `<sip:3CXSBC@...;user=proxy;tnlid=...>`.",
        "eigger/hass-sip/issues/39", "eigger/espcomponents/issues/323",
    ),
)  # fmt: skip
_FRITZ: Final = _shipped(
    "FRITZ!Box",
    "FRITZ!Box routers of AVM as a client; not the FRITZ!App Fon.",
    (
        "AVM FRITZ!Box 7590 154.07.57 (Sep  2 2023)",
        "AVM FRITZ!Box Fon WLAN 7170 29.04.88 (Feb  9 2014)",
        "FRITZ!OS",
        "AVM FRITZ!Box Fon WLAN 7170 29.04.76 (Jul 13 2009)",
    ),
    _line(
        "match.user_agent", "^(AVM )?FRITZ!(Box|OS)", "The model, or the name of its firmware.",
        "haumacher/phoneblock/issues/85", "D4-project/Plum-Island/issues/27",
    ),
    _line(
        "repair.contact-anon", "repair",
        "In anonymous calls its Contact has another user than the one it registered; only the address is the same.",
        _SIPROXD + "0650def87d7f9fbfe8be64393d5f887a4bf56c82/src/plugin_fix_fbox_anoncall.c",
    ),
    _line(
        "repair.contact-port-mismatch", "repair",
        "Its Contact is an IPv6 address while it sends by IPv4, under a user made up for the call.",
        "haumacher/phoneblock/issues/85",
    ),
    _line(
        "repair.via-no-rport", "repair", "Its Via names that IPv6 address too, and asks for no rport.",
        "haumacher/phoneblock/issues/85", "RFC 3581 section 4",
    ),
)  # fmt: skip
_GRANDSTREAM: Final = _shipped(
    "Grandstream",
    "Phones, adapters and apps of Grandstream.",
    (
        "Grandstream GXP2170 1.0.11.46",
        "Grandstream HT801 1.0.49.2 c074adca6f20",
        "Grandstream GXV3175v2 0.0.1.31",
        "Grandstream HT-503  V1.1B 1.0.10.9  chip V2.2",
        "Grandstream Wave 1.2.14",
    ),
    _line("match.user_agent", "^Grandstream ", "Its name, before the model.", "tcz/rotary-gpt/issues/2"),
    _line(
        "repair.resp-subscribe-202", "repair",
        "With old firmware (1.0.4.40) it subscribes to itself, accepts that by 202 where the server sends it back, and "
        "then subscribes again for ever.",
        _SIPROXD + "002642cb9d0d78da896acddb280d957863e917b8/src/proxy.c",
    ),
)  # fmt: skip
_PJSIP: Final = _shipped(
    "pjsip",
    "pjsua, and programs made with PJSIP that say so; others give themselves names of their own. Not Asterisk.",
    (
        "PJSUA v2.12 Darwin-19.5/x86_64",
        "PJSUA v2.14.1 Linux-6.6.87.2/x86_64/glibc-2.35",
        "PJSUA v0.8.0-trunk/win32",
        "TinyPhone Pjsua2 v36.0.0.79",
    ),
    _line(
        "match.user_agent", "(^|[ (])PJ(SUA2?|SIP)[ /]v?[0-9]", "The name of the sample program, or of the library.",
        "pjsip/pjproject/issues/3112", "voiceip/tinyphone/issues/33",
    ),
    _line(
        "repair.contact-rewrite-loop", "repair",
        "It registers anew whenever an answer shows it another address, for ever where a router gets rport wrong.",
        "pjsip/pjproject/issues/643", "pjsip/pjproject/issues/864", "pjsip/pjproject/issues/1796",
    ),
    _line(
        "repair.contact-duplicate", "repair",
        "After a change of network its REGISTER has two Contacts, the old one with expires=0.",
        "VoiSmart/pjsip-android/issues/203", "pjsip/pjproject/pull/4972",
    ),
    _line(
        "repair.contact-missing-response", "repair", "Its 200 to UPDATE has no Contact.",
        "pjsip/pjproject/issues/2558",
    ),
)  # fmt: skip

# In the order in which they are asked; no User-Agent fits two.
SHIPPED: Final = (_SIP_JS, _JSSIP, _LINPHONE, _ZOIPER, _CISCO, _3CX, _FRITZ, _GRANDSTREAM, _PJSIP)
