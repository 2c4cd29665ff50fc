"""A managed trade's whole life, sent by the dispatcher to every broker and by the backtest to its
terminal: the same deals, positions and money, to the bit."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backtest.venue import Venue as BacktestVenue
from backtest.venue import trade_result
from broker.contract.constants import DealEntry
from broker.simulator.terminal import SimulatedTerminal
from tests.broker.conftest import Venue
from tests.broker.paper_bridge import START_MS, STEP_MS, make_terminal
from tests.trading.test_journal import make_bar
from trading.decision.records import (
    Add,
    Close,
    Decision,
    Enter,
    Intent,
    Modify,
    OpenTrade,
    Partial,
    Side,
)
from trading.execution.dispatch import Dispatcher, Sent
from trading.execution.intents import IntentState, LevelsRequest, TradeRequest
from trading.execution.plan import plan
from trading.execution.resolve import Resolver
from trading.execution.settle import settle
from trading.journal import Journal

S = IntentState
STRATEGY = 7719


class Both:
    """One decision after the other, carried out at both."""

    def __init__(self, venue: Venue, folder: Path) -> None:
        self.venue, self.path = venue, folder / "journal.sqlite"
        self.direct = BacktestVenue(make_terminal(), "BTCUSD", STRATEGY)
        self.bar = 0
        self._work()

    def _work(self) -> None:
        self.journal = Journal(self.path)
        self.dispatcher = Dispatcher(self.venue.broker, self.journal)
        self.resolver = Resolver(self.venue.broker, self.journal, self.dispatcher)

    def restart(self) -> None:
        self.journal.close()
        self._work()

    @property
    def terminals(self) -> tuple[SimulatedTerminal, SimulatedTerminal]:
        return self.direct.terminal, self.venue.terminal

    @property
    def now_ms(self) -> int:
        return START_MS + self.bar * STEP_MS

    def held(self) -> tuple[OpenTrade, ...]:
        return self.direct.state()[2]

    def next_bar(self) -> None:
        self.bar += 1
        for terminal in self.terminals:
            terminal.advance(self.now_ms)
        self.direct.read_deals()

    def decide(self, *intents: Intent) -> tuple[TradeRequest, ...]:
        self.next_bar()
        quote, _, mine, _ = self.direct.state()
        decision = Decision("BTCUSD", self.now_ms - STEP_MS, intents, ())
        return plan(
            decision, quote, self.direct.spec, strategy_id=STRATEGY, valid_for_ms=60_000,
            open_trades=mine,
        )  # fmt: skip

    def act(self, *intents: Intent) -> tuple[Sent, ...]:
        return self.send(*self.decide(*intents))

    def send(self, *requests: TradeRequest) -> tuple[Sent, ...]:
        self.write_down(*requests)
        states = self.send_direct(*requests)
        sent = self.dispatcher.send_all(requests, self.now_ms)
        assert [_plain(each.state) for each in sent] == states
        self.compare()
        return sent

    def write_down(self, *requests: TradeRequest) -> None:
        bar = make_bar(self.now_ms - STEP_MS, decided_ms=self.now_ms)
        self.journal.decided(bar, requests)

    def send_direct(self, *requests: TradeRequest) -> list[str]:
        """What the backtest's venue makes of each request."""
        quote = self.direct.state()[0]
        answers = [trade_result(self.direct.send(each, quote), each, self.now_ms)
                   for each in requests]  # fmt: skip
        return [settle(*pair).state for pair in zip(requests, answers, strict=True)]

    def compare(self) -> None:
        direct, other = self.terminals
        assert other.deals() == direct.deals()
        assert other.positions() == direct.positions()
        assert other.funds() == direct.funds()
        held = [replace(each, comment="") for each in self.venue.broker.positions("BTCUSD")]
        assert held == [replace(each, comment="") for each in direct.positions()]


def _plain(state: IntentState) -> str:
    return "filled" if state is S.PROTECTED else state.value


@pytest.fixture
def both(venue: Venue, tmp_path: Path) -> Iterator[Both]:
    made = Both(venue, tmp_path)
    yield made
    made.journal.close()


LONG = Enter(Side.BUY, 0.3, 2000.0, 3000.0, 600.0)


