"""Puts together what one closed bar is decided on: market, broker's snapshot, guards, models."""

from dataclasses import dataclass, replace
from typing import Protocol

from market.bars import Bars, Float64s
from market.instrument import Instrument
from trading.advice import NO_ADVICE, NO_M1, Adviser, Close
from trading.bookkeeper import Bookkeeper
from trading.canonical import parse_input
from trading.day_book import DayBook
from trading.decision.gate import Verdict, judge
from trading.decision.guards import worst_equity
from trading.decision.records import (
    AccountView,
    DecisionInput,
    GuardState,
    InstrumentView,
    MarketView,
)
from trading.decision.settings import DecisionSettings
from trading.forecaster import BarForecast
from trading.guarding import day_book_of
from trading.market_window import last_bar
from trading.observer import Seen
from trading.past_closes import past_closes
from trading.releases import CalendarSource, news_view
from trading.risk_state import net_profits
from trading.trade_state import facts_of_window
from trading.views import account_view, assemble, instrument_view, open_trades, quote


class Minutes(Protocol):
    """Where M1 features come from."""

    def at(self, close_ms: int) -> Float64s: ...


@dataclass(frozen=True, slots=True)
class Sources:
    """What inputs are made of beside bars, forecast and snapshot.

    `minutes`: None where no model looks at M1 bars.
    """

    books: Bookkeeper
    adviser: Adviser
    calendar: CalendarSource
    minutes: Minutes | None = None


class DecisionInputs:
    """One account and symbol. The guards' day book goes on from the journal's last decision."""

    def __init__(
        self, sources: Sources, instrument: Instrument, settings: DecisionSettings
    ) -> None:
        self._of = sources
        self._instrument = instrument
        self._settings = settings
        self._day: DayBook | None = day_book_of(sources.books.book, settings)
        if self._day is not None:
            sources.books.tell_deals(self._day.add)

    def restore(self, last_line: str | None) -> None:
        """Goes on from the last decision line of the journal, if it has one."""
        if self._day is None or last_line is None:
            return
        before = parse_input(last_line)
        if before.guard is not None:
            self._day.restore(
                before.guard, before.market.close_ms, worst_equity=worst_equity(before)
            )

    def use(self, settings: DecisionSettings) -> None:
        """Other rules, from the next close on. A guard that is switched on begins its account of
        the day with the deals known by then."""
        self._settings = settings
        if self._day is None and (day := day_book_of(self._of.books.book, settings)) is not None:
            day.add(self._of.books.all_deals())
            self._of.books.tell_deals(day.add)
            self._day = day

    def ask(self, adviser: Adviser, minutes: Minutes | None) -> None:
        """Other models beside the signal model, from the next close on."""
        self._of = replace(self._of, adviser=adviser, minutes=minutes)

    def at_close(
        self, window: Bars, forecast: BarForecast, seen: Seen
    ) -> tuple[DecisionInput, Verdict]:
        """The input of the window's last bar, and the gate's verdict on it.

        Raises `BrokerError` where M1 bars are needed and cannot be read.
        """
        market, snapshot = self._market(window, forecast), seen.snapshot
        account = snapshot.account
        sessions, settings = self._instrument.sessions, self._settings
        terms = instrument_view(
            seen.spec,
            snapshot.tick,
            account.leverage,
            commission_per_lot=self._commission_per_lot(account.unit_to_base),
        )
        now = assemble(
            market, forecast.forecast, forecast.missing_feature, quote(snapshot.tick),
            account_view(account), open_trades(snapshot.positions, self._of.books.book.strategy_id),
            terms, self._of.books.book, day_zone=settings.timezone,
            session_open=sessions.is_open(market.close_ms), halts=seen.halts,
            unknown=tuple(f"intent {each}: outcome unknown" for each in seen.unsettled),
            guard=self._guard(window, account_view(account), terms),
            news=news_view(self._of.calendar, market.close_ms, settings.news_window_minutes),
            break_ms=sessions.next_break_ms(market.close_ms),
        )  # fmt: skip
        verdict = judge(now, settings)
        return self._advised(now, verdict, window, forecast.features), verdict

    def decided(self, now: DecisionInput) -> None:
        """After the decision is kept: what the bar was at its worst counts from now on."""
        if self._day is not None:
            self._day.seen(worst_equity(now))

    def _market(self, window: Bars, forecast: BarForecast) -> MarketView:
        return last_bar(
            window, floor=forecast.margin_floor,
            filter_regime=self._settings.adx_regime_filter,
            momentum_decay=self._of.adviser.momentum_decay(forecast.features),
        )  # fmt: skip

    def _guard(
        self, window: Bars, account: AccountView, terms: InstrumentView
    ) -> GuardState | None:
        if self._day is None:
            return None
        close_ms = int(window.close_ms[-1])
        self._make_up(self._day, window, account.balance, terms)
        return self._day.state(close_ms, balance=account.balance, equity=account.equity)

    def _make_up(self, day: DayBook, window: Bars, balance: float, terms: InstrumentView) -> None:
        """Closes since the last decision that were not decided, as far as the window shows them.
        Where no decision is known, those of the week, if anything was traded."""
        known_ms = day.last_close_ms
        from_ms = day.begins_ms(int(window.close_ms[-1])) if known_ms is None else known_ms + 1
        missed = window.rows(int(window.close_ms.searchsorted(from_ms)), len(window) - 1)
        if len(missed) == 0:
            return
        deals = self._of.books.all_deals()
        if known_ms is not None or any(deal.symbol for deal in deals):
            day.catch_up(past_closes(missed, deals, terms, balance=balance))

    def _advised(
        self, now: DecisionInput, verdict: Verdict, window: Bars, features: Float64s
    ) -> DecisionInput:
        adviser, book, trades = self._of.adviser, self._of.books.book, now.open_trades
        if not adviser.has_a_say(trades, gate_open=verdict.denied == 0):
            return now
        at = Close(
            now.market.close_ms, features, self._m1(now),
            facts_of_window(window, self._instrument), len(window) - 1, now.account,
            net_profits(book.closed),
        )  # fmt: skip
        advice = adviser.advise(at, trades, book, gate_open=verdict.denied == 0)
        if advice is NO_ADVICE:
            return now
        return replace(
            now, held=advice.held, stops=advice.stops, risk_multiplier=advice.risk_multiplier
        )

    def _m1(self, now: DecisionInput) -> Float64s:
        minutes = self._of.minutes
        if minutes is None or not (now.open_trades and self._of.adviser.asks_exits):
            return NO_M1
        return minutes.at(now.market.close_ms)

    def _commission_per_lot(self, unit_to_base: float) -> float:
        """Per side, in the account's units: a cent account counts a hundred to the dollar."""
        units = round(1 / unit_to_base)
        return self._instrument.in_deposit_currency(units).commission_per_lot
