"""Every defect of the catalogue has a rule, or is mended by the core itself, and a test that is named after it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from proxy.repair.inherent import INHERENT
from tests.support.ladder import Ladder, nothing, record
from tests.support.world import World

TESTS = Path(__file__).parents[1]
BY_THE_CORE = (
    "ruri-wrong-user", "ruri-case-folded",
    "via-port-added", "via-extra-not-removed", "via-no-rport", "via-rport-unwanted", "via-branch-no-cookie",
    "via-branch-reused", "via-transport-mismatch", "via-received-self", "via-dtag",
    "ack-new-branch", "cancel-new-branch", "ack-no-route",
    "rr-no-transport", "rr-wss-param", "rr-no-lr", "rr-lost-in-2xx", "rr-bind-ip", "route-ignored",
    "expires-missing", "expires-shrink",
    "contact-register-foreign", "contact-rewrite-loop", "contact-redirect-nat", "contact-anon", "size-udp",
)  # fmt: skip
BY_RULES = (
    "contact-missing-request", "contact-missing-response", "contact-invalid-host", "contact-private",
    "contact-private-cgn", "contact-unspecified", "contact-private-server", "contact-port-mismatch",
    "contact-duplicate", "contact-user-missing", "contact-inconsistent", "contact-no-brackets", "contact-none-literal",
    "contact-user-semicolon", "contact-bad-param-chars", "contact-scheme-changed",
    "maxfwd-missing", "maxfwd-duplicate", "clen-missing", "clen-wrong",
    "from-no-tag", "to-tag-in-register", "display-unquoted", "ob-unsupported", "hdr-alert-info", "resp-subscribe-202",
)  # fmt: skip


def functions():
    return {
        node.name
        for path in TESTS.rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


NAMES = functions()


def test_the_catalogue_is_whole():
    assert len(BY_THE_CORE) + len(BY_RULES) == len({*BY_THE_CORE, *BY_RULES}) == 53


@pytest.mark.parametrize("row", BY_THE_CORE)
def test_row_is_declared_and_has_its_test(row):
    assert row in {repair.name for repair in INHERENT}
    assert "test_" + row.replace("-", "_") in NAMES


@pytest.mark.parametrize("row", BY_RULES)
def test_row_of_a_rule_has_its_test(row):
    assert "test_" + row.replace("-", "_") in NAMES


def test_maxfwd_missing(field, anna, pbx):
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com", max_forwards=None)
        << pbx.gets("MESSAGE", max_forwards=70)
        << record("maxfwd-missing", "Max-Forwards")
    )


def test_maxfwd_duplicate(field, anna, pbx):
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com", max_forwards=["50", "20"])
        << pbx.gets("MESSAGE", max_forwards=19)
        << record("maxfwd-duplicate", "Max-Forwards")
    )


def test_clen_missing():
    """A browser leaves it out; the server is reached by TCP."""
    world = World(targets=("tcp://10.0.0.5:5060",))
    alice = world.client("alice", "198.51.100.7:50112", via="SIP/2.0/WSS 9sh.invalid")
    server = world.server("server", transport=1)
    assert (
        Ladder(world)
        >> alice.sends("MESSAGE sip:bob@example.com", content_length=None, body=b"hello")
        << server.is_connected()
        << server.gets("MESSAGE", content_length=5)
        << record("clen-missing", "Content-Length")
    )


def test_clen_wrong(field, anna, pbx):
    """More than it says is cut; less is answered 400."""
    assert (
        Ladder(field)
        >> anna.sends("MESSAGE sip:bob@example.com", content_length=5, body=b"hello~~~")
        << pbx.gets("MESSAGE", content_length=5, body=b"hello")
        << record("clen-wrong", "Content-Length")
        >> anna.sends("MESSAGE sip:bob@example.com", content_length=9, body=b"hello")
        << anna.gets("400 the body is shorter than Content-Length says")
        << nothing
    )
