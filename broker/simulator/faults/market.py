"""Faults of the trade server and its market: events by the clock, altered bars, late orders."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Protocol

from broker.contract.paper import PushedTick
from broker.simulator.book import Book
from broker.simulator.faults import happenings
from broker.simulator.faults.calls import Call
from broker.simulator.faults.catalogue import CATALOGUE, FaultError
from broker.simulator.faults.feed import Alteration, FaultyFeed, Pushed, altered
from broker.simulator.faults.plan import Fault, FaultPlan
from broker.simulator.feed import NEVER, Feed, Watch
from broker.simulator.trading_desk import trigger_watch
from market.bars import Bars

Send = Callable[[dict[str, Any]], object]
_ONCE = tuple(name for name, kind in CATALOGUE.items() if kind.once)
_ALTERING = tuple(name for name, kind in CATALOGUE.items() if kind.by_time)
_AMOUNTS = {"spread_times": "times", "gap": "points"}


class Venue(Protocol):
    """What is needed of the simulated terminal."""

    book: Book
    feeds: dict[str, Feed]

    @property
    def now_ms(self) -> int: ...

    @property
    def bars(self) -> dict[str, Bars]: ...


class MarketFaults:
    """A plan's market layer on one terminal. `send_late` is set by the terminal's native face."""

    def __init__(self, terminal: Venue, plan: FaultPlan) -> None:
        self._terminal, self.plan = terminal, plan
        self._alterations: list[Alteration] = []
        self._late: list[tuple[int, dict[str, Any]]] = []
        self._pushed: dict[str, Pushed] = {}
        self.send_late: Send | None = None
        plan.bind(lambda: terminal.now_ms)
        plan.on_change.append(self._plan_changed)

    def pass_until(self, to_ms: int, move: Callable[[int], None]) -> None:
        """What the plan does in (now, to]; `move` takes the market to an instant."""
        while (self.plan.faults or self._late) and (due_ms := self._next_ms()) <= to_ms:
            move(max(due_ms, self._terminal.now_ms))
            self._act(due_ms)

    def called(self, call: Call) -> None:
        """Events that a call sets off, before it is executed."""
        for name in _ONCE:
            fault = self.plan.acting(name, call)
            if fault is not None:
                happenings.happen(fault, self._terminal.book, self._terminal.now_ms)

    def send_later(self, fault: Fault, request: dict[str, Any]) -> None:
        """Keeps a request until some seconds from now."""
        delay_s = self.plan.draw(
            fault.int_of("min_s"), fault.int_of("max_s"), fault.id, "late", fault.hits
        )
        self._late.append((self._terminal.now_ms + delay_s * 1000, request))
        self._late.sort(key=lambda each: each[0])

    def push_tick(self, tick: PushedTick) -> None:
        """A quote from now until the market's next event; stops, targets and stop-out see it."""
        book, now_ms = self._terminal.book, self._terminal.now_ms
        if tick.symbol not in book.feeds:
            raise FaultError(f"symbol: {', '.join(book.feeds)} is allowed, {tick.symbol!r} came")
        feed, units = book.feeds[tick.symbol], book.units[tick.symbol]
        bid, ask = units.ticks(tick.bid), units.ticks(tick.ask)
        if not 0 < bid <= ask or (units.price(bid), units.price(ask)) != (tick.bid, tick.ask):
            raise FaultError(f"bid, ask: 0 < bid <= ask on the tick grid is allowed, {tick} came")
        if feed.quote(now_ms) is None:
            raise FaultError(f"{tick.symbol}: no quote yet, so none can follow it")
        row, past_first = feed.ahead(now_ms)
        until_ms = feed.end_ms + feed.step_ms
        if row < len(feed):
            until_ms = feed.open_ms[row] + (feed.step_ms if past_first else 0)
        self._pushed[tick.symbol] = Pushed(now_ms, until_ms, bid, ask)
        self._put_feed(tick.symbol)
        happenings.touch(book, tick.symbol, now_ms)

    @property
    def is_altered(self) -> bool:
        """Whether the bars are not the data's."""
        return bool(self._alterations)

    def closures(self, symbol: str) -> list[Alteration]:
        """Stretches without bars."""
        return [a for a in self._alterations if (a.kind, a.symbol) == ("session_closed", symbol)]

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs, for JSON; the plan's state too."""
        return {
            "plan": self.plan.state(),
            "alterations": [asdict(each) for each in self._alterations],
            "late": self._late,
            "pushed": {symbol: asdict(each) for symbol, each in self._pushed.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on where `state` was taken; the book is already restored."""
        self.plan.restore(state["plan"])
        self._alterations[:] = [Alteration(**each) for each in state["alterations"]]
        self._late[:] = [(due_ms, request) for due_ms, request in state["late"]]
        self._pushed = {symbol: Pushed(**each) for symbol, each in state["pushed"].items()}
        for symbol in {a.symbol for a in self._alterations} | set(self._pushed):
            self._put_feed(symbol)

    def reset(self) -> None:
        """Forgets everything, the plan too."""
        changed = {a.symbol for a in self._alterations} | set(self._pushed)
        self._alterations.clear()
        self._late.clear()
        self._pushed.clear()
        for symbol in changed:
            self._put_feed(symbol)
        self.plan.clear()

    def _next_ms(self) -> int:
        waiting = [fault.begins_ms for fault in self._waiting()]
        return min(waiting + [due_ms for due_ms, _ in self._late[:1]], default=NEVER)

    def _waiting(self) -> list[Fault]:
        return [f for f in self.plan.faults
                if CATALOGUE[f.name].once and f.waits_for_time and f.calls == 0]  # fmt: skip

    def _act(self, instant_ms: int) -> None:
        for fault in self._waiting():
            if fault.begins_ms <= instant_ms and self.plan.happens(fault):
                happenings.happen(fault, self._terminal.book, instant_ms)
        while self._late and self._late[0][0] <= instant_ms:
            _, request = self._late.pop(0)
            assert self.send_late is not None
            self.send_late(request)

    def _plan_changed(self) -> None:
        self._end_alterations()
        known = {each.fault for each in self._alterations}
        for fault in self.plan.faults:
            if fault.name in _ALTERING and fault.id not in known and fault.calls == 0:
                self._alter(fault)
        self._act(self._terminal.now_ms)

    def _alter(self, fault: Fault) -> None:
        if not self.plan.happens(fault):
            return
        amount = fault.float_of(_AMOUNTS[fault.name]) if fault.name in _AMOUNTS else 0.0
        for symbol in self._terminal.book.feeds:
            if fault.order.match.symbol in ("", symbol):
                self._alterations.append(
                    Alteration(fault.id, fault.name, symbol, max(fault.begins_ms - 1,
                               self._terminal.now_ms), fault.order.when.to_msc, amount)
                )  # fmt: skip
                self._put_feed(symbol)

    def _end_alterations(self) -> None:
        """A cleared fault changes nothing from now on; a gap that was made stays."""
        active, now_ms = {fault.id for fault in self.plan.faults}, self._terminal.now_ms
        for each in list(self._alterations):
            if each.fault in active or each.ends_ms() <= now_ms:
                continue
            if each.from_ms >= now_ms:
                self._alterations.remove(each)
            elif each.kind != "gap":
                each.to_ms = now_ms
            self._put_feed(each.symbol)

    def _put_feed(self, symbol: str) -> None:
        """Puts the altered feed in the place of the old one, and all watches on it."""
        book, now_ms = self._terminal.book, self._terminal.now_ms
        units = book.units[symbol]
        changes = [each for each in self._alterations if each.symbol == symbol]
        feed = FaultyFeed(altered(self._terminal.bars[symbol], units, changes), units.instrument)
        feed.pushed = self._pushed.get(symbol)
        self._terminal.feeds[symbol] = feed  # the book's too
        for p in book.positions.values():
            if p.symbol == symbol:
                p.watch = Watch(feed, p.side, p.sl, p.tp, *feed.ahead(now_ms))
        for working in book.orders.values():
            working.watch = trigger_watch(book, working.row, now_ms)
        book.version += 1
