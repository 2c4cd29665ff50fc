"""The position model on the trading host: should an open trade be held, left or added to?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market.bars import Float64s
from ml.features.position import position_names
from ml.features.settings import FeatureSettings
from ml.predictors.checked import CheckedPredictor
from ml.predictors.settings import ModelPaths


@dataclass(frozen=True, slots=True, eq=False)
class PositionPredictions:
    """What the graph says of n open trades; classes in the order HOLD, EXIT, ADD.

    `probabilities` (n, 3): the calibrated mean. `model_probabilities` (n, models, 3). `votes`
    (n, models): each model's class, 0 HOLD (and a tie), 1 EXIT, 2 ADD.
    """

    probabilities: Float64s
    model_probabilities: Float64s
    votes: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.probabilities)


class PositionPredictor(CheckedPredictor):
    """Reads the bar's features, the state of one open trade, and the features of M1 bars."""

    kind = "position"
    outputs = ("probabilities", "model_probabilities", "votes")

    def __init__(
        self, paths: ModelPaths | None = None, features: FeatureSettings | None = None
    ) -> None:
        groups = (features or FeatureSettings()).groups
        super().__init__((paths or ModelPaths()).position, position_names(groups))

    def predict(self, rows: Float64s) -> PositionPredictions:
        """Rows (n, k) in the order of `metadata.feature_names`; one for each open trade.

        A row's result has the same bits alone and in any batch. Raises `FeatureRowError`.
        """
        return PositionPredictions(*self._loaded.run(rows))
