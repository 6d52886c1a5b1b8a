"""Complaints of pydantic become sentences for an administrator."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from proxy.config.errors import Origin
from proxy.config.fault import keys_at, located, meant
from proxy.config.model import Config


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    word: Literal["auto", "on", "off"] = "auto"
    one: Literal["only"] = "only"
    text: str = ""
    number: Annotated[int, Field(ge=1)] = 1
    items: Annotated[tuple[int, ...], Field(min_length=1)] = (1,)
    table: dict[str, int] = {}
    needed: int


class Outer(BaseModel):
    inner: Inner


def sentence(**inner):
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate({"inner": {"needed": 1, **inner}})
    return str(located(Origin("a"), Outer, caught.value.errors()[0])).partition("a:1:1: inner.")[2]


@pytest.mark.parametrize(
    ("inner", "text"),
    [
        ({"word": "atuo"}, "word: should be auto, on or off, not 'atuo', did you mean auto"),
        ({"word": 5}, "word: should be auto, on or off, not 5"),
        ({"one": "x"}, "one: should be only, not 'x'"),
        ({"text": 5}, "text: should be text, not 5: put it in quotes"),
        ({"text": []}, "text: should be text, not a list"),
        ({"number": 0}, "number: should be greater than or equal to 1, not 0"),
        ({"number": {}}, "number: should be a valid integer (here: a mapping)"),
        ({"items": []}, "items: should have at least one item"),
        ({"items": 5}, "items: should be a list (each item on a line of its own that begins with -), not 5"),
        ({"table": []}, "table: should be a section with keys of its own, not a list"),
        ({"nubmer": 5}, "nubmer: unknown key, did you mean number"),
        ({"zzz": 5}, "zzz: unknown key (known: word, one, text, number, items, table, needed)"),
    ],
)
def test_each_kind_of_mistake_has_its_sentence(inner, text):
    assert sentence(**inner) == text


def test_a_missing_key_is_named_in_full():
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate({"inner": {}})
    assert str(located(Origin("a"), Outer, caught.value.errors()[0])) == (
        "a:1:1: inner.needed: this required key is missing"
    )


def test_the_known_keys_of_every_section_are_found():
    assert "public_port" in keys_at(Config, ("listen", 0))
    assert "interval" in keys_at(Config, ("server", "health"))
    assert "priority" in keys_at(Config, ("server", "targets", 3))
    assert "certificate" in keys_at(Config, ("tls",))
    assert "user_agent" in keys_at(Config, ("profiles", 0, "match"))
    assert "mode" in keys_at(Config, ("profiles", 0, "repair", "contact-private"))
    assert "listen" in keys_at(Config, ())


@pytest.mark.parametrize("path", [("nothing",), ("server", "nothing", "more"), ("store",), ("store", 0)])
def test_there_are_no_keys_where_there_is_no_section(path):
    assert keys_at(Config, path) == []


def test_what_a_mistyped_key_was_meant_to_be():
    assert meant(Config, ("server", "helth")) == ("server", "health")
    assert meant(Config, ("zzzzz",)) is None
