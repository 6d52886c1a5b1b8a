"""The small world in which the samples of rules take place: for their tests, their page in the docs, and previews.

The domain is example.com; the server knows us as 10.0.0.2:5070 by UDP, clients as 203.0.113.10. Documentation
addresses stand for public ones here.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import Final

from proxy.flow import CLIENT, TRANSPORTS, UDP, URI_TRANSPORTS, Flow, Listener
from proxy.repair.reach import Networks, is_senders, reach_of
from proxy.repair.rule import (
    ABSENT,
    LEFT,
    REQUEST_IN,
    REQUEST_OUT,
    RESPONSE_IN,
    RESPONSE_OUT,
    Context,
    Hosts,
    Rule,
    Sample,
)
from proxy.sip.contact import all_contacts, is_plain
from proxy.sip.errors import HeaderError
from proxy.sip.message import Message, Request, Response
from proxy.sip.parser import parse_message
from proxy.sip.registry import REGISTER

DOMAIN: Final = b"example.com"
TOKEN: Final = b"k3v9x2m7q4w8z5c1"
NETWORKS: Final[Networks] = tuple(ip_network(n) for n in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"))


class SampleHosts:
    """The proxy is 203.0.113.10 and 10.0.0.2, the server 10.0.0.5 and pbx.example.net."""

    def is_proxy(self, host: bytes) -> bool:
        return host in (b"203.0.113.10", b"10.0.0.2", b"edge.example.com", b"pbx.example.net")

    def is_server(self, host: bytes) -> bool:
        return host in (b"10.0.0.5", b"pbx.example.net")

    def is_senders(self, host: bytes, flow: Flow) -> bool:
        return is_senders(host, flow)


class SampleNaming:
    """Names every sender by the user of its own address, at one server-side address and with one token."""

    def __init__(self) -> None:
        self.hosts: Hosts | None = SampleHosts()

    def shown(self, message: Message, flow: Flow) -> bytes:
        try:
            user = (message.to if isinstance(message, Response) else message.from_).uri.user or b"anonymous"
        except HeaderError:
            user = b"anonymous"
        return b"sip:%b@10.0.0.2:5070;transport=udp;b=%b" % (user, TOKEN)

    def tag(self, message: Message) -> bytes:
        return b"sm" + TOKEN


def sample_flow(sender: str) -> Flow:
    """The flow written `udp:198.51.100.7:5060`. Raises ValueError for an unknown transport or no port."""
    word, _, address = sender.partition(":")
    host, _, port = address.rpartition(":")
    listener = Listener(0, CLIENT, TRANSPORTS.index(word), "0.0.0.0", 5060, "203.0.113.10", 5060)
    return Flow(listener, host.strip("[]"), int(port))


def sample_message(text: str) -> Request | Response:
    """The message of a sample, its lines read as ending in CRLF."""
    return parse_message(text.replace("\n", "\r\n").encode())


def sample_context(
    message: Request | Response, flow: Flow, registered: bool = False, stage: int | None = None, asked: str = ""
) -> Context:
    """What a rule may know of a message in this world, on its way from a client unless `stage` is one towards it."""
    naming = SampleNaming()
    transport = flow.listener.transport
    home = flow.listener.sent_by + b";transport=" + URI_TRANSPORTS[transport]
    renamed: dict[bytes, bytes] | None = None
    if isinstance(message, Request) and message.method == REGISTER:
        renamed = {}
        for contact in all_contacts(message):
            try:
                if is_plain(contact):
                    renamed[contact.addr] = naming.shown(message, flow)
            except HeaderError:
                continue
    reach = reach_of(message, flow, NETWORKS)
    if stage in (REQUEST_OUT, RESPONSE_OUT) and reach != ABSENT:
        reach = LEFT
    context = Context(message, flow, naming, DOMAIN, home, reach, registered, transport != UDP, renamed)
    context.asked = asked.encode()
    return context


def sample_stage(rule: Rule, sample: Sample, message: Message) -> int:
    """Where the sample is met: as it says, else on the way from the client."""
    if sample.stage is not None:
        return sample.stage
    stage = RESPONSE_IN if isinstance(message, Response) else REQUEST_IN
    return stage if stage in rule.stages else rule.stages[0]
