"""The table of states: what may follow what, and nothing else."""

import itertools

import pytest

from tests.execution.venue import entry
from trading.execution.intents import (
    TRANSITIONS,
    IllegalTransition,
    IntentState,
    Kind,
    LevelsRequest,
    is_open,
    kind_of,
    require_legal,
)

S = IntentState
GUARDED = {S.PROTECTED, S.EMERGENCY_CLOSED, S.CLOSED}
FILLED = {S.FILLED, S.PARTIAL}

LEGAL = {
    (S.PENDING, S.SENT), (S.PENDING, S.NOT_SENT), (S.PENDING, S.NOT_EXECUTED),
    (S.SENT, S.FILLED), (S.SENT, S.PARTIAL), (S.SENT, S.REJECTED), (S.SENT, S.NOT_SENT),
    (S.SENT, S.UNKNOWN), (S.SENT, S.PENDING),
    (S.UNKNOWN, S.FILLED), (S.UNKNOWN, S.PARTIAL), (S.UNKNOWN, S.REJECTED),
    (S.UNKNOWN, S.NOT_EXECUTED),
    (S.FILLED, S.PROTECTED), (S.FILLED, S.EMERGENCY_CLOSED), (S.FILLED, S.CLOSED),
    (S.PARTIAL, S.PROTECTED), (S.PARTIAL, S.EMERGENCY_CLOSED), (S.PARTIAL, S.CLOSED),
    (S.PROTECTED, S.FILLED),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new"), list(itertools.product(S, S)))
def test_only_the_transitions_of_the_table_are_legal(old: IntentState, new: IntentState) -> None:
    if (old, new) in LEGAL:
        require_legal("a", Kind.ENTRY, old, new)
        return
    with pytest.raises(
        IllegalTransition, match=f"intent a: after {old}, .* may follow; {new} came"
    ):
        require_legal("a", Kind.ENTRY, old, new)


OTHERS = [kind for kind in Kind if kind is not Kind.ENTRY]


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("old", sorted(FILLED | GUARDED))
@pytest.mark.parametrize("new", sorted(S))
def test_what_is_no_entry_is_over_when_it_is_done(
    kind: Kind, old: IntentState, new: IntentState
) -> None:
    with pytest.raises(IllegalTransition):
        require_legal("a", kind, old, new)


def test_the_table_names_every_state() -> None:
    assert set(TRANSITIONS) == set(S)


@pytest.mark.parametrize("state", sorted(S))
def test_what_is_open_has_something_left_to_do(state: IntentState) -> None:
    undecided = state in (S.PENDING, S.SENT, S.UNKNOWN)
    assert all(is_open(kind, state) is undecided for kind in OTHERS)
    assert is_open(Kind.ENTRY, state) is (undecided or state in FILLED)


@pytest.mark.parametrize("leg", ["0", "12", "0r1", "0r2"])
def test_the_kind_is_told_by_the_request_and_its_name(leg: str) -> None:
    name = f"7719-BTCUSD-1756684800000-{{}}-{leg}"
    assert kind_of(entry(name.format("BUY"))) is Kind.ENTRY
    assert kind_of(entry(name.format("SELL"), position=5)) is Kind.CLOSE
    assert kind_of(entry(name.format("PART"), position=5)) is Kind.PART
    for own, kind in (("LEVELS", Kind.MODIFY), ("BUY", Kind.LEVELS)):
        assert kind_of(LevelsRequest("BTCUSD", 5, 1.0, 2.0, name.format(own))) is kind
    assert kind_of(LevelsRequest("BTCUSD", 5, 1.0, 2.0, "as1")) is Kind.LEVELS
