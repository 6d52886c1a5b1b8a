"""The settings as text: effective YAML, reference page, JSON Schema."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from proxy.config.load import parse_config
from proxy.config.model import Config
from proxy.config.profiles_page import PROFILES, profiles_page
from proxy.config.render import (
    REFERENCE,
    SCHEMA,
    json_schema,
    render_effective,
    render_reference,
    render_schema,
    write_documents,
)

ROOT = Path(__file__).parents[3]
ENVIRONMENT = {"HOME": "/nonexistent"}
SMALLEST = "server: {domain: example.com, uri: 'sip:10.0.0.5'}\nlisten: [udp://10.0.0.2]\n"
FULL = """\
server:
  domain: example.com
  targets: [{uri: "sip:10.0.0.5;transport=tcp", priority: 2}, {uri: "sip:[2001:db8::5]:5070"}]
  bind: udp://[::]:5080
  address: 10.0.0.2
  path: off
  health: {interval: 1m, timeout: 1500ms}
  networks: [10.0.0.0/24, "2001:db8::/32"]
  aliases: [a.example]
  contact_user: token
  options_gone: 480
public_address: edge.example.com
listen:
  - tcp://[::]:5062
  - {uri: "udp://0.0.0.0", public_port: 5066, names: [e.example], proxies: [10.1.0.0/16], contact: leave}
repair:
  contact-private: off
  contact-missing: {mode: report, host: domain}
  via-no-rport: {depth: 5}
