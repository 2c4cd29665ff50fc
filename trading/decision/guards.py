"""Folds that guards look at: losses in a row, local days, the worst equity of a bar. Pure."""

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar

from market.bars import Float64s
from market.instrument import Instrument
from market.local_days import LocalPeriods
from trading.decision.records import (
    ClosedTrade,
    DayState,
    DecisionInput,
    InstrumentView,
    OpenTrade,
    Side,
)

Price = TypeVar("Price", float, Float64s)


def consecutive_losses(closed_trades: Sequence[ClosedTrade], *, now_ms: int, day_zone: str) -> int:
    """Losing trades in a row, counted back from the last one closed at or before `now_ms`.

    `closed_trades` are in the order of `closed_ms`. A loss belongs to the local date of its
    closing deal: those before the last local midnight of `day_zone` do not count. A trade that
    neither wins nor loses ends the row.
    """
    lost = 0
    for trade in reversed(closed_trades):
        if trade.closed_ms > now_ms:
            continue
        if trade.net_profit >= 0 or trade.closed_ms < local_midnight_ms(now_ms, day_zone):
            break
        lost += 1
    return lost


def worst_equity(now: DecisionInput) -> float:
    """The account's equity if each own trade stood at this bar's worst price, deposit currency.

    A long is worth its exit at the low's bid, a short its exit at the high's ask, which is the
    bar's spread above the high. Everything else on the account stands as in the snapshot. Never
    above the snapshot's equity. Trades that ended inside the bar are in the balance already.
    """
    equity, change = now.account.equity, 0.0
    if now.open_trades:
        market = now.market
        highest_ask = market.high + market.spread_points * now.instrument.point
        for trade in now.open_trades:
            change += worth_at(trade, market.low, highest_ask, now.instrument) - trade.profit
    return equity + change if change < 0 else equity


def worth_at(
    trade: OpenTrade, bid: Price, ask: Price, instrument: InstrumentView | Instrument
) -> Price:
    """A trade's profit at a quote, or at the quotes of columns; deposit currency, without costs."""
    way = bid - trade.price_open if trade.side is Side.BUY else trade.price_open - ask
    return way / instrument.tick_size * instrument.tick_value * trade.volume_lots


def lowest_equity(now: DecisionInput, day: DayState, worst: float) -> float:
    """The lowest equity of a day or week so far. `worst`: that of the bar just closed.

    A bar that closes at midnight lies in the day before: only the snapshot counts in the new one.
    """
    low = now.account.equity if now.market.close_ms <= day.start_ms else worst
    return low if day.low_equity != day.low_equity else min(day.low_equity, low)


def local_midnight_ms(now_ms: int, zone: str) -> int:
    """The start of the local day that holds `now_ms`, as epoch ms, in any host zone."""
    return _days(zone).start_ms(now_ms)


@lru_cache(maxsize=8)
def _days(zone: str) -> LocalPeriods:
    return LocalPeriods(zone)
