"""The records of what the core mends by itself."""

from __future__ import annotations

from parts import ALICE, request, response

from proxy.core.own_repairs import OwnRepairs, method_of
from proxy.counts import Counts
from proxy.effects import Record
from proxy.repair.inherent import CONTACT_FOREIGN, RR_LOST
from proxy.repair.rule import OFF, REPAIR, REPORT


def test_mode_is_the_chosen_one_or_the_default():
    own = OwnRepairs({RR_LOST.name: REPORT}, Counts(1))
    assert own.mode(RR_LOST, ALICE) == REPORT
    assert own.mode(CONTACT_FOREIGN, ALICE) == OFF
    assert OwnRepairs({}, Counts(1)).mode(RR_LOST, ALICE) == REPAIR


def test_a_record_tells_all_and_is_counted():
    counts, out = Counts(1), []
    OwnRepairs({}, counts).record(RR_LOST, response(200), ALICE, "to-client", None, b"Record-Route: x", "why", out)
    (record,) = out
    assert isinstance(record, Record)
    assert (record.rule, record.mode, record.header) == ("rr-lost-in-2xx", REPAIR, "Record-Route")
    assert (record.method, record.call_id, record.after) == (b"INVITE", b"c1", b"Record-Route: x")
    assert counts.repairs == {("rr-lost-in-2xx", "Record-Route", REPAIR): 1}


def test_what_is_only_reported_has_nothing_after():
    counts, out = Counts(1), []
    message = request(without=("Call-ID",))
    OwnRepairs({}, counts).record(RR_LOST, message, ALICE, "to-client", b"a", b"b", "why", out, True)
    assert (out[0].mode, out[0].after, out[0].call_id) == (REPORT, None, b"")


def test_method_of_what_cannot_be_read_is_empty():
    assert method_of(request("BYE")) == b"BYE"
    assert method_of(response(200, without=("CSeq",))) == b""
