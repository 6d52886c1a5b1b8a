"""The scripts behind `make`, run with stand-ins for the programs of the system."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
TOOLS = ("sh", "tr", "grep", "dirname", "rm", "chmod", "cat")


class System:
    """A system that has only what a test puts there. Programs note their arguments in `calls`."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.calls = folder / "calls"
        self.policy = folder / "policy-rc.d"
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool))

    def program(self, name: str, script: str = "exit 0") -> None:
        path = self.bin / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>"{self.calls}"\n{script}\n')
        path.chmod(0o755)

    def run(self, script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", str(SCRIPTS / script), *arguments],
            env={
                "PATH": str(self.bin),
                "POLICY_RC_D": str(self.policy),
                "KAMAILIO_MODULES": str(self.bin),
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def called(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []


@pytest.fixture
def system(tmp_path):
    return System(tmp_path)


def with_peers(system: System, *names: str) -> None:
    for name in names:
        system.program(name)
        if name == "kamailio":
            (system.bin / "tls.so").touch()
            (system.bin / "websocket.so").touch()


OTHER_PEERS = ("baresip", "turnserver", "ip", "conntrack", "tcpdump", "chromium", "node", "npm")
ALL_PEERS = ("kamailio", "sipp", "sipsak", "promtool", "nft", *OTHER_PEERS)


class TestInstallPeers:
    def test_does_nothing_where_all_are_there(self, system):
        """No update of package lists, no network: `make test` is run often."""
        with_peers(system, *ALL_PEERS, "apt-get")
        result = system.run("install-peers.sh")
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
        assert system.called() == []

    def test_without_apt_says_what_is_missing_and_goes_on(self, system):
        with_peers(system, "kamailio", "nft", *OTHER_PEERS)
        result = system.run("install-peers.sh")
        assert result.returncode == 0
        assert "sipp (package sip-tester)" in result.stderr
        assert "WILL BE SKIPPED" in result.stderr

    def test_a_module_that_is_missing_is_a_package_of_its_own(self, system):
        with_peers(system, *ALL_PEERS)
        (system.bin / "tls.so").unlink()
        assert "(package kamailio-tls-modules): the same by TLS" in system.run("install-peers.sh").stderr

    def test_without_root_says_which_command_would_help(self, system):
        with_peers(system, "kamailio", "nft", "sipp", *OTHER_PEERS, "apt-get")
        system.program("id", "echo 1000")
        result = system.run("install-peers.sh")
        assert result.returncode == 0
        assert "apt-get install --no-install-recommends sipsak prometheus" in result.stderr
        assert [call for call in system.called() if call.startswith("apt-get")] == []

    def test_as_root_installs_what_is_missing_without_questions(self, system):
        with_peers(system, "kamailio", "nft", "sipp", *OTHER_PEERS)
        system.program("id", "echo 0")
        system.program("apt-get", f'[ "$DEBIAN_FRONTEND" = noninteractive ] && [ -x "{system.policy}" ]')
        system.program("apt-cache", "echo 'Candidate: 1.0'")
        result = system.run("install-peers.sh")
        assert result.returncode == 0, result.stderr
        installs = [call for call in system.called() if call.startswith("apt-get") and " install " in call]
        assert len(installs) == 1
        assert installs[0].endswith("install sipsak prometheus")
        assert " -y " in installs[0]

    def test_keeps_daemons_from_starting_and_cleans_up(self, system):
        """The file that says "start nothing" is there while packages install, and gone afterwards."""
        with_peers(system, "kamailio", "nft", *OTHER_PEERS, "sipp", "sipsak")
        system.program("id", "echo 0")
        system.program("apt-get", f'sh "{system.policy}"; echo "policy says $?" >>"{system.calls}"')
        system.program("apt-cache", "echo 'Candidate: 1.0'")
        system.run("install-peers.sh")
        assert "policy says 101" in system.called()
        assert not system.policy.exists()

    def test_leaves_a_policy_alone_that_was_there(self, system):
        system.policy.write_text("#!/bin/sh\nexit 101\n")
        with_peers(system, "kamailio", "nft", *OTHER_PEERS, "sipp", "sipsak")
        system.program("id", "echo 0")
        system.program("apt-get")
        system.program("apt-cache", "echo 'Candidate: 1.0'")
        system.run("install-peers.sh")
        assert system.policy.exists()

    @pytest.mark.parametrize("failing", ["update", "install"])
    def test_goes_on_where_apt_fails(self, system, failing):
        with_peers(system, "kamailio", "nft", *OTHER_PEERS, "sipp")
        system.program("id", "echo 0")
        system.program("apt-get", f'case "$*" in *{failing}*) exit 100;; esac')
        system.program("apt-cache", "echo 'Candidate: 1.0'")
        result = system.run("install-peers.sh")
        assert result.returncode == 0
        assert f"apt-get {failing} failed" in result.stderr
        assert not system.policy.exists()

    def test_installs_the_others_where_one_package_is_unknown(self, system):
        with_peers(system, "kamailio", "nft", "sipp", *OTHER_PEERS)
        system.program("id", "echo 0")
        system.program("apt-get")
        system.program("apt-cache", 'case "$2" in sipsak) echo "Candidate: (none)";; *) echo "Candidate: 2";; esac')
        result = system.run("install-peers.sh")
        assert result.returncode == 0
        assert "no sipsak" in result.stderr
        assert any(call.endswith("install prometheus") for call in system.called())


class TestInstallBrowserTests:
    """Packages come from the lock file, once."""

    @pytest.fixture
    def folder(self, tmp_path):
        folder = tmp_path / "browser"
        (folder / "node_modules").mkdir(parents=True)
        (folder / "package-lock.json").touch()
        return folder

    def outcome(self, system, folder):
        return system.run("install-browser-tests.sh", BROWSER_TESTS=str(folder))

    def test_installs_what_the_lock_file_says(self, system, folder):
        system.program("npm")
        assert self.outcome(system, folder).returncode == 0
        assert system.called() == ["npm ci --silent"]

    @pytest.mark.parametrize("newer", [True, False])
    def test_installs_again_only_when_the_lock_file_is_newer(self, system, folder, newer):
        system.program("npm")
        (folder / "node_modules" / ".package-lock.json").touch()
        os.utime(folder / "package-lock.json", (4e9, 4e9) if newer else (1e9, 1e9))
        result = self.outcome(system, folder)
        assert (result.returncode, result.stderr) == (0, "")
        assert len(system.called()) == newer

    def test_without_npm_says_what_will_be_skipped(self, system, folder):
        result = self.outcome(system, folder)
        assert result.returncode == 0
        assert "browser tests WILL BE SKIPPED. There is no npm here" in result.stderr

    def test_goes_on_where_npm_fails(self, system, folder):
        system.program("npm", "exit 1")
        result = self.outcome(system, folder)
        assert result.returncode == 0
        assert "npm ci failed" in result.stderr


class TestFindPython:
    def test_takes_the_one_that_is_named(self, system):
        result = system.run("find-python.sh", PYTHON=sys.executable)
        assert result.returncode == 0
        assert result.stdout.strip() == sys.executable

    def test_passes_over_one_that_is_too_old(self, system):
        system.program("python3", "exit 1")
        (system.bin / "python3.12").symlink_to(Path(sys.executable).resolve())
        result = system.run("find-python.sh")
        assert result.stdout.strip() == str(system.bin / "python3.12")

    def test_says_what_is_needed_where_there_is_none(self, system):
        result = system.run("find-python.sh")
        assert result.returncode == 1
        assert result.stdout == ""
        assert "needs Python 3.11, 3.12 or 3.13; found: none" in result.stderr

    def test_says_what_to_install_where_venv_is_missing(self, system):
        system.program("python3", 'case "$*" in *venv*) exit 1;; *--version*) echo Python 3.11.2;; esac')
        result = system.run("find-python.sh")
        assert result.returncode == 1
        assert "apt-get install python3-venv" in result.stderr


class TestCompiledBuild:
    """Where it can be made it is tested; where not, nobody overlooks that."""

    @pytest.fixture
    def environment(self, system, tmp_path):
        """An environment whose Python is this one."""
        (tmp_path / "venv" / "bin").mkdir(parents=True)
        (tmp_path / "venv" / "bin" / "python").symlink_to(sys.executable)
        return tmp_path / "venv"

    def outcome(self, system, environment, **more):
        return system.run("test-compiled.sh", str(environment), str(environment / "compiled"), CC="a-compiler", **more)

    @pytest.mark.parametrize("ci", ["", "true"])
    def test_without_compiler_says_so_loudly_and_goes_on(self, system, environment, ci):
        result = self.outcome(system, environment, CI=ci)
        assert result.returncode == 0
        assert "WILL NOT BE TESTED. There is no C compiler (a-compiler)" in result.stderr
        assert "apt-get install gcc" in result.stderr

    @pytest.mark.parametrize(("ci", "status"), [("", 0), ("true", 1)])
    def test_without_headers_of_python_fails_only_in_continuous_integration(self, system, environment, ci, status):
        """This Python looks for a header that no Python has."""
        system.program("a-compiler")
        (environment / "bin" / "python").unlink()
        python = environment / "bin" / "python"
        python.write_text(f'#!/bin/sh\nsed \'s,"Python.h","Nothing.h",\' | exec \'{sys.executable}\' "$@"\n')
        python.chmod(0o755)
        (system.bin / "sed").symlink_to(shutil.which("sed"))
        result = self.outcome(system, environment, CI=ci)
        assert result.returncode == status
        assert "WILL NOT BE TESTED. There is no " in result.stderr
        assert "apt-get install python3-dev" in result.stderr

    def test_compiles_where_it_can_and_fails_if_that_fails(self, system, environment):
        system.program("a-compiler")
        system.program("make", "exit 3")
        result = self.outcome(system, environment)
        assert result.returncode == 3
        assert system.called()[-1].endswith(" compile")


@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*.sh")), ids=lambda path: path.name)
def test_scripts_are_posix_sh_and_may_be_run(script):
    """Debian's sh is dash: no words of bash."""
    assert script.read_text().startswith("#!/bin/sh\n")
    assert script.stat().st_mode & 0o111
    assert subprocess.run(["sh", "-n", str(script)], check=False).returncode == 0
