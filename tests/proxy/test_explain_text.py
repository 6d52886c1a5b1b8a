"""How a dry run is shown: the diff, the reasons, and the object for programs."""

from __future__ import annotations

import io
import json

from rich.console import Console

from plugins import ORDER
from proxy.capture.plain import read_octets
from proxy.effects import Note
from proxy.explain import Explanation, Setting, explain
from proxy.explain_text import as_object, diff, print_explanation
from proxy.flow import UDP
from proxy.origin import Source
from proxy.repair.catalog import Catalog

CATALOG = Catalog(ORDER)
SOURCE = Source(UDP, "192.168.1.9", 5060)
TEXT = b"""\
INVITE sip:bob@example.com SIP/2.0
Via: SIP/2.0/UDP 192.168.1.9:5060;branch=z9hG4bK1;rport
Max-Forwards: 70
From: <sip:alice@example.com>;tag=1
To: <sip:bob@example.net>
Call-ID: c1
CSeq: 1 INVITE
Subject: \xff\x1b[31mred
Contact: <sip:alice@192.168.1.9>
Content-Length: 0

"""


def explained(text=TEXT, source=None, **modes):
    choices = {name.replace("_", "-"): mode for name, mode in modes.items()}
    return explain(read_octets(text), Setting(*CATALOG.choose(choices)), source)


def printed(explanation, colour=False):
    out = io.StringIO()
    colours = "standard" if colour else None
    console = Console(file=out, width=40, force_terminal=colour, highlight=False, color_system=colours)
    print_explanation(explanation, "invite.txt", console)
    return out.getvalue()


def test_diff_shows_the_repaired_line_and_its_surroundings():
    lines = list(diff(explained(), "invite.txt"))
    assert lines[:2] == ["--- invite.txt", "+++ invite.txt (repaired)"]
    assert [line for line in lines[2:] if line[0] == "-"] == ["-Contact: <sip:alice@192.168.1.9>"]
    assert len([line for line in lines[2:] if line[0] == "+"]) == 1
    assert " CSeq: 1 INVITE" in lines


def test_reason_and_rfc_section_stand_below_it():
    text = printed(explained())
    assert "contact-private (Contact): Contact names 192.168.1.9" in text
    assert "RFC 3261 section 8.1.1.8" in text
    assert "192.0.2.1 stands for sipmend itself" in text
    assert "from udp:192.168.1.9:5060 (a guess; --from says better)" in text


def test_known_source_is_no_guess():
    assert "guess" not in printed(explained(source=SOURCE))


def test_lines_are_not_wrapped():
    """They are meant for patch, grep and the clipboard."""
    assert max(len(line) for line in printed(explained()).splitlines()) > 80


def test_message_cannot_write_on_the_terminal():
    for colour in (False, True):
        assert "\x1b[31mred" not in printed(explained(), colour)
    assert "\\x1b[31mred" in "\n".join(diff(explained(), "x"))


def test_colours_are_for_terminals_only():
    assert "\x1b[" not in printed(explained())
    assert "\x1b[31m-Contact" in printed(explained(), colour=True)


def test_nothing_to_repair_says_so():
    text = printed(explained(contact="off"))
    assert text.endswith("nothing to repair\n")
    assert "---" not in text


def test_report_is_told_from_a_repair():
    text = printed(explained(contact_private="report"))
    assert "Only reported, not repaired." in text
    assert "+++" not in text


def test_refusal_and_notes_are_shown():
    note = Note("error", "rule {rule} failed", {"rule": "x"})
    explanation = Explanation(SOURCE, False, TEXT, TEXT, (), (note,), "483 no")
    text = printed(explanation)
    assert "rule x failed" in text
    assert "It would not be forwarded: 483 no" in text
    assert "nothing to repair" not in text


def test_object_has_the_keys_of_the_contract():
    found = as_object(explained())
    assert list(found) == ["repairs", "message", "profile"]
    (repair,) = found["repairs"]
    assert list(repair) == ["rule", "header", "before", "after", "reason", "rfc"]
    assert repair["before"] == "Contact: <sip:alice@192.168.1.9>"
    assert repair["after"].startswith("Contact: <sip:alice@192.0.2.1:5070")


def test_inserted_header_has_no_before():
    (repair,) = as_object(explained(TEXT.replace(b"Contact: <sip:alice@192.168.1.9>\n", b"")))["repairs"]
    assert repair["before"] is None


def test_object_keeps_every_octet_through_json():
    found = json.loads(json.dumps(as_object(explained())))
    assert found["message"].encode("utf-8", "surrogateescape") == explained().after


def test_reports_are_no_repairs():
    assert as_object(explained(contact_private="report"))["repairs"] == []
