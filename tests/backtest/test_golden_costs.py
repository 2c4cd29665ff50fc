"""Hand-made candles for what a fill costs beside its price, and for M1 bars inside a bar.

The market of `test_golden_fills`: BTCUSD with 10 USD of spread, stop and target 250 from the fill
side. Longs are entered at the ask of 100,010 (stop 99,760, target 100,260), shorts at the bid of
100,000 (stop 100,250, target 99,750).
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from backtest.driver import BacktestRun, Rules, run_backtest
from backtest.memory import Said
from broker.contract.constants import DealEntry
from broker.simulator.settings import PaperSettings
from market.bars import Float64s
from market.instrument import Instrument
from market.instruments import instrument
from market.timeframe import Timeframe
from tests.backtest.markets import decided, rules
from tests.builders import MONDAY_MS, make_bars
from trading.advice import BesideModels

BTC, GOLD = instrument("BTCUSD"), instrument("XAUUSD")
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
BUY, SELL, WEAK = [0.5, 0.3, 0.2], [0.3, 0.5, 0.2], [0.41, 0.39, 0.2]
SIDES = pytest.mark.parametrize("side", [BUY, SELL], ids=["long", "short"])
QUIET = (100_000.0, 100_050.0, 99_950.0, 100_000.0)
BOTH = (100_000.0, 100_400.0, 99_600.0, 100_000.0)
TARGET_OF = {id(BUY): (100_000.0, 100_260.0, 99_950.0, 100_200.0),
             id(SELL): (100_000.0, 100_050.0, 99_740.0, 99_800.0)}  # fmt: skip


def traded(side: list[float], candles: list[Any], by: Rules) -> BacktestRun:
    """Decided on the first bar alone, which is a quiet one."""
    bars = make_bars([QUIET, *candles], spread_points=1000)
    return run_backtest(decided(bars, np.array([side] + [WEAK] * len(candles))), by)


# Slippage


@SIDES
@pytest.mark.parametrize("points", [30, -20, 0])
def test_learnt_slippage_above_0_is_worse_for_either_side(side: list[float], points: int) -> None:
    """The levels stay where they were asked for, and a target is filled at its level."""
    by = replace(rules(max_lot=1.0), slippage=(points,))
    entry, left = traded(side, [TARGET_OF[id(side)]], by).deals[1:]
    slipped = points * 0.01
    assert entry.price == (100_010.0 + slipped if side is BUY else 100_000.0 - slipped)
    assert left.price == (100_260.0 if side is BUY else 99_750.0)


def _entry(seed: int, candles: list[Any], side: list[float] = BUY) -> float:
    paper = PaperSettings(slippage_points=50, seed=seed)
    return traded(side, candles, rules(paper=paper)).deals[1].price


def test_slippage_is_drawn_between_its_limits_both_ways_and_the_same_again() -> None:
    drawn = [round(100 * (_entry(seed, [QUIET]) - 100_010)) for seed in range(40)]
    assert drawn == [round(100 * (_entry(seed, [QUIET]) - 100_010)) for seed in range(40)]
    assert min(drawn) < 0 < max(drawn)
    assert max(map(abs, drawn)) <= 50
    assert len(set(drawn)) > 20


def test_slippage_of_a_request_does_not_hang_on_what_comes_later() -> None:
    assert _entry(3, [QUIET]) == _entry(3, [QUIET, BOTH, QUIET])


# What closes a position at the market


class _Leaves:
    """A position model that wants to leave, always."""

    def predict(self, rows: Float64s) -> Said:
        return Said(np.tile([0.05, 0.9, 0.05, 1.0, 1.0, 1.0], (len(rows), 1)))


@SIDES
@pytest.mark.parametrize("points", [0, 40])
def test_market_close_fills_at_the_first_tick_by_the_other_side_and_slips(
    side: list[float], points: int
) -> None:
    """A long leaves at the bid, a short at the ask with the spread of the bar before."""
    by = rules(position_optimization={"min_bars_held": 1}, max_lot=0.1)
    by = replace(by, models=BesideModels(position=_Leaves()), slippage=(points,))
    count, first = 5200, 5190  # the model looks at an ATR that needs so many bars
    bars = make_bars([QUIET] * count, spread_points=1000)
    bars.spread_points[first + 1] = 3000
    said = np.array([WEAK] * first + [side] + [WEAK] * (count - first - 1))
    columns = decided(bars, said)
    forecasts = replace(columns.forecasts, features=np.zeros((count, 1)))
    columns = replace(
        columns, first=first, forecasts=forecasts.rows(first, count),
        margin_floor=columns.margin_floor[first:], atr=columns.atr[first:],
        ema200=columns.ema200[first:],
    )  # fmt: skip
    entry, left = run_backtest(columns, by).deals[1:]
    assert (entry.time_msc, left.time_msc) == tuple(columns.close_ms[:2])
    slipped = points * 0.01
    assert left.price == (100_000.0 - slipped if side is BUY else 100_030.0 + slipped)


# Swap


def _night(
    side: list[float], *, day: int, of: Instrument = GOLD, hour: int = 20,
    paper: PaperSettings | None = None,
) -> BacktestRun:  # fmt: skip
    """Six hours from `hour` on, days after Monday; gold trades until 22:00 and from 23:00."""
    start_ms = MONDAY_MS + day * DAY_MS + hour * HOUR_MS
    flat = (2000.0, 2000.5, 1999.5, 2000.0)
    bars = make_bars([flat] * 24, symbol=of.symbol, start_ms=start_ms, spread_points=25)
    columns = decided(bars, np.array([side] + [WEAK] * 23), atr=20.0)
    free = {"spread_filter": {"max_points": 1e9, "max_atr_share": 10.0}}
    return run_backtest(columns, rules(of, paper, risk_management={"min_atr_threshold": 0}, **free))


@SIDES
@pytest.mark.parametrize(("day", "nights"), [(0, 1), (1, 1), (2, 3), (3, 1)],
                         ids=["monday", "tuesday", "wednesday", "thursday"])  # fmt: skip
def test_night_costs_the_swap_of_its_side_and_weekday(
    side: list[float], day: int, nights: int
) -> None:
    """Gold, points a lot and night: −40 for a long, +15 for a short; Wednesday's counts three."""
    run = _night(side, day=day)
    (held,) = run.venue.terminal.positions()
    points = -40 if side is BUY else 15
    assert held.swap == pytest.approx(points * nights * held.volume, abs=0.005)
    assert run.final_equity == pytest.approx(
        run.initial_balance + held.profit + held.swap, abs=0.005
    )