def stop(both: Both, away: float) -> float:
    """A stop so far below the bid of now."""
    return both.direct.state()[0].bid - away


def test_managed_trade_makes_the_same_deals_as_in_the_backtest(both: Both) -> None:
    (entered,) = both.act(LONG)
    assert entered.state is S.PROTECTED
    (first,) = both.held()
    both.act(Modify(first.position_id, stop(both, 1000.0), first.tp, "trailing_stop"))
    both.act(
        Partial(first.position_id, 0.1, "partial_close"),
        Modify(first.position_id, stop(both, 800.0), first.tp, "break_even"),
    )  # fmt: skip
    (left,) = both.held()
    assert left.volume_lots == 0.2
    assert left.sl > first.sl
    both.act(Add(first.position_id, Side.BUY, 0.05, 1500.0, 2500.0, 75.0))
    assert [trade.volume_lots for trade in both.held()] == [0.2, 0.05]
    both.act(*(Close(trade.position_id, "prop_flatten") for trade in both.held()))
    assert both.held() == ()
    entries = [deal.entry for deal in both.direct.deals() if deal.symbol]
    assert entries == [DealEntry.IN, DealEntry.OUT, DealEntry.IN, DealEntry.OUT, DealEntry.OUT]
    assert not both.dispatcher.open_work
    assert len(both.direct.book.closed) == 0
    both.next_bar()
    assert [trade.volume_lots for trade in both.direct.book.closed] == [0.3, 0.05]


def test_short_is_managed_alike(both: Both) -> None:
    both.act(Enter(Side.SELL, 0.3, 2000.0, 3000.0, 600.0))
    (first,) = both.held()
    nearer = both.direct.state()[0].ask + 900.0
    both.act(Modify(first.position_id, nearer, first.tp, "trailing_stop"))
    both.act(Partial(first.position_id, 0.2, "partial_close"))
    both.act(Close(first.position_id, "position_exit"))
    assert both.held() == ()
    assert len([deal for deal in both.direct.deals() if deal.symbol]) == 3


def test_levels_that_a_venue_refuses_change_nothing_anywhere(both: Both) -> None:
    both.act(LONG)
    (trade,) = both.held()
    beyond = LevelsRequest(
        "BTCUSD", trade.position_id, stop(both, -500.0), trade.tp, "7719-BTCUSD-1-LEVELS-0"
    )
    both.next_bar()
    both.write_down(beyond)
    assert both.send_direct(beyond) == ["rejected"]
    (sent,) = both.dispatcher.send_all([beyond], both.now_ms)
    for beat in range(1, 6):
        both.resolver.resolve(both.now_ms + beat * 3_000)
    assert sent.state is not S.FILLED
    assert not both.dispatcher.open_work
    both.compare()
    assert both.held()[0].sl == trade.sl


@pytest.mark.parametrize("when", ["before sending", "marked as sent", "after the answer"])
def test_killed_daemon_ends_with_the_deals_of_the_backtest(both: Both, when: str) -> None:
    both.act(LONG)
    (trade,) = both.held()
    requests = both.decide(
        Partial(trade.position_id, 0.1, "partial_close"),
        Modify(trade.position_id, stop(both, 900.0), trade.tp, "break_even"),
    )
    both.write_down(*requests)
    both.send_direct(*requests)
    _until(both, requests, when)
    both.restart()
    for beat in range(60):
        if not both.resolver.resolve(both.now_ms + beat * 3_000):
            break
    assert not both.dispatcher.open_work
    if when == "marked as sent" and both.venue.dialect != "native":
        # nobody can tell whether it is under way, so the part is not sent; the levels are
        assert both.venue.terminal.positions()[0].volume == 0.3
        return
    both.compare()


def _until(both: Both, requests: tuple[TradeRequest, ...], when: str) -> None:
    """As far as the daemon came with them before it was killed."""
    if when == "before sending":
        return
    for request in requests:
        both.journal.set_state(request.client_id, S.SENT, both.now_ms)
    if when == "after the answer":
        broker: Any = both.venue.broker
        part, change = requests
        broker.send(part)
        assert isinstance(change, LevelsRequest)
        broker.modify(change.position, sl=change.sl, tp=change.tp, client_id=change.client_id)
