"""The dry run: what it reads, whom it takes for the sender, and that it does what the proxy does."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from plugins import ORDER
from proxy.capture.plain import read_octets
from proxy.core.settings import CoreSettings
from proxy.explain import OUR_ADDRESS, Setting, explain
from proxy.flow import CLIENT, SERVER, TCP, UDP, Listener
from proxy.origin import Source, parse_source
from proxy.repair.catalog import Catalog
from proxy.sip.errors import ParseError
from proxy.sip.parser import parse_message
from tests.proxy.sip_messages import INVITE, message

CATALOG = Catalog(ORDER)
DEFAULT = Setting(*CATALOG.choose({}))
FROM_CONTACT = Source(UDP, "93.184.216.34", 5062)
RFC4475 = Path(__file__).parents[3] / "shared" / "data" / "rfc4475"

def rules(explanation):
    return [record.rule for record in explanation.repairs]


class TestNoSip:
    @pytest.mark.parametrize("octets", [b"", b"\n", b"hello\n", b"GET / HTTP/1.1\nHost: x\n\n", bytes(range(256))])
    def test_what_is_no_sip_is_said_to_be_none(self, octets):
        with pytest.raises(ParseError):
            explain(read_octets(octets), DEFAULT, None)


class TestRepairs:
    def test_sound_message_stays_octet_for_octet(self):
        explanation = explain(message(), DEFAULT, FROM_CONTACT)
        assert explanation.records == ()
        assert explanation.after == explanation.before == message()
        assert not explanation.refusal

    def test_missing_contact_is_inserted_with_the_reason(self):
        explanation = explain(message(Contact=None), DEFAULT, None)
        (record,) = explanation.repairs
        assert (record.rule, record.header, record.before) == ("contact-missing-request", "Contact", None)
        assert record.after in explanation.after.split(b"\r\n")
        assert record.after.startswith(b"Contact: <sip:alice@192.0.2.1:5070;transport=udp;b=")
        assert "missing" in record.reason
        assert record.rfc.startswith("RFC 3261 section 8.1.1.8")
        assert explanation.stand_ins

    def test_same_message_gives_the_same_text_on_every_run(self):
        one, other = (explain(message(Contact=None), DEFAULT, None) for _ in range(2))
        assert one.after == other.after

    def test_our_own_via_and_routes_are_not_shown(self):
        after = explain(message(Contact=None), DEFAULT, None).after
        assert after.count(b"Via:") == 1
        assert b"Record-Route" not in after
        assert b"Max-Forwards: 70" in after

    def test_register_is_rewritten_by_the_binding_it_would_make(self):
        text = INVITE.replace("INVITE", "REGISTER")
        explanation = explain(message(text, Contact="<sip:bob@192.168.1.9>;expires=60"), DEFAULT, None)
        assert rules(explanation) == ["contact-private"]
        assert b"<sip:bob@192.0.2.1:5070;transport=udp;b=b" in explanation.after
        assert b";expires=60" in explanation.after
        assert b"Path" not in explanation.after

    def test_missing_via_is_mended_before_the_rest(self):
        explanation = explain(message(Via=None, Contact=None), DEFAULT, parse_source("udp:192.0.2.9:4000"))
        assert rules(explanation) == ["via-missing", "contact-missing-request"]
        assert b"Via: SIP/2.0/UDP 192.0.2.9:4000" in explanation.after

    def test_answer_of_a_client_is_repaired_too(self):
        text = "SIP/2.0 200 OK" + INVITE[INVITE.index("\n") :]
        explanation = explain(message(text, To="<sip:bob@example.net>;tag=2", Contact=None), DEFAULT, None)
        assert rules(explanation) == ["contact-missing-response"]
        assert b"Contact: <sip:bob@192.0.2.1:5070" in explanation.after

    def test_second_hop_is_left_alone(self):
        """More than one Via: another proxy stands between the client and us."""
        text = INVITE.replace("Max-Forwards", "Via: SIP/2.0/UDP 192.168.1.1;branch=z9hG4bK0\nMax-Forwards")
        assert rules(explain(message(text, Contact="<sip:alice@192.168.1.1>"), DEFAULT, None)) == []

    def test_modes_of_the_setting_count(self):
        rules_, modes = CATALOG.choose({"contact-missing-request": "report"})
        explanation = explain(message(Contact=None), Setting(rules_, modes), None)
        assert explanation.repairs == ()
        assert [record.rule for record in explanation.reports] == ["contact-missing-request"]
        assert explanation.after == explanation.before

    @pytest.mark.parametrize(
        ("changed", "refusal", "broken"),
        [
            ({"Call_ID": None}, "400 Call-ID is missing", True),
            ({"Max_Forwards": "0"}, "483", False),
            ({"Proxy_Require": "foo"}, "420", False),
            ({"CSeq": "1 BYE"}, "400", True),
        ],
    )
    def test_message_that_would_not_be_forwarded_says_so(self, changed, refusal, broken):
        explanation = explain(message(**changed), DEFAULT, None)
        assert explanation.refusal.startswith(refusal)
        assert explanation.broken is broken

    def test_response_that_would_be_dropped_says_so(self):
        text = "SIP/2.0 200 OK" + INVITE[INVITE.index("\n") :]
        assert explain(message(text, Call_ID=None), DEFAULT, None).refusal == "dropped: Call-ID is missing"


class TestWithSettings:
    LISTENERS = (
        Listener(0, CLIENT, UDP, "0.0.0.0", 5060, "203.0.113.10", 5060),
        Listener(1, CLIENT, TCP, "0.0.0.0", 5060, "203.0.113.10", 5060),
        Listener(2, SERVER, UDP, "0.0.0.0", 5070, "10.0.0.2", 5070),
    )
    SETTING = Setting(
        *CATALOG.choose({}), CoreSettings(domain=b"example.com", listeners=LISTENERS), (ip_network("10.0.0.5"),)
    )

    def test_own_address_is_that_of_the_settings(self):
        explanation = explain(message(Contact=None), self.SETTING, None)
        assert b"Contact: <sip:alice@10.0.0.2:5070;transport=udp;b=" in explanation.after
        assert not explanation.stand_ins

    def test_message_of_the_server_gets_no_client_repairs(self):
        request = explain(message(Contact="<sip:x@192.168.1.1>"), self.SETTING, parse_source("udp:10.0.0.5:5060"))
        assert request.records == ()

    def test_answer_of_the_server_gets_what_the_client_needs(self):
        text = "SIP/2.0 200 OK" + INVITE[INVITE.index("\n") :]
        octets = message(text, To="<sip:bob@example.net>;tag=2", Contact=None)
        explanation = explain(octets, self.SETTING, parse_source("udp:10.0.0.5:5060"))
        assert [record.direction for record in explanation.repairs] == ["to-client"]
        assert b"203.0.113.10:5060" in explanation.after

    def test_broken_message_of_the_server_is_refused(self):
        source = parse_source("udp:10.0.0.5:5060")
        assert explain(message(Call_ID=None), self.SETTING, source).broken
        text = "SIP/2.0 200 OK" + INVITE[INVITE.index("\n") :]
        assert explain(message(text, Call_ID=None), self.SETTING, source).broken

    def test_transport_without_listener_takes_the_first(self):
        explanation = explain(message(Contact=None), self.SETTING, parse_source("wss:192.0.2.9:4000"))
        assert rules(explanation) == ["contact-missing-request"]


def test_stand_in_for_us_is_a_documentation_address():
    assert ip_network(OUR_ADDRESS).subnet_of(ip_network("192.0.2.0/24"))


@pytest.mark.skipif(not RFC4475.is_dir(), reason="the messages of RFC 4475 are not beside this checkout")
def test_torture_messages_are_explained_or_refused_and_never_crash():
    """RFC 4475: no message may do more than be refused, and what is repaired parses."""
    outcomes = set()
    for path in sorted(RFC4475.glob("*.dat")):
        try:
            explanation = explain(read_octets(path.read_bytes()), DEFAULT, None)
        except ParseError:
            outcomes.add("no SIP")
            continue
        outcomes.add("refused" if explanation.refusal else "explained")
        assert not explanation.notes, path.name
        parse_message(explanation.after)
    assert outcomes == {"no SIP", "refused", "explained"}
