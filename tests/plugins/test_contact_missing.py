"""Contact inserted where a dialog needs it, and nowhere else (RFC 3261 sections 8.1.1.8, 12.1; RFC 3311; RFC 6665)."""

from __future__ import annotations

import pytest
from ruling import CATALOG, put, request, response

from proxy.repair.rule import RESPONSE_OUT, SettingError

OWN = "Contact: <sip:alice@10.0.0.2:5070;transport=udp;b=k3v9x2m7q4w8z5c1>"


@pytest.mark.parametrize("method", ["INVITE", "SUBSCRIBE", "REFER", "NOTIFY", "UPDATE"])
@pytest.mark.parametrize("to", ["To: <sip:bob@example.com>", "To: <sip:bob@example.com>;tag=2"])
def test_is_inserted_into_requests_that_name_a_target(method, to):
    run = put(request(method, to))
    assert run.lines("Contact") == [OWN]
    assert run.fired == ["contact-missing-request"]


@pytest.mark.parametrize(
    "method", ["ACK", "CANCEL", "BYE", "PRACK", "INFO", "MESSAGE", "OPTIONS", "PUBLISH", "REGISTER", "JUNK"]
)
def test_is_never_inserted_into_other_requests(method):
    """Above all not into REGISTER, where no Contact asks for the bindings (RFC 3261 section 10.2.3)."""
    assert put(request(method)).fired == []


@pytest.mark.parametrize(
    ("status", "method"),
    [(101, "INVITE"), (180, "INVITE"), (199, "INVITE"), (200, "INVITE"), (200, "UPDATE"), (202, "SUBSCRIBE")],
)
def test_is_inserted_into_answers_that_name_a_target(status, method):
    run = put(response(status, method))
    assert run.lines("Contact") == [OWN]
    assert run.fired == ["contact-missing-response"]


@pytest.mark.parametrize(
    ("status", "method"),
    [(100, "INVITE"), (302, "INVITE"), (407, "INVITE"), (485, "INVITE"), (603, "INVITE"), (180, "UPDATE"),
     (180, "SUBSCRIBE"), (200, "BYE"), (200, "REGISTER"), (200, "NOTIFY"), (200, "OPTIONS")],
)  # fmt: skip
@pytest.mark.parametrize("stage", [None, RESPONSE_OUT])
def test_is_never_inserted_into_other_answers(status, method, stage):
    assert put(response(status, method), stage=stage).fired == []


def test_ringing_outside_a_dialog_needs_none():
    """Without a To tag there is no early dialog (RFC 3261 section 12.1)."""
    assert put(response(180, "INVITE", "To: <sip:alice@example.com>")).fired == []


@pytest.mark.parametrize("status", [183, 200])
def test_an_answer_of_the_server_gets_our_own_address(status):
    """Towards the client the user is the callee's and the host is ours, by which the client reaches the dialog."""
    run = put(response(status, "INVITE", "To: <sip:bob@example.com>;tag=9"), stage=RESPONSE_OUT)
    assert run.lines("Contact") == ["Contact: <sip:bob@203.0.113.10:5060;transport=udp>"]


def test_an_answer_of_the_server_to_nobody_in_particular():
    run = put(response(200, "INVITE", "To: <sip:example.com>;tag=9"), stage=RESPONSE_OUT)
    assert run.lines("Contact") == ["Contact: <sip:203.0.113.10:5060;transport=udp>"]


def test_broken_to_does_not_keep_the_answer_from_being_mended():
    run = put(response(200, "INVITE", 'To: "alice <sip:x'), stage=RESPONSE_OUT)
    assert run.lines("Contact") == ["Contact: <sip:203.0.113.10:5060;transport=udp>"]


def test_stands_behind_cseq():
    text = put(request("INVITE")).text.split("\n")
    assert text[text.index("CSeq: 1 INVITE") + 1] == OWN


@pytest.mark.parametrize("headers", [(), ("Route: <sip:edge.example.com;lr>", "Route: <sips:other.example.com;lr>")])
def test_is_sip_where_nobody_asked_for_sips(headers):
    assert put(request("INVITE", *headers)).lines("Contact") == [OWN]


@pytest.mark.parametrize(
    ("uri", "headers"),
    [("sips:bob@example.com", ()), ("SIPS:bob@example.com", ()), ("sip:bob@x.example", ("Route: <sips:e;lr>",))],
)
def test_is_sips_where_the_request_is(uri, headers):
    """> If the Request-URI or top Route header field value contains a SIPS URI, the Contact header field MUST contain
    a SIPS URI as well. (RFC 3261 section 8.1.1.8)"""
    run = put(request("INVITE", *headers, uri=uri))
    assert run.lines("Contact") == ["Contact: <sips:alice@10.0.0.2:5070;b=k3v9x2m7q4w8z5c1>"]


class TestSettingHost:
    @pytest.mark.parametrize(
        ("text", "rule"),
        [(request("INVITE"), "contact-missing-request"), (response(200, "INVITE"), "contact-missing-response")],
    )
    def test_domain_writes_the_plain_address(self, text, rule):
        rules, _ = CATALOG.choose({"contact-missing": {"host": "domain"}})
        run = put(text, rules=rules)
        assert run.fired == [rule]
        assert run.lines("Contact") == ["Contact: <sip:alice@example.com>"]

    def test_domain_without_user(self):
        rule = CATALOG.rule("contact-missing-request").configured({"host": "domain"})
        run = put(request("INVITE", "From: <sip:example.com>;tag=1"), rules=[rule])
        assert run.lines("Contact") == ["Contact: <sip:example.com>"]

    def test_other_words_are_refused(self):
        with pytest.raises(SettingError, match="expected one of own, domain, got 'realm'"):
            CATALOG.rule("contact-missing-request").configured({"host": "realm"})
