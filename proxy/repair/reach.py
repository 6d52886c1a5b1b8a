"""How far a Contact leads: whether the server could use it to send a request to its sender (protocol: RFC 3261
section 8.1.1.8; RFC 1918, 6598, 3927, 4193, 5737, 3849, 2606, 6762 for the addresses and names that lead nowhere).

Nothing is resolved here: any name that is not special counts as reachable.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from proxy.flow import DEFAULT_PORTS, TCP, TLS, UDP, URI_TRANSPORTS, WS, WSS, Flow
from proxy.repair.rule import (
    ABSENT,
    INVALID_NAME,
    LEFT,
    LINK_LOCAL,
    LOOPBACK,
    OTHER_SOURCE,
    PRIVATE,
    REACHABLE,
    SHARED,
    UNPARSABLE,
    UNSPECIFIED,
)
from proxy.sip.address import NameAddr, parse_name_addr, split_list
from proxy.sip.contact import is_plain, uri_param
from proxy.sip.errors import HeaderError
from proxy.sip.message import Message, Response, line_value
from proxy.sip.registry import CONTACT
from proxy.sip.uri import Uri

Address = IPv4Address | IPv6Address
Networks = tuple[IPv4Network | IPv6Network, ...]

# How much is remembered: entries, and the longest key worth it (octets), as clients choose both.
_ENTRIES: Final = 4096
_LONGEST: Final = 512

_CLASSES: Final = tuple(
    (ip_network(network), reach)
    for network, reach in (
        ("0.0.0.0/8", UNSPECIFIED),
        ("::/128", UNSPECIFIED),
        ("127.0.0.0/8", LOOPBACK),
        ("::1/128", LOOPBACK),
        ("169.254.0.0/16", LINK_LOCAL),
        ("fe80::/10", LINK_LOCAL),
        ("100.64.0.0/10", SHARED),
        ("10.0.0.0/8", PRIVATE),
        ("172.16.0.0/12", PRIVATE),
        ("192.168.0.0/16", PRIVATE),
        ("fc00::/7", PRIVATE),
        ("192.0.2.0/24", PRIVATE),
        ("198.51.100.0/24", PRIVATE),
        ("203.0.113.0/24", PRIVATE),
        ("2001:db8::/32", PRIVATE),
    )
)
_SPECIAL_NAMES: Final = (b".invalid", b".local", b".localhost", b".internal")

_hosts: Final[dict[bytes, int]] = {}


class _Memory:
    """What was found for Contact lines, under one set of local networks."""

    __slots__ = ("networks", "reaches")

    def __init__(self, networks: Networks) -> None:
        self.networks = networks
        self.reaches: dict[tuple[bytes, int, str, int], int] = {}


# By the identity of the tuple, because hashing networks is slow; the memory holds the tuple, so that no other can
# get its identity. One per process in practice.
_memories: Final[dict[int, _Memory]] = {}


def classify_host(host: bytes) -> int:
    """The class of a host as written in a URI: REACHABLE, or one of the constants that say why not."""
    reach = _hosts.get(host)
    if reach is None:
        reach = _classify(host)
        if len(host) <= _LONGEST:
            if len(_hosts) >= _ENTRIES:
                _hosts.clear()
            _hosts[host] = reach
    return reach


def reach_of(message: Message, flow: Flow, local_networks: Networks) -> int:
    """How far the first Contact leads that may be judged at all, for a message that arrived on this flow.

    `local_networks` are the networks that this machine shares with the server: an address in one of them is as good
    as a public one to those who really come from it.
    """
    places = message.places()
    if places.contact < 0:
        return ABSENT
    listener = flow.listener
    if flow.leaves_contact:
        return LEFT
    # A redirection names other people (RFC 3261 sections 8.1.3.4 and 21.4.23).
    if isinstance(message, Response) and (300 <= message.status < 400 or message.status == 485):
        return LEFT
    line = message.lines[places.contact]
    memory = _memories.get(id(local_networks)) or _remember(local_networks)
    key = (line, listener.transport, flow.remote_host, flow.remote_port)
    reach = memory.reaches.get(key)
    if reach is None:
        reach = _judge(line, flow, local_networks)
        if len(line) <= _LONGEST:
            if len(memory.reaches) >= _ENTRIES:
                memory.reaches.clear()
            memory.reaches[key] = reach
    if reach == LEFT and places.contacts > 1:
        for index in message.indexes(CONTACT)[1:]:
            further = _judge(message.lines[index], flow, local_networks)
            if further not in (LEFT, UNPARSABLE):
                return further
    return reach


def _remember(networks: Networks) -> _Memory:
    if len(_memories) >= 8:
        _memories.clear()
    memory = _memories[id(networks)] = _Memory(networks)
    return memory


def _judge(line: bytes, flow: Flow, networks: Networks) -> int:
    """The reach of the first value of a Contact line that is not to be left; UNPARSABLE if the very first is broken."""
    reach = UNPARSABLE
    try:
        for element in split_list(line_value(line)):
            reach = judge_contact(parse_name_addr(element), flow, networks)
            if reach != LEFT:
                break
    except HeaderError:
        pass
    return reach


def judge_contact(contact: NameAddr, flow: Flow, networks: Networks) -> int:
    """How far one Contact of a message from this flow leads. Raises UriError if its URI cannot be parsed."""
    if not is_plain(contact):
        return LEFT
    uri = contact.uri
    reach = classify_host(uri.host)
    address = host_address(uri.host)
    if reach != REACHABLE:
        if address is None or not _at_home(address, flow, networks):
            return reach
    elif address is None:
        return REACHABLE
    same = address == host_address(flow.remote_host.encode()) and _same_way(contact, uri, flow)
    return REACHABLE if same else OTHER_SOURCE


def is_senders(host: bytes, flow: Flow) -> bool:
    """Whether the host is the address the message came from, or one that leads nowhere outside its network."""
    address = host_address(host)
    if address is None:
        return False
    return classify_host(host) != REACHABLE or address == host_address(flow.remote_host.encode())


def _at_home(address: Address, flow: Flow, networks: Networks) -> bool:
    """The packet came from that very address, and the server is in the same network."""
    return address == host_address(flow.remote_host.encode()) and any(address in network for network in networks)


def _same_way(contact: NameAddr, uri: Uri, flow: Flow) -> bool:
    """Port and transport of the URI are those by which the message came (RFC 3263 section 4.1 for what is absent)."""
    arrival = flow.listener.transport
    named = uri_param(contact, b"transport")
    if not named:
        transport = TLS if uri.scheme == b"sips" else UDP
    else:
        transport = _transport(named.lower(), uri.scheme == b"sips")
    if transport == WS and arrival == WSS:
        transport = WSS
    return transport == arrival and (uri.port or DEFAULT_PORTS[transport]) == flow.remote_port


def _transport(named: bytes, secure: bool) -> int:
    if named == b"wss":
        return WSS
    if named not in URI_TRANSPORTS:
        return -1
    transport = URI_TRANSPORTS.index(named)
    return TLS if transport == TCP and secure else transport


def host_address(host: bytes) -> Address | None:
    """The host as an address, with leading zeros forgiven and mapped IPv4 unwrapped; None if it is a name."""
    text = host.strip(b"[]").decode("ascii", "replace")
    if ":" not in text and text[-1:].isdigit():
        text = ".".join(part.lstrip("0") or "0" for part in text.split("."))
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _classify(host: bytes) -> int:
    address = host_address(host)
    if address is None:
        name = b"." + host.lower().rstrip(b".")
        # RFC 3696 section 2: no top-level domain is all digits, so such a name is a broken address.
        single = name.count(b".") == 1 or name.rpartition(b".")[2].isdigit()
        return INVALID_NAME if single or name.endswith(_SPECIAL_NAMES) else REACHABLE
    for network, reach in _CLASSES:
        if address in network:
            return reach
    return REACHABLE
