"""Hand-made candles for each fill rule: what is bought and sold where, added up by hand.

BTCUSD with 10 USD of spread, no slippage, stop and target 250 from the fill side. Every table is
decided on its first bar alone; times are in bars after it.
"""

from dataclasses import dataclass, field

import numpy as np
import pytest

from backtest.driver import BacktestRun, run_backtest
from broker.contract.constants import DealEntry
from tests.backtest.markets import decided, rules
from tests.builders import MONDAY_MS, make_bars

BAR = 900_000
BUY, SELL, WEAK = [0.5, 0.3, 0.2], [0.3, 0.5, 0.2], [0.41, 0.39, 0.2]
QUIET = (100_000.0, 100_050.0, 99_950.0, 100_000.0)

Candle = tuple[float, float, float, float]


@dataclass(frozen=True)
class Fill:
    """One rule. `exit_bar`: how many bars after the entry's opening bar; 0 is that bar itself.
    `at_open`: at that bar's first tick, else inside it. None: still open."""

    rule: str
    side: list[float]
    candles: list[Candle]
    entry: float
    exit: float | None
    exit_bar: int = 0
    at_open: bool = False
    kind: str = ""
    spreads: list[int] = field(default_factory=list)


# Longs: entered at the ask of 100,010; stop 99,760, target 100,260; they leave at the bid.
# Shorts: entered at the bid of 100,000; stop 100,250, target 99,750; they leave at the ask.
FILLS = [
    Fill("long_target_inside_fills_at_the_target", BUY, [(100_000, 100_260, 99_950, 100_200)],
         100_010.0, 100_260.0, kind="TP_HIT"),
    Fill("long_target_missed_by_a_tick_stays_open", BUY, [(100_000, 100_259.99, 99_950, 100_200)],
         100_010.0, None),
    Fill("long_stop_inside_fills_at_the_stop", BUY, [(100_000, 100_050, 99_760, 99_800)],
         100_010.0, 99_760.0, kind="SL_HIT"),
    Fill("long_stop_missed_by_a_tick_stays_open", BUY, [(100_000, 100_050, 99_760.01, 99_800)],
         100_010.0, None),
    Fill("both_levels_inside_one_bar_are_the_stop", BUY, [(100_000, 100_400, 99_700, 100_300)],
         100_010.0, 99_760.0, kind="SL_HIT"),
    Fill("long_gap_through_the_stop_fills_at_the_open", BUY,
         [QUIET, (99_500, 99_600, 99_400, 99_500)], 100_010.0, 99_500.0, 1, True, "SL_HIT"),
    Fill("long_gap_through_the_target_fills_at_the_open", BUY,
         [QUIET, (100_500, 100_600, 100_400, 100_500)], 100_010.0, 100_500.0, 1, True, "TP_HIT"),
    Fill("gap_to_the_stop_itself_fills_there", BUY, [QUIET, (99_760, 99_800, 99_700, 99_760)],
         100_010.0, 99_760.0, 1, True, "SL_HIT"),
    Fill("short_target_is_reached_by_the_ask", SELL, [(100_000, 100_050, 99_740, 99_800)],
         100_000.0, 99_750.0, kind="TP_HIT"),
    Fill("short_target_reached_by_the_bid_alone_stays_open", SELL,
         [(100_000, 100_050, 99_745, 99_800)], 100_000.0, None),
    Fill("short_stop_is_reached_by_the_ask", SELL, [(100_000, 100_240, 99_950, 100_100)],
         100_000.0, 100_250.0, kind="SL_HIT"),
    Fill("short_both_levels_inside_one_bar_are_the_stop", SELL,
         [(100_000, 100_300, 99_600, 99_900)], 100_000.0, 100_250.0, kind="SL_HIT"),
    Fill("short_gap_fills_at_the_opening_ask_with_the_spread_of_the_bar_before", SELL,
         [QUIET, (100_400, 100_500, 100_350, 100_400)], 100_000.0, 100_430.0, 1, True, "SL_HIT",
         [1000, 3000, 1000]),
    Fill("short_stop_beyond_which_a_widened_spread_opens_fills_at_that_ask", SELL,
         [(100_000, 100_050, 99_950, 100_000)], 100_000.0, 100_400.0, 0, False, "SL_HIT",
         [1000, 40_000]),
    Fill("short_gap_through_the_target_fills_at_the_opening_ask", SELL,
         [QUIET, (99_500, 99_600, 99_400, 99_500)], 100_000.0, 99_510.0, 1, True, "TP_HIT"),
    Fill("short_gap_to_the_stop_itself_fills_there", SELL,
         [QUIET, (100_240, 100_300, 100_200, 100_240)], 100_000.0, 100_250.0, 1, True, "SL_HIT"),
    Fill("long_pays_the_spread_of_the_bar_before_its_entry", BUY,
         [(100_000, 100_280, 99_950, 100_200)], 100_030.0, 100_280.0, kind="TP_HIT",
         spreads=[3000, 500]),
    Fill("short_enters_at_the_bid_whatever_the_spread", SELL,
         [(100_000, 100_050, 99_740, 99_800)], 100_000.0, 99_750.0, kind="TP_HIT",
         spreads=[3000, 1000]),
    Fill("long_enters_at_the_first_tick_after_a_gap_and_its_levels_go_with_it", BUY,
         [(100_100, 100_360, 100_050, 100_300)], 100_110.0, 100_360.0, kind="TP_HIT"),
    Fill("short_enters_at_the_first_tick_after_a_gap_and_its_levels_go_with_it", SELL,
         [(99_900, 99_950, 99_640, 99_700)], 99_900.0, 99_650.0, kind="TP_HIT"),
    Fill("short_stop_is_reached_with_the_spread_of_the_bar_itself", SELL,
         [(100_000, 100_220, 99_950, 100_000)], 100_000.0, 100_250.0, kind="SL_HIT",
         spreads=[1000, 3000]),
    Fill("short_target_is_missed_with_the_spread_of_the_bar_itself", SELL,
         [(100_000, 100_050, 99_740, 99_800)], 100_000.0, None, spreads=[1000, 3000]),
    Fill("long_is_never_closed_by_the_ask", BUY, [(100_000, 100_200, 99_950, 100_000)],
         100_010.0, None, spreads=[1000, 40_000]),
    Fill("short_later_bar_is_looked_at_as_the_first_is", SELL,
         [QUIET, QUIET, (100_000, 100_050, 99_700, 99_800)], 100_000.0, 99_750.0, 2, False,
         "TP_HIT"),
    Fill("later_bar_is_looked_at_as_the_first_is", BUY,
         [QUIET, QUIET, (100_000, 100_300, 99_950, 100_200)], 100_010.0, 100_260.0, 2, False,
         "TP_HIT"),
]  # fmt: skip


