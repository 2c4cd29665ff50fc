"""The loop: one decision for each closed bar, by the broker's clock.

wait → top up → observe → forecast → decide → plan → journal → execute → report

Start-up is recovery: open intents are settled by asking the broker before anything is decided.
Between closes a beat looks and reports; it changes no decision input.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from broker.contract.errors import BrokerError
from broker.contract.port import Broker
from market.bars import Bars
from market.indicators import atr, ema
from market.timeframe import Timeframe
from trading.canonical import decision_line
from trading.clock import Clock, StopFlag
from trading.decision.decide import decide
from trading.decision.records import MarketView
from trading.decision.settings import DecisionSettings
from trading.errors import JournalError
from trading.execution.dispatch import Dispatcher
from trading.execution.plan import plan
from trading.execution.resolve import Resolver
from trading.feed import BarFeed
from trading.forecaster import Forecaster
from trading.journal import DecidedBar, Journal
from trading.observer import Observer
from trading.report import BarReport, Reporter
from trading.schedule import Schedule
from trading.settings import DaemonSettings
from trading.views import market_view

_ATR_PERIOD = 14
_EMA_SPAN = 200
_BACK_OFF_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the bot works with; each can be replaced by a double.

    `require_bridge` raises when waiting for the bridge makes no sense any more.
    """

    broker: Broker
    clock: Clock
    schedule: Schedule
    feed: BarFeed
    forecaster: Forecaster
    observer: Observer
    resolver: Resolver
    dispatcher: Dispatcher
    journal: Journal
    reporter: Reporter
    stop: StopFlag
    require_bridge: Callable[[], None] = lambda: None


