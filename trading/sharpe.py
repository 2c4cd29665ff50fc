"""Daily returns and their Sharpe ratio: the one definition, for paper, backtest and statistics."""

import math
from dataclasses import dataclass

import numpy as np

from market.bars import Float64s, Int64s
from trading.equity import EquityCurve

_DAY_MS = 86_400_000
# Returns are ratios of equities less 1: what rounding leaves of equal ones is some 1e-16.
_ROUNDING = 1e-14


def daily_returns(curve: EquityCurve, initial_balance: float) -> Float64s:
    """Returns of marked-to-market equity from one UTC day's last close to the next."""
    day: Int64s = (curve.time_ms - 1) // _DAY_MS
    last = np.r_[day[1:] != day[:-1], True] if len(day) else np.zeros(0, dtype=np.bool_)
    equity = np.r_[initial_balance, curve.close[last]]
    return np.asarray(equity[1:] / equity[:-1] - 1)


@dataclass(frozen=True, slots=True)
class Sharpe:
    """An annual Sharpe ratio and its standard error, from `days` daily returns."""

    annual: float
    standard_error: float
    days: int


@dataclass(frozen=True, slots=True)
class Shape:
    """What a Sharpe ratio and its error are made of: per period, not annual.

    `ratio`: mean over standard deviation (ddof 1) of `count` returns; NaN with fewer than two or
    where they vary by no more than rounding. `skewness` γ₃ and `kurtosis` γ₄ (3 for normal
    returns) are moments.
    """

    ratio: float
    count: int
    skewness: float = 0.0
    kurtosis: float = 3.0

    @property
    def standard_error(self) -> float:
        return sharpe_error(self.ratio, self.count, self.skewness, self.kurtosis)


def shape_of(returns: Float64s) -> Shape:
    """The shape of returns (n,) of equal periods, in order of time."""
    count, deviation = len(returns), float(returns.std(ddof=1)) if len(returns) > 1 else 0.0
    if count < 2 or deviation <= _ROUNDING * max(1.0, float(np.abs(returns).max())):
        return Shape(math.nan, count)
    from_mean = (returns - returns.mean()) / returns.std()
    skewness, kurtosis = float((from_mean**3).mean()), float((from_mean**4).mean())
    return Shape(float(returns.mean()) / deviation, count, skewness, kurtosis)


def sharpe_daily(returns: Float64s, *, days_a_year: int = 365) -> Sharpe:
    """Mean over standard deviation (ddof 1) of daily returns, times √days_a_year.

    365 for crypto, 252 for markets with weekends. Standard error of a daily ratio s with skewness
    γ₃ and kurtosis γ₄ over T days: √((1 − γ₃ s + (γ₄ − 1)/4 · s²)/(T − 1)); normal returns give
    A. Lo, Financial Analysts Journal 58 (2002). D. Bailey, M. López de Prado, Journal of Risk 15
    (2012). NaN with fewer than two days or returns that do not vary.
    """
    shape, scale = shape_of(returns), math.sqrt(days_a_year)
    return Sharpe(shape.ratio * scale, shape.standard_error * scale, shape.count)


def sharpe_error(ratio: float, count: int, skewness: float = 0.0, kurtosis: float = 3.0) -> float:
    """Standard error of a Sharpe ratio per period over `count` periods; see `sharpe_daily`."""
    if count < 2:
        return math.nan
    # never below 0 (kurtosis ≥ 1 + skewness²), but for rounding
    spread = max(0.0, 1 - skewness * ratio + (kurtosis - 1) / 4 * ratio**2)
    return math.sqrt(spread / (count - 1))
