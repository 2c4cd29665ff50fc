"""What an open trade's best move was, on hand-drawn bars: ATR(14) is 10, levels are one away."""

from dataclasses import replace

import numpy as np
import pytest

from market.bars import Bars
from market.instruments import INSTRUMENTS
from ml.training.position_entries import Entries
from ml.training.position_labeling import ADD, EXIT, HOLD, TradeRows, position_rows, within
from tests.builders import make_bars

BTC = INSTRUMENTS["BTCUSD"]
HORIZON = 4
Row = tuple[float, float, float, float]
CALM: list[Row] = [(101.0, 101.0, 101.0, 101.0)] * (2 * HORIZON)
# The bar that is decided closes at 100, as does a trade's fill.
DECIDED: Row = (100.0, 100.0, 100.0, 100.0)


def rows_of(
    drawn: list[Row], *, side: int = 1, spread: float = 0.0, margin_atr: float = 0.1
) -> TradeRows:
    """The rows of one trade decided at the close of bar 0; calm bars follow the drawn ones."""
    bars = make_bars([DECIDED, *drawn, *CALM], spread_points=round(spread / BTC.point))
    return labelled(bars, Entries(np.array([0]), np.array([side])), margin_atr=margin_atr)


def labelled(bars: Bars, entries: Entries, *, margin_atr: float = 0.1) -> TradeRows:
    ranges = np.full(len(bars), 10.0)
    return position_rows(
        bars, ranges, BTC, entries, (1.0, 1.0), horizon_bars=HORIZON, exit_margin_atr=margin_atr
    )


# Fill 100, stop 90, target 110: two closes in the trade, then it ends in bar 3.
UP_THEN: list[Row] = [(100.0, 104.0, 96.0, 103.0), (103.0, 105.0, 99.0, 101.0)]
STOPPED: list[Row] = [*UP_THEN, (101.0, 101.0, 88.0, 89.0)]
REACHED: list[Row] = [*UP_THEN, (101.0, 112.0, 100.0, 112.0)]


def test_long_that_is_stopped_was_to_be_left_at_every_close() -> None:
    rows = rows_of(STOPPED)
    assert rows.bar.tolist() == [1, 2]
    assert rows.label.tolist() == [EXIT, EXIT]
    assert rows.advantage_atr.tolist() == pytest.approx([1.3, 1.1])
    assert rows.end_bar.tolist() == [3, 3]


def test_row_holds_the_state_of_its_close() -> None:
    rows = rows_of(STOPPED)
    assert rows.trade.tolist() == [0, 0]
    assert rows.side.tolist() == [1, 1]
    assert rows.bars_held.tolist() == [1, 2]
    assert rows.price_open.tolist() == [100.0, 100.0]
    assert rows.close_price.tolist() == [103.0, 101.0]
    assert rows.best_price.tolist() == [104.0, 105.0]
    assert rows.atr_entry.tolist() == [10.0, 10.0]


def test_second_entry_that_reaches_its_own_target_is_an_add() -> None:
    """Entered at 103 it wants 113, which bar 4 brings after the first trade's end; at 101, 111."""
    rows = rows_of([*REACHED, (112.0, 114.0, 112.0, 113.0)])
    assert rows.label.tolist() == [ADD, ADD]
    assert rows.advantage_atr.tolist() == pytest.approx([-0.7, -0.9])
    assert rows.end_bar.tolist() == [4, 3]


def test_winner_whose_second_entry_is_stopped_is_held() -> None:
    rows = rows_of([*REACHED, (112.0, 112.0, 92.0, 93.0)])
    assert rows.label.tolist() == [HOLD, ADD]
    assert rows.end_bar.tolist() == [4, 3]


def test_second_entry_pays_the_spread() -> None:
    """The ask of bar 2 is 101 + 2: its target is 113, and the bid only reaches 112."""
    drawn = [*UP_THEN, (101.0, 112.0, 100.0, 112.0), (112.0, 112.5, 101.0, 101.0)]
    rows = rows_of(drawn, spread=2.0)
    assert rows.price_open.tolist() == [102.0, 102.0]
    assert rows.label.tolist() == [HOLD, HOLD]
    assert rows_of(drawn).label[1] == ADD


