"""What `check` says of certificates: those that cannot be used, and those that somebody will not like."""

from __future__ import annotations

import pytest

from proxy.certificate import DAY, read_certificate
from proxy.config.certificates import check_certificates, warn_of_certificates
from proxy.config.model import Config
from tests.support.certificates import NOW, Authority

TODAY = NOW.timestamp()


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def pair(files):
    return {"certificate": str(files[0]), "private_key": str(files[1])}


def config(listen=("wss://10.0.0.2",), uri="sip:10.0.0.5", server_tls=None, public=None, **tls):
    server = {"domain": "example.com", "uri": uri, "tls": server_tls or {}}
    settings = {"server": server, "listen": list(listen), "tls": tls or None}
    return Config.model_validate(settings | ({"public_address": public} if public else {}))


def faults(made, now=TODAY):
    return [(".".join(map(str, path)), text) for path, text in check_certificates(made, now)]


def warnings(made, now=TODAY):
    return [(".".join(map(str, path)), text) for path, text in warn_of_certificates(made, now)]


def test_a_good_certificate_is_well(authority):
    made = config(public="edge.example.com", **pair(authority.issue("a", "10.0.0.2", "edge.example.com")))
    assert faults(made) == warnings(made) == []


@pytest.mark.parametrize(("begins", "days", "said"), [(-9, 2, "expired on"), (2, 9, "is not valid before")])
def test_a_certificate_out_of_its_time_is_a_mistake(authority, begins, days, said):
    files = authority.issue("a", "10.0.0.2", begins=begins, days=days)
    [(key, text)] = faults(config(**pair(files)))
    assert (key, text.startswith(f"the certificate {said} ")) == ("tls.certificate", True)
    assert warnings(config(**pair(files))) == []


def test_a_certificate_that_soon_expires_is_worth_a_warning(authority):
    files = authority.issue("a", "10.0.0.2", days=90)
    ends = read_certificate(files[0]).ends
    assert warnings(config(**pair(files)), ends - 15 * DAY) == []
    [(key, text)] = warnings(config(**pair(files)), ends - 9.5 * DAY)
    assert key == "tls.certificate"
    assert text.endswith(", in 9 days")


def test_a_key_that_does_not_fit_is_a_mistake(authority):
    one, two = authority.issue("a", "10.0.0.2"), authority.issue("b", "10.0.0.2")
    [(key, text)] = faults(config(certificate=str(one[0]), private_key=str(two[1])))
    assert (key, text) == ("tls.private_key", f"{two[1]} is not the key of {one[0]}")


def test_further_certificates_and_those_for_the_server_are_looked_at_too(authority):
    good, old = authority.issue("a", "10.0.0.2"), authority.issue("b", "x.example", begins=-9, days=2)
    made = config(uri="sips:10.0.0.5", server_tls=pair(old), certificates=[pair(old)], **pair(good))
    assert [key for key, _ in faults(made)] == ["tls.certificates.0.certificate", "server.tls.certificate"]
    by_udp = config(server_tls=pair(old), **pair(good))
    assert faults(by_udp) == []


def test_files_without_a_ca_are_mistakes(authority):
    good = authority.issue("a", "10.0.0.2")
    made = config(server_tls={"ca": str(good[1])}, client_ca=str(good[1]), **pair(good))
    assert [key for key, _ in faults(made)] == ["tls.client_ca", "server.tls.ca"]


@pytest.mark.parametrize(
    ("listen", "public", "key", "host"),
    [
        (["wss://0.0.0.0"], "other.example.com", "listen.0.uri", "other.example.com"),
        (["tls://10.0.0.2"], None, "listen.0.uri", "10.0.0.2"),
        ([{"uri": "tls://10.0.0.2", "public_address": "203.0.113.1"}], None, "listen.0.public_address", "203.0.113.1"),
    ],
)
def test_a_listener_whose_name_is_in_no_certificate_is_worth_a_warning(authority, listen, public, key, host):
    made = config(listen, public=public, **pair(authority.issue("a", "edge.example.com", "*.example.org")))
    text = f"clients that connect to {host} will refuse the certificate, which is for edge.example.com, *.example.org"
    assert warnings(made) == [(key, text)]


@pytest.mark.parametrize("public", ["edge.example.com", "a.example.org", "two.example"])
def test_any_of_the_certificates_may_name_it(authority, public):
    two = pair(authority.issue("b", "two.example"))
    made = config(public=public, **pair(authority.issue("a", "edge.example.com", "*.example.org")), certificates=[two])
    assert warnings(made) == []


def test_listeners_without_tls_need_no_name(authority):
    made = config(["udp://10.0.0.2", "ws://10.0.0.2"], **pair(authority.issue("a", "edge.example.com")))
    assert warnings(made) == []
