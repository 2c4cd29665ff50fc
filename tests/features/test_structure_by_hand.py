"""The fourteen structure features on bars drawn by hand: when each appears, changes and goes.

Quiet bars (100, 101, 99, 100) come before the drawn ones: no structure, ATR 2. Each drawing is also
tried upside down, where every bullish thing is a bearish one. Row 0 is the first drawn bar.
"""

from collections.abc import Sequence

import numpy as np
import pytest

from market.bars import Bars
from ml.features.catalogue import names
from ml.features.kernels.structure import LIFE
from ml.features.matrix import feature_matrix
from tests.builders import make_bars

Row = tuple[float, float, float, float]
QUIET_BARS = 5_700
COLUMN = {name: column for column, name in enumerate(names(["base", "smc"]))}
UP, DOWN = 1, -1
FAR = 10.0

# What each feature is called upside down, and whether it changes its sign.
_OTHER = {
    "ob_present": ("ob_bullish_present", "ob_bearish_present"),
    "ob_dist": ("ob_bullish_dist", "ob_bearish_dist"),
    "gap_below": ("fvg_bear_below", "fvg_bull_above"),
    "gap_below_dist": ("fvg_bear_dist", "fvg_bull_dist"),
    "pool_above_dist": ("liq_above_dist", "liq_below_dist"),
}
_SIGNED = ("recent_bos", "recent_choch", "structure_bias")
upside_down_too = pytest.mark.parametrize("way", [UP, DOWN], ids=["upright", "upside_down"])


def quiet(level: float, count: int) -> list[Row]:
    return [(level, level + 1, level - 1, level)] * count


class Drawing:
    """Features of drawn bars, by their upright names."""

    def __init__(self, rows: Sequence[Row], way: int, volumes: dict[int, int] | None = None):
        drawn = list(rows)
        if way == DOWN:
            drawn = [(200 - o, 200 - low, 200 - h, 200 - c) for o, h, low, c in drawn]
        bars = make_bars([*quiet(100, QUIET_BARS), *drawn])
        for row, volume in (volumes or {}).items():
            bars.tick_volume[QUIET_BARS + row] = volume
        self.bars, self.way = bars, way
        self.matrix = drawn_features(bars)

    def __getitem__(self, name: str) -> list[float]:
        if name in _SIGNED:
            return [value * self.way for value in self._column(name)]
        upright, flipped = _OTHER.get(name, (name, name))
        return self._column(upright if self.way == UP else flipped)

    def in_price(self, name: str) -> list[float]:
        """A distance × ATR: price units; FAR stays FAR."""
        close = self.bars.close[QUIET_BARS:]
        ranges = np.array(self._column("atr_14")) * close
        return [
            FAR if value == FAR else round(value * span, 9)
            for value, span in zip(self[name], ranges, strict=True)
        ]

    def _column(self, name: str) -> list[float]:
        return [float(value) for value in self.matrix[:, COLUMN[name]]]


def drawn_features(bars: Bars) -> np.ndarray:
    return feature_matrix(bars, groups=["base", "smc"], round_step=1000.0, first_row=QUIET_BARS)


def test_quiet_bars_have_no_structure() -> None:
    drawing = Drawing(quiet(100, 3), UP)
    absent = {name: FAR if name.endswith("_dist") else 0.0 for name in names(["smc"])}
    assert {name: drawing[name][-1] for name in absent} == absent


# A swing high at 105 in row 0, known at row 10, broken in row 11; a second one at 107 in row 11
# itself, known at row 21, broken in row 22; a swing low at 104 in row 33, known at row 43, broken
# downwards in row 44.
SPIKE = (100.0, 105.0, 99.0, 100.0)
FIRST_BREAK = (100.0, 107.0, 100.0, 106.0)
BREAKS = [
    SPIKE, *quiet(100, 10), FIRST_BREAK, *quiet(106, 10), (106.0, 109.0, 106.0, 108.0),
    *quiet(108, 10), (108.0, 109.0, 104.0, 108.0), *quiet(108, 10), (108.0, 108.0, 102.0, 103.0),
    *quiet(103, LIFE + 5),
]  # fmt: skip


@upside_down_too
def test_break_in_the_direction_of_the_one_before_is_a_bos_for_eight_bars(way: int) -> None:
    bos = Drawing(BREAKS, way)["recent_bos"]
    assert bos == [0.0] * 22 + [1.0] * 8 + [0.0] * (len(BREAKS) - 30)


@upside_down_too
def test_break_against_the_one_before_is_a_choch_for_eight_bars(way: int) -> None:
    choch = Drawing(BREAKS, way)["recent_choch"]
    assert choch == [0.0] * 44 + [-1.0] * 8 + [0.0] * (len(BREAKS) - 52)


