"""B19: a netting account has one position per symbol. Ledgers made by hand.

One lot is one unit, one tick is 0.01 and worth 0.01: profits can be read off the prices.
"""

from dataclasses import replace
from typing import Any

import pytest

from broker.contract.constants import (
    DealEntry,
    DealReason,
    DealType,
    MarginMode,
    OrderType,
)
from broker.native import NativeBroker
from broker.simulator.native import NativeTerminal
from broker.simulator.terminal import SimulatedTerminal
from market.instrument import SwapMode, TradeMode
from market.server_clock import ServerClock
from tests.broker.orders import make_order
from tests.simulator.terminals import (
    QUIET,
    UNIT,
    at,
    buy,
    last_deal,
    make_terminal,
    only_position,
    place,
    sell,
    set_levels,
)

RISING = [QUIET, *((100.0 + i, 100.0 + i, 100.0 + i, 100.0 + i) for i in range(12))]


def netting(rows: Any = RISING, **given: Any) -> SimulatedTerminal:
    terms = {"margin_mode": MarginMode.NETTING, **given.pop("terms", {})}
    return make_terminal(rows, terms=terms, **given)


def ledger(terminal: SimulatedTerminal) -> list[tuple[str, float, float, float]]:
    """(entry, lots, price, profit) of every deal but the first deposit."""
    return [(d.entry.name, d.volume, d.price, d.profit) for d in terminal.deals()[1:]]


def test_same_side_averages_the_price_by_volume() -> None:
    terminal = netting()
    buy(terminal, 1.0)
    terminal.advance(at(4))
    buy(terminal, 3.0)
    position = only_position(terminal)
    assert (position.steps, position.open_ticks) == (400, 10225)
    assert (position.ticket, position.identifier) == (1, 1)
    terminal.advance(at(7))
    sell(terminal, 4.0)
    assert ledger(terminal) == [
        ("IN", 1.0, 100.0, 0.0), ("IN", 3.0, 103.0, 0.0), ("OUT", 4.0, 106.0, 15.0),
    ]  # fmt: skip
    assert {deal.position_id for deal in terminal.deals()[1:]} == {1}
    assert [deal.order for deal in terminal.deals()[1:]] == [1, 2, 3]
    assert terminal.positions() == ()
    assert terminal.balance == 10_015.0


def test_average_goes_to_the_nearest_tick() -> None:
    terminal = netting([QUIET, (100.0,) * 4, (100.01,) * 4, (100.01,) * 4])
    buy(terminal, 1.0)
    terminal.advance(at(2))
    buy(terminal, 2.0)
    assert only_position(terminal).open_ticks == 10001  # 100.00667


def test_opposite_side_takes_away_and_leaves_price_and_levels() -> None:
    terminal = netting()
    buy(terminal, 3.0, sl=90.0, tp=150.0)
    terminal.advance(at(5))
    result = sell(terminal, 1.0, sl=140.0, tp=80.0)
    assert result.retcode == 10009
    position = only_position(terminal)
    assert (position.steps, position.open_ticks) == (200, 10000)
    assert (position.sl, position.tp) == (9000, 15000)
    assert position.time_update_ms == at(5)
    assert ledger(terminal)[-1] == ("OUT", 1.0, 104.0, 4.0)
    assert terminal.account().profit == 8.0


def test_more_than_there_is_reverses_in_one_deal() -> None:
    terminal = netting()
    buy(terminal, 2.0, sl=90.0, tp=150.0, magic=1, comment="first")
    terminal.advance(at(5))
    result = sell(terminal, 5.0, sl=110.0, tp=95.0, magic=2, comment="second")
    deal = last_deal(terminal)
    assert (deal.entry, deal.type, deal.reason) == (
        DealEntry.INOUT, DealType.SELL, DealReason.EXPERT,
    )  # fmt: skip
    assert ledger(terminal)[-1] == ("INOUT", 5.0, 104.0, 8.0)
    position = only_position(terminal)
    assert (position.side, position.steps, position.open_ticks) == (-1, 300, 10400)
    assert (position.ticket, position.identifier, result.position) == (2, 1, 1)
    assert (position.sl, position.tp) == (11000, 9500)
    assert (position.magic, position.comment, position.time_ms) == (2, "second", at(5))
    terminal.advance(at(8))
    buy(terminal, 3.0)
    assert ledger(terminal)[-1] == ("OUT", 3.0, 107.0, -9.0)
    assert terminal.balance == 10_000.0 + 8.0 - 9.0


