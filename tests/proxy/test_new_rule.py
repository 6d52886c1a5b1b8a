"""`sipmend new-rule`: four files that work as they are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from proxy.cli import cli, read_config
from proxy.new_rule import NewRuleError, write_rule
from proxy.rule_source import from_file

ROOT = Path(__file__).parents[2]
HEAD = "server: {domain: example.com, uri: 'sip:10.0.0.5'}\nlisten: ['udp://192.0.2.1:5060']\nstore: memory\n"


def test_four_files(tmp_path):
    made = write_rule("acme-subject", tmp_path / "new" / "rule")
    assert [path.name for path in made] == ["acme_subject.py", "test_acme_subject.py", "pyproject.toml", "README.md"]
    assert sorted(path.name for path in (tmp_path / "new" / "rule").iterdir()) == sorted(path.name for path in made)
    assert not any("@" in path.read_text("utf-8").replace("@example", "") for path in made)


@pytest.mark.filterwarnings("ignore::pytest.PytestCacheWarning")
def test_its_tests_pass_and_fail_where_the_rule_does(tmp_path):
    write_rule("acme-subject", tmp_path)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    good = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert "3 passed" in good.stdout, good.stdout
    rule = tmp_path / "acme_subject.py"
    rule.write_text(rule.read_text("utf-8").replace("[Remove(finding.line)]", "[]"), "utf-8")
    bad = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert "2 failed, 1 passed" in bad.stdout, bad.stdout


@pytest.mark.parametrize("entry", ["./rule/acme_subject.py", "rule/acme_subject.py"])
def test_what_its_page_says_goes_into_the_configuration(tmp_path, entry):
    write_rule("acme-subject", tmp_path / "rule")
    assert "  - ./acme_subject.py" in (tmp_path / "rule" / "README.md").read_text("utf-8")
    file = tmp_path / "edge.yaml"
    file.write_text(HEAD + f"plugins:\n  - {entry}\nrepair:\n  acme-subject: report\n")
    assert [rule.name for rule in read_config(str(file)).own_rules.rules] == ["acme-subject"]


def test_a_name_with_digits(tmp_path):
    write_rule("acme-302-to", tmp_path)
    (rule,) = from_file(tmp_path / "acme_302_to.py")  # type: ignore[misc]
    assert (rule.name, type(rule).__name__) == ("acme-302-to", "Acme302To")


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(NewRuleError, match=r"there already: .*README\.md"):
        write_rule("acme-subject", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Acme", "lower-case words joined by hyphens"),
        ("../x", "lower-case words"),
        ("a" * 61, "at most 60"),
        ("class", "Python has this word"),
        ("contact-private", "sipmend has a rule of this name"),
        ("maxfwd", "would stand for all rules"),
    ],
)
def test_names_that_cannot_be(tmp_path, monkeypatch, name, told):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, ["new-rule", name])
    assert (result.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert told in result.output


def test_the_command_names_what_it_wrote(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, ["new-rule", "acme-subject"])
    assert result.exit_code == 0
    assert result.output.splitlines()[0] == "acme-subject/acme_subject.py"


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(cli, ["new-rule", "acme-subject", "--to", str(tmp_path / "file" / "x")])
    assert result.exit_code == 2
    assert "file/x: Not a directory" in result.output
