"""Leaks planted in a training run: each is refused by a check that the trainer itself makes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from market.bars import Bars
from ml.features.matrix import feature_matrix
from ml.predictors.settings import ModelPaths
from ml.training import fitting, signal, signal_folds, splits, table
from ml.training.audit import LeakError, Timeline, require_apart
from ml.training.fitting import FittedEnsemble, fit_ensemble
from ml.training.signal import train_signal
from ml.training.splits import Fold, walk_forward
from ml.training.table import TrainingTable, training_table
from ml.training.weights import sample_weights
from tests.training.tables import make_task


def refused(market: Bars, folder: Path, words: str) -> None:
    """Training raises `LeakError` and leaves nothing behind."""
    with pytest.raises(LeakError, match=words):
        train_signal(make_task(market), ModelPaths().in_folder(folder))
    assert list(folder.iterdir()) == []


def one_bar_ahead(bars: Bars, **words: Any) -> np.ndarray:
    """The features, but the RSI is that of the next bar, where there is one."""
    first = words.pop("first_row", 0)
    matrix = feature_matrix(bars, **words)
    matrix[:-1, 4] = matrix[1:, 4]
    return matrix[first:]


def test_a_feature_that_peeks_one_bar_ahead_is_named(
    market: Bars, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "feature_matrix", one_bar_ahead)
    refused(market, tmp_path, r"feature rsi_14: only bars up to its row's close may count")


def test_a_table_shifted_against_its_labels_is_refused(
    market: Bars, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shifted(*values: Any) -> TrainingTable:
        made = training_table(*values)
        return replace(made, rows=np.roll(made.rows, -1, axis=0))

    monkeypatch.setattr(signal, "training_table", shifted)
    refused(market, tmp_path, r"feature return_1: only bars up to its row's close may count")


def test_an_unpurged_split_is_refused(
    market: Bars, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unpurged(bar: np.ndarray, first_bar: int, gap_bars: int) -> np.ndarray:
        return np.arange(np.searchsorted(bar, first_bar))

    monkeypatch.setattr(splits, "rows_before", unpurged)
    refused(market, tmp_path, "split: the label of the base row of .* looks into calibration")


def test_a_final_model_without_a_purge_is_refused(
    market: Bars, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folds are purged; the split of the model that would trade is not."""

    def unpurged(bar: np.ndarray, first_bar: int, gap_bars: int) -> tuple[np.ndarray, np.ndarray]:
        cut = int(np.searchsorted(bar, first_bar))
        return np.arange(cut), np.arange(cut, len(bar))

    monkeypatch.setattr(signal, "final_split", unpurged)
    refused(market, tmp_path, r"the label of the base row of .* looks into calibration")


