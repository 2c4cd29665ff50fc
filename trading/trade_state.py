"""What active management must know of an open trade, as a pure function of bars and deals.

Nothing is remembered between closes, so a restarted daemon and a backtest say the same.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from market.bars import Bars, Float64s, Int64s
from market.fills import ticks
from market.indicators import atr
from market.instrument import Instrument
from market.rounding import tick_price, tick_prices
from trading.decision.records import HeldTrade, OpenTrade
from trading.trade_book import TradeBook

# A trade that is older counts as one of this age: the daemon's window must hold its entry bar,
# and the two blocks of bars before it that its ATR needs.
HELD_LOOKBACK_MS = 40 * 86_400_000


ATR_PERIOD = 14


@dataclass(frozen=True, slots=True, eq=False)
class HeldColumns:
    """One trade at several closes: columns of equal length, and the ATR of its decided bar."""

    bars_held: Int64s
    best_price: Float64s
    exit_price: Float64s
    atr_entry: float

    def before(self, row: int) -> "HeldColumns":
        """The closes before a row."""
        return HeldColumns(
            self.bars_held[:row], self.best_price[:row], self.exit_price[:row], self.atr_entry
        )


class TradeFacts:
    """Facts of open trades at the closes of `bars`, from `first_row` on.

    Prices are those a trade could leave at: bid for a long, ask (bid + the bar's spread) for a
    short.
    """

    def __init__(self, bars: Bars, instrument: Instrument, first_row: int = 0) -> None:
        _, high, low, close, spread = ticks(bars, instrument.tick_size, instrument.point)
        ranges = atr(bars.high, bars.low, bars.close, bars.open_ms, ATR_PERIOD, first_row)
        self._tick = instrument.tick_size
        self._close_ms = np.ascontiguousarray(bars.close_ms).data
        self._atr = ranges.data
        self._highest_bid, self._lowest_ask = high, low + spread
        self._bid, self._ask = close.data, (close + spread).data
        # The last answer of each trade: the next close looks at one bar more.
        self._best: dict[tuple[int, int], tuple[int, int]] = {}

    def held(self, trade: OpenTrade, row: int, *, entry_volume_lots: float) -> HeldTrade:
        """The facts of one trade at the close of `row`."""
        decided = self.decided_row(trade.opened_ms, row)
        return HeldTrade(
            trade.position_id, row - decided, self._best_price(trade, decided, row),
            self._atr[decided] if decided >= 0 else math.nan, entry_volume_lots,
        )  # fmt: skip

    def held_columns(self, trade: OpenTrade, rows: range) -> "HeldColumns":
        """`held` and `exit_price` at the closes of `rows`, all of them after the decided bar."""
        decided = self.decided_row(trade.opened_ms, rows.start)
        best, price = self._lowest_ask, self._ask
        if trade.side > 0:
            best, price = self._highest_bid, self._bid
        better = np.maximum if trade.side > 0 else np.minimum
        so_far = better.accumulate(best[decided + 1 : rows.stop])[rows.start - decided - 1 :]
        return HeldColumns(
            np.arange(rows.start, rows.stop) - decided,
            tick_prices(so_far, self._tick),
            tick_prices(np.asarray(price[rows.start : rows.stop]), self._tick),
            self._atr[decided] if decided >= 0 else math.nan,
        )

    def exit_price(self, trade: OpenTrade, row: int) -> float:
        """Where the trade could leave at the close of `row`."""
        return tick_price(self._bid[row] if trade.side > 0 else self._ask[row], self._tick)

    def decided_row(self, opened_ms: int, row: int) -> int:
        """The bar whose decision opened a trade: the last one closed at its fill. −1: none."""
        since_ms = max(opened_ms, self._close_ms[row] - HELD_LOOKBACK_MS)
        return bisect_right(self._close_ms, since_ms, 0, row + 1) - 1

    def _best_price(self, trade: OpenTrade, decided: int, row: int) -> float:
        """Before the first close after the fill it is the fill itself."""
        if decided == row:
            return trade.price_open
        extremes = self._highest_bid if trade.side > 0 else self._lowest_ask
        known, best = self._best.get((trade.position_id, decided), (row, 0))
        if known == row - 1:
            new = int(extremes[row])
            best = max(best, new) if trade.side > 0 else min(best, new)
        else:
            since = extremes[decided + 1 : row + 1]
            best = int(since.max() if trade.side > 0 else since.min())
        self._best[trade.position_id, decided] = row, best
        return tick_price(best, self._tick)


def facts_of_window(window: Bars, instrument: Instrument) -> TradeFacts:
    """Facts at the close of the window's last bar alone, as the daemon needs them."""
    oldest_ms = int(window.close_ms[-1]) - HELD_LOOKBACK_MS
    first_row = int(window.close_ms.searchsorted(oldest_ms, side="right")) - 1
    return TradeFacts(window, instrument, max(first_row, 0))


def entry_volume_lots(trade: OpenTrade, book: TradeBook) -> float:
    """Lots before any partial close; those of now where the opening deal is not known yet."""
    try:
        return book.entry_volume(trade.position_id)
    except KeyError:
        return trade.volume_lots


def held_trades(
    trades: Sequence[OpenTrade], book: TradeBook, facts: TradeFacts, row: int
) -> tuple[HeldTrade, ...]:
    """The facts of each open trade at the close of `row`, in the order of `trades`."""
    return tuple(
        [facts.held(each, row, entry_volume_lots=entry_volume_lots(each, book)) for each in trades]
    )
