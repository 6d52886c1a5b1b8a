"""Max-Forwards missing, doubled or too high (RFC 3261 sections 8.1.1.6, 16.6, 20.22)."""

from __future__ import annotations

import pytest
from ruling import CATALOG, put, request, response

from proxy.repair.rule import REPORT, REQUEST_OUT, RESPONSE_OUT


def without(method, *headers):
    return request(method, *headers, without=("Max-Forwards",))


@pytest.mark.parametrize("method", ["ACK", "CANCEL", "BYE", "OPTIONS", "JUNK"])
@pytest.mark.parametrize("stage", [None, REQUEST_OUT])
def test_is_inserted_behind_the_vias(method, stage):
    run = put(without(method, "Via: SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/UDP b"), stage=stage)
    assert run.text.split("\n")[2] == "Max-Forwards: 70"
    assert run.fired == ["maxfwd-missing"]


def test_stands_behind_the_last_of_scattered_vias():
    """Kamailio writes Route between its own Via and the older ones."""
    text = "BYE sip:b SIP/2.0\nVia: SIP/2.0/UDP a\nRoute: <sip:r;lr>\nVia: SIP/2.0/UDP b\nTo: x\n\n"
    assert put(text).text.split("\n")[4] == "Max-Forwards: 70"


@pytest.mark.parametrize("stage", [None, RESPONSE_OUT])
def test_is_no_matter_of_answers(stage):
    assert put(response(200, "BYE"), stage=stage).fired == []


@pytest.mark.parametrize(
    ("values", "kept"),
    [(("70", "69"), "69"), (("5", "70", "6"), "5"), (("junk", "70"), "70"), (("7", "7"), "7"), (("x", "y"), "x")],
)
def test_the_lowest_of_several_stays(values, kept):
    run = put(without("BYE", *(f"Max-Forwards: {value}" for value in values)))
    assert run.lines("Max-Forwards") == [f"Max-Forwards: {kept}"]
    assert set(run.fired) == {"maxfwd-duplicate"}


@pytest.mark.parametrize("value", ["0", "70", "255", "  69", "0255", "junk", "-1", ""])
def test_what_the_grammar_allows_or_cannot_tell_is_left(value):
    assert put(without("BYE", f"Max-Forwards:{value}")).fired == []


@pytest.mark.parametrize("value", ["256", "1000", " 99999"])
def test_more_than_255_is_capped(value):
    run = put(without("BYE", f"Max-Forwards: {value}"))
    assert run.lines("Max-Forwards") == ["Max-Forwards: 70"]
    assert run.fired == ["maxfwd-high"]


def test_capping_is_only_reported_by_default():
    assert CATALOG.default_modes()["maxfwd-high"] == REPORT
