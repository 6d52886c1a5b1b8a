"""The index of a target stands in Record-Routes: it names the same machine for as long as calls last."""

from __future__ import annotations

import pytest

from proxy.core.flows import Flows
from proxy.core.settings import CoreSettings
from proxy.core.targets import Targets
from proxy.flow import SERVER, UDP, Listener

LISTENER = Listener(0, SERVER, UDP, "10.0.0.2", 5070, "10.0.0.2", 5070)
A, B, C = ((UDP, f"10.0.0.{last}", 5060) for last in (5, 6, 7))


@pytest.fixture
def targets():
    return Targets(CoreSettings(b"example.com", (LISTENER,)), Flows((LISTENER,), 100, 1))


def test_another_order_of_the_same_addresses_moves_no_dialog(targets):
    """SRV records of one priority come in another order each time they are looked up (RFC 2782)."""
    targets.resolve((A, B))
    index = targets.all[0].index
    targets.resolve((B, A))
    assert targets.of_dialog(index, 0.0).address == A
    assert targets.choose(0.0).address == B


def test_a_new_address_takes_nobodys_index(targets):
    targets.resolve((A, B))
    first, second = (target.index for target in targets.all)
    targets.resolve((C, A, B))
    assert targets.of_dialog(first, 0.0).address == A
    assert targets.of_dialog(second, 0.0).address == B
    assert targets.of_dialog(targets.all[0].index, 0.0).address == C


def test_the_dialogs_of_an_address_that_went_are_the_next_ones(targets):
    targets.resolve((A, B))
    index = targets.all[0].index
    targets.resolve((B,))
    assert targets.of_dialog(index, 0.0).address == B
    targets.resolve((C, B))
    assert targets.of_dialog(index, 0.0).address == C, "by choice, and not because C took the index"
    assert targets.all[0].index != index


def test_an_address_that_comes_back_has_its_dialogs_again(targets):
    targets.resolve((A, B))
    index = targets.all[0].index
    targets.resolve((B,))
    targets.resolve((B, A))
    assert targets.of_dialog(index, 0.0).address == A


def test_an_index_has_one_character_however_often_the_server_moves(targets):
    for last in range(200):
        targets.resolve(((UDP, f"10.1.0.{last}", 5060), A))
        assert len({target.index for target in targets.all}) == 2
        assert all(0 <= target.index < 36 for target in targets.all)
    assert [target.address for target in targets.all] == [(UDP, "10.1.0.199", 5060), A]


def test_an_index_that_was_never_given_is_the_choice(targets):
    targets.resolve((A, B))
    assert targets.of_dialog(35, 0.0).address == A


def test_an_address_named_twice_is_one_target(targets):
    targets.resolve((A, B, A))
    assert [target.address for target in targets.all] == [A, B]
