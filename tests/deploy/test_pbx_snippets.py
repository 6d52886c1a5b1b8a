"""The configurations for the PBXs behind the proxy: readable by their programs, and with the settings that matter."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "pbx"
KAMAILIO = shutil.which("kamailio", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def asterisk_sections() -> dict[tuple[str, str], dict[str, str]]:
    """Settings by (name, type), templates merged in as Asterisk does."""
    templates: dict[str, dict[str, str]] = {}
    sections: list[tuple[str, dict[str, str]]] = []
    for line in (FOLDER / "asterisk-pjsip.conf").read_text().splitlines():
        line = line.partition(";")[0].strip()
        if line.startswith("["):
            name, _, rest = line[1:].partition("]")
            inherited = rest.strip("()")
            current: dict[str, str] = dict(templates[inherited]) if inherited not in ("", "!") else {}
            if inherited == "!":
                templates[name] = current
            else:
                sections.append((name, current))
        elif line:
            key, _, value = line.partition("=")
            current[key] = value
    return {(name, settings["type"]): settings for name, settings in sections}


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        (("alice", "endpoint"), "rewrite_contact", "no"),
        (("alice", "endpoint"), "force_rport", "yes"),
        (("alice", "aor"), "remove_unavailable", "yes"),
        (("alice", "aor"), "qualify_2xx_only", "yes"),
        (("alice", "aor"), "support_path", "yes"),
        (("alice", "endpoint"), "aors", "alice"),
    ],
)
def test_asterisk_keeps_the_contact_it_is_given(section, key, value):
    assert asterisk_sections()[section][key] == value


def test_asterisk_tells_clients_apart_by_user_first():
    """All clients arrive from one address: an address names none of them."""
    sections = asterisk_sections()
    assert sections["global", "global"]["endpoint_identifier_order"].split(",")[0] == "username"
    assert not [name for name, kind in sections if kind == "identify"]


def test_asterisk_listens_on_both_transports():
    kinds = {settings["protocol"] for (_, kind), settings in asterisk_sections().items() if kind == "transport"}
    assert kinds == {"udp", "tcp"}


def test_freeswitch_does_not_repair_a_second_time_and_trusts_no_address():
    profile = ElementTree.parse(FOLDER / "freeswitch-sofia.xml").getroot()
    settings = {param.get("name"): param.get("value") for param in profile.iter("param")}
    assert settings["aggressive-nat-detection"] == "false"
    assert settings["NDLB-received-in-nat-reg-contact"] == "false"
    assert settings["auth-calls"] == "true"
    assert settings["accept-blind-reg"] == "false"
    assert not [name for name in settings if name.endswith("-acl")]


@pytest.mark.interop
@pytest.mark.skipif(KAMAILIO is None, reason="kamailio is not installed: its configuration is not checked")
def test_kamailio_accepts_its_configuration():
    result = subprocess.run(
        [KAMAILIO, "-c", "-f", str(FOLDER / "kamailio.cfg")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_kamailio_leaves_the_contact_alone():
    text = (FOLDER / "kamailio.cfg").read_text()
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    assert not [word for word in ("fix_nated", "add_contact_alias", "force_rport") if word in code]
    assert 'modparam("registrar", "use_path", 1)' in code
