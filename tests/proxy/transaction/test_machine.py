"""Every cell of the four machines is named, and only Terminated ends a transaction."""

from __future__ import annotations

import gc
import inspect

import pytest
from played import SIDE_C, SIDE_C_TCP, Heard, Stage, request, response, tcp_flow, udp_flow

from proxy.transaction import invite_client, invite_server, machine, non_invite_client, non_invite_server
from proxy.transaction.invite_client import InviteClient
from proxy.transaction.invite_server import Answer, InviteServer
from proxy.transaction.machine import (
    ACCEPTED,
    BY_CLASS,
    CALLING,
    COMPLETED,
    CONFIRMED,
    GOT_ACK,
    INPUTS,
    PROCEEDING,
    R1XX,
    R2XX,
    R3_6XX,
    REQUEST,
    STATES,
    TERMINATED,
    TIMER_100,
    TIMER_A,
    TIMER_B,
    TIMER_C,
    TIMER_D,
    TIMER_E,
    TIMER_F,
    TIMER_G,
    TIMER_H,
    TIMER_I,
    TIMER_J,
    TIMER_K,
    TIMER_L,
    TIMER_M,
    TRANSPORT_ERROR,
    TRYING,
    TU_1XX,
    TU_2XX,
    TU_3_6XX,
    TU_BY_CLASS,
    Transaction,
    fold,
    nothing,
)
from proxy.transaction.non_invite_client import NonInviteClient
from proxy.transaction.non_invite_server import NonInviteServer
from proxy.transaction.timers import NEVER

RESPONSES = {R1XX, R2XX, R3_6XX}
FROM_TU = {TU_1XX, TU_2XX, TU_3_6XX}
# What each machine can see at all, and where it can be (RFC 3261 figures 5 to 8 as corrected by RFC 6026).
MACHINES = {
    "INVITE client": (
        invite_client,
        {CALLING, PROCEEDING, COMPLETED, ACCEPTED},
        RESPONSES | {TRANSPORT_ERROR, TIMER_A, TIMER_B, TIMER_C, TIMER_D, TIMER_M},
    ),
    "INVITE server": (
        invite_server,
        {PROCEEDING, COMPLETED, CONFIRMED, ACCEPTED},
        FROM_TU | {REQUEST, GOT_ACK, TRANSPORT_ERROR, TIMER_100, TIMER_G, TIMER_H, TIMER_I, TIMER_L},
    ),
    "non-INVITE client": (
        non_invite_client,
        {TRYING, PROCEEDING, COMPLETED},
        RESPONSES | {TRANSPORT_ERROR, TIMER_E, TIMER_F, TIMER_K},
    ),
    "non-INVITE server": (
        non_invite_server,
        {TRYING, PROCEEDING, COMPLETED},
        FROM_TU | {REQUEST, TRANSPORT_ERROR, TIMER_100, TIMER_J},
    ),
}


@pytest.mark.parametrize(("module", "states", "alphabet"), MACHINES.values(), ids=MACHINES)
class TestCells:
    def test_every_cell_is_named_once(self, module, states, alphabet):
        """Table, IGNORED and IMPOSSIBLE are every cell and do not overlap: no default branch swallows anything."""
        table, ignored, impossible = set(module.TABLE), module.IGNORED, module.IMPOSSIBLE
        assert table | ignored | impossible == {(state, given) for state in states for given in alphabet}
        assert not table & ignored
        assert not table & impossible
        assert not ignored & impossible

    def test_only_timers_are_impossible(self, module, states, alphabet):
        """What comes from outside can come in every state."""
        assert all(INPUTS[given].startswith("Timer") for _, given in module.IMPOSSIBLE)

    def test_next_states_are_states_of_the_machine(self, module, states, alphabet):
        assert {following for _, following in module.TABLE.values()} <= states | {TERMINATED}

    def test_every_state_can_be_left(self, module, states, alphabet):
        for state in states:
            assert any(following != state for (at, _), (_, following) in module.TABLE.items() if at == state)


def test_inputs_and_states_have_names():
    numbers = [value for name, value in vars(machine).items() if name.startswith(("R1", "R2", "R3_", "TU_", "TIMER_"))]
    assert max(value for value in numbers if isinstance(value, int)) == len(INPUTS) - 1 == TIMER_100
    assert STATES[TERMINATED] == "Terminated"
    assert len(STATES) == TERMINATED + 1


