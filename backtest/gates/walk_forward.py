"""The walk-forward gate: folds of a few weeks, pooled."""

import math
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import numpy as np

from backtest.gate_settings import GateSettings, SeedsSettings, WalkForwardSettings
from backtest.gates.proofs import edge_proof
from backtest.gates.records import Criterion, GateResult, criterion
from backtest.statistics import profit_factor
from market.bars import Float64s, Int64s
from trading.implausible import implausible

WEEK_MS = 7 * 86_400_000
_LEAK = "find and remove the cause, then evaluate again: `lookahead`, `parity`, costs, splits"
SEEDS_WARNING = (
    "gate.profile: seeds selects leaks: measured on the shared data, its thresholds pass a true "
    "57 % / 1.33 system 0.01–4.6 % of the time and a leaking one 72–99.7 % of the time; use the "
    "default profile"
)


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """The trades that closed in [from_ms, to_ms), in the last fold at `to_ms`, too. `net`: money
    after costs; `r`: multiples of what each trade risked, NaN for one without a stop."""

    from_ms: int
    to_ms: int
    net: Float64s
    r: Float64s

    @property
    def profit_factor(self) -> float:
        return profit_factor(self.net)

    @property
    def win_rate(self) -> float:
        return float((self.net > 0).mean()) if len(self.net) else math.nan


@dataclass(frozen=True, slots=True, eq=False)
class WalkForwardFigures:
    """Folds one after the other, oldest first, and the annual Sharpe ratio of the pool (NaN: none).

    `weeks`: of the whole window, days without a trade included.
    """

    folds: tuple[Fold, ...]
    sharpe: float
    weeks: float

    @property
    def net(self) -> Float64s:
        return np.concatenate([fold.net for fold in self.folds]) if self.folds else np.zeros(0)


def cut_folds(
    closed_ms: Int64s, net: Float64s, r: Float64s, *, from_ms: int, to_ms: int, fold_weeks: int = 4
) -> tuple[Fold, ...]:
    """Folds of equal length that end at `to_ms`; the oldest takes what is left over.

    `closed_ms`, `net`, `r`: (n,) of the window's trades, in order of closing. What the last
    decision closes, closes at `to_ms`. Raises `ValueError` for a trade outside the window.
    """
    if len(closed_ms) and not from_ms <= closed_ms[0] <= closed_ms[-1] <= to_ms:
        raise ValueError(
            f"folds: trades that closed between {from_ms} and {to_ms} ms are allowed, "
            f"{closed_ms[0]} to {closed_ms[-1]} came"
        )
    step = fold_weeks * WEEK_MS
    count = max(1, (to_ms - from_ms) // step)
    edges = [from_ms, *(to_ms - step * left for left in range(count - 1, -1, -1))]
    rows = [*np.searchsorted(closed_ms, edges[:-1]), len(closed_ms)]
    return tuple(
        Fold(begin, end, net[first:last], r[first:last])
        for (begin, end), (first, last) in zip(pairwise(edges), pairwise(rows), strict=True)
    )


def walk_forward_gate(figures: WalkForwardFigures, settings: GateSettings) -> GateResult:
    """The gate of `settings.profile`; the seeds' carries its warning."""
    if settings.profile == "seeds":
        criteria = _seeds(figures, settings.seeds)
        return GateResult("walk-forward gate (seeds)", criteria, (SEEDS_WARNING,))
    return GateResult("walk-forward gate", _default(figures, settings.walk_forward))


def _default(figures: WalkForwardFigures, of: WalkForwardSettings) -> tuple[Criterion, ...]:
    net = figures.net
    return (
        criterion(
            "window", f"at least {of.min_weeks:g} weeks", f"{figures.weeks:.1f} weeks",
            figures.weeks >= of.min_weeks, f"{of.min_weeks - figures.weeks:.1f} more weeks",
        ),
        _no_alarm(figures),
        criterion(
            "profit factor of the pool", f"above {of.min_profit_factor:g}",
            f"{profit_factor(net):.2f} on {len(net)} trades",
            profit_factor(net) > of.min_profit_factor, edge_proof(net),
        ),
        _worst_fold(figures, of),
    )  # fmt: skip


def _no_alarm(figures: WalkForwardFigures) -> Criterion:
    net = figures.net
    alarms = implausible(
        sharpe=figures.sharpe, profit_factor=profit_factor(net),
        win_rate=float((net > 0).mean()) if len(net) else None, trades=len(net),
    )  # fmt: skip
    seen = "; ".join(each.split(":")[0] for each in alarms) or "none"
    return criterion("no alarm", "no implausible figure on the pool", seen, not alarms, _LEAK)


def _worst_fold(figures: WalkForwardFigures, of: WalkForwardSettings) -> Criterion:
    lost = [float(fold.r.sum()) for fold in figures.folds]
    # one trade without a stop leaves its fold's R, and so the worst, unknown
    worst = float(np.min(lost)) if lost else math.nan
    proof = "a smaller loss in every fold: look at the worst one's denials"
    if lost and math.isnan(worst):
        proof = "a stop for every trade: what one without a stop risked is not known"
    return criterion(
        "worst fold", f"not below {of.worst_fold_r:g} R", f"{worst:+.1f} R of {len(lost)} folds",
        worst >= of.worst_fold_r, proof,
    )  # fmt: skip


def _seeds(figures: WalkForwardFigures, of: SeedsSettings) -> tuple[Criterion, ...]:
    last = figures.folds[-of.folds :]
    rates, factors = [fold.win_rate for fold in last], [fold.profit_factor for fold in last]
    proof = "nothing honest: see the warning"
    middle = median(factors) if last and not any(map(math.isnan, factors)) else math.nan
    return (
        criterion("folds", f"{of.folds}", f"{len(last)}", len(last) == of.folds, "more weeks"),
        criterion(
            "win rate of each fold", f"at least {of.min_win_rate:.0%}",
            ", ".join(f"{rate:.0%}" for rate in rates) or "none",
            bool(last) and all(rate >= of.min_win_rate for rate in rates), proof,
        ),
        criterion(
            "profit factor of each fold", f"at least {of.min_profit_factor:g}",
            ", ".join(f"{each:.2f}" for each in factors) or "none",
            bool(last) and all(each >= of.min_profit_factor for each in factors), proof,
        ),
        criterion(
            "median profit factor", f"at least {of.min_median_profit_factor:g}", f"{middle:.2f}",
            middle >= of.min_median_profit_factor, proof,
        ),
    )  # fmt: skip
