"""Where a message came from: as it is said, and as the message lets one guess."""

from __future__ import annotations

import pytest

from proxy.flow import TCP, UDP
from proxy.origin import Source, likely_domain, likely_source, parse_source
from proxy.sip.parser import parse_message
from tests.proxy.sip_messages import INVITE, message

FROM_CONTACT = Source(UDP, "93.184.216.34", 5062)


class TestSource:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("udp:192.0.2.7:4711", Source(UDP, "192.0.2.7", 4711)),
            ("TCP:[2001:db8::7]:5060", Source(TCP, "2001:db8::7", 5060)),
            ("udp://192.0.2.7:4711", Source(UDP, "192.0.2.7", 4711)),
        ],
    )
    def test_is_read(self, text, expected):
        assert parse_source(text) == expected

    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            ("192.0.2.7:4711", "no transport"),
            ("sctp:192.0.2.7:4711", "no transport"),
            ("udp:192.0.2.7", "no port"),
            ("udp:192.0.2.7:70000", "no port"),
            ("udp:192.0.2.7:²", "no port"),
            ("udp:phone.example.com:5060", "no IP address"),
            ("", "no transport"),
        ],
    )
    def test_mistakes_are_explained(self, text, complaint):
        with pytest.raises(ValueError, match=complaint):
            parse_source(text)

    def test_is_shown_as_it_is_written(self):
        assert str(parse_source("tcp:[2001:db8::7]:5060")) == "tcp:[2001:db8::7]:5060"
        assert str(parse_source("udp:192.0.2.7:1")) == "udp:192.0.2.7:1"

    @pytest.mark.parametrize(
        ("via", "contact", "expected"),
        [
            ("SIP/2.0/TCP 192.0.2.77:5062;branch=z", None, Source(TCP, "192.0.2.77", 5062)),
            ("SIP/2.0/UDP 10.0.0.1;branch=z;received=192.0.2.9;rport=4000", None, Source(UDP, "192.0.2.9", 4000)),
            ("SIP/2.0/UDP [2001:db8::1];branch=z", None, Source(UDP, "2001:db8::1", 5060)),
            ("SIP/2.0/UDP a.invalid;branch=z", "<sip:a@192.0.2.5:7>", Source(UDP, "192.0.2.5", 7)),
            ("SIP/2.0/UDP a.invalid;branch=z", "<sip:a@b.invalid>", Source(UDP, "198.51.100.7", 5060)),
            ("SIP/2.0/QUIC a.invalid;branch=z", "garbage", Source(UDP, "198.51.100.7", 5060)),
            ("broken", "*", Source(UDP, "198.51.100.7", 5060)),
        ],
    )
    def test_is_guessed_from_the_message(self, via, contact, expected):
        assert likely_source(parse_message(message(Via=via, Contact=contact))) == expected

    def test_is_not_guessed_from_the_via_of_a_response(self):
        """That Via is of whoever asked, not of the sender."""
        answer = "SIP/2.0 200 OK" + INVITE[INVITE.index("\n") :]
        assert likely_source(parse_message(message(answer))) == FROM_CONTACT


class TestDomain:
    def test_is_that_of_the_sender(self):
        assert likely_domain(parse_message(message())) == b"example.com"
        register = parse_message(message(INVITE.replace("INVITE", "REGISTER")))
        assert likely_domain(register) == b"example.net"
        answer = parse_message(message("SIP/2.0 200 OK" + INVITE[INVITE.index("\n") :]))
        assert likely_domain(answer) == b"example.net"

    @pytest.mark.parametrize("value", [None, "broken <", "<tel:+1>"])
    def test_falls_back_where_there_is_none(self, value):
        assert likely_domain(parse_message(message(From=value))) == b"example.com"
