"""The position model's own inputs: a trade's state, and the last M1 bars before a close."""

import numpy as np
import pytest

from market.bars import Bars
from market.timeframe import Timeframe
from ml.features import catalogue
from ml.features.position import (
    M1_BARS,
    M1_NAMES,
    M1_NEUTRAL,
    STATE_NAMES,
    m1_features,
    position_names,
    position_state,
    position_states,
)
from tests.builders import MONDAY_MS, make_bars

MINUTE_MS = 60_000
CLOSE_MS = MONDAY_MS + 30 * MINUTE_MS


def minutes(count: int = 30, seed: int = 1, start_ms: int = MONDAY_MS) -> Bars:
    """M1 bars of a random walk around 100, with volumes."""
    rng = np.random.default_rng(seed)
    close = 100 + rng.normal(0, 0.05, count).cumsum()
    open_ = np.r_[100.0, close[:-1]]
    top, bottom = np.maximum(open_, close), np.minimum(open_, close)
    rows = np.column_stack([open_, top + 0.02, bottom - 0.03, close])
    bars = make_bars([tuple(row) for row in rows], timeframe=Timeframe.M1, start_ms=start_ms)
    bars.tick_volume[:] = rng.integers(1, 90, count)
    return bars


def at(m1: Bars | None, *close_ms: int) -> np.ndarray:
    return m1_features(m1, np.array(close_ms, dtype=np.int64))


def state(*fields: float) -> list[float]:
    return [float(each) for each in position_state(*fields)]  # type: ignore[arg-type]


def test_names_are_the_71_in_their_order() -> None:
    names = position_names(("base", "regime"))
    assert len(names) == 71
    assert names[:62] == catalogue.names(("base", "regime"))
    assert names[62:66] == ("trade_direction", "bars_held", "open_profit_atr", "give_back_atr")
    assert names[66:] == (
        "m1_price_accel_5", "m1_vol_ratio_5", "m1_rsi_9", "m1_atr_3", "m1_body_pct",
    )  # fmt: skip
    assert len(position_names(("base", "regime", "smc"))) == 85


def test_position_features_are_no_group_that_a_person_switches() -> None:
    assert not {"m1", "position_state"} & set(catalogue.GROUPS)
    assert not {*STATE_NAMES, *M1_NAMES} & {each.name for each in catalogue.CATALOGUE}


def test_long_that_gave_back_half_shows_profit_and_give_back_in_atr() -> None:
    assert state(1, 100.0, 12, 103.0, 106.0, 2.0) == [1.0, 0.25, 1.5, 1.5]


def test_short_gains_where_the_price_falls() -> None:
    assert state(-1, 100.0, 48, 99.0, 96.0, 4.0) == [-1.0, 1.0, 0.25, 0.75]


def test_trade_that_only_lost_has_given_back_what_it_lost_since_its_best_close() -> None:
    assert state(1, 100.0, 1, 98.0, 99.0, 2.0) == [1.0, 1 / 48, -1.0, 0.5]


def test_one_state_has_the_bits_of_the_batch() -> None:
    rng = np.random.default_rng(3)
    side = rng.choice([-1, 1], 200)
    held = rng.integers(1, 80, 200)
    prices = rng.normal(60_000, 500, (200, 3))
    atr = rng.uniform(20, 400, 200)
    columns = (side, prices[:, 0].copy(), held, prices[:, 1].copy(), prices[:, 2].copy(), atr)
    batch = position_states(*columns)
    for i in range(200):
        alone = position_state(*(column[i] for column in columns))
        assert np.array_equal(alone.view(np.int64), batch[i].view(np.int64))


def test_features_of_a_hand_made_half_hour() -> None:
    """24 flat minutes at 100 with range 2, then one that rises to 110 on 300 ticks."""
    rows = [(100.0, 101.0, 99.0, 100.0)] * 29 + [(100.0, 112.0, 100.0, 110.0)]
    m1 = make_bars(rows, timeframe=Timeframe.M1)
    m1.tick_volume[-1] = 300
    accel, volume, rsi, atr, body = at(m1, CLOSE_MS)[0]
    assert accel == pytest.approx(0.1)
    assert volume == pytest.approx(700 / 500)
    assert rsi == 1.0
    assert atr == pytest.approx((2 + (12 - 2) / 3) / 110)
    assert body == pytest.approx(10 / 12)