def _run(of: Fill, **decision: object) -> BacktestRun:
    candles = [QUIET, *of.candles]
    spreads = np.array(of.spreads or [1000] * len(candles), dtype=np.int64)
    bars = make_bars(candles)
    bars.spread_points[:] = spreads
    columns = decided(bars, np.array([of.side, *[WEAK] * len(of.candles)]))
    return run_backtest(columns, rules(max_lot=1.0, **decision))


@pytest.mark.parametrize("of", FILLS, ids=[each.rule for each in FILLS])
def test_candles_fill_as_the_rule_says(of: Fill) -> None:
    entry, *rest = _run(of).deals[1:]
    opened_ms = MONDAY_MS + BAR
    assert (entry.entry, entry.time_msc, entry.price) == (DealEntry.IN, opened_ms, of.entry)
    if of.exit is None:
        assert rest == []
        return
    (left,) = rest
    bar_ms = opened_ms + of.exit_bar * BAR
    assert left.price == of.exit
    assert left.time_msc == (bar_ms if of.at_open else bar_ms + BAR - 1)


@pytest.mark.parametrize("of", FILLS, ids=[each.rule for each in FILLS])
def test_trade_is_named_and_paid_as_it_ended(of: Fill) -> None:
    run = _run(of)
    if of.exit is None:
        assert run.trades == ()
        return
    (trade,) = run.trades
    side = 1 if of.side is BUY else -1
    assert trade.close_type == of.kind
    assert trade.net_profit == pytest.approx(side * (of.exit - of.entry) * trade.volume_lots)


@pytest.mark.parametrize("of", [each for each in FILLS if each.exit is None],
                         ids=[each.rule for each in FILLS if each.exit is None])  # fmt: skip
def test_position_open_at_the_end_counts_in_the_equity_alone(of: Fill) -> None:
    """A long is worth the last bid, a short the last ask."""
    run = _run(of)
    (held,) = run.venue.terminal.positions()
    last, spread = of.candles[-1][3], run.bars.bars.spread_points[-1] * 0.01
    gained = last - of.entry if of.side is BUY else of.entry - last - spread
    assert held.price_open == of.entry
    assert run.trades == ()
    assert run.final_equity == pytest.approx(run.initial_balance + gained * held.volume)


def test_signal_on_a_bar_trades_at_the_open_of_the_next_and_never_before() -> None:
    run = _run(FILLS[0])
    assert run.trades[0].opened_ms == int(run.bars.close_ms[0])


def test_nothing_is_traded_after_the_last_bar() -> None:
    bars = make_bars([QUIET, QUIET], spread_points=1000)
    run = run_backtest(decided(bars, np.array([WEAK, BUY])), rules())
    assert run.deals[1:] == ()
