"""Fit, convert, calibrate, join: one ensemble from one set of rows."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from market.bars import Float64s, Int64s
from ml.predictors.session import open_session, run_rows
from ml.training.calibration import Table, fit_tables
from ml.training.classes import SIGNAL, ThreeClasses
from ml.training.export import base_graph, ensemble_graph
from ml.training.models import BaseModels, fit_models
from ml.training.trees import tree_nodes


class LabelledRows(Protocol):
    """What an ensemble learns from: float32 rows (n, k), labels 0, 1, 2, and weights of rows."""

    @property
    def rows(self) -> NDArray[np.float32]: ...

    @property
    def label(self) -> NDArray[np.int8]: ...

    @property
    def feature_names(self) -> tuple[str, ...]: ...

    def weights(self, rows: Int64s, half_life_days: float) -> Float64s: ...


@dataclass(frozen=True, slots=True, eq=False)
class FittedEnsemble:
    """Base models, their calibration tables [model][class], and the one graph of both.

    `base` and `calibration`: the rows that they were fitted on.
    """

    models: BaseModels
    tables: list[list[Table]]
    graph: bytes
    base: Int64s
    calibration: Int64s


def fit_ensemble(
    table: LabelledRows,
    base: Int64s,
    calibration: Int64s,
    params: dict[str, dict[str, Any]],
    half_life_days: float,
    *,
    classes: ThreeClasses = SIGNAL,
    earlier: BaseModels | None = None,
) -> FittedEnsemble:
    """Base models on rows `base`; calibrators on what the graph says of rows `calibration`.

    `earlier`: fitted models to go on from (warm start).
    """
    models = fit_models(
        table.rows[base],
        table.label[base],
        table.weights(base, half_life_days),
        params,
        feature_names=table.feature_names,
        classes=classes.names,
        earlier=earlier,
    )
    n_features = table.rows.shape[1]
    nodes = tree_nodes(models, n_features)
    said = base_probabilities(base_graph(nodes, n_features), table.rows[calibration])
    tables = fit_tables(said, table.label[calibration])
    graph = ensemble_graph(nodes, tables, n_features, classes)
    return FittedEnsemble(models, tables, graph, base, calibration)


def base_probabilities(graph: bytes, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the uncalibrated models say: (n, models, 3 classes)."""
    said = run_rows(open_session(graph), rows)[0]
    return np.asarray(said.reshape(len(rows), -1, 3))