def test_rsi_of_nine_falls_after_nine_rises_is_wilders() -> None:
    """Window of 25 closes: 9 rises of 1 seed the mean, 15 falls of 1 let it fade by 8/9 each."""
    close = np.r_[np.arange(100.0, 105.0), np.arange(105.0, 115.0), np.arange(113.0, 98.0, -1)]
    rows = [(price, price, price, price) for price in close]
    gain = (8 / 9) ** 15
    m1 = make_bars(rows, timeframe=Timeframe.M1)
    assert at(m1, CLOSE_MS)[0, 2] == pytest.approx(gain / 1.0)


def test_market_that_stands_still_without_volume_gives_no_nan() -> None:
    m1 = make_bars([(5.0, 5.0, 5.0, 5.0)] * 30, timeframe=Timeframe.M1, tick_volume=0)
    assert at(m1, CLOSE_MS)[0].tolist() == [0.0, 0.0, 0.5, 0.0, 0.0]


def test_only_minutes_that_closed_at_or_before_the_close_count() -> None:
    whole, cut = minutes(45), minutes(45).rows(0, 30)
    assert np.array_equal(at(whole, CLOSE_MS), at(cut, CLOSE_MS))
    assert not np.array_equal(at(whole, CLOSE_MS), at(whole, CLOSE_MS + MINUTE_MS))
    early = CLOSE_MS + MINUTE_MS - 1
    assert np.array_equal(at(whole, early), at(whole, CLOSE_MS))


def test_last_25_minutes_alone_give_the_bits_of_the_whole_file() -> None:
    m1 = minutes(600)
    closes = m1.close_ms[M1_BARS - 1 :]
    batch = m1_features(m1, closes)
    for row in range(0, len(closes), 7):
        alone = m1_features(m1.rows(row, row + M1_BARS), closes[row : row + 1])[0]
        assert np.array_equal(alone.view(np.int64), batch[row].view(np.int64))


def test_rows_are_neutral_without_bars_with_too_few_and_with_stale_ones() -> None:
    neutral = [list(M1_NEUTRAL)]
    assert at(None, CLOSE_MS).tolist() == neutral
    assert at(minutes().rows(0, 0), CLOSE_MS).tolist() == neutral
    assert at(minutes().rows(0, 24), MONDAY_MS + 24 * MINUTE_MS).tolist() == neutral
    assert at(minutes().rows(0, 25), MONDAY_MS + 25 * MINUTE_MS).tolist() != neutral
    last_ms = MONDAY_MS + 60 * MINUTE_MS
    assert at(minutes().rows(0, 25), last_ms).tolist() != neutral
    assert at(minutes().rows(0, 25), last_ms + 1).tolist() == neutral


def test_minutes_on_both_sides_of_a_pause_are_neutral_until_25_are_new() -> None:
    before, after = minutes(40), minutes(40, start_ms=MONDAY_MS + 86_400_000)
    m1 = before.followed_by(after)
    closes = after.close_ms
    rows = m1_features(m1, closes)
    assert (rows[:24] == M1_NEUTRAL).all()
    assert (rows[24:] != M1_NEUTRAL).any(axis=1).all()


def test_features_do_not_change_with_the_price_level() -> None:
    m1 = minutes()
    scaled = Bars(
        m1.symbol, m1.timeframe, m1.open_ms,
        *(price * 8 for price in (m1.open, m1.high, m1.low, m1.close)),
        m1.tick_volume, m1.spread_points,
    )  # fmt: skip
    assert np.array_equal(at(m1, CLOSE_MS), at(scaled, CLOSE_MS))


def test_bars_of_another_timeframe_are_refused() -> None:
    with pytest.raises(ValueError, match="m1: M1 bars are allowed, M15 came"):
        at(make_bars([(5.0, 6.0, 4.0, 5.0)]), CLOSE_MS)


def test_read_only_columns_are_accepted() -> None:
    m1 = minutes()
    closes = np.array([CLOSE_MS])
    for column in (closes, m1.open_ms, m1.close, m1.tick_volume):
        column.flags.writeable = False
    assert np.isfinite(m1_features(m1, closes)).all()
