"""The Via header field: one hop of a message's way (RFC 3261 sections 18.2, 20.42; RFC 3581 for rport).

Only the topmost value concerns a proxy; the others are never touched, so there are functions for one value
and for cutting it off the list.
"""

from __future__ import annotations

import re
from typing import Final

from proxy.sip import abnf
from proxy.sip.errors import HeaderError
from proxy.sip.params import header_param, param_span, plain_param, split_first
from proxy.sip.uri import shown

_MAX_PORT: Final = 65535
_ZERO: Final = ord("0")

# > via-parm       =  sent-protocol LWS sent-by *( SEMI via-params )
# > sent-protocol  =  protocol-name SLASH protocol-version SLASH transport
# > sent-by        =  host [ COLON port ]
# Any version: a request of a version we do not speak is to be answered 505, along its Via (RFC 4475 3.1.2.16).
# Two ";" in a row are refused, as RFC 4475 section 3.1.2.1 wants; one at the very end is let through.
_SWS: Final = abnf.SWS
_SLASH: Final = _SWS + rb"/" + _SWS
_VALUE: Final = rb"(?:" + abnf.QUOTED + rb'|[^ \t\r\n;,"]+)'
_VIA: Final = re.compile(
    rb"(?i:SIP)" + _SLASH + abnf.TOKEN + _SLASH + rb"(" + abnf.TOKEN + rb")" + abnf.LWS + rb"(" + abnf.HOST + rb")"
    + _SWS + rb"(?::" + _SWS + rb"(" + abnf.PORT + rb")" + _SWS + rb"|)"
    rb"((?:;" + _SWS + rb'[^ \t\r\n;,="]+' + _SWS + rb"(?:=" + _SWS + rb"(?:" + _VALUE + _SWS + rb"|)|))*;?)",
    re.DOTALL,
).fullmatch  # fmt: skip

# The same without spaces, quotes and spelling of one's own, as nearly everybody writes it: the branch first, or
# behind rport.
_PLAIN_VIA: Final = re.compile(
    rb"SIP/2\.0/([A-Z]+) (" + abnf.HOST + rb")(?::(" + abnf.PORT + rb")|)"
    rb'((?:;rport|)(?:;branch=([^ \t\r\n;,"]*)|)(?:;[^ \t\r\n;,="]+(?:=[^ \t\r\n;,"]*|))*)'
).fullmatch


class Via:
    """One Via value taken apart.

    `transport` is in upper case, `host` as written (IPv6 with brackets), `port` 0 when absent. `sent_by` is
    host and port as transactions compare them (RFC 3261 section 17.2.3): lower case, no spaces, the port only
    when written. `params` begins with its ";" or is b""; `branch` is None when there is none.
    """

    __slots__ = ("branch", "host", "params", "port", "raw", "sent_by", "transport")

    def __init__(
        self,
        raw: bytes,
        transport: bytes,
        host: bytes,
        port: int,
        sent_by: bytes,
        params: bytes,
        branch: bytes | None,
    ) -> None:
        self.raw = raw
        self.transport = transport
        self.host = host
        self.port = port
        self.sent_by = sent_by
        self.params = params
        self.branch = branch

    def __repr__(self) -> str:
        return f"Via({self.raw!r})"

    @property
    def rport(self) -> bytes | None:
        """The value of rport: b"" when it is only asked for, None when there is none (RFC 3581 section 3)."""
        return header_param(self.params, b"rport")

    @property
    def received(self) -> bytes | None:
        """The address the message came from: IPv6 with or without brackets (RFC 5118 section 4.5)."""
        return header_param(self.params, b"received")

    @property
    def maddr(self) -> bytes | None:
        """The address that the response should go to, often multicast (RFC 3261 section 18.2.2)."""
        return header_param(self.params, b"maddr")

    def param(self, name: bytes) -> bytes | None:
        """Return the parameter `name` (given in lower case) as written; b"" for a flag, None if absent."""
        return header_param(self.params, name)


def parse_via(value: bytes) -> Via:
    """Parse one Via value, that is what `first_value` cuts off.

    Raises:
        HeaderError: it is not `SIP/2.0/TRANSPORT host[:port]` with well-formed parameters; another version
            is let through.
    """
    found = _PLAIN_VIA(value)
    if found is not None:
        transport, host, port_text, params, branch = found.groups()
        if branch is None:
            branch = plain_param(params, b"branch")
    else:
        value = value.strip(abnf.WS)
        found = _VIA(value)
        if found is None:
            raise HeaderError(
                f"the Via {shown(value)} is not of the form SIP/2.0/TRANSPORT host[:port];parameters "
                "(RFC 3261 section 20.42)"
            )
        transport, host, port_text, params = found.groups()
        transport = transport.upper()
        branch = header_param(params, b"branch")
    sent_by = host.lower()
    port = 0
    if port_text is not None:
        port = int(port_text)
        if port > _MAX_PORT:
            raise HeaderError(f"the port {port} in the Via {shown(value)} is greater than {_MAX_PORT}")
        sent_by += b":" + (port_text if port_text[0] != _ZERO else b"%d" % port)
    return Via(value, transport, host, port, sent_by, params, branch)


def first_value(value: bytes) -> tuple[bytes, bytes]:
    """Cut the first value off a comma-separated Via header: (first, rest); rest is b"" when it was alone."""
    return split_first(value)


def fill_param(value: bytes, name: bytes, filling: bytes) -> bytes:
    """Return the Via value with `filling` as the value of a parameter (lower case) that stands there without one.

    Every other octet stays; so does all where there is no such parameter, or it has a value. In a list of values the
    first one is meant.
    """
    first, tail = _parted(value)
    span = param_span(first, name)
    if span is None or span[0] != span[1]:
        return value
    return first[: span[0]] + b"=" + filling + first[span[1] :] + tail


def add_params(value: bytes, received: bytes | None, rport: bytes | None) -> bytes:
    """Return the Via value with what the receiver adds to it; every other octet stays.

    `received` (an address) is set or added (RFC 3261 section 18.2.1); `rport` (a port in digits) is filled in
    where the sender has an rport parameter, and never added (RFC 3581 section 4). None leaves the parameter
    alone. In a list of values the first one is meant.
    """
    value, tail = _parted(value)
    if rport is not None:
        span = param_span(value, b"rport")
        if span is not None:
            value = value[: span[0]] + b"=" + rport + value[span[1] :]
    if received is not None:
        span = param_span(value, b"received")
        if span is not None:
            value = value[: span[0]] + b"=" + received + value[span[1] :]
        else:
            bare = value.rstrip(b" \t\r\n;")
            value = bare + b";received=" + received + value[len(bare) :]
    return value + tail


def _parted(value: bytes) -> tuple[bytes, bytes]:
    """The first of a list of values with what stands before it, and the rest, octet for octet."""
    if b"," not in value:
        return value, b""
    first, _ = split_first(value)
    end = value.index(first) + len(first)
    return value[:end], value[end:]
