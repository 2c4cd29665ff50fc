"""Puts together what one decided row is decided on, as `trading.decision_inputs` does for a bar."""

import numpy as np

from backtest.columns import DecidedBars, ModelColumns, RowReader
from backtest.quiet import QuietCloses
from backtest.rules import Rules
from backtest.venue import Venue
from market.bars import Float64s
from market.sessions import Sessions
from trading.advice import NO_ADVICE, Advice, Adviser, Close
from trading.day_book import DayBook
from trading.decision.guards import worst_equity
from trading.decision.records import AccountView, DecisionInput, GuardState, OpenTrade
from trading.guarding import day_book_of
from trading.releases import NO_NEWS, news_view
from trading.trade_book import TradeBook
from trading.views import assemble


class RowInputs:
    """One run's inputs. Rows are asked for in rising order; at those passed over nothing was open,
    or `first_busy` has taken them in.

    `watches`: whether rows with an open position must be asked for, because something manages it
    or an account guard counts what it is worth.
    """

    def __init__(self, bars: DecidedBars, rules: Rules, venue: Venue) -> None:
        self._bars, self._rules, self._venue = bars, rules, venue
        self._rows = RowReader(bars)
        self._session_open = rules.instrument.sessions.are_open(bars.close_ms).tolist()
        self._day = day_book_of(venue.book, rules.decision)
        self._columns = ModelColumns(bars, rules.instrument)
        self._adviser = Adviser(rules.models, rules.decision, bars.forecasts.feature_names)
        self._asks = self._adviser.manages or self._adviser.asks_entries
        self._profits = _Profits(venue.book)
        self._news_minutes = rules.decision.news_window_minutes
        self._day_zone = rules.decision.timezone
        self._breaks = self._sessions_with_breaks()
        self._last_row = -1
        self.watches = self._adviser.manages or self._day is not None
        self._quiet: QuietCloses | None = None

    def close_ms(self, row: int) -> int:
        """The close of a decided row."""
        return self._rows.close_ms(row)

    def first_busy(self, row: int, before: int) -> int:
        """The first row from `row` on, at most `before`, that must be asked for while something is
        open. Those before it are taken in."""
        if self._quiet is None:
            self._quiet = QuietCloses(
                self._bars, self._columns, self._rules, self._venue, self._adviser, self._day
            )
        first = self._quiet.first_busy(row, before)
        if first > row:
            self._last_row = first - 1
        return first

    def at(self, row: int, *, gate_open: bool) -> DecisionInput:
        """The snapshot at the close of a row, as the daemon would have read it."""
        venue, market = self._venue, self._rows.market(row)
        close_ms = market.close_ms
        deals = venue.read_deals()
        quote, account, mine, terms = venue.state()
        guard = None
        if self._day is not None:
            self._day.add(deals)
            guard = self._guard(self._day, row, close_ms, account)
        forecast = self._rows.forecast(row)
        advice = NO_ADVICE
        if self._asks and self._adviser.has_a_say(mine, gate_open=gate_open):
            advice = self._advice(row, close_ms, account, mine, gate_open=gate_open)
        news, minutes = NO_NEWS, self._news_minutes
        if minutes:
            news = news_view(self._rules.news, close_ms, minutes)
        return assemble(
            market, forecast,
            "" if forecast else self._bars.forecasts.missing_feature(row),
            quote, account, mine, terms, venue.book,
            day_zone=self._day_zone, session_open=self._session_open[row],
            advice=advice, guard=guard, news=news,
            break_ms=self._breaks.next_break_ms(close_ms) if self._breaks is not None else 0,
        )  # fmt: skip

    def _sessions_with_breaks(self) -> Sessions | None:
        sessions = self._rules.instrument.sessions
        return sessions if sessions.has_breaks else None

    def decided(self, now: DecisionInput) -> None:
        """What the bar was at its worst counts from the next one on."""
        if self._day is not None:
            self._day.seen(worst_equity(now))

    def _guard(self, day: DayBook, row: int, close_ms: int, account: AccountView) -> GuardState:
        if row > self._last_row + 1:
            self._pass_over(day, self._rows.close_ms(row - 1))
        self._last_row = row
        return day.state(close_ms, balance=account.balance, equity=account.equity)

    def _pass_over(self, day: DayBook, close_ms: int) -> None:
        """The days up to a close as they are where nothing was open since the last row."""
        balance = self._venue.terminal.balance
        day.state(close_ms, balance=balance, equity=balance)
        day.seen(balance)

    def _advice(
        self, row: int, close_ms: int, account: AccountView, mine: tuple[OpenTrade, ...], *,
        gate_open: bool,
    ) -> Advice:  # fmt: skip
        columns = self._columns
        at = Close(
            close_ms, columns.features[row], columns.m1[row], columns.facts,
            self._bars.first + row, account, self._profits.now(),
        )  # fmt: skip
        return self._adviser.advise(at, mine, self._venue.book, gate_open=gate_open)


class _Profits:
    """`risk_state.net_profits` of a book that only grows: each trade is read once."""

    def __init__(self, book: TradeBook) -> None:
        self._closed = book.closed
        self._kept = np.empty(256)
        self._count = 0

    def now(self) -> Float64s:
        count = len(self._closed)
        if count > len(self._kept):
            self._kept = np.concatenate([self._kept, np.empty(count)])
        for place in range(self._count, count):
            self._kept[place] = self._closed[place].net_profit
        self._count = count
        return self._kept[:count]