def test_short_leaves_at_the_ask_and_its_best_is_the_lowest_ask() -> None:
    """Fill 100 (bid), stop 110 and target 90 on the ask, which is 2 above the bid."""
    drawn = [(100.0, 103.0, 97.0, 98.0), (98.0, 99.0, 92.0, 94.0), (94.0, 109.0, 94.0, 108.0)]
    rows = rows_of(drawn, side=-1, spread=2.0)
    assert rows.price_open.tolist() == [100.0, 100.0]
    assert rows.close_price.tolist() == [100.0, 96.0]
    assert rows.best_price.tolist() == [99.0, 94.0]
    assert rows.advantage_atr.tolist() == pytest.approx([1.0, 1.4])
    assert rows.label.tolist() == [EXIT, EXIT]


def test_leaving_fills_at_the_next_bars_first_tick_and_not_at_the_close() -> None:
    drawn = [(100.0, 104.0, 96.0, 103.0), (95.0, 96.0, 88.0, 89.0)]
    assert rows_of(drawn).advantage_atr.tolist() == pytest.approx([0.5])


def test_gap_through_the_stop_leaves_nothing_to_save() -> None:
    drawn = [(100.0, 104.0, 96.0, 103.0), (85.0, 86.0, 84.0, 85.0)]
    rows = rows_of(drawn)
    assert rows.advantage_atr.tolist() == [0.0]
    assert EXIT not in rows.label


def test_leaving_must_pay_more_than_the_margin() -> None:
    assert rows_of(STOPPED, margin_atr=1.1).label.tolist() == [EXIT, HOLD]
    assert rows_of(STOPPED, margin_atr=1.3).label.tolist() == [HOLD, HOLD]


def test_trade_without_stop_or_target_ends_at_the_horizons_last_close() -> None:
    drawn = [(100.0, 104.0, 96.0, 103.0), (103.0, 105.0, 99.0, 101.0)]
    drawn += [(101.0, 103.0, 99.0, 102.0), (102.0, 103.0, 97.0, 98.0)]
    rows = rows_of(drawn)
    assert rows.bars_held.tolist() == [1, 2, 3]
    assert rows.advantage_atr.tolist() == pytest.approx([0.5, 0.3, 0.4])
    assert rows.end_bar.tolist() == [5, 6, 7]


def test_trade_that_ends_in_its_entry_bar_has_no_row() -> None:
    assert len(rows_of([(100.0, 101.0, 89.0, 90.0)])) == 0


def test_close_that_no_bar_follows_at_once_has_no_row() -> None:
    bars = make_bars([DECIDED, *STOPPED, *CALM])
    later = np.where(np.arange(len(bars)) >= 2, 3_600_000, 0)
    torn = replace(bars, open_ms=bars.open_ms + later).checked()
    rows = labelled(torn, Entries(np.array([0]), np.array([1])))
    assert rows.bar.tolist() == [2]
    assert rows.bars_held.tolist() == [2]


def test_entry_without_atr_next_bar_or_two_horizons_ahead_is_left_out() -> None:
    bars = make_bars([DECIDED, *STOPPED, *CALM])
    entries = Entries(np.array([0, 3, 4]), np.array([1, 1, 1]))
    ranges = np.full(len(bars), 10.0)
    made = position_rows(
        bars, ranges, BTC, entries, (1.0, 1.0), horizon_bars=HORIZON, exit_margin_atr=0.1
    )
    assert np.unique(made.trade).tolist() == [0, 1]
    ranges[0] = np.nan
    made = position_rows(
        bars, ranges, BTC, entries, (1.0, 1.0), horizon_bars=HORIZON, exit_margin_atr=0.1
    )
    assert np.unique(made.trade).tolist() == [1]
    gap = np.where(np.arange(len(bars)) >= 1, 3_600_000, 0)
    torn = replace(bars, open_ms=bars.open_ms + gap).checked()
    assert np.unique(labelled(torn, entries).trade).tolist() == [1]


def test_cap_keeps_whole_trades_spread_over_all() -> None:
    rng = np.random.default_rng(1)
    close = 100 + rng.normal(0, 2, 3000).cumsum()
    bars = make_bars([(c, c + 3, c - 3, c) for c in close - close.min() + 100])
    entries = Entries(np.arange(0, 2900, 3), np.where(np.arange(967) % 2, 1, -1))
    rows = labelled(bars, entries)
    kept = within(rows, 500)
    assert 450 < len(kept) <= 500
    numbers, count = np.unique(kept.trade, return_counts=True)
    whole = dict(zip(*np.unique(rows.trade, return_counts=True), strict=True))
    assert count.tolist() == [whole[number] for number in numbers]
    assert numbers[0] < 50
    assert numbers[-1] == rows.trade[-1]
    assert (np.diff(numbers) < 30).all()
    assert np.array_equal(within(rows, 500).bar, kept.bar)
    assert within(rows, len(rows)) is rows
