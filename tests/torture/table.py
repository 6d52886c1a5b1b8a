"""The right answer of this proxy to every torture message of RFC 4475 and RFC 5118.

One row per case. The RFCs leave many choices to the element; where they do, `why` says which one is taken here. The
rule behind all of them: what can be read in one way only is forwarded, octet for octet where nothing has to be
repaired; what cannot be forwarded safely is answered with what is wrong as the reason phrase.
"""

from __future__ import annotations

from dataclasses import dataclass

# What happens to a request.
FORWARDED = "forwarded unchanged"  # but for Via, Record-Route and Max-Forwards
REPAIRED = "repaired and forwarded"  # but for these and the headers named in `changed`
ANSWERED = "answered"
# What happens to a response to a request that was forwarded.
PASSED = "passed to the client unchanged"  # but for our own Via
ABSORBED = "taken, and not passed on"
DROPPED = "dropped"
# What happens on a stream, where it is not the same.
SAME = "as over UDP"
CLOSED = "answered with 400, and the connection closed"
WAITS = "not complete: the framer waits for more"
BOTH = "both messages are forwarded"


@dataclass(frozen=True)
class Row:
    """One case. `status` and `says` are of the answer; `changed` names the headers that a repair may and must touch.

    `tcp` is what happens to the same octets on a stream; `answers` is the method that a response is played as the
    answer to; `rfc` is False for a case of our own beside those of the RFC.
    """

    name: str
    section: str
    right: str
    why: str
    status: int = 0
    says: str = ""
    changed: tuple[str, ...] = ()
    tcp: str = SAME
    answers: str = "INVITE"
    rfc: bool = True


START_LINE = "start line"
REGISTERED = ("contact", "path", "supported")  # what this proxy writes into every REGISTER that it can read

