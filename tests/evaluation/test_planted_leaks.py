"""The leaks of the design's table in the real pipeline on real bars: each is caught and named.

The trainer's audit refuses the leaking feature or split before a model is there; the lookahead
check finds it in a finished pipeline. The long form, with what each leak seems to earn, is in
`make soak`.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtest import forecasts
from backtest.checks.lookahead import Change, FullRun, cut_rows, full_run, lookahead
from backtest.checks.pipeline import Pipeline
from backtest.rules import Rules
from broker.simulator.settings import PaperSettings
from market.bars import Bars
from ml.features.settings import FeatureSettings
from ml.predictors.model_set import load_models
from ml.predictors.settings import ModelPaths
from ml.training import signal, signal_folds, table
from ml.training.audit import LeakError
from ml.training.signal import train_signal
from ml.training.splits import Fold, walk_forward
from tests.evaluation.planted_leaks import (
    BTC,
    DAY_MS,
    GROUPS,
    LEAKS,
    Leak,
    honest,
    real_bars,
    utc_ms,
)
from tests.training.tables import make_task
from trading.decision.settings import DecisionSettings

FEATURES = FeatureSettings(groups=GROUPS)
GATE = {"prediction": {"quantile": {"lookback_days": 5, "top_share": 0.2}}}


LEARN_FROM, DECIDE_FROM = utc_ms(2024, 3, 1), utc_ms(2024, 9, 1)
DECIDE_TO = DECIDE_FROM + 3 * DAY_MS


@pytest.fixture(scope="module")
def bars(shared_data: Path) -> Bars:
    return real_bars(shared_data, LEARN_FROM, DECIDE_TO + DAY_MS)


@pytest.fixture(scope="module")
def pipeline(bars: Bars, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """A model that was trained honestly, ready to decide the days after."""
    paths = ModelPaths().in_folder(tmp_path_factory.mktemp("models"))
    train_signal(_task(bars), paths)
    models = load_models(paths, FEATURES)
    rules = Rules(BTC, DecisionSettings.model_validate(GATE), PaperSettings(), 7719)
    return Pipeline(models.signal, GROUPS, rules)


def _task(bars: Bars) -> Any:
    return make_task(bars, features=FEATURES, cutoff_ms=DECIDE_FROM - 6 * DAY_MS)


@pytest.fixture
def check(
    bars: Bars, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Any], tuple[FullRun, list[Change]]]:
    """Decides the days with these features, and cuts history after five bars."""

    def checked(features: Any) -> tuple[FullRun, list[Change]]:
        monkeypatch.setattr(forecasts, "feature_matrix", features)
        full = full_run(pipeline, bars, from_ms=DECIDE_FROM, to_ms=DECIDE_TO)
        noon = DECIDE_FROM + DAY_MS + DAY_MS // 2 + 2 * 900_000
        rows = cut_rows(full, count=4, seed=1, stated_ms=[noon])
        return full, list(lookahead(pipeline, full, rows))

    return checked


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
def test_lookahead_names_the_leaking_feature_and_what_it_changes(
    leak: Leak, check: Callable[[Any], tuple[FullRun, list[Change]]]
) -> None:
    _, changes = check(leak.features)
    named = {each.name for each in changes if each.what == "feature"}
    assert named
    assert named <= set(leak.columns)


def test_lookahead_passes_the_shipped_features_structures_at_confirmation_included(
    check: Callable[[Any], tuple[FullRun, list[Change]]],
) -> None:
    full, changes = check(honest)
    assert changes == []
    assert any('"enter"' in line for line in full.lines)


def test_leak_that_moves_forecasts_is_followed_into_the_decision(
    check: Callable[[Any], tuple[FullRun, list[Change]]],
) -> None:
    _, changes = check(LEAKS["one-bar-ahead"].features)
    assert {each.what for each in changes} == {"feature", "forecast", "decision"}
    decision = next(each for each in changes if each.what == "decision")
    assert decision.name.startswith("forecast.")
    assert decision.bar_ms < decision.cut_ms


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
def test_trainer_refuses_the_leaking_feature_on_real_bars(
    leak: Leak, bars: Bars, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "feature_matrix", leak.features)
    with pytest.raises(LeakError, match="only bars up to its row's close may count") as refused:
        train_signal(_task(bars), ModelPaths().in_folder(tmp_path))
    assert str(refused.value).split()[1].rstrip(":") in leak.columns
    assert list(tmp_path.iterdir()) == []


def _shuffled(bar: np.ndarray, **words: Any) -> Iterator[Fold]:
    rows = np.random.default_rng(1).permutation(len(bar))
    parts = np.array_split(rows, [len(bar) // 2, len(bar) * 3 // 4])
    yield Fold(*(np.sort(part) for part in parts))


def _in_sample(bar: np.ndarray, **words: Any) -> Iterator[Fold]:
    for fold in walk_forward(bar, **words):
        yield Fold(fold.base, fold.calibration, np.r_[fold.base[-500:], fold.test])


@pytest.mark.parametrize(
    ("folds", "words"),
    [(_shuffled, "of .* looks into calibration"), (_in_sample, "500 rows are in base and in test")],
    ids=["shuffled-unpurged-split", "scored-in-sample"],
)
def test_trainer_refuses_the_leaking_split_on_real_bars(
    folds: Any, words: str, bars: Bars, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signal_folds, "walk_forward", folds)
    monkeypatch.setattr(signal, "require_known", lambda *values: None)
    with pytest.raises(LeakError, match=words):
        train_signal(_task(bars), ModelPaths().in_folder(tmp_path))
