"""The repairs that the core makes by itself while it matches, forwards and restores: as data, beside the rules.

A rule under `plugins/` is met by a message; these have no such place, as they are how the proxy works. They have a
name, an RFC, a summary and a mode all the same: in YAML, in `sipmend rules`, in metrics, records and docs/rules.md.
"""

from __future__ import annotations

from typing import Final

from proxy.repair.rule import OFF, REPAIR, Rule

BOTH: Final = "both"
TO_SERVER: Final = "to-server"
TO_CLIENT: Final = "to-client"

_GIT: Final = "https://github.com/"


class Inherent(Rule):
    """One repair of the core.

    `header` is the header that its records are about, empty if it leaves none: then the defect never arises in what
    we write, or nothing about it can be seen. `direction` is the way of the messages. `fixed` says why it cannot be
    switched off, empty where it can. `source` are the reports of the defect.
    """

    def __init__(
        self,
        name: str,
        rfc: str,
        summary: str,
        header: str = "",
        direction: str = BOTH,
        source: tuple[str, ...] = (),
        fixed: str = "",
        default: str = REPAIR,
    ) -> None:
        self.name = name
        self.rfc = rfc
        self.summary = summary
        self.header = header
        self.direction = direction
        self.source = tuple(_GIT + path for path in source)
        self.fixed = fixed
        self.default = default


_NO_OTHER_WAY: Final = "the client would refuse, or never see, what is not restored"
_OURS: Final = "it is how the proxy writes its own lines"
_MATCHING: Final = "a message that is matched wrongly is lost, so there is nothing to be gained by it"
_SETTING: Final = "the setting {} decides about it"

