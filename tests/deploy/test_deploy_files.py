"""The Dockerfile, the compose file and the systemd unit: what would only be found out on somebody's server."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


def dockerfile() -> list[tuple[str, str]]:
    """The instructions in order, continued lines joined."""
    text = re.sub(r"\\\n\s*", "", (DEPLOY / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines]


def values(instruction: str) -> list[str]:
    return [value for name, value in dockerfile() if name == instruction]


class Unit(configparser.RawConfigParser):
    """A unit file; a key that is given twice keeps both values, one per line."""

    def __init__(self) -> None:
        super().__init__(strict=False, interpolation=None, delimiters=("=",))
        self.optionxform = str  # type: ignore[method-assign,assignment]  # keys are case-sensitive
        self.read_string((DEPLOY / "sipmend.service").read_text())


class TestDockerfile:
    def test_base_is_pinned_in_both_stages(self):
        bases = [value.split()[0] for value in values("FROM")]
        assert len(bases) == 2
        assert all(re.fullmatch(r"python:3\.12-slim(-\w+)?", base) for base in bases)

    def test_does_not_run_as_root(self):
        assert values("USER") == ["10060:10060"]
        names = [name for name, _ in dockerfile()]
        assert names.index("USER") < names.index("ENTRYPOINT")

    def test_everything_copied_exists_and_is_let_through(self):
        """What the ignore file leaves out cannot be copied."""
        ignore = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
        copied = [part for value in values("COPY") if "--from" not in value for part in value.split()[:-1]]
        assert copied
        for name in copied:
            assert (ROOT / name).exists(), name
            assert f"!{name}" in ignore

    def test_health_is_asked_without_further_programs(self):
        """The slim image has no curl: Python asks."""
        check = values("HEALTHCHECK")[0]
        assert "curl" not in check
        command = yaml.safe_load(check.partition("CMD")[2])
        assert command[0].endswith("/python")
        compile(command[2], "healthcheck", "exec")
        assert "http://127.0.0.1:9060/healthz" in command[2]

    def test_is_stopped_by_the_signal_that_drains(self):
        assert values("STOPSIGNAL") == ["SIGTERM"]

    def test_starts_without_a_shell(self):
        """A shell in between would keep signals from the proxy."""
        assert values("ENTRYPOINT")[0].startswith("[")
        assert yaml.safe_load(values("CMD")[0]) == ["run", "-c", "/etc/sipmend/sipmend.yaml"]


class TestCompose:
    COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())

    def test_proxy_sees_the_true_addresses(self):
        assert self.COMPOSE["services"]["sipmend"]["network_mode"] == "host"

    def test_proxy_has_no_powers(self):
        service = self.COMPOSE["services"]["sipmend"]
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"] is True
        assert "no-new-privileges:true" in service["security_opt"]

    def test_image_is_built_from_this_tree(self):
        build = self.COMPOSE["services"]["sipmend"]["build"]
        assert (DEPLOY / build["context"] / build["dockerfile"]).resolve() == DEPLOY / "Dockerfile"

    def test_every_mounted_file_exists(self):
        sources = [
            volume.split(":")[0] for service in self.COMPOSE["services"].values() for volume in service["volumes"]
        ]
        files = [source for source in sources if source.startswith(".")]
        assert files
        assert [name for name in files if not (DEPLOY / name).is_file()] == []
        assert {source for source in sources if not source.startswith(".")} == set(self.COMPOSE["volumes"])

    def test_images_are_pinned(self):
        images = [service["image"] for service in self.COMPOSE["services"].values()]
        assert all(re.search(r":v?\d", image) for image in images)


class TestUnit:
    UNIT = Unit()

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("DynamicUser", "yes"),
            ("StateDirectory", "sipmend"),
            ("ProtectSystem", "strict"),
            ("ProtectHome", "yes"),
            ("NoNewPrivileges", "yes"),
            ("CapabilityBoundingSet", ""),
            ("AmbientCapabilities", ""),
            ("PrivateTmp", "yes"),
            ("PrivateDevices", "yes"),
            ("RestrictNamespaces", "yes"),
            ("LockPersonality", "yes"),
            ("SystemCallArchitectures", "native"),
        ],
    )
    def test_is_hardened(self, key, value):
        assert self.UNIT["Service"][key] == value

    def test_starts_the_command_with_the_usual_file(self):
        command = shlex.split(self.UNIT["Service"]["ExecStart"])
        assert command[1:] == ["run", "-c", "/etc/sipmend/sipmend.yaml"]

    def test_reload_checks_the_file_first(self):
        text = (DEPLOY / "sipmend.service").read_text()
        first, second = re.findall(r"^ExecReload=(.*)$", text, re.MULTILINE)
        assert shlex.split(first)[1:] == ["check", "-c", "/etc/sipmend/sipmend.yaml"]
        assert shlex.split(second)[1:] == ["-HUP", "$MAINPID"]

    def test_comes_back_after_a_failure_and_gives_up_in_the_end(self):
        """At boot a name may not resolve yet; wrong settings would fail for ever."""
        assert self.UNIT["Service"]["Restart"] == "on-failure"
        attempts = int(self.UNIT["Unit"]["StartLimitBurst"])
        pause = int(self.UNIT["Service"]["RestartSec"].removesuffix("s"))
        assert self.UNIT["Unit"]["StartLimitIntervalSec"] == "5min"
        # The limit can only be reached if that many attempts fit into the interval.
        assert attempts * pause < 5 * 60

    def test_sip_and_unix_sockets_only(self):
        assert set(self.UNIT["Service"]["RestrictAddressFamilies"].split()) == {"AF_INET", "AF_INET6", "AF_UNIX"}

    @pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
    def test_systemd_understands_it(self, tmp_path):
        """`verify` also looks for the programs, so the command is replaced by one that is there."""
        unit = tmp_path / "sipmend.service"
        unit.write_text((DEPLOY / "sipmend.service").read_text().replace("/opt/sipmend/bin/sipmend", "/bin/true"))
        result = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(unit)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        complaints = [line for line in result.stderr.splitlines() if "sipmend.service" in line]
        assert complaints == []
