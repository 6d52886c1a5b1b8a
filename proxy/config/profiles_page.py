"""docs/profiles.md, rendered from the shipped profiles: whom each is for, what it sets, why, and who reported it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from proxy.config.shipped import SHIPPED, Line, Shipped

PROFILES: Final = "docs/profiles.md"
_GITHUB: Final = re.compile(r"https://github\.com/([^/]+/[^/]+)/(issues|pull)/([0-9]+)")

_INTRODUCTION: Final = """\
# Client profiles

<!-- Rendered from proxy/config/shipped.py by `python -m proxy.config.render`. Do not edit. -->

A profile holds what is known of one kind of client. A client has one profile: the first that fits what it says in
User-Agent (in a response: or Server), its listener, its address and its AoR; yours come before the shipped ones.
`sipmend rules --for FILE` shows which one a message, or each client of a capture, gets, and `sipmend explain` and
`sipmend doctor` name it.

What a shipped profile says of rules counts less than the section `repair` of your file; what a profile of yours says
counts more. To change one, begin with it (`base`), or turn it off:

```yaml
profiles:
  - name: SIP.js          # the same clients, and all its settings but this one
    base: SIP.js
    expires_max: 60s
  - name: Zoiper
    enabled: false
  - name: lobby           # clients of your own
    match: {user_agent: ^Acme, network: [192.0.2.0/24]}
    repair: {sdp-private-address: repair}
```

All keys are in [Configuration](configuration.md#profiles). A line below may name what the default does anyway: the
defect is known of that client, and stays mended for it should the default change.
"""


def profiles_page() -> str:
    """The page (Markdown)."""
    return "\n".join([_INTRODUCTION, *(line for one in SHIPPED for line in _section(one))])


def _section(one: Shipped) -> Iterator[str]:
    yield f"## {one.profile.name}\n\n{one.about} Such as {_agents(one)}.\n"
    yield "| setting | value | why | source |\n|---|---|---|---|"
    for line in one.lines:
        value = line.value.replace("|", "\\|")
        yield f"| `{line.key}` | `{value}` | {line.why} | {_sources(line)} |"
    yield ""


def _agents(one: Shipped) -> str:
    return ", ".join(f"`{agent}`" for agent in one.agents)


def _sources(line: Line) -> str:
    return ", ".join(_source(source) for source in line.sources)


def _source(source: str) -> str:
    """A link; an issue by its repository and number, a file or page by its last part."""
    if not source.startswith("https://"):
        return source
    issue = _GITHUB.fullmatch(source)
    name = f"{issue[1]}#{issue[3]}" if issue else source.rstrip("/").rpartition("/")[2]
    return f"[{name}]({source})"
