"""The small types of the settings: durations, sizes, words, hosts, networks, files.

Each is a plain Python value in the model, written by people in a form of its own, and says what is wrong with it in
their words. Must not read files or the environment.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, ValidationInfo, WithJsonSchema

from proxy.values import format_duration, parse_duration, shown

_SIZE = re.compile(r"([0-9]{1,15})\s*([kKM]?)\Z")
_BYTES = {"": 1, "k": 1024, "K": 1024, "M": 1024 * 1024}
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\Z")

# In the schema a reference to the environment may stand for any value.
REFERENCE_PATTERN = r"\$\{"
DURATION_PATTERN = r"^(.*\$\{.*|[0-9]+(\.[0-9]+)?\s*(ms|s|m|h|d))$"
SIZE_PATTERN = r"^(.*\$\{.*|[0-9]+\s*[kKM]?)$"


def parse_size(value: object) -> int:
    """Bytes of `65535`, `64k` or `1M` (1024 and 1024 times 1024). ValueError otherwise."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _SIZE.match(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{shown(value)} is not a size in bytes: write 65535, 64k or 1M")
    return int(match[1]) * _BYTES[match[2]]


def parse_whole(value: object) -> object:
    """Whole numbers only: `true` is not 1, 5.0 is not 5. Digits in quotes (from the environment) are a number."""
    if isinstance(value, str) and re.fullmatch(r"[-+]?[0-9]{1,15}", value.strip()):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"should be a whole number, not {shown(value)}")
    return value


def switch_word(value: object) -> object:
    """`true` and `false`, and the booleans that other YAML tools make of on and off, are the words on and off."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return value


def parse_host(value: object) -> str:
    """An IP address (IPv6 with or without brackets) or a host name, in lower case, without brackets."""
    if not isinstance(value, str):
        raise ValueError(f"should be an IP address or a host name, not {shown(value)}")
    text = value.strip().removesuffix(".")
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return str(ip_address(bare))
    except ValueError:
        # Not an address: it may be a name.
        pass
    labels = text.split(".")
    if not text or len(text) > 253 or not all(_LABEL.match(label) for label in labels):
        if text.count(":") == 1 and text.rpartition(":")[2].isdigit():
            raise ValueError(f"{value} has a port: write the host alone") from None
        raise ValueError(f"{shown(value)} is neither an IP address nor a host name") from None
    if labels[-1].isdigit():
        # A name whose last label is a number is a mistyped IPv4 address (RFC 1123 section 2.1).
        raise ValueError(f"{value} is not a valid IPv4 address") from None
    return text.lower()


def host_family(host: str) -> int | None:
    """4 or 6 for an IP address, None for a name."""
    try:
        return ip_address(host).version
    except ValueError:
        return None


def is_wildcard(host: str) -> bool:
    """True for 0.0.0.0 and ::, which are addresses to listen on and never an address to send to."""
    return host_family(host) is not None and ip_address(host).is_unspecified


def parse_network(value: object) -> IPv4Network | IPv6Network:
    """A network such as 10.0.0.0/8, or one address."""
    if isinstance(value, (IPv4Network, IPv6Network)):
        return value
    if not isinstance(value, str):
        raise ValueError(f"should be a network such as 10.0.0.0/8, not {shown(value)}")
    try:
        return ip_network(value.strip())
    except ValueError:
        pass
    try:
        wider = ip_network(value.strip(), strict=False)
    except ValueError:
        raise ValueError(f"{shown(value)} is not a network: write 10.0.0.0/8 or one address") from None
    raise ValueError(f"{value} is an address inside a network, did you mean {wider}")


def parse_file(value: object, info: ValidationInfo) -> Path:
    """A path; a relative one counts from the folder of the configuration file (`folder` in the context)."""
    if not isinstance(value, (str, Path)) or not str(value).strip():
        raise ValueError(f"should be the path of a file, not {shown(value)}")
    folder = (info.context or {}).get("folder")
    return Path(folder, value) if folder is not None else Path(value)


def store_place(value: str, info: ValidationInfo) -> str:
    """`sqlite:PATH` with the path as of a file; other stores as they are."""
    kind, _, path = value.partition(":")
    return f"sqlite:{parse_file(path, info)}" if kind == "sqlite" else value


def bracketed(host: str) -> str:
    """The host as it stands in a URI."""
    return f"[{host}]" if host_family(host) == 6 and isinstance(ip_address(host), IPv6Address) else host


def _schema(kind: str, **more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", **more, "title": kind})


def whole_schema(least: int, most: int | None = None) -> WithJsonSchema:
    bounds = {"minimum": least} if most is None else {"minimum": least, "maximum": most}
    title = f"number, at least {least}" if most is None else f"number from {least} to {most}"
    reference = {"type": "string", "pattern": REFERENCE_PATTERN}
    return WithJsonSchema({"anyOf": [{"type": "integer", **bounds}, reference], "title": title})


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    _schema("duration", pattern=DURATION_PATTERN),
]
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": SIZE_PATTERN}],
            "title": "size in bytes",
        }
    ),
]
Whole = Annotated[int, BeforeValidator(parse_whole)]
Share = Annotated[Whole, Field(ge=0, le=65535), whole_schema(0, 65535)]
Port = Annotated[Whole, Field(ge=1, le=65535), whole_schema(1, 65535)]
Count = Annotated[Whole, Field(ge=1), whole_schema(1)]
Positive = Annotated[Duration, Field(gt=0)]
Host = Annotated[str, BeforeValidator(parse_host), _schema("address or name")]
Network = Annotated[
    IPv4Network | IPv6Network,
    BeforeValidator(parse_network),
    PlainSerializer(str, return_type=str),
    _schema("network"),
]
File = Annotated[Path, BeforeValidator(parse_file), PlainSerializer(str, return_type=str), _schema("path")]
