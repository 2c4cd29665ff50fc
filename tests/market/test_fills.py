"""`first_exit` on hand-made candles: each sentence of its rule, for longs and shorts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.fills import NO_EXIT, STOP, TARGET, first_exit, ticks
from tests.builders import make_bars

LONG, SHORT = 1, -1
AT_OPEN, INSIDE = True, False
NOT_AMBIGUOUS, AMBIGUOUS = False, True
NOTHING = (-1, 0, NO_EXIT, False, False)

Candle = tuple[int, int, int, int]  # open, high, low, spread


def exit_of(
    side: int,
    sl: int,
    tp: int,
    candles: list[Candle],
    *,
    first: int = 0,
    last: int | None = None,
    opened_at_first: bool = True,
) -> tuple[int, int, int, bool, bool]:
    """The exit in a table of candles in ticks; the position is opened on the first tick."""
    columns = zip(*candles, strict=True)
    opens, highs, lows, spreads = (np.array(each, dtype=np.int64) for each in columns)
    end = len(candles) if last is None else last
    return first_exit(side, sl, tp, opens, highs, lows, spreads, first, end, opened_at_first)


def test_level_never_touched_gives_no_exit() -> None:
    candles = [(100, 104, 96, 2), (101, 104, 97, 2)]
    assert exit_of(LONG, 95, 105, candles) == NOTHING
    assert exit_of(SHORT, 107, 97, candles) == NOTHING


@pytest.mark.parametrize(
    ("side", "sl", "tp", "candle", "expected"),
    [
        (LONG, 95, 105, (100, 104, 95, 2), (0, 95, STOP)),
        (LONG, 95, 105, (100, 105, 96, 2), (0, 105, TARGET)),
        (SHORT, 105, 95, (100, 103, 98, 2), (0, 105, STOP)),  # ask high 105
        (SHORT, 105, 95, (100, 102, 93, 2), (0, 95, TARGET)),  # ask low 95
    ],
)
def test_touch_inside_the_bar_fills_at_the_level(
    side: int, sl: int, tp: int, candle: Candle, expected: tuple[int, int, int]
) -> None:
    assert exit_of(side, sl, tp, [candle]) == (*expected, INSIDE, NOT_AMBIGUOUS)


@pytest.mark.parametrize(
    ("side", "sl", "tp", "candle"),
    [
        (LONG, 95, 105, (100, 104, 96, 50)),  # a long compares bid: no spread matters
        (SHORT, 105, 95, (100, 102, 94, 2)),  # ask high 104, ask low 96: one tick short of both
    ],
)
def test_one_tick_short_of_both_levels_stays_open(
    side: int, sl: int, tp: int, candle: Candle
) -> None:
    assert exit_of(side, sl, tp, [candle]) == NOTHING


@pytest.mark.parametrize(("side", "sl", "tp"), [(LONG, 95, 105), (SHORT, 105, 95)])
def test_both_touched_in_one_bar_is_the_stop_and_ambiguous(side: int, sl: int, tp: int) -> None:
    assert exit_of(side, sl, tp, [(100, 110, 90, 0)]) == (0, sl, STOP, INSIDE, AMBIGUOUS)


@pytest.mark.parametrize(
    ("side", "sl", "tp", "next_open", "fill", "kind"),
    [
        (LONG, 95, 105, 92, 92, STOP),  # worse than the stop
        (LONG, 95, 105, 95, 95, STOP),
        (LONG, 95, 105, 108, 108, TARGET),  # better than the target
        (LONG, 95, 105, 105, 105, TARGET),
        (SHORT, 105, 95, 107, 110, STOP),  # ask 107 + 3 of the bar before
        (SHORT, 105, 95, 102, 105, STOP),
        (SHORT, 105, 95, 90, 93, TARGET),
        (SHORT, 105, 95, 92, 95, TARGET),
    ],
)
def test_gap_beyond_a_level_fills_at_the_first_tick(
    side: int, sl: int, tp: int, next_open: int, fill: int, kind: int
) -> None:
    quiet, gap = (100, 101, 99, 3), (next_open, next_open, next_open, 9)
    assert exit_of(side, sl, tp, [quiet, gap]) == (1, fill, kind, AT_OPEN, NOT_AMBIGUOUS)


def test_first_tick_of_a_bar_has_the_spread_of_the_bar_before() -> None:
    before, after = (100, 101, 99, 3), (103, 103, 103, 1)
    assert exit_of(SHORT, 106, 0, [before, after]) == (1, 106, STOP, AT_OPEN, NOT_AMBIGUOUS)
    assert exit_of(SHORT, 107, 0, [before, after]) == NOTHING


def test_first_bar_of_the_data_has_its_own_spread_at_the_first_tick() -> None:
    got = exit_of(SHORT, 105, 0, [(100, 100, 100, 5)], opened_at_first=False)
    assert got == (0, 105, STOP, AT_OPEN, NOT_AMBIGUOUS)


@pytest.mark.parametrize(("side", "sl", "tp"), [(LONG, 101, 0), (SHORT, 99, 0)])
def test_entry_tick_never_closes_the_position_but_its_bar_may(side: int, sl: int, tp: int) -> None:
    candle = (100, 102, 98, 0)  # the first tick is already beyond the stop
    entered = exit_of(side, sl, tp, [candle], opened_at_first=True)
    held = exit_of(side, sl, tp, [candle], opened_at_first=False)
    assert entered[2:] == (STOP, INSIDE, NOT_AMBIGUOUS)
    assert held == (0, 100, STOP, AT_OPEN, NOT_AMBIGUOUS)


def test_entry_bar_counts_only_for_the_first_row() -> None:
    candles = [(100, 101, 99, 0), (100, 101, 99, 0), (90, 91, 89, 0)]
    got = exit_of(LONG, 95, 0, candles, first=1)
    assert got == (2, 90, STOP, AT_OPEN, NOT_AMBIGUOUS)


def test_spread_jump_over_a_shorts_stop_fills_at_the_opening_ask() -> None:
    quiet, jump = (100, 101, 99, 2), (100, 101, 99, 12)
    got = exit_of(SHORT, 108, 0, [quiet, jump])
    assert got == (1, 112, STOP, INSIDE, NOT_AMBIGUOUS)


def test_spread_jump_that_leaves_the_opening_ask_below_the_stop_fills_at_the_stop() -> None:
    got = exit_of(SHORT, 108, 0, [(100, 101, 99, 2), (100, 103, 99, 6)])
    assert got == (1, 108, STOP, INSIDE, NOT_AMBIGUOUS)


def test_spread_widens_no_longs_exit() -> None:
    assert exit_of(LONG, 95, 105, [(100, 104, 96, 1), (100, 104, 96, 90)]) == NOTHING


@pytest.mark.parametrize("side", [LONG, SHORT])
def test_level_zero_is_no_level(side: int) -> None:
    assert exit_of(side, 0, 0, [(100, 1000, 1, 5), (500, 1000, 1, 5)]) == NOTHING


def test_rows_before_first_and_from_last_on_are_not_looked_at() -> None:
    hit, quiet = (100, 100, 90, 0), (100, 101, 99, 0)
    candles = [hit, quiet, quiet, hit]
    assert exit_of(LONG, 95, 0, candles, first=1, last=3) == NOTHING
    assert exit_of(LONG, 95, 0, candles, first=1, last=4)[0] == 3
    assert exit_of(LONG, 95, 0, candles, first=2, last=2) == NOTHING


def test_first_of_two_touching_bars_closes() -> None:
    candles = [(100, 101, 99, 0), (100, 106, 99, 0), (100, 101, 90, 0)]
    assert exit_of(LONG, 95, 105, candles) == (1, 105, TARGET, INSIDE, NOT_AMBIGUOUS)


@given(
    st.lists(
        st.tuples(st.integers(80, 120), st.integers(0, 15), st.integers(0, 15)),
        min_size=1, max_size=8,
    ),
    st.integers(60, 79), st.integers(70, 130), st.booleans(),
)  # fmt: skip
def test_without_spread_a_short_is_a_long_in_the_mirror(
    bars: list[tuple[int, int, int]], sl: int, tp: int, opened: bool
) -> None:
    up = [(open_, open_ + above, open_ - below, 0) for open_, above, below in bars]
    down = [(200 - open_, 200 - low, 200 - high, 0) for open_, high, low, _ in up]
    row, fill, *how = exit_of(LONG, sl, tp, up, opened_at_first=opened)
    mirrored = exit_of(SHORT, 200 - sl, 200 - tp, down, opened_at_first=opened)
    assert mirrored == (row, 200 - fill if row >= 0 else 0, *how)


def test_prices_and_spread_become_whole_ticks() -> None:
    bars = make_bars([(1.1, 1.3, 0.9, 1.2)], spread_points=25)
    opens, highs, lows, closes, spread = ticks(bars, 0.1, 0.01)
    assert [int(each[0]) for each in (opens, highs, lows, closes, spread)] == [11, 13, 9, 12, 2]
    assert all(each.dtype == np.int64 for each in (opens, highs, lows, closes, spread))