class Bot:
    """One account, one symbol. `run` returns when the run is finished or a stop was requested."""

    def __init__(
        self,
        parts: Parts,
        symbol: str,
        timeframe: Timeframe,
        decision_settings: DecisionSettings,
        daemon_settings: DaemonSettings,
    ) -> None:
        self._parts = parts
        self._symbol = symbol
        self._timeframe = timeframe
        self._settings = decision_settings
        self._daemon = daemon_settings
        self._failures = 0

    @property
    def finished(self) -> bool:
        """Whether the run is over, so that there is nothing to go on with."""
        return self._parts.schedule.finished

    def run(self) -> None:
        self.recover()
        while not self.finished and not self._parts.stop.requested:
            try:
                self.cycle()
                self._bridge_answers()
            except BrokerError as error:
                self._wait_for_bridge(error)

    def cycle(self) -> None:
        """Waits for the next close or beat; decides the bar that closed, if one did."""
        p = self._parts
        now_ms = p.clock.wait_until(p.schedule.next_wake_ms())
        if now_ms < p.schedule.next_close_ms:
            self._beat(now_ms)
            return
        for revision in p.feed.top_up(now_ms).revised:
            p.journal.record("bar_revised", now_ms, revision=str(revision))
        pending = p.schedule.pending(p.feed.window, now_ms)
        self._pass_over(p.feed.window, pending.missed, now_ms)
        if pending.due:
            self._decide_and_act(now_ms)
        else:
            p.schedule.pass_over_missing(now_ms)

    def _decide_and_act(self, now_ms: int) -> None:
        """Observe, think, remember, act, tell: in this order and no other."""
        p = self._parts
        seen = p.observer.observe(now_ms)
        started_s = time.perf_counter()
        forecast = p.forecaster.forecast(p.feed.window)
        market = self._market(p.feed.window, forecast.margin_floor)
        now = p.observer.decision_input(market, forecast, seen)
        decision = decide(now, self._settings)
        requests = plan(
            decision, now.quote, seen.spec,
            strategy_id=self._daemon.strategy_id, valid_for_ms=self._daemon.act_within_ms,
            open_trades=now.open_trades,
        )  # fmt: skip
        decision_ms = (time.perf_counter() - started_s) * 1000
        line = decision_line(now, decision)
        bar = DecidedBar(
            self._symbol, market.open_ms, now_ms, line, forecast.features, decision_ms,
            decision.denials,
        )  # fmt: skip
        p.journal.decided(bar, requests, seen.new_deals, state=p.dispatcher.first_state)
        p.schedule.decided += 1
        p.schedule.handled(market.open_ms)
        sent = p.dispatcher.send_all(requests, now_ms)
        told = BarReport(
            now_ms, p.schedule.decided, now, forecast.margin, decision, sent, seen.new_deals,
            p.observer.day_profit(seen.snapshot, now_ms), decision_ms,
        )  # fmt: skip
        p.reporter.bar(told)

    def _beat(self, now_ms: int) -> None:
        """Between closes: asks about open intents, and shows where we are."""
        self._parts.resolver.resolve(now_ms)
        self._parts.reporter.beat(self._parts.broker.snapshot(self._symbol))

    def recover(self) -> None:
        """Brings back what the journal knows, settles open intents, fills the bar store.

        Raises `BrokerError` if the bridge is not there: at start a person is watching.
        """
        p = self._parts
        self._require_same_account()
        from_ms, handled_ms = p.schedule.next_open_ms, p.journal.handled_open_ms(self._symbol)
        p.schedule.decided = p.journal.decided_count(self._symbol)
        if handled_ms is not None:
            p.schedule.handled(handled_ms)
        first_ms = p.schedule.next_open_ms
        p.resolver.resolve(p.clock.wait_until(first_ms))
        p.observer.recover(p.journal, from_ms=from_ms, handled_ms=handled_ms)
        need_from_ms = first_ms - p.forecaster.history_ms
        history = p.feed.start(first_ms, need_from_ms=need_from_ms)
        p.forecaster.start(history, first_ms)
        if len(history):
            self._market(history, math.nan)  # compiled code is loaded before the first close

    def _market(self, window: Bars, floor: float) -> MarketView:
        row = len(window) - 1
        ranges = atr(window.high, window.low, window.close, window.open_ms, _ATR_PERIOD, row)
        means = ema(window.close, window.open_ms, _EMA_SPAN, row)
        return market_view(window, row, atr=ranges[row], ema200=means[row], floor=floor)

    def _pass_over(self, window: Bars, missed: slice, now_ms: int) -> None:
        """Bars that closed while nobody looked get no decision; their margins still count."""
        p = self._parts
        if missed.start == missed.stop:
            return
        p.forecaster.skip(window.rows(0, missed.stop), missed.start)
        for open_ms in window.open_ms[missed].tolist():
            late_s = p.schedule.late_ms(open_ms, now_ms) / 1000
            why = (
                f"seen {late_s:.0f} s after its close; {self._daemon.act_within_s:g} s are allowed"
            )
            p.journal.missed(self._symbol, open_ms, now_ms, why)
            p.schedule.handled(open_ms)

    def _require_same_account(self) -> None:
        """A journal belongs to one account: the first one it was written for."""
        journal, account = self._parts.journal, self._parts.broker.account()
        here = f"{account.login} on {account.server}"
        known = journal.meta("account")
        if known is None:
            journal.set_meta(
                account=here,
                initial_balance=repr(account.balance),
                started_ms=str(self._parts.schedule.next_open_ms),
            )
        elif known != here:
            raise JournalError(
                f"the journal belongs to account {known}, but the bridge is logged in to {here}; "
                "log in to that account, or use another --account"
            )

    def _wait_for_bridge(self, error: BrokerError) -> None:
        """Skips this cycle, says why, and lets a while pass; the next cycle tries again."""
        p = self._parts
        p.require_bridge()
        if self._failures == 0:
            p.journal.record(
                "bridge_away", p.schedule.next_close_ms, error=type(error).__name__, text=str(error)
            )
        p.reporter.trouble(f"bridge: {error}")
        p.clock.pause(_BACK_OFF_S[min(self._failures, len(_BACK_OFF_S) - 1)])
        self._failures += 1

    def _bridge_answers(self) -> None:
        if self._failures:
            p = self._parts
            p.journal.record("bridge_back", p.schedule.next_open_ms, failures=self._failures)
            p.reporter.trouble("")
            self._failures = 0
