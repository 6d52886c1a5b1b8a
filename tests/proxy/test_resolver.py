"""The resolver against a real, tiny DNS server on loopback, run by a reactor of the test's own."""

from __future__ import annotations

import os

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from twisted.internet.protocol import DatagramProtocol, Factory
from twisted.internet.selectreactor import SelectReactor
from twisted.protocols.basic import Int16StringReceiver

from proxy.core.locate import Query, Unlocatable
from proxy.flow import TCP, TLS, UDP
from proxy.resolver import (
    HOSTS_TTL,
    NEGATIVE_TTL,
    RESULTS,
    TTL_CEILING,
    TTL_FLOOR,
    HostsFile,
    Questioner,
    Resolver,
)

pytestmark = pytest.mark.loopback

SUPPORTED = frozenset((UDP, TCP, TLS))


class NameServer(DatagramProtocol):
    """Answers from `zone`: {"TYPE name": (ttl, [records as in a zone file])}; the rest by `other`."""

    def __init__(self):
        self.zone = {}
        self.silent = set()
        self.truncated = set()
        self.other = dns.rcode.NXDOMAIN
        self.asked = []

    def datagramReceived(self, octets, address):
        response = self.answer(octets)
        if response is None:
            return
        if self.asked[-1] in self.truncated:
            response.flags |= dns.flags.TC
            response.answer.clear()
        self.transport.write(response.to_wire(), address)

    def answer(self, octets):
        query = dns.message.from_wire(octets)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True)
        key = f"{dns.rdatatype.to_text(question.rdtype)} {name}"
        self.asked.append(key)
        if key in self.silent:
            return None
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if key in self.zone:
            ttl, records = self.zone[key]
            if records:
                response.answer.append(dns.rrset.from_text(question.name, ttl, "IN", question.rdtype, *records))
        elif any(known.endswith(f" {name}") for known in self.zone):
            pass  # the name exists, with other types
        else:
            response.set_rcode(self.other)
        return response


class LongAnswers(Int16StringReceiver):
    """The same name server over TCP."""

    def stringReceived(self, string):
        self.sendString(self.factory.server.answer(string).to_wire())


class Place:
    """A reactor, a name server on it, and a resolver that asks it."""

    def __init__(self, folder):
        self.reactor = SelectReactor()
        self.reactor.startRunning(installSignalHandlers=False)
        self.server = NameServer()
        self.port = self.reactor.listenUDP(0, self.server, interface="127.0.0.1")
        self.hosts = folder / "hosts"
        self.hosts.write_text("")
        self.resolv = folder / "resolv.conf"
        self.later = 0.0
        self.resolvers = []

    def resolver(self, timeout=5.0, **options):
        options.setdefault("nameservers", [("127.0.0.1", self.port.getHost().port)])
        resolver = Resolver(
            self,
            hosts_path=str(self.hosts),
            resolv_path=str(self.resolv),
            timeout=timeout,
            draw=lambda highest: 0,
            **options,
        )
        resolver.start()
        self.resolvers.append(resolver)
        return resolver

    # What the resolver sees of the reactor: its time can be moved.
    def seconds(self):
        return self.later

    def callFromThread(self, function, *args):
        self.reactor.callFromThread(function, *args)

    def wait(self, deferred):
        outcome = []
        deferred.addBoth(outcome.append)
        while not outcome:
            self.reactor.iterate(0.02)
        if hasattr(outcome[0], "raiseException"):
            outcome[0].raiseException()
        return outcome[0]

    def find(self, resolver, host, port=0, transport=None, secure=False, families=("A",)):
        return self.wait(resolver.locate(host, port, transport, secure, SUPPORTED, families))

    def close(self):
        for resolver in self.resolvers:
            resolver.stop()
        self.wait(self.port.stopListening())
        self.reactor.disconnectAll()
        for reader in list(self.reactor._internalReaders):
            self.reactor.removeReader(reader)
            reader.connectionLost(None)


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path)
    yield place
    place.close()