limits: {max_head: 16k, linger: 90m}
timers: {t1: 250ms}
admin: {listen: off}
log: {level: debug, format: json, file: /var/log/x.log}
networks: {local: [192.168.0.0/16]}
token_key: /nonexistent/x.key
"""


def mistakes(schema, value, root, path="$"):
    """The mistakes of a value by the part of JSON Schema that ours uses; an unknown keyword fails the test."""
    found = []
    for keyword, rule in schema.items():
        if keyword in ("title", "description", "default", "$defs", "$schema"):
            continue
        if keyword == "$ref":
            found += mistakes(root["$defs"][rule.rpartition("/")[2]], value, root, path)
        elif keyword == "anyOf":
            if all(mistakes(option, value, root, path) for option in rule):
                found.append(f"{path}: none of the forms")
        elif keyword == "type":
            kinds = {"string": str, "integer": int, "object": dict, "array": list, "null": type(None), "boolean": bool}
            allowed = tuple(kinds[name] for name in ([rule] if isinstance(rule, str) else rule))
            if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
                found.append(f"{path}: not {rule}")
        elif keyword == "enum":
            found += (
                [] if any(value == word and type(value) is type(word) for word in rule) else [f"{path}: not in {rule}"]
            )
        elif keyword == "pattern":
            found += [f"{path}: pattern"] if isinstance(value, str) and not re.search(rule, value) else []
        elif keyword in ("minimum", "maximum"):
            wrong = isinstance(value, int) and (value < rule if keyword == "minimum" else value > rule)
            found += [f"{path}: {keyword}"] if wrong else []
        elif keyword == "minItems":
            found += [f"{path}: too short"] if isinstance(value, list) and len(value) < rule else []
        elif keyword == "required":
            found += [f"{path}: lacks {key}" for key in rule if isinstance(value, dict) and key not in value]
        elif keyword == "items":
            for index, item in enumerate(value if isinstance(value, list) else []):
                found += mistakes(rule, item, root, f"{path}[{index}]")
        elif keyword in ("properties", "additionalProperties"):
            known = schema.get("properties", {})
            for key, item in value.items() if isinstance(value, dict) else ():
                if keyword == "properties" and key in known:
                    found += mistakes(known[key], item, root, f"{path}.{key}")
                elif keyword == "additionalProperties" and key not in known:
                    found += (
                        [f"{path}: unknown {key}"] if rule is False else mistakes(rule, item, root, f"{path}.{key}")
                    )
        else:
            pytest.fail(f"the schema uses {keyword}, which this test does not know")
    return found


def schema_mistakes(text):
    schema = json.loads(render_schema())
    return mistakes(schema, yaml.safe_load(text), schema)


@pytest.mark.parametrize("text", [SMALLEST, FULL])
def test_the_effective_settings_are_a_file_that_gives_the_same_settings(text):
    config = parse_config(text, "edge.yaml", ENVIRONMENT)
    assert parse_config(render_effective(config), "other.yaml", {}) == config


def test_the_effective_settings_name_every_default():
    shown = yaml.safe_load(render_effective(parse_config(SMALLEST, "edge.yaml", ENVIRONMENT)))
    assert shown["server"]["bind"] == "udp://0.0.0.0:5070"
    assert shown["limits"]["linger"] == "12h"
    assert shown["timers"] == {"t1": "500ms", "t2": "4s", "t4": "5s", "c": "185s"}
    assert shown["token_key"] == "/nonexistent/.local/state/sipmend/token.key"


def test_the_effective_settings_show_no_password():
    config = Config.model_validate({**yaml.safe_load(SMALLEST), "store": "redis://sip:secret/1@10.0.0.9:6379/0"})
    assert "secret" not in render_effective(config)
    assert "redis://sip:***@10.0.0.9:6379/0" in render_effective(config)


@pytest.mark.parametrize("text", [SMALLEST, FULL, (ROOT / "deploy" / "sipmend.yaml").read_text()])
def test_the_schema_accepts_good_files(text):
    assert schema_mistakes(text) == []


def test_the_schema_accepts_what_is_in_effect():
    assert schema_mistakes(render_effective(parse_config(FULL, "edge.yaml", ENVIRONMENT))) == []


def test_the_schema_accepts_references_to_the_environment():
    text = (
        SMALLEST
        + "limits: {guests: '${GUESTS:-5}', linger: '${LINGER}', max_head: '${HEAD}'}\nlog: {level: '${LEVEL}'}\n"
    )
    assert schema_mistakes(text) == []


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ("lisen: []", "$: unknown lisen"),
        ("limits: {linger: 30}", "$.limits.linger: not string"),
        ("limits: {linger: '30'}", "$.limits.linger: pattern"),
        ("limits: {guests: many}", "$.limits.guests: none of the forms"),
        ("limits: {guests: 0}", "$.limits.guests: none of the forms"),
        ("log: {level: debgu}", "$.log.level: none of the forms"),
        ("repair: {contact-private: repare}", "$.repair.contact-private: none of the forms"),
        ("listen: []", "$.listen: too short"),
        ("listen: [{uri: 'udp://0.0.0.0', prot: 5}]", "$.listen[0]: none of the forms"),
    ],
)
def test_the_schema_finds_mistakes(more, where):
    text = SMALLEST if not more.startswith("listen:") else SMALLEST.partition("listen")[0]
    assert schema_mistakes(text + more + "\n") == [where]


def test_the_defaults_in_the_schema_are_written_as_in_the_file():
    definitions = json_schema()["$defs"]
    assert definitions["Limits"]["properties"]["linger"]["default"] == "12h"
    assert definitions["ServerSettings"]["properties"]["bind"]["default"] == "udp://0.0.0.0:5070"
    assert definitions["AdminSettings"]["properties"]["listen"]["default"] == "127.0.0.1:9060"


def test_the_reference_page_has_every_key_with_a_meaning():
    page = render_reference()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    for definition in [json_schema(), *json_schema()["$defs"].values()]:
        for key, field in definition.get("properties", {}).items():
            assert any(row.startswith(f"| `{key}` |") and field.get("description", "") in row for row in rows), key
    tables = [row for row in rows if row.count(" | ") >= 3]
    assert all(row.rstrip(" |").rpartition(" | ")[2] for row in tables)


@pytest.mark.parametrize(
    ("file", "render"), [(REFERENCE, render_reference), (SCHEMA, render_schema), (PROFILES, profiles_page)]
)
def test_the_documents_in_the_repository_are_up_to_date(file, render):
    assert (ROOT / file).read_text(encoding="utf-8") == render(), "run: python -m proxy.config.render"


def test_the_documents_are_written_where_they_belong(tmp_path):
    (tmp_path / "docs").mkdir()
    write_documents(tmp_path)
    assert (tmp_path / REFERENCE).read_text() == render_reference()
    assert (tmp_path / SCHEMA).read_text() == render_schema()
