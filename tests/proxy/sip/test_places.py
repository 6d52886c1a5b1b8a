"""Where the headers stand, and that it is looked up anew when lines come or go."""

from __future__ import annotations

import pytest

from proxy.sip import places as places_module
from proxy.sip.parser import parse_message
from proxy.sip.places import places_of
from proxy.sip.registry import (
    CALL_ID,
    CONTACT,
    CONTENT_LENGTH,
    CSEQ,
    FROM,
    MAX_BREADTH,
    MAX_FORWARDS,
    PRIVACY,
    ROUTE,
    TO,
    VIA,
)

# Compiled classes have no __slots__; what they have is listed all the same.
FIELDS = [name for name in dir(places_module.Places) if not name.startswith("_")]

OCTETS = (
    b"INVITE sip:b@h SIP/2.0\r\nv: SIP/2.0/UDP a;branch=z9hG4bK1\r\nVia: SIP/2.0/UDP b;branch=z9hG4bK2\r\n"
    b"Route: <sip:r;lr>\r\nfrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\ni: c\r\nCSeq: 1 INVITE\r\nProxy-Require: x\r\n"
    b"Route: <sip:s;lr>\r\nm: <sip:a@a>\r\n\r\n"
)


def test_indexes_and_numbers():
    places = parse_message(OCTETS).places()
    assert (places.via, places.vias, places.route, places.from_, places.to) == (1, 2, 3, 4, 5)
    assert (places.call_id, places.cseq, places.proxy_require, places.contact, places.contacts) == (6, 7, 8, 10, 1)
    assert (places.max_forwards, places.limits, places.content_length, places.lengths, places.privacy) == (
        -1,
        0,
        -1,
        0,
        -1,
    )
    assert places.deciding == (3, 9, 8)
    assert places.breadths == ()
    assert places_of([b"", MAX_BREADTH, VIA, MAX_BREADTH]).breadths == (1, 3)
    assert places.complete


@pytest.mark.parametrize("name", [FROM, TO, CALL_ID, CSEQ])
def test_incomplete_or_doubled(name):
    names = [b"", VIA, FROM, TO, CALL_ID, CSEQ]
    assert places_of(names).complete
    assert not places_of([n for n in names if n != name]).complete
    assert not places_of([*names, name]).complete


@pytest.mark.parametrize("name", [VIA, FROM, TO, CALL_ID, CSEQ, CONTACT, MAX_FORWARDS, CONTENT_LENGTH, PRIVACY, ROUTE])
def test_follow_every_change_of_the_lines(name):
    message = parse_message(OCTETS)
    copy = message.copy()
    for change in (
        lambda: message.insert(1, name, name + b": 1"),
        lambda: message.append(name, name + b": 2"),
        lambda: message.remove(1),
        lambda: message.remove(message.index(VIA)),
    ):
        message.places()
        change()
        fresh = places_module.Places(message.names)
        found = message.places()
        assert [getattr(found, slot) for slot in FIELDS] == [getattr(fresh, slot) for slot in FIELDS]
    assert copy.places().via == 1


class TestMemory:
    def test_same_pattern_same_places(self):
        assert parse_message(OCTETS).places() is parse_message(OCTETS.replace(b"<sip:b@h>", b"<sip:x@h>")).places()

    def test_is_bounded(self):
        """Clients choose the patterns: as many and as long as they like."""
        for i in range(5000):
            assert places_of([b"", b"x-%d" % i, VIA]).via == 2
        assert len(places_module._known) <= 2048

    @pytest.mark.parametrize("names", [[b"", *[VIA] * 200], [b"", b"x" * 3000]])
    def test_long_ones_are_not_kept(self, names):
        places_of(names)
        assert tuple(names) not in places_module._known


def test_lines_with_names_besides_from_to_and_contact():
    names = [b"", b"from", b"to", b"contact", b"reply-to", b"route", b"p-asserted-identity", b"p-asserted-identity"]
    assert places_of(names).named == (4, 6, 7)
    assert places_of(names[:4]).named == ()
