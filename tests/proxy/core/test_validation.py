"""What cannot be forwarded gets the answer of RFC 3261 section 16.3."""

from __future__ import annotations

import pytest
from parts import request, response

from proxy.core.validation import (
    ExtensionError,
    breadths_of,
    check_contacts,
    check_other_vias,
    check_request,
    check_required,
    check_syntax,
    request_uri,
)
from proxy.sip import address
from proxy.sip.errors import SipError, UriError
from proxy.sip.parser import parse_message

MANDATORY = ("From", "To", "Call-ID", "CSeq")


def refused(message, *more) -> SipError:
    with pytest.raises(SipError) as caught:
        check_request(message, *more)
    return caught.value


@pytest.mark.parametrize("method", ["INVITE", "REGISTER", "STRANGE", "ACK"])
def test_right_request_passes(method):
    check_request(request(method))


def test_right_response_passes():
    check_syntax(response(200))


class TestSyntax:
    @pytest.mark.parametrize("name", MANDATORY)
    def test_missing_header(self, name):
        error = refused(request(without=(name,)))
        assert (error.status, error.text) == (400, f"{name} is missing")
        with pytest.raises(SipError, match=f"{name} is missing"):
            check_syntax(response(200, without=(name,)))

    @pytest.mark.parametrize("name", MANDATORY)
    def test_header_twice(self, name):
        message = request()
        message.append(name.lower().encode(), b"%b: x" % name.encode())
        assert name in refused(message).text
        assert "more than once" in refused(message).text

    @pytest.mark.parametrize("line", ["From: <broken", "To: <broken", "Call-ID: ", "CSeq: x INVITE", "CSeq: 1"])
    def test_header_that_cannot_be_read(self, line):
        assert refused(request("INVITE", line)).status == 400

    @pytest.mark.parametrize(
        ("octets", "status", "label"),
        [
            (b"SIP/7.0", 505, "version"),
            (b"SIP/2.0\r\nContent-Length: x", 400, "bad_content_length"),
            (b"SIP/2.0\r\nContent-Length: 9", 400, "body_too_short"),
            (b"SIP/2.0\r\nnonsense", 400, "malformed"),
        ],
    )
    def test_fatal_oddities(self, octets, status, label):
        lines = b"\r\n".join(request().lines[1:-1])
        error = refused(parse_message(b"INVITE sip:bob@example.com " + octets + b"\r\n" + lines + b"\r\n\r\n"))
        assert (error.status, error.label) == (status, label)

    def test_other_oddities_are_let_pass(self):
        octets = request().octets().replace(b"\r\n", b"\n").replace(b"INVITE sip", b"INVITE  sip", 1) + b"more"
        message = parse_message(octets)
        assert len(message.oddities) == 3
        check_request(message)

    def test_method_of_cseq(self):
        """> the method in CSeq must match the request (8.1.1.5); RFC 4475 section 3.1.2.17"""
        assert "CSeq" in refused(request("INVITE", "CSeq: 1 OPTIONS")).text


class TestRequestUri:
    @pytest.mark.parametrize(
        "uri", ["sip:bob@example.com", "sips:bob@example.com", "SIP:bob@h", "tel:+4930123", "urn:service:sos"]
    )
    def test_schemes_that_can_be_routed(self, uri):
        check_request(request(uri=uri))

    @pytest.mark.parametrize("uri", ["http://example.com", "nobodyKnowsThisScheme:totallyopaque"])
    def test_others_are_416(self, uri):
        """> If the Request-URI has a URI whose scheme is not understood ... 416 (16.3 step 2)"""
        error = refused(request(uri=uri))
        assert (error.status, error.label) == (416, "scheme")

    @pytest.mark.parametrize("uri", ["sip:", "bob", "sip:bob@h:99999", "<sip:bob@example.com>", "sip:a@b?x=y"])
    def test_broken_ones_are_400(self, uri):
        assert refused(request(uri=uri)).status == 400

    def test_is_parsed_once_for_all_messages(self):
        one, other = request(), request()
        assert request_uri(one) is request_uri(other)
        assert request_uri(one) is one.request_uri

    def test_broken_one_is_not_remembered(self):
        for _ in range(2):
            with pytest.raises(UriError):
                request_uri(request(uri="sip:"))

    def test_memory_is_bounded(self):
        """Clients choose the keys: as many and as long as they like."""
        long = "sip:" + "a" * 600 + "@h"
        request_uri(request(uri=long))
        assert long.encode() not in address._known
        message = request()
        for i in range(5000):
            message.set_uri(b"sip:u%d@h" % i)
            request_uri(message)
        assert len(address._known) <= 4096


