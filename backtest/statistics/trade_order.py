"""Monte Carlo of trade order: the drawdowns that the same trades could have had."""

from collections.abc import Sequence

import numpy as np

from market.bars import Float64s


def trade_returns(net: Float64s, initial_balance: float) -> Float64s:
    """Each trade's net profit as a share of the balance before it, (n,), in order of closing.

    Raises `ValueError` where the balance is used up before the last trade.
    """
    before = initial_balance + np.r_[0.0, np.cumsum(net)[:-1]] if len(net) else net
    if (before <= 0).any():
        row = int(np.argmax(before <= 0))
        raise ValueError(f"trade {row}: a balance above 0 is needed, {before[row]:g} came")
    return np.asarray(net / before)


def path_drawdown(returns: Float64s) -> Float64s:
    """The largest drawdown (share of peak) of each row of compounded returns (paths, n)."""
    balance = np.cumprod(1 + returns, axis=1)
    peak = np.maximum(1.0, np.maximum.accumulate(balance, axis=1))
    return np.asarray((1 - balance / peak).max(axis=1, initial=0.0))


def order_drawdowns(returns: Float64s, *, seed: int = 0, replicates: int = 2000) -> Float64s:
    """Largest drawdowns (replicates,) of the trades in random order, every order equally likely.

    `returns`: as `trade_returns` gives them; compounded, so each order ends with the same balance.
    Balance after each trade, so the drawdown inside a trade is not in it. R. Pardo, The Evaluation
    and Optimization of Trading Strategies (2008). Chance alone orders them here: losses that come
    in clusters make larger ones, which `bootstrap` of the trades shows.
    """
    draw = np.random.default_rng(seed)
    rows = np.tile(np.arange(len(returns)), (replicates, 1))
    return path_drawdown(returns[draw.permuted(rows, axis=1)])


def drawdown_quantiles(
    returns: Float64s,
    shares: Sequence[float] = (0.5, 0.75, 0.95, 0.99),
    *,
    seed: int = 0,
    replicates: int = 2000,
) -> tuple[float, ...]:
    """Quantiles of `order_drawdowns`: half of all orders draw down less than the first, …"""
    drawn = order_drawdowns(returns, seed=seed, replicates=replicates)
    return tuple(float(each) for each in np.quantile(drawn, shares))
