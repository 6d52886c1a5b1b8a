"""Patterns that every supported Python matches alike: no possessive repetitions, no atomic groups."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

import architecture
import pytest
from architecture import Source

REASON = (
    "Python before 3.11.5 (Debian 12 has 3.11.2) matches possessive repetitions and atomic groups wrongly "
    "(cpython issues 100061 and 106052); see proxy/sip/abnf.py for what to write instead"
)

# What a pattern is made of, as far as it matters here: an escaped character, a set, what is refused, anything else.
PIECES = re.compile(
    r"(?P<escape>\\.)|(?P<set>\[\^?\]?(?:[^\]\\]|\\.)*\])|(?P<refused>\(\?>|(?:[*+?]|\{[0-9]*,?[0-9]*\})\+)|.",
    re.DOTALL,
)

# Modules whose constants are all fragments of patterns.
FRAGMENTS = ("proxy.sip.abnf",)

SOURCES = architecture.read_sources()


def refused_syntax(pattern: str) -> list[str]:
    return [found.group() for found in PIECES.finditer(pattern) if found.lastgroup == "refused"]


def constants(source: Source) -> dict[str, ast.expr]:
    """The names that the module itself gives a value, each with its last one."""
    found = {}
    for node in source.tree.body:
        if isinstance(node, ast.Assign):
            found.update({target.id: node.value for target in node.targets if isinstance(target, ast.Name)})
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            found[node.target.id] = node.value
    return found


def imported(source: Source, name: str, sources: Mapping[str, Source]) -> tuple[Source, str]:
    """The module of ours behind a name (`from a import b`): it and "", or that of a constant and the constant."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    parent = architecture.absolute_name(source, node)
                    if f"{parent}.{alias.name}" in sources:
                        return sources[f"{parent}.{alias.name}"], ""
                    if parent in sources:
                        return sources[parent], alias.name
    return source, ""


def text_of(node: ast.expr, source: Source, sources: Mapping[str, Source]) -> str:
    """The text of a pattern put together from constants; what is known only at run time is left out."""
    if isinstance(node, ast.Constant):
        value = node.value
        return value.decode("latin-1") if isinstance(value, bytes) else value if isinstance(value, str) else ""
    if isinstance(node, ast.BinOp):
        right = text_of(node.right, source, sources) if isinstance(node.op, ast.Add) else ""
        return text_of(node.left, source, sources) + right
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part, source, sources) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return text_of(node.value, source, sources)
    if isinstance(node, ast.Name):
        if node.id in constants(source):
            return text_of(constants(source)[node.id], source, sources)
        origin, name = imported(source, node.id, sources)
        return text_of(ast.Name(name), origin, sources) if name in constants(origin) else ""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        origin, _ = imported(source, node.value.id, sources)
        return text_of(ast.Name(node.attr), origin, sources) if node.attr in constants(origin) else ""
    return ""


def patterns(source: Source, sources: Mapping[str, Source]) -> Iterator[tuple[int, str]]:
    """Each pattern given to a function of `re`, with its line; in modules of fragments every constant."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            module = node.func.value
            if isinstance(module, ast.Name) and module.id == "re":
                yield node.lineno, text_of(node.args[0], source, sources)
    if source.name in FRAGMENTS:
        for node in constants(source).values():
            yield node.lineno, text_of(node, source, sources)


def complaints(source: Source, sources: Mapping[str, Source]) -> list[str]:
    return [
        f"{source.name}:{line}: {syntax} in {pattern}: {REASON}"
        for line, pattern in patterns(source, sources)
        for syntax in refused_syntax(pattern)
    ]


@pytest.mark.parametrize("source", SOURCES.values(), ids=lambda source: source.name)
def test_patterns_are_matched_alike_by_every_python(source):
    assert complaints(source, SOURCES) == []


def test_patterns_are_found_at_all():
    """The test above would pass on nothing; and patterns are read whole, fragments of other modules included."""
    found = {name: [text for _, text in patterns(source, SOURCES)] for name, source in SOURCES.items()}
    assert all(re.compile(text) for texts in found.values() for text in texts)
    assert len(found["proxy.sip.abnf"]) > 5
    assert any("[A-Za-z0-9._\\-]+" in text and "SIP/2" in text for text in found["proxy.sip.via"])
    assert sum(map(len, found.values())) > 30


@pytest.mark.parametrize(
    "pattern", ["a*+", "a++", "a?+", "a{2}+", "a{1,2}+", "(?:a|b)*+", "(?>a)", r"\++a?+", "[+]*+", r"[\]]?+", "[]]++"]
)
def test_refused_syntax(pattern):
    assert refused_syntax(pattern)


@pytest.mark.parametrize(
    "pattern", [r"a\++", r"a\*+", "[*+]", "[?+]+", r"[a\]*+]", "[]*+]", "(?:a+)+", "a+?", "x{2}", "(?:a|)", ""]
)
def test_other_syntax(pattern):
    assert refused_syntax(pattern) == []


@pytest.mark.parametrize(
    "text",
    [
        "import re\nre.compile('a++')",
        "import re\nX = re.compile(rb'a*+', re.DOTALL).fullmatch",
        "import re\ndef f(x):\n    return re.split('a?+', x)",
        "import re\nfrom p import abnf\nre.compile(b'[' + abnf.SET + b']*+' + unknown())",
        "import re\nfrom p import abnf\nre.compile(b'a' + abnf.BAD)",
        "import re\nfrom p.abnf import BAD as X\nre.compile(b'a' + X)",
        "import re\nN = 'a*'\nre.compile(f'{N}+')",
        "import re\nre.compile(b'a{2}+%s' % x)",
    ],
)
def test_a_module_with_a_refused_pattern(text):
    """Each of these small modules breaks the rule in another way of putting a pattern together."""
    abnf = Source.of("p.abnf", "from typing import Final\nSET: Final = b'*+'\nBAD: Final = rb'b++'")
    source = Source.of("p.x", text)
    found = complaints(source, {"p": Source.of("p", "", True), "p.abnf": abnf, "p.x": source})
    assert len(found) == 1
    assert "3.11.2" in found[0]