RFC_4475 = (
    Row(
        "wsinv",
        "3.1.1.1",
        FORWARDED,
        "Folding, odd case, compact names, spaces around colons, leading zeros, an empty Subject: all legal, and none "
        "of it is ours to tidy.",
    ),
    Row("intmeth", "3.1.1.2", FORWARDED, "Every octet is legal where it stands, NUL behind a backslash included."),
    Row("esc01", "3.1.1.3", FORWARDED, "Escapes are part of the names; nothing is unescaped and escaped again."),
    Row(
        "escnull",
        "3.1.1.4",
        REPAIRED,
        "%00 is an octet like any other and cuts nothing short. The Contacts are two bindings, each with its name.",
        changed=REGISTERED,
    ),
    Row("esc02", "3.1.1.5", FORWARDED, "In methods, header names and display names % escapes nothing."),
    Row("lwsdisp", "3.1.1.6", FORWARDED, "No space is needed between a display name token and the bracket."),
    Row("longreq", "3.1.1.7", FORWARDED, "Long names and values, and thirty Vias, are legal."),
    Row(
        "dblreq",
        "3.1.1.8",
        REPAIRED,
        "In a datagram octets behind the body do not belong to the message and are cut off; on a stream they are the "
        "next message.",
        changed=REGISTERED,
        tcp=BOTH,
    ),
    Row("semiuri", "3.1.1.9", FORWARDED, "The semicolon is in the user part: the URI has no parameters."),
    Row("transports", "3.1.1.10", FORWARDED, "A Via may name any transport; the answer goes where it came from."),
    Row(
        "mpart01",
        "3.1.1.11",
        REPAIRED,
        "The binary body stays as it is. The Contact is a loopback address, and the Route names nobody that requests "
        "of clients may go to (RFC 3261 section 16.4 lets an outbound proxy remove it).",
        changed=("contact", "route"),
    ),
    Row("unreason", "3.1.1.12", PASSED, "A reason phrase may hold UTF-8 of any kind."),
    Row(
        "noreason",
        "3.1.1.13",
        ABSORBED,
        "The reason phrase may be empty. A 100 goes one hop only, and stops the retransmissions.",
    ),
    Row("noreason-final", "3.1.1.13", PASSED, "The same in a response that is passed on.", rfc=False),
    Row(
        "badinv01",
        "3.1.2.1",
        ANSWERED,
        "Empty values and parameters make Via unreadable beyond what a Via of ours in its place could mend: what is "
        "left of it would be sent on as a hop that never was.",
        400,
        "Via",
    ),
    Row(
        "clerr",
        "3.1.2.2",
        ANSWERED,
        "The datagram was cut: its body is not what was meant. On a stream the rest may still come.",
        400,
        "shorter than Content-Length",
        tcp=WAITS,
    ),
    Row("ncl", "3.1.2.3", ANSWERED, "No length can be negative.", 400, "Content-Length", tcp=CLOSED),
    Row(
        "scalar02",
        "3.1.2.4",
        ANSWERED,
        "CSeq must be below 2**31 (8.1.1.5). The other numbers would not be a reason: they are capped.",
        400,
        "CSeq",
    ),
    Row(
        "scalarlg",
        "3.1.2.5",
        DROPPED,
        "A response with such a CSeq answers nothing that was ever sent.",
        answers="OPTIONS",
    ),
    Row(
        "quotbal",
        "3.1.2.6",
        ANSWERED,
        "Where the quote should have ended is anybody's guess, and To identifies the dialog.",
        400,
        "quote",
    ),
    Row("ltgtruri", "3.1.2.7", ANSWERED, "Digest covers the Request-URI: it is not edited by guess.", 400, "'<"),
    Row("lwsruri", "3.1.2.8", ANSWERED, "Two servers may read two different URIs.", 400, "' '"),
    Row(
        "lwsstart",
        "3.1.2.9",
        REPAIRED,
        "Read in one way only, and an element that forwards it must not send the extra spaces on.",
        changed=(START_LINE,),
    ),
    Row("trws", "3.1.2.10", REPAIRED, "As before, at the end of the line.", changed=(START_LINE,)),
    Row(
        "escruri",
        "3.1.2.11",
        ANSWERED,
        "A Request-URI has no headers (19.1.1), and a proxy must neither send them on nor obey them.",
        400,
        "header fields",
    ),
    Row("baddate", "3.1.2.12", FORWARDED, "A proxy does not look at Date, and Identity may sign it."),
    Row(
        "regbadct",
        "3.1.2.13",
        ANSWERED,
        "Without brackets the ? may belong to the URI or not. No binding can be made of it, and a server that reads it "
        "would be led past this proxy.",
        400,
        "between",
    ),
    Row(
        "badaspec",
        "3.1.2.14",
        FORWARDED,
        "The spaces inside the brackets can be read in one way only. They stay: To identifies the dialog, and no proxy "
        "edits it.",
    ),
    Row(
        "baddn",
        "3.1.2.15",
        ANSWERED,
        "From and To hold one address, and the comma makes it two. A proxy must not send this on, and may not edit "
        "what identifies a dialog. On a stream the message of the RFC never ends, as it lacks the empty line.",
        400,
        "comma",
    ),
    Row("badvers", "3.1.2.16", ANSWERED, "505, along a Via of that version too.", 505, "SIP/2.0"),
    Row("mismatch01", "3.1.2.17", ANSWERED, "It is not clear which request this is.", 400, "CSeq"),
    Row(
        "mismatch02",
        "3.1.2.18",
        ANSWERED,
        "The method is no concern of a proxy (no 501), its CSeq is: the transaction could not be matched.",
        400,
        "CSeq",
    ),
    Row("bigcode", "3.1.2.19", DROPPED, "No status code is above 699."),
    Row(
        "badbranch",
        "3.2.1",
        FORWARDED,
        "The cookie alone names no transaction: the rules of RFC 2543 are used instead.",
    ),
    Row("insuf", "3.3.1", ANSWERED, "From, To and Call-ID are missing; Via is enough to answer.", 400, "missing"),
    Row("unkscm", "3.3.2", ANSWERED, "A scheme that nobody knows.", 416, "scheme"),
    Row("novelsc", "3.3.3", ANSWERED, "A scheme that SIP does not route.", 416, "scheme"),
    Row(
        "unksm2",
        "3.3.4",
        FORWARDED,
        "Schemes of From, To and Contact are the registrar's business; a Contact that is no SIP URI is left alone.",
    ),
    Row(
        "bext01",
        "3.3.5",
        ANSWERED,
        "What a proxy must support and does not is listed in Unsupported; Require is for the far end.",
        420,
        "Proxy-Require",
    ),
    Row("invut", "3.3.6", FORWARDED, "415 is the far end's answer: bodies are not a proxy's business."),
    Row("regaut01", "3.3.7", FORWARDED, "The registrar decides about credentials. A query has no Contact to repair."),
    Row("multi01", "3.3.8", ANSWERED, "Which From, To, Call-ID and CSeq is meant?", 400, "more than once"),
    Row(
        "mcl01", "3.3.9", ANSWERED, "Lengths that differ are how messages are smuggled.", 400, "one number", tcp=CLOSED
    ),
    Row(
        "bcast",
        "3.3.10",
        DROPPED,
        "It answers nothing of ours. Responses go where their request came from, never where a Via says.",
    ),
    Row(
        "zeromf",
        "3.3.11",
        ANSWERED,
        "Not forwarded. Any other method gets 483; OPTIONS may be answered by whoever has it last (16.3 step 3), "
        "which tells a client more.",
        200,
    ),
    Row(
        "cparam01",
        "3.3.12",
        REPAIRED,
        "Without brackets the parameter is the header's: it stays with the Contact that is written instead.",
        changed=REGISTERED,
    ),
    Row(
        "cparam02",
        "3.3.13",
        REPAIRED,
        "Within brackets it is the URI's, and goes and comes back with it.",
        changed=REGISTERED,
    ),
    Row(
        "regescrt",
        "3.3.14",
        REPAIRED,
        "The Route in the Contact's URI is kept for requests to it, and no proxy obeys it now.",
        changed=REGISTERED,
    ),
    Row("sdp01", "3.3.15", FORWARDED, "406 is the far end's answer."),
    Row(
        "inv2543",
        "3.4.1",
        REPAIRED,
        "No branch, From tag, Max-Forwards, Contact, Content-Length: the two that later elements need are added. On a "
        "stream nobody could tell where it ends.",
        changed=("max-forwards", "contact"),
        tcp=CLOSED,
    ),
)

