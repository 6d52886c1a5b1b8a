r"""Character sets and patterns of SIP's grammar, each under the production it stands for (RFC 3261 25.1).

Only fragments to be built into larger patterns, and no code. No input may make a pattern take more time than in
proportion to its length, and possessive repetitions (`++`, `*+`) cannot be used for that: Python before 3.11.5
matches them wrongly. So every pattern is written in such a way that each octet decides alone what comes next:
what may follow a repetition never begins with an octet that could also prolong it. Two repetitions of white space
never stand side by side, and a repetition of alternatives has none that begin alike.

What may be absent is written `(?:x|)` and not `(?:x)?`: for the same matches this takes Python a third of the time off.
"""

from __future__ import annotations

from typing import Final

# > LWS  =  [*WSP CRLF] 1*WSP
# A value that has passed the header index holds CR and LF only where a line was folded: four octets do.
WS: Final[bytes] = b" \t\r\n"
SWS: Final[bytes] = rb"[ \t\r\n]*"
LWS: Final[bytes] = rb"[ \t\r\n]+"

# > token  =  1*(alphanum / "-" / "." / "!" / "%" / "*" / "_" / "+" / "`" / "'" / "~" )
TOKEN: Final[bytes] = rb"[A-Za-z0-9\-.!%*_+`'~]+"

# > quoted-string  =  SWS DQUOTE *(qdtext / quoted-pair ) DQUOTE
# Control characters are let through: they are in real display names, and RFC 4475 section 3.1.1.2 has some.
QUOTED: Final[bytes] = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
# The same, taken to the end of the text where the closing quote is missing.
QUOTED_OR_OPEN: Final[bytes] = rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)'

# > hostname     =  *( domainlabel "." ) toplabel [ "." ]
# > IPv6reference  =  "[" IPv6address "]"
# Wider in two places: "_" occurs in internal names, and RFC 5118 section 4.10 asks to accept three colons in
# a row. No parentheses that capture: this is built into patterns with groups of their own.
HOST: Final[bytes] = rb"(?:[A-Za-z0-9._\-]+|\[[0-9A-Fa-f]*:[0-9A-Fa-f:.]*\])"

# > port  =  1*DIGIT
# Eight digits leave room for leading zeros and keep absurd numbers away from int().
PORT: Final[bytes] = rb"[0-9]{1,8}"

# What may stand in no URI, escaped or not: space, control characters, and the delimiters of name-addr.
NOT_IN_URI: Final[bytes] = rb'\x00-\x20\x7f<>"'
