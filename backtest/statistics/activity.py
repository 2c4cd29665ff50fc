"""How much was traded, for how long, and what share of the profit it cost."""

import math
from collections.abc import Sequence

import numpy as np

from broker.contract.constants import DealType
from broker.contract.messages import Deal
from market.bars import Bars, Float64s, Int64s
from trading.decision.records import InstrumentView

_YEAR_MS = 365 * 86_400_000


def exposure(opened_ms: Int64s, closed_ms: Int64s, *, from_ms: int, to_ms: int) -> float:
    """The share of the time in which at least one position was open.

    Times of each position (n,); one that is still open closes at `to_ms`. Overlaps count once.
    """
    if to_ms <= from_ms:
        return math.nan
    order = np.argsort(opened_ms, kind="stable")
    starts = np.clip(opened_ms[order], from_ms, to_ms)
    ends = np.maximum.accumulate(np.clip(closed_ms[order], from_ms, to_ms))
    covered = np.r_[from_ms, ends[:-1]] if len(ends) else ends
    return float(np.maximum(0, ends - np.maximum(starts, covered)).sum()) / (to_ms - from_ms)


def turnover_a_year(
    deals: Sequence[Deal], terms: InstrumentView, *, mean_equity: float, span_ms: int
) -> float:
    """Half the value of everything bought and sold, over mean equity, per year of 365 days.

    `deals`: trades alone. The value of a deal is lots × price × (tick value / tick size) in deposit
    currency. NaN without a span or equity.
    """
    if span_ms <= 0 or not mean_equity > 0:
        return math.nan
    per_price = terms.tick_value / terms.tick_size
    value = math.fsum(deal.volume * deal.price * per_price for deal in deals)
    return value / 2 / mean_equity * _YEAR_MS / span_ms


def spread_cost(deals: Sequence[Deal], bars: Bars, terms: InstrumentView) -> Float64s:
    """What the spread cost each deal, (n,) in deposit currency, 0 or more.

    Bars are bid, so what is bought pays the spread: that of the bar it was bought in, or, at the
    instant a bar opens, of the bar before (the first tick of t + 1 has the spread of t).
    """
    at = np.array([deal.time_msc for deal in deals], dtype=np.int64)
    bought = np.array([deal.type == DealType.BUY for deal in deals], dtype=np.bool_)
    lots = np.array([deal.volume for deal in deals], dtype=np.float64)
    row = np.clip(np.searchsorted(bars.open_ms, at, side="left") - 1, 0, len(bars) - 1)
    per_price = terms.tick_value / terms.tick_size
    return np.asarray(bought * lots * bars.spread_points[row] * terms.point * per_price)


def cost_share(net: Float64s, cost: Float64s) -> float:
    """Costs over gross profit: what was paid, for each unit that trades earned before costs.

    `net`: trades after costs (n,); `cost`: what each paid in spread, commission and swap (n,).
    Gross profit is the sum of the trades that were above 0 before costs. NaN without one.
    Slippage is in the prices and so in `net`, not in `cost`.
    """
    gross = net + cost
    earned = float(gross[gross > 0].sum())
    return float(cost.sum()) / earned if earned > 0 else math.nan
