"""Runs pinned by the hash of all their deals: a change of any fill, size or time shows here.

Where a change is meant, print the new hashes with
`python -m tests.backtest.test_golden_runs` and say in the commit why they moved.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from backtest.columns import DecidedBars
from backtest.driver import BacktestRun, run_backtest
from backtest.memory import Said
from broker.contract.constants import DealEntry, DealType
from broker.simulator.draws import draw_between
from broker.simulator.settings import PaperSettings
from market.bars import Bars, Float64s
from market.instruments import instrument
from market.sources.generated import FIRST_MS, generated_bars
from market.timeframe import Timeframe
from tests.backtest.markets import decided, rules
from trading.advice import BesideModels
from trading.canonical import deal_line, sha256_lines
from trading.execution.intents import LevelsRequest

DAYS = 28
_BEFORE = 54  # days that the models' own ATR needs
_DAY_MS = 86_400_000
_OPEN = {"spread_filter": {"max_points": 1e9, "max_atr_share": 10.0}, "max_daily_loss_pct": 0.0,
         "max_weekly_drawdown_pct": 0.0, "circuit_breaker": {"enabled": False},
         "risk_management": {"min_atr_threshold": 0.0}}  # fmt: skip

_NARROW = {"dynamic_sltp": {"sl_atr_multiplier": 0.3, "tp_atr_multiplier": 0.3}}


@dataclass(frozen=True)
class Golden:
    name: str
    symbol: str
    atr: float
    trades: int
    sha256: str
    paper: dict[str, Any] = field(default_factory=dict)
    decision: dict[str, Any] = field(default_factory=dict)
    slippage: tuple[int, ...] = ()
    commission: float = 0.0
    minutes: bool = False
    managed: bool = False


GOLDEN = [
    Golden("bitcoin", "BTCUSD", 250.0, 429,
           "75b8c4d2082f7e865ef5602821fa0892633196f5318dba5ae6f3a95f53c560d3"),
    Golden("bitcoin_with_slippage", "BTCUSD", 250.0, 429,
           "f8bb0ac701f0c9491e0800fb7839557fb337e42c71112d6482160c23d67a1f10",
           {"slippage_points": 50, "seed": 7}),
    Golden("bitcoin_slipping_by_a_table", "BTCUSD", 250.0, 429,
           "3487ee579625670631b24195995f1c816cd902100a3ae630b354ee1fd919e417",
           slippage=(-20, 0, 0, 30, 400)),
    Golden("bitcoin_three_at_once", "BTCUSD", 250.0, 594,
           "643065e86a885e19f129273748c1d0e3dba30fefdf2aaf0ee57c7732f0a0c69e",
           decision={"max_open_positions": 3}),
    Golden("bitcoin_in_cents", "BTCUSD", 250.0, 429,
           "4a08f90932f075c8f05ebebc821b2c5b31e450067d804ce779171c3c40599b68",
           {"currency": "USC", "balance": 1_000_000.0}),
    Golden("bitcoin_with_guards", "BTCUSD", 250.0, 131,
           "84fb2d3f3fb6437bae31a7f3fddfefbc57c789b4d7de5d3ba52a71d43cc6a1ed",
           decision={"max_daily_loss_pct": 3.0, "max_weekly_drawdown_pct": 10.0,
                     "circuit_breaker": {"enabled": True, "max_consecutive_losses": 3}}),
    Golden("gold", "XAUUSD", 4.0, 304,
           "39e67069ef9ad74d48aed3400defb6be6506060c27b8d9cd28500987bb6f55d3"),
    Golden("euro", "EURUSD", 0.0008, 372,
           "da06e4c30dfa97c1e2053a60a10441273af5c810b80bc7f46764e1a785745625"),
    Golden("bitcoin_with_commission", "BTCUSD", 250.0, 429,
           "c0c2ba8d8f796826142a6ceb23ecb9253494f4124c9ac6c079f3e872c602de70", commission=3.5),
    Golden("bitcoin_with_minutes_inside_bars", "BTCUSD", 250.0, 597,
           "327857569469d443c8de751f5b971066b83b2edac7fe9292c6c5516c8c2275f4",
           {"m1_inside_bars": True}, _NARROW, minutes=True),
    Golden("bitcoin_without_minutes", "BTCUSD", 250.0, 597,
           "f817827a1c507593bc8e318d70e24a32ecfa716a12c84c9ddc2052efa7aee7d1", decision=_NARROW),
    Golden("bitcoin_at_a_server_in_cyprus", "BTCUSD", 250.0, 429,
           "33d33c0b01d8a1b1b3701ef7e34c78969c0f4c98a3bd80a317c5a572e774ea92",
           {"server_timezone": "Asia/Nicosia"}),
    Golden("bitcoin_managed", "BTCUSD", 250.0, 602,
           "5e71e2006a5a7388e69dabfc4c4d1eba0097e29f099c66da946395d8c7c5a124",
           decision={"max_open_positions": 3, "risk_percent": 0.5, "ml_active_management": {
               "add": {"enabled": True}, "ml_trailing_stop": {"enabled": True},
               "partial_close": {"enabled": True, "at_profit_atr": 0.5, "break_even": False}}},
           managed=True),
]  # fmt: skip


def probabilities(count: int) -> Float64s:
    """Whole-number draws over their sum: the same on every machine."""
    draws = np.array(
        [[draw_between(1, 100, 11, row, side) for side in range(3)] for row in range(count)]
    )
    return np.asarray(draws / draws.sum(axis=1, keepdims=True))


def minutes_of(bars: Bars) -> Bars:
    """The high of every bar in its 4th minute and the low in its 10th, or the other way round."""
    count = len(bars)
    flat = np.repeat(bars.open[:, None], 15, axis=1)
    high, low, row = flat.copy(), flat.copy(), np.arange(count)
    high[row, np.where(row % 2, 9, 3)] = bars.high
    low[row, np.where(row % 2, 3, 9)] = bars.low
    open_ms = (bars.open_ms[:, None] + 60_000 * np.arange(15)).ravel()
    prices = (np.ascontiguousarray(each.ravel()) for each in (flat, high, low, flat))
    ones = np.ones(count * 15, dtype=np.int64)
    return Bars(bars.symbol, Timeframe.M1, open_ms, *prices, ones, ones).checked()


class Mixed:
    """A position model that says HOLD, EXIT or ADD by the place of the profit it is shown."""

    def predict(self, rows: Float64s) -> Said:
        drawn = np.rint(np.abs(rows[:, 0]) * 1000).astype(np.int64) % 20
        says = np.where(drawn < 16, 0, np.where(drawn < 18, 1, 2))
        return Said(np.c_[0.05 + 0.85 * np.eye(3)[says], np.repeat(says[:, None], 3, axis=1)])


def _columns(of: Golden, bars: Bars) -> DecidedBars:
    """The last `DAYS` of the bars; all of them, where no model asks for what was before."""
    columns = decided(bars, probabilities(len(bars)), atr=of.atr, floor=0.35)
    first = int(np.searchsorted(bars.open_ms, int(bars.open_ms[-1]) + 1 - DAYS * _DAY_MS))
    decay = replace(
        columns.forecasts, features=(np.arange(len(bars)) % 7 / 7)[:, None],
        feature_names=("momentum_decay",),
    )  # fmt: skip
    return replace(
        columns, first=first, forecasts=decay.rows(first, len(bars)),
        margin_floor=columns.margin_floor[first:], atr=columns.atr[first:],
        ema200=columns.ema200[first:],
    )  # fmt: skip


def golden_run(of: Golden) -> BacktestRun:
    traded = replace(instrument(of.symbol), commission_per_lot=of.commission)
    days = DAYS + (_BEFORE if of.managed else 0)
    bars = generated_bars(traded, seed=5, from_ms=FIRST_MS, to_ms=FIRST_MS + days * _DAY_MS)
    paper = PaperSettings(**{"slippage_points": 0} | of.paper)
    made = replace(rules(traded, paper, **_OPEN | of.decision), slippage=of.slippage)
    if of.minutes:
        made = replace(made, minutes=minutes_of(bars))
    if of.managed:
        made = replace(made, models=BesideModels(position=Mixed()))
    return run_backtest(_columns(of, bars), made)


def deals_sha256(run: BacktestRun) -> str:
    traded = [deal for deal in run.deals if deal.type in (DealType.BUY, DealType.SELL)]
    return sha256_lines(deal_line(deal) for deal in traded)


@pytest.mark.parametrize("of", GOLDEN, ids=[each.name for each in GOLDEN])
def test_all_deals_of_a_golden_run_are_what_they_were(of: Golden) -> None:
    run = golden_run(of)
    assert (len(run.trades), deals_sha256(run)) == (of.trades, of.sha256)


def test_netting_account_with_one_position_has_the_deals_of_a_hedging_one() -> None:
    one = GOLDEN[0]
    assert deals_sha256(golden_run(replace(one, paper={"account_mode": "netting"}))) == one.sha256


def test_managed_golden_run_closes_adds_takes_parts_and_moves_stops() -> None:
    run = golden_run(GOLDEN[-1])
    sent = [request for request, _, _ in run.answers]
    moved = [request for request in sent if isinstance(request, LevelsRequest)]
    left = [each for each in sent if not isinstance(each, LevelsRequest) and each.position]
    out = {deal.position_id for deal in run.deals if deal.entry is DealEntry.OUT}
    assert moved
    assert left
    assert {trade.close_type for trade in run.trades} == {"SL_HIT", "TP_HIT", "ML_EXIT"}
    assert sum(deal.entry is DealEntry.OUT for deal in run.deals) > len(out)


def test_golden_runs_are_told_apart() -> None:
    assert len({each.sha256 for each in GOLDEN}) == len(GOLDEN)


if __name__ == "__main__":
    for each in GOLDEN:
        made = golden_run(each)
        closed = dict(Counter(trade.close_type for trade in made.trades))
        print(each.name, len(made.trades), deals_sha256(made), closed)
