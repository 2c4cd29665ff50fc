"""The signal model on the trading host: rows of features in, calibrated probabilities out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market.bars import Float64s
from ml.features.catalogue import names
from ml.features.settings import FeatureSettings
from ml.predictors.checked import CheckedPredictor, FeatureRowError
from ml.predictors.settings import ModelPaths

__all__ = ["OUTPUTS", "EnsemblePredictor", "FeatureRowError", "Predictions"]

OUTPUTS = ("probabilities", "model_probabilities", "votes")


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """What the graph says of n rows; classes in the order BUY, SELL, HOLD.

    `probabilities` (n, 3): the calibrated mean. `model_probabilities` (n, models, 3): row, model
    (rf, xgb, lgb, and a fourth where one was trained), class, calibrated. `votes` (n, models):
    each model's side, +1, −1 or 0; a tie is 0.
    """

    probabilities: Float64s
    model_probabilities: Float64s
    votes: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.probabilities)


class EnsemblePredictor(CheckedPredictor):
    """Loads the graph that `model_compat.json` vouches for, and runs it.

    Not for several threads at once.
    """

    kind = "signal"
    outputs = OUTPUTS

    def __init__(
        self, paths: ModelPaths | None = None, features: FeatureSettings | None = None
    ) -> None:
        self.paths = paths or ModelPaths()
        super().__init__(self.paths.signal, names((features or FeatureSettings()).groups))

    def predict(self, features: Float64s) -> Predictions:
        """Forecasts for rows (n, k) in the order of `metadata.feature_names`.

        A row's result has the same bits alone and in any batch. Raises `FeatureRowError` for a
        wrong shape or a value that is not finite (also as float32).
        """
        return Predictions(*self._loaded.run(features))