def test_srv_priorities_lead_to_addresses_in_order(place):
    place.server.zone = {
        "SRV _sip._udp.example.test": (60, ["20 0 5060 b.example.test.", "10 0 5070 a.example.test."]),
        "A a.example.test": (300, ["127.0.0.11"]),
        "A b.example.test": (40, ["127.0.0.12"]),
    }
    resolver = place.resolver()
    found = place.find(resolver, "example.test")
    assert found.addresses == [(UDP, "127.0.0.11", 5070), (UDP, "127.0.0.12", 5060)]
    assert found.ttl == 40
    assert found.troubles == []
    assert resolver.results["ok"] == 3
    assert resolver.results["nxdomain"] == 1


def test_naptr_chooses_the_transport(place):
    place.server.zone = {
        "NAPTR example.test": (
            60,
            [
                '10 20 "s" "SIP+D2U" "" _sip._udp.example.test.',
                '10 10 "s" "SIP+D2T" "" _sip._tcp.example.test.',
            ],
        ),
        "SRV _sip._tcp.example.test": (60, ["0 0 5080 a.example.test."]),
        "SRV _sip._udp.example.test": (60, ["0 0 5060 a.example.test."]),
        "A a.example.test": (60, ["127.0.0.11"]),
    }
    found = place.find(place.resolver(), "example.test")
    assert found.addresses == [(TCP, "127.0.0.11", 5080), (UDP, "127.0.0.11", 5060)]


def test_an_answer_that_is_cut_off_is_asked_for_again_over_tcp(place):
    records = [f"{number} 0 5060 192.0.2.{number}." for number in range(1, 65)]
    place.server.zone = {"SRV _sip._tcp.example.test": (60, records)}
    place.server.truncated = {"SRV _sip._tcp.example.test"}
    factory = Factory.forProtocol(LongAnswers)
    factory.server = place.server
    port = place.reactor.listenTCP(place.port.getHost().port, factory, interface="127.0.0.1")
    found = place.find(place.resolver(), "example.test", transport="tcp")
    place.wait(port.stopListening())
    assert found.addresses == [(TCP, f"192.0.2.{number}", 5060) for number in range(1, 65)]
    assert place.server.asked == ["SRV _sip._tcp.example.test"] * 2


def test_both_families(place):
    place.server.zone = {"A h.test": (60, ["127.0.0.9"]), "AAAA h.test": (60, ["::9"])}
    found = place.find(place.resolver(), "h.test", 5060, families=("A", "AAAA"))
    assert found.addresses == [(UDP, "127.0.0.9", 5060), (UDP, "::9", 5060)]


def test_a_name_that_does_not_exist(place):
    resolver = place.resolver()
    with pytest.raises(Unlocatable, match=r"gone\.test has no A record"):
        place.find(resolver, "gone.test", 5060)
    assert resolver.results["nxdomain"] == 1


def test_a_name_without_such_records(place):
    place.server.zone = {"TXT h.test": (60, ['"x"'])}
    resolver = place.resolver()
    with pytest.raises(Unlocatable):
        place.find(resolver, "h.test", 5060)
    assert resolver.results["nodata"] == 1


def test_a_server_that_says_nothing(place):
    place.server.silent = {"A h.test"}
    resolver = place.resolver(timeout=0.2)
    with pytest.raises(Unlocatable, match=r"DNS gave no answer \(A h\.test: no answer within 0\.2 s\)"):
        place.find(resolver, "h.test", 5060)
    assert resolver.results["timeout"] == 1


def test_silence_on_the_way_is_reported_with_what_was_found(place):
    """The caller may prefer what it knew before; it is told to look again soon."""
    place.server.zone = {"A h.test": (600, ["127.0.0.9"])}
    place.server.silent = {"SRV _sip._udp.h.test"}
    found = place.find(place.resolver(timeout=0.2), "h.test")
    assert found.addresses == [(UDP, "127.0.0.9", 5060)]
    assert found.troubles == ["SRV _sip._udp.h.test: no answer within 0.2 s"]
    assert found.ttl == NEGATIVE_TTL


