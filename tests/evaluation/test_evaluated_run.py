"""A backtest of the real driver through everything: figures, gates, band, evidence."""

from pathlib import Path

import numpy as np
import pytest

from backtest.driver import BacktestRun, run_backtest
from backtest.evidence import ChargedCosts, Evidence, System, read_evidence, write_evidence
from backtest.forecast_band import Inside, closed_returns, forecast_band, watch_band
from backtest.gate_settings import GateSettings
from backtest.gates import (
    Verdict,
    WalkForwardFigures,
    cut_folds,
    gate_rows,
    verdict,
    walk_forward_gate,
)
from backtest.gates.measure import measure
from backtest.go_live import Refusal, require_evidence
from backtest.report.trades import r_multiples, trades_with_levels
from backtest.statistics import (
    TrialSharpes,
    daily_returns,
    exposure,
    max_drawdown,
    sharpe_daily,
    spread_cost,
)
from broker.contract.constants import AccountTradeMode, DealType
from market.instruments import instrument
from tests.backtest.markets import STRATEGY, decided, random_probabilities, random_walk, rules
from trading.results import summarise

GATE = GateSettings()
WEEK_MS = 7 * 86_400_000


@pytest.fixture(scope="module")
def run() -> BacktestRun:
    """Ten weeks of coin flips on a random walk; every guard that would stop them is off."""
    of = instrument("BTCUSD")
    bars = random_walk(of, 10 * 672, seed=8, level=60_000.0, move=0.002)
    columns = decided(bars, random_probabilities(len(bars), seed=5), atr=300.0, floor=0.4)
    free = {"max_daily_loss_pct": 0, "max_weekly_drawdown_pct": 0, "risk_percent": 0.1}
    spread = {"max_points": 1e9, "max_atr_share": 1.0}
    return run_backtest(columns, rules(of, spread_filter=spread, **free))


def span(run: BacktestRun) -> tuple[int, int]:
    bars = run.bars.bars
    return int(bars.open_ms[0]), int(bars.close_ms[-1])


def test_summary_and_statistics_have_one_sharpe_ratio_and_one_drawdown(run: BacktestRun) -> None:
    summary = summarise(
        run.lines(), run.deals, run.bars.bars, run.terms, strategy_id=STRATEGY,
        initial_balance=run.initial_balance, final_equity=run.final_equity, data_sha256="d" * 64,
    )  # fmt: skip
    daily = daily_returns(run.curve, run.initial_balance)
    assert summary["sharpe"] == sharpe_daily(daily).annual
    assert summary["max_drawdown_pct"] == 100 * max_drawdown(run.curve)


def test_stopped_trades_lose_about_one_r_and_costs_are_never_negative(run: BacktestRun) -> None:
    shown = trades_with_levels(run)
    r = r_multiples(shown, run.terms)
    stopped = np.array([each.trade.close_type == "SL_HIT" for each in shown])
    assert stopped.sum() > 20
    assert np.median(r[stopped]) == pytest.approx(-1.0, abs=0.05)
    deals = [deal for deal in run.deals if deal.type in (DealType.BUY, DealType.SELL)]
    assert (spread_cost(deals, run.bars.bars, run.terms) >= 0).all()
    from_ms, to_ms = span(run)
    opened = np.array([trade.opened_ms for trade in run.trades])
    closed = np.array([trade.closed_ms for trade in run.trades])
    assert 0 < exposure(opened, closed, from_ms=from_ms, to_ms=to_ms) < 1


def test_coin_flips_that_pay_a_spread_are_not_proven_by_any_gate(
    run: BacktestRun, tmp_path: Path
) -> None:
    from_ms, to_ms = span(run)
    daily = daily_returns(run.curve, run.initial_balance)
    closed, returns = closed_returns(run.trades, run.initial_balance)
    weeks = (to_ms - from_ms) / WEEK_MS
    net = np.array([trade.net_profit for trade in run.trades])
    figures = measure(net, daily, weeks=weeks, trials=TrialSharpes.of([], count=1))
    assert verdict(figures, GATE.go_live) is Verdict.NOT_PROVEN
    folds = cut_folds(closed, net, np.sign(net), from_ms=from_ms, to_ms=to_ms)
    sharpe = sharpe_daily(daily).annual
    gate = walk_forward_gate(WalkForwardFigures(folds, sharpe, weeks), GATE)
    assert not gate.passed
    assert all(row[3] == "yes" or row[4] for row in gate_rows(gate))
    band = forecast_band(
        closed, returns, from_ms=from_ms, to_ms=to_ms, settings=GATE.band, replicates=300
    )
    system = System("BTCUSD", {"signal": "a" * 64}, {"signal": "b" * 64}, {"risk_percent": 0.1})
    path = tmp_path / "evidence.json"
    charged = ChargedCosts(50, 1200.0)
    made = Evidence(system, "d" * 64, from_ms, to_ms, to_ms, figures, band, 1, "f" * 64, charged)
    write_evidence(path, made)
    evidence = read_evidence(path)
    assert evidence is not None
    answer = require_evidence(AccountTradeMode.REAL, evidence, system, GATE.go_live)
    assert isinstance(answer, Refusal)
    named = {each.what.split(":")[0] for each in answer.missing}
    assert {"PF₅", "shadow trading", "live = batch features"} <= named
    four_weeks = [trade for trade in run.trades if trade.closed_ms < from_ms + 4 * WEEK_MS]
    assert watch_band(
        band, four_weeks, since_ms=from_ms, now_ms=from_ms + 4 * WEEK_MS,
        balance=run.initial_balance,
    ) == Inside()  # fmt: skip
