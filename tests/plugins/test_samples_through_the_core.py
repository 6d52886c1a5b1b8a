"""Every sample of what a client sends, through the real core: what leaves is what the sample says, and home comes what
the client wrote."""

from __future__ import annotations

import re

import pytest
from ruling import CATALOG

from proxy.effects import Send
from proxy.events import MessageReceived
from proxy.repair.rule import REPAIR, REQUEST_IN
from proxy.repair.sample import NETWORKS, sample_message, sample_stage
from tests.support.sip_text import SipText
from tests.support.world import World

SAMPLES = [
    pytest.param(rule, sample, id=f"{rule.name}-{number}")
    for rule in CATALOG.rules
    for number, sample in enumerate(rule.samples)
    if sample_stage(rule, sample, sample_message(sample.before)) == REQUEST_IN
]
# What every proxy adds or changes, whatever its rules.
HOP = ("via", "record-route", "path", "supported", "max-forwards")


class Play:
    """A client at the sample's address and the server, with that rule on."""

    def __init__(self, rule, sample):
        transport, _, source = sample.sender.partition(":")
        repair = {} if rule.default == REPAIR else {rule.name: REPAIR}
        self.world = World(clients=(f"{transport}://203.0.113.10:5060",), repair=repair, local_networks=NETWORKS)
        self.client = self.world.client("alice", source)
        self.server = self.world.server("k")
        self.sample = sample
        if sample.registered:
            self._register()

    def _register(self):
        """Make the client a known one, by the Contact that it has in the sample, if that is one."""
        contact = re.search(r"^Contact: <sip:[^>]*@[^>]*>(?![^;\n])", self.sample.before, re.MULTILINE)
        line = contact[0] if contact and ";b=" not in contact[0] else "Contact: <sip:alice@192.168.1.9:5060>"
        head = "Max-Forwards: 70\r\nFrom: <sip:alice@example.com>;tag=r\r\nTo: <sip:alice@example.com>\r\nCall-ID: r"
        via = SipText(sample_message(self.sample.before).octets()).values("via")[0].partition(";")[0]
        self.client_sends(
            f"REGISTER sip:example.com SIP/2.0\r\nVia: {via};branch=z9hG4bKr\r\n{head}\r\nCSeq: 1 REGISTER\r\n"
            f"{line};expires=60\r\nContent-Length: 0\r\n\r\n".encode()
        )
        self.server_answers(self.sent()[0])
        assert self.sent()[0].status == 200

    def client_sends(self, octets):
        self.world.feed(MessageReceived(self.client.flow, octets, self.world.now))

    def sent(self):
        """What was sent since, by side: the one message for the server, or the one for the client."""
        effects = [output.effect for output in self.world.outputs]
        self.world.outputs.clear()
        return [SipText(effect.octets) for effect in effects if isinstance(effect, Send)]

    def server_answers(self, request):
        """200, with what RFC 3261 sections 8.2.6 and 12.1.1 want, and the Contacts of a REGISTER."""
        kept = [
            line if name != "to" or ";tag=" in line else line + ";tag=a6c85cf"
            for line, name in zip(request.lines, request.names, strict=True)
            if name in ("via", "from", "to", "call-id", "cseq") or (name == "contact" and request.method == "REGISTER")
        ]
        if request.method in ("INVITE", "SUBSCRIBE"):
            kept.append("Contact: <sip:bob@10.0.0.5:5060>")
        text = "\r\n".join(("SIP/2.0 200 OK", *kept, "Content-Length: 0", "", ""))
        octets = text.encode("utf-8", "surrogateescape")
        self.world.feed(MessageReceived(self.server.flow, octets, self.world.now))


def rest(text):
    """The header lines that no proxy has to change, and the body; tokens are all the same."""
    lines = [line for line, name in zip(text.lines, text.names, strict=True) if name not in HOP]
    return [re.sub(r";(b=|tag=sm)[a-z0-9]{16,}", r";\1T", line) for line in lines], text.body


def lines(text, name):
    return [line for line, found in zip(text.lines, text.names, strict=True) if found == name]


def unstamped(line):
    return re.sub(r";received=[^;]*", "", re.sub(r"rport=\d+", "rport", line))


@pytest.mark.parametrize(("rule", "sample"), SAMPLES)
def test_what_leaves_and_what_comes_home(rule, sample):
    play = Play(rule, sample)
    before = SipText(sample_message(sample.before).octets())
    after = SipText(sample_message(sample.after).octets())
    play.client_sends(sample.before.replace("\n", "\r\n").encode())
    (request,) = play.sent()
    assert rest(request) == rest(after)
    assert rule.name in {name for name, _, _ in play.world.counts.repairs}
    play.server_answers(request)
    (answer,) = play.sent()
    assert answer.status == 200
    for name in ("from", "call-id", "cseq"):
        assert lines(answer, name) == lines(before, name)
    assert [line.removesuffix(";tag=a6c85cf") for line in lines(answer, "to")] == [
        line.removesuffix(";tag=a6c85cf") for line in lines(before, "to")
    ]
    assert [unstamped(line) for line in lines(answer, "via")] == [unstamped(line) for line in lines(before, "via")]
    if sample.home:
        assert answer.octets.decode().replace("\r\n", "\n") == sample.home


@pytest.mark.parametrize(("rule", "sample"), SAMPLES)
def test_contacts_of_a_register_come_home_octet_for_octet(rule, sample):
    before = SipText(sample_message(sample.before).octets())
    if before.method != "REGISTER":
        return
    play = Play(rule, sample)
    play.client_sends(before.octets)
    play.server_answers(play.sent()[0])
    (answer,) = play.sent()
    assert lines(answer, "contact") == lines(before, "contact")[:1]


def test_some_samples_show_what_comes_home():
    shown = {rule.name for rule in CATALOG.rules for sample in rule.samples if sample.home}
    assert shown >= {"via-missing", "via-unparsable", "server-domain", "contact-private", "contact-bypass"}
