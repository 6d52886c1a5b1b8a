"""RFC 3263 section 4 on zones written down as tables: which questions are asked, and what comes of the answers."""

from __future__ import annotations

import pytest

from proxy.core.locate import (
    MAX_QUERIES,
    MAX_TARGETS,
    Answer,
    Naptr,
    Srv,
    Unlocatable,
    is_host_name,
    locate,
    ordered,
)
from proxy.flow import TCP, TLS, UDP, WS, WSS

ALL = frozenset((UDP, TCP, TLS, WS, WSS))

A_RECORDS = {"A example.com": ["192.0.2.1"], "A one.example.com": ["192.0.2.11"], "A two.example.com": ["192.0.2.12"]}


class Zone:
    """Answers from a table `"TYPE name": [records]`, and remembers what was asked."""

    def __init__(self, *tables, silent=()):
        self.records = {}
        for table in tables:
            self.records.update(table)
        self.silent = silent
        self.asked = []

    def find(self, host, port=0, transport=None, *, secure=False, supported=ALL, families=("A",), draw=lambda n: 0):
        steps = locate(host, port, transport, secure, supported, draw, families)
        try:
            query = next(steps)
            while True:
                self.asked.append(repr(query))
                silent = repr(query) in self.silent
                query = steps.send(Answer(self.records.get(repr(query), ()), "timed out" if silent else ""))
        except StopIteration as stop:
            return stop.value

    def refusal(self, *args, **kwargs):
        with pytest.raises(Unlocatable) as caught:
            self.find(*args, **kwargs)
        return caught.value.reason


@pytest.mark.parametrize(
    ("host", "port", "transport", "secure", "expected"),
    [
        ("192.0.2.7", 0, None, False, (UDP, "192.0.2.7", 5060)),
        ("192.0.2.7", 5080, None, False, (UDP, "192.0.2.7", 5080)),
        ("192.0.2.7", 0, "tcp", False, (TCP, "192.0.2.7", 5060)),
        ("192.0.2.7", 0, "TLS", False, (TLS, "192.0.2.7", 5061)),
        ("192.0.2.7", 0, "ws", False, (WS, "192.0.2.7", 80)),
        ("192.0.2.7", 0, "wss", False, (WSS, "192.0.2.7", 443)),
        ("192.0.2.7", 0, None, True, (TLS, "192.0.2.7", 5061)),
        ("192.0.2.7", 0, "tcp", True, (TLS, "192.0.2.7", 5061)),
        ("192.0.2.7", 0, "ws", True, (WSS, "192.0.2.7", 443)),
        ("[2001:db8::1]", 0, None, False, (UDP, "2001:db8::1", 5060)),
        ("2001:db8::1", 5062, "tcp", False, (TCP, "2001:db8::1", 5062)),
    ],
)
def test_an_address_needs_no_question(host, port, transport, secure, expected):
    """Section 4.1: numeric: UDP for sip, TLS over TCP for sips, unless the URI names the transport."""
    zone = Zone()
    assert zone.find(host, port, transport, secure=secure) == [expected]
    assert zone.asked == []


@pytest.mark.parametrize(
    ("transport", "secure", "expected"),
    [(None, False, UDP), (None, True, TLS), ("tcp", False, TCP), ("tls", False, TLS)],
)
def test_a_port_means_address_records_only(transport, secure, expected):
    """Section 4.2: with an explicit port there is no NAPTR and no SRV query."""
    zone = Zone(A_RECORDS)
    assert zone.find("example.com", 5080, transport, secure=secure) == [(expected, "192.0.2.1", 5080)]
    assert zone.asked == ["A example.com"]


def test_both_address_families_are_asked_in_the_order_given():
    zone = Zone({"A h.test": ["192.0.2.1"], "AAAA h.test": ["2001:db8::1"]})
    expected = [(UDP, "192.0.2.1", 5060), (UDP, "2001:db8::1", 5060)]
    assert zone.find("h.test", 5060, families=("A", "AAAA")) == expected
    assert zone.find("h.test", 5060, families=("AAAA", "A")) == expected[::-1]


def naptr(order, preference, service, flags="s", name=None):
    return Naptr(order, preference, flags, service, name or "_sip._x." + service.lower().replace("+", "-") + ".test")


