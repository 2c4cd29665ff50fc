"""The journal's view and the broker's view in, corrections out: docs/bridge.md B18-B22, D4, D19."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.contract.constants import DealEntry, DealType, PositionType
from broker.contract.messages import Position
from tests.builders import make_deal
from trading.execution.reconcile import (
    AdoptPosition,
    AwaitDeal,
    BalanceOperation,
    BrokerView,
    ConfirmClose,
    Correction,
    ForeignPosition,
    JournalView,
    KeepWaiting,
    Reappeared,
    Reprotect,
    TicketChanged,
    Vanishing,
    reconcile,
)

OURS = 7719 << 32 | 5
EMPTY = JournalView(7719, "BTCUSD")
HELD = replace(EMPTY, held={1}, tickets={1: 1}, margin=10.0)


def make_position(identifier: int = 1, **fields: Any) -> Position:
    words: dict[str, Any] = {
        "ticket": identifier, "identifier": identifier, "time_msc": 10, "time_update_msc": 10,
        "type": PositionType.BUY, "magic": OURS, "reason": 3, "volume": 0.1, "price_open": 1e5,
        "sl": 99_000.0, "tp": 101_000.0, "price_current": 1e5, "swap": 0.0, "profit": 0.0,
        "symbol": "BTCUSD", "comment": "",
    }  # fmt: skip
    return Position(**(words | fields))


def read(*positions: Position, now_ms: int = 0, **fields: Any) -> BrokerView:
    words = {"healthy": True, "margin": 10.0 if positions else 0.0, "positions": positions}
    return BrokerView(now_ms=now_ms, **(words | fields))


def test_views_that_agree_need_no_correction() -> None:
    assert reconcile(HELD, read(make_position())) == ()


def test_own_position_that_is_not_known_is_adopted() -> None:
    position = make_position(7)
    assert reconcile(EMPTY, read(position)) == (AdoptPosition(position),)


def test_foreign_position_is_noted_once_and_nothing_else() -> None:
    manual = make_position(9, magic=0, sl=0.0)
    assert reconcile(EMPTY, read(manual)) == (ForeignPosition(manual),)
    assert reconcile(replace(EMPTY, foreign={9}), read(manual)) == ()


def test_own_position_in_another_symbol_is_another_daemons() -> None:
    assert reconcile(EMPTY, read(make_position(9, symbol="EURUSD", sl=0.0))) == ()


def test_position_without_a_stop_is_to_be_protected() -> None:
    naked = make_position(sl=0.0)
    assert reconcile(HELD, read(naked)) == (Reprotect(naked),)


def test_position_with_another_ticket_is_the_same_position() -> None:
    turned = make_position(ticket=77)
    assert reconcile(HELD, read(turned)) == (TicketChanged(1, 1, 77),)


def test_close_with_its_deal_is_confirmed_at_once_with_the_deals_type() -> None:
    closed = replace(EMPTY, closed={1: "TP_HIT"})
    assert reconcile(closed, read()) == (ConfirmClose(1, "TP_HIT"),)
    assert reconcile(replace(closed, confirmed={1}), read()) == ()


def test_one_read_without_the_position_proves_nothing() -> None:
    (waiting,) = reconcile(HELD, read(now_ms=1_000))
    assert waiting == KeepWaiting(1, Vanishing(1_000), "one read alone shows it gone")


@pytest.mark.parametrize(("later_ms", "reads"), [(4_999, 1), (5_000, 2)])
def test_second_read_counts_from_five_seconds_on(later_ms: int, reads: int) -> None:
    journal = replace(HELD, vanishing={1: Vanishing(1_000)})
    (answer,) = reconcile(journal, read(now_ms=1_000 + later_ms))
    assert isinstance(answer, AwaitDeal if reads == 2 else KeepWaiting)


def test_two_agreeing_reads_make_the_close_pending_until_its_deal_comes() -> None:
    journal = replace(HELD, vanishing={1: Vanishing(0)})
    assert reconcile(journal, read(now_ms=6_000)) == (AwaitDeal(1, "PENDING"),)
    assert reconcile(replace(HELD, pending={1}), read(now_ms=99_000)) == ()


def test_empty_read_while_margin_is_bound_never_closes_a_position() -> None:
    journal = replace(HELD, vanishing={1: Vanishing(0, reads=5)})
    (waiting,) = reconcile(journal, read(now_ms=60_000, margin=10.0))
    assert isinstance(waiting, KeepWaiting)
    assert "margin" in waiting.why


def test_margin_of_other_positions_must_have_fallen() -> None:
    journal = replace(HELD, vanishing={1: Vanishing(0)}, foreign={9})
    other = make_position(9, magic=0)
    (still,) = reconcile(journal, read(other, now_ms=6_000, margin=10.0))
    assert isinstance(still, KeepWaiting)
    assert reconcile(journal, read(other, now_ms=6_000, margin=4.0)) == (AwaitDeal(1),)


def test_unhealthy_read_is_not_believed() -> None:
    assert reconcile(HELD, read(healthy=False)) == ()
    assert reconcile(EMPTY, read(make_position(7), healthy=False)) == ()


def test_position_that_is_there_again_is_no_longer_missing() -> None:
    journal = replace(HELD, vanishing={1: Vanishing(0)})
    assert reconcile(journal, read(make_position())) == (Reappeared(1),)


def test_positions_older_than_the_deals_are_not_adopted_again() -> None:
    closed = replace(EMPTY, closed={1: "SL_HIT"}, confirmed={1})
    assert reconcile(closed, read(make_position())) == ()


def test_deposit_is_a_balance_operation_noted_once() -> None:
    deposit = make_deal(5, 10, type=DealType.BALANCE, magic=0, position_id=0, profit=500.0)
    assert reconcile(EMPTY, read(deals=(deposit,))) == (BalanceOperation(deposit),)
    assert reconcile(replace(EMPTY, balance={5}), read(deals=(deposit,))) == ()


IDS = st.integers(1, 6)
POSITIONS = st.builds(
    make_position, IDS, magic=st.sampled_from([OURS, 0, 7720 << 32]), ticket=st.integers(1, 9),
    sl=st.sampled_from([0.0, 99_000.0]), symbol=st.sampled_from(["BTCUSD", "EURUSD"]),
)  # fmt: skip
DEALS = st.builds(
    lambda ticket, kind: make_deal(ticket, 10, type=kind, entry=DealEntry.IN),
    IDS, st.sampled_from([DealType.BUY, DealType.BALANCE, DealType.CREDIT]),
)  # fmt: skip
READS = st.builds(
    BrokerView, now_ms=st.integers(0, 20_000), healthy=st.booleans(),
    margin=st.sampled_from([0.0, 5.0, 10.0]),
    positions=st.lists(POSITIONS, unique_by=lambda p: p.identifier, max_size=4).map(tuple),
    deals=st.lists(DEALS, unique_by=lambda d: d.ticket, max_size=3).map(tuple),
)  # fmt: skip
JOURNALS = st.builds(
    JournalView, strategy_id=st.just(7719), symbol=st.just("BTCUSD"), held=st.frozensets(IDS),
    closed=st.dictionaries(st.integers(7, 9), st.sampled_from(["SL_HIT", "TP_HIT"])),
    margin=st.sampled_from([0.0, 10.0]),
)  # fmt: skip


def applied(journal: JournalView, correction: Correction) -> JournalView:
    """The journal's view once a correction was written down."""
    match correction:
        case AdoptPosition(p):
            return replace(
                journal, held=journal.held | {p.identifier},
                tickets={**journal.tickets, p.identifier: p.ticket},
            )  # fmt: skip
        case ForeignPosition(p):
            return replace(journal, foreign=journal.foreign | {p.identifier})
        case BalanceOperation(deal):
            return replace(journal, balance=journal.balance | {deal.ticket})
        case TicketChanged(name, _, ticket):
            return replace(journal, tickets={**journal.tickets, name: ticket})
        case ConfirmClose(name, _):
            return replace(journal, confirmed=journal.confirmed | {name})
        case AwaitDeal(name):
            vanishing = {k: v for k, v in journal.vanishing.items() if k != name}
            return replace(journal, pending=journal.pending | {name}, vanishing=vanishing)
        case KeepWaiting(name, seen, _):
            return replace(journal, vanishing={**journal.vanishing, name: seen})
        case Reappeared(name):
            vanishing = {k: v for k, v in journal.vanishing.items() if k != name}
            return replace(journal, pending=journal.pending - {name}, vanishing=vanishing)
        case Reprotect():
            return journal


