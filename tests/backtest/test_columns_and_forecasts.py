"""What is computed before a run: indicators, floors, forecasts and their cache."""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from backtest.columns import decided_bars
from backtest.forecasts import history_forecasts
from market.bars import Bars, Float64s
from market.indicators import BLOCK_MS, atr, ema
from market.instruments import instrument
from tests.backtest.markets import decided, random_probabilities, random_walk
from trading.decision.quantile import floor_at
from trading.decision.settings import QuantileGate
from trading.forecasts import ForecastColumns, columns_of, forecast_columns

BAR = 900_000
GATE = QuantileGate(top_share=0.1, lookback_days=2)


@pytest.fixture(scope="module")
def history() -> Bars:
    return random_walk(instrument("BTCUSD"), 12_000, seed=1, level=60_000.0, move=0.002)


def forecasts_of(bars: Bars) -> ForecastColumns:
    return decided(bars, random_probabilities(len(bars), seed=2)).forecasts


def test_decided_rows_carry_the_indicators_and_floor_of_their_own_bar(history: Bars) -> None:
    forecasts = forecasts_of(history)
    first_ms = int(history.open_ms[6000])
    columns = decided_bars(history, forecasts, GATE, from_ms=first_ms, to_ms=first_ms + 50 * BAR)
    assert (columns.first, columns.last, len(columns)) == (6000, 6050, 50)
    for i in range(50):
        view, past = columns.market(i), history.rows(0, 6001 + i)
        assert (view.open_ms, view.close) == (first_ms + i * BAR, history.close[6000 + i])
        assert view.atr == atr(past.high, past.low, past.close, past.open_ms, 14)[-1]
        assert view.ema200 == ema(past.close, past.open_ms, 200)[-1]
        assert view.margin_floor == floor_at(
            forecasts.open_ms, forecasts.margin, view.open_ms,
            lookback_ms=GATE.lookback_ms, top_share=0.1, min_filled_share=0.6,
        )  # fmt: skip
        assert columns.forecasts.row(i) == forecasts.row(6000 + i)


def test_forecasts_of_the_last_rows_alone_are_enough(history: Bars) -> None:
    forecasts = forecasts_of(history)
    first_ms = int(history.open_ms[6000])
    part = forecasts.rows(6000 - 192, len(history))
    whole = decided_bars(history, forecasts, GATE, from_ms=first_ms, to_ms=first_ms + 9 * BAR)
    short = decided_bars(history, part, GATE, from_ms=first_ms, to_ms=first_ms + 9 * BAR)
    assert [whole.market(i) for i in range(9)] == [short.market(i) for i in range(9)]


def test_forecasts_of_other_bars_are_refused(history: Bars) -> None:
    forecasts = forecasts_of(history).rows(0, 100)
    with pytest.raises(ValueError, match="one for each of the last bars"):
        decided_bars(history, forecasts, GATE, from_ms=0, to_ms=1)


def test_row_with_a_missing_feature_has_no_forecast_and_names_it() -> None:
    features = np.array([[1.0, 2.0], [1.0, np.nan], [np.inf, np.nan]])
    seen: list[int] = []

    def predict(rows: Float64s) -> object:
        seen.append(len(rows))
        return SimpleNamespace(
            probabilities=np.array([[0.5, 0.3, 0.2]]), votes=np.array([[1, 0, 1]], dtype=np.int8)
        )

    columns = forecast_columns(features, ("a", "b"), np.arange(3), predict)  # type: ignore[arg-type]
    assert seen == [1]
    assert [columns.missing_feature(i) for i in range(3)] == ["", "b", "a"]
    assert columns.row(1) is columns.row(2) is None
    forecast = columns.row(0)
    assert forecast is not None
    assert (forecast.p_buy, forecast.votes) == (0.5, (1, 0, 1))
    assert np.isnan(columns.margin).tolist() == [False, True, True]


@dataclass
class CountingPredictor:
    """Stands in for the ensemble: a function of the first feature, counting its calls."""

    graph_sha256: str = "a"
    calls: list[int] = field(default_factory=list)

    @property
    def metadata(self) -> object:
        return SimpleNamespace(feature_hash="f", graph=SimpleNamespace(sha256=self.graph_sha256))

    def predict(self, rows: Float64s) -> object:
        self.calls.append(len(rows))
        p_buy = 0.3 + 0.1 * np.tanh(rows[:, 0])
        votes = np.ones((len(rows), 3), dtype=np.int8)
        return SimpleNamespace(
            probabilities=np.column_stack([p_buy, 0.7 - p_buy, np.full(len(rows), 0.3)]),
            votes=votes,
        )


def run_cached(history: Bars, predictor: CountingPredictor, cache: Path | None) -> ForecastColumns:
    return history_forecasts(
        history, predictor, from_row=11_900, groups=("base", "regime"),  # type: ignore[arg-type]
        round_step=1000.0, cache=cache,
    )  # fmt: skip


@pytest.fixture
def ready(history: Bars) -> Bars:
    """Enough history for the last 100 rows to have every feature."""
    assert 11_900 * BAR > 2 * BLOCK_MS
    return history


def same(one: ForecastColumns, other: ForecastColumns) -> bool:
    return one.probabilities.tobytes() == other.probabilities.tobytes() and np.array_equal(
        one.votes, other.votes
    )


def test_cached_forecasts_are_the_computed_ones_and_computed_once(
    ready: Bars, tmp_path: Path
) -> None:
    predictor = CountingPredictor()
    fresh = run_cached(ready, predictor, tmp_path)
    again = run_cached(ready, predictor, tmp_path)
    assert len(predictor.calls) == 1
    assert same(fresh, again)
    assert same(fresh, run_cached(ready, CountingPredictor(), None))
    assert [path.suffix for path in tmp_path.iterdir()] == [".npz"]


def test_another_graph_or_other_bars_are_computed_anew(ready: Bars, tmp_path: Path) -> None:
    run_cached(ready, CountingPredictor(), tmp_path)
    other = CountingPredictor(graph_sha256="b")
    run_cached(ready, other, tmp_path)
    assert len(other.calls) == 1
    moved = CountingPredictor()
    later = random_walk(instrument("BTCUSD"), 12_000, seed=9, level=60_000.0, move=0.002)
    run_cached(later, moved, tmp_path)
    assert len(moved.calls) == 1


def test_damaged_cache_file_is_replaced(ready: Bars, tmp_path: Path) -> None:
    predictor = CountingPredictor()
    fresh = run_cached(ready, predictor, tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:100])
    assert same(fresh, run_cached(ready, predictor, tmp_path))
    assert len(predictor.calls) == 2
    run_cached(ready, predictor, tmp_path)
    assert len(predictor.calls) == 2


def test_columns_of_cached_arrays_have_their_signal() -> None:
    votes: NDArray[np.int8] = np.array([[1, 1, -1]], dtype=np.int8)
    columns = columns_of(
        np.array([0]), np.array([[0.5, 0.2, 0.3]]), votes, np.array([-1], dtype=np.int16), ("a",)
    )
    assert (columns.margin[0], columns.confidence[0]) == (0.3, 0.5)
    assert columns.gap[0] == pytest.approx(0.2)
