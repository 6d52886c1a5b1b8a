"""The report as a page: by itself, and nothing of a hostile capture comes alive in it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from proxy.doctor.html import as_html
from tests.proxy.doctor.traffic import ALICE, SERVER, clean_call, invite, report_on
from tests.support.captures import pcap, udp

EVIL = "<script>alert(1)</script><img src=x onerror=y>\"'&"


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.open = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def page(packets):
    return as_html(report_on(packets), lambda party, finding: f"repair: {finding.rule}")


def test_nothing_of_the_capture_becomes_markup():
    contact, sender = f"<sip:{EVIL}@192.168.1.9>", f"<sip:a@{EVIL}>;tag=1"
    packets = [udp(ALICE, SERVER, invite(Contact=contact, User_Agent=EVIL, From=sender))]
    packets.append(udp(ALICE, SERVER, invite(Contact=None, User_Agent=EVIL)))
    parsed = Tags(page(packets))
    assert parsed.open == []
    allowed = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "ul", "li", "pre", "span",
               "small", "b", "details", "summary"}  # fmt: skip
    assert {tag for tag, _ in parsed.tags} <= allowed
    named = {name for _, attributes in parsed.tags for name in attributes}
    assert named <= {"lang", "charset", "http-equiv", "content", "class"}
    assert "&lt;script&gt;" in page(packets)


def test_page_loads_nothing():
    text = page([udp(ALICE, SERVER, invite(Contact=None))])
    assert not re.search(r"(?:src|href)\s*=|url\(|@import|https?://", text)
    assert "default-src 'none'" in text
    assert "repair: contact-missing-request" in text
    assert "contact-missing-request: repair" in text


def test_empty_report_is_a_page_too():
    assert "Nothing found." in page(clean_call())
    assert "stopped:" in as_html(report_on(pcap(clean_call())[:-3]), lambda *_: "")
