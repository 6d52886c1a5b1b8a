"""Durations, sizes, hosts and networks, as people write them."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from proxy.config.units import (
    File,
    bracketed,
    host_family,
    is_wildcard,
    parse_host,
    parse_network,
    parse_size,
    parse_whole,
    switch_word,
)
from proxy.values import format_duration, parse_duration, shown


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("30s", 30), ("5m", 300), ("12h", 43200), ("1d", 86400), ("1.5s", 1.5), (" 2 s ", 2), ("0s", 0)],
)
def test_durations_have_a_unit(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("value", [30, 0.5])
def test_a_number_without_unit_is_no_duration(value):
    with pytest.raises(ValueError, match=f"{value} has no unit, did you mean {value}s"):
        parse_duration(value)


@pytest.mark.parametrize("value", ["30", "s", "30 sec", "-1s", "1h30m", "", True, None, [], "9" * 400 + "s", "٣s"])
def test_anything_else_is_no_duration(value):
    with pytest.raises(ValueError, match="is not a duration: write 500ms"):
        parse_duration(value)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.5, "500ms"),
        (30, "30s"),
        (185, "185s"),
        (600, "10m"),
        (43200, "12h"),
        (172800, "2d"),
        (0, "0s"),
        (1.5, "1500ms"),
    ],
)
def test_durations_are_shown_in_whole_units(seconds, text):
    assert format_duration(seconds) == text


@given(st.integers(0, 10**9))
def test_a_shown_duration_is_the_same_duration(milliseconds):
    seconds = milliseconds / 1000
    assert parse_duration(format_duration(seconds)) == seconds


@pytest.mark.parametrize(
    ("text", "octets"), [(65535, 65535), ("65535", 65535), ("64k", 65536), ("64K", 65536), ("1M", 1 << 20)]
)
def test_sizes(text, octets):
    assert parse_size(text) == octets


@pytest.mark.parametrize("value", ["64kb", "1G", "-1", "", True, 1.5, None, "9" * 5000])
def test_anything_else_is_no_size(value):
    with pytest.raises(ValueError, match="is not a size in bytes: write 65535, 64k or 1M"):
        parse_size(value)


@pytest.mark.parametrize(("value", "number"), [(5, 5), ("5", 5), ("-5", -5)])
def test_whole_numbers(value, number):
    assert parse_whole(value) == number


@pytest.mark.parametrize("value", [True, 5.0, "5.0", "five", "", None, "9" * 5000])
def test_anything_else_is_no_whole_number(value):
    with pytest.raises(ValueError, match="should be a whole number, not"):
        parse_whole(value)


@pytest.mark.parametrize(("value", "word"), [(True, "on"), (False, "off"), ("auto", "auto"), (1, 1)])
def test_booleans_are_the_words_on_and_off(value, word):
    assert switch_word(value) == word


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("10.0.0.5", "10.0.0.5"),
        ("[2001:DB8::1]", "2001:db8::1"),
        ("2001:db8:0::1", "2001:db8::1"),
        ("Edge.Example.COM.", "edge.example.com"),
        ("pbx", "pbx"),
        ("_sip.example.com", "_sip.example.com"),
        ("3cx.example.com", "3cx.example.com"),
    ],
)
def test_hosts(text, host):
    assert parse_host(text) == host


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("10.0.0.256", "10.0.0.256 is not a valid IPv4 address"),
        ("10.0.5", "10.0.5 is not a valid IPv4 address"),
        ("pbx:5060", "pbx:5060 has a port: write the host alone"),
        ("a b", "'a b' is neither an IP address nor a host name"),
        ("-a.example.com", "is neither"),
        ("a..b", "is neither"),
        ("", "is neither"),
        ("x" * 64 + ".com", "is neither"),
        ("a@b", "is neither"),
        (5, "should be an IP address or a host name, not 5"),
    ],
)
def test_what_is_no_host(value, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_host(value)


def test_hosts_know_their_version():
    assert [host_family(host) for host in ("10.0.0.1", "::1", "pbx")] == [4, 6, None]
    assert [bracketed(host) for host in ("10.0.0.1", "::1", "pbx")] == ["10.0.0.1", "[::1]", "pbx"]
    assert [is_wildcard(host) for host in ("0.0.0.0", "::", "10.0.0.1", "pbx")] == [True, True, False, False]


def test_networks():
    assert parse_network("10.0.0.0/8") == ip_network("10.0.0.0/8")
    assert parse_network("2001:db8::1") == ip_network("2001:db8::1/128")
    assert parse_network(ip_network("10.0.0.0/8")) == ip_network("10.0.0.0/8")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("10.0.0.5/24", "10.0.0.5/24 is an address inside a network, did you mean 10.0.0.0/24"),
        ("10.0.0.0/33", "'10.0.0.0/33' is not a network"),
        ("local", "'local' is not a network"),
        (10, "should be a network such as 10.0.0.0/8, not 10"),
    ],
)
def test_what_is_no_network(value, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_network(value)


def test_relative_files_count_from_the_folder_of_the_configuration():
    file = TypeAdapter(File)
    assert file.validate_python("edge.pem", context={"folder": Path("/etc/sipmend")}) == Path("/etc/sipmend/edge.pem")
    assert file.validate_python("/a/edge.pem", context={"folder": Path("/etc/sipmend")}) == Path("/a/edge.pem")
    assert file.validate_python("edge.pem") == Path("edge.pem")


@pytest.mark.parametrize("value", ["", " ", 5, ["a"]])
def test_what_is_no_file(value):
    with pytest.raises(ValidationError, match="should be the path of a file, not"):
        TypeAdapter(File).validate_python(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "nothing"),
        (True, "true"),
        ({}, "a mapping"),
        ([1], "a list"),
        ("x", "'x'"),
        (5, "5"),
        ("x" * 99, f"'{'x' * 57}...'"),
    ],
)
def test_values_in_errors_are_short(value, text):
    assert shown(value) == text
