"""Which bar is next, when to look, and when a run is over."""

from types import SimpleNamespace
from typing import Any

import pytest

from market.bars import Bars
from market.instruments import instrument
from market.timeframe import Timeframe
from tests.builders import MONDAY_MS, make_bars
from trading.schedule import RunLimits, Schedule
from trading.settings import DaemonSettings

BAR_MS = 900_000
FLAT = (1.0, 1.0, 1.0, 1.0)


def at(row: float) -> int:
    return MONDAY_MS + round(row * BAR_MS)


def make_clock(**words: Any) -> Any:
    return SimpleNamespace(
        **({"lock_step": False, "beats": True, "end_ms": None, "now_ms": lambda: at(0)} | words)
    )


def make_schedule(symbol: str = "BTCUSD", clock: Any = None, **limits: Any) -> Schedule:
    return Schedule(
        Timeframe.M15, instrument(symbol).sessions, clock or make_clock(),
        RunLimits(at(0), **limits), DaemonSettings(),
    )  # fmt: skip


def window(*rows: int) -> Bars:
    """Bars at the given rows alone."""
    whole = make_bars([FLAT] * (max(rows) + 1))
    picked = whole.rows(rows[0], rows[0] + 1)
    for row in rows[1:]:
        picked = picked.followed_by(whole.rows(row, row + 1))
    return picked


def test_newest_closed_bar_is_due_at_its_close() -> None:
    schedule = make_schedule()
    pending = schedule.pending(window(0), at(1))
    assert pending.due
    assert pending.missed == slice(0, 0)


def test_only_the_newest_of_several_is_due() -> None:
    pending = make_schedule().pending(window(0, 1, 2), at(3))
    assert (pending.due, pending.missed) == (True, slice(0, 2))


def test_bar_seen_too_late_is_missed() -> None:
    schedule = make_schedule()
    assert schedule.pending(window(0), at(1) + 300_000).due
    assert not schedule.pending(window(0), at(1) + 300_001).due


def test_handled_bar_is_not_pending_again() -> None:
    schedule = make_schedule()
    schedule.handled(at(0))
    pending = schedule.pending(window(0), at(1))
    assert (pending.due, pending.missed) == (False, slice(1, 1))


def test_bar_at_the_end_of_the_run_is_not_decided() -> None:
    assert not make_schedule(to_ms=at(1)).pending(window(0, 1), at(2)).due


def test_wakes_at_beats_and_exactly_at_the_close() -> None:
    now = {"ms": at(0)}
    schedule = make_schedule(clock=make_clock(now_ms=lambda: now["ms"]))
    assert schedule.next_wake_ms() == at(0) + 60_000
    now["ms"] = at(1) - 10_000
    assert schedule.next_wake_ms() == at(1)


@pytest.mark.parametrize(("late_ms", "poll_ms"), [(0, 1_000), (9_999, 1_000), (10_000, 3_000)])
def test_late_bar_is_asked_for_every_second_then_every_three(late_ms: int, poll_ms: int) -> None:
    now_ms = at(1) + late_ms
    schedule = make_schedule(clock=make_clock(now_ms=lambda: now_ms))
    assert schedule.next_wake_ms() == now_ms + poll_ms


def test_simulated_clock_that_stands_at_the_close_is_not_moved_before_the_decision() -> None:
    schedule = make_schedule(clock=make_clock(now_ms=lambda: at(1), lock_step=True))
    assert schedule.next_wake_ms() == at(1)


def test_clock_without_beats_goes_straight_to_the_close() -> None:
    assert make_schedule(clock=make_clock(beats=False)).next_wake_ms() == at(1)


def test_late_bar_of_an_open_market_is_waited_for() -> None:
    schedule = make_schedule()
    schedule.pass_over_missing(at(1) + 1_000)
    assert schedule.next_open_ms == at(0)
    schedule.pass_over_missing(at(1) + 300_001)
    assert schedule.next_open_ms == at(1)


def test_bar_of_a_closed_market_is_not_waited_for() -> None:
    saturday = 5 * 96
    schedule = make_schedule("EURUSD")
    schedule.handled(at(saturday - 1))
    schedule.pass_over_missing(at(saturday + 1))
    assert schedule.next_open_ms == at(saturday + 1)


def test_simulated_clock_knows_at_once_that_no_bar_will_come() -> None:
    schedule = make_schedule(clock=make_clock(lock_step=True))
    schedule.pass_over_missing(at(1))
    assert schedule.next_open_ms == at(1)


@pytest.mark.parametrize(
    ("limits", "clock", "done_at"),
    [({"bars": 3}, {}, 3), ({"to_ms": at(5)}, {}, 5), ({}, {"end_ms": at(4)}, 4)],
    ids=["bars", "to", "end of data"],
)
def test_run_is_over_at_its_limit(limits: Any, clock: Any, done_at: int) -> None:
    schedule = make_schedule(clock=make_clock(**clock), **limits)
    for row in range(done_at):
        assert not schedule.finished
        schedule.handled(at(row))
        schedule.decided += 1
    assert schedule.finished


@pytest.mark.parametrize("beats", [True, False], ids=["paced", "at speed max"])
def test_outcome_that_has_long_been_unknown_is_looked_for_at_beats(beats: bool) -> None:
    schedule = make_schedule(clock=make_clock(beats=beats, lock_step=True))
    assert schedule.next_wake_ms(open_work=True, long_unknown=True) == at(0) + 60_000


@pytest.mark.parametrize("beats", [True, False], ids=["paced", "at speed max"])
def test_open_work_is_looked_at_every_three_seconds_at_every_speed(beats: bool) -> None:
    now = {"ms": at(0)}
    clock = make_clock(beats=beats, lock_step=True, now_ms=lambda: now["ms"])
    schedule = make_schedule(clock=clock)
    assert schedule.next_wake_ms(open_work=True) == at(0) + 3_000
    now["ms"] = at(1) - 1_000
    assert schedule.next_wake_ms(open_work=True) == at(1)
    assert schedule.next_wake_ms() == at(1)