@upside_down_too
def test_bias_is_the_side_of_the_last_break_until_that_is_240_bars_old(way: int) -> None:
    bias = Drawing(BREAKS, way)["structure_bias"]
    assert bias == [0.0] * 11 + [1.0] * 33 + [-1.0] * LIFE + [0.0] * (len(BREAKS) - 44 - LIFE)


@upside_down_too
@pytest.mark.parametrize(("apart", "bos"), [(LIFE - 1, 1.0), (LIFE, 0.0)])
def test_break_240_bars_after_the_one_before_is_no_bos(way: int, apart: int, bos: float) -> None:
    """Row 11 breaks the first swing; a swing of 30 bars before the last row is broken there."""
    middle = [*quiet(106, apart - 31), (106.0, 109.0, 105.0, 106.0), *quiet(106, 29)]
    drawing = Drawing([*BREAKS[:12], *middle, (106.0, 110.0, 105.0, 109.5)], way)
    assert drawing["structure_bias"][11 + apart] == 1.0
    assert drawing["recent_bos"][11 + apart] == bos


@upside_down_too
def test_swing_before_its_tenth_bar_cannot_be_broken(way: int) -> None:
    """The bar that closes above it comes too early, so that the swing never was one."""
    rows = [SPIKE, *quiet(100, 9), FIRST_BREAK, *quiet(106, 3)]
    assert set(Drawing(rows, way)["structure_bias"]) == {0.0}


@upside_down_too
def test_wick_above_a_swing_is_no_break(way: int) -> None:
    rows = [SPIKE, *quiet(100, 10), (100.0, 107.0, 100.0, 105.0), *quiet(100, 3)]
    assert set(Drawing(rows, way)["structure_bias"]) == {0.0}


@upside_down_too
def test_swing_that_is_240_bars_old_is_no_longer_broken(way: int) -> None:
    for age, expected in ((LIFE - 1, 1.0), (LIFE, 0.0)):
        rows = [SPIKE, *quiet(100, age - 1), FIRST_BREAK]
        assert Drawing(rows, way)["structure_bias"][-1] == expected


# Row 4 falls to the lowest low between the swing (row 0) and its break (row 11): the order block,
# from 97 to 100.5.
BLOCK = [
    SPIKE, *quiet(100, 3), (100.0, 100.5, 97.0, 98.0), (98.0, 101.0, 98.0, 100.0), *quiet(100, 5),
    FIRST_BREAK,
]  # fmt: skip


@upside_down_too
def test_order_block_appears_with_the_break_and_goes_with_the_low_below_it(way: int) -> None:
    rows = [
        *BLOCK, (106.0, 107.0, 105.0, 106.0), (106.0, 106.0, 97.0, 99.0),
        (99.0, 99.0, 96.9, 98.0), (98.0, 99.0, 97.0, 98.0),
    ]  # fmt: skip
    drawing = Drawing(rows, way)
    assert drawing.in_price("ob_dist") == [FAR] * 11 + [5.5, 5.5, -1.5, FAR, FAR]
    assert drawing["ob_present"] == [0.0] * 11 + [1.0, 1.0, 1.0, 0.0, 0.0]


@upside_down_too
def test_order_block_is_present_only_within_three_atr(way: int) -> None:
    rows = [*BLOCK, (106.0, 114.0, 106.0, 113.0), (113.0, 113.0, 105.0, 105.0)]
    drawing = Drawing(rows, way)
    assert 3 < drawing["ob_dist"][12] < 10
    assert drawing["ob_present"][11:] == [1.0, 0.0, 1.0]


@upside_down_too
def test_order_block_goes_240_bars_after_its_break(way: int) -> None:
    drawing = Drawing([*BLOCK, *quiet(106, LIFE + 1)], way)
    assert drawing.in_price("ob_dist")[11:] == [5.5] * LIFE + [FAR, FAR]


@upside_down_too
def test_order_block_volume_is_that_of_its_candle_while_it_lasts(way: int) -> None:
    rows = [*BLOCK, *quiet(106, 2), (106.0, 106.0, 96.9, 98.0), *quiet(98, 1)]
    volume = Drawing(rows, way, {4: 600})["ob_volume_ratio"]
    assert volume == [0.0] * 11 + [pytest.approx(600 / 110)] * 3 + [0.0] * 2


@upside_down_too
def test_leg_without_a_candle_against_it_leaves_no_order_block(way: int) -> None:
    rows = [SPIKE, *quiet(100, 10), FIRST_BREAK]
    assert Drawing(rows, way)["ob_dist"] == [FAR] * 12


