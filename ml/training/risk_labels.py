"""How much of the configured risk should a trade take? Labels of the risk model.

The label of an account state is the multiplier m that maximises the expected log growth over the
next trades from that state (J. Kelly, Bell System Technical Journal 35, 1956):

    argmax over m of the mean of ln(1 + m · f · R) over the trade at hand and those after it

R is a trade's net profit over what it risked; f the share of equity at multiplier 1: the one that
grows all trades together fastest, so that a label says how much better or worse a state is than the
average; or the configured risk where that is larger already, so that it is taken back. With an edge
the configured risk alone would say "more" in every state, and tell none apart.

What follows a state is seen once; its expectation is the mean over similar states: samples weighted
by a Gaussian of the distance of their inputs, each input as its rank among the samples. So trades
without an edge have the smallest multiplier as their label, not the one that luck would have liked.

One history shows few states. Its trades are therefore also put into other orders: stationary block
bootstraps, which keep what neighbours have in common, and permutations, which keep nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from backtest.statistics import mean_block, stationary_blocks
from market.bars import Float64s, Int64s
from market.compiled import kernel
from ml.features.risk import RISK_FEATURES, account_inputs

MULTIPLIERS: Float64s = np.round(np.arange(0.10, 1.2501, 0.05), 2)
# Accounts start afresh after so many trades: drawdowns of a year or two, not of a lifetime.
SEGMENT_TRADES = 250
# In ranks. At 0.3 about a seventh of all samples count for a state, and a single trade hardly any.
BANDWIDTH = 0.3
_ACCOUNT = 4
_SHARES: Float64s = np.arange(0.0, 0.5, 0.001)
_RUIN = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class RiskTrades:
    """The trades of one backtest in the order of their ends.

    `r` net profit over the money risked at the stop; `market` (n, 3): volatility_20, atr_14 and
    hour of the decided bar; `opened_ms`, `closed_ms` epoch ms.
    """

    r: Float64s
    market: Float64s
    opened_ms: Int64s
    closed_ms: Int64s

    def __len__(self) -> int:
        return len(self.r)

    def between(self, from_ms: int, to_ms: int) -> "RiskTrades":
        """Trades that opened at or after `from_ms` and closed before `to_ms`."""
        rows = np.flatnonzero((self.opened_ms >= from_ms) & (self.closed_ms < to_ms))
        return RiskTrades(
            self.r[rows], self.market[rows], self.opened_ms[rows], self.closed_ms[rows]
        )


def joined(parts: list[RiskTrades]) -> RiskTrades:
    """Trades of several parts of the time, one after the other."""
    names = RiskTrades.__slots__
    return RiskTrades(*(np.concatenate([getattr(each, name) for each in parts]) for name in names))


@dataclass(frozen=True, slots=True, eq=False)
class RiskSamples:
    """States and what followed: `rows` (n, 7) in the order of `RISK_FEATURES`; `growth`
    (n, multipliers) mean log growth of the next trades; `opened_ms` of the trade at hand."""

    rows: Float64s
    growth: Float64s
    opened_ms: Int64s

    def __len__(self) -> int:
        return len(self.rows)

    def thinned(self, most: int) -> "RiskSamples":
        """At most so many, evenly spread."""
        if len(self) <= most:
            return self
        rows = np.linspace(0, len(self) - 1, most).astype(np.int64)
        return RiskSamples(self.rows[rows], self.growth[rows], self.opened_ms[rows])


def growth_share(sources: list[RiskTrades], risk_share: float) -> float:
    """f: the share of equity that grows all these trades fastest, or `risk_share` if larger."""
    r = np.concatenate([each.r for each in sources])
    if len(r) == 0:
        return risk_share
    growth = [np.log(np.maximum(1.0 + share * r, _RUIN)).mean() for share in _SHARES]
    return max(risk_share, float(_SHARES[int(np.argmax(growth))]))


def risk_samples(
    sources: list[RiskTrades],
    *,
    risk_share: float,
    share: float,
    next_trades: int,
    augmented: int,
    seed: int,
) -> RiskSamples:
    """Samples of the real orders of all sources, and of `augmented` other orders of each.

    Accounts risk `risk_share` of equity a trade; growth is that at multiples of `share`.
    """
    parts = [
        _samples(source, order, risk_share, share, next_trades)
        for number, source in enumerate(sources)
        for order in orders(len(source), augmented, seed, number)
    ]
    parts = [each for each in parts if len(each)]
    if not parts:
        return RiskSamples(
            np.empty((0, len(RISK_FEATURES))), np.empty((0, len(MULTIPLIERS))),
            np.empty(0, dtype=np.int64),
        )  # fmt: skip
    return RiskSamples(
        *(np.concatenate([getattr(each, name) for each in parts])
          for name in RiskSamples.__slots__)
    )  # fmt: skip


def orders(count: int, augmented: int, seed: int, source: int) -> Iterator[Int64s]:
    """Row numbers of one account's trades each: the real order in segments, then other orders.

    Odd copies are block bootstraps, even ones permutations. Each copy has draws of its own key.
    """
    for copy in range(augmented + 1):
        for first in range(0, count, SEGMENT_TRADES):
            length = min(SEGMENT_TRADES, count - first)
            if copy == 0:
                yield np.arange(first, first + length)
                continue
            key = crc32(f"{seed} {source} {copy} {first}".encode())
            whole = _resampled(count, key) if copy % 2 else _shuffled(count, key)
            yield whole[:length]


def _resampled(count: int, key: int) -> Int64s:
    return next(stationary_blocks(count, mean_block(count), 1, key))


def _shuffled(count: int, key: int) -> Int64s:
    return np.random.default_rng(key).permutation(count)


def _samples(
    trades: RiskTrades, order: Int64s, risk_share: float, share: float, next_trades: int
) -> RiskSamples:
    """States of one account that made these trades; the last ones have no whole future."""
    r = trades.r[order]
    usable = max(len(r) - next_trades + 1, 0)
    rows = np.hstack([account_states(r, risk_share), trades.market[order]])[:usable]
    return RiskSamples(rows, _growth(r, share, next_trades), trades.opened_ms[order][:usable])


def account_states(r: Float64s, risk_share: float) -> Float64s:
    """(n, 4): the account's inputs before each trade, sized with multiplier 1 throughout."""
    return _account_states(r, risk_share)


