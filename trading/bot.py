"""The loop: one decision for each closed bar, by the broker's clock.

wait → look → top up → forecast → decide → plan → journal → execute → report

Start-up is recovery: open intents are settled by asking the broker before anything is decided.
Between closes a beat looks, settles and reports; it decides nothing.
"""

import time
from dataclasses import dataclass, replace

from broker.contract.errors import BrokerError
from broker.contract.port import Broker
from market.store import MergeReport
from market.timeframe import Timeframe
from trading.canonical import decision_line
from trading.clock import Clock, StopFlag
from trading.decision.decide import decide
from trading.decision.settings import DecisionSettings
from trading.decision_inputs import DecisionInputs
from trading.execution.dispatch import Dispatcher
from trading.execution.plan import dropped, legs, requests_of
from trading.execution.resolve import Resolver
from trading.feed import BarFeed
from trading.forecaster import Forecaster
from trading.heartbeat import Heartbeat
from trading.hot_reload import HotReload
from trading.journal import DecidedBar, Journal
from trading.market_window import last_bar
from trading.missed import MissedBars
from trading.model_source import ModelSwap
from trading.news import NewsDesk
from trading.obey import Steward
from trading.observer import Observer, Seen
from trading.outage import Outage
from trading.permission import Permission
from trading.pins import Accepted, pin, require_room
from trading.report import BarReport, Reporter
from trading.schedule import Schedule
from trading.settings import DaemonSettings
from trading.watch import HealthWatch


@dataclass(frozen=True, slots=True)
class Parts:
    """What the bot works with; each can be replaced by a double."""

    broker: Broker
    clock: Clock
    schedule: Schedule
    feed: BarFeed
    forecaster: Forecaster
    watch: HealthWatch
    observer: Observer
    inputs: DecisionInputs
    resolver: Resolver
    dispatcher: Dispatcher
    journal: Journal
    missed: MissedBars
    outage: Outage
    reporter: Reporter
    stop: StopFlag
    accepted: Accepted
    swap: ModelSwap | None = None
    steward: Steward | None = None
    reload: HotReload | None = None
    heartbeat: Heartbeat | None = None
    news: NewsDesk | None = None
    permission: Permission | None = None


_DRAINING = "the daemon is asked to stop, and waits until no position is open"


