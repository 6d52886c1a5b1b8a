"""`sipmend new-rule`: the four files of a repair rule of one's own, which work as they are and wait for changes.

The rule itself, its tests, what installs it, and a page that says how to use it.
"""

from __future__ import annotations

import keyword
from pathlib import Path

from proxy.repair.contract import LONGEST_NAME, NAME


class NewRuleError(ValueError):
    """Files that cannot be made; the text says why."""


def write_rule(name: str, folder: Path) -> list[Path]:
    """Writes the files of a rule of that name into the folder, and makes the folder. Raises NewRuleError.

    Nothing is overwritten: where one of the files is there already, none is written.
    """
    if len(name) > LONGEST_NAME or NAME(name) is None:
        text = "a rule is named by lower-case words joined by hyphens, at most"
        raise NewRuleError(f"{name}: {text} {LONGEST_NAME} characters, such as acme-subject")
    module = name.replace("-", "_")
    if keyword.iskeyword(module):
        raise NewRuleError(f"{name}: Python has this word for itself; choose another name")
    words = {"@NAME@": name, "@MODULE@": module, "@CLASS@": "".join(word.capitalize() for word in name.split("-"))}
    files = {
        folder / f"{module}.py": _RULE,
        folder / f"test_{module}.py": _TEST,
        folder / "pyproject.toml": _PROJECT,
        folder / "README.md": _README,
    }
    there = [str(path) for path in files if path.exists()]
    if there:
        raise NewRuleError(f"there already: {', '.join(there)}; choose another name or folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            path.write_text(_filled(text, words), encoding="utf-8")
    except OSError as error:
        raise NewRuleError(f"{error.filename or folder}: {error.strerror or error}") from error
    return list(files)


def _filled(text: str, words: dict[str, str]) -> str:
    for mark, word in words.items():
        text = text.replace(mark, word)
    return text


_RULE = '''\
"""@NAME@: a repair rule for sipmend. What stands here works: it takes an empty Subject out of requests of clients.

Everything that `proxy.repair.rule` exports is stable.
"""

from __future__ import annotations

from proxy.repair.rule import REPAIR, REQUEST_IN, Context, Edit, Finding, Message, Remove, Rule, Sample


class @CLASS@(Rule):
    name = "@NAME@"
    rfc = "RFC 3261 section 20.36"  # where right behaviour is defined
    summary = "Take an empty Subject out."
    stages = (REQUEST_IN,)  # where the rule meets messages: here, requests on their way to the server
    methods = ()  # all of them; (b"INVITE",) would be one
    touches = (b"subject",)  # the headers that it may change
    default = REPAIR
    source = ()  # where the defect was reported
    samples = (
        Sample(
            before="""\\
MESSAGE sip:bob@example.com SIP/2.0
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKa
Max-Forwards: 70
From: <sip:alice@example.com>;tag=1
To: <sip:bob@example.com>
Call-ID: c1
CSeq: 1 MESSAGE
Subject:
Content-Length: 0

""",
            after="""\\
MESSAGE sip:bob@example.com SIP/2.0
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKa
Max-Forwards: 70
From: <sip:alice@example.com>;tag=1
To: <sip:bob@example.com>
Call-ID: c1
CSeq: 1 MESSAGE
Content-Length: 0

""",
        ),
    )

    def applies(self, message: Message, context: Context) -> Finding | None:
        """The defect, with a sentence for an operator; None without one. Changes nothing."""
        line = message.index(b"subject")
        if line < 0 or message.value(b"subject"):
            return None
        return Finding("Subject is empty", line)

    def repair(self, message: Message, finding: Finding, context: Context) -> list[Edit]:
        """What mends it. Met again, the rule has to find nothing."""
        return [Remove(finding.line)]


RULES = (@CLASS@(),)
'''

_TEST = '''\
"""Tests of the rule @NAME@. They run with pytest in the environment of sipmend."""

from __future__ import annotations

from @MODULE@ import @CLASS@
from proxy.repair.testing import check, put, request

RULE = @CLASS@()


def test_contract_and_samples():
    check(RULE)


def test_an_empty_subject_goes():
    run = put(request("INVITE", "Subject:"), RULE)
    assert run.fired == ["@NAME@"]
    assert run.lines("Subject") == []


def test_what_is_right_stays():
    right = request("INVITE", "Subject: lunch")
    assert put(right, RULE).text == right
    assert put(request("INVITE"), RULE).fired == []
'''

_PROJECT = """\
[build-system]
requires = ["setuptools>=65"]
build-backend = "setuptools.build_meta"

[project]
name = "sipmend-@NAME@"
version = "0.1.0"
description = "A repair rule for sipmend"
requires-python = ">=3.11"
dependencies = ["sipmend"]

[project.entry-points."sipmend.rules"]
@NAME@ = "@MODULE@:RULES"

[tool.setuptools]
py-modules = ["@MODULE@"]
"""

_README = """\
# @NAME@

A repair rule for sipmend: takes an empty Subject out of requests of clients.

Try it, in the environment of sipmend:

    python -m pytest

Use it, in the configuration of sipmend, by the path of its file:

```yaml
plugins:
  - ./@MODULE@.py
```

or installed (`pip install .` in the environment of sipmend), by its name:

```yaml
plugins:
  - @NAME@
```

`mode: report` tries it out first: what it finds is counted and logged, and nothing changes.

```yaml
repair:
  @NAME@: report
```

`sipmend check -c FILE` tries its samples, and `sipmend explain -c FILE MESSAGE` shows what it does to a message.
"""