class TestMaxForwards:
    @pytest.mark.parametrize("value", ["1", "70", "255", "0068", "9999999999"])
    def test_hops_left(self, value):
        check_request(request("INVITE", f"Max-Forwards: {value}"))

    def test_missing_is_no_fault(self):
        check_request(request(without=("Max-Forwards",)))

    def test_zero_is_483(self):
        error = refused(request("INVITE", "Max-Forwards: 0"))
        assert (error.status, error.label) == (483, "too_many_hops")

    def test_zero_ends_the_way_of_options(self):
        """> ... the element MAY act as the final recipient and respond per Section 11 (16.3 step 3)"""
        assert check_request(request("OPTIONS", "Max-Forwards: 0", "Proxy-Require: foo"))
        assert not check_request(request("OPTIONS", "Max-Forwards: 1"))
        assert not check_request(request("INVITE"))
        assert refused(request("OPTIONS", "Max-Forwards: x")).status == 400

    @pytest.mark.parametrize("value", ["", "x", "-1", "7 0", "99999999999"])
    def test_no_number_is_400(self, value):
        assert refused(request("INVITE", f"Max-Forwards: {value}")).status == 400


class TestMaxBreadth:
    @pytest.mark.parametrize(
        ("lines", "breadths"),
        [
            (("60",), [60]), (("0",), [0]), (("00",), [0]), (("007", "60"), [7, 60]), (("61",), [61]),
            (("100",), [61]), (("9" * 5000,), [61]), (("0" * 5000,), [0]),
            (("",), []), (("-1",), []), (("1 1",), []), (("1", "x"), []), (("\u0661",), []),
        ],
    )  # fmt: skip
    def test_numbers(self, lines, breadths):
        message = request("INVITE", *(f"Max-Breadth: {value}" for value in lines))
        assert breadths_of(message, message.places().breadths) == breadths

    def test_zero_is_440(self):
        error = refused(request("INVITE", "Max-Breadth: 60", "Max-Breadth: 0"))
        assert (error.status, error.label) == (440, "max_breadth")


class TestProxyRequire:
    def test_unknown_extensions_are_named(self):
        """> If the request contains a Proxy-Require ... return a 420 ... MUST include ... Unsupported (16.3 step 5)"""
        error = refused(request("INVITE", "Proxy-Require: foo, path ,,", "Proxy-Require: bar"), frozenset((b"path",)))
        assert isinstance(error, ExtensionError)
        assert (error.status, error.label, error.unsupported) == (420, "extension", b"foo, bar")

    @pytest.mark.parametrize("value", ["", "path", "Path, path"])
    def test_known_or_none(self, value):
        check_request(request("INVITE", f"Proxy-Require: {value}"), frozenset((b"path",)))


class TestRequire:
    def test_of_one_who_answers(self):
        """> If a UAS does not understand an option-tag ... in a Require header field, it MUST ... 420 (8.2.2.3)"""
        with pytest.raises(ExtensionError) as caught:
            check_required(request("OPTIONS", "Require: foo, 100rel ,,", "Require: bar"))
        assert (caught.value.status, caught.value.unsupported) == (420, b"foo, 100rel, bar")
        assert caught.value.text == "Require names an unknown extension"

    @pytest.mark.parametrize("lines", [(), ("Require:",), ("Require: ,",), ("Proxy-Require: foo",)])
    def test_nothing_required(self, lines):
        check_required(request("OPTIONS", *lines))


class TestOtherVias:
    def test_readable_ones_pass(self):
        check_other_vias(request("INVITE", "Via: SIP/2.0/UDP a;branch=1, SIP/2.0/TCP b", "v: SIP/2.0/TLS [::1]:5061"))
        check_other_vias(request("INVITE", "Via: ;;"))  # the topmost is somebody else's business

    @pytest.mark.parametrize("rest", [", ;,,", ", SIP/2.0/UDP"])
    def test_junk_is_400(self, rest):
        with pytest.raises(SipError) as caught:
            check_other_vias(request("INVITE", "Via: SIP/2.0/UDP a;branch=1" + rest))
        assert caught.value.status == 400


class TestContacts:
    """Each is read, judged and written anew: a datagram full of them costs a second and leaves five times as long."""

    @pytest.mark.parametrize("lines", [True, False])
    def test_as_many_as_a_client_may_have(self, lines):
        contacts = [f"<sip:alice@192.0.2.{n}>" for n in range(50)]

        def headers(contacts):
            return [f"Contact: {one}" for one in contacts] if lines else ["Contact: " + ", ".join(contacts)]

        check_request(request("REGISTER", *headers(contacts)))
        with pytest.raises(SipError, match="more than 50 Contacts") as refused:
            check_request(request("REGISTER", *headers([*contacts, "<sip:alice@192.0.2.99>"])))
        assert (refused.value.status, refused.value.label) == (400, "too_many_contacts")

    def test_none_is_fine(self):
        check_contacts(request("REGISTER"))
        check_contacts(response(200))
