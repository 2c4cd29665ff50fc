"""What the trades of a run prove: one definition of each statistic, with its source.

Pure functions of arrays. Trades are net of all costs, in order of time. Shares, not percent,
unless the name says so. A statistic that does not exist is NaN, or infinite where it says so.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market.bars import Float64s, Int64s
from trading.equity import EquityCurve

Z95 = 1.959963984540054
MIN_TRADES = 100
REPLICATES = 2000
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A share and its confidence limits."""

    share: float
    low: float
    high: float


def wilson(hits: int, count: int, z: float = Z95) -> Interval:
    """Wilson's score interval of a proportion; 95 % by default. NaN where nothing was counted.

    E. B. Wilson, JASA 22 (1927); R. Newcombe, Statistics in Medicine 17 (1998), method 3.
    """
    if not 0 <= hits <= count:
        raise ValueError(f"wilson: 0 … {count} hits are allowed, {hits} came")
    if count == 0:
        return Interval(math.nan, math.nan, math.nan)
    share, weight = hits / count, z * z / count
    middle = (share + weight / 2) / (1 + weight)
    half = z * math.sqrt(share * (1 - share) / count + weight / (4 * count)) / (1 + weight)
    low = 0.0 if hits == 0 else middle - half
    return Interval(share, low, 1.0 if hits == count else middle + half)


def profit_factor(net: Float64s) -> float:
    """Sum of gains over sum of losses. Infinite without a loss, NaN without gain and loss."""
    gained, lost = float(net[net > 0].sum()), float(-net[net < 0].sum())
    if lost > 0:
        return gained / lost
    return math.inf if gained > 0 else math.nan


def mean_block(count: int) -> float:
    """Mean block length of the bootstrap: ∛count, at least 1.

    It grows at the rate of the optimal length: D. Politis, H. White, Econometric Reviews 23 (2004).
    """
    return max(1.0, count ** (1 / 3))


def stationary_blocks(
    count: int, block: float, replicates: int, seed: int
) -> Iterator[NDArray[np.int64]]:
    """`replicates` index arrays (count,) of a stationary bootstrap of `count` observations.

    Blocks start anywhere, have a geometric length of mean `block`, and wrap at the end.
    D. Politis, J. Romano, The Stationary Bootstrap, JASA 89 (1994).
    """
    draw, place = np.random.default_rng(seed), np.arange(count)
    for _ in range(replicates):
        begins = draw.random(count) < 1 / block
        since = np.maximum.accumulate(np.where(begins, place, 0))
        start = draw.integers(count, size=count)[since]
        yield (start + place - since) % count


def profit_factor_p5(
    net: Float64s, *, seed: int = 0, replicates: int = REPLICATES, block: float | None = None
) -> float:
    """PF₅: the 5th percentile of the profit factor over a stationary bootstrap of the trades.

    An order statistic (no interpolation). `block`: mean block length in trades, by default
    `mean_block`. NaN without trades; a resample without gain or loss counts as 0.
    """
    if len(net) == 0:
        return math.nan
    length = mean_block(len(net)) if block is None else block
    drawn = [
        profit_factor(net[rows]) for rows in stationary_blocks(len(net), length, replicates, seed)
    ]
    return float(np.quantile(np.nan_to_num(drawn, nan=0.0, posinf=np.inf), 0.05, method="lower"))


@dataclass(frozen=True, slots=True)
class Score:
    """What retrain, tune and sweep compare by. `value` is None where `why_not` says why."""

    value: float | None
    profit_factor_p5: float
    max_drawdown: float
    trades: int
    why_not: str = ""


def score(
    net: Float64s, max_drawdown: float, *, seed: int = 0, min_trades: int = MIN_TRADES
) -> Score:
    """score = 100 · ln(PF₅) − 100 · max_drawdown.

    `max_drawdown`: the largest share of peak equity that marked-to-market equity fell below it.
    Fewer than `min_trades` trades are not comparable; neither is a PF₅ of 0 or without a limit.
    """
    p5 = profit_factor_p5(net, seed=seed)
    if len(net) < min_trades:
        why = f"{len(net)} trades; fewer than {min_trades} are not comparable"
        return Score(None, p5, max_drawdown, len(net), why)
    if not 0 < p5 < math.inf:
        why = f"the 5th percentile of the profit factor is {p5:g}"
        return Score(None, p5, max_drawdown, len(net), why)
    value = 100 * math.log(p5) - 100 * max_drawdown
    return Score(value, p5, max_drawdown, len(net))


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


def sharpe_daily(returns: Float64s, *, days_a_year: int = 365) -> Sharpe:
    """Mean over standard deviation (ddof 1) of daily returns, times √days_a_year.

    365 for crypto, 252 for markets with weekends. Standard error of a daily ratio s with skewness
    γ₃ and kurtosis γ₄ over T days: √((1 − γ₃ s + (γ₄ − 1)/4 · s²)/(T − 1)); normal returns give
    A. Lo, Financial Analysts Journal 58 (2002). D. Bailey, M. López de Prado, Journal of Risk 15
    (2012). NaN with fewer than two days or returns that do not vary.
    """
    count, deviation = len(returns), float(returns.std(ddof=1)) if len(returns) > 1 else 0.0
    if deviation == 0:
        return Sharpe(math.nan, math.nan, count)
    daily = float(returns.mean()) / deviation
    from_mean = (returns - returns.mean()) / returns.std()
    skewness, kurtosis = float((from_mean**3).mean()), float((from_mean**4).mean())
    error = sharpe_error(daily, count, skewness, kurtosis)
    scale = math.sqrt(days_a_year)
    return Sharpe(daily * scale, error * scale, count)


def sharpe_error(ratio: float, count: int, skewness: float = 0.0, kurtosis: float = 3.0) -> float:
    """Standard error of a Sharpe ratio per period over `count` periods; see `sharpe_daily`."""
    spread = 1 - skewness * ratio + (kurtosis - 1) / 4 * ratio**2
    return math.sqrt(spread / (count - 1))
