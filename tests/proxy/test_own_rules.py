"""The section `plugins`: its rules are loaded, judged and tried; every mistake has its place in the file."""

from __future__ import annotations

import sys

import pytest

from proxy.cli import read_config
from proxy.config.errors import ConfigErrors
from proxy.config.profiles import profiles_in_force
from proxy.ruling import chosen_rules
from tests.support.own_rule_files import GOOD, renamed

HEAD = "server: {domain: example.com, uri: 'sip:10.0.0.5'}\nlisten: ['udp://192.0.2.1:5060']\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a file of rules, from which Python imports too."""
    (tmp_path / "acme.py").write_text(GOOD)
    (tmp_path / "acme_module.py").write_text(renamed("acme-module"))
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def load(folder, monkeypatch):
    def load(text):
        path = folder / "edge.yaml"
        path.write_text(HEAD + text)
        monkeypatch.chdir("/")
        return read_config(str(path))

    return load


@pytest.fixture
def mistakes(load, folder):
    def mistakes(text):
        with pytest.raises(ConfigErrors) as caught:
            load(text)
        return [str(error).removeprefix(f"{folder}/") for error in caught.value.errors]

    return mistakes


def test_none_are_loaded_that_are_not_named(load):
    assert load("").own_rules.rules == ()


def test_they_come_behind_those_of_sipmend_in_their_order(load):
    config = load("plugins: ['acme_module:RULES', ./acme.py]\n")
    rules, modes = chosen_rules(config)
    assert [rule.name for rule in rules[-2:]] == ["acme-module", "acme-subject"]
    assert modes["acme-subject"] == "repair"


def test_modes_and_settings_come_from_everywhere_the_nearest_first(load):
    """The entry, over it `repair`, over that a profile: setting by setting."""
    config = load(
        "plugins: [{path: acme.py, mode: report, settings: {sign: x, least: 3}}]\n"
        "repair: {acme-subject: {least: 4}}\n"
        "profiles: [{name: desk, repair: {acme-subject: {mode: off, least: '5'}}}]\n"
    )
    rules, modes = chosen_rules(config)
    assert (modes["acme-subject"], rules[-1]._rule.sign, rules[-1]._rule.least) == ("report", b"x", 4)
    rules, modes = chosen_rules(config, profiles_in_force(config)[0])
    assert (modes["acme-subject"], rules[-1]._rule.sign, rules[-1]._rule.least) == ("off", b"x", 5)


def test_names_are_known_and_suggested_like_those_of_sipmend(load, mistakes):
    load("plugins: [acme.py]\nrepair: {acme-subject: off}\nprofiles: [{name: d, repair: {acme-subject: report}}]\n")
    text = "plugins: [acme.py]\nrepair:\n  acme-subjct: off\nprofiles:\n  - {name: d, repair: {acme-subjec: report}}\n"
    hint = "there is no repair rule of this name; did you mean acme-subject?"
    assert mistakes(text) == [
        f"edge.yaml:5:3: repair.acme-subjct: {hint}",
        f"edge.yaml:7:24: profiles[0].repair.acme-subjec: {hint}",
    ]


def test_settings_are_checked_where_they_stand(mistakes):
    assert mistakes(
        "plugins:\n  - path: acme.py\n    settings:\n      sign: X\n      leest: 3\n"
        "repair:\n  acme-subject: {least: 100}\n"
        "profiles:\n  - {name: d, repair: {acme-subject: {least: no}}}\n"
    ) == [
        "edge.yaml:6:13: plugins[0].settings.sign: should fit [a-z!]*, and 'X' does not",
        "edge.yaml:7:14: plugins[0].settings.leest: "
        "the rule acme-subject has no such setting; it has: mode, sign, least",
        "edge.yaml:9:25: repair.acme-subject.least: should be from 1 to 99, not 100",
        "edge.yaml:11:46: profiles[0].repair.acme-subject.least: should be a whole number, not 'no'",
    ]  # fmt: skip


