"""`copy_rates_*` of longer timeframes: made of the kept bars, cut on the server's clock (B27)."""

import numpy as np
import pytest

from broker.simulator.native import NativeTerminal
from tests.broker.paper_bridge import STEP_MS, make_terminal

M15, M5, MONTH = 15, 5, NativeTerminal.TIMEFRAME_MN1


@pytest.fixture(scope="module")
def native() -> NativeTerminal:
    """By the clock of Athens; the fiftieth bar has just closed and the next one forms."""
    return NativeTerminal(make_terminal())


@pytest.mark.parametrize("name", ["M30", "H1", "H4", "D1", "W1"])
def test_longer_bar_is_the_sum_of_its_parts(native: NativeTerminal, name: str) -> None:
    timeframe = getattr(native, f"TIMEFRAME_{name}")
    parts = native.copy_rates_from_pos("BTCUSD", M15, 0, 1000)
    bars = native.copy_rates_from_pos("BTCUSD", timeframe, 0, 1000)
    assert bars["tick_volume"].sum() == parts["tick_volume"].sum()
    assert (bars["open"][0], bars["close"][-1]) == (parts["open"][0], parts["close"][-1])
    ends = np.append(bars["time"][1:], np.iinfo(np.int64).max)
    for bar, end in zip(bars, ends, strict=True):
        inside = parts[(parts["time"] >= bar["time"]) & (parts["time"] < end)]
        assert bar["high"] == inside["high"].max()
        assert bar["low"] == inside["low"].min()
        assert bar["close"] == inside["close"][-1]


def test_days_start_at_the_servers_midnight(native: NativeTerminal) -> None:
    days = native.copy_rates_from_pos("BTCUSD", native.TIMEFRAME_D1, 0, 9)
    assert (days["time"] % 86_400 == 0).all()
    first_s = native.copy_rates_from_pos("BTCUSD", M15, 0, 1000)["time"][0]
    assert first_s % 86_400 == 7200


def test_weeks_start_on_sunday(native: NativeTerminal) -> None:
    (week,) = native.copy_rates_from_pos("BTCUSD", native.TIMEFRAME_W1, 0, 9)
    assert (week["time"] // 86_400 + 4) % 7 == 0


def test_dates_select_longer_bars_by_their_open(native: NativeTerminal) -> None:
    hours = native.copy_rates_from_pos("BTCUSD", native.TIMEFRAME_H1, 0, 6)
    from_s, to_s = int(hours["time"][1]), int(hours["time"][3])
    between = native.copy_rates_range("BTCUSD", native.TIMEFRAME_H1, from_s, to_s)
    assert np.array_equal(between, hours[1:4])
    before = native.copy_rates_from("BTCUSD", native.TIMEFRAME_H1, to_s + 60, 2)
    assert np.array_equal(before, hours[2:4])


def test_newest_longer_bar_forms_with_the_newest_part() -> None:
    terminal = make_terminal()
    native = NativeTerminal(terminal)
    before = native.copy_rates_from_pos("BTCUSD", native.TIMEFRAME_H4, 0, 1)
    terminal.advance(terminal.now_ms + STEP_MS)
    after = native.copy_rates_from_pos("BTCUSD", native.TIMEFRAME_H4, 0, 1)
    assert before["time"] == after["time"]
    assert before["tick_volume"] < after["tick_volume"]


@pytest.mark.parametrize("timeframe", [M5, MONTH, 0, -1, 16384])
def test_timeframe_that_cannot_be_made_is_refused(native: NativeTerminal, timeframe: int) -> None:
    assert native.copy_rates_from_pos("BTCUSD", timeframe, 0, 5) is None
    assert native.last_error()[0] == native.RES_E_INVALID_PARAMS