def test_levels_of_what_is_added_replace_those_of_the_position() -> None:
    terminal = netting()
    buy(terminal, 1.0, sl=90.0, tp=150.0, magic=1, comment="first")
    buy(terminal, 1.0, sl=95.0, magic=2, comment="second")
    position = only_position(terminal)
    assert (position.sl, position.tp) == (9500, 0)
    assert (position.magic, position.comment) == (1, "first")
    assert last_deal(terminal).magic == 2


def test_stop_of_the_whole_position_fires_for_all_of_it() -> None:
    terminal = netting([QUIET, QUIET, QUIET, (100.0, 100.0, 90.0, 92.0), QUIET])
    buy(terminal, 1.0, sl=80.0)
    buy(terminal, 2.0, sl=95.0)
    terminal.advance(at(5))
    deal = last_deal(terminal)
    assert (deal.reason, deal.steps, deal.price_ticks) == (DealReason.SL, 300, 9500)
    assert deal.position_id == 1


def test_close_by_position_needs_the_opposite_side_and_no_more_than_there_is() -> None:
    terminal = netting()
    entry = buy(terminal, 2.0)
    assert sell(terminal, 3.0, position=entry.order).retcode == 10038
    assert sell(terminal, 0.5, position=entry.order).retcode == 10009
    assert only_position(terminal).steps == 150


def test_levels_can_be_set_after_a_reversal_by_the_new_ticket() -> None:
    terminal = netting()
    buy(terminal, 1.0)
    sell(terminal, 2.0)
    assert set_levels(terminal, 1, sl=120.0).retcode == 10036
    assert set_levels(terminal, 2, sl=120.0).retcode == 10009


def test_taking_away_needs_no_margin_and_reversing_only_that_of_the_rest() -> None:
    spec = replace(UNIT, margin_rate=1.0)
    terminal = netting(spec=spec, balance=100.0, terms={"leverage": 1})
    assert buy(terminal, 1.0).retcode == 10009
    assert terminal.margin_free == 0.0
    assert sell(terminal, 0.4).retcode == 10009
    assert sell(terminal, 1.7).retcode == 10019
    assert sell(terminal, 1.5).retcode == 10009
    assert (only_position(terminal).side, only_position(terminal).steps) == (-1, 90)
    assert terminal.account().margin == 90.0


def test_adding_needs_margin_for_both() -> None:
    terminal = netting(balance=250.0, terms={"leverage": 1})
    assert buy(terminal, 2.0).retcode == 10009
    assert buy(terminal, 1.0).retcode == 10019
    assert buy(terminal, 0.5).retcode == 10009


@pytest.mark.parametrize(("lots", "code"), [(1.0, 10009), (2.0, 10044)])
def test_close_only_lets_a_position_shrink_and_never_turn(lots: float, code: int) -> None:
    terminal = netting()
    buy(terminal, 1.0)
    closing = replace(UNIT, trade_mode=TradeMode.CLOSE_ONLY)
    with terminal.judging_by(closing):
        assert buy(terminal, 1.0).retcode == 10044
        assert sell(terminal, lots).retcode == code


def test_volume_limit_counts_what_would_be_held() -> None:
    terminal = netting(spec=replace(UNIT, volume_limit=2.0))
    buy(terminal, 1.5)
    assert buy(terminal, 1.0).retcode == 10034
    assert sell(terminal, 3.0).retcode == 10009
    assert (only_position(terminal).side, only_position(terminal).steps) == (-1, 150)


def test_swap_is_realised_in_proportion_and_whole_at_a_reversal() -> None:
    spec = replace(UNIT, swap_mode=SwapMode.CURRENCY_DEPOSIT, swap_long=-3.0, swap_days=(1,) * 7)
    rows = [QUIET] * 120
    terminal = netting(rows, spec=spec)
    buy(terminal, 3.0)
    terminal.advance(at(97))
    assert only_position(terminal).swap == -900
    sell(terminal, 1.0)
    assert (last_deal(terminal).swap, only_position(terminal).swap) == (-300, -600)
    sell(terminal, 4.0)
    assert (last_deal(terminal).swap, only_position(terminal).swap) == (-600, 0)
    assert terminal.balance == 10_000.0 - 9.0


