"""Runs pinned by the hash of all their deals: a change of any fill, size or time shows here.

Where a change is meant, print the new hashes with
`python -m tests.backtest.test_golden_runs` and say in the commit why they moved.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from backtest.driver import BacktestRun, run_backtest
from broker.contract.constants import DealType
from broker.simulator.draws import draw_between
from broker.simulator.settings import PaperSettings
from market.bars import Float64s
from market.instruments import instrument
from market.sources.generated import FIRST_MS, generated_bars
from tests.backtest.markets import decided, rules
from trading.canonical import deal_line, sha256_lines

DAYS = 28
_DAY_MS = 86_400_000
_OPEN = {"spread_filter": {"max_points": 1e9, "max_atr_share": 10.0}, "max_daily_loss_pct": 0.0,
         "max_weekly_drawdown_pct": 0.0, "circuit_breaker": {"enabled": False},
         "risk_management": {"min_atr_threshold": 0.0}}  # fmt: skip


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
]  # fmt: skip


def probabilities(count: int) -> Float64s:
    """Whole-number draws over their sum: the same on every machine."""
    draws = np.array(
        [[draw_between(1, 100, 11, row, side) for side in range(3)] for row in range(count)]
    )
    return np.asarray(draws / draws.sum(axis=1, keepdims=True))


def golden_run(of: Golden) -> BacktestRun:
    traded = instrument(of.symbol)
    bars = generated_bars(traded, seed=5, from_ms=FIRST_MS, to_ms=FIRST_MS + DAYS * _DAY_MS)
    columns = decided(bars, probabilities(len(bars)), atr=of.atr, floor=0.35)
    paper = PaperSettings(**{"slippage_points": 0} | of.paper)
    made = rules(traded, paper, **_OPEN | of.decision)
    return run_backtest(columns, replace(made, slippage=of.slippage))


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


def test_golden_runs_are_told_apart() -> None:
    assert len({each.sha256 for each in GOLDEN}) == len(GOLDEN)


if __name__ == "__main__":
    for each in GOLDEN:
        made = golden_run(each)
        print(each.name, len(made.trades), deals_sha256(made))