def test_a_server_that_refuses(place):
    place.server.other = dns.rcode.REFUSED
    resolver = place.resolver()
    with pytest.raises(Unlocatable, match=r"DNS gave no answer.*REFUSED"):
        place.find(resolver, "h.test", 5060)
    assert resolver.results["failed"] == 1


def test_failures_are_not_cached(place):
    place.server.other = dns.rcode.SERVFAIL
    resolver = place.resolver()
    with pytest.raises(Unlocatable):
        place.find(resolver, "h.test", 5060)
    place.server.zone = {"A h.test": (60, ["127.0.0.9"])}
    assert place.find(resolver, "h.test", 5060).addresses == [(UDP, "127.0.0.9", 5060)]


class TestCache:
    def test_an_answer_lives_for_its_ttl(self, place):
        place.server.zone = {"A h.test": (60, ["127.0.0.9"])}
        resolver = place.resolver()
        assert place.find(resolver, "h.test", 5060).ttl == 60
        place.later = 45.0
        found = place.find(resolver, "H.TEST", 5060)
        assert (found.addresses, found.ttl) == ([(UDP, "127.0.0.9", 5060)], 15.0)
        assert len(place.server.asked) == 1
        assert resolver.results["cached"] == 1
        place.later = 60.0
        place.server.zone = {"A h.test": (60, ["127.0.0.10"])}
        assert place.find(resolver, "h.test", 5060).addresses == [(UDP, "127.0.0.10", 5060)]

    @pytest.mark.parametrize(("ttl", "kept"), [(0, TTL_FLOOR), (86400, TTL_CEILING)])
    def test_very_short_and_very_long_lives_are_bounded(self, place, ttl, kept):
        place.server.zone = {"A h.test": (ttl, ["127.0.0.9"])}
        assert place.find(place.resolver(), "h.test", 5060).ttl == kept

    def test_that_there_is_nothing_is_remembered_shortly(self, place):
        resolver = place.resolver()
        for later, questions in ((0.0, 1), (NEGATIVE_TTL - 1, 1), (NEGATIVE_TTL, 2)):
            place.later = later
            with pytest.raises(Unlocatable):
                place.find(resolver, "gone.test", 5060)
            assert len(place.server.asked) == questions

    def test_missing_naptr_does_not_shorten_the_life_of_the_whole(self, place):
        place.server.zone = {"A h.test": (600, ["127.0.0.9"])}
        assert place.find(place.resolver(), "h.test").ttl == 600

    def test_it_does_not_grow_without_end(self, place, monkeypatch):
        """Names come from the server's messages too; the oldest goes."""
        monkeypatch.setattr("proxy.resolver.MAX_CACHED", 2)
        names = ["a.test", "b.test", "c.test"]
        place.server.zone = {f"A {name}": (60, ["127.0.0.9"]) for name in names}
        resolver = place.resolver()
        for name in [*names, "c.test", "b.test", "a.test"]:
            place.find(resolver, name, 5060)
        assert place.server.asked == ["A a.test", "A b.test", "A c.test", "A a.test"]

    def test_it_can_be_dropped(self, place):
        place.server.zone = {"A h.test": (60, ["127.0.0.9"])}
        resolver = place.resolver()
        place.find(resolver, "h.test", 5060)
        resolver.forget()
        place.find(resolver, "h.test", 5060)
        assert len(place.server.asked) == 2


