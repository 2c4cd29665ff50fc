"""How long training takes, per model, and what the graph costs beside the libraries it replaces."""

import statistics
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from market.calendar import EconomicCalendar
from market.instruments import instrument
from market.sources.generated import generated_bars
from ml.predictors.session import open_session, run_rows
from ml.train_inputs import read_inputs, settings_of
from ml.train_options import ORDER, TrainOptions
from ml.train_pipeline import TRAINERS
from ml.training.fitting import FittedEnsemble, fit_ensemble
from ml.training.models import EnsembleParams, TrainingError, fit_models, model_params
from ml.training.splits import SplitError
from ml.training.table import TrainingTable, training_table
from settings import load_settings

ROOT = Path(__file__).resolve().parents[1]
BTC = instrument("BTCUSD")
FROM_MS = 1_672_531_200_000
DAY_MS = 86_400_000
ROWS = 12_000
BATCH = 10_000
_NATIVE = "predict_proba of scikit-learn, XGBoost and LightGBM, uncalibrated, one after the other"


@cache
def _table() -> TrainingTable:
    """The last `ROWS` rows of a generated market."""
    ml = load_settings(ROOT).ml
    days = ROWS // 96 + 130
    bars = generated_bars(BTC, seed=7, from_ms=FROM_MS, to_ms=FROM_MS + days * DAY_MS)
    made = training_table(bars, BTC, ml.features, ml.labeling, EconomicCalendar.none())
    return made.only(np.arange(len(made)) >= len(made) - ROWS)


@cache
def _fitted() -> FittedEnsemble:
    """The full profile's models and their graph on those rows."""
    params = model_params(EnsembleParams(), "full", 1)
    part = round(0.8 * ROWS)
    return fit_ensemble(_table(), np.arange(part), np.arange(part + 200, ROWS), params, 365)


def base_models() -> dict[str, Any]:
    """Fitting each library's model of the full profile, on `ROWS` rows."""
    table, rows = _table(), np.arange(ROWS)
    params = model_params(EnsembleParams(), "full", 1)
    weight = table.weights(rows, 365)
    fit_models(table.rows[:2000], table.label[:2000], weight[:2000], _tiny(params))
    seconds = {}
    for name in params:
        alone = {other: given if other == name else _tiny(params)[other]
                 for other, given in params.items()}  # fmt: skip
        started_s = time.perf_counter()
        fit_models(table.rows, table.label, weight, alone)
        seconds[name] = round(time.perf_counter() - started_s, 3)
    total = round(sum(seconds.values()), 3)
    return {"value": total, "unit": "s", "limit": None, "peer": None, "rows": ROWS, **seconds}


def _tiny(params: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """One tree each: what the others cost while one is measured."""
    return {name: given | {"n_estimators": 1} for name, given in params.items()}


def trainers() -> dict[str, Any]:
    """The whole trainer of each model, quick profile, on sixteen generated months.

    A model that its own rules refuse to make of that market counts with the time up to there.
    """
    with tempfile.TemporaryDirectory() as folder:
        options = TrainOptions(kinds=ORDER, profile="quick", models=Path(folder), device="cpu",
                               warm_start=False)  # fmt: skip
        inputs = read_inputs(options, settings_of(options))
        seconds: dict[str, float] = {}
        refused = {}
        for kind in ORDER:
            started_s = time.perf_counter()
            try:
                TRAINERS[kind](inputs, inputs.paths, lambda step, done, total: None)
            except (TrainingError, SplitError) as error:
                refused[kind] = str(error)
            seconds[kind] = round(time.perf_counter() - started_s, 2)
    total = round(sum(seconds.values()), 2)
    return {"value": total, "unit": "s", "limit": 180, "peer": None, **seconds, "refused": refused}


def one_row() -> dict[str, Any]:
    """One live row: the graph (calibrated, with votes) beside the libraries themselves."""
    rows = _table().rows[-1:]
    value = _median_us(lambda: run_rows(_session(), rows), 300)
    peer = _median_us(lambda: _native(rows), 30)
    return {"value": value, "unit": "us", "limit": 1000, "peer": {"name": _NATIVE, "value": peer}}


def batch() -> dict[str, Any]:
    """`BATCH` rows at once, one thread in the graph, as many as they like in the libraries."""
    rows = _table().rows[-BATCH:]
    value = _median_us(lambda: run_rows(_session(), rows), 3) / 1000
    peer = _median_us(lambda: _native(rows), 3) / 1000
    return {"value": round(value, 1), "unit": "ms", "limit": None, "rows": BATCH,
            "peer": {"name": _NATIVE, "value": round(peer, 1)}}  # fmt: skip


@cache
def _session() -> Any:
    return open_session(_fitted().graph)


def _native(rows: Any) -> None:
    for model in _fitted().models.by_name.values():
        model.predict_proba(rows)


def _median_us(run: Callable[[], object], repeats: int) -> float:
    run()
    times = []
    for _ in range(repeats):
        started_s = time.perf_counter()
        run()
        times.append(1e6 * (time.perf_counter() - started_s))
    return round(statistics.median(times), 1)
