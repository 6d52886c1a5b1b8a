"""The one Contact in the place of every one that leads nowhere, or elsewhere (RFC 3261 sections 8.1.1.8, 12.1)."""

from __future__ import annotations

import pytest
from ruling import CATALOG, SHOWN, UDP, Run, put, request, response

from proxy.flow import CLIENT, Flow, Listener
from proxy.flow import UDP as UDP_TRANSPORT
from proxy.repair.rule import LEFT, RESPONSE_OUT
from proxy.repair.sample import sample_context, sample_flow, sample_message

REASONS = [
    ("contact-invalid-host", "9sh.invalid"),
    ("contact-invalid-host", "phone.local"),
    ("contact-invalid-host", "desk.LOCALHOST"),
    ("contact-invalid-host", "pbx.internal"),
    ("contact-invalid-host", "phone"),
    ("contact-private", "10.1.2.3"),
    ("contact-private", "172.31.0.1:5062"),
    ("contact-private", "192.168.1.5"),
    ("contact-private", "[fd00::7]"),
    ("contact-private", "192.0.2.9"),
    ("contact-private-cgn", "100.127.255.254"),
    ("contact-link-local", "169.254.3.4"),
    ("contact-link-local", "[fe80::1]:5060"),
    ("contact-loopback", "127.0.0.1:5080"),
    ("contact-loopback", "[::1]"),
    ("contact-unspecified", "0.0.0.0"),
    ("contact-unspecified", "[::]"),
    ("contact-port-mismatch", "198.51.100.7:5062"),
]


@pytest.mark.parametrize(("rule", "host"), REASONS)
@pytest.mark.parametrize("registered", [False, True])
@pytest.mark.parametrize("method", ["INVITE", "REGISTER", "SUBSCRIBE", "BYE", "OPTIONS"])
def test_each_reason_has_its_rule_and_names_the_host(rule, host, registered, method):
    """Exactly one rule fires, whatever the method; its reason names the host in the Contact."""
    run = put(request(method, f"Contact: <sip:x7@{host}>"), registered=registered)
    assert run.fired == [rule]
    assert run.lines("Contact") == [f"Contact: <{SHOWN}>"]
    assert host.partition(":")[0] in run.records[0].reason
    assert run.context.reach == LEFT


@pytest.mark.parametrize("status", [180, 200, 486])
def test_answers_of_the_client_are_mended_too(status):
    run = put(response(status, "INVITE", "Contact: <sip:x7@9sh.invalid;transport=ws>"), "wss:198.51.100.7:4711")
    assert run.lines("Contact") == [f"Contact: <{SHOWN}>"]


@pytest.mark.parametrize("status", [300, 302, 380, 485])
def test_lists_of_other_addresses_are_left(status):
    """A redirection names other people, not its sender (RFC 3261 sections 8.1.3.4, 21.4.23)."""
    assert put(response(status, "INVITE", "Contact: <sip:carol@192.168.1.9>"), registered=True).fired == []


@pytest.mark.parametrize("status", [180, 200])
def test_the_contact_of_the_server_is_never_a_finding(status):
    run = put(response(status, "INVITE", "Contact: <sip:bob@192.168.1.9>"), stage=RESPONSE_OUT)
    assert run.fired == []


