"""What the settings ask of this machine is tried out: addresses, ports, names, files."""

from __future__ import annotations

import errno
import resource
import socket
from datetime import UTC, datetime, timedelta

import dns.resolver
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from proxy.config import network
from proxy.config.model import Config
from proxy.config.network import check_network, warn_of_network


@pytest.fixture
def free():
    """Ports of 127.0.0.1 that are free for UDP and TCP."""

    def port():
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        ):
            tcp.bind(("127.0.0.1", 0))
            udp.bind(tcp.getsockname())
            return tcp.getsockname()[1]

    return port


@pytest.fixture
def check(tmp_path, free):
    def run(*, ports=True, known=(), **settings):
        server = {"domain": "example.com", "bind": f"udp://127.0.0.1:{free()}", "uri": "sip:10.0.0.5"}
        data = {
            "listen": [f"udp://127.0.0.1:{free()}"],
            "admin": {"listen": "off"},
            "token_key": str(tmp_path / "token.key"),
            "store": f"sqlite:{tmp_path}/bindings.db",
            **settings,
            "server": {**server, **settings.get("server", {})},
        }
        config = Config.model_validate(data)
        errors = check_network(
            config, ports=ports, has_address=lambda name: name in known, has_service=lambda name: name in known
        )
        return [(error.key, error.text) for error in errors]

    return run


def test_all_is_well(check):
    assert check() == []


def test_an_address_of_another_machine(check):
    assert check(listen=["udp://192.0.2.1:5060"]) == [
        ("listen[0].uri", "192.0.2.1 is not an address of this machine (ip addr lists them)")
    ]


@pytest.mark.parametrize(("kind", "transport"), [(socket.SOCK_DGRAM, "udp"), (socket.SOCK_STREAM, "tcp")])
def test_a_port_in_use(check, kind, transport):
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if transport == "tcp":
            taken.listen()
        port = taken.getsockname()[1]
        text = f"{transport.upper()} port {port} of 127.0.0.1 is in use (ss -lntup shows by what)"
        assert check(listen=[f"{transport}://127.0.0.1:{port}"]) == [("listen[0].uri", text)]
        assert check(listen=[f"{transport}://127.0.0.1:{port}"], ports=False) == []


def test_the_server_side_needs_both_kinds_of_its_port(check):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = check(server={"bind": f"udp://127.0.0.1:{port}"})
    assert found == [("server.bind", f"TCP port {port} of 127.0.0.1 is in use (ss -lntup shows by what)")]


def test_the_admin_socket_is_tried_too(check):
    assert [key for key, _ in check(admin={"listen": "192.0.2.1:9060"})] == ["admin.listen"]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.EACCES, "port 5060 needs the right to use ports below 1024 (CAP_NET_BIND_SERVICE): use a higher one"),
        (errno.EAFNOSUPPORT, "this machine has no IPv6"),
        (errno.ENOBUFS, "udp://[::1]:5060 cannot be bound: No buffer space available"),
    ],
)
def test_other_refusals_of_the_kernel(check, monkeypatch, number, text):
    def refuse(*_):
        raise OSError(number, "No buffer space available")

    monkeypatch.setattr(network.socket, "socket", refuse)
    config = Config.model_validate(
        {
            "server": {"domain": "example.com", "uri": "sip:10.0.0.5", "bind": "udp://[::1]:5060"},
            "listen": ["udp://[::1]:5060"],
        }
    )
    assert ("listen[0].uri", text) in [(error.key, error.text) for error in check_network(config)]


def test_a_name_that_dns_does_not_know(check):
    assert check(server={"uri": "sip:pbx.example.com:5060"}) == [
        ("server.uri", "DNS knows no address for pbx.example.com: check the name and the resolver of this machine")
    ]
    assert "neither an address nor SRV records" in check(server={"uri": "sip:pbx.example.com"})[0][1]


@pytest.mark.parametrize(
    ("uri", "record"),
    [
        ("sip:example.com", "example.com"),
        ("sip:example.com", "_sip._udp.example.com"),
        ("sip:example.com", "_sip._tcp.example.com"),
        ("sip:example.com;transport=tcp", "_sip._tcp.example.com"),
        ("sips:example.com", "_sips._tcp.example.com"),
        ("sip:example.com:5060", "example.com"),
    ],
)
def test_a_name_with_any_of_its_records_is_well(check, uri, record):
    assert check(server={"uri": uri}, known=[record]) == []


@pytest.mark.parametrize(
    ("uri", "record"),
    [("sip:example.com:5060", "_sip._udp.example.com"), ("sip:example.com;transport=tcp", "_sip._udp.example.com")],
)
def test_records_that_are_not_asked_for_do_not_count(check, uri, record):
    """RFC 3263 section 4: a port rules SRV out, a transport the records of others."""
    assert len(check(server={"uri": uri}, known=[record])) == 1


def test_each_target_is_looked_up(check):
    targets = [{"uri": "sip:a.example:5060"}, {"uri": "sip:b.example:5060"}]
    assert [key for key, _ in check(server={"uri": None, "targets": targets}, known=["a.example"])] == [
        "server.targets[1].uri"
    ]


def test_names_are_asked_of_the_resolver_of_this_machine(monkeypatch):
    asked = []

    def resolve(name, kind, lifetime):
        asked.append((name, kind))
        raise dns.resolver.NXDOMAIN

    def getaddrinfo(host, port):
        asked.append((host, port))
        if host == "known.example":
            return [("an address",)]
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(network.dns.resolver, "resolve", resolve)
    monkeypatch.setattr(network.socket, "getaddrinfo", getaddrinfo)
    assert network._has_address("known.example")
    assert not network._has_address("x.example")
    assert not network._has_service("_sip._udp.x.example")
    assert asked == [("known.example", None), ("x.example", None), ("_sip._udp.x.example", "SRV")]


