"""A run's twin that knows nothing: the same forecasts at other times.

The forecasts of the decided bars are turned around by a random number of bars, at least a day, so
they keep their number, sides, strength and clusters and lose what they knew of the market. Bars,
costs, gate, guards and the other models are the run's own, so it trades about as often.
"""

from dataclasses import replace

import numpy as np

from backtest.driver import BacktestRun, run_backtest
from trading.forecasts import columns_of

_DAY_BARS = 96


def random_twin(run: BacktestRun, seed: int) -> BacktestRun:
    """The twin of a seed. `ValueError` for a run of less than three days."""
    count = len(run.bars)
    if count < 3 * _DAY_BARS:
        raise ValueError(
            f"random twin: {3 * _DAY_BARS} decided bars or more are needed, {count} came; leave "
            "--twins out, or let the last block be longer"
        )
    turn = int(np.random.default_rng(seed).integers(_DAY_BARS, count - _DAY_BARS))
    of = run.bars.forecasts
    turned = columns_of(
        of.open_ms, np.roll(of.probabilities, turn, axis=0), np.roll(of.votes, turn, axis=0),
        np.roll(of.missing, turn), of.feature_names, of.features,
    )  # fmt: skip
    floor = np.roll(run.bars.margin_floor, turn)
    return run_backtest(replace(run.bars, forecasts=turned, margin_floor=floor), run.rules)