@pytest.mark.parametrize(
    "contact",
    [
        "*", "<tel:+4930123456>", "<mailto:alice@home.invalid>", "<sip:alice@192.168.1.5;gr=urn:uuid:1>",
        "<sip:alice@192.168.1.5;gr>", "<sip:alice@192.168.1.5;b=k3v9x2m7q4w8z5c1>",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["INVITE", "REGISTER"])
def test_what_may_not_be_judged_is_left(contact, method):
    """`*`, other schemes, GRUUs (RFC 5627) and what carries our own token."""
    assert put(request(method, f"Contact: {contact}"), registered=True).fired == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('m:"A, <b>" <sip:x@192.168.1.5;transport=tcp>;q=0.5;audio', f'm:"A, <b>" <{SHOWN}>;q=0.5;audio'),
        ("CONTACT :  <sip:x@192.168.1.5>  ;  expires=60", f"CONTACT :  <{SHOWN}>  ;  expires=60"),
        ("Contact: <sip:x:pw@192.168.1.5;ob?Subject=a>", f"Contact: <{SHOWN};ob>"),
        ("Contact: sip:x@192.168.1.5", f"Contact: <{SHOWN}>"),
        ("Contact: sip:x@192.168.1.5;transport=tcp;q=0.2", f"Contact: <{SHOWN}>;q=0.2"),
        ("Contact: sip:x@192.168.1.5;ob", f"Contact: <{SHOWN};ob>"),
        ("Contact: <sip:x@192.168.1.5>\n ;audio", f"Contact: <{SHOWN}> ;audio"),
        ("Contact: <sip:x@192.168.1.5>,<tel:+1>", f"Contact: <{SHOWN}>,<tel:+1>"),
        ("Contact: <sip:x@192.168.1.5>\nContact: *", f"Contact: <{SHOWN}>\nContact: *"),
        ("Contact: <sip:x@192.168.1.5>, <sip:>", f"Contact: <{SHOWN}>, <sip:>"),
        ("Contact: <tel:+1>\nContact: <sip:x@192.168.1.5>", f"Contact: <tel:+1>\nContact: <{SHOWN}>"),
    ],
)
def test_only_the_uri_changes(before, after):
    """Header parameters, display name, spelling and other Contacts stay; of the URI's own parameters only `ob`."""
    run = put(request("INVITE", "X-Before: 1").replace("X-Before: 1", before), registered=True)
    assert after in run.text
    assert len(set(run.fired)) == 1


@pytest.mark.parametrize(
    ("contact", "sender"),
    [
        ("sip:alice@198.51.100.7", UDP),
        ("sip:alice@198.51.100.7:5060;transport=UDP", UDP),
        ("sip:alice@pc33.example.com", "udp:198.51.100.7:33333"),
        ("sip:alice@198.51.100.7:4711;transport=tcp", "tcp:198.51.100.7:4711"),
        ("sips:alice@198.51.100.7", "tls:198.51.100.7:5061"),
        ("sip:alice@198.51.100.7:4711;transport=ws", "wss:198.51.100.7:4711"),
    ],
)
class TestReachable:
    def test_guests_keep_theirs(self, contact, sender):
        """No reason, no change: Record-Route leads home."""
        assert put(request("INVITE", f"Contact: <{contact}>"), sender).fired == []

    def test_registered_clients_have_one_contact_everywhere(self, contact, sender):
        run = put(request("INVITE", f"Contact: <{contact}>"), sender, registered=True)
        assert run.fired == ["contact-inconsistent"]
        assert run.lines("Contact") == [f"Contact: <{SHOWN}>"]

    @pytest.mark.parametrize("registered", [False, True])
    def test_registrations_go_through_us(self, contact, sender, registered):
        run = put(request("REGISTER", f"Contact: <{contact}>;expires=60"), sender, registered)
        assert run.fired == ["contact-bypass"]
        assert run.lines("Contact") == [f"Contact: <{SHOWN}>;expires=60"]


def test_reason_of_another_source_names_both():
    run = put(request("INVITE", "Contact: <sip:a@198.51.100.7;transport=tcp>"), "udp:198.51.100.7:61044")
    assert run.records[0].reason == (
        "Contact names 198.51.100.7 by TCP, but the message came from 198.51.100.7:61044 by UDP"
    )


@pytest.mark.parametrize("contact", ["<sip:a@192.168.1.5>", "<sip:a@198.51.100.7>"])
@pytest.mark.parametrize("method", ["INVITE", "REGISTER"])
def test_a_listener_may_leave_contacts_alone(contact, method):
    listener = Listener(0, CLIENT, UDP_TRANSPORT, "0.0.0.0", 5060, "203.0.113.10", 5060, contact_policy="leave")
    message = sample_message(request(method, f"Contact: {contact}"))
    assert Run(message, Flow(listener, "198.51.100.7", 5060), registered=True).fired == []


def test_a_registration_whose_form_is_kept_is_left():
    """`renamed` without the Contact says: this one stays (Path is proven, or it was left at the first 2xx)."""
    message = sample_message(request("REGISTER", "Contact: <sip:a@192.168.1.5>"))
    flow = sample_flow(UDP)
    context = sample_context(message, flow)
    context.renamed = {}
    assert Run(message, flow, context).fired == []


