"""Stop-out (B15): equity fell to the agreed share of the margin, so the largest loser goes first.

Where it is looked at, as bars know no ticks: at first ticks, at that quote; and at each bar's
interior, after its stops and targets, at the bar's extreme that is worse for the symbol's
positions together. A position stopped out in an interior fills at that extreme, which is
pessimistic. Positions fill only while their market has a quote.
"""

from typing import NamedTuple

import numpy as np

from broker.contract.constants import DealReason
from broker.simulator.book import Book
from broker.simulator.feed import NEVER, Feed
from broker.simulator.records import OpenPosition
from market.bars import Float64s, Int64s
from market.compiled import kernel


class Prices(NamedTuple):
    """Bid and ask in ticks at which positions are valued, and whether they can be closed."""

    bid: int
    ask: int
    live: bool


class StopOut:
    """Finds the next instant that could stop the account out, and stops it out."""

    __slots__ = ("_book", "_row", "_safe", "_safe_version", "_version")

    def __init__(self, book: Book) -> None:
        self._book = book
        self._safe_version = self._version = -1
        self._safe = True
        self._row = 0

    def next_ms(self, now_ms: int, to_ms: int) -> int:
        """First instant after now that might stop out; it may turn out not to. `NEVER` if none."""
        if self._is_safe():
            return NEVER
        symbols = {p.symbol for p in self._book.positions.values()}
        if len(symbols) == 1:
            return self._scan(self._book.feeds[symbols.pop()], now_ms, to_ms)
        return min(_next_boundary(self._book.feeds[symbol], now_ms) for symbol in sorted(symbols))

    def at_first_ticks(self, instant_ms: int) -> None:
        """Checks at the quotes in force."""
        if not self._is_safe():
            symbols = {p.symbol for p in self._book.positions.values()}
            self._close_losers({s: self._quoted(s, instant_ms) for s in symbols}, instant_ms)

    def at_interiors(self, instant_ms: int) -> None:
        """Checks at the worst extremes of the bars that close at an instant."""
        if not self._is_safe():
            symbols = {p.symbol for p in self._book.positions.values()}
            self._close_losers({s: self._worst(s, instant_ms) for s in symbols}, instant_ms - 1)

    def _is_safe(self) -> bool:
        if self._safe_version != self._book.version:
            self._safe, self._safe_version = self._cannot_happen(), self._book.version
        return self._safe

    def _cannot_happen(self) -> bool:
        """Whether the only position stops before the account does: its stop always fills first."""
        book = self._book
        if not book.positions:
            return True
        if len(book.positions) > 1:
            return False
        position = next(iter(book.positions.values()))
        if position.sl == 0:
            return False
        equity = book.ledger.balance + position.swap + book.profit_at(position, position.sl)
        return not self._is_out(equity, position.margin)

    def _is_out(self, equity: int, margin: int) -> bool:
        return margin > 0 and equity * 100 <= self._book.terms.stop_out_pct * margin

    def _scan(self, feed: Feed, now_ms: int, to_ms: int) -> int:
        book = self._book
        row, past_first = feed.ahead(now_ms)
        if self._version == book.version and self._row > row:
            row, past_first = self._row, False
        last = feed.opened(to_ms)
        if last <= row:
            return NEVER
        open_p = list(book.positions.values())
        value = book.units[open_p[0].symbol].value_per_tick
        floor = book.terms.stop_out_pct * book.margin() / 100 - book.ledger.balance - book.swap()
        found, at_open = _first_low_equity(
            np.array([p.side for p in open_p], dtype=np.int64),
            np.array([p.side * p.steps * value for p in open_p]),
            np.array([p.open_ticks for p in open_p], dtype=np.int64),
            floor + len(open_p), *feed.arrays, row, last, past_first,
        )  # fmt: skip
        self._version, self._row = book.version, last if found < 0 else found
        if found < 0:
            return NEVER
        return feed.open_ms[found] + (0 if at_open else feed.step_ms)

    def _quoted(self, symbol: str, instant_ms: int) -> Prices:
        quote = self._book.quote(symbol, instant_ms)
        return Prices(quote.bid, quote.ask, quote.live)

    def _worst(self, symbol: str, instant_ms: int) -> Prices:
        """The worse extreme of the bar that closes now, else the quote just before now."""
        feed = self._book.feeds[symbol]
        row = feed.closed(instant_ms) - 1
        if row < 0 or feed.open_ms[row] + feed.step_ms != instant_ms:
            quote = self._book.quote(symbol, instant_ms - 1)
            return Prices(quote.bid, quote.ask, False)
        spread = feed.spread[row]
        low = Prices(feed.low[row], feed.low[row] + spread, True)
        high = Prices(feed.high[row], feed.high[row] + spread, True)
        held = [p for p in self._book.positions.values() if p.symbol == symbol]
        return min(low, high, key=lambda prices: sum(self._worth(p, prices) for p in held))

    def _worth(self, position: OpenPosition, prices: Prices) -> int:
        price = prices.bid if position.side > 0 else prices.ask
        return self._book.profit_at(position, price) + position.swap

    def _close_losers(self, prices: dict[str, Prices], stamp_ms: int) -> None:
        book = self._book
        while book.positions:
            worth = {t: self._worth(p, prices[p.symbol]) for t, p in book.positions.items()}
            equity = book.ledger.balance + sum(worth.values())
            if not self._is_out(equity, book.margin()):
                return
            live = [t for t in worth if prices[book.positions[t].symbol].live]
            if not live:
                return
            loser = book.positions[min(live, key=lambda ticket: (worth[ticket], ticket))]
            at = prices[loser.symbol]
            book.leave(
                loser, loser.steps, at.bid if loser.side > 0 else at.ask, DealReason.SO,
                magic=0, comment=f"[so {equity * 100 / book.margin():.2f}%]", time_ms=stamp_ms,
            )  # fmt: skip


def _next_boundary(feed: Feed, now_ms: int) -> int:
    """The next open or close of a bar after an instant."""
    row, past_first = feed.ahead(now_ms)
    if row >= len(feed):
        return NEVER
    return feed.open_ms[row] + (feed.step_ms if past_first else 0)


@kernel
def _first_low_equity(
    side: Int64s,
    value: Float64s,
    opened: Int64s,
    floor: float,
    open_ticks: Int64s,
    high_ticks: Int64s,
    low_ticks: Int64s,
    spread_ticks: Int64s,
    first: int,
    last: int,
    past_first: bool,
) -> tuple[int, bool]:
    """First row in [first, last) whose floating profit may be at or below `floor`, and where.

    `value`: signed minor units per tick of each position. Returns (row, at its first tick);
    (−1, False) when none is. Exact only up to rounding: the caller checks again in whole numbers.
    """
    for row in range(first, last):
        if row != first or not past_first:
            spread = spread_ticks[row - 1] if row > 0 else spread_ticks[row]
            if _floating(side, value, opened, open_ticks[row], spread) <= floor:
                return row, True
        spread = spread_ticks[row]
        if _floating(side, value, opened, low_ticks[row], spread) <= floor:
            return row, False
        if _floating(side, value, opened, high_ticks[row], spread) <= floor:
            return row, False
    return -1, False


@kernel
def _floating(side: Int64s, value: Float64s, opened: Int64s, bid: int, spread: int) -> float:
    total = 0.0
    for i in range(len(side)):
        price = bid if side[i] > 0 else bid + spread
        total += value[i] * (price - opened[i])
    return total