def test_classes_of_responses():
    assert [BY_CLASS[status // 100] for status in (100, 199, 200, 302, 404, 503, 603)] == [
        R1XX, R1XX, R2XX, R3_6XX, R3_6XX, R3_6XX, R3_6XX,
    ]  # fmt: skip
    assert [TU_BY_CLASS[status // 100] for status in (100, 199, 200, 302, 404, 503, 603)] == [
        TU_1XX, TU_1XX, TU_2XX, TU_3_6XX, TU_3_6XX, TU_3_6XX, TU_3_6XX,
    ]  # fmt: skip


def test_fold_gives_one_table_per_state():
    rows = fold({(CALLING, R1XX): (nothing, PROCEEDING), (PROCEEDING, R2XX): (nothing, TERMINATED)})
    assert len(rows) == len(STATES)
    assert rows[CALLING] == {R1XX: (nothing, PROCEEDING)}
    assert rows[PROCEEDING] == {R2XX: (nothing, TERMINATED)}
    assert rows[TERMINATED] == {}


def client(stage: Stage, method: str = "INVITE", flow=None):
    kind = InviteClient if method == "INVITE" else NonInviteClient
    t = kind(stage.scene, flow or udp_flow(), request(method), b"z9hG4bKa1", Heard())
    t.start(stage.out)
    return t


def server(stage: Stage, method: str = "INVITE", flow=None):
    kind = InviteServer if method == "INVITE" else NonInviteServer
    t = kind(stage.scene, flow or udp_flow(SIDE_C), request(method))
    t.user = Heard()
    t.start(stage.out)
    return t


ALL = [(client, "INVITE"), (client, "BYE"), (server, "INVITE"), (server, "BYE")]


# Compiled classes have no `__slots__`; their attributes are descriptors as well.
ATTRIBUTES = [name for name, _ in inspect.getmembers(Transaction, inspect.isdatadescriptor) if name[:2] != "__"]


@pytest.mark.parametrize(("make", "method"), ALL)
def test_ignored_input_has_no_effect_at_all(make, method):
    module = {
        (client, "INVITE"): invite_client, (client, "BYE"): non_invite_client,
        (server, "INVITE"): invite_server, (server, "BYE"): non_invite_server,
    }[make, method]  # fmt: skip
    for state, given in module.IGNORED:
        stage = Stage()
        t = make(stage, method)
        t.state = state
        before = {name: getattr(t, name) for name in ATTRIBUTES}
        stage.out.clear()
        t.step(given, None, stage.out)
        assert stage.out == []
        assert {name: getattr(t, name) for name in ATTRIBUTES} == before
        assert t.user.told == []
        assert stage.counts.retransmissions == [0, 0]


@pytest.mark.parametrize(("make", "method"), ALL)
def test_end_lets_go_of_everything(make, method):
    stage = Stage()
    t = make(stage, method)
    t.end()
    assert (t.state, t.short, t.long, t.user) == (TERMINATED, NEVER, NEVER, None)
    assert stage.ended == [t]
    stage.out.clear()
    for given in range(len(INPUTS)):
        t.step(given, None, stage.out)  # no row in Terminated
    assert stage.run(1000.0) == []
    assert stage.out == []
    assert stage.scene.wheel.entries == 0
    assert stage.ended == [t]


@pytest.mark.parametrize(("make", "method"), ALL)
def test_one_entry_in_the_wheel(make, method):
    stage = Stage()
    t = make(stage, method)
    assert stage.scene.wheel.entries == (0 if t.queued == NEVER else 1)
    stage.run(20.0)
    assert stage.scene.wheel.entries == (0 if t.queued == NEVER else 1)


def test_entry_of_a_stopped_timer_is_replaced_by_an_earlier_one():
    """Timer C is far away when the 2xx comes; Timer M must not wait for it."""
    stage = Stage()
    t = client(stage)
    t.step(R1XX, response(180), stage.out)
    stage.run(40.0)
    t.step(R2XX, response(200), stage.out)
    stage.run(71.95)
    assert stage.ended == []
    stage.run(72.0)
    assert stage.ended == [t]
    stage.run(400.0)
    assert stage.scene.wheel.entries == 0


def test_late_tick_runs_the_earlier_timer_first():
    """Timer A before Timer B, and A once: what was missed is not made up for in a burst."""
    stage = Stage()
    t = client(stage)
    stage.out.clear()
    stage.scene.now = 40.0
    stage.scene.wheel.tick(40.0, stage.out)
    assert len(stage.sent()) == 1
    assert stage.ended == [t]


def test_retransmission_never_runs_behind_the_end_of_its_state():
    stage = Stage()
    t = client(stage)
    t.short = t.long = 3.0
    stage.scene.now = 3.0
    stage.out.clear()
    assert t.run_due(3.0, stage.out) == NEVER
    assert stage.ended == [t]


@pytest.mark.parametrize("reliable", [False, True])
def test_played_transactions_leave_no_garbage(reliable):
    """Nothing of ours waits for the garbage collector: at a thousand calls a second it would run all the time."""
    to_server = tcp_flow if reliable else udp_flow
    from_client = tcp_flow(SIDE_C_TCP, 9) if reliable else udp_flow(SIDE_C)

    def play() -> None:
        stage = Stage()
        for method, status in (("INVITE", 200), ("INVITE", 404), ("BYE", 200)):
            near, far = server(stage, method, from_client), client(stage, method, to_server())
            near.step(TU_1XX, Answer(180, b"180"), stage.out)
            far.step(R1XX, response(180, method), stage.out)
            far.step(BY_CLASS[status // 100], response(status, method), stage.out)
            near.step(TU_BY_CLASS[status // 100], Answer(status, b"final"), stage.out)
            near.step(GOT_ACK, request("ACK"), stage.out)
        stage.run(500.0)
        assert len(stage.ended) == 6
        stage.ended.clear()
        # The scene ends with its process, not with a call.
        stage.scene.ended = lambda t: None

    play()
    gc.collect()
    gc.disable()
    try:
        play()
        assert gc.collect() == 0
    finally:
        gc.enable()
