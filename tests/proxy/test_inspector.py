"""The ring of the latest repairs."""

from __future__ import annotations

from proxy.effects import Record
from proxy.flow import CLIENT, UDP, Flow, Listener
from proxy.inspector import SIZE, Inspector

FLOW = Flow(Listener(0, CLIENT, UDP, "127.0.0.1", 5060, "127.0.0.1", 5060), "127.0.0.1", 4711)


def a_record(reason):
    return Record("via-missing", "repair", "Via", None, b"Via: x", reason, "RFC", b"BYE", b"1@x", FLOW, "to-server")


def test_records_come_out_in_the_order_they_came_in():
    inspector = Inspector()
    records = [a_record("1"), a_record("2")]
    for record in records:
        inspector.add(record)
    assert list(inspector) == records
    assert len(inspector) == 2


def test_the_oldest_go_first():
    inspector = Inspector(size=3)
    for number in range(5):
        inspector.add(a_record(str(number)))
    assert [record.reason for record in inspector] == ["2", "3", "4"]


def test_memory_is_bounded_unless_told_otherwise():
    inspector = Inspector()
    record = a_record("1")
    for _ in range(SIZE + 10):
        inspector.add(record)
    assert len(inspector) == SIZE
