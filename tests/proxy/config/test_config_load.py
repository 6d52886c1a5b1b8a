"""A file becomes settings, or all its mistakes at once."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.config.errors import ConfigErrors
from proxy.config.load import load_config, parse_config

SAMPLE = Path(__file__).parents[3] / "deploy" / "sipmend.yaml"
ENVIRONMENT = {"HOME": "/nonexistent"}
SMALLEST = """\
server:
  domain: example.com
  uri: sip:10.0.0.5:5060
public_address: 203.0.113.10
listen:
  - udp://0.0.0.0:5060
"""


def mistakes(text, environ=ENVIRONMENT, file="edge.yaml"):
    with pytest.raises(ConfigErrors) as caught:
        parse_config(text, file, environ)
    return [str(error) for error in caught.value.errors]


def test_the_smallest_file():
    config = parse_config(SMALLEST, "edge.yaml", ENVIRONMENT)
    assert config.server.domain == "example.com"
    assert config.origin.file == "edge.yaml"
    assert config.token_key == Path("/nonexistent/.local/state/sipmend/token.key")


def test_five_different_mistakes_are_reported_at_once_with_their_places():
    text = """\
server:
  domain: example.com
  uri: sip:10.0.0.5:5060
  pathh: auto
public_address: 203.0.113.10
listen:
  - udp://0.0.0.0:5060
  - uri: tcp://0.0.0.0:5060
    public_port: sixty
  - udp://0.0.0.0:5060
limits:
  linger: 12