def make_pair(folder, name):
    """A certificate signed by its own key, and the key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(pem))
    form = serialization.PrivateFormat.PKCS8
    (folder / f"{name}.key").write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    (folder / f"{name}.locked").write_bytes(
        key.private_bytes(pem, form, serialization.BestAvailableEncryption(b"secret"))
    )


@pytest.mark.parametrize(
    ("certificate", "private_key", "key", "text"),
    [
        ("a.pem", "none.key", "tls.private_key", "none.key cannot be read: No such file or directory"),
        ("none.pem", "a.key", "tls.certificate", "none.pem cannot be read: No such file or directory"),
        ("a.pem", "b.key", "tls.private_key", "b.key is not the key of "),
        ("a.pem", "a.locked", "tls.certificate", "are not a certificate and its key, in PEM form"),
        ("junk", "a.key", "tls.certificate", "are not a certificate and its key, in PEM form"),
    ],
)
def test_a_certificate_that_cannot_be_used(check, tmp_path, certificate, private_key, key, text):
    make_pair(tmp_path, "a")
    make_pair(tmp_path, "b")
    (tmp_path / "junk").write_text("junk")
    tls = {"certificate": str(tmp_path / certificate), "private_key": str(tmp_path / private_key)}
    found = check(tls=tls)
    assert [name for name, _ in found] == [key]
    assert text in found[0][1]


def test_a_certificate_with_its_key_is_well(check, tmp_path):
    make_pair(tmp_path, "a")
    assert check(tls={"certificate": str(tmp_path / "a.pem"), "private_key": str(tmp_path / "a.key")}) == []


def test_ports_that_browsers_refuse_are_worth_a_warning():
    """They show no more than ERR_UNSAFE_PORT in the console."""
    listen = ["tcp://10.0.0.2:5060", "ws://10.0.0.2:5060", {"uri": "wss://10.0.0.2:8443", "public_port": 5061}]
    server = {"domain": "example.com", "uri": "sip:10.0.0.5"}
    config = Config.model_validate(
        {"server": server, "listen": [*listen, "wss://10.0.0.2:443"], "limits": {"flows": 100}}
    )
    assert [(error.key, error.text) for error in warn_of_network(config)] == [
        ("listen[1].uri", "browsers refuse to connect to port 5060: use another one, such as 8443"),
        ("listen[2].public_port", "browsers refuse to connect to port 5061: use another one, such as 8443"),
    ]


def test_a_key_that_cannot_be_used(check, tmp_path):
    key = tmp_path / "token.key"
    key.write_text("garbled")
    key.chmod(0o600)
    assert [name for name, _ in check()] == ["token_key"]


def test_a_key_that_cannot_be_made(check, tmp_path, monkeypatch):
    monkeypatch.setattr(network.os, "access", lambda path, mode: False)
    path = tmp_path / "new" / "folder" / "token.key"
    assert check(token_key=str(path), store="memory") == [
        ("token_key", f"{path} cannot be made: {tmp_path} is not writable by this user")
    ]


def test_a_store_that_can_be_made_or_is_there_is_well(check, tmp_path):
    path = tmp_path / "clients.db"
    assert check(store=f"sqlite:{path}") == []
    path.write_bytes(b"")
    assert check(store=f"sqlite:{path}") == []
    assert check(store="memory") == []


def test_the_folder_of_the_token_key_is_made_with_it(check, tmp_path):
    folder = tmp_path / "new"
    assert check(store=f"sqlite:{folder}/clients.db", token_key=str(folder / "token.key")) == []


def test_a_store_without_a_folder(check, tmp_path):
    path = tmp_path / "none" / "clients.db"
    text = f"{path} cannot be made: the folder {path.parent} does not exist"
    assert check(store=f"sqlite:{path}") == [("store", text)]


def test_a_store_that_is_no_file(check, tmp_path):
    assert check(store=f"sqlite:{tmp_path}") == [("store", f"{tmp_path} is not a regular file")]


def test_a_store_that_cannot_be_written(check, tmp_path, monkeypatch):
    key = tmp_path / "token.key"
    key.write_text("ab" * 32)
    key.chmod(0o600)
    path = tmp_path / "clients.db"
    store = f"sqlite:{path}"
    monkeypatch.setattr(network.os, "access", lambda path, mode: False)
    assert check(store=store) == [
        ("store", f"{path} cannot be used: the folder {tmp_path} is not writable by this user")
    ]
    path.write_bytes(b"")
    assert check(store=store) == [("store", f"{path} cannot be read and written by this user")]


def test_a_log_that_cannot_be_written(check, tmp_path):
    assert check(log={"file": str(tmp_path)}) == [("log.file", f"{tmp_path} is a folder")]
    nowhere = tmp_path / "none" / "edge.log"
    assert check(log={"file": str(nowhere)}) == [("log.file", f"{nowhere} cannot be written by this user")]
    assert check(log={"file": str(tmp_path / "edge.log")}) == []


def test_more_connections_than_files_are_worth_a_warning(monkeypatch):
    """`check` says it; so does the log when sipmend starts."""
    monkeypatch.setattr(resource, "getrlimit", lambda which: (64, 1024))
    server = {"domain": "example.com", "uri": "sip:10.0.0.5"}
    config = Config.model_validate({"server": server, "listen": ["tcp://10.0.0.2:5060"]})
    assert [error.key for error in warn_of_network(config)] == ["limits.flows"]
