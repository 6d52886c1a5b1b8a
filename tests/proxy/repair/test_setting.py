"""Settings of rules: what each kind takes, and what it says of anything else."""

from __future__ import annotations

import pytest

from proxy.repair.rule import (
    DurationSetting,
    NumberSetting,
    Setting,
    SettingError,
    SwitchSetting,
    TextSetting,
    WordsSetting,
)

WORD = Setting("side", ("left", "right"), "Where.")
TEXT = TextSetting("prefix", "00", "What goes.")
DIGITS = TextSetting("prefix", "00", "What goes.", "[0-9]{1,4}")
NUMBER = NumberSetting("depth", 3, "How deep.", 1, 9)
SWITCH = SwitchSetting("strict", False, "How strict.")
DURATION = DurationSetting("least", 90.0, "How long.", 1.0, 3600.0)
WORDS = WordsSetting("hosts", ("a", "b"), "Which.")


@pytest.mark.parametrize(
    ("setting", "written", "read"),
    [
        (WORD, "right", "right"),
        (TEXT, "", ""),
        (TEXT, "ü +49", "ü +49"),
        (DIGITS, "0049", "0049"),
        (NUMBER, 1, 1),
        (NUMBER, "9", 9),
        (SWITCH, True, True),
        (SWITCH, "no", False),
        (SWITCH, "On", True),
        (DURATION, "2m", 120.0),
        (WORDS, [], ()),
        (WORDS, ["x", "y"], ("x", "y")),
        (WORDS, "x", ("x",)),
    ],
)
def test_what_is_taken(setting, written, read):
    assert setting.read(written) == read
    assert type(setting.read(written)) is type(read)


@pytest.mark.parametrize(
    ("setting", "written", "text"),
    [
        (WORD, "up", "expected one of left, right, got 'up'"),
        (WORD, 1, "expected one of left, right, got 1"),
        (TEXT, 49, "should be text, not 49: put it in quotes"),
        (TEXT, None, "should be text, not nothing"),
        (TEXT, "x\r\nRoute: <sip:evil>", "should be at most 200 printable characters"),
        (TEXT, "x" * 201, "should be at most 200 printable characters"),
        (DIGITS, "x", "should fit [0-9]{1,4}, and 'x' does not"),
        (DIGITS, "00000", "should fit [0-9]{1,4}, and '00000' does not"),
        (NUMBER, 10, "should be from 1 to 9, not 10"),
        (NUMBER, 0, "should be from 1 to 9, not 0"),
        (NUMBER, True, "should be a whole number, not true"),
        (NUMBER, 2.0, "should be a whole number, not 2.0"),
        (NUMBER, "2x", "should be a whole number, not '2x'"),
        (SWITCH, 1, "should be yes or no, not 1"),
        (SWITCH, "maybe", "should be yes or no, not 'maybe'"),
        (DURATION, 30, "30 has no unit, did you mean 30s"),
        (DURATION, "2h", "should be from 1s to 1h, not '2h'"),
        (DURATION, ["1s"], "a list is not a duration"),
        (WORDS, [1], "should be text, not 1"),
        (WORDS, 1, "should be a list of at most 1000 texts, not 1"),
        (WORDS, ["x"] * 1001, "should be a list of at most 1000 texts"),
        (WORDS, {"x": 1}, "should be a list of at most 1000 texts, not a mapping"),
    ],
)
def test_what_is_refused_and_why(setting, written, text):
    with pytest.raises(SettingError) as caught:
        setting.read(written)
    assert caught.value.name == setting.name
    assert text in caught.value.text


@pytest.mark.parametrize(
    ("setting", "kind", "default"),
    [
        (WORD, "`left`, `right`", "left"),
        (TEXT, "a text", '"00"'),
        (DIGITS, "a text like `[0-9]{1,4}`", '"00"'),
        (NUMBER, "a whole number from 1 to 9", "3"),
        (SWITCH, "`yes` or `no`", "no"),
        (DURATION, "a duration from 1s to 1h", "90s"),
        (WORDS, "a list of texts", "[a, b]"),
    ],
)
def test_what_documentation_says(setting, kind, default):
    assert (setting.kind, setting.written) == (kind, default)