def test_all_that_cannot_be_loaded_is_told_at_once_and_nothing_that_follows_from_it(mistakes, folder):
    (folder / "broken.py").write_text("\nx = (\n")
    found = mistakes(
        "plugins:\n  - broken.py\n  - none.py\n  - {rule: 'acme_modul:RULES'}\n  - acme-installed\n"
        "repair: {of-the-broken-one: off, maxfwd-missing: of}\nlimts: 3\n"
    )
    assert [line.partition(": ")[0] for line in found] == [
        "edge.yaml:4:5", "edge.yaml:5:5", "edge.yaml:6:12", "edge.yaml:7:5", "edge.yaml:8:50", "edge.yaml:9:1",
    ]  # fmt: skip
    text = "\n".join(found)
    assert "edge.yaml:4:5: plugins[0]: " in text
    assert "broken.py:2: SyntaxError: '(' was never closed" in text
    assert "edge.yaml:5:5: plugins[1]: " in text
    assert "none.py cannot be read: No such file or directory" in text
    assert "edge.yaml:6:12: plugins[2].rule: there is no module acme_modul" in text
    assert "edge.yaml:7:5: plugins[3]: no installed distribution has an entry point acme-installed" in text
    assert "of-the-broken-one" not in text
    assert "repair.maxfwd-missing: " in text
    assert "limts: unknown key" in text


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("RULES = ()", "RULES of {path} is empty"),
        ("RULES = 5", "RULES of {path} is no rule but int: give a subclass or an instance"),
        ("RULES = (QuietSubject, 'x')", "an item of RULES of {path} is no rule but str"),
        ("RULES = (RULES,)", "RULES of {path} is no rule but tuple"),
        ("RULES = QuietSubject.name", "is no rule but str"),
        ("class Bad(QuietSubject):\n    def __init__(self): 1 / 0\nRULES = Bad", "cannot be made: ZeroDivisionError"),
        ("QuietSubject.name = 'Acme'", "QuietSubject: `name` must be lower-case words"),
        ("QuietSubject.name = None", "QuietSubject: `name` must be lower-case words"),
        ("QuietSubject.touches = [b'subject']", "QuietSubject: `touches` must name the headers"),
        ("QuietSubject.touches = (b'call-id',)", "QuietSubject: `touches` names 'call-id', which no rule may edit"),
        ("del QuietSubject.repair", "QuietSubject: it does not define `repair`"),
        ("QuietSubject.rfc = property(lambda self: 1 / 0)", "cannot be examined: ZeroDivisionError"),
        ("QuietSubject.name = 'maxfwd-missing'", "maxfwd-missing: sipmend has a rule of this name; rename yours"),
        ("QuietSubject.name = 'server-domain'", "server-domain: sipmend has a rule of this name"),
        ("QuietSubject.name = 'restore-request-uri'", "restore-request-uri: sipmend has a rule of this name"),
        ("QuietSubject.name = 'maxfwd'", "maxfwd: it would stand for all rules of sipmend that begin so"),
        ("RULES = (QuietSubject, QuietSubject())", "acme-subject: two rules have this name; rename one of them"),
        ("QuietSubject.samples = (Sample('hello', 'hello'),)", "acme-subject: sample 1: it is no SIP message"),
        ("QuietSubject.samples = (Sample(BEFORE, BEFORE),)", "acme-subject: sample 1: what leaves is not what `after`"),
        (
            "QuietSubject.samples = (Sample(BEFORE.replace('HELLO', 'x'), BEFORE),)",
            "acme-subject: sample 1: the rule finds nothing in it",
        ),
        ("QuietSubject.repair = lambda *_: None", "sample 1: proxy.repair.watched.RuleError: repair has to return"),
        ("QuietSubject.repair = lambda *_: 1 / 0", "acme-subject: sample 1: ZeroDivisionError: division by zero"),
        (
            "QuietSubject.applies = lambda *_: Finding('it is there', 7)",
            "sample 1: proxy.repair.watched.RuleError: it finds the defect in its own repair again",
        ),
    ],
)  # fmt: skip
def test_rules_that_break_the_contract_do_not_come_into_a_proxy(mistakes, folder, code, told):
    path = folder / "acme.py"
    path.write_text(GOOD + code + "\n")
    (found,) = mistakes("plugins: [./acme.py]\n")
    assert found.startswith("edge.yaml:3:11: plugins[0]: ")
    assert told.format(path=path) in found


def test_two_plugins_of_one_name(mistakes):
    assert mistakes("plugins: [acme.py, {path: acme.py}]\n") == [
        "edge.yaml:3:27: plugins[1].path: acme-subject: plugins[0] has a rule of this name already; rename one of them"
    ]


def test_settings_for_several_rules_stand_under_repair(mistakes, folder):
    more = "class B(QuietSubject):\n    name = 'acme-b'\nRULES = (QuietSubject(), B())\n"
    (folder / "acme.py").write_text(GOOD + more)
    (found,) = mistakes("plugins: [{path: acme.py, settings: {least: 3}}]\n")
    assert "has several rules (acme-subject, acme-b): write their settings under repair" in found


MODEL = '''

from pydantic import BaseModel, ValidationError, model_validator
from proxy.repair.rule import SettingError


class Choice(BaseModel, extra="forbid"):
    low: int = 1
    high: int = 9

    @model_validator(mode="after")
    def ordered(self):
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


class Modelled(QuietSubject):
    settings = ()

    def configured(self, values):
        try:
            choice = Choice.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            raise SettingError(str(first["loc"][0]) if first["loc"] else "", first["msg"]) from error
        made = Modelled()
        made.choice = choice
        return made


RULES = (Modelled(),)
'''


def test_a_rule_may_bring_a_model_of_its_own(load, mistakes, folder):
    """Settings that depend on each other, and come from several places, are seen together."""
    (folder / "acme.py").write_text(GOOD + MODEL)
    config = load("plugins: [{path: acme.py, settings: {low: 5}}]\nrepair: {acme-subject: {high: 6}}\n")
    choice = chosen_rules(config)[0][-1]._rule.choice
    assert (choice.low, choice.high) == (5, 6)
    assert mistakes("plugins: [{path: acme.py, settings: {low: 5}}]\nrepair: {acme-subject: {high: 4, deep: 1}}\n") == [
        "edge.yaml:4:10: repair.acme-subject: Value error, low is above high",
        "edge.yaml:4:40: repair.acme-subject.deep: Extra inputs are not permitted",
    ]


@pytest.mark.parametrize("code", ["1 / 0", "return None", "return 5", "self.name = 'other'; return self"])
def test_a_rule_that_fails_on_its_settings_is_a_mistake_too(mistakes, folder, code):
    (folder / "acme.py").write_text(
        GOOD + f"class C(QuietSubject):\n    def with_settings(self, chosen): {code}\nRULES = C()\n"
    )
    (found,) = mistakes("plugins: [acme.py]\nrepair: {acme-subject: {least: 5}}\n")
    assert found.startswith("edge.yaml:4:10: repair.acme-subject: the rule ")
