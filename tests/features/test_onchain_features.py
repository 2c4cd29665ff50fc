"""Published values on single bars: known at the close or not yet, and not for ever."""

from pathlib import Path

import numpy as np
import pytest

from market.instruments import INSTRUMENTS
from market.onchain import OnChain, Published
from market.sources.fear_greed import FearGreed
from market.sources.files import read_bars
from market.sources.funding import FundingRates
from market.sources.onchain import onchain, read_onchain
from market.sources.open_interest import OpenInterest
from ml.features.catalogue import names
from ml.features.matrix import feature_matrix
from tests.builders import MONDAY_MS, make_bars

BAR_MS, HOUR_MS, DAY_MS = 900_000, 3_600_000, 86_400_000
NEVER = Published(np.empty(0, dtype=np.int64), np.empty(0), HOUR_MS)


def at_close(record: OnChain, close_ms: int) -> list[float]:
    """funding_rate_norm, oi_change, fear_greed of the bar that closes then."""
    bars = make_bars([(10.0, 11.0, 9.0, 10.0)], start_ms=close_ms - BAR_MS)
    matrix = feature_matrix(bars, groups=["onchain"], round_step=1.0, onchain=record)
    return [float(value) for value in matrix[0]]


def given(values: list[float], known_ms: list[int], max_age_ms: int) -> Published:
    return Published(np.array(known_ms, dtype=np.int64), np.array(values), max_age_ms)


def ms(*stamps: int) -> np.ndarray:
    return np.array(stamps, dtype=np.int64)


def test_no_data_at_all_gives_neutral_values() -> None:
    assert at_close(OnChain.none(), MONDAY_MS) == [0.0, 0.0, 0.5]


def test_value_counts_from_the_close_at_which_it_is_known_until_it_is_too_old() -> None:
    series = given([40.0, 60.0], [MONDAY_MS, MONDAY_MS + HOUR_MS], 4 * HOUR_MS)
    record = OnChain(Published.always(0.0), Published.always(0.0), series)
    last_ms = MONDAY_MS + 5 * HOUR_MS
    assert np.isnan(at_close(record, MONDAY_MS - BAR_MS)[2])
    assert at_close(record, MONDAY_MS)[2] == 0.4
    assert at_close(record, MONDAY_MS + HOUR_MS - BAR_MS)[2] == 0.4
    assert at_close(record, MONDAY_MS + HOUR_MS)[2] == 0.6
    assert at_close(record, last_ms)[2] == 0.6
    assert np.isnan(at_close(record, last_ms + BAR_MS)[2])


def test_values_are_clipped_and_scaled() -> None:
    for rate, change, expected in (
        (0.0015, 0.25, [0.5, 0.25]), (0.02, 7.0, [1.0, 1.0]), (-0.02, -1.5, [-1.0, -1.0]),
    ):  # fmt: skip
        record = OnChain(Published.always(rate), Published.always(change), Published.always(0.0))
        assert at_close(record, MONDAY_MS) == [*expected, 0.0]


def test_missing_value_is_not_invented_but_names_its_feature() -> None:
    columns = names(["onchain"])
    for place, name in enumerate(columns):
        series = list(OnChain.none().in_catalogue_order())
        series[place] = NEVER
        row = at_close(OnChain(*series), MONDAY_MS)
        assert [columns[i] for i in np.flatnonzero(np.isnan(row))] == [name]


def test_funding_counts_from_the_bar_after_its_charge() -> None:
    charge_ms = MONDAY_MS + 8 * HOUR_MS
    for late_ms in (0, 12):  # files round what Binance stamps some milliseconds late
        rates = FundingRates(ms(MONDAY_MS, charge_ms + late_ms), np.array([0.003, -0.003]))
        record = onchain(rates, OpenInterest.none(), FearGreed.none())
        assert at_close(record, charge_ms)[0] == 1.0
        assert at_close(record, charge_ms + BAR_MS)[0] == -1.0


def test_days_open_interest_is_unknown_until_the_day_is_over() -> None:
    ends = MONDAY_MS + ms(1, 2, 3) * DAY_MS
    snapshots = OpenInterest(ends, np.array([100.0, 110.0, 55.0]), DAY_MS)
    record = onchain(FundingRates.none(), snapshots, FearGreed.none())
    over_ms = MONDAY_MS + 3 * DAY_MS
    assert at_close(record, over_ms)[1] == pytest.approx(0.1)
    assert at_close(record, over_ms + BAR_MS)[1] == -0.5


def test_days_index_is_unknown_for_its_first_hour() -> None:
    index = FearGreed(ms(MONDAY_MS, MONDAY_MS + DAY_MS), np.array([30.0, 70.0]))
    record = onchain(FundingRates.none(), OpenInterest.none(), index)
    tuesday_ms = MONDAY_MS + DAY_MS
    assert at_close(record, tuesday_ms + HOUR_MS - BAR_MS)[2] == 0.3
    assert at_close(record, tuesday_ms + HOUR_MS)[2] == 0.7


def test_what_is_published_later_changes_no_row(shared_data: Path) -> None:
    record = shared_record(shared_data)
    bars = read_bars(shared_data / "btcusdt_m15_spot.parquet", INSTRUMENTS["BTCUSD"])
    settings = {"groups": ["onchain"], "round_step": 1000.0}
    whole = feature_matrix(bars, onchain=record, **settings)
    for row in range(5, len(bars), 4_999):
        known = record.known_at(int(bars.close_ms[row]))
        alone = feature_matrix(bars.rows(0, row + 1), onchain=known, first_row=row, **settings)[0]
        assert alone.tobytes() == whole[row].tobytes()


def test_three_years_of_real_values_are_there_and_vary(shared_data: Path) -> None:
    bars = read_bars(shared_data / "btcusdt_m15_spot.parquet", INSTRUMENTS["BTCUSD"])
    matrix = feature_matrix(
        bars, groups=["onchain"], round_step=1000.0, onchain=shared_record(shared_data)
    )
    assert np.isfinite(matrix).all(axis=1).mean() > 0.999
    assert np.all(np.abs(matrix) <= 1.0)
    assert all(len(np.unique(column)) > 70 for column in matrix.T)


def shared_record(shared_data: Path) -> OnChain:
    return read_onchain(
        funding=shared_data / "btcusdt_funding_8h.csv.gz",
        open_interest=shared_data / "btc_open_interest_daily_all_exchanges.csv.gz",
        fear_greed=shared_data / "fear_greed_daily.csv.gz",
    )