class Bot:
    """One account, one symbol. `run` returns when the run is finished or a stop was requested."""

    def __init__(
        self, parts: Parts, symbol: str, timeframe: Timeframe,
        decision_settings: DecisionSettings, daemon_settings: DaemonSettings,
    ) -> None:  # fmt: skip
        self._parts = parts
        self._symbol = symbol
        self._timeframe = timeframe
        self._settings = self._rules = decision_settings  # in force, and without a cut
        self._settings_sha256 = ""
        self._daemon = daemon_settings

    @property
    def finished(self) -> bool:
        """Whether the run is over, so that there is nothing to go on with."""
        return self._parts.schedule.finished

    @property
    def heartbeat(self) -> Heartbeat | None:
        return self._parts.heartbeat

    def run(self) -> None:
        self.recover()
        while not self.finished and not self._parts.stop.requested:
            try:
                self.cycle()
                self._parts.outage.over()
                self._alive(failed=False)
                self._end_if_drained()
            except BrokerError as error:
                self._alive(failed=True)
                self._parts.outage.failed(error)

    def cycle(self) -> None:
        """Waits for the next close or beat; decides the bar that closed, if one did."""
        p = self._parts
        if p.swap is not None:
            p.swap.between_bars(p.clock.now_ms())
        now_ms = p.clock.wait_until(self._next_wake_ms())
        if now_ms < p.schedule.next_close_ms:
            p.reporter.beat(self._look(now_ms, at_close=False).snapshot)
            return
        seen = self._look(now_ms, at_close=True)
        if not p.watch.bars_ok:
            p.missed.hold(now_ms, "the server's clock is off its rule: its bars are not believed")
            return
        self._tell_revised(p.feed.top_up(now_ms), now_ms)
        pending = p.schedule.pending(p.feed.window, now_ms)
        p.missed.pass_over(p.feed.window, pending.missed, now_ms)
        if p.stop.requested:
            return  # an entry may come of it: the next start decides the bar, if it is not too late
        if pending.due:
            self._decide_and_act(seen, now_ms)
        else:
            p.missed.absent(p.schedule.pass_over_missing(now_ms))

    def _decide_and_act(self, seen: Seen, now_ms: int) -> None:
        """Think, remember, act, tell: in this order and no other."""
        p = self._parts
        started_s = time.perf_counter()
        forecast = p.forecaster.forecast(p.feed.window)
        now, verdict = p.inputs.at_close(p.feed.window, forecast, seen)
        decision = decide(now, self._settings, verdict)
        planned = legs(
            decision, now.quote, seen.spec,
            strategy_id=self._daemon.strategy_id, valid_for_ms=self._daemon.act_within_ms,
            open_trades=now.open_trades, magic_bits=self._daemon.orders.magic_bits,
        )  # fmt: skip
        requests = requests_of(planned)
        decision_ms = (time.perf_counter() - started_s) * 1000
        line = decision_line(now, decision)
        bar = DecidedBar(
            self._symbol, now.market.open_ms, now_ms, line, forecast.features, decision_ms,
            decision.denials, self._settings_sha256,
        )  # fmt: skip
        p.journal.decided(bar, requests, state=p.dispatcher.first_state)
        for each in dropped(planned):
            p.journal.record("intent_dropped", now_ms, **each)
        p.inputs.decided(now)
        p.schedule.decided += 1
        p.schedule.handled(now.market.open_ms)
        sent = p.dispatcher.send_all(requests, now_ms)
        told = BarReport(
            now_ms, p.schedule.decided, now, forecast.margin, decision, sent,
            p.observer.new_deals(), p.observer.day_profit(seen.snapshot, now_ms), decision_ms,
        )  # fmt: skip
        p.reporter.bar(told)

    def recover(self) -> None:
        """Brings back what the journal knows, settles open intents, fills the bar store.

        Raises `BrokerError` if the bridge is not there: at start a person is watching.
        """
        p = self._parts
        from_ms, handled_ms = p.schedule.next_open_ms, p.journal.handled_open_ms(self._symbol)
        account, spec = p.broker.account(), p.broker.symbol(self._symbol)
        require_room(account, self._settings)
        p.watch.start(pin(p.journal, account, spec, p.accepted, now_ms=from_ms))
        p.schedule.decided = p.journal.decided_count(self._symbol)
        if handled_ms is not None:
            p.schedule.handled(handled_ms)
        first_ms = p.schedule.next_open_ms
        p.inputs.restore(p.journal.last_decision_line(self._symbol))
        p.observer.books.restore(from_ms=from_ms, handled_ms=handled_ms)
        p.observer.look(p.clock.wait_until(first_ms), at_close=False)
        self._read_history(first_ms)
        self._settings_sha256 = p.journal.keep_settings(self._settings)
        if p.reload is not None:
            p.reload.started(first_ms)
        if p.swap is not None:
            p.swap.started(first_ms)
        if p.permission is not None:
            p.permission.rule(self._settings, account.balance, first_ms)
        if p.steward is not None:
            p.steward.restore()

    def _read_history(self, first_ms: int) -> None:
        """Bars and margins before the bar that will be decided first."""
        p, need_from_ms = self._parts, first_ms - self._parts.forecaster.history_ms
        self._tell_revised(p.feed.start(first_ms, need_from_ms=need_from_ms), first_ms)
        history = p.feed.history(need_from_ms=need_from_ms)
        p.forecaster.start(history, first_ms)
        if len(history):
            last_bar(history)  # compiled code is loaded before the first close

    def _tell_revised(self, report: MergeReport, now_ms: int) -> None:
        for revision in report.revised:
            self._parts.journal.record("bar_revised", now_ms, revision=str(revision))

    def _look(self, now_ms: int, *, at_close: bool) -> Seen:
        """What the broker says, after the commands that were waiting."""
        p = self._parts
        if p.news is not None:
            p.news.take_in(now_ms)
        looker = p.steward or p.observer
        seen = looker.look(now_ms, at_close=at_close)
        if p.reload is not None:
            holds = bool(seen.snapshot.positions) or p.observer.books.may_hold
            self._rules = p.reload.check(now_ms, holds=holds)
        settings, closed = self._rules, p.observer.books.book.closed
        if p.permission is not None:
            seen, settings = p.permission.check(seen, settings, closed, now_ms)
        self._use(settings)
        if p.stop.draining:
            seen = replace(seen, halts=(*seen.halts, _DRAINING))
        return seen

    def _use(self, settings: DecisionSettings) -> None:
        """Other rules from the next decision on; the journal keeps them."""
        if settings is self._settings:
            return
        self._settings = settings
        self._parts.inputs.use(settings)
        self._settings_sha256 = self._parts.journal.keep_settings(settings)

    def _end_if_drained(self) -> None:
        p = self._parts
        if p.stop.draining and not (p.observer.books.may_hold or self._open_work):
            p.stop.requested = True

    def _alive(self, *, failed: bool) -> None:
        p = self._parts
        if p.heartbeat is not None:
            p.heartbeat.cycle(
                broker_ms=p.clock.now_ms(), bar_open_ms=p.schedule.last_handled_ms,
                positions=len(p.observer.books.book.held), failed=failed,
            )  # fmt: skip

    def _next_wake_ms(self) -> int:
        p = self._parts
        if not self._open_work:
            return p.schedule.next_wake_ms()
        doubtful = p.observer.books.doubtful
        long_unknown = not doubtful and p.dispatcher.only_long_unknown(p.clock.now_ms())
        return p.schedule.next_wake_ms(open_work=True, long_unknown=long_unknown)

    @property
    def _open_work(self) -> bool:
        p = self._parts
        return p.observer.books.doubtful or p.dispatcher.open_work
