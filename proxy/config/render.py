"""The settings as text: the effective ones as YAML, the reference page, the JSON Schema for editors.

`python -m proxy.config.render` writes the page and the schema into docs/.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from proxy.config.model import Config
from proxy.config.unavailable import ROWS
from proxy.config.units import REFERENCE_PATTERN
from proxy.config.uris import HostPort, ListenUri
from proxy.values import format_duration

REFERENCE = "docs/configuration.md"
SCHEMA = "docs/sipmend.schema.json"
_PASSWORD = re.compile(r"(://[^/@:]*:).*@")

_INTRODUCTION = """\
# Configuration

<!-- Rendered from proxy/config/model.py by `python -m proxy.config.render`. Do not edit. -->

sipmend reads one YAML file. `sipmend check -c FILE` names every mistake in it by file, line and column, tries the
addresses, ports and names it uses, and prints the settings in effect, defaults included. The smallest file:

```yaml
server:
  domain: example.com
  uri: sip:10.0.0.5:5060
public_address: 203.0.113.10
listen:
  - udp://0.0.0.0:5060
```

A commented sample is [deploy/sipmend.yaml](../deploy/sipmend.yaml). Editors that know JSON Schema complete and check
the file with [sipmend.schema.json](sipmend.schema.json): begin the file with
`# yaml-language-server: $schema=docs/sipmend.schema.json`.

## How values are written

| kind | written as |
|---|---|
| duration | a number with its unit: `500ms`, `30s`, `5m`, `12h`, `1d` |
| size in bytes | `65535`, `64k` (64 times 1024) or `1M` |
| network | `10.0.0.0/8`, `2001:db8::/32`, or one address |
| address | IPv4, or IPv6; in a URI an IPv6 address has brackets: `udp://[2001:db8::1]:5060` |
| listener | `TRANSPORT://ADDRESS:PORT`; without a port 5060 (udp, tcp), 5061 (tls), 80 (ws) or 443 (wss) |
| path | a relative one counts from the folder of the configuration file |
| `on`, `off` | with or without quotes; `true` and `false` mean the same |

`${NAME}` in a value is replaced from the environment, `${NAME:-default}` also where NAME is not set or empty; `$${`
stands for a plain `${`. Inside `{ }` and `[ ]` such a value needs quotes. Secrets come from files, not from here.
An unknown key, a key given twice and a value of the wrong kind are errors: nothing is ignored silently.
"""


def render_effective(config: Config) -> str:
    """All settings in effect as YAML, defaults included, passwords hidden. It is a valid configuration file."""
    data = config.model_dump(mode="json", exclude_none=True, by_alias=True)
    # None is a setting of its own here, and not the lack of one.
    data["admin"]["listen"] = "off" if config.admin.listen is None else str(config.admin.listen)
    data["store"] = _PASSWORD.sub(r"\1***@", data["store"])
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, default_flow_style=False, width=110)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the configuration file."""
    schema = _written(Config.model_json_schema(mode="validation"))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "sipmend configuration",
    }


def _written(node: Any) -> Any:
    """The schema with each default as it is written in the file."""
    if isinstance(node, list):
        return [_written(item) for item in node]
    if not isinstance(node, dict):
        return node
    result = {key: _written(value) for key, value in node.items()}
    default = result.get("default")
    if node.get("title") == "duration" and isinstance(default, float):
        result["default"] = format_duration(default)
    elif node.get("title") == "listener" and isinstance(default, dict):
        result["default"] = str(ListenUri.model_validate(default))
    elif node.get("title") == "address:port or off" and isinstance(default, dict):
        result["default"] = str(HostPort.model_validate(default))
    elif isinstance(default, dict):
        # The defaults of a section stand at its own keys.
        del result["default"]
    return result


def _referable(node: Any) -> Any:
    """The schema in which a reference to the environment may also stand for a word of a closed set."""
    if isinstance(node, list):
        return [_referable(item) for item in node]
    if not isinstance(node, dict):
        return node
    result = {key: _referable(value) for key, value in node.items()}
    if isinstance(result.get("enum"), list):
        words = {key: result.pop(key) for key in ("enum", "type") if key in result}
        result["anyOf"] = [words, {"type": "string", "pattern": REFERENCE_PATTERN}]
    return result