log: {level: debgu, file: "${LOGFILE}"}
"""
    assert mistakes(text, {**ENVIRONMENT, "LOG_FILE": "/tmp/x"}) == [
        "edge.yaml:4:3: server.pathh: unknown key, did you mean path",
        "edge.yaml:9:18: listen[1].public_port: should be a whole number, not 'sixty'",
        "edge.yaml:10:5: listen[2]: the socket is already taken by listen[0] (udp://0.0.0.0:5060): choose another port",
        "edge.yaml:12:11: limits.linger: 12 has no unit, did you mean 12s (units: ms, s, m, h, d)",
        "edge.yaml:13:14: log.level: should be debug, info, warn or error, not 'debgu', did you mean debug",
        "edge.yaml:13:27: log.file: the environment has no LOGFILE: set it, or write ${LOGFILE:-default}, "
        "did you mean LOG_FILE",
    ]


def test_one_mistake_is_reported_once():
    """A mistyped `public_address` is not also a missing one; a bad `uri` of the server is not also none."""
    assert mistakes(SMALLEST.replace("public_address", "public_adress")) == [
        "edge.yaml:4:1: public_adress: unknown key, did you mean public_address"
    ]
    assert mistakes(SMALLEST.replace("sip:10.0.0.5:5060", "10.0.0.5")) == [
        "edge.yaml:3:8: server.uri: '10.0.0.5' is not a SIP URI: write sip:10.0.0.5:5060"
    ]
    assert mistakes(SMALLEST.replace("203.0.113.10", "203.0.113.999")) == [
        "edge.yaml:4:17: public_address: 203.0.113.999 is not a valid IPv4 address"
    ]
    assert mistakes(SMALLEST.replace("203.0.113.10", "${PUBLIC}")) == [
        "edge.yaml:4:17: public_address: the environment has no PUBLIC: set it, or write ${PUBLIC:-default}"
    ]


def test_a_broken_section_does_not_hide_the_mistakes_of_others():
    assert mistakes("server: here\nlisten: udp://10.0.0.2\ntimers: {t1: 9s}\n") == [
        "edge.yaml:1:9: server: should be a section with keys of its own, not 'here'",
        "edge.yaml:2:9: listen: should be a list (each item on a line of its own that begins with -), "
        "not 'udp://10.0.0.2'",
        "edge.yaml:3:14: timers.t1: should be at most timers.t2 (4s)",
    ]


@pytest.mark.parametrize("text", ["", "# nothing yet\n"])
def test_an_empty_file_misses_what_is_required(text):
    assert mistakes(text) == [
        "edge.yaml:1:1: listen: this required key is missing",
        "edge.yaml:1:1: server: this required key is missing",
    ]


def test_a_missing_key_is_reported_where_its_section_begins():
    found = mistakes("listen:\n  - public_port: 5062\nserver:\n  uri: sip:10.0.0.5\n  domain:\n")
    assert found == [
        "edge.yaml:2:5: listen[0].uri: this required key is missing",
        "edge.yaml:5:3: server.domain: has no value: write one",
    ]


def test_an_empty_list_of_listeners_is_a_mistake():
    assert mistakes(SMALLEST.partition("listen")[0] + "listen: []\n") == [
        "edge.yaml:5:9: listen: should have at least one item"
    ]


def test_errors_of_yaml_are_reported_alone():
    found = mistakes("server: {domain: [}\n")
    assert len(found) == 1
    assert found[0].startswith("edge.yaml:1:19: not YAML: ")


def test_what_is_missing_and_what_comes_later_is_told_with_its_place():
    text = SMALLEST + "  - wss://0.0.0.0:8443\nstore: redis://10.0.0.9\n"
    assert mistakes(text) == [
        "edge.yaml:7:5: listen[1]: wss needs the section tls with certificate and private_key",
        "edge.yaml:8:8: store: Redis is not available in this version; use sqlite:PATH",
    ]


def test_clients_are_kept_beside_the_token_key():
    """One folder holds what must not be lost, wherever it is."""
    assert parse_config(SMALLEST, "edge.yaml", ENVIRONMENT).store == (
        "sqlite:/nonexistent/.local/state/sipmend/bindings.db"
    )
    text = SMALLEST + "token_key: keys/a.key\n"
    assert parse_config(text, "/etc/sipmend/edge.yaml", ENVIRONMENT).store == "sqlite:/etc/sipmend/keys/bindings.db"


def test_a_relative_store_counts_from_the_folder_of_the_file():
    text = SMALLEST + "store: sqlite:state/clients.db\n"
    assert parse_config(text, "/etc/sipmend/edge.yaml", ENVIRONMENT).store == "sqlite:/etc/sipmend/state/clients.db"
    assert parse_config(SMALLEST + "store: memory\n", "edge.yaml", ENVIRONMENT).store == "memory"


def test_a_mistyped_store_names_the_kinds():
    assert mistakes(SMALLEST + "store: memroy\n") == [
        "edge.yaml:7:8: store: should be memory, sqlite:PATH or redis://HOST, not 'memroy', did you mean memory"
    ]


def test_an_unreadable_certificate_is_named(tmp_path):
    (tmp_path / "edge.pem").write_text("x")
    text = SMALLEST + "tls:\n  certificate: edge.pem\n  private_key: edge.key\n"
    found = mistakes(text, file=str(tmp_path / "edge.yaml"))
    assert (
        f"{tmp_path}/edge.yaml:9:16: tls.private_key: {tmp_path}/edge.key cannot be read: No such file or directory"
        in found
    )


def test_every_certificate_file_is_read(tmp_path):
    text = SMALLEST.replace("server:\n", "server:\n  tls: {ca: ca.pem, certificate: own.pem, private_key: own.key}\n")
    text += (
        "tls:\n  certificate: edge.pem\n  private_key: edge.key\n  client_ca: phones.pem\n"
        "  certificates:\n    - {certificate: two.pem, private_key: two.key}\n"
    )
    found = mistakes(text, file=str(tmp_path / "edge.yaml"))
    names = {line.partition(" cannot be read")[0].rpartition("/")[2] for line in found}
    assert names == {
        "ca.pem", "own.pem", "own.key", "edge.pem", "edge.key", "phones.pem", "two.pem", "two.key",
    }  # fmt: skip


def test_a_key_that_others_can_read_is_refused(tmp_path):
    key = tmp_path / "token.key"
    key.write_text("ab" * 32)
    key.chmod(0o644)
    found = mistakes(SMALLEST + "token_key: token.key\n", file=str(tmp_path / "edge.yaml"))
    assert found == [
        f"{tmp_path}/edge.yaml:7:12: token_key: {key} has mode 0644, "
        f"so others can read or change the key: chmod 600 {key}"
    ]
    key.chmod(0o600)
    assert parse_config(SMALLEST + f"token_key: {key}\n", "edge.yaml", ENVIRONMENT).token_key == key


def test_a_key_that_is_not_there_yet_is_well(tmp_path):
    assert parse_config(SMALLEST + f"token_key: {tmp_path}/new.key\n", "edge.yaml", ENVIRONMENT)


def test_relative_paths_count_from_the_folder_of_the_file(tmp_path):
    file = tmp_path / "edge.yaml"
    file.write_text(SMALLEST + "log: {file: edge.log}\n")
    assert load_config(file, ENVIRONMENT).log.file == tmp_path / "edge.log"


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigErrors) as caught:
        load_config(tmp_path / "none.yaml", ENVIRONMENT)
    assert str(caught.value) == f"{tmp_path}/none.yaml:1:1: cannot be read: No such file or directory"


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ConfigErrors, match="cannot be read: Is a directory"):
        load_config(tmp_path, ENVIRONMENT)


def test_a_file_in_another_encoding_names_the_octet(tmp_path):
    file = tmp_path / "edge.yaml"
    file.write_bytes(b"server:\n  domain: caf\xe9.example\n")
    with pytest.raises(ConfigErrors) as caught:
        load_config(file, ENVIRONMENT)
    assert str(caught.value) == f"{file}:2:14: not UTF-8: the octet 0xe9 is not part of a character"


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    file = tmp_path / "edge.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + SMALLEST.encode())
    assert load_config(str(file), ENVIRONMENT).server.domain == "example.com"


def test_the_sample_loads_as_it_is():
    config = load_config(SAMPLE, ENVIRONMENT)
    assert [str(listener.uri) for listener in config.listen] == ["udp://0.0.0.0:5060", "tcp://0.0.0.0:5060"]


def test_the_sample_takes_its_addresses_from_the_environment():
    environ = {"SIP_DOMAIN": "pbx.example", "SIP_SERVER": "sip:192.0.2.5", "PUBLIC_ADDRESS": "edge.pbx.example"}
    config = load_config(SAMPLE, {**ENVIRONMENT, **environ})
    assert (config.server.domain, str(config.server.uri)) == ("pbx.example", "sip:192.0.2.5")
    assert config.public_address == "edge.pbx.example"


def test_what_the_sample_shows_as_default_is_the_default():
    """Every commented key that is not called an example, switched on, changes nothing."""
    text = SAMPLE.read_text()
    plain = load_config(SAMPLE, ENVIRONMENT)
    for shown in (
        "  bind: udp://0.0.0.0:5070",
        "  path: auto",
        "  contact_user: aor",
        "  options_gone: silent",
        "  health: {interval: 30s, timeout: 5s, give_up: 4s}",
        "  large_requests: tcp",
        "timers: {t1: 500ms, t2: 4s, t4: 5s, c: 185s}",
    ):
        commented = shown.replace(shown.strip(), "# " + shown.strip())
        assert text.count(commented + "\n") == 1, commented
        text = text.replace(commented + "\n", shown + "\n")
    for section in ("limits:", "admin:", "log:"):
        start = text.index(f"# {section}\n")
        end = text.index("\n\n", start)
        block = [line.removeprefix("# ") for line in text[start:end].splitlines() if "example" not in line]
        text = text[:start] + "\n".join(block) + text[end:]
    assert parse_config(text, str(SAMPLE), ENVIRONMENT) == plain


def test_the_examples_of_the_sample_are_understood(monkeypatch):
    """Every line of the sample that is commented out, switched on, is known to the models."""
    monkeypatch.setattr("proxy.config.load.certificate_files", lambda config: ())
    lines = []
    for line in SAMPLE.read_text().splitlines():
        bare = line.lstrip()
        content = bare.removeprefix("# ")
        key = content.lstrip().removeprefix("- ").removeprefix("{").partition(":")[0]
        is_key = bare.startswith("# ") and key.replace("_", "").replace("-", "").isalnum() and " " not in key
        lines.append(line.replace("# ", "", 1) if is_key and key not in ("sipmend", "yaml-language-server") else line)
    text = "\n".join(line for line in lines if not line.startswith("  uri: "))
    config = parse_config(text, "/etc/sipmend/sipmend.yaml", {"HOME": "/nonexistent"})
    assert len(config.server.targets) == 2
    assert config.listen[3].paths == ("/sip",)
    assert config.listen[4].contact == "leave"
    assert len(config.tls.certificates) == 1
    assert config.server.tls.ca == Path("/etc/sipmend/pbx-ca.pem")
    assert config.repair["contact-private"].mode == "report"
    assert config.log.file == Path("/var/log/sipmend.log")


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        ["off", "udp://0.0.0.0:5060", "sip:10.0.0.5", "30s", "64k", "${X}", "${X:-y}", "10.0.0.0/8", "stun:x"]
    ),
    st.text(max_size=12),
)
KEYS = st.sampled_from(
    [
        "server",
        "listen",
        "domain",
        "uri",
        "targets",
        "bind",
        "public_address",
        "limits",
        "linger",
        "guests",
        "repair",
        "profiles",
        "plugins",
        "rule",
        "name",
        "match",
        "mode",
        "store",
        "admin",
        "log",
        "tls",
        "certificate",
        "networks",
        "local",
        "token_key",
        "priority",
        "health",
        "interval",
        "lisen",
        "<<",
    ]
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(KEYS, TREES, max_size=6), st.booleans())
def test_any_file_gives_settings_or_located_mistakes(tree, flow):
    text = yaml.safe_dump(tree, default_flow_style=flow, allow_unicode=True)
    lines = text.count("\n") + 1
    found = None
    try:
        parse_config(text, "edge.yaml", ENVIRONMENT)
    except ConfigErrors as errors:
        found = errors.errors
    # A made-up tree hardly ever has all that is required: either way, never an exception of another kind.
    assert found is None or found
    assert all(1 <= error.line <= lines and error.column >= 1 and error.text for error in found or ())


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_any_text_gives_settings_or_located_mistakes(text):
    with pytest.raises(ConfigErrors):
        parse_config(text, "edge.yaml", ENVIRONMENT)
