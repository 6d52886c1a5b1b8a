"""What docs/writing-a-rule.md shows works: the rule, its tests, the configuration, and what it says is exported."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from mypy import api

from proxy.cli import cli, read_config
from proxy.config.profiles import profiles_in_force
from proxy.new_rule import write_rule
from proxy.repair import rule
from proxy.repair.testing import request
from proxy.ruling import chosen_rules

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "writing-a-rule.md").read_text(encoding="utf-8")
RULE, TESTS = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
_YAML = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.M | re.S)
HEAD = "server: {domain: example.com, uri: 'sip:10.0.0.5'}\nlisten: ['udp://192.0.2.1:5060']\nstore: memory\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "acme_account.py").write_text(RULE, "utf-8")
    (tmp_path / "test_acme_account.py").write_text(TESTS, "utf-8")
    (tmp_path / "edge.yaml").write_text(HEAD + _YAML[1], "utf-8")
    return tmp_path


def test_its_tests_pass(folder):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)]
    ran = subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(ROOT), "PATH": ""}, capture_output=True, text=True, timeout=60
    )
    assert "4 passed" in ran.stdout, ran.stdout


def test_rules_can_be_checked_against_the_types_of_the_contract(folder, monkeypatch):
    """Those of the page and those that `new-rule` writes."""
    generated, *_ = write_rule("acme-subject", folder / "new")
    monkeypatch.setenv("MYPYPATH", str(ROOT))
    options = ["--strict", "--config-file=", f"--cache-dir={ROOT / '.mypy_cache'}"]
    said, errors, code = api.run([*options, str(generated), str(folder / "acme_account.py")])
    assert (code, errors) == (0, ""), said


def test_its_configuration_chooses_the_clients(folder):
    config = read_config(str(folder / "edge.yaml"))
    (acme,) = [one for one in profiles_in_force(config) if one.name == "acme"]
    assert chosen_rules(config)[1]["acme-account"] == "off"
    rules, modes = chosen_rules(config, acme)
    assert modes["acme-account"] == "repair"
    assert rules[-1].configured({}).name == "acme-account"


def test_explain_shows_it(folder):
    (folder / "edge.yaml").write_text(HEAD + "plugins: [./acme_account.py]\n", "utf-8")
    (folder / "invite.txt").write_text(request("INVITE", "Subject: ACCT 4711"), "utf-8")
    result = CliRunner().invoke(cli, ["explain", "-c", str(folder / "edge.yaml"), str(folder / "invite.txt")])
    assert result.exit_code == 1, result.output  # it repaired something
    assert "\n-Subject: ACCT 4711\n" in result.output
    assert "\n+X-Account: 4711\n" in result.output
    assert "acme-account (Subject): Subject holds the number of an account. RFC 3261 section 20.36." in result.output


def test_the_page_names_every_attribute():
    named = set(re.findall(r"`(\w+)`", PAGE))
    public = {name for name in vars(rule.Rule) if not name.startswith("_")} - {"configured"}
    rare = {"reaches", "unless", "never_off"}  # for speed, and for sipmend's own
    assert public - rare <= named | {"applies", "repair"}


def test_all_that_is_exported_exists():
    assert [name for name in rule.__all__ if not hasattr(rule, name)] == []


def test_the_command_is_the_one_there_is(tmp_path):
    assert "sipmend new-rule acme-account" in PAGE
    result = CliRunner().invoke(cli, ["new-rule", "acme-account", "--to", str(tmp_path / "acme-account")])
    assert result.exit_code == 0
    assert os.path.exists(tmp_path / _YAML[0].split()[-1])