def test_commission_is_taken_on_the_whole_deal() -> None:
    terminal = netting(spec=replace(UNIT, commission_per_lot=2.0))
    buy(terminal, 1.0)
    sell(terminal, 3.0)
    assert [deal.commission for deal in terminal.deals()[1:]] == [-2.0, -6.0]


def test_pending_order_nets_when_it_triggers() -> None:
    rows = [QUIET, QUIET, QUIET, (100.0, 100.0, 97.0, 98.0), QUIET, QUIET]
    terminal = netting(rows)
    buy(terminal, 2.0, sl=50.0)
    order = place(terminal, OrderType.SELL_STOP, 99.0, 0.5, sl=120.0)
    terminal.advance(at(4))
    assert ledger(terminal)[-1] == ("OUT", 0.5, 99.0, -0.5)
    position = only_position(terminal)
    assert (position.steps, position.sl) == (150, 5000)
    (done,) = [row for row in terminal.ledger.orders if row.ticket == order.order]
    assert (done.position_id, done.state) == (1, 4)


def test_other_symbols_have_positions_of_their_own_and_hedging_is_as_before() -> None:
    hedging = make_terminal(RISING)
    buy(hedging, 1.0)
    sell(hedging, 1.0)
    assert len(hedging.positions()) == 2


def test_account_says_that_it_nets_and_intents_find_their_position() -> None:
    terminal = netting()
    mt5 = NativeTerminal(terminal)
    broker = NativeBroker(mt5, ServerClock("UTC"), now_ms=lambda: terminal.now_ms, mode="paper")
    assert broker.account().margin_mode == MarginMode.NETTING
    first = broker.send(make_order("a", volume=1.0))
    second = broker.send(make_order("b", volume=1.0))
    assert (first.position, second.position) == (1, 1)
    assert broker.intent("b").position == 1


def test_ledger_of_a_long_walk_adds_up() -> None:
    terminal = netting(spec=replace(UNIT, commission_per_lot=0.3), spread_points=3)
    for step, lots in enumerate([1.0, -0.5, 2.0, -4.0, -1.0, 3.0, 0.5, -0.2, -1.3, 1.0]):
        (buy if lots > 0 else sell)(terminal, abs(lots))
        account = terminal.account()
        assert account.equity == pytest.approx(account.balance + account.profit)
        assert len(terminal.positions()) <= 1
        terminal.advance(at(step + 2))
    net = sum(d.volume * (1 if d.type is DealType.BUY else -1) for d in terminal.deals()[1:])
    held = sum(p.volume * (1 if p.type == 0 else -1) for p in terminal.positions())
    assert net == pytest.approx(held)
    booked = sum(d.commission + d.swap + d.profit for d in terminal.ledger.deals)
    assert terminal.ledger.balance == booked


def test_netting_account_goes_on_from_its_snapshot(tmp_path: Any) -> None:
    first = netting()
    buy(first, 1.0, sl=90.0)
    sell(first, 3.0, sl=120.0)
    first.save(tmp_path / "state.sqlite")
    second = netting()
    second.restore(tmp_path / "state.sqlite")
    for terminal in (first, second):
        terminal.advance(at(6))
        buy(terminal, 3.5)
    assert first.ledger.sha256() == second.ledger.sha256()
    assert first.positions() == second.positions()
    first.close()
    second.close()


def test_commission_of_a_reversal_is_that_of_the_whole_deal_when_margin_is_judged() -> None:
    spec = replace(UNIT, commission_per_lot=1.0)
    terminal = netting(spec=spec, balance=104.0, terms={"leverage": 1})
    assert buy(terminal, 1.0).retcode == 10009
    assert sell(terminal, 2.0).retcode == 10009
    assert buy(terminal, 2.0).retcode == 10019  # 101 left, 2 for the deal, 100 for the rest


def test_stop_of_a_triggered_order_that_only_takes_away_does_not_close_the_rest() -> None:
    rows = [QUIET, QUIET, QUIET, (100.0, 102.0, 97.0, 98.0), QUIET, QUIET]
    terminal = netting(rows)
    buy(terminal, 2.0, sl=50.0)
    place(terminal, OrderType.SELL_STOP, 99.0, 0.5, sl=101.0)
    terminal.advance(at(5))
    assert only_position(terminal).steps == 150