RESTORE_URI: Final = Inherent(
    "restore-request-uri", "RFC 3261 section 16.6",
    "Put the client's own Contact back into the Request-URI, octet for octet.",
    "Request-URI", TO_CLIENT, ("onsip/SIP.js/issues/1091",), _NO_OTHER_WAY,
)  # fmt: skip
RESTORE_TARGET: Final = Inherent(
    "restore-server-contact", "RFC 3261 section 12.2.1.1",
    "Name the server by its own Contact again where a client names what it was shown in its place.",
    "Request-URI", TO_SERVER, (), "the server would not know the dialog by any other",
)  # fmt: skip
RURI_WRONG_USER: Final = Inherent(
    "ruri-wrong-user", "RFC 3261 section 16.6",
    "Restore the Request-URI of a client whom the server calls by another user than it was shown.",
    "Request-URI", TO_CLIENT, ("onsip/SIP.js/issues/1091", "onsip/SIP.js/issues/684"), _NO_OTHER_WAY,
)  # fmt: skip
RURI_CASE_FOLDED: Final = Inherent(
    "ruri-case-folded", "RFC 3261 section 19.1.4",
    "Restore the Request-URI where the registrar changed upper and lower case in it.",
    "Request-URI", TO_CLIENT, ("versatica/JsSIP/issues/844",), _NO_OTHER_WAY,
)  # fmt: skip
RESTORE_CONTACT: Final = Inherent(
    "restore-contact", "RFC 3261 section 10.2.4",
    "Put the client's own Contact back into the 2xx to its REGISTER, octet for octet.",
    "Contact", TO_CLIENT, ("onsip/SIP.js/issues/852",), _NO_OTHER_WAY,
)  # fmt: skip
RESTORE_FROM_TO: Final = Inherent(
    "restore-from-to", "RFC 3261 section 8.2.6.2, section 12.2.1.1",
    "Put the asker's own From and To back into answers, octet for octet, where a rule changed them; take a tag of ours "
    "off the To of requests.",
    "From", BOTH, (), _NO_OTHER_WAY,
)  # fmt: skip
PAGE_INSTANCE: Final = Inherent(
    "page-instance", "RFC 5626 section 4.1",
    "Name a page that follows a closed one by the +sip.instance that the server knows.",
    "Contact", TO_SERVER, (), "the server would keep ringing the page that was closed",
)  # fmt: skip
EXPIRES_MAX: Final = Inherent(
    "expires-max", "RFC 3261 section 10.2.1.1, section 10.3",
    "Let clients of a profile with `expires_max` be registered for so long and no longer.",
    "Expires", TO_SERVER, (), _SETTING.format("expires_max of the profile"),
)  # fmt: skip
VIA_PORT_ADDED: Final = Inherent(
    "via-port-added", "RFC 3261 section 16.7, section 18.1.2",
    "Put back the Via of the sender where the answer names another host or port in it.",
    "Via", BOTH, ("onsip/SIP.js/issues/408",), _NO_OTHER_WAY,
)  # fmt: skip
VIA_EXTRA: Final = Inherent(
    "via-extra-not-removed", "RFC 3261 section 16.7",
    "Take out of an answer the Vias that its request did not have.",
    "Via", BOTH, ("DoubangoTelecom/webrtc2sip/issues/53", "onsip/SIP.js/issues/561"), _NO_OTHER_WAY,
)  # fmt: skip
VIA_DTAG: Final = Inherent(
    "via-dtag", "RFC 3261 section 8.2.6.2",
    "Put the Vias of the request back into an answer that comes with broken or changed ones.",
    "Via", BOTH, (), _NO_OTHER_WAY,
)  # fmt: skip
VIA_NO_RPORT: Final = Inherent(
    "via-no-rport", "RFC 3581 section 4",
    "Answer a client behind NAT at its source port although its Via has no rport.",
    "Via", TO_SERVER, ("i-p-tel/sipdroid/issues/346",), "the answer would never arrive",
)  # fmt: skip
VIA_RPORT_UNWANTED: Final = Inherent(
    "via-rport-unwanted", "RFC 3581 section 4",
    "Force no rport on a sender that did not ask: answer it at the port of its Via.",
    "", BOTH, ("drachtio/drachtio-server/issues/374", "drachtio/drachtio-server/issues/444"), _OURS,
)  # fmt: skip
VIA_NO_COOKIE: Final = Inherent(
    "via-branch-no-cookie", "RFC 3261 section 17.2.3",
    "Match a request whose branch lacks the cookie as RFC 2543 did, and forward it by a branch of ours.",
    "Via", BOTH, ("baresip/baresip/pull/3003", "OpenSIPS/opensips/issues/145"), _MATCHING,
)  # fmt: skip
VIA_BRANCH_REUSED: Final = Inherent(
    "via-branch-reused", "RFC 3261 section 8.1.1.7, section 22.2",
    "Forward a request with credentials although it has the branch of the one that was challenged.",
    "Via", BOTH, ("i-p-tel/sipdroid/issues/149", "i-p-tel/sipdroid/issues/21"), _MATCHING,
)  # fmt: skip
VIA_TRANSPORT: Final = Inherent(
    "via-transport-mismatch", "RFC 3261 section 18.2.1",
    "Go by the transport on which a request came, whatever its Via says.",
    "Via", BOTH, ("RestComm/jain-sip/issues/165",), "an answer by any other transport would be lost",
)  # fmt: skip
VIA_RECEIVED: Final = Inherent(
    "via-received-self", "RFC 3261 section 18.2.1",
    "Go by our socket and not by a received that somebody else wrote.",
    "Via", BOTH, ("GlomarGadaffi/pocket-dial/issues/146",), "the answer would go where the sender chooses",
)  # fmt: skip
ACK_NEW_BRANCH: Final = Inherent(
    "ack-new-branch", "RFC 3261 section 17.1.1.3",
    "Match an ACK with a branch of its own to the refusal that it confirms.",
    "Via", TO_SERVER, ("onsip/SIP.js/issues/517", "ringcentral/ringcentral-web-phone/issues/313"), _MATCHING,
)  # fmt: skip
CANCEL_NEW_BRANCH: Final = Inherent(
    "cancel-new-branch", "RFC 3261 section 9.1",
    "Match a CANCEL with a branch of its own to its INVITE, and cancel that by one of ours.",
    "Via", TO_SERVER, ("kbalt/ezk/issues/74",), _MATCHING,
)  # fmt: skip
ACK_NO_ROUTE: Final = Inherent(
    "ack-no-route", "RFC 3261 section 13.2.2.4, section 12.2.1.1",
    "Give an ACK without Route the route set of the 2xx that it confirms.",
    "Route", TO_SERVER, ("versatica/JsSIP/pull/552",),
)  # fmt: skip
RR_NO_TRANSPORT: Final = Inherent(
    "rr-no-transport", "RFC 5658 section 6.2",
    "Write every Record-Route with its transport.", "", BOTH, ("kamailio/kamailio/pull/257",), _OURS,
)  # fmt: skip
RR_WSS: Final = Inherent(
    "rr-wss-param", "RFC 7118 section 5.2.1",
    "Write transport=ws for WSS too, and understand transport=wss.",
    "", BOTH, ("kamailio/kamailio/issues/3340", "onsip/SIP.js/issues/97"), _OURS,
)  # fmt: skip
RR_NO_LR: Final = Inherent(
    "rr-no-lr", "RFC 3261 section 16.6, section 16.12",
    "Take a Route without lr for a loose one: the Request-URI stays as it is.",
    "Route", TO_SERVER, ("eigger/hass-sip/issues/39",), "strict routing would lose the Request-URI behind that hop",
)  # fmt: skip
RR_LOST: Final = Inherent(
    "rr-lost-in-2xx", "RFC 3261 section 12.1.1, section 16.6",
    "Put our own Record-Routes back into a 2xx that lost them.",
    "Record-Route", BOTH, ("eigger/hass-sip/issues/39", "eigger/hass-sip/pull/40"),
)  # fmt: skip
RR_BIND_IP: Final = Inherent(
    "rr-bind-ip", "RFC 3261 section 16.6",
    "Write the address that the other side sees into Record-Route, not the one we are bound to.",
    "", BOTH, ("siphon-project/siphon-sip/pull/68",), _OURS,
)  # fmt: skip
ROUTE_IGNORED: Final = Inherent(
    "route-ignored", "RFC 3261 section 12.2.1.1",
    "Deliver a request within a dialog that came without its route set.",
    "Route", BOTH, ("meetecho/janus-gateway/pull/490",), "the request would be refused, and the call hang",
)  # fmt: skip
ROUTE_UNKNOWN: Final = Inherent(
    "route-unknown", "RFC 3261 section 16.4",
    "Take Routes off a client's first request that name nobody it may be sent to.", "Route", TO_SERVER,
)  # fmt: skip
EXPIRES_MISSING: Final = Inherent(
    "expires-missing", "RFC 3261 section 10.2.4",
    "Add expires to the client's Contact in a 2xx to REGISTER that has it in the header only, or nowhere.",
    "Contact", TO_CLIENT, ("versatica/JsSIP/issues/482",),
)  # fmt: skip
EXPIRES_SHRINK: Final = Inherent(
    "expires-shrink", "RFC 3261 section 10.3",
    "Show the expires that was asked for where the registrar grants a second or two less.",
    "Contact", TO_CLIENT, ("asterisk/asterisk/issues/702",),
)  # fmt: skip
CONTACT_FOREIGN: Final = Inherent(
    "contact-register-foreign", "RFC 3261 section 10.3",
    "Take the Contacts of other clients out of a 2xx to REGISTER, for clients that cannot cope with them.",
    "Contact", TO_CLIENT, ("onsip/SIP.js/issues/852", "BelledonneCommunications/flexisip/issues/186"), "", OFF,
)  # fmt: skip
CONTACT_LOOP: Final = Inherent(
    "contact-rewrite-loop", "RFC 3581 section 4",
    "Keep one Contact towards the server for a client that registers again and again by other addresses.",
    "", TO_SERVER,
    ("pjsip/pjproject/issues/643", "pjsip/pjproject/issues/864", "pjsip/pjproject/issues/1796"), _OURS,
)  # fmt: skip
CONTACT_ANON: Final = Inherent(
    "contact-anon", "RFC 3261 section 12.1.1, RFC 3323 section 4.1.1",
    "Know a client that answers or calls with an anonymous Contact by its flow and by our token.",
    "", TO_SERVER, (), _OURS,
)  # fmt: skip
CONTACT_REDIRECT: Final = Inherent(
    "contact-redirect-nat", "RFC 3261 section 8.1.3.4",
    "Leave the Contacts of 3xx and 485 answers as they are: they name other people.",
    "", BOTH, ("asterisk/asterisk/issues/1141",), "there is nothing that could be switched off",
)  # fmt: skip
SIZE_UDP: Final = Inherent(
    "size-udp", "RFC 3261 section 18.1.1",
    "Send a request that is too large for a datagram by TCP.",
    "Via", TO_SERVER, ("DoubangoTelecom/sipml5/issues/207", "DoubangoTelecom/sipml5/issues/249"),
    _SETTING.format("server.large_requests"),
)  # fmt: skip

# In the order in which a message may meet them.
INHERENT: Final[tuple[Inherent, ...]] = (
    VIA_TRANSPORT, VIA_RECEIVED, VIA_NO_RPORT, VIA_RPORT_UNWANTED, VIA_NO_COOKIE, VIA_BRANCH_REUSED,
    ACK_NEW_BRANCH, CANCEL_NEW_BRANCH, ACK_NO_ROUTE,
    ROUTE_UNKNOWN, ROUTE_IGNORED, RR_NO_LR, RR_NO_TRANSPORT, RR_WSS, RR_BIND_IP, RR_LOST,
    RESTORE_URI, RESTORE_TARGET, RURI_WRONG_USER, RURI_CASE_FOLDED, PAGE_INSTANCE, EXPIRES_MAX,
    CONTACT_LOOP, CONTACT_ANON, CONTACT_REDIRECT, SIZE_UDP,
    RESTORE_FROM_TO, RESTORE_CONTACT, EXPIRES_MISSING, EXPIRES_SHRINK, CONTACT_FOREIGN,
    VIA_PORT_ADDED, VIA_EXTRA, VIA_DTAG,
)  # fmt: skip
