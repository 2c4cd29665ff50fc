"""The signal model on the trading host: rows of features in, calibrated probabilities out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.bars import Float64s
from ml.features.catalogue import names
from ml.features.settings import FeatureSettings
from ml.predictors.compat import (
    ModelCompatibilityError,
    ModelEntry,
    read_checked,
    read_entry,
    require_features,
)
from ml.predictors.session import GraphError, open_session, run_rows
from ml.predictors.settings import ModelPaths

OUTPUTS = ("probabilities", "model_probabilities", "votes")


class FeatureRowError(ValueError):
    """Rows that the model must not see. `feature` names the first bad column."""

    def __init__(self, message: str, feature: str = "") -> None:
        super().__init__(message)
        self.feature = feature


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """What the graph says of n rows; classes in the order BUY, SELL, HOLD.

    `probabilities` (n, 3): the calibrated mean. `model_probabilities` (n, 3, 3): row, model
    (rf, xgb, lgb), class, calibrated. `votes` (n, 3): each model's side, +1, −1 or 0; a tie is 0.
    """

    probabilities: Float64s
    model_probabilities: Float64s
    votes: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.probabilities)


class EnsemblePredictor:
    """Loads the graph that `model_compat.json` vouches for, and runs it.

    Not for several threads at once.
    """

    def __init__(
        self, paths: ModelPaths | None = None, features: FeatureSettings | None = None
    ) -> None:
        self.paths = paths or ModelPaths()
        self._expected = names((features or FeatureSettings()).groups)
        self._session: Any = None
        self._entry: ModelEntry | None = None

    def load(self) -> "EnsemblePredictor":
        """Checks manifest, features and hashes, then opens the graph.

        Raises `ModelMissing` or `ModelCompatibilityError`; the text says what to do.
        """
        entry = read_entry(self.paths.manifest, self.paths.graph)
        require_features(entry, self._expected)
        read_checked(self.paths.metadata, entry.metadata)
        graph = read_checked(self.paths.graph, entry.graph)
        try:
            session = open_session(graph)
        except GraphError as error:
            raise ModelCompatibilityError(f"{self.paths.graph}: {error}") from error
        outputs = tuple(each.name for each in session.get_outputs())
        if outputs != OUTPUTS:
            raise ModelCompatibilityError(
                f"{self.paths.graph}: outputs {OUTPUTS} are allowed, {outputs} came"
            )
        self._session, self._entry = session, entry
        return self

    @property
    def metadata(self) -> ModelEntry:
        """The manifest's entry: feature names and hash, symbol, train cutoff, graph.sha256 …"""
        if self._entry is None:
            raise RuntimeError("EnsemblePredictor: call load() first")
        return self._entry

    def predict(self, features: Float64s) -> Predictions:
        """Forecasts for rows (n, k) in the order of `metadata.feature_names`.

        A row's result has the same bits alone and in any batch. Raises `FeatureRowError` for a
        wrong shape or a value that is not finite (also as float32).
        """
        rows = self._as_float32(features)
        probabilities, model_probabilities, votes = run_rows(self._session, rows)
        return Predictions(probabilities, model_probabilities, votes)

    def _as_float32(self, features: Float64s) -> NDArray[np.float32]:
        names_ = self.metadata.feature_names
        if features.ndim != 2 or features.shape[1] != len(names_):
            raise FeatureRowError(
                f"features: shape (n, {len(names_)}) is allowed, {features.shape} came"
            )
        with np.errstate(over="ignore"):
            rows = np.ascontiguousarray(features, dtype=np.float32)
        if not np.isfinite(rows).all():
            row, column = np.argwhere(~np.isfinite(rows))[0]
            raise FeatureRowError(
                f"features: finite values are allowed, but {names_[column]} is "
                f"{features[row, column]} in row {row}",
                names_[column],
            )
        return rows