NAPTR_EXAMPLE = {
    # After the example in section 4.1 of the RFC, but with equal orders.
    "NAPTR example.com": [
        Naptr(50, 90, "s", "SIP+D2U", "_sip._udp.example.com"),
        Naptr(50, 50, "s", "SIPS+D2T", "_sips._tcp.example.com"),
        Naptr(50, 70, "s", "SIP+D2T", "_sip._tcp.example.com"),
    ],
    "SRV _sip._udp.example.com": [Srv(0, 1, 5060, "one.example.com")],
    "SRV _sip._tcp.example.com": [Srv(0, 1, 5060, "one.example.com")],
    "SRV _sips._tcp.example.com": [Srv(0, 1, 5061, "two.example.com")],
}


def test_naptr_gives_the_transports_in_its_order_of_preference():
    zone = Zone(A_RECORDS, NAPTR_EXAMPLE)
    assert zone.find("example.com") == [
        (TLS, "192.0.2.12", 5061),
        (TCP, "192.0.2.11", 5060),
        (UDP, "192.0.2.11", 5060),
    ]


def test_naptr_services_that_we_cannot_use_are_discarded():
    zone = Zone(A_RECORDS, NAPTR_EXAMPLE)
    assert zone.find("example.com", supported=frozenset((UDP,))) == [(UDP, "192.0.2.11", 5060)]
    assert "SRV _sips._tcp.example.com" not in zone.asked


def test_sips_uses_secure_services_only():
    """Section 4.1: for a sips URI, services other than SIPS are discarded."""
    zone = Zone(A_RECORDS, NAPTR_EXAMPLE)
    assert zone.find("example.com", secure=True) == [(TLS, "192.0.2.12", 5061)]


def test_a_higher_naptr_order_is_not_considered_once_a_lower_one_fits():
    """RFC 3403 section 4.1."""
    zone = Zone(
        A_RECORDS,
        {
            "NAPTR example.com": [naptr(20, 1, "SIP+D2U"), naptr(10, 9, "SIP+D2T", name="_sip._tcp.example.com")],
            "SRV _sip._tcp.example.com": [Srv(0, 0, 5060, "one.example.com")],
        },
    )
    assert zone.find("example.com") == [(TCP, "192.0.2.11", 5060)]
    assert zone.asked == ["NAPTR example.com", "SRV _sip._tcp.example.com", "A one.example.com"]


def test_naptr_with_foreign_services_or_flags_counts_as_none():
    records = [naptr(1, 1, "E2U+sip", "u"), naptr(1, 1, "SIP+D2U", "a"), naptr(1, 1, "SIP+D2S")]
    zone = Zone(A_RECORDS, {"NAPTR example.com": records})
    assert zone.find("example.com") == [(UDP, "192.0.2.1", 5060)]


def test_naptr_is_read_without_regard_to_case():
    zone = Zone(
        A_RECORDS,
        {
            "NAPTR example.com": [Naptr(1, 1, "S", "sip+d2t", "_sip._tcp.example.com")],
            "SRV _sip._tcp.example.com": [Srv(0, 0, 5062, "one.example.com")],
        },
    )
    assert zone.find("example.com") == [(TCP, "192.0.2.11", 5062)]


def test_without_naptr_srv_is_asked_for_each_transport_until_one_is_found():
    zone = Zone(A_RECORDS, {"SRV _sip._tcp.example.com": [Srv(0, 0, 5060, "one.example.com")]})
    assert zone.find("example.com") == [(TCP, "192.0.2.11", 5060)]
    assert zone.asked == [
        "NAPTR example.com",
        "SRV _sip._udp.example.com",
        "SRV _sip._tcp.example.com",
        "A one.example.com",
    ]


def test_a_transport_in_the_uri_asks_for_its_srv_and_no_naptr():
    zone = Zone(A_RECORDS, {"SRV _sips._tcp.example.com": [Srv(0, 0, 5071, "one.example.com")]})
    assert zone.find("example.com", transport="tls") == [(TLS, "192.0.2.11", 5071)]
    assert zone.asked == ["SRV _sips._tcp.example.com", "A one.example.com"]


