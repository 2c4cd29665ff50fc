"""Sharpe ratios that were chosen among many: what is left after the choice.

All ratios here are per period (a day), not annual; `trading.sharpe.Shape` says which.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from trading.sharpe import Shape, sharpe_error

_NORMAL = NormalDist()
_EULER = 0.5772156649015329


@dataclass(frozen=True, slots=True)
class TrialSharpes:
    """How many trials there were, and how far their Sharpe ratios (per day) spread.

    `count`: every trial, failed, pruned and repeated ones too; `known`: those with a ratio;
    `variance`: of theirs (ddof 1) or of the different ones among them, whichever is larger, so that
    the same run looked at again and again makes it no smaller; NaN with fewer than two.
    `periods`: returns behind each ratio; None for as many as the judged run has.
    """

    count: int
    known: int
    variance: float
    periods: int | None = None

    @staticmethod
    def of(
        ratios: Sequence[float], count: int | None = None, *, periods: Sequence[int] = ()
    ) -> "TrialSharpes":
        """From the known daily ratios; `count` where there were more trials than those.

        `periods`: returns (2 or more) behind each ratio, none where all trials are as long as the
        judged run. A ratio of T worthless returns has a standard deviation of 1/√(T − 1), so those
        of unequal runs are no sample of one variance: each is brought to the longest run's length,
        SR √((T − 1)/(T_longest − 1)), which leaves its t statistic as it is.
        """
        longest = max(periods, default=None)
        if longest is not None:
            ratios = [
                ratio * math.sqrt((own - 1) / (longest - 1))
                for ratio, own in zip(ratios, periods, strict=True)
            ]
        different = sorted(set(ratios))
        spreads = [float(np.var(each, ddof=1)) for each in (ratios, different) if len(each) > 1]
        variance = max(spreads, default=math.nan)
        known = len(ratios)
        return TrialSharpes(known if count is None else count, known, variance, longest)

    def variance_at(self, periods: int) -> float:
        """The variance of the ratios, had each run been as long as the judged one (2 or more)."""
        own = periods if self.periods is None else self.periods
        return self.variance * (own - 1) / (periods - 1)


def probabilistic_sharpe(seen: Shape, against: float = 0.0) -> float:
    """The probability that the true Sharpe ratio is above `against`.

    Φ((SR − SR*) √(T − 1) / √(1 − γ₃ SR + (γ₄ − 1)/4 · SR²)): D. Bailey, M. López de Prado, The
    Sharpe Ratio Efficient Frontier, Journal of Risk 15 (2012). NaN without a ratio.
    """
    error = seen.standard_error
    if math.isnan(error) or error == 0:
        return math.nan
    return _NORMAL.cdf((seen.ratio - against) / error)


def min_track_record(seen: Shape, against: float = 0.0, *, confidence: float = 0.95) -> float:
    """Periods after which the ratio seen, if it stays, is above `against` with `confidence`.

    1 + (1 − γ₃ SR + (γ₄ − 1)/4 · SR²) (z/(SR − SR*))²: the same paper. Infinite where the ratio
    is not above `against`, NaN without a ratio.
    """
    if math.isnan(seen.ratio):
        return math.nan
    if seen.ratio <= against:
        return math.inf
    spread = sharpe_error(seen.ratio, 2, seen.skewness, seen.kurtosis) ** 2
    return 1 + spread * (_NORMAL.inv_cdf(confidence) / (seen.ratio - against)) ** 2


def expected_best_sharpe(trials: TrialSharpes, periods: int) -> float:
    """SR₀: the ratio to expect of the best of so many trials that are worth nothing.

    √V · ((1 − γ) Φ⁻¹(1 − 1/N) + γ Φ⁻¹(1 − 1/(N e))), γ = 0.5772…: D. Bailey, M. López de Prado,
    The Deflated Sharpe Ratio, Journal of Portfolio Management 40 (2014). One trial is no choice:
    0. V is brought to `periods`. Where fewer than two ratios are known, V is that of ratios of
    `periods` worthless returns, 1/(T − 1). It is never less than for the trials without a known
    ratio alone, so that a few looks at much the same settings, whose ratios hardly spread, do not
    hide those.
    """
    worthless = math.sqrt(1 / (periods - 1))
    if math.isnan(trials.variance):
        return worthless * _best_of(trials.count)
    unknown = worthless * _best_of(trials.count - trials.known)
    return max(math.sqrt(trials.variance_at(periods)) * _best_of(trials.count), unknown)


def _best_of(count: int) -> float:
    """The largest to expect of `count` independent standard normal numbers; 0 of one or none."""
    if count <= 1:
        return 0.0
    first = _NORMAL.inv_cdf(1 - 1 / count)
    second = _NORMAL.inv_cdf(1 - 1 / (count * math.e))
    return (1 - _EULER) * first + _EULER * second


def deflated_sharpe(seen: Shape, trials: TrialSharpes) -> float:
    """The probability that the true ratio is above what the best of so many trials would show.

    `probabilistic_sharpe` against `expected_best_sharpe`. `trials` counts the one that was chosen.
    NaN without a ratio.
    """
    if seen.count < 2:
        return math.nan
    return probabilistic_sharpe(seen, expected_best_sharpe(trials, seen.count))
