"""What README and docs promise: YAML that loads, links that lead somewhere, metric names and commands that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from proxy.config.load import parse_config

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
HAND_WRITTEN = [
    page for page in PAGES if page.name in {"README.md", "getting-started.md", "operations.md", "browsers.md"}
]  # configuration.md and rules.md are rendered, and tested beside what renders them; headers.md by ladders

FILES = [
    pytest.param(text, id=f"{page.name}-{number}")
    for page in HAND_WRITTEN
    for number, text in enumerate(re.findall(r"^```yaml\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S))
]


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as they are made for links."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_readme_shows_a_file():
    assert any("README" in parameters.id for parameters in FILES)


@pytest.mark.parametrize("text", FILES)
def test_files_shown_are_right(text, monkeypatch):
    """Whoever copies a file from the documentation gets no error, once the certificates it names are there."""
    monkeypatch.setattr("proxy.config.load.certificate_files", lambda config: ())
    parse_config(text, "documented.yaml", {"HOME": "/nonexistent"})


def test_the_file_of_the_readme_is_about_ten_lines():
    readme = next(parameters.values[0] for parameters in FILES if "README" in parameters.id)
    assert len(readme.splitlines()) <= 10


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    dead = []
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_named_exist(page):
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"(?:`|^ {4})make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE))
    assert {name for name in named if f"\n{name}:" not in makefile} == set()


def test_every_page_is_within_reach_of_the_readme():
    """A page nobody links to is a page nobody reads."""
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [page.name for page in (ROOT / "docs").glob("*.md") if f"{page.name})" not in text] == []
