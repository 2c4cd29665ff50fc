"""Hand-made candles for each fill rule: what is bought and sold where, added up by hand.

BTCUSD with 10 USD of spread, no slippage, stop and target 250 from the fill side. Every table is
decided on its first bar alone; times are in bars after it.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from backtest.driver import BacktestRun, run_backtest
from broker.contract.constants import DealEntry
from broker.simulator.settings import PaperSettings
from market.instruments import instrument
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


def test_signal_on_a_bar_trades_at_the_open_of_the_next_and_never_before() -> None:
    run = _run(FILLS[0])
    assert run.trades[0].opened_ms == int(run.bars.close_ms[0])


def test_nothing_is_traded_after_the_last_bar() -> None:
    bars = make_bars([QUIET, QUIET], spread_points=1000)
    run = run_backtest(decided(bars, np.array([WEAK, BUY])), rules())
    assert run.deals[1:] == ()


def test_slippage_of_a_seed_is_between_its_limits_and_the_same_again() -> None:
    of, paper = FILLS[0], PaperSettings(slippage_points=50, seed=3)
    bars = make_bars([QUIET, *of.candles], spread_points=1000)
    columns = decided(bars, np.array([BUY, WEAK]))
    fills = [run_backtest(columns, rules(paper=paper)).deals[1].price for _ in range(2)]
    assert fills[0] == fills[1] != 100_010.0
    assert abs(fills[0] - 100_010.0) <= 0.5


def test_night_costs_swap_of_its_weekday_by_the_quote_that_ended_it() -> None:
    """Gold: −40 points a lot and night for a long; the night after Wednesday counts three."""
    gold = instrument("XAUUSD")
    wednesday_ms = MONDAY_MS + 2 * 86_400_000 + 20 * 3_600_000  # trades until 22:00, from 23:00
    flat = (2000.0, 2000.5, 1999.5, 2000.0)
    bars = make_bars([flat] * 24, symbol="XAUUSD", start_ms=wednesday_ms, spread_points=25)
    kept = gold.sessions.are_open(bars.open_ms)
    assert kept[0]
    probabilities = np.array([BUY] + [WEAK] * 23)
    run = run_backtest(decided(bars, probabilities, atr=20.0), rules(gold))
    volume = run.deals[1].volume
    (position,) = run.venue.terminal.positions()
    assert position.swap == pytest.approx(-40 * 3 * volume)


def test_commission_is_paid_at_entry_and_exit() -> None:
    of = replace(instrument("BTCUSD"), commission_per_lot=3.0)
    bars = make_bars([QUIET, *FILLS[0].candles], spread_points=1000)
    run = run_backtest(decided(bars, np.array([BUY, WEAK])), rules(of))
    assert [deal.commission for deal in run.deals[1:]] == [
        pytest.approx(-3.0 * run.deals[1].volume, abs=0.005)
    ] * 2
