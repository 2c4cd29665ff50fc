"""Marked-to-market equity from deals and bars: the one definition of equity and drawdown."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from broker.contract.constants import DealEntry, DealType
from broker.contract.messages import Deal
from market.bars import Bars, Float64s, Int64s
from trading.decision.records import InstrumentView

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class EquityCurve:
    """Marked-to-market equity of each bar, in deposit currency.

    `close`: at the bar's close. `worst`: the lowest inside the bar, every open position at its
    own worst extreme at once. `drawdown`: the share of the highest earlier `close` (or of the
    initial balance) that `worst` lies below it.
    """

    time_ms: Int64s
    close: Float64s
    worst: Float64s
    drawdown: Float64s


def equity_curve(
    deals: Sequence[Deal], bars: Bars, instrument: InstrumentView, *, initial_balance: float
) -> EquityCurve:
    """Equity per bar from trade deals and bars alone.

    Longs are marked at the bid, shorts at bid + the bar's spread. Swap counts from the deal that
    realises it. A position that lost inside the bar counts with its deal, not with the extreme
    beyond its stop.
    """
    per_price = instrument.tick_value / instrument.tick_size
    spread = bars.spread_points * instrument.point
    flows = _flows(deals)
    lost = flows.closing & (flows.cash < 0)

    at_close = _state(flows, bars.close_ms, "left")
    worst = _state(flows.only(~lost), bars.open_ms, "right")
    worst += _state(flows.only(lost), bars.close_ms, "left")

    close = initial_balance + _equity(at_close, bars.close, bars.close + spread, per_price)
    low = initial_balance + _equity(worst, bars.low, bars.high + spread, per_price)
    low = np.minimum(low, close)
    earlier = np.concatenate([[initial_balance], close[:-1]]) if len(close) else close
    peak = np.maximum.accumulate(earlier)
    return EquityCurve(bars.close_ms, close, low, np.maximum(0.0, (peak - low) / peak))


@dataclass(frozen=True, slots=True, eq=False)
class _Flows:
    """What each deal adds: cash; open lots and lots × entry price of longs and of shorts."""

    time_ms: Int64s
    cash: Float64s
    books: Float64s
    closing: Bools

    def only(self, rows: Bools) -> "_Flows":
        return _Flows(self.time_ms[rows], self.cash[rows], self.books[rows], self.closing[rows])


def _flows(deals: Sequence[Deal]) -> _Flows:
    opened: dict[int, tuple[float, float]] = {}
    books = np.zeros((len(deals), 4))
    for i, deal in enumerate(deals):
        volume, cost = opened.get(deal.position_id, (0.0, 0.0))
        opens = deal.entry is DealEntry.IN
        price = deal.price if opens or volume == 0 else cost / volume
        lots = deal.volume if opens else -deal.volume
        opened[deal.position_id] = (volume + lots, cost + lots * price)
        column = 0 if (deal.type == DealType.BUY) == opens else 2
        books[i, column : column + 2] = lots, lots * price
    return _Flows(
        time_ms=np.array([deal.time_msc for deal in deals], dtype=np.int64),
        cash=np.array([d.profit + d.swap + d.commission + d.fee for d in deals], dtype=np.float64),
        books=books,
        closing=np.array([deal.entry is not DealEntry.IN for deal in deals], dtype=np.bool_),
    )


def _state(flows: _Flows, at_ms: Int64s, side: Literal["left", "right"]) -> Float64s:
    """(n, 5): cash and books, summed over the deals before (`left`) or up to (`right`) `at_ms`."""
    each = np.column_stack([flows.cash, flows.books])
    summed = np.vstack([np.zeros(5), np.cumsum(each, axis=0)])
    return np.asarray(summed[np.searchsorted(flows.time_ms, at_ms, side=side)])


def _equity(state: Float64s, bid: Float64s, ask: Float64s, per_price: float) -> Float64s:
    """Cash plus the worth of open longs at `bid` and open shorts at `ask`."""
    cash, long_lots, long_cost, short_lots, short_cost = state.T
    floating = bid * long_lots - long_cost + short_cost - ask * short_lots
    return np.asarray(cash + per_price * floating)
