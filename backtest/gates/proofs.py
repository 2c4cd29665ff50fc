"""In words: what would prove what is not proven yet."""

import math

from backtest.statistics import break_even, trades_to_prove, trades_to_prove_mean
from market.bars import Float64s

NO_EDGE = "no number of trades: what was seen does not earn anything after costs"


def trades_missing(count: int, needed: int, per_week: float) -> str:
    """How many trades are missing, and how long they take at the rate seen."""
    missing = max(0, needed - count)
    if not per_week > 0:
        return f"{missing} more out-of-sample trades; at the rate seen they never come"
    return f"{missing} more out-of-sample trades, about {missing / per_week:.0f} weeks at this rate"


def edge_proof(net: Float64s) -> str:
    """How many trades an edge like the one seen takes to be proven, if it is real.

    By the binomial sample size (95 % one-sided, 80 % power) from the win rate and the payoffs; by
    that of the mean where the payoffs have no break-even.
    """
    if len(net) == 0 or net.mean() <= 0:
        return NO_EDGE
    rate, even = float((net > 0).mean()), break_even(net)
    needed = trades_to_prove(rate, even)
    by = f"a true win rate of {rate:.1%} against break-even at {even:.1%}"
    if not math.isfinite(needed):
        needed, by = trades_to_prove_mean(net), "a true mean as large as the one seen"
    if not math.isfinite(needed):
        return NO_EDGE
    more = max(0, int(needed) - len(net))
    return f"{by} shows in about {needed:,.0f} trades: {more:,} more, if the edge is real"