def test_a_split_without_the_embargo_is_refused(
    market: Bars, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_embargo(bar: np.ndarray, *, gap_bars: int, **words: Any) -> Iterator[Fold]:
        return walk_forward(bar, gap_bars=24, **words)

    monkeypatch.setattr(signal_folds, "walk_forward", no_embargo)
    refused(market, tmp_path, r"48 bars between base and calibration are needed .* 24 are left out")


def test_a_shuffled_split_is_refused(
    market: Bars, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shuffled(bar: np.ndarray, **words: Any) -> Iterator[Fold]:
        rows = np.random.default_rng(1).permutation(len(bar))
        parts = np.array_split(rows, [len(bar) // 2, len(bar) * 3 // 4])
        yield Fold(*(np.sort(part) for part in parts))

    monkeypatch.setattr(signal_folds, "walk_forward", shuffled)
    refused(market, tmp_path, "split: the label of the base row of .* looks into calibration")


def test_a_scaler_fitted_before_the_split_is_refused(
    market: Bars, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scaler sits where the check of single rows does not look: behind the table."""

    def scaled(made: TrainingTable, *values: Any, **words: Any) -> FittedEnsemble:
        mean, deviation = made.rows.mean(axis=0), made.rows.std(axis=0) + 1e-6
        return fit_ensemble(replace(made, rows=(made.rows - mean) / deviation), *values, **words)

    monkeypatch.setattr(signal, "fit_ensemble", scaled)
    refused(market, tmp_path, r"model: without the bars of the test part .* \(a scaler, a weight")


def test_a_scaled_table_is_refused(
    market: Bars, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scaled(*values: Any) -> TrainingTable:
        made = training_table(*values)
        return replace(made, rows=made.rows - made.rows.mean(axis=0))

    monkeypatch.setattr(signal, "training_table", scaled)
    refused(market, tmp_path, "the training table has another value")


def test_weights_balanced_over_all_rows_are_refused(
    market: Bars, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statistic fitted before the split: how common each class is in the whole table."""

    def over_all(made: TrainingTable, rows: np.ndarray, half_life_days: float) -> np.ndarray:
        every = sample_weights(made.label, made.bar + 1, made.end_bar, made.open_ms, half_life_days)
        return np.asarray(every[rows])

    monkeypatch.setattr(TrainingTable, "weights", over_all)
    refused(market, tmp_path, "model: without the bars of the test part")


def test_calibrators_given_the_test_rows_are_refused(
    market: Bars, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def to_the_end(made: TrainingTable, base: np.ndarray, calibration: np.ndarray,
                   *values: Any, **words: Any) -> FittedEnsemble:  # fmt: skip
        everything = np.arange(calibration[0], len(made))
        return fit_ensemble(made, base, everything, *values, **words)

    monkeypatch.setattr(signal_folds, "fit_ensemble", to_the_end)
    refused(market, tmp_path, r"split: \d+ rows are in calibration and in test")


def test_calibrators_that_reach_for_test_rows_inside_the_fit_are_refused(
    market: Bars, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that the fit reports shows it; the same rows without the future do."""
    fit_tables = fitting.fit_tables
    last_table: list[TrainingTable] = []

    def remembered(made: TrainingTable, *values: Any, **words: Any) -> FittedEnsemble:
        last_table.append(made)
        return fit_ensemble(made, *values, **words)

    def peeking(said: np.ndarray, label: np.ndarray) -> Any:
        ahead = last_table[-1].label[-len(label) :]
        return fit_tables(said, np.where(np.arange(len(label)) % 2, ahead, label).astype(np.int8))

    monkeypatch.setattr(signal, "fit_ensemble", remembered)
    monkeypatch.setattr(fitting, "fit_tables", peeking)
    refused(market, tmp_path, "model: without the bars of the test part")


def test_labels_that_change_with_later_bars_are_refused(
    market: Bars, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def relabelled(*values: Any) -> TrainingTable:
        made = training_table(*values)
        return replace(made, label=((made.label + len(made) % 3) % 3).astype(np.int8))

    monkeypatch.setattr(signal, "training_table", relabelled)
    refused(market, tmp_path, "label: the base row of .* has another one")


def test_the_planted_feature_would_have_looked_like_skill(
    market: Bars, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the check the same leak trains, and its score is what a person would believe."""

    def two_hours_ahead(bars: Bars, **words: Any) -> np.ndarray:
        matrix = feature_matrix(bars, **words)
        matrix[:-8, 4] = (bars.close[8:] - bars.close[:-8]) / bars.close[:-8]
        return matrix

    honest = train_signal(make_task(market), ModelPaths().in_folder(tmp_path / "honest"))
    monkeypatch.setattr(table, "feature_matrix", two_hours_ahead)
    monkeypatch.setattr(signal, "require_known", lambda *values: None)
    leaking = train_signal(make_task(market), ModelPaths().in_folder(tmp_path / "leaking"))
    assert abs(honest["walk_forward"]["direction_auc"] - 0.5) < 0.1
    assert leaking["walk_forward"]["direction_auc"] > 0.7


ROWS = np.arange(200)
TIMES = Timeline(bar=ROWS * 2, end_bar=ROWS * 2 + 9, open_ms=ROWS * 1_800_000)


@pytest.mark.parametrize(
    ("last_base", "words"),
    [
        (90, None),
        (91, "20 bars between base and test are needed .* 19 are left out"),
        (96, "20 bars between base and test are needed .* 9 are left out"),
        (97, "the label of the base row of .* looks into test"),
        (101, "1 rows are in base and in test"),
    ],
    ids=["apart", "one row too near", "label just ended", "label inside", "overlap"],
)
def test_the_gap_is_counted_in_bars_and_by_labels(last_base: int, words: str | None) -> None:
    parts = {"base": ROWS[: last_base + 1], "test": ROWS[101:]}
    if words is None:
        require_apart(TIMES, parts, 20)
        return
    with pytest.raises(LeakError, match=words):
        require_apart(TIMES, parts, 20)
