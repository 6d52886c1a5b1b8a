"""SIP, SIPS and other URIs: taken apart, compared and escaped (RFC 3261 section 19.1, RFC 3966 for tel).

A URI is never rewritten here: `raw` is what goes back on the wire. The parser is lenient where a stray
character does not change who is meant, and strict wherever the host could be read in two ways.
"""

from __future__ import annotations

import re
from typing import Final

from proxy.sip import abnf
from proxy.sip.errors import UriError
from proxy.sip.params import plain_param

_MAX_PORT: Final = 65535
_AT: Final = ord("@")

# > SIP-URI  =  "sip:" [ userinfo ] hostport uri-parameters [ headers ]
# > userinfo  =  ( user / telephone-subscriber ) [ ":" password ] "@"
# The user may hold ";", "?" and "/", so userinfo reaches to the last "@" before the parameters. A second "@"
# in it is illegal but common (an e-mail address as user name); the host is then still the one next to the
# parameters. What begins with userinfo has a user: when the rest is broken then, it is not read in another way.
_NO = abnf.NOT_IN_URI
_USERINFO = rb"([^" + _NO + rb"@:]*)(?::([^" + _NO + rb"@;?]*)|)@"
_BEHIND_USER = rb"(" + abnf.HOST + rb")(?::(" + abnf.PORT + rb")|)(;[^" + _NO + rb"?]*|)(?:\?([^" + _NO + rb"]*)|)"
_WITH_USER: Final = re.compile(rb"((?i:sips?)):" + _USERINFO + _BEHIND_USER).fullmatch
_WITHOUT_USER: Final = re.compile(rb"((?i:sips?)):" + _BEHIND_USER).fullmatch
_BEGINS_WITH_USER: Final = re.compile(rb"(?i:sips?):" + _USERINFO).match
_TWO_AT_SIGNS: Final = re.compile(
    rb"((?i:sips?)):([^" + _NO + rb":@]*@[^" + _NO + rb":;?]*)()@" + _BEHIND_USER
).fullmatch
# > absoluteURI  =  scheme ":" ( hier-part / opaque-part )
_OTHER_URI: Final = re.compile(rb"([A-Za-z][A-Za-z0-9+.\-]*):([^" + _NO + rb"]+)").fullmatch
_HOST_PORT: Final = re.compile(rb"(" + abnf.HOST + rb")(?::(" + abnf.PORT + rb")|)").fullmatch
_FORBIDDEN: Final = re.compile(rb"[" + _NO + rb"]").search

_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})").sub
# > unreserved  =  alphanum / mark;   mark = "-" / "_" / "." / "!" / "~" / "*" / "'" / "(" / ")"
_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()")
# > user  =  1*( unreserved / escaped / user-unreserved );  user-unreserved = "&" / "=" / "+" / "$" / "," /
# > ";" / "?" / "/"
# ";" is left out on purpose: several servers take it for the beginning of the parameters.
_NOT_IN_USER: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9\-_.!~*'()&=+$,?/%]").sub
_VISUAL_SEPARATORS: Final = b"-.()"

# RFC 3261 section 19.1.4: these make URIs differ when only one of the two has them.
_NEVER_IGNORED: Final = (b"transport", b"user", b"ttl", b"method", b"maddr")


