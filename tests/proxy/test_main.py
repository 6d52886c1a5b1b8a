"""How sipmend is started: as a command and as a module, with the reactor handed in."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points, version

import pytest


def test_command_is_declared():
    (script,) = entry_points(group="console_scripts", name="sipmend")
    assert script.value == "proxy.__main__:main"


@pytest.mark.parametrize(
    "arguments", [["-m", "proxy", "--version"], ["-c", "from proxy.__main__ import main; main()", "--version"]]
)
def test_both_ways_start_the_same(arguments):
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout.strip().endswith(f"version {version('sipmend')}")


def test_commands_get_the_reactor():
    code = """
from unittest import mock
from twisted.internet import reactor
import proxy.__main__
with mock.patch("proxy.__main__.cli") as cli:
    proxy.__main__.main()
assert cli.call_args == mock.call(obj=reactor), cli.call_args
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
