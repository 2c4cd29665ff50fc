"""An account's days by a firm's clock: what each earned, how low it went, what stayed open. Pure.

All figures are shares of the balance at the day's start, so that a day can be played again on an
account of another size.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from market.bars import Float64s, Int64s, utc_text
from market.local_days import LocalPeriods


@dataclass(frozen=True, slots=True, eq=False)
class TradingDays:
    """Columns (n,), oldest first.

    `start_ms`: the firm's midnight; `net`: closed profit; `low`: the lowest equity, less the
    balance at the start; `floating`: open profit at the end; `traded`: whether a trade was opened.
    """

    start_ms: Int64s
    net: Float64s
    low: Float64s
    floating: Float64s
    traded: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.net)

    def rows(self, which: NDArray[np.integer]) -> "TradingDays":
        return TradingDays(
            self.start_ms[which], self.net[which], self.low[which], self.floating[which],
            self.traded[which],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Moment:
    """The account at one close, deposit currency. `worst`: its lowest equity inside the bar."""

    close_ms: int
    balance: float
    equity: float
    worst: float


@dataclass(frozen=True, slots=True)
class PastTrade:
    """A finished trade. `worst`: how far below its entry it stood at most, deposit currency, at or
    below 0; None where nobody knows."""

    opened_ms: int
    closed_ms: int
    net_profit: float
    worst: float | None = None


def days_of_account(
    moments: Sequence[Moment], opened_ms: Iterable[int], zone: str,
    payments: Sequence[tuple[int, float]] = (),
) -> TradingDays:  # fmt: skip
    """Days from an account's closes, oldest first; a close at midnight belongs to the day before.

    `opened_ms`: when trades were opened. `payments`: (when, how much) was paid in or out; they are
    no profit and no loss. Days without a close (weekends) are no days. Raises `ValueError` where
    a day begins without money.
    """
    start_of = LocalPeriods(zone).start_ms
    traded = {start_of(each) for each in sorted(opened_ms)}
    paid = _sums(payments)
    days: list[tuple[int, float, float, float]] = []
    before = moments[0].balance - paid(moments[0].close_ms) if moments else 0.0
    for start_ms, group in _groups(moments, start_of):
        cash = _above_zero(before + paid(group[0].close_ms), start_ms)
        net = [each.balance - paid(each.close_ms) - before for each in group]
        low = [each.worst - paid(each.close_ms) - before for each in group]
        last = group[-1]
        days.append(
            (start_ms, net[-1] / cash, min(low) / cash, (last.equity - last.balance) / cash)
        )
        before += net[-1]
    return _columns(days, traded)


def days_of_trades(trades: Sequence[PastTrade], balance: float, zone: str) -> TradingDays:
    """Days from finished trades alone, from the first one's day to the last one's, none left out.

    A trade belongs to the day it was closed on. Where its worst is not known, the day's low is
    that of its closed profits.
    """
    start_of, ordered = LocalPeriods(zone).start_ms, sorted(trades, key=lambda t: t.closed_ms)
    traded = {start_of(each) for each in sorted(trade.opened_ms for trade in trades)}
    by_day: dict[int, list[PastTrade]] = {}
    for trade in ordered:
        by_day.setdefault(start_of(trade.closed_ms), []).append(trade)
    days: list[tuple[int, float, float, float]] = []
    for start_ms in _every_day(min([*by_day, *traded]), max(by_day), zone) if by_day else ():
        net = low = 0.0
        for trade in by_day.get(start_ms, ()):
            low = min(low, net + min(trade.worst or 0.0, trade.net_profit))
            net += trade.net_profit
        days.append((start_ms, net / _above_zero(balance, start_ms), low / balance, 0.0))
        balance += net
    return _columns(days, traded)


def _above_zero(balance: float, start_ms: int) -> float:
    if balance > 0:
        return balance
    raise ValueError(
        f"balance: more than 0 is needed at the start of each day, {balance:.2f} came on the day "
        f"that begins {utc_text(start_ms)} UTC; is --balance too small, or a payment missing?"
    )


def _groups(
    moments: Sequence[Moment], start_of: Callable[[int], int]
) -> Iterable[tuple[int, list[Moment]]]:
    found: dict[int, list[Moment]] = {}
    for each in moments:
        found.setdefault(start_of(each.close_ms - 1), []).append(each)
    return found.items()


def _every_day(first_ms: int, last_ms: int, zone: str) -> Iterable[int]:
    periods, at_ms = LocalPeriods(zone), first_ms
    while at_ms <= last_ms:
        yield periods.start_ms(at_ms)
        at_ms = periods.end_ms


def _sums(payments: Sequence[tuple[int, float]]) -> Callable[[int], float]:
    """What had been paid in, less what was paid out, up to an instant."""
    times = np.array([at_ms for at_ms, _ in payments], dtype=np.int64)
    sums = list(accumulate((amount for _, amount in payments), initial=0.0))
    return lambda at_ms: sums[int(times.searchsorted(at_ms, side="right"))]


def _columns(days: list[tuple[int, float, float, float]], traded: set[int]) -> TradingDays:
    table = np.array([day[1:] for day in days], dtype=np.float64).reshape(-1, 3)
    start_ms = np.array([day[0] for day in days], dtype=np.int64)
    return TradingDays(
        start_ms, table[:, 0], table[:, 1], table[:, 2], np.isin(start_ms, sorted(traded))
    )