@upside_down_too
def test_of_two_order_blocks_the_nearer_one_counts_and_then_the_other(way: int) -> None:
    """Row 22 breaks the swing of row 11; its block is row 15, from 103 to 106.5."""
    rows = [
        *BLOCK, *quiet(106, 3), (106.0, 106.5, 103.0, 104.0), (104.0, 107.0, 104.0, 106.0),
        *quiet(106, 5), (106.0, 109.0, 106.0, 108.0), (108.0, 108.0, 102.0, 106.0),
    ]  # fmt: skip
    drawing = Drawing(rows, way, {4: 600, 15: 300})
    assert drawing.in_price("ob_dist")[21:] == [5.5, 1.5, 5.5]
    later = 300 * 50 / (48 * 100 + 600 + 300)
    assert drawing["ob_volume_ratio"][21:] == [pytest.approx(each) for each in
                                               (600 / 110, later, 600 / 110)]  # fmt: skip


# Row 1 leaves a gap from 101 (the high two bars before) to 104.
GAP = [(100.0, 106.0, 100.0, 105.0), (105.0, 107.0, 104.0, 106.0)]


@upside_down_too
def test_gap_appears_with_its_third_bar_shrinks_and_goes_when_filled(way: int) -> None:
    rows = [
        *GAP, (106.0, 106.0, 104.0, 105.0), (105.0, 105.0, 103.0, 104.0),
        (104.0, 105.0, 103.5, 105.0), (105.0, 105.0, 101.0, 102.0), (102.0, 104.0, 101.5, 103.0),
    ]  # fmt: skip
    drawing = Drawing(rows, way)
    assert drawing["gap_below"] == [0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0]
    assert drawing.in_price("gap_below_dist") == [FAR, 2.0, 1.0, 1.0, 2.0, FAR, FAR]


@upside_down_too
def test_filled_gap_uncovers_the_older_one(way: int) -> None:
    """Row 3 leaves a second gap, from 107 to 109; row 5 fills it and leaves 101 to 103.5."""
    rows = [
        *GAP, (106.0, 111.0, 106.0, 110.0), (110.0, 112.0, 109.0, 111.0),
        (111.0, 111.0, 108.0, 110.0), (110.0, 110.0, 103.5, 105.0),
    ]  # fmt: skip
    drawing = Drawing(rows, way)
    assert drawing.in_price("gap_below_dist") == [FAR, 2.0, 6.0, 2.0, 2.0, 1.5]


@upside_down_too
def test_gap_goes_240_bars_after_its_third_bar(way: int) -> None:
    drawing = Drawing([*GAP, *quiet(106, LIFE)], way)
    assert drawing["gap_below"] == [0.0] + [1.0] * LIFE + [0.0]


def test_bars_that_only_touch_leave_no_gap() -> None:
    rows = [(100.0, 106.0, 100.0, 105.0), (105.0, 107.0, 101.0, 106.0)]
    assert Drawing(rows, UP)["gap_below"] == [0.0, 0.0]


# Swing highs at 105 (row 0) and 104.5 (row 11, known at row 21): less than half an ATR apart.
POOL = [SPIKE, *quiet(100, 10), (100.0, 104.5, 99.0, 100.0), *quiet(100, 10)]


@upside_down_too
def test_pool_appears_with_the_second_swing_and_goes_when_swept(way: int) -> None:
    rows = [*POOL, (100.0, 104.5, 99.0, 103.0), (103.0, 104.6, 102.0, 103.0), *quiet(103, 1)]
    drawing = Drawing(rows, way)
    assert drawing.in_price("pool_above_dist") == [FAR] * 21 + [4.5, 1.5, FAR, FAR]


@upside_down_too
def test_swings_more_than_half_an_atr_apart_are_no_pool(way: int) -> None:
    rows = [SPIKE, *quiet(100, 10), (100.0, 103.0, 99.0, 100.0), *quiet(100, 11)]
    assert set(Drawing(rows, way)["pool_above_dist"]) == {FAR}


@upside_down_too
def test_pool_goes_when_its_older_swing_is_240_bars_old(way: int) -> None:
    distance = Drawing([*POOL, *quiet(100, LIFE)], way).in_price("pool_above_dist")
    assert distance[21 : LIFE + 2] == [4.5] * (LIFE - 21) + [FAR, FAR]


@upside_down_too
def test_swept_pool_uncovers_the_one_above_it(way: int) -> None:
    """Equal highs at 108 (rows 0 and 11), then at 105 (rows 22 and 33); row 44 sweeps 105."""
    high, low = (100.0, 108.0, 99.0, 100.0), (100.0, 105.0, 99.0, 100.0)
    rows = [
        high, *quiet(100, 10), high, *quiet(100, 10), low, *quiet(100, 10), low, *quiet(100, 10),
        (100.0, 105.5, 99.0, 104.0),
    ]  # fmt: skip
    distance = Drawing(rows, way).in_price("pool_above_dist")
    assert distance == [FAR] * 21 + [8.0] * 22 + [5.0, 4.0]


def test_row_is_the_same_without_the_bars_after_it() -> None:
    drawing = Drawing(BREAKS, UP)
    for row in range(60):
        alone = drawn_features(drawing.bars.rows(0, QUIET_BARS + row + 1))
        assert np.array_equal(alone[row], drawing.matrix[row], equal_nan=True)
