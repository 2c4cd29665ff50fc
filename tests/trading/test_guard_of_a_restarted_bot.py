"""The account guards of a daemon that slept over a midnight say what one that ran on would."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from market.bars import Bars
from tests.trading.doubles import BAR_MS, Desk
from trading.decision.guards import local_midnight_ms
from trading.decision.settings import DecisionSettings

MakeDesk = Callable[..., Desk]
SETTINGS = DecisionSettings.model_validate(
    {"dynamic_sltp": {"sl_atr_multiplier": 8.0, "tp_atr_multiplier": 9.0}}
)
STOP_AFTER = 46  # a position is open, and local midnight two bars away


@dataclass(frozen=True)
class Watched:
    close_ms: int
    balance: float
    equity: float
    worst: float


def sleep(desk: Desk, bars: int) -> list[Watched]:
    """What the account was worth at each close while no daemon ran."""
    seen, terminal = [], desk.terminal
    for _ in range(bars):
        terminal.advance(terminal.now_ms + BAR_MS)
        closed: Bars = terminal.closed_bars("BTCUSD")
        low, high = float(closed.low[-1]), float(closed.high[-1] + closed.spread_points[-1] * 0.01)
        worst = terminal.equity
        for held in terminal.positions():
            price = low if held.type == 0 else high
            way = price - held.price_open if held.type == 0 else held.price_open - price
            worst += way * held.volume - held.profit
        seen.append(
            Watched(terminal.now_ms, terminal.balance, terminal.equity, min(worst, terminal.equity))
        )
    return seen


@pytest.mark.parametrize("journal_lost", [False, True])
def test_guard_after_a_sleep_over_midnight(desk: MakeDesk, journal_lost: bool) -> None:
    first = desk(bars=120, stop_after=STOP_AFTER, decision=SETTINGS).run()
    assert first.own_positions(), "nothing is open: the test shows nothing"
    before = first.reporter.bars[-1].input.guard
    watched = sleep(first, 12)
    if journal_lost:
        first.journal.close()
        for each in first.folder.glob("journal.sqlite*"):
            each.unlink()
    again = desk(bars=120, terminal=first.terminal, stop_after=1, decision=SETTINGS).run()
    now = again.reporter.bars[0].input
    assert now.guard is not None
    assert before is not None
    midnight_ms = local_midnight_ms(now.market.close_ms, SETTINGS.timezone)
    (start,) = [each for each in watched if each.close_ms == midnight_ms]
    after = [each for each in watched if midnight_ms < each.close_ms < now.market.close_ms]
    assert len(after) >= 5
    day = now.guard.day
    assert (day.start_ms, day.start_balance) == (midnight_ms, start.balance)
    assert day.start_equity == pytest.approx(start.equity, abs=0.02)
    assert day.low_equity == pytest.approx(min(each.worst for each in after), abs=0.02)
    assert now.guard.week == day, "that midnight begins a week, too"
    assert before.week.start_ms < midnight_ms
    assert now.guard.trades_today == sum(
        deal.entry == 0 and deal.time_msc >= midnight_ms
        for deal in first.terminal.deals()
        if deal.symbol and deal.time_msc < now.market.close_ms
    )