def settled(journal: JournalView, broker: BrokerView) -> JournalView:
    for correction in reconcile(journal, broker):
        journal = applied(journal, correction)
    return journal


@given(JOURNALS, READS)
def test_applied_corrections_are_not_made_again(journal: JournalView, broker: BrokerView) -> None:
    again = reconcile(settled(journal, broker), broker)
    assert all(isinstance(each, KeepWaiting | Reprotect) for each in again)
    assert settled(settled(journal, broker), broker) == settled(journal, broker)


@given(JOURNALS, READS)
def test_what_is_not_ours_is_noted_and_never_touched(
    journal: JournalView, broker: BrokerView
) -> None:
    foreign = {p.identifier for p in broker.positions if p.magic >> 32 != 7719}
    elsewhere = {p.identifier for p in broker.positions if p.symbol != "BTCUSD"}
    for correction in reconcile(journal, broker):
        if isinstance(correction, AdoptPosition | Reprotect):
            assert correction.position.identifier not in foreign | elsewhere
        if isinstance(correction, ForeignPosition):
            assert correction.position.identifier in foreign


@given(JOURNALS, READS)
def test_each_position_and_deal_is_counted_once(journal: JournalView, broker: BrokerView) -> None:
    corrections = reconcile(journal, broker)
    for kind in (AdoptPosition, ConfirmClose, AwaitDeal, KeepWaiting, BalanceOperation):
        same = [each for each in corrections if isinstance(each, kind)]
        assert len(same) == len(set(map(_name, same)))


@given(JOURNALS, st.lists(READS, max_size=6))
def test_no_position_is_given_up_by_unhealthy_reads_or_bound_margin(
    journal: JournalView, reads: list[BrokerView]
) -> None:
    for broker in reads:
        lying = replace(broker, positions=(), margin=10.0)
        journal = settled(journal, lying)
    assert not journal.pending


def _name(correction: Any) -> int:
    match correction:
        case AdoptPosition(p):
            return int(p.identifier)
        case BalanceOperation(deal):
            return int(deal.ticket)
    return int(correction.position_id)