RFC_5118 = (
    Row("ipv6-good", "4.1", REPAIRED, "An IPv6 reference in brackets.", changed=REGISTERED),
    Row("ipv6-bad", "4.2", ANSWERED, "Without brackets the port cannot be told from the address.", 400, "brackets"),
    Row("port-ambiguous", "4.3", REPAIRED, "Everything in the brackets is the address.", changed=REGISTERED),
    Row("port-unambiguous", "4.4", REPAIRED, "The port stands behind the brackets.", changed=REGISTERED),
    Row(
        "via-received-param-with-delim", "4.5", FORWARDED, "`received` may have brackets. We write where it came from."
    ),
    Row(
        "via-received-param-no-delim",
        "4.5",
        REPAIRED,
        "`received` should have none. The Contact is not where the message came from.",
        changed=("contact",),
    ),
    Row("ipv6-in-sdp", "4.6", REPAIRED, "Bodies are left alone.", changed=("contact",)),
    Row("mult-ip-in-header", "4.7", FORWARDED, "Vias of both families in one message."),
    Row("mult-ip-in-sdp", "4.8", REPAIRED, "Bodies are left alone.", changed=("contact",)),
    Row("ipv4-mapped-ipv6", "4.9", FORWARDED, "An IPv4 address written as IPv6. It came by way of another hop."),
    Row("ipv6-bug-abnf-3-colons", "4.10", FORWARDED, "The grammar of RFC 3261 yields three colons: let through."),
    Row("ipv6-correct-abnf-2-colons", "4.10", FORWARDED, "The grammar as RFC 5954 corrected it."),
)

TABLE = (*RFC_4475, *RFC_5118)