def test_midnight_is_the_servers_own() -> None:
    """Six hours from 12:00 UTC: at UTC + 8 a midnight lies in them, at UTC none."""
    paper = PaperSettings(slippage_points=0, server_timezone="Etc/GMT-8")
    (held,) = _night(BUY, day=0, hour=12, paper=paper).venue.terminal.positions()
    assert held.swap == pytest.approx(-40 * held.volume, abs=0.005)
    (held,) = _night(BUY, day=0, hour=12).venue.terminal.positions()
    assert held.swap == 0.0


@SIDES
def test_interest_is_that_of_a_year_of_360_days_on_the_price_that_ended_the_day(
    side: list[float],
) -> None:
    """Bitcoin: −20 % a year for a long at the bid, −5 % for a short at the ask, every night."""
    bars = make_bars([QUIET] * 4, start_ms=MONDAY_MS + 5 * DAY_MS - 2 * 900_000, spread_points=1000)
    run = run_backtest(decided(bars, np.array([side] + [WEAK] * 3)), rules(max_lot=1.0))
    (held,) = run.venue.terminal.positions()
    price, rate = (100_000.0, 0.20) if side is BUY else (100_010.0, 0.05)
    assert held.swap == pytest.approx(-price * rate / 360 * held.volume, abs=0.005)


# Commission


@SIDES
@pytest.mark.parametrize(("currency", "units"), [("USD", 1), ("USC", 100)])
def test_commission_is_paid_at_entry_and_exit_in_the_accounts_currency(
    side: list[float], currency: str, units: int
) -> None:
    of = replace(BTC, commission_per_lot=3.0)
    paper = PaperSettings(slippage_points=0, currency=currency, balance=10_000.0 * units)
    run = traded(side, [TARGET_OF[id(side)]], rules(of, paper))
    entry, left = run.deals[1:]
    assert (entry.entry, left.entry) == (DealEntry.IN, DealEntry.OUT)
    paid = pytest.approx(-3.0 * units * entry.volume, abs=0.005)
    assert [entry.commission, left.commission] == [paid, paid]
    (trade,) = run.trades
    whole = units * entry.volume * (250.0 - 2 * 3.0)
    assert trade.net_profit == pytest.approx(whole, abs=0.02)


# M1 bars inside a bar


UP, DOWN = (100_000.0, 100_400.0, 99_950.0, 100_000.0), (100_000.0, 100_050.0, 99_600.0, 100_000.0)


def inside(
    side: list[float], minutes: dict[int, Any], *, missing: int | None = None
) -> BacktestRun:
    """A bar that touches both levels, with quiet minutes but for those given (of its 15)."""
    rows = [minutes.get(place, QUIET) for place in range(15)]
    m1 = make_bars(rows, timeframe=Timeframe.M1, start_ms=MONDAY_MS + 900_000)
    if missing is not None:
        m1 = m1.rows(missing + 1, 15)
    paper = PaperSettings(slippage_points=0, m1_inside_bars=True)
    return traded(side, [BOTH], replace(rules(paper=paper, max_lot=1.0), minutes=m1))


@SIDES
@pytest.mark.parametrize(
    ("minutes", "missing", "first"),
    [({3: UP, 9: DOWN}, None, "up"), ({3: DOWN, 9: UP}, None, "down"),
     ({3: BOTH}, None, "unknown"), ({3: UP, 9: DOWN}, 0, "unknown"),
     ({3: DOWN, 9: UP}, 2, "unknown")],
    ids=["up-first", "down-first", "both-in-one-minute", "minute-missing", "minutes-missing"],
)  # fmt: skip
def test_minute_that_touches_first_decides_and_the_price_is_the_level(
    side: list[float], minutes: dict[int, Any], missing: int | None, first: str
) -> None:
    """Where the minutes do not tell, the stop stays the stop; price and instant are the bar's."""
    run = inside(side, minutes, missing=missing)
    won = first == ("up" if side is BUY else "down")
    levels = (100_260.0, 99_760.0) if side is BUY else (99_750.0, 100_250.0)
    (left,) = run.deals[2:]
    assert left.price == levels[0 if won else 1]
    assert left.time_msc == MONDAY_MS + 2 * 900_000 - 1
    assert run.trades[0].close_type == ("TP_HIT" if won else "SL_HIT")


@SIDES
def test_without_the_setting_minutes_change_nothing(side: list[float]) -> None:
    first = {3: UP, 9: DOWN} if side is BUY else {3: DOWN, 9: UP}
    m1 = inside(side, first).rules.minutes
    run = traded(side, [BOTH], replace(rules(max_lot=1.0), minutes=m1))
    assert run.trades[0].close_type == "SL_HIT"
