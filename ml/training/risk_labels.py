"""How much of the configured risk should a trade take? Labels of the risk model.

The label of an account state is the multiplier m that maximises the expected log growth over the
next trades from that state (J. Kelly, Bell System Technical Journal 35, 1956):

    argmax over m of the mean of ln(1 + m · f · R) over the trade at hand and the K − 1 after it

in the order that the account reached the state in. A stationary block bootstrap of these K trades
draws each as often as any other (D. Politis, J. Romano, JASA 89, 1994), and log growth is a sum:
its expectation over all such continuations is the mean over the K, exact and without draws.
Nothing is shared between states: which of them are alike is for the regressor to find.

R is a trade's net profit over what it risked; f the share of equity at multiplier 1: the one that
grows all trades together fastest, so that a label says how much better or worse a state's trades
went than the average; or the configured risk where that is larger, as it is where trades lose.

One history shows few states. Its trades are therefore also put into other orders, stationary block
bootstraps that keep what neighbours have in common; a state met there has the K trades that follow
it there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from backtest.statistics import mean_block, stationary_blocks
from market.bars import Float64s, Int64s
from market.compiled import kernel
from ml.features.risk import RISK_FEATURES, account_inputs

MULTIPLIERS: Float64s = np.round(np.arange(0.10, 1.2501, 0.05), 2)
# Accounts start afresh after so many trades: drawdowns of a year or two, not of a lifetime.
SEGMENT_TRADES = 250
_ACCOUNT = 4
_SHARES: Float64s = np.arange(0.0, 0.5, 0.001)
_RUIN = 1e-9
_Number = TypeVar("_Number", np.float64, np.int64)


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
    (n, multipliers) expected log growth a trade of the next trades; `opened_ms` of the trade at
    hand; `ended_ms` when the last of the next trades had closed."""

    rows: Float64s
    growth: Float64s
    opened_ms: Int64s
    ended_ms: Int64s

    def __len__(self) -> int:
        return len(self.rows)


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
    if not parts:
        never = np.empty(0, dtype=np.int64)
        return RiskSamples(
            np.empty((0, len(RISK_FEATURES))), np.empty((0, len(MULTIPLIERS))), never, never
        )
    return RiskSamples(
        *(np.concatenate([getattr(each, name) for each in parts])
          for name in RiskSamples.__slots__)
    )  # fmt: skip


def orders(count: int, augmented: int, seed: int, source: int) -> Iterator[Int64s]:
    """Row numbers of one account's trades each: the real order in segments, then other orders.

    The others are stationary block bootstraps; each copy has draws of its own key.
    """
    for copy in range(augmented + 1):
        for first in range(0, count, SEGMENT_TRADES):
            length = min(SEGMENT_TRADES, count - first)
            if copy == 0:
                yield np.arange(first, first + length)
                continue
            key = crc32(f"{seed} {source} {copy} {first}".encode())
            yield next(stationary_blocks(count, mean_block(count), 1, key))[:length]


def _samples(
    trades: RiskTrades, order: Int64s, risk_share: float, share: float, next_trades: int
) -> RiskSamples:
    """States of one account that made these trades; the last ones have no whole future."""
    r = trades.r[order]
    usable = max(len(r) - next_trades + 1, 0)
    rows = np.hstack([account_states(r, risk_share), trades.market[order]])[:usable]
    growth = next_growth(r, share, next_trades)
    closed = _windows(trades.closed_ms[order], next_trades)
    return RiskSamples(rows, growth, trades.opened_ms[order][:usable], closed.max(axis=-1))


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


def next_growth(r: Float64s, share: float, next_trades: int) -> Float64s:
    """(trades with a whole future, multipliers): expected log growth a trade of the next trades."""
    each = np.log(np.maximum(1.0 + share * r[:, None] * MULTIPLIERS, _RUIN))
    return np.asarray(_windows(each, next_trades).mean(axis=-1))


def _windows(values: NDArray[_Number], length: int) -> NDArray[_Number]:
    """(n − length + 1, …, length): each value and those after it; none where there are too few."""
    if len(values) < length:
        return np.empty((0, *values.shape[1:], length), dtype=values.dtype)
    return np.lib.stride_tricks.sliding_window_view(values, length, axis=0)


def best_multipliers(growth: Float64s) -> Float64s:
    """Labels (n,): the multiplier of each state's largest expected growth; equal ones: smallest."""
    return np.asarray(MULTIPLIERS[growth.argmax(axis=1)])
