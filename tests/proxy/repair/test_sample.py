"""The small world of the samples."""

from __future__ import annotations

import pytest

from proxy.flow import TCP, UDP, WSS
from proxy.repair.rule import ABSENT, LEFT, REQUEST_IN, REQUEST_OUT, RESPONSE_IN, RESPONSE_OUT, Rule, Sample
from proxy.repair.sample import sample_context, sample_flow, sample_message, sample_stage
from proxy.sip.parser import parse_message


@pytest.mark.parametrize(
    ("sender", "transport", "host", "port"),
    [
        ("udp:198.51.100.7:5060", UDP, "198.51.100.7", 5060),
        ("wss:[2001:db8::7]:4711", WSS, "2001:db8::7", 4711),
        ("tcp:2001:db8::7:1", TCP, "2001:db8::7", 1),
    ],
)
def test_flows(sender, transport, host, port):
    flow = sample_flow(sender)
    assert (flow.listener.transport, flow.remote_host, flow.remote_port) == (transport, host, port)


@pytest.mark.parametrize("sender", ["", "sctp:192.0.2.1:1", "udp:192.0.2.1", "udp:192.0.2.1:x"])
def test_flows_that_are_none(sender):
    with pytest.raises(ValueError, match=r".+"):
        sample_flow(sender)


def context(text, sender="udp:198.51.100.7:5060"):
    return sample_context(sample_message(text), sample_flow(sender))


def test_a_request_is_named_by_from_and_an_answer_by_to():
    headers = "From: <sip:a@x>;tag=1\nTo: <sip:b@x>\n\n"
    assert context("BYE sip:b SIP/2.0\n" + headers).shown().startswith(b"sip:a@10.0.0.2:5070;transport=udp;b=")
    assert context("SIP/2.0 200 OK\n" + headers).shown().startswith(b"sip:b@10.0.0.2:5070;transport=udp;b=")


@pytest.mark.parametrize("header", ["", "From: <broken\n", "From: <tel:>\n", "From: <sip:x>\n"])
def test_without_a_user_it_is_anonymous(header):
    assert context(f"BYE sip:b SIP/2.0\n{header}\n").shown().startswith(b"sip:anonymous@")


def test_registrations_rename_every_place():
    found = context("REGISTER sip:r SIP/2.0\nFrom: <sip:a@x>\nContact: <sip:a@h>, <tel:+1>, *, <sip:>\n\n")
    assert list(found.renamed) == [b"sip:a@h"]
    assert context("INVITE sip:r SIP/2.0\nContact: <sip:a@h>\n\n").renamed is None


def test_surroundings():
    found = context("BYE sip:b SIP/2.0\n\n", "wss:198.51.100.7:1")
    assert (found.by_stream, found.reach, found.home) == (True, ABSENT, b"203.0.113.10:5060;transport=ws")
    assert context("BYE sip:b SIP/2.0\nContact: *\n\n").reach == LEFT
    assert not context("BYE sip:b SIP/2.0\n\n").by_stream


@pytest.mark.parametrize(
    ("start", "stages", "stage", "expected"),
    [
        ("BYE sip:b SIP/2.0", (REQUEST_IN, REQUEST_OUT), None, REQUEST_IN),
        ("BYE sip:b SIP/2.0", (REQUEST_OUT,), None, REQUEST_OUT),
        ("SIP/2.0 200 OK", (RESPONSE_OUT, RESPONSE_IN), None, RESPONSE_IN),
        ("SIP/2.0 200 OK", (RESPONSE_OUT, RESPONSE_IN), RESPONSE_OUT, RESPONSE_OUT),
    ],
)
def test_stage(start, stages, stage, expected):
    rule = Rule()
    rule.stages = stages
    sample = Sample(start + "\n\n", "", stage=stage)
    assert sample_stage(rule, sample, parse_message(sample.before.replace("\n", "\r\n").encode())) == expected