class Uri:
    """A URI taken apart; every part is as written, but for `scheme`, which is in lower case.

    `user` and `password` are None when absent. A user that is written but empty, which section 19.1.1
    forbids, is b"". `port` is 0 when absent. `params` begins with its ";", `headers` follow the "?"; both are
    b"" when absent. A tel URI has its number in `user` and no host; a URI of any other scheme has neither.
    """

    __slots__ = ("headers", "host", "params", "password", "port", "raw", "scheme", "user")

    def __init__(
        self,
        raw: bytes,
        scheme: bytes,
        user: bytes | None,
        password: bytes | None,
        host: bytes,
        port: int,
        params: bytes,
        headers: bytes,
    ) -> None:
        self.raw = raw
        self.scheme = scheme
        self.user = user
        self.password = password
        self.host = host
        self.port = port
        self.params = params
        self.headers = headers

    def __repr__(self) -> str:
        return f"Uri({self.raw!r})"

    def param(self, name: bytes) -> bytes | None:
        """Return the value of the parameter `name` (given in lower case) as written; b"" for a flag, None if
        absent.

        An escaped name counts as what it means: `;%6C%72` is `lr` (RFC 4475 section 3.1.1.3).
        """
        params = self.params
        if not params:
            return None
        value = plain_param(params, name)
        if value is None and b"%" in params:
            for item in params.split(b";"):
                key, _, text = item.partition(b"=")
                if canonical_user(key).lower() == name:
                    return text
        return value

    def equals(self, other: Uri) -> bool:
        """Compare as RFC 3261 section 19.1.4 says: not by octets, and not transitively.

        sip and sips differ. A port or password in one only makes them differ, even the default port. IPv6
        addresses are compared as text. tel URIs follow RFC 3966 section 4; other schemes are compared octet
        by octet.
        """
        if self.raw == other.raw:
            return True
        if self.scheme != other.scheme:
            return False
        if self.scheme == b"tel":
            return _same_number(self, other)
        if not self.host:
            return self.raw[len(self.scheme) :] == other.raw[len(other.scheme) :]
        return (
            self.host.lower() == other.host.lower()
            and self.port == other.port
            and _same_escaped(self.user, other.user)
            and _same_escaped(self.password, other.password)
            and _same_params(_param_table(self.params), _param_table(other.params))
            and _header_list(self.headers) == _header_list(other.headers)
        )


def parse_uri(raw: bytes) -> Uri:
    """Take a URI apart; the text has neither angle brackets nor outer whitespace.

    Raises:
        UriError: the grammar is broken in a way that leaves open who is meant (RFC 3261 sections 19.1.1 and
            25.1).
    """
    user: bytes | None
    password: bytes | None
    if _AT in raw and (found := _WITH_USER(raw)) is not None:
        scheme, user, password, host, port_text, params, headers = found.groups()
    elif (found := _WITHOUT_USER(raw)) is not None and (_AT not in raw or _BEGINS_WITH_USER(raw) is None):
        scheme, host, port_text, params, headers = found.groups()
        user = password = None
    else:
        return _parse_unusual(raw)
    if scheme != b"sip":
        scheme = scheme.lower()
    port = 0 if port_text is None else _port(port_text, raw)
    return Uri(raw, scheme, user, password, host, port, params, headers or b"")


def parse_host_port(text: bytes) -> tuple[bytes, int]:
    """Cut `host[:port]` in two; the port is 0 when absent, an IPv6 address keeps its brackets.

    Raises:
        UriError: the host is empty or has forbidden characters, the port is out of range, or IPv6 lacks
            brackets.
    """
    found = _HOST_PORT(text)
    if found is None:
        raise UriError(_bad_host(text, text))
    port_text = found.group(2)
    return found.group(1), 0 if port_text is None else _port(port_text, text)


def unescape(user: bytes) -> bytes:
    """Decode every %-escape; a "%" without two hexadecimal digits stays."""
    return _ESCAPE(_decode, user) if b"%" in user else user


def canonical_user(user: bytes) -> bytes:
    """Decode the escapes of unreserved characters and write the others with capital digits.

    Two users are the same person exactly if their canonical forms are equal octets (RFC 3261 section 19.1.4).
    """
    return _ESCAPE(_decode_unreserved, user) if b"%" in user else user


def escape_user(user: bytes) -> bytes:
    """Escape what may not stand in a user part, and ";" as well; escapes that are there already are kept."""
    return _NOT_IN_USER(_encode, user)


def _parse_unusual(raw: bytes) -> Uri:
    """Parse what the fast patterns for sip and sips do not take, or say what is wrong with it."""
    found = _OTHER_URI(raw)
    if found is None:
        raise UriError(_bad_text(raw))
    scheme, rest = found.group(1).lower(), found.group(2)
    if scheme == b"tel":
        number, mark, params = rest.partition(b";")
        return Uri(raw, scheme, number, None, b"", 0, mark + params, b"")
    if scheme not in (b"sip", b"sips"):
        return Uri(raw, scheme, None, None, b"", 0, b"", b"")
    found = _TWO_AT_SIGNS(raw)
    if found is None:
        raise UriError(_bad_host(_host_part(rest), raw))
    _, user, _, host, port_text, params, headers = found.groups()
    port = 0 if port_text is None else _port(port_text, raw)
    return Uri(raw, scheme, user, None, host, port, params, headers or b"")


