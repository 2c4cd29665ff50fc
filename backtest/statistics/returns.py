"""Growth and drawdown of marked-to-market equity. The Sharpe ratio is in `trading.sharpe`."""

import math

import numpy as np

from market.bars import Float64s
from trading.equity import EquityCurve

_YEAR_MS = 365 * 86_400_000


def max_drawdown(curve: EquityCurve) -> float:
    """The largest share of peak equity that equity lay below it, worst inside each bar."""
    return float(curve.drawdown.max(initial=0.0))


def cagr(initial: float, final: float, span_ms: int) -> float:
    """Compound growth a year of 365 days: (final/initial)^(year/span) − 1.

    A span of less than a year is extrapolated; infinite where that is beyond any number. −1 where
    nothing is left, NaN without a span.
    """
    if span_ms <= 0 or initial <= 0:
        return math.nan
    if final <= 0:
        return -1.0
    try:
        return math.pow(final / initial, _YEAR_MS / span_ms) - 1
    except OverflowError:
        return math.inf


def calmar(growth_a_year: float, drawdown: float) -> float:
    """`cagr` over `max_drawdown` of the whole window; NaN without a drawdown.

    T. Young, Futures 20 (1991), who took 36 months.
    """
    return growth_a_year / drawdown if drawdown > 0 else math.nan


def sortino_daily(returns: Float64s, *, days_a_year: int = 365, target: float = 0.0) -> float:
    """(Mean of daily returns − target) over their target downside deviation, times √days_a_year.

    The deviation is the root of the mean over *all* days of min(0, return − target)²: F. Sortino,
    L. Price, Journal of Investing 3 (1994); T. Rollinger, S. Hoffman, Sortino: A 'Sharper' Ratio
    (2013). NaN without days, and where no day is below the target.
    """
    if len(returns) == 0:
        return math.nan
    below = math.sqrt(float((np.minimum(0.0, returns - target) ** 2).mean()))
    if below == 0:
        return math.nan
    return (float(returns.mean()) - target) / below * math.sqrt(days_a_year)
