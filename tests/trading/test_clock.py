"""Waiting: for a simulated clock in slices, for the host's clock corrected by the broker's."""

import time
from typing import Any

import pytest

from broker.contract.errors import BrokerUnavailable
from broker.contract.wire import ClockState
from trading.clock import PaperClock, StopFlag, WallClock


class Control:
    """A simulated clock that goes exactly where it is told."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.waits: list[int] = []

    def clock(self) -> ClockState:
        return ClockState(self.now_ms, 10_000_000)

    def wait_until(self, instant_ms: int) -> ClockState:
        self.waits.append(instant_ms)
        self.now_ms = instant_ms
        return self.clock()


def make_clock(speed: float | None, stop: StopFlag | None = None) -> tuple[PaperClock, Control]:
    control: Any = Control()
    return PaperClock(control, stop or StopFlag(), speed=speed), control


def test_at_speed_max_one_wait_goes_to_the_instant() -> None:
    clock, control = make_clock(None)
    assert clock.wait_until(900_000) == 900_000
    assert control.waits == [900_000]
    assert not clock.beats


def test_at_a_speed_the_wait_is_cut_into_quarter_seconds() -> None:
    clock, control = make_clock(60.0)
    assert clock.wait_until(40_000) == 40_000
    assert control.waits == [15_000, 30_000, 40_000]
    assert clock.beats


def test_end_of_the_data_ends_the_wait() -> None:
    clock, _ = make_clock(None)
    assert clock.wait_until(99_000_000) == clock.end_ms == 10_000_000


def test_clock_of_a_restarted_bridge_is_brought_to_the_instant_again() -> None:
    clock, control = make_clock(None)
    clock.wait_until(900_000)
    control.now_ms = 300_000  # killed, and restored from its last save
    assert clock.wait_until(900_000) == 900_000
    assert control.now_ms == 900_000


def test_stop_ends_the_wait_between_slices() -> None:
    stop = StopFlag()
    clock, control = make_clock(60.0, stop)
    go_on = control.wait_until

    def stopping(instant_ms: int) -> ClockState:
        stop.request(2, None)
        return go_on(instant_ms)

    control.wait_until = stopping
    assert clock.wait_until(900_000) == 15_000


def test_wall_clock_shows_the_brokers_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 5_000_000_000)
    assert WallClock(lambda: 3_000, StopFlag()).now_ms() == 3_000


def test_wall_clock_reads_the_brokers_time_again_after_an_hour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = {"ms": 0}
    broker = {"ms": 1_000}
    monkeypatch.setattr(time, "time_ns", lambda: host["ms"] * 1_000_000)
    clock = WallClock(lambda: broker["ms"], StopFlag())
    host["ms"], broker["ms"] = 3_600_000, 9_000_000
    assert clock.wait_until(0) == 3_601_000
    host["ms"] = 3_600_001
    assert clock.wait_until(0) == 9_000_000


def test_wall_clock_returns_at_once_after_a_stop_or_a_past_instant() -> None:
    stop = StopFlag()
    clock = WallClock(lambda: time.time_ns() // 1_000_000, stop)
    assert clock.wait_until(0) >= 0
    stop.request()
    far_ms = clock.now_ms() + 3_600_000
    assert clock.wait_until(far_ms) < far_ms
    clock.pause(3600)


def test_pause_lets_simulated_time_pass() -> None:
    clock, control = make_clock(None)
    clock.wait_until(900_000)
    clock.pause(5.0)
    assert (clock.now_ms(), control.now_ms) == (905_000, 905_000)


def test_pause_without_the_simulation_lets_the_hosts_time_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, control = make_clock(None)
    slept: list[float] = []
    monkeypatch.setattr("trading.clock.pause", lambda stop, seconds: slept.append(seconds))

    def gone(instant_ms: int) -> ClockState:
        raise BrokerUnavailable("no bridge")

    control.wait_until = gone  # type: ignore[method-assign]
    clock.pause(2.0)
    assert slept == [2.0]


@pytest.mark.parametrize(("ahead_ms", "followed"), [(1_000, True), (3_600_000, False)])
def test_clock_of_a_bridge_that_lost_the_time_is_not_followed(
    ahead_ms: int, followed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    host_ms = 5_000_000
    monkeypatch.setattr(time, "time_ns", lambda: host_ms * 1_000_000)
    clock = WallClock(lambda: host_ms + ahead_ms, StopFlag(), most_ms=1_500)
    assert clock.now_ms() - host_ms == (ahead_ms if followed else 0)