def render_schema() -> str:
    """The JSON Schema as it stands in the repository."""
    return json.dumps(_referable(json_schema()), indent=2, ensure_ascii=False) + "\n"


def render_reference() -> str:
    """The reference page (Markdown), one table per section."""
    schema = json_schema()
    parts = [_INTRODUCTION, "## The whole file\n", _table(schema, schema)]
    for title, definition in _sections(schema, schema, ""):
        parts += [
            f"## {title}\n",
            definition.get("description", "").split("\n\n")[0] + "\n",
            _table(definition, schema),
        ]
    parts += [_rules(), _later()]
    return "\n".join(parts)


def _sections(node: Mapping[str, Any], schema: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every section below the node in the order of the file: its dotted name and definition."""
    for key, field in node.get("properties", {}).items():
        definition, many = _definition(field, schema)
        if definition is not None:
            name = f"{prefix}{key}" + ("[]" if many else "")
            yield f"`{name}`", definition
            yield from _sections(definition, schema, name + ".")


def _definition(field: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[dict[str, Any] | None, bool]:
    """The section a key holds, if it holds one, and whether it is a list of them."""
    if "$ref" in field:
        return schema["$defs"][field["$ref"].rpartition("/")[2]], False
    for part in (*field.get("anyOf", ()), *field.get("allOf", ())):
        found, many = _definition(part, schema)
        if found is not None:
            return found, many
    if "items" in field:
        found, _ = _definition(field["items"], schema)
        return found, True
    return None, False


def _table(definition: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    lines = ["| key | kind | default | meaning |", "|---|---|---|---|"]
    required = definition.get("required", ())
    for key, field in definition["properties"].items():
        default = "**required**" if key in required else _default(field)
        lines.append(f"| `{key}` | {_kind(field, schema)} | {default} | {field.get('description', '')} |")
    return "\n".join(lines) + "\n"


def _kind(field: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if "$ref" in field:
        return "section"
    if "enum" in field:
        return " \\| ".join(f"`{word}`" for word in field["enum"] if isinstance(word, str))
    if field.get("type") == "array":
        return "list of " + _plural(_kind(field["items"], schema))
    if field.get("type") == "object":
        return _own_title(field) or "mapping of rule to mode or settings"
    if "anyOf" in field and not _own_title(field):
        kinds = [_kind(part, schema) for part in field["anyOf"] if part.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    return _own_title(field) or {"string": "text", "integer": "number"}.get(field.get("type", ""), "value")


def _own_title(field: Mapping[str, Any]) -> str:
    """The title given to a kind of value; those that pydantic makes up of key names start with a capital letter."""
    title = str(field.get("title", ""))
    return title if title[:1].islower() or title == "SIP URI" else ""


def _plural(kind: str) -> str:
    words = {
        "section": "sections",
        "network": "networks",
        "address or name": "addresses or names",
        "listener or section": "listeners (URI or section)",
        "rule or section": "rules (`module:NAME`, a path, a name, or a section)",
        "request path": "request paths",
        "web origin": "web origins",
    }
    return words.get(kind, kind)


def _default(field: Mapping[str, Any]) -> str:
    default = field.get("default")
    if default is None or default in ([], {}) or isinstance(default, dict):
        return ""
    return f"`{default}`"


def _rules() -> str:
    return """\
## Modes of rules

`off`: the rule does not look. `report`: it looks, counts and logs, and changes nothing. `repair`: it also repairs.
`sipmend rules` lists the rules and the mode each has by default. A rule with settings of its own takes a mapping:

```yaml
repair:
  contact-private: report
  contact-missing: {mode: repair, host: domain}
```
"""


def _later() -> str:
    keys = dict.fromkeys(".".join(str(step) for step in path).replace(".*", "[]") for path, _, _ in ROWS)
    names = ", ".join(f"`{key}`" for key in keys)
    return f"""\
## Not in this version

Some values of these keys are refused with a message that says what to use instead: {names}.
"""


def write_documents(root: Path) -> None:
    """Writes the reference page and the schema below the root of the repository."""
    (root / REFERENCE).write_text(render_reference(), encoding="utf-8")
    (root / SCHEMA).write_text(render_schema(), encoding="utf-8")


if __name__ == "__main__":
    write_documents(Path(__file__).parents[2])
