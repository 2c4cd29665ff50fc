"""What a run proves: every statistic of docs/evaluation.md that its trades and equity have."""

import math
from dataclasses import asdict
from typing import Any

import numpy as np

from backtest.driver import BacktestRun
from backtest.statistics import (
    Interval,
    TrialSharpes,
    bootstrap,
    break_even,
    cagr,
    calmar,
    daily_returns,
    deflated_sharpe,
    expected_best_sharpe,
    exposure,
    max_drawdown,
    min_track_record,
    profit_factor,
    score,
    shape_of,
    sharpe_daily,
    sortino_daily,
    trades_to_prove,
    turnover_a_year,
    wilson,
)
from broker.contract.constants import DealType
from market.bars import Float64s
from trading.equity import EquityCurve
from trading.risk_state import net_profits


def proof(run: BacktestRun, trials: TrialSharpes) -> dict[str, Any]:
    """Figures with their intervals, by name; a figure that does not exist is NaN.

    `trials`: those of the ledger, with this run's own look.
    """
    net = net_profits(run.trades)
    curve = run.curve
    daily = daily_returns(curve, run.initial_balance)
    solvent = len(daily) > 0 and bool((curve.close > 0).all())
    return (
        proof_of_trades(net, max_drawdown(curve))
        | proof_of_days(daily if solvent else np.zeros(0), trials)
        | _of_equity(run, curve)
    )


def proof_of_trades(net: Float64s, drawdown: float) -> dict[str, Any]:
    """What trades (n,) and the max drawdown, a share, have."""
    won = wilson(int((net > 0).sum()), len(net))
    even, rated = break_even(net), score(net, drawdown)
    return {
        "win_rate": _interval(won),
        "break_even_win_rate": even,
        "trades_to_prove": trades_to_prove(won.share, even),
        "profit_factor": asdict(bootstrap(net, profit_factor)),
        "profit_factor_p5": rated.profit_factor_p5,
        "mean_net": asdict(bootstrap(net, _mean)),
        "score": math.nan if rated.value is None else rated.value,
        "score_why_not": rated.why_not,
    }


def proof_of_days(daily: Float64s, trials: TrialSharpes) -> dict[str, Any]:
    """What daily returns (days,) have; ratios are those of a year of 365 days."""
    sharpe, shape = sharpe_daily(daily), shape_of(daily)
    worthless = expected_best_sharpe(trials, shape.count) if shape.count > 1 else math.nan
    return {
        "sharpe": {"value": sharpe.annual, "standard_error": sharpe.standard_error},
        "sortino": sortino_daily(daily),
        "days": shape.count,
        "days_needed": min_track_record(shape, worthless),
        "trials": trials.count,
        "trials_with_sharpe": trials.known,
        "deflated_sharpe": deflated_sharpe(shape, trials) if shape.count > 1 else math.nan,
    }


def _of_equity(run: BacktestRun, curve: EquityCurve) -> dict[str, Any]:
    bars = run.bars.bars
    from_ms, to_ms = int(bars.open_ms[0]), int(bars.close_ms[-1])
    growth = cagr(run.initial_balance, run.final_equity, to_ms - from_ms)
    trades = run.trades
    opened = np.array([trade.opened_ms for trade in trades], dtype=np.int64)
    closed = np.array([trade.closed_ms for trade in trades], dtype=np.int64)
    deals = [deal for deal in run.deals if deal.type in (DealType.BUY, DealType.SELL)]
    turned = turnover_a_year(
        deals, run.terms, mean_equity=float(curve.close.mean()), span_ms=to_ms - from_ms
    )
    return {
        "cagr": growth,
        "max_drawdown": max_drawdown(curve),
        "calmar": calmar(growth, max_drawdown(curve)),
        "ambiguous_exits": sum(deal.ambiguous for deal in run.venue.terminal.ledger.deals),
        "exposure": exposure(opened, closed, from_ms=from_ms, to_ms=to_ms),
        "turnover_a_year": turned,
    }


def _interval(found: Interval) -> dict[str, float]:
    return {"value": found.share, "low": found.low, "high": found.high}


def _mean(values: Float64s) -> float:
    return float(values.mean())
