"""Win rates: how sure one is, and how many trades would prove it."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from market.bars import Float64s

Z95 = 1.959963984540054
SIGNIFICANCE, POWER = 0.05, 0.80
_NORMAL = NormalDist()


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


def break_even(net: Float64s) -> float:
    """The win rate at which these payoffs earn nothing: mean loss / (mean gain + mean loss).

    A trade that ends at exactly 0 counts as a loss of 0. NaN without a gain or without a loss.
    """
    gains, losses = net[net > 0], -net[net <= 0]
    if len(gains) == 0 or len(losses) == 0:
        return math.nan
    return float(losses.mean() / (gains.mean() + losses.mean()))


def trades_to_prove(
    win_rate: float,
    against: float = 0.5,
    *,
    significance: float = SIGNIFICANCE,
    power: float = POWER,
) -> float:
    """Trades after which a one-sided test tells a true `win_rate` from `against`.

    ⌈(z₁₋α √(q(1 − q)) + z_power √(p(1 − p)))² / (p − q)²⌉, the sample size for one proportion:
    J. Fleiss, B. Levin, M. Paik, Statistical Methods for Rates and Proportions (2003), 2.4.
    Infinite where the win rate is not above `against`, NaN where one of them is not known.
    """
    if math.isnan(win_rate) or math.isnan(against):
        return math.nan
    if win_rate <= against:
        return math.inf
    known = _NORMAL.inv_cdf(1 - significance) * math.sqrt(against * (1 - against))
    asked = _NORMAL.inv_cdf(power) * math.sqrt(win_rate * (1 - win_rate))
    return float(math.ceil(((known + asked) / (win_rate - against)) ** 2))


def binomial_tail(hits: int, count: int, share: float) -> float:
    """The probability of `hits` or more of `count` independent trades that each win with `share`.

    Σₖ C(n, k) pᵏ (1 − p)ⁿ⁻ᵏ from k = hits on, each term from its logarithm.
    """
    if not 0 < share < 1:
        raise ValueError(f"binomial_tail: a share between 0 and 1 is allowed, {share} came")
    whole, won, lost = math.lgamma(count + 1), math.log(share), math.log1p(-share)
    terms = (
        whole - math.lgamma(k + 1) - math.lgamma(count - k + 1) + k * won + (count - k) * lost
        for k in range(max(hits, 0), count + 1)
    )
    return min(1.0, math.fsum(map(math.exp, terms)))


def trades_to_prove_mean(
    net: Float64s, *, significance: float = SIGNIFICANCE, power: float = POWER
) -> float:
    """Trades after which a one-sided z-test tells this mean, if it is the true one, from 0.

    ⌈((z₁₋α + z_power) · σ/μ)²⌉; for trades of many sizes, where a win rate says little. Infinite
    where the mean is not above 0.
    """
    if len(net) < 2 or net.mean() <= 0:
        return math.inf
    asked = _NORMAL.inv_cdf(1 - significance) + _NORMAL.inv_cdf(power)
    return float(np.ceil((asked * net.std(ddof=1) / net.mean()) ** 2))
