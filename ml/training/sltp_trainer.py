"""Trains the SL/TP model: which multiples of ATR should stop and target be?

Rows are the bars that the signal model forecast out of fold, on the side it forecast. Each fold is
judged by what its pairs would have made, beside the static pair; the final regressors see all rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.bars import Float64s, Int64s
from ml.features.catalogue import feature_hash
from ml.predictors.settings import ModelPaths
from ml.predictors.sltp import SltpPredictor
from ml.training.after_signal import SignalEvidence, model_entry, provenance, signal_evidence
from ml.training.audit import require_apart
from ml.training.install import install_model
from ml.training.regressor import (
    Regressor,
    RegressorDefaults,
    fit_regressor,
    regression_weights,
    regressor_params,
)
from ml.training.regressor_export import (
    SL_LIMITS,
    TARGET_BEYOND,
    TP_LIMITS,
    RegressorParity,
    bounded_multiples,
    compare_regressor,
    multiples_graph,
)
from ml.training.regressor_settings import SltpTrainingSettings
from ml.training.signal_task import Progress, SignalTraining, utc_iso
from ml.training.sltp_labels import LOSS_WEIGHT, PAIRS
from ml.training.sltp_scores import SltpTest, earned, judged_rows, pooled, verdict
from ml.training.sltp_table import SltpTable, sltp_table
from ml.training.splits import expanding
from ml.training.table import training_table

DEFAULTS = RegressorDefaults(
    "sltp_training.lgb_params",
    full={
        "n_estimators": 200, "num_leaves": 15, "learning_rate": 0.03, "min_child_samples": 300,
        "subsample": 0.7, "subsample_freq": 1, "colsample_bytree": 0.5, "reg_lambda": 20.0,
        "max_bin": 63,
    },
    quick={"n_estimators": 60, "learning_rate": 0.06},
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SltpTraining:
    """`static`: the multiples (stop, target) that trade without this model."""

    signal: SignalTraining
    static: tuple[float, float]
    settings: SltpTrainingSettings = field(default_factory=SltpTrainingSettings)

    @property
    def params(self) -> dict[str, Any]:
        signal, given = self.signal, self.settings.lgb_params.root
        return regressor_params(DEFAULTS, given, signal.profile, signal.training.seed)


@dataclass(frozen=True, slots=True, eq=False)
class SltpModels:
    """Both regressors; their answer is the graph's, in float64."""

    stop: Regressor
    target: Regressor

    def predict(self, rows: Float64s | NDArray[np.float32]) -> Float64s:
        """(n, 2) as stop, target."""
        narrow = rows.astype(np.float32)
        return bounded_multiples(self.stop.predict(narrow), self.target.predict(narrow))


@dataclass(frozen=True, slots=True, eq=False)
class SltpFold:
    """Models that saw `train` and none of `test`."""

    train: Int64s
    test: Int64s
    models: SltpModels


def train_sltp(
    task: SltpTraining, paths: ModelPaths, progress: Progress = lambda step, done, total: None
) -> dict[str, Any]:
    """Trains, judges, checks and installs the SL/TP model; returns its metadata.

    Raises `TrainingError` (also where the signal model is missing or another's), `SplitError` or
    `ParityError`; then nothing has changed on disk.
    """
    steps = task.signal.n_splits + 3
    progress("features and labels", 0, steps)
    evidence = signal_evidence(task.signal, paths)
    table = read_table(task, evidence)
    tests: list[SltpTest] = []
    scores: list[dict[str, Any]] = []
    for fold in sltp_folds(task, table):
        progress(f"walk-forward fold {len(tests) + 1} of {steps - 3}", len(tests) + 1, steps)
        said = fold.models.predict(table.rows[fold.test])
        tested, of_fold = judged_rows(table, fold.train, fold.test, said, task.static)
        tests.append(tested)
        scores.append(_dates(table, fold.test) | of_fold)
    progress("final model", steps - 2, steps)
    final = fit_models(task, table, np.arange(len(table)))
    progress("parity of the graph", steps - 1, steps)
    graph = multiples_graph(final.stop, final.target, table.rows.shape[1])
    parity = compare_regressor(graph, table.rows, final.predict(table.rows))
    metadata = _metadata(task, evidence, table, scores, pooled(tests), parity)
    install_model(
        paths.sltp,
        graph,
        metadata,
        lambda *stamps: model_entry("sltp", task.signal, table.feature_names, *stamps),
        lambda new: SltpPredictor(paths.in_folder(new.graph.parent), task.signal.features).load(),
    )
    progress("done", steps, steps)
    return metadata


def read_table(task: SltpTraining, evidence: SignalEvidence) -> SltpTable:
    """Features, labels and paths of the rows that the signal model forecast out of fold."""
    signal = task.signal
    features = training_table(
        evidence.bars, signal.instrument, signal.features, signal.labels, signal.calendar,
        signal.onchain,
    )  # fmt: skip
    return sltp_table(
        evidence.bars, signal.instrument, features, evidence.oof,
        signal.labels.lookahead_candles, task.static,
    )  # fmt: skip


def sltp_folds(task: SltpTraining, table: SltpTable) -> Iterator[SltpFold]:
    """Expanding folds, purged by the label horizon and embargoed, with their models."""
    training = task.signal.training
    for train, test in expanding(
        table.bar, table.end_bar, n_splits=task.signal.n_splits, embargo_bars=training.embargo_bars
    ):
        require_apart(table, {"train": train, "test": test}, training.embargo_bars)
        yield SltpFold(train, test, fit_models(task, table, train))


def fit_models(task: SltpTraining, table: SltpTable, rows: Int64s) -> SltpModels:
    """Regressors for both multiples over these rows."""
    weight = regression_weights(
        table.bar[rows] + 1, table.end_bar[rows], table.open_ms[rows],
        task.signal.training.recency_half_life_days,
    )  # fmt: skip
    return SltpModels(
        *(
            fit_regressor(table.rows[rows], table.label[rows, i], weight, task.params)
            for i in (0, 1)
        )
    )


def _dates(table: SltpTable, test: Int64s) -> dict[str, Any]:
    first, last = int(table.open_ms[test[0]]), int(table.open_ms[test[-1]])
    return {"test_from": utc_iso(first), "test_to": utc_iso(last)}


def _metadata(
    task: SltpTraining,
    evidence: SignalEvidence,
    table: SltpTable,
    scores: list[dict[str, Any]],
    tested: SltpTest,
    parity: RegressorParity,
) -> dict[str, Any]:
    whole = earned(tested)
    return {
        **provenance("sltp", task.signal, evidence),
        "rows": {"usable": len(table), "tested": len(tested.bar)},
        "feature_names": list(table.feature_names),
        "feature_hash": feature_hash(table.feature_names),
        "labeling": {
            "pairs": PAIRS.tolist(),
            "loss_weight": LOSS_WEIGHT,
            "lookahead_candles": table.paths.horizon,
            "mean": table.label.mean(axis=0).tolist(),
            "standard_deviation": table.label.std(axis=0).tolist(),
        },
        "limits": {
            "sl": list(SL_LIMITS),
            "tp": list(TP_LIMITS),
            "target_beyond": TARGET_BEYOND,
        },
        "static": list(task.static),
        "params": task.params,
        "folds": scores,
        "walk_forward": whole,
        "verdict": verdict(whole, task.static),
        "parity": parity.as_dict(),
    }
