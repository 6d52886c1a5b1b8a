"""Tables of SIP: methods, header names with their compact forms, reason phrases. Tables only.

Canonical header names are lower-case constants; every known spelling maps to the same object, so that name lists
can be compared by identity. Sources: RFC 3261 sections 7.3.3, 20 and 21, and the RFCs named beside the entries.
"""

from __future__ import annotations

from typing import Final

INVITE: Final = b"INVITE"
ACK: Final = b"ACK"
BYE: Final = b"BYE"
CANCEL: Final = b"CANCEL"
REGISTER: Final = b"REGISTER"
OPTIONS: Final = b"OPTIONS"
PRACK: Final = b"PRACK"  # RFC 3262
SUBSCRIBE: Final = b"SUBSCRIBE"  # RFC 6665
NOTIFY: Final = b"NOTIFY"  # RFC 6665
PUBLISH: Final = b"PUBLISH"  # RFC 3903
INFO: Final = b"INFO"  # RFC 6086
REFER: Final = b"REFER"  # RFC 3515
MESSAGE: Final = b"MESSAGE"  # RFC 3428
UPDATE: Final = b"UPDATE"  # RFC 3311

METHODS: Final = frozenset(
    (INVITE, ACK, BYE, CANCEL, REGISTER, OPTIONS, PRACK, SUBSCRIBE, NOTIFY, PUBLISH, INFO, REFER, MESSAGE, UPDATE)
)
OTHER_METHOD: Final = b"other"
# A method or itself; anything unknown is counted as `other`, so that no client can grow a table.
METHOD_LABELS: Final = {method: method for method in METHODS}
STATUS_LABELS: Final = (b"", b"1xx", b"2xx", b"3xx", b"4xx", b"5xx", b"6xx")

START: Final = b""
ACCEPT: Final = b"accept"
ALERT_INFO: Final = b"alert-info"
ALLOW: Final = b"allow"
AUTHORIZATION: Final = b"authorization"
CALL_ID: Final = b"call-id"
CONTACT: Final = b"contact"
CONTENT_ENCODING: Final = b"content-encoding"
CONTENT_LENGTH: Final = b"content-length"
CONTENT_TYPE: Final = b"content-type"
CSEQ: Final = b"cseq"
DATE: Final = b"date"
DIVERSION: Final = b"diversion"  # RFC 5806
EVENT: Final = b"event"
EXPIRES: Final = b"expires"
FLOW_TIMER: Final = b"flow-timer"  # RFC 5626
FROM: Final = b"from"
IDENTITY: Final = b"identity"
MAX_BREADTH: Final = b"max-breadth"
MAX_FORWARDS: Final = b"max-forwards"
MIN_EXPIRES: Final = b"min-expires"
PATH: Final = b"path"
P_ASSERTED_IDENTITY: Final = b"p-asserted-identity"  # RFC 3325
P_PREFERRED_IDENTITY: Final = b"p-preferred-identity"  # RFC 3325
PRIVACY: Final = b"privacy"
PROXY_AUTHENTICATE: Final = b"proxy-authenticate"
PROXY_AUTHORIZATION: Final = b"proxy-authorization"
PROXY_REQUIRE: Final = b"proxy-require"
REASON: Final = b"reason"
RECORD_ROUTE: Final = b"record-route"
REFER_TO: Final = b"refer-to"
REFERRED_BY: Final = b"referred-by"
REMOTE_PARTY_ID: Final = b"remote-party-id"
REPLACES: Final = b"replaces"
REPLY_TO: Final = b"reply-to"
REQUIRE: Final = b"require"
RETRY_AFTER: Final = b"retry-after"
ROUTE: Final = b"route"
SERVER: Final = b"server"
SERVICE_ROUTE: Final = b"service-route"
SESSION_EXPIRES: Final = b"session-expires"
SUBJECT: Final = b"subject"
SUPPORTED: Final = b"supported"
TIMESTAMP: Final = b"timestamp"
TO: Final = b"to"
UNSUPPORTED: Final = b"unsupported"
USER_AGENT: Final = b"user-agent"
VIA: Final = b"via"
WARNING: Final = b"warning"
WWW_AUTHENTICATE: Final = b"www-authenticate"

# As the specification writes them: what we write ourselves, and the spelling looked up first.
SPELLINGS: Final = {
    ACCEPT: b"Accept",
    ALERT_INFO: b"Alert-Info",
    ALLOW: b"Allow",
    AUTHORIZATION: b"Authorization",
    CALL_ID: b"Call-ID",
    CONTACT: b"Contact",
    CONTENT_ENCODING: b"Content-Encoding",
    CONTENT_LENGTH: b"Content-Length",
    CONTENT_TYPE: b"Content-Type",
    CSEQ: b"CSeq",
    DATE: b"Date",
    DIVERSION: b"Diversion",
    EVENT: b"Event",
    EXPIRES: b"Expires",
    FLOW_TIMER: b"Flow-Timer",
    FROM: b"From",
    IDENTITY: b"Identity",
    MAX_BREADTH: b"Max-Breadth",
    MAX_FORWARDS: b"Max-Forwards",
    MIN_EXPIRES: b"Min-Expires",
    PATH: b"Path",
    P_ASSERTED_IDENTITY: b"P-Asserted-Identity",
    P_PREFERRED_IDENTITY: b"P-Preferred-Identity",
    PRIVACY: b"Privacy",
    PROXY_AUTHENTICATE: b"Proxy-Authenticate",
    PROXY_AUTHORIZATION: b"Proxy-Authorization",
    PROXY_REQUIRE: b"Proxy-Require",
    REASON: b"Reason",
    RECORD_ROUTE: b"Record-Route",
    REFER_TO: b"Refer-To",
    REFERRED_BY: b"Referred-By",
    REMOTE_PARTY_ID: b"Remote-Party-ID",
    REPLACES: b"Replaces",
    REPLY_TO: b"Reply-To",
    REQUIRE: b"Require",
    RETRY_AFTER: b"Retry-After",
    ROUTE: b"Route",
    SERVER: b"Server",
    SERVICE_ROUTE: b"Service-Route",
    SESSION_EXPIRES: b"Session-Expires",
    SUBJECT: b"Subject",
    SUPPORTED: b"Supported",
    TIMESTAMP: b"Timestamp",
    TO: b"To",
    UNSUPPORTED: b"Unsupported",
    USER_AGENT: b"User-Agent",
    VIA: b"Via",
    WARNING: b"Warning",
    WWW_AUTHENTICATE: b"WWW-Authenticate",
}

