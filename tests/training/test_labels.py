"""Labels are the trades that would have been made: entry at the next open, spread paid."""

from dataclasses import replace

import numpy as np
import pytest

from market.bars import Bars
from market.indicators import atr
from market.instruments import INSTRUMENTS
from market.sources.generated import generated_bars
from ml.training.labels import BUY, CLASSES, HOLD, SELL, barrier_labels, signal_labels
from ml.training.settings import LabelSettings
from tests.builders import MONDAY_MS, make_bars

BTC = INSTRUMENTS["BTCUSD"]
NEAR = (100.0, 100.2, 99.8, 100.0)
UP = (100.0, 101.0, 99.5, 100.9)
DOWN = (100.0, 100.5, 99.0, 99.1)
BOTH = (100.0, 101.0, 99.0, 100.0)

# The first row is the decision bar; stop and target 1.00, horizon three bars.
# name, spread in points, rows, expected label, row at which it is known
CASES = [
    ("rises to the target", 0, [NEAR, UP, NEAR, NEAR], BUY, 1),
    ("falls to the target", 0, [NEAR, DOWN, NEAR, NEAR], SELL, 1),
    ("one tick short of it", 0, [NEAR, (100.0, 100.99, 99.5, 100), NEAR, NEAR], HOLD, 3),
    ("reaches it on the last bar", 0, [NEAR, NEAR, NEAR, UP], BUY, 3),
    ("reaches it after the horizon", 0, [NEAR, NEAR, NEAR, NEAR, UP], HOLD, 3),
    ("one bar touches stop and target", 0, [NEAR, BOTH, NEAR, NEAR], HOLD, 1),
    ("the decision bar itself does not count", 0, [UP, NEAR, NEAR, NEAR], HOLD, 3),
    ("gaps over the target", 0, [NEAR, NEAR, (103.0, 103.0, 102.5, 103), NEAR], BUY, 2),
    ("gaps under the target", 0, [NEAR, NEAR, (97.0, 97.5, 97.0, 97), NEAR], SELL, 2),
    ("entry is the next open, not the close", 0,
        [NEAR, (102.0, 102.9, 101.5, 102), NEAR, NEAR], SELL, 2),
    ("spread moves the long's target out of reach", 20,
        [NEAR, (100.0, 101.19, 99.9, 101), NEAR, NEAR], HOLD, 3),
    ("spread is reached and paid", 20, [NEAR, (100.0, 101.2, 99.9, 101), NEAR, NEAR], BUY, 1),
    ("a short exits at the ask", 20, [NEAR, (100.0, 100.1, 98.81, 99), NEAR, NEAR], HOLD, 3),
    ("a short's target with the spread", 20,
        [NEAR, (100.0, 100.1, 98.8, 99), NEAR, NEAR], SELL, 1),
    ("the spread alone stops both", 100, [NEAR, (100.0, 100.0, 99.9, 100), NEAR, NEAR], HOLD, 1),
]  # fmt: skip


def distances(bars: Bars, ticks: int) -> np.ndarray:
    return np.full(len(bars), ticks, dtype=np.int64)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_a_candle_table_gets_its_label(case: tuple) -> None:
    _, spread_points, rows, label, end_row = case
    bars = make_bars(rows, spread_points=spread_points)
    labels = barrier_labels(bars, BTC, distances(bars, 100), distances(bars, 100), 3)
    assert labels.valid[0]
    assert CLASSES[labels.label[0]] == CLASSES[label]
    assert labels.end_row[0] == end_row


def test_both_targets_in_turn_are_hold_and_end_with_the_later_one() -> None:
    bars = make_bars([NEAR, UP, DOWN, NEAR])
    labels = barrier_labels(bars, BTC, distances(bars, 900), distances(bars, 100), 3)
    assert labels.label[0] == HOLD
    assert labels.end_row[0] == 2


def test_the_entry_pays_the_spread_of_the_decision_bar() -> None:
    bars = make_bars([NEAR, (100.0, 101.2, 99.9, 101.0), NEAR, NEAR])
    wide_then_none = replace(bars, spread_points=np.array([21, 0, 0, 0]))
    labels = barrier_labels(wide_then_none, BTC, distances(bars, 100), distances(bars, 100), 3)
    assert labels.label[0] == HOLD


def test_a_bar_before_a_gap_and_one_without_full_horizon_have_no_label() -> None:
    bars = make_bars([NEAR] * 6)
    open_ms = bars.open_ms.copy()
    open_ms[2:] += bars.timeframe.ms
    gap = replace(bars, open_ms=open_ms).checked()
    labels = barrier_labels(gap, BTC, distances(bars, 100), distances(bars, 100), 3)
    assert labels.valid.tolist() == [True, False, True, False, False, False]


def test_distances_are_atr_multiples_in_ticks() -> None:
    """Against the rule written out in plain Python, on generated bars."""
    bars = generated_bars(BTC, seed=3, from_ms=MONDAY_MS, to_ms=MONDAY_MS + 70 * 86_400_000)
    settings = LabelSettings(atr_sl_mult=1.0, atr_tp_mult=1.5, lookahead_candles=12)
    labels = signal_labels(bars, BTC, settings)
    ranges = atr(bars.high, bars.low, bars.close, bars.open_ms, 14)
    assert not labels.valid[~np.isfinite(ranges)].any()
    rows = np.flatnonzero(labels.valid)
    assert len(rows) > 1000
    assert set(np.unique(labels.label[rows])) == {BUY, SELL, HOLD}
    for row in rows[:: len(rows) // 200]:
        assert labels.label[row] == _label_in_words(bars, int(row), float(ranges[row]))


def _label_in_words(bars: Bars, row: int, range_now: float) -> int:
    stop, target = round(range_now, 2), round(range_now * 1.5, 2)
    spread = np.round(bars.spread_points * 0.01, 2)
    bid = bars.open[row + 1]
    ask = bid + spread[row]
    long_wins = short_wins = None
    for i in range(row + 1, row + 13):
        above, below = bars.high[i], bars.low[i]
        if long_wins is None and below <= ask - stop + 1e-9:
            long_wins = False
        if long_wins is None and above >= ask + target - 1e-9:
            long_wins = True
        if short_wins is None and above + spread[i] >= bid + stop - 1e-9:
            short_wins = False
        if short_wins is None and below + spread[i] <= bid - target + 1e-9:
            short_wins = True
    if bool(long_wins) == bool(short_wins):
        return HOLD
    return BUY if long_wins else SELL


def test_bars_after_the_end_of_a_label_do_not_change_it() -> None:
    bars = generated_bars(BTC, seed=4, from_ms=MONDAY_MS, to_ms=MONDAY_MS + 60 * 86_400_000)
    settings = LabelSettings(lookahead_candles=24)
    whole = signal_labels(bars, BTC, settings)
    for cut in (5200, 5300, 5555):
        part = signal_labels(bars.rows(0, cut), BTC, settings)
        rows = np.flatnonzero(part.valid)
        assert rows[-1] == cut - 25
        assert np.array_equal(part.label[rows], whole.label[rows])
        assert np.array_equal(part.end_row[rows], whole.end_row[rows])
