"""The figures that the go-live gate looks at, from trades and daily returns."""

import math

from backtest.gates.go_live import GoLiveFigures
from backtest.gates.proofs import edge_proof
from backtest.statistics import (
    Overfitting,
    TrialSharpes,
    deflated_sharpe,
    expected_best_sharpe,
    min_track_record,
    profit_factor,
    profit_factor_p5,
    shape_of,
)
from market.bars import Float64s
from trading.implausible import implausible


def measure(
    net: Float64s,
    daily: Float64s,
    *,
    weeks: float,
    trials: TrialSharpes,
    sweep: Overfitting | None = None,
    chosen_among: int = 1,
    days_a_year: int = 365,
    seed: int = 0,
) -> GoLiveFigures:
    """What trades alone prove; the parity and shadow figures are added with `replace`.

    `net`: (n,) out-of-sample trades after costs, in order of closing; `daily`: (days,) returns of
    marked-to-market equity over the same `weeks`, days without a trade included. `trials`: the
    ledger's, this system's own included. `sweep`: over all settings that were compared,
    `chosen_among` many.
    """
    shape = shape_of(daily)
    worthless = expected_best_sharpe(trials, shape.count) if shape.count > 1 else math.nan
    return GoLiveFigures(
        trades=len(net),
        trades_per_week=len(net) / weeks,
        profit_factor_p5=profit_factor_p5(net, seed=seed),
        deflated_sharpe=deflated_sharpe(shape, trials),
        trials=trials.count,
        days=shape.count,
        days_needed=min_track_record(shape, worthless),
        chosen_among=max(chosen_among, 0 if sweep is None else sweep.settings),
        overfitting=None if sweep is None or math.isnan(sweep.pbo) else sweep.pbo,
        alarms=tuple(
            implausible(
                sharpe=shape.ratio * math.sqrt(days_a_year),
                profit_factor=profit_factor(net),
                win_rate=float((net > 0).mean()) if len(net) else None,
                trades=len(net),
            )
        ),
        edge_proof=edge_proof(net),
    )
