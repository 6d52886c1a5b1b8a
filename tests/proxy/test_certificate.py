"""What we read of certificates: names, days, keys that do not fit."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from proxy.certificate import (
    DAY,
    CertificateError,
    day,
    parse_certificate,
    read_authorities,
    read_certificate,
    read_pair,
)
from tests.support.certificates import Authority


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def test_names_and_addresses_are_read_in_lower_case(authority):
    file, _ = authority.issue("a", "Edge.Example.com", "*.example.org", "203.0.113.10", "2001:db8::1")
    found = read_certificate(file)
    assert found.hosts == ("edge.example.com", "*.example.org", "203.0.113.10", "2001:db8::1")
    assert found.domains == found.hosts


def test_without_alternative_names_the_common_name_counts(authority):
    """> if and only if the subjectAltName does not appear ... (RFC 5922 section 7.1)"""
    bare, _ = authority.issue("a", common="PBX.example.com", alternatives=False)
    assert read_certificate(bare).domains == ("pbx.example.com",)
    both, _ = authority.issue("b", "edge.example.com", common="pbx.example.com")
    assert read_certificate(both).domains == ("edge.example.com",)


def test_a_sip_uri_counts_before_dns_names(authority):
    """> accept a ... (DNS) identifier ... if and only if no other identity is found that matches the "sip" URI type"""
    file, _ = authority.issue("a", "host7.example.net", "sip:Example.com", "sip:alice@example.org", "https://x.example")
    found = read_certificate(file)
    assert found.domains == ("example.com",)
    assert found.is_for_host("host7.example.net")


@pytest.mark.parametrize(
    ("host", "taken"),
    [("edge.example.com", True), ("EDGE.example.com", True), ("a.example.org", True), ("a.b.example.org", False),
     ("example.org", False), ("203.0.113.10", True), ("203.0.113.11", False), ("localhost", False)],
)  # fmt: skip
def test_browsers_take_wildcards_for_one_label(authority, host, taken):
    file, _ = authority.issue("a", "edge.example.com", "*.example.org", "203.0.113.10")
    assert read_certificate(file).is_for_host(host) is taken


def test_sip_servers_are_not_known_by_wildcards(authority):
    """> Implementations MUST NOT match any form of wildcard (RFC 5922 section 7.2)"""
    found = read_certificate(authority.issue("a", "*.example.org", "PBX.example.com")[0])
    assert not found.is_for_domain(["a.example.org"])
    assert not found.is_for_domain(["x.pbx.example.com", "example.com"])
    assert found.is_for_domain(["other.example", "pbx.EXAMPLE.com"])


def test_days_before_during_and_after(authority):
    found = read_certificate(authority.issue("a", "x.example", begins=10, days=30)[0])
    begins, ends = found.begins, found.ends
    assert found.trouble(begins - 1) == found.warning(begins - 1) == f"is not valid before {day(begins)}"
    assert found.trouble(begins) == found.warning(begins) == found.warning(ends - 14 * DAY) == ""
    assert found.warning(ends - 13.5 * DAY) == f"expires on {day(ends)}, in 13 days"
    assert found.warning(ends - 1.5 * DAY) == f"expires on {day(ends)}, in 1 day"
    assert found.trouble(ends - 1) == ""
    assert found.trouble(ends) == found.warning(ends) == f"expired on {day(ends)}"


def test_der_is_read_as_it_comes_from_a_connection(authority):
    octets = authority.certificate.public_bytes(Encoding.DER)
    assert parse_certificate(octets).hosts == ("test ca",)


def test_a_pair_that_fits_is_read(authority):
    assert read_pair(*authority.issue("a", "x.example")).hosts == ("x.example",)


def test_a_key_of_another_certificate_is_told(authority):
    certificate, _ = authority.issue("a", "x.example")
    _, key = authority.issue("b", "x.example")
    with pytest.raises(CertificateError) as caught:
        read_pair(certificate, key)
    assert str(caught.value) == f"{key} is not the key of {certificate}"
    assert caught.value.of_key


@pytest.mark.parametrize("which", [0, 1])
def test_a_file_that_is_missing_is_told(authority, which):
    pair = authority.issue("a", "x.example")
    pair[which].unlink()
    with pytest.raises(CertificateError, match="cannot be read: No such file or directory") as caught:
        read_pair(*pair)
    assert caught.value.of_key is bool(which)


def test_nonsense_is_told(authority, tmp_path):
    nonsense = tmp_path / "x.pem"
    nonsense.write_text("nonsense")
    _, key = authority.issue("a", "x.example")
    with pytest.raises(CertificateError, match="are not a certificate and its key, in PEM form"):
        read_pair(nonsense, key)
    with pytest.raises(CertificateError, match="is no certificate in PEM form"):
        read_certificate(nonsense)
    with pytest.raises(CertificateError, match="has no CA certificate in PEM form"):
        read_authorities(nonsense)
    with pytest.raises(CertificateError, match="cannot be read"):
        read_certificate(tmp_path / "none.pem")
    with pytest.raises(CertificateError, match="cannot be read"):
        read_authorities(tmp_path / "none.pem")


def test_authorities_are_counted(authority):
    authority.file.write_bytes(authority.file.read_bytes() * 2)
    assert read_authorities(authority.file) == 2