# RFC 3261 section 7.3.3 and the header registry of IANA.
COMPACT: Final = {
    b"a": b"accept-contact",
    b"b": REFERRED_BY,
    b"c": CONTENT_TYPE,
    b"d": b"request-disposition",
    b"e": CONTENT_ENCODING,
    b"f": FROM,
    b"i": CALL_ID,
    b"j": b"reject-contact",
    b"k": SUPPORTED,
    b"l": CONTENT_LENGTH,
    b"m": CONTACT,
    b"n": b"identity-info",
    b"o": EVENT,
    b"r": REFER_TO,
    b"s": SUBJECT,
    b"t": TO,
    b"u": b"allow-events",
    b"v": VIA,
    b"x": SESSION_EXPIRES,
    b"y": IDENTITY,
}

CANON: Final[dict[bytes, bytes]] = {}
for _name, _spelling in SPELLINGS.items():
    CANON[_name] = _name
    CANON[_spelling] = _name
    CANON[_spelling.upper()] = _name
# Further headers that phones and servers send, for the quick look-up only.
for _spelling in (
    b"Accept-Contact",
    b"Accept-Encoding",
    b"Accept-Language",
    b"Accept-Resource-Priority",
    b"Allow-Events",
    b"Authentication-Info",
    b"Call-Info",
    b"Content-Disposition",
    b"Content-Language",
    b"Error-Info",
    b"Geolocation",
    b"History-Info",
    b"In-Reply-To",
    b"MIME-Version",
    b"Min-SE",
    b"Organization",
    b"P-Access-Network-Info",
    b"Priority",
    b"RAck",
    b"RSeq",
    b"Recv-Info",
    b"Request-Disposition",
    b"SIP-ETag",
    b"SIP-If-Match",
    b"Subscription-State",
    b"Target-Dialog",
    b"User-to-User",
):
    CANON[_spelling] = CANON[_spelling.lower()] = _spelling.lower()
for _compact, _name in COMPACT.items():
    CANON.setdefault(_name, _name)
    CANON[_compact] = CANON[_name]
    CANON[_compact.upper()] = CANON[_name]

# Headers that may stand in a message once only (RFC 3261 section 7.3.1 and table 2); a proxy acts on these.
SINGLETONS: Final = (FROM, TO, CALL_ID, CSEQ)

REASONS: Final = {
    100: b"Trying",
    180: b"Ringing",
    181: b"Call Is Being Forwarded",
    182: b"Queued",
    183: b"Session Progress",
    199: b"Early Dialog Terminated",
    200: b"OK",
    202: b"Accepted",
    204: b"No Notification",
    300: b"Multiple Choices",
    301: b"Moved Permanently",
    302: b"Moved Temporarily",
    305: b"Use Proxy",
    380: b"Alternative Service",
    400: b"Bad Request",
    401: b"Unauthorized",
    403: b"Forbidden",
    404: b"Not Found",
    405: b"Method Not Allowed",
    406: b"Not Acceptable",
    407: b"Proxy Authentication Required",
    408: b"Request Timeout",
    410: b"Gone",
    413: b"Request Entity Too Large",
    414: b"Request-URI Too Long",
    415: b"Unsupported Media Type",
    416: b"Unsupported URI Scheme",
    420: b"Bad Extension",
    421: b"Extension Required",
    423: b"Interval Too Brief",
    430: b"Flow Failed",
    439: b"First Hop Lacks Outbound Support",
    440: b"Max-Breadth Exceeded",
    480: b"Temporarily Unavailable",
    481: b"Call/Transaction Does Not Exist",
    482: b"Loop Detected",
    483: b"Too Many Hops",
    484: b"Address Incomplete",
    485: b"Ambiguous",
    486: b"Busy Here",
    487: b"Request Terminated",
    488: b"Not Acceptable Here",
    491: b"Request Pending",
    493: b"Undecipherable",
    500: b"Server Internal Error",
    501: b"Not Implemented",
    502: b"Bad Gateway",
    503: b"Service Unavailable",
    504: b"Server Time-out",
    505: b"Version Not Supported",
    513: b"Message Too Large",
    600: b"Busy Everywhere",
    603: b"Decline",
    604: b"Does Not Exist Anywhere",
    606: b"Not Acceptable",
}
