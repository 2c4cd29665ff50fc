"""The risk model on the trading host: how much of the configured risk should the next trade take?

Scope: lot-sizing multipliers only. It never blocks a trade and never moves a stop.
"""

from market.bars import Float64s
from ml.features.risk import RISK_FEATURES
from ml.predictors.checked import CheckedPredictor
from ml.predictors.settings import ModelPaths


class RiskPredictor(CheckedPredictor):
    """A multiplier in [0.10, 1.25] from the state of the account."""

    kind = "risk"
    outputs = ("multiplier",)

    def __init__(self, paths: ModelPaths | None = None) -> None:
        super().__init__((paths or ModelPaths()).risk, RISK_FEATURES)

    def predict(self, rows: Float64s) -> Float64s:
        """(n,) multipliers for rows (n, 7) in the order of `RISK_FEATURES`.

        A row's result has the same bits alone and in any batch. Raises `FeatureRowError`.
        """
        (multiplier,) = self._loaded.run(rows)
        return multiplier[:, 0]