@pytest.mark.parametrize(
    ("transport", "secure", "expected"),
    [(None, False, (UDP, 5060)), ("tcp", False, (TCP, 5060)), (None, True, (TLS, 5061)), ("wss", False, (WSS, 443))],
)
def test_without_srv_the_name_itself_is_looked_up_with_the_default_port(transport, secure, expected):
    """Section 4.2."""
    zone = Zone(A_RECORDS)
    chosen, port = expected
    assert zone.find("example.com", transport=transport, secure=secure) == [(chosen, "192.0.2.1", port)]


def test_srv_is_tried_by_priority():
    zone = Zone(
        A_RECORDS,
        {"SRV _sip._udp.example.com": [Srv(20, 0, 5060, "two.example.com"), Srv(10, 0, 5070, "one.example.com")]},
    )
    assert zone.find("example.com") == [(UDP, "192.0.2.11", 5070), (UDP, "192.0.2.12", 5060)]


def test_equal_targets_appear_once():
    zone = Zone(
        A_RECORDS,
        {"SRV _sip._udp.example.com": [Srv(1, 0, 5060, "one.example.com"), Srv(2, 0, 5060, "one.example.com")]},
    )
    assert zone.find("example.com") == [(UDP, "192.0.2.11", 5060)]


def test_an_srv_target_that_is_an_address_is_taken():
    zone = Zone({"SRV _sip._udp.example.com": [Srv(1, 0, 5060, "192.0.2.9.")]})
    assert zone.find("example.com") == [(UDP, "192.0.2.9", 5060)]


def test_srv_records_without_sense_are_passed_over():
    zone = Zone(
        A_RECORDS,
        {
            "SRV _sip._udp.example.com": [
                Srv(1, 0, 0, "one.example.com"),
                Srv(1, 0, 5060, "has space.test"),
                Srv(2, 0, 5060, "gone.test"),
                Srv(3, 0, 5060, "two.example.com"),
            ]
        },
    )
    assert zone.find("example.com") == [(UDP, "192.0.2.12", 5060)]


def test_a_dot_as_srv_target_means_no_service():
    """RFC 2782: the service is decidedly not available; the address record of the domain is not tried."""
    zone = Zone(A_RECORDS, {f"SRV {name}.example.com": [Srv(0, 0, 0, ".")] for name in ("_sip._udp", "_sip._tcp")})
    assert "offers no SIP service" in zone.refusal("example.com")
    assert "A example.com" not in zone.asked


def test_a_dot_for_one_transport_leaves_the_others():
    zone = Zone(
        A_RECORDS,
        {
            "SRV _sip._udp.example.com": [Srv(0, 0, 0, ".")],
            "SRV _sip._tcp.example.com": [Srv(0, 0, 5060, "one.example.com")],
        },
    )
    assert zone.find("example.com") == [(TCP, "192.0.2.11", 5060)]


def test_silence_about_naptr_and_srv_does_not_hide_an_address():
    """Many small name servers (home routers, containers) know address records only."""
    silent = ["NAPTR example.com", "SRV _sip._udp.example.com", "SRV _sip._tcp.example.com"]
    assert Zone(A_RECORDS, silent=silent).find("example.com") == [(UDP, "192.0.2.1", 5060)]


def test_silence_about_everything_is_told_with_the_questions():
    reason = Zone(silent=["A example.com"]).refusal("example.com", 5060)
    assert reason == "no address for example.com, DNS gave no answer (A example.com: timed out)"


def test_no_records_at_all():
    assert Zone().refusal("nope.test", 5060, families=("A", "AAAA")) == (
        "nope.test has no A and no AAAA record: check the spelling, or write an address"
    )