def _host_part(rest: bytes) -> bytes:
    """Cut host and port out of a broken URI, for the words of the error only."""
    after = rest.partition(b"@")[2] if b"@" in rest else rest
    return re.split(rb"[;?]", after, maxsplit=1)[0]


def _port(text: bytes, where: bytes) -> int:
    port = int(text)
    if not 0 < port <= _MAX_PORT:
        raise UriError(f"the port {port} in {shown(where)} is not between 1 and {_MAX_PORT}")
    return port


def _bad_text(raw: bytes) -> str:
    found = _FORBIDDEN(raw)
    if found is not None:
        return f"the URI {shown(raw)} contains {found.group()!r}, which must be escaped"
    return f"the URI {shown(raw)} has no scheme, or nothing behind it; expected for instance sip:user@host"


def _bad_host(host: bytes, where: bytes) -> str:
    if not host or host.startswith(b":"):
        return f"{shown(where)} has no host"
    if host.count(b":") > 1 and not host.startswith(b"["):
        return f"the IPv6 address in {shown(where)} needs square brackets"
    return f"{shown(host)} in {shown(where)} is not a host with an optional port"


def shown(raw: bytes) -> str:
    """Write octets from the wire so that they are safe and short enough for an error text."""
    return repr(raw if len(raw) <= 80 else raw[:77] + b"...")[1:]


def _decode(found: re.Match[bytes]) -> bytes:
    return bytes((int(found.group(1), 16),))


def _decode_unreserved(found: re.Match[bytes]) -> bytes:
    code = int(found.group(1), 16)
    return bytes((code,)) if code in _UNRESERVED else found.group().upper()


def _encode(found: re.Match[bytes]) -> bytes:
    return b"%%%02X" % ord(found.group())


def _same_escaped(one: bytes | None, other: bytes | None) -> bool:
    if one is None or other is None:
        return one is other
    return canonical_user(one) == canonical_user(other)


def _param_table(params: bytes) -> dict[bytes, bytes]:
    table: dict[bytes, bytes] = {}
    for item in params.split(b";"):
        if item:
            name, _, value = item.partition(b"=")
            table.setdefault(canonical_user(name).lower(), canonical_user(value).lower())
    return table


def _same_params(one: dict[bytes, bytes], other: dict[bytes, bytes]) -> bool:
    # > Any uri-parameter appearing in both URIs must match. [...] All other uri-parameters appearing in only
    # > one URI are ignored when comparing the URIs.
    return all(other[name] == value for name, value in one.items() if name in other) and all(
        (name in one) == (name in other) for name in _NEVER_IGNORED
    )


def _header_list(headers: bytes) -> list[tuple[bytes, bytes]]:
    # > URI header components are never ignored. Any present header component MUST be present in both
    # > URIs and match
    found = []
    for item in headers.split(b"&"):
        if item:
            name, _, value = item.partition(b"=")
            found.append((unescape(name).lower(), unescape(value)))
    return sorted(found)


def _same_number(one: Uri, other: Uri) -> bool:
    # RFC 3966 section 4: visual separators and the order of parameters do not count, each parameter does.
    mine, theirs = (
        ((uri.user or b"").translate(None, _VISUAL_SEPARATORS).lower(), _param_table(uri.params))
        for uri in (one, other)
    )
    return mine == theirs


def with_host(uri: Uri, host: bytes) -> bytes | None:
    """The URI as written but for its host, and without the port that belonged to that; None if it cannot be told."""
    raw = uri.raw
    end = raw.find(b":") + 1
    if uri.user is not None:
        end += len(uri.user) + 1 + (0 if uri.password is None else len(uri.password) + 1)
    if not raw.startswith(uri.host, end) or (uri.user is not None and raw[end - 1 : end] != b"@"):
        return None
    rest = raw[end + len(uri.host) :]
    if rest[:1] == b":":
        rest = rest[1:].lstrip(b"0123456789")
    return raw[:end] + host + rest
