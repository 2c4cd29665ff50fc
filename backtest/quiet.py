"""Closes of an open trade that need no decision: judged in columns, and folded into the day."""

import math
from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

from backtest.columns import DecidedBars, ModelColumns
from backtest.rules import Rules
from backtest.venue import Venue
from market.bars import Float64s, Int64s
from market.local_days import LocalPeriods
from market.rounding import tick_prices
from trading.advice import Adviser
from trading.day_book import DayBook
from trading.decision import quiet
from trading.decision.guards import worth_at
from trading.decision.prop_guard import BEFORE_MIDNIGHT_MS, flat_line, tomorrow
from trading.decision.records import OpenTrade, PropState
from trading.trade_state import HELD_LOOKBACK_MS, entry_volume_lots

Bools = NDArray[np.bool_]

# How many closes are judged at once at most. What the position model is asked of the later ones is
# in vain where it ends the trade at an earlier one.
_AT_ONCE = 96


class QuietCloses:
    """Looks ahead from a decided close at which one trade is open.

    A close is passed over where certainly no rule acts on the trade, where trade, balance and swap
    are as they were, and where no period of a guard has ended. Every other close is to be decided:
    so are all of several trades, of a trade whose stop may move or that was closed in part, and of
    an account that a prop firm wants to be flat before breaks.
    """

    def __init__(
        self, bars: DecidedBars, columns: ModelColumns, rules: Rules, venue: Venue,
        adviser: Adviser, day: DayBook | None,
    ) -> None:  # fmt: skip
        self._first, self._columns, self._settings = bars.first, columns, rules.decision
        self._venue, self._adviser, self._day = venue, adviser, day
        self._close_ms = np.ascontiguousarray(bars.close_ms).data
        self._instrument = rules.instrument
        self._low, self._highest_ask = bars.worst_quotes(rules.instrument.point)
        self._bids, self._asks = venue.quotes_at_closes(bars.first, bars.last)
        self._least_profit_atr = quiet.least_profit_atr(rules.decision)
        prop = rules.decision.prop_rules
        self._prop_days = LocalPeriods(prop.zone) if prop else None
        weekend = prop is not None and prop.phase(rules.decision.prop.phase).weekend is not None
        self._on_the_move = 0  # the position closed in part, or so far ahead that its stop may move
        self._never = weekend and rules.instrument.sessions.has_breaks

    def first_busy(self, row: int, before: int) -> int:
        """The first row from `row` on, and at most `before`, that is to be decided. The closes
        before it are in the day book then."""
        if self._never or self._venue.holds != 1 or self._venue.holds_position(self._on_the_move):
            return row
        (trade,) = self._venue.trades()
        if trade.volume_lots < entry_volume_lots(trade, self._venue.book):
            self._on_the_move = trade.position_id
            return row
        rows = slice(row, self._unchanged_before(row, min(before, row + _AT_ONCE), trade))
        if rows.stop <= row:
            return row
        prices = (self._bids if trade.side > 0 else self._asks)[rows]
        equity, worst = self._equity(trade, rows, prices.tolist())
        busy = self._must_be_flat(rows, equity, worst) | self._may_act(trade, rows, prices)
        first = row + int(busy.argmax()) if busy.any() else rows.stop
        if first > row:
            self._fold(first - 1, float(worst[: first - row].min()))
        return first

    def _unchanged_before(self, row: int, before: int, trade: OpenTrade) -> int:
        """The first row whose close may find the trade changed or too old, or another day."""
        if before <= row:
            return row
        closes = self._close_ms
        until_ms = self._venue.terminal.next_event_ms(closes[before - 1])
        until_ms = min(until_ms, trade.opened_ms + HELD_LOOKBACK_MS)
        if self._day is not None:
            until_ms = min(until_ms, self._day.until_ms)
        return bisect_left(closes, until_ms, row, before)

    def _equity(
        self, trade: OpenTrade, rows: slice, prices: list[int]
    ) -> tuple[Float64s, Float64s]:
        """Equity at each close, and `guards.worst_equity`. `prices`: where the trade could leave,
        in ticks."""
        equity, profit = self._venue.worth_at(prices)
        worst = worth_at(trade, self._low[rows], self._highest_ask[rows], self._venue.instrument)
        return equity, equity + np.minimum(worst - profit, 0.0)

    def _must_be_flat(self, rows: slice, equity: Float64s, worst: Float64s) -> Bools:
        """Where `prop_guard.must_be_flat`, breaks aside."""
        prop = self._prop_state(rows.start - 1)
        if prop is None:
            return np.zeros(len(worst), dtype=np.bool_)
        line = flat_line(prop, self._settings)
        reached: Bools = np.fmin(worst, prop.day.low_equity) <= line  # NaN: no low yet
        closes, midnight_ms = self._close_ms[rows], self._prop_midnight_ms(rows.start)
        for place in range(bisect_left(closes, midnight_ms - BEFORE_MIDNIGHT_MS), len(closes)):
            after = tomorrow(prop, midnight_ms, self._venue.terminal.balance, equity[place])
            reached[place] |= equity[place] <= flat_line(after, self._settings)
        return reached

    def _prop_state(self, row: int) -> PropState | None:
        """What the decided row saw of the firm's rules."""
        if self._day is None or self._prop_days is None:
            return None
        balance = self._venue.terminal.balance
        return self._day.state(self._close_ms[row], balance=balance, equity=balance).prop

    def _prop_midnight_ms(self, row: int) -> int:
        """The firm's next midnight after a close."""
        assert self._prop_days is not None
        self._prop_days.start_ms(self._close_ms[row])
        return self._prop_days.end_ms

    def _may_act(self, trade: OpenTrade, rows: slice, prices: Int64s) -> Bools:
        """Where a rule of `management` or `adding` could do something with the trade."""
        if not self._adviser.manages:
            return np.zeros(len(prices), dtype=np.bool_)
        columns, settings, tick = self._columns, self._settings, self._instrument.tick_size
        of = range(self._first + rows.start, self._first + rows.stop)
        held = columns.facts.held_columns(trade, of)
        behind = len(prices)
        if self._least_profit_atr < math.inf:
            furthest = np.maximum(
                (held.best_price - trade.price_open) * trade.side,
                (tick_prices(prices, tick) - trade.price_open) * trade.side,
            )
            ahead = furthest >= self._least_profit_atr * held.atr_entry - tick
            behind = int(ahead.argmax()) if ahead.any() else behind
        may_act = np.ones(len(prices), dtype=np.bool_)
        if behind == 0:
            self._on_the_move = trade.position_id
            return may_act
        asked = slice(rows.start, rows.start + behind)
        chances = self._adviser.exit_chances(
            trade, held.before(behind), columns.features[asked], columns.m1[asked]
        )
        may_act[:behind] = quiet.may_leave_or_add(*chances, settings)
        return may_act

    def _fold(self, row: int, worst_equity: float) -> None:
        """Closes up to a row, in whose periods nothing but equity has changed."""
        if self._day is not None:
            balance = self._venue.terminal.balance
            self._day.state(self._close_ms[row], balance=balance, equity=balance)
            self._day.seen(worst_equity)