@pytest.mark.parametrize(
    ("host", "kwargs", "words"),
    [
        ("192.0.2.1", {"transport": "sctp"}, "transport=sctp is unknown; possible are udp, tcp, tls, ws, wss"),
        ("192.0.2.1", {"transport": "udp", "secure": True}, "a sips URI cannot go over udp"),
        (
            "192.0.2.1",
            {"transport": "tcp", "supported": frozenset((UDP,))},
            "tcp is needed, but of our transports only",
        ),
        ("192.0.2.1", {"supported": frozenset((TCP,))}, "udp is needed, but of our transports only these fit: tcp"),
        ("192.0.2.1", {"secure": True, "supported": frozenset((UDP, TCP))}, "may be used for sips:192.0.2.1"),
        ("10.0.0.256", {}, "'10.0.0.256' is neither an address nor a host name"),
        ("", {}, "'' is neither an address nor a host name"),
        ("bad host", {}, "'bad host' is neither"),
    ],
)
def test_what_cannot_be_is_refused_in_words(host, kwargs, words):
    zone = Zone()
    assert words in zone.refusal(host, **kwargs)
    assert zone.asked == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("example.com", True),
        ("example.com.", True),
        ("_sip._udp.example.com", True),
        ("a" * 63 + ".test", True),
        ("a" * 64 + ".test", False),
        (".".join(["a" * 49] * 5), True),
        (".".join(["a" * 49] * 6), False),
        ("a..b", False),
        ("-a.test", False),
        ("a.test\n", False),
        (".", False),
    ],
)
def test_host_names(text, expected):
    assert is_host_name(text) is expected


def test_a_hostile_zone_cannot_keep_us_asking():
    """Hundreds of SRV records with names of their own: the questions end."""
    records = [Srv(0, 0, 5060, f"h{number}.test") for number in range(1000)]
    zone = Zone({"SRV _sip._udp.example.com": records})
    assert "has no A" in zone.refusal("example.com")
    assert len(zone.asked) <= MAX_QUERIES


def test_a_hostile_zone_cannot_fill_the_list():
    many = [f"10.0.{number // 256}.{number % 256}" for number in range(1000)]
    srv = [Srv(0, 0, 5060, f"h{number}.test") for number in range(10)]
    zone = Zone({"SRV _sip._udp.example.com": srv}, {f"A h{number}.test": many[number:] for number in range(10)})
    assert len(zone.find("example.com")) == MAX_TARGETS


def test_a_list_that_is_full_takes_no_more():
    """The last answer may hold more than there is room for."""
    many = [f"10.0.0.{number}" for number in range(80)]
    zone = Zone(
        {
            "SRV _sip._udp.example.com": [Srv(1, 0, 5060, "one.example.com"), Srv(2, 0, 5060, "two.example.com")],
            "A one.example.com": many[:40],
            "A two.example.com": many[40:],
        }
    )
    assert [address for _, address, _ in zone.find("example.com")] == many[:MAX_TARGETS]


def test_a_naptr_replacement_that_is_no_name_is_passed_over():
    zone = Zone(A_RECORDS, {"NAPTR example.com": [naptr(1, 1, "SIP+D2U", name=".")]})
    assert zone.find("example.com") == [(UDP, "192.0.2.1", 5060)]
    assert "SRV ." not in zone.asked


def test_records_of_another_type_are_passed_over():
    zone = Zone({"A example.com": [Srv(0, 0, 5060, "one.example.com"), "192.0.2.1"]})
    assert zone.find("example.com", 5060) == [(UDP, "192.0.2.1", 5060)]


class TestWeights:
    """RFC 2782: among equals in priority, by weight."""

    EQUALS = [Srv(1, 10, 1, "a"), Srv(1, 0, 2, "b"), Srv(1, 30, 3, "c")]

    @staticmethod
    def order(marks, records):
        marks = iter(marks)
        return [record.port for record in ordered(records, lambda total: next(marks))]

    @pytest.mark.parametrize(
        ("marks", "expected"),
        [((0, 0, 0), [2, 1, 3]), ((1, 0, 0), [1, 2, 3]), ((11, 0, 0), [3, 2, 1]), ((40, 10, 0), [3, 1, 2])],
    )
    def test_the_first_whose_running_sum_reaches_the_mark(self, marks, expected):
        assert self.order(marks, self.EQUALS) == expected

    def test_the_mark_is_drawn_from_zero_to_the_sum_of_what_is_left(self):
        asked = []

        def draw(total):
            asked.append(total)
            return total

        ordered(self.EQUALS, draw)
        assert asked == [40, 10, 0]

    def test_weights_do_not_cross_priorities(self):
        records = [Srv(2, 65535, 9, "z"), *self.EQUALS]
        assert self.order([40, 10, 0, 0], records) == [3, 1, 2, 9]

    def test_a_draw_beyond_the_sum_ends_too(self):
        assert sorted(self.order([99, 99, 99], self.EQUALS)) == [1, 2, 3]
