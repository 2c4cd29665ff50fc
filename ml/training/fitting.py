"""Fit, convert, calibrate, join: one ensemble from one set of rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.bars import Int64s
from ml.predictors.session import open_session, run_rows
from ml.training.calibration import Table, fit_tables
from ml.training.export import base_graph, ensemble_graph
from ml.training.models import BaseModels, fit_models
from ml.training.table import TrainingTable
from ml.training.trees import tree_nodes


@dataclass(frozen=True, slots=True, eq=False)
class FittedEnsemble:
    """Base models, their calibration tables [model][class], and the one graph of both."""

    models: BaseModels
    tables: list[list[Table]]
    graph: bytes


def fit_ensemble(
    table: TrainingTable,
    base: Int64s,
    calibration: Int64s,
    params: dict[str, dict[str, Any]],
    half_life_days: float,
) -> FittedEnsemble:
    """Base models on rows `base`; calibrators on what the graph says of rows `calibration`."""
    models = fit_models(
        table.rows[base], table.label[base], table.weights(base, half_life_days), params
    )
    n_features = table.rows.shape[1]
    nodes = tree_nodes(models, n_features)
    said = base_probabilities(base_graph(nodes, n_features), table.rows[calibration])
    tables = fit_tables(said, table.label[calibration])
    return FittedEnsemble(models, tables, ensemble_graph(nodes, tables, n_features))


def base_probabilities(graph: bytes, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the three uncalibrated models say: (n, 3 models, 3 classes)."""
    return np.asarray(run_rows(open_session(graph), rows)[0].reshape(-1, 3, 3))
