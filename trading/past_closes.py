"""What the account was worth at closes that nobody decided: from its deals and the bars. Pure."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from broker.contract.constants import DealType
from broker.contract.messages import Deal
from market.bars import Bars
from trading.day_book import PastClose
from trading.decision.records import InstrumentView
from trading.equity import equity_curve


def past_closes(
    bars: Bars, deals: Sequence[Deal], instrument: InstrumentView, *, balance: float
) -> tuple[PastClose, ...]:
    """One for each bar, oldest first. `balance`: the account's after all of `deals`.

    `deals`: the account's, oldest first; they must hold the opening deal of every trade that was
    open during `bars`. Open trades are valued at the bars' prices, those of other symbols not at
    all.
    """
    traded = [
        deal for deal in deals
        if deal.type in (DealType.BUY, DealType.SELL) and deal.symbol == bars.symbol
    ]  # fmt: skip
    account, own = _Sums(deals), _Sums(traded)
    curve = equity_curve(traded, bars, instrument, initial_balance=balance)
    found = []
    for close_ms, equity, worst in zip(
        curve.time_ms.tolist(), curve.close.tolist(), curve.worst.tolist(), strict=True
    ):
        then = round(balance - account.total + account.until(close_ms), 8)
        elsewhere = then - balance - own.until(close_ms)
        found.append(PastClose(close_ms, then, equity + elsewhere, worst + elsewhere))
    return tuple(found)


class _Sums:
    """What deals have earned or cost, summed up to an instant."""

    def __init__(self, deals: Sequence[Deal]) -> None:
        self._times = [deal.time_msc for deal in deals]
        cash = (deal.profit + deal.swap + deal.commission + deal.fee for deal in deals)
        self._sums = list(accumulate(cash, initial=0.0))

    @property
    def total(self) -> float:
        return self._sums[-1]

    def until(self, at_ms: int) -> float:
        return self._sums[bisect_right(self._times, at_ms)]
