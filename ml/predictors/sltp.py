"""The SL/TP model on the trading host: how far should stop and target be?"""

from market.bars import Float64s
from ml.features.catalogue import names
from ml.features.settings import FeatureSettings
from ml.predictors.checked import CheckedPredictor
from ml.predictors.settings import ModelPaths


class SltpPredictor(CheckedPredictor):
    """Stop and target as multiples of ATR(14); the graph keeps the target beyond the stop."""

    kind = "sltp"
    outputs = ("multiples",)

    def __init__(
        self, paths: ModelPaths | None = None, features: FeatureSettings | None = None
    ) -> None:
        super().__init__(
            (paths or ModelPaths()).sltp, names((features or FeatureSettings()).groups)
        )

    def predict(self, rows: Float64s) -> Float64s:
        """(n, 2) as stop, target, for rows (n, k) in the order of `metadata.feature_names`.

        A row's result has the same bits alone and in any batch. Raises `FeatureRowError`.
        """
        (multiples,) = self._loaded.run(rows)
        return multiples