def test_a_client_that_is_known_by_its_own_contact_keeps_it():
    """Where its Contact was left at its registration, its own one is the one that stands for it: nothing changes."""

    class Own:
        def shown(self, message, flow):
            return b"sip:a@198.51.100.7"

    for contact in ("<sip:a@198.51.100.7>;q=1", "<sip:a@198.51.100.7;ob>"):
        message = sample_message(request("INVITE", f"Contact: {contact}"))
        flow = sample_flow(UDP)
        context = sample_context(message, flow, registered=True)
        context.naming = Own()
        assert Run(message, flow, context).fired == []


def test_each_contact_of_a_registration_gets_its_own_name():
    message = sample_message(request("REGISTER", "Contact: <sip:a@10.0.0.1>;q=1, <sip:b@10.0.0.1>, <sip:c@10.0.0.1>"))
    flow = sample_flow(UDP)
    context = sample_context(message, flow)
    context.renamed = {b"sip:a@10.0.0.1": b"sip:x@s;b=1", b"sip:c@10.0.0.1": b"sip:x@s;b=3"}
    run = Run(message, flow, context)
    assert run.lines("Contact") == ["Contact: <sip:x@s;b=1>;q=1, <sip:b@10.0.0.1>, <sip:x@s;b=3>"]
    assert run.fired == ["contact-private"]


def test_new_and_old_contact_of_one_client_go_out_as_one():
    """pjsip sends the new Contact and the old one with expires=0; the registrar must not lose the binding by it."""
    run = put(request("REGISTER", "Contact: <sip:a@192.168.1.6>;expires=300", "Contact: <sip:a@192.168.1.5>;expires=0"))
    assert run.lines("Contact") == [f"Contact: <{SHOWN}>;expires=300"]
    assert run.fired[-1] == "contact-duplicate"


def test_remembered_lines_follow_the_source():
    """The same Contact line is an error from one source and none from another, however often it was seen."""
    text = request("INVITE", "Contact: <sip:a@198.51.100.7:5070>")
    for _ in range(2):
        assert put(text, "udp:198.51.100.7:5070").fired == []
        for port in (5071, 5072):
            run = put(text, f"udp:198.51.100.7:{port}")
            assert run.fired == ["contact-port-mismatch"]
            assert f":{port} by UDP" in run.records[0].reason


def test_memory_is_bounded():
    """Clients choose their Contact lines; thousands of them are forgotten again, and the rule goes on working."""
    rule = CATALOG.rule("contact-private")
    for number in range(2100):
        put(request("INVITE", f"Contact: <sip:{number}@10.0.0.1>"), rules=[rule])
    assert 0 < len(rule._known) <= 2048
    put(request("INVITE", f"Contact: <sip:{'a' * 600}@10.0.0.1>"), rules=[rule])
    assert all(len(key[0]) <= 512 for key in rule._known)


@pytest.mark.parametrize(
    ("rule", "contact"),
    [
        ("contact-user-missing", "sip:198.51.100.7:5060"),
        ("contact-user-missing", "sip:@198.51.100.7:5060"),
        ("contact-user-missing", "sip:host.example.com"),
        ("contact-user-semicolon", "sip:alice;x=y@198.51.100.7:5060"),
    ],
)
@pytest.mark.parametrize("registered", [False, True])
def test_users_that_are_missing_or_stumbled_over(rule, contact, registered):
    run = put(request("INVITE", f"Contact: <{contact}>;x"), registered=registered)
    assert run.fired == [rule]
    assert run.lines("Contact") == [f"Contact: <{SHOWN}>;x"]


@pytest.mark.parametrize("contact", ["sip:a%3Bb@198.51.100.7:5060", "sip:a@198.51.100.7:5060;x=y", "tel:+49;x=y", "*"])
def test_users_that_are_right(contact):
    assert put(request("INVITE", f"Contact: <{contact}>" if contact != "*" else "Contact: *")).fired == []


def test_who_shows_no_name_needs_no_user():
    run = put(request("INVITE", "From: <sip:anonymous.invalid>;tag=1", "Contact: <sip:198.51.100.7:5060>"))
    assert run.fired == []