@kernel
def _account_states(r: Float64s, risk_share: float) -> Float64s:
    states = np.empty((len(r), _ACCOUNT))
    net = np.empty(len(r))
    balance = 1.0
    for i in range(len(r)):
        states[i] = account_inputs(net[:i], balance, balance)
        net[i] = max(balance * risk_share * r[i], (_RUIN - 1.0) * balance)
        balance += net[i]
    return states


def _growth(r: Float64s, share: float, next_trades: int) -> Float64s:
    """(trades with a whole future, multipliers): mean log growth of the next trades."""
    if len(r) < next_trades:
        return np.empty((0, len(MULTIPLIERS)))
    each = np.log(np.maximum(1.0 + share * r[:, None] * MULTIPLIERS, _RUIN))
    windows = np.lib.stride_tricks.sliding_window_view(each, next_trades, axis=0)
    return np.asarray(windows.mean(axis=-1))


def best_multipliers(samples: RiskSamples, of: RiskSamples) -> Float64s:
    """Labels (len(of),): the multiplier of the largest expected growth among similar `samples`.

    Equal ones: the smallest.
    """
    where, at = _ranks(samples.rows, samples.rows), _ranks(of.rows, samples.rows)
    expected = _weighted_means(at, where, samples.growth, BANDWIDTH)
    return np.asarray(MULTIPLIERS[expected.argmax(axis=1)])


def _ranks(rows: Float64s, among: Float64s) -> Float64s:
    """Each value as its middle rank among a column's values, in 0–1."""
    ranks = np.empty(rows.shape)
    for column in range(rows.shape[1]):
        known = np.sort(among[:, column])
        below = np.searchsorted(known, rows[:, column], side="left")
        upto = np.searchsorted(known, rows[:, column], side="right")
        ranks[:, column] = (below + upto) / (2 * len(known))
    return ranks


@kernel
def _weighted_means(at: Float64s, where: Float64s, values: Float64s, bandwidth: float) -> Float64s:
    """(n, m): mean of `values` weighted by a Gaussian of the distance from each row of `at`."""
    means = np.zeros((len(at), values.shape[1]))
    for i in range(len(at)):
        total = 0.0
        for j in range(len(where)):
            distance = 0.0
            for k in range(at.shape[1]):
                distance += (at[i, k] - where[j, k]) ** 2
            weight = np.exp(-0.5 * distance / bandwidth**2)
            total += weight
            for k in range(values.shape[1]):
                means[i, k] += weight * values[j, k]
        means[i] /= total
    return means