class TestHosts:
    def test_a_name_in_the_hosts_file_needs_no_dns(self, place):
        """Also without a port: what stands there is what the administrator says, so no NAPTR and no SRV."""
        place.hosts.write_text("# ours\n127.0.0.21  pbx.test pbx # the PBX\n127.0.0.21 pbx\n::21 pbx\nnonsense pbx\n\n")
        resolver = place.resolver()
        found = place.find(resolver, "PBX", families=("A", "AAAA"))
        assert found.addresses == [(UDP, "127.0.0.21", 5060), (UDP, "::21", 5060)]
        assert found.ttl == HOSTS_TTL
        assert place.server.asked == []
        assert resolver.results["hosts"] == 6

    def test_a_change_of_the_file_is_seen(self, place):
        hosts = HostsFile(str(place.hosts))
        place.hosts.write_text("127.0.0.21 pbx\n")
        assert hosts.addresses("pbx.") == ["127.0.0.21"]
        place.hosts.write_text("127.0.0.220 pbx\n")
        assert hosts.addresses("pbx") == ["127.0.0.220"]
        os.unlink(place.hosts)
        assert hosts.addresses("pbx") == []

    def test_localhost_is_known_without_the_file(self, place):
        assert HostsFile("/nonexistent").addresses("localhost") == ["127.0.0.1", "::1"]
        found = place.find(place.resolver(), "localhost", 5060)
        assert found.addresses == [(UDP, "127.0.0.1", 5060)]

    def test_the_hosts_file_goes_before_the_built_in_localhost(self, place):
        place.hosts.write_text("127.0.0.2 localhost\n")
        assert HostsFile(str(place.hosts)).addresses("localhost") == ["127.0.0.2"]


class TestConfiguration:
    def test_without_resolv_conf_the_reason_is_told(self, place):
        resolver = place.resolver(nameservers=())
        with pytest.raises(Unlocatable, match=r"no name server in .*resolv\.conf"):
            place.find(resolver, "h.test", 5060)
        assert resolver.results["failed"] == 1

    def test_an_empty_resolv_conf_is_the_same(self, place):
        place.resolv.write_text("# nothing\n")
        with pytest.raises(Unlocatable, match=r"no name server in .*resolv\.conf"):
            place.find(place.resolver(nameservers=()), "h.test", 5060)

    def test_resolv_conf_is_read_again_when_it_changes(self, place):
        questioner = Questioner("/nonexistent", str(place.resolv), (), 0.2)
        place.resolv.write_text("nameserver 127.0.0.1\n")
        first = questioner._current()
        assert questioner._current() is first
        place.resolv.write_text("nameserver 127.0.0.53\noptions ndots:2\n")
        second = questioner._current()
        assert (second.nameservers, second.ndots) == (["127.0.0.53"], 2)
        assert (second.lifetime, second.timeout) == (0.2, 0.2)

    def test_short_names_are_completed_from_the_search_list(self, place):
        """`pbx` in a container network or a company; `pbx.other` is asked for as it stands."""
        place.resolv.write_text("nameserver 127.0.0.1\nsearch corp.test\n")
        questioner = Questioner(str(place.hosts), str(place.resolv), (), 5.0)
        resolver = questioner._current()
        resolver.port = place.port.getHost().port
        place.server.zone = {
            "A pbx.corp.test": (60, ["127.0.0.31"]),
            "SRV _sip._udp.pbx.corp.test": (60, ["0 0 5060 pbx.corp.test."]),
        }

        def ask(name, rtype):
            pool = place.resolver()._pool
            outcome = []
            pool.callInThreadWithCallback(lambda *pair: outcome.append(pair), questioner.ask, Query(name, rtype))
            while not outcome:
                place.reactor.iterate(0.02)
            assert outcome[0][0], outcome
            return outcome[0][1]

        assert ask("pbx", "A").answer.records == ["127.0.0.31"]
        assert ask("_sip._udp.pbx", "SRV").answer.records[0].target == "pbx.corp.test."
        assert ask("pbx.other", "A").result == "nxdomain"
        assert "A pbx.other.corp.test" not in place.server.asked


def test_an_address_needs_no_thread_and_no_dns(place):
    found = place.find(place.resolver(), "192.0.2.1")
    assert (found.addresses, found.ttl) == ([(UDP, "192.0.2.1", 5060)], TTL_CEILING)


def test_all_results_are_there_from_the_start(place):
    """The metrics show a series before it moves."""
    assert place.resolver().results == dict.fromkeys(RESULTS, 0)
    assert RESULTS == ("ok", "hosts", "cached", "nxdomain", "nodata", "timeout", "failed")


def test_a_resolver_that_was_never_started_can_be_stopped(place):
    Resolver(place).stop()
