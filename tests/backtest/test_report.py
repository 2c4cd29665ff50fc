"""Months, charted trades and figures; the page itself: test_analysed_run."""

from typing import Any

import pytest

from backtest.driver import BacktestRun, run_backtest
from backtest.report.months import months
from backtest.report.rows import figures
from backtest.report.trades import trades_with_levels
from market.instruments import instrument
from tests.backtest.markets import STRATEGY, decided, random_probabilities, random_walk, rules
from trading.results import summarise


@pytest.fixture(scope="module")
def run() -> BacktestRun:
    of = instrument("BTCUSD")
    bars = random_walk(of, 3400, seed=8, level=60_000.0, move=0.002)
    columns = decided(bars, random_probabilities(len(bars), seed=5), atr=300.0, floor=0.4)
    return run_backtest(columns, rules(of, spread_filter={"max_points": 1e9, "max_atr_share": 1.0}))


@pytest.fixture(scope="module")
def summary(run: BacktestRun) -> dict[str, Any]:
    made = summarise(
        run.lines(), run.deals, run.bars.bars, run.terms, strategy_id=STRATEGY,
        initial_balance=run.initial_balance, final_equity=run.final_equity, data_sha256="d" * 64,
    )  # fmt: skip
    return made | {"warnings": ["seen <before>"]}


def test_months_add_up_to_the_run(run: BacktestRun) -> None:
    rows = months(run.trades, run.curve, run.initial_balance)
    assert [row.name for row in rows] == ["2024-12", "2025-01", "2025-02"]
    assert sum(row.trades for row in rows) == len(run.trades)
    assert sum(row.net_profit for row in rows) == pytest.approx(
        sum(trade.net_profit for trade in run.trades)
    )
    growth = 1.0
    for row in rows:
        growth *= 1 + row.return_pct / 100
    assert growth * run.initial_balance == pytest.approx(run.curve.close[-1])


def test_every_trade_on_the_chart_has_the_levels_it_was_sent_with(run: BacktestRun) -> None:
    shown = trades_with_levels(run)
    assert len(shown) == len(run.trades) > 20
    for each in shown:
        low, high = sorted((each.sl, each.tp))
        assert low < each.trade.price_open < high


def test_figure_that_does_not_exist_says_why(summary: dict[str, Any]) -> None:
    none = summary | {"profit_factor": None, "notes": {"profit_factor": "no losing trade"}}
    assert ("profit factor", "none (no losing trade)") in figures(none)
