"""Files with rules, for the tests of those who load them."""

from __future__ import annotations

GOOD = '''\
"""Subjects in capitals."""

from proxy.repair.rule import REQUEST_IN, Finding, NumberSetting, Replace, Rule, Sample, TextSetting

BEFORE = """\\
MESSAGE sip:bob@example.com SIP/2.0
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKa
Max-Forwards: 70
From: <sip:alice@example.com>;tag=1
To: <sip:bob@example.com>
Call-ID: c1
CSeq: 1 MESSAGE
Subject: HELLO
Content-Length: 0

"""


class QuietSubject(Rule):
    name = "acme-subject"
    rfc = "RFC 3261 section 20.36"
    summary = "Subjects in capitals become lower case."
    stages = (REQUEST_IN,)
    touches = (b"subject",)
    settings = (
        TextSetting("sign", "", "What is put behind it.", "[a-z!]*"),
        NumberSetting("least", 2, "Letters it has at least.", 1, 99),
    )
    samples = (Sample(BEFORE, BEFORE.replace("HELLO", "hello")),)

    def __init__(self, sign="", least=2):
        self.sign = sign.encode()
        self.least = least

    def with_settings(self, chosen):
        return QuietSubject(**chosen)

    def applies(self, message, context):
        line = message.index(b"subject")
        if line < 0:
            return None
        value = message.value(b"subject")
        if len(value) < self.least or not value.isupper():
            return None
        return Finding("the subject shouts", line)

    def repair(self, message, finding, context):
        return [Replace(finding.line, b"Subject: " + message.value(b"subject").lower() + self.sign)]


RULES = (QuietSubject(),)
'''


def renamed(name: str) -> str:
    """The same rule under another name."""
    return GOOD.replace("acme-subject", name)
