"""The section `headers`: what the documentation shows, and its conditions, through the real core in all directions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.support.flows import registration, shown
from tests.support.ladder import Ladder, note, record
from tests.support.world import World

PAGE = (Path(__file__).parents[2] / "docs" / "headers.md").read_text(encoding="utf-8")
_BLOCKS = re.findall(r"^```(yaml|diff)\n(.*?)^```", PAGE, re.M | re.S)
EXAMPLES = [
    pytest.param(next(t for kind, t in reversed(_BLOCKS[:place]) if kind == "yaml"), text, id=text.split("\n")[-2][2:])
    for place, (kind, text) in enumerate(_BLOCKS)
    if kind == "diff"
]


def field(*headers: dict, **more) -> World:
    world = World(clients=("udp://203.0.113.10:5060",), headers=list(headers), **more)
    world.client("anna", "198.51.100.7:5060")
    world.server("pbx")
    return world


def parties(world: World):
    return world.parties["anna"], world.parties["pbx"]


Headers = dict[str, list[str] | None]


def passes(world: World, what: str, sender: str, before: list[str], after: Headers, asked: Headers = {}) -> Ladder:  # noqa: B006
    """A message (method or status) with these header lines, and what its far end gets: all else as it was sent.

    `asked` is what the request before a status gets.
    """
    anna, pbx = parties(world)
    target, ladder = "sip:bob@example.com", Ladder(world)
    answered = what.isdigit()
    first, last = (anna, pbx) if (sender == "client") != answered else (pbx, anna)
    method = "MESSAGE" if answered else what
    arriving = f"{method} {target}"
    if first is pbx:
        ladder = ladder >> registration(anna, pbx, "T")
        target, arriving = shown(anna, "T").strip("<>"), f"{method} {anna.contact.strip('<>')}"
    expected, marked = keywords(after), keywords(asked)
    if answered:
        ladder = ladder >> first.sends(f"{method} {target}") << last.gets(arriving, **marked)
        return ladder >> last.sends(int(what), lines=tuple(before)) << first.gets(int(what), **expected)
    return ladder >> first.sends(f"{method} {target}", lines=tuple(before)) << last.gets(arriving, **expected)


def keywords(headers: Headers) -> Headers:
    return {name.lower().replace("-", "_"): values for name, values in headers.items()}


def ends(lines: list[str], signs: str) -> list[str]:
    return [line[2:] for line in lines if line[0] in signs]


@pytest.mark.parametrize(("section", "diff"), EXAMPLES)
def test_the_examples_of_the_documentation(section, diff):
    """What is not in the diff arrives as it was sent; a ladder says so of all headers."""
    sections = yaml.safe_load(section)
    title, *lines = diff.rstrip("\n").split("\n")
    found = re.fullmatch(r"  (\w+) of the (client|server)", title)
    assert found
    before, after = ends(lines, " -"), ends(lines, " +")
    names = dict.fromkeys(line.partition(":")[0] for line in lines_of(lines))
    expected = {name: [line.partition(": ")[2] for line in after if line.startswith(name + ":")] for name in names}
    world = field(*sections.pop("headers"), **sections)
    assert passes(world, found[1], found[2], before, {name: values or None for name, values in expected.items()})


def lines_of(lines: list[str]) -> list[str]:
    return ends(lines, " +-")


def test_the_page_has_an_example_of_each_action():
    entries = [entry for kind, text in _BLOCKS if kind == "yaml" for entry in yaml.safe_load(text)["headers"]]
    assert len(EXAMPLES) >= 9
    assert {"set", "add", "remove", "copy", "rename", "substitute"} <= {key for entry in entries for key in entry}


SET = {"name": "mark", "set": "X-Mark", "value": "1"}


@pytest.mark.parametrize(
    ("when", "meant"),
    [
        ({}, {"to_server request", "to_server response", "to_client request", "to_client response"}),
        ({"direction": "to_server"}, {"to_server request", "to_server response"}),
        ({"direction": "to_client"}, {"to_client request", "to_client response"}),
        ({"message": "request"}, {"to_server request", "to_client request"}),
        ({"message": "response", "direction": "to_server"}, {"to_server response"}),
        ({"method": "MESSAGE", "message": "response", "direction": "to_client"}, {"to_client response"}),
        ({"method": ["INVITE", "INFO"]}, set()),
        ({"profile": "desk"}, set()),
        ({"profile": ["desk", "net"], "direction": "to_server", "message": "request"}, {"to_server request"}),
        ({"header": "X-None"}, set()),
        ({"header": ["From", {"name": "X-None", "absent": True}], "direction": "to_server", "message": "request"},
         {"to_server request"}),
        ({"header": {"name": "f", "pattern": "ANNA@"}, "message": "request"}, {"to_server request"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("one", ["to_server request", "to_server response", "to_client request", "to_client response"])
def test_conditions(when, meant, one):
    profiles = [
        {"name": "desk", "match": {"network": ["192.0.2.0/24"]}},
        {"name": "net", "match": {"network": ["198.51.100.0/24"]}},
    ]
    world = field({**SET, "when": {"method": "MESSAGE", **when}}, profiles=profiles)
    sender = "client" if one.startswith("to_server") else "server"
    what = "MESSAGE" if one.endswith("request") else "200"
    asks = "to_server request" if one == "to_client response" else "to_client request"
    mark = {"X-Mark": ["1"]}
    assert passes(world, what, sender, [], mark if one in meant else {}, mark if asks in meant else {})


def test_an_entry_is_recorded_and_counted_like_a_rule():
    world = field({"name": "tidy", "remove": "Subject", "reason": "nobody reads it"})
    anna, pbx = parties(world)
    assert (
        Ladder(world)
        >> anna.sends("MESSAGE sip:bob@example.com", subject="hello")
        << record("tidy", "Subject", before="Subject: hello")
        << pbx.gets("MESSAGE sip:bob@example.com", subject=None)
    )
    assert world.counts.repairs["tidy", "Subject", "repair"] == 1


def test_an_entry_that_only_reports_changes_nothing():
    world = field({"name": "tidy", "mode": "report", "remove": "Subject"})
    anna, pbx = parties(world)
    assert (
        Ladder(world)
        >> anna.sends("MESSAGE sip:bob@example.com", subject="hello")
        << record("tidy", "Subject", before="Subject: hello")
        << pbx.gets("MESSAGE sip:bob@example.com")
    )


def test_each_entry_sees_what_the_ones_before_it_made():
    world = field(
        {"name": "first", "set": "X-Mark", "value": "1"},
        {"name": "second", "rename": "X-Mark", "to": "X-Sign"},
        {"name": "third", "copy": "X-Sign", "to": "Subject", "when": {"header": {"name": "X-Mark", "absent": True}}},
        {"name": "fourth", "mode": "off", "remove": "Subject"},
    )
    assert passes(world, "MESSAGE", "client", [], {"X-Sign": ["1"], "Subject": ["1"]})


def test_entries_are_met_behind_the_rules():
    """The PBX gets the name in quotes that the rule made of it."""
    world = field({"name": "who", "copy": "From", "to": "X-Who"}, repair={"display-unquoted": "repair"})
    anna, pbx = parties(world)
    assert (
        Ladder(world)
        >> anna.sends("MESSAGE sip:bob@example.com", from_="Änna <sip:anna@example.com>;tag=1")
        << pbx.gets(
            "MESSAGE sip:bob@example.com",
            from_='"Änna" <sip:anna@example.com>;tag=1',
            x_who='"Änna" <sip:anna@example.com>;tag=1',
        )
    )


def test_no_client_can_turn_an_entry_off():
    """What makes a message swell is left out for this one, counted and told once; the next one is changed again."""
    world = field({"name": "longer", "substitute": "X-Mark", "pattern": "a", "with": "b" * 500})
    swollen = passes(world, "MESSAGE", "client", ["X-Mark: " + "a" * 100], {})
    swollen.steps.insert(1, note("repair rule longer failed and was skipped for this message{*}"))
    assert swollen
    for _ in range(20):
        assert passes(world, "MESSAGE", "client", ["X-Mark: " + "a" * 100], {})
    assert world.counts.plugin_errors["longer"] == 21
    assert passes(world, "MESSAGE", "client", ["X-Mark: cat"], {"X-Mark": ["c" + "b" * 500 + "t"]})
