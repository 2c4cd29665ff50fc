"""The simulated clock moves only for those who wait on it, at the speed asked for."""

import asyncio
from dataclasses import dataclass, field

import pytest

from broker.contract.wire import ClockState
from mt5api.paper_clock import HOLD_S, PaperClock, Speed


@dataclass
class Market:
    now_ms: int = 1_000
    end_ms: int = 10_000_000
    moves: list[int] = field(default_factory=list)

    def advance(self, to_ms: int) -> None:
        self.now_ms = to_ms
        self.moves.append(to_ms)


class Wall:
    """A wall clock that sleeping moves."""

    def __init__(self) -> None:
        self.s = 100.0

    def __call__(self) -> float:
        return self.s

    async def sleep(self, pause_s: float) -> None:
        self.s += pause_s


def make_clock(market: Market, speed: Speed) -> tuple[PaperClock, Wall]:
    wall = Wall()
    return PaperClock(market, speed, wall_s=wall, sleep=wall.sleep), wall


def wait(clock: PaperClock, instant_ms: int) -> ClockState:
    return asyncio.run(clock.wait_until(instant_ms))


def test_at_speed_max_the_instant_is_there_at_once() -> None:
    clock, wall = make_clock(market := Market(), "max")
    assert wait(clock, 901_000).now_msc == 901_000
    assert (market.moves, wall.s) == ([901_000], 100.0)


@pytest.mark.parametrize("speed", ["max", 1.0])
def test_instant_in_the_past_moves_nothing(speed: Speed) -> None:
    clock, _ = make_clock(market := Market(), speed)
    assert wait(clock, 500).now_msc == 1_000
    assert market.moves == []


def test_clock_stops_at_the_markets_end() -> None:
    clock, _ = make_clock(Market(end_ms=5_000), "max")
    assert wait(clock, 99_000) == ClockState(5_000, 5_000)


def test_at_speed_300_a_bar_takes_three_seconds_and_ends_exactly() -> None:
    clock, wall = make_clock(Market(), 300.0)
    assert wait(clock, 901_000).now_msc == 901_000
    assert wall.s == pytest.approx(103.0, abs=0.01)


def test_long_wait_is_answered_with_what_now_is() -> None:
    clock, wall = make_clock(Market(), 1.0)
    assert wait(clock, 901_000).now_msc == pytest.approx(1_000 + HOLD_S * 1000, abs=300)
    assert wait(clock, 901_000).now_msc == pytest.approx(1_000 + 2 * HOLD_S * 1000, abs=600)
    assert wall.s == pytest.approx(100 + 2 * HOLD_S, abs=0.6)


def test_time_spent_elsewhere_shortens_the_next_wait_but_skips_no_instant() -> None:
    clock, wall = make_clock(market := Market(), 300.0)
    wait(clock, 901_000)
    wall.s += 60.0
    assert wait(clock, 1_801_000).now_msc == 1_801_000
    assert market.moves[-1] == 1_801_000
    assert wall.s == pytest.approx(163.0, abs=0.01)
