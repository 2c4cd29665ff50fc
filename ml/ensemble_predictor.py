"""The signal model by the name its users know."""

from ml.predictors.compat import ModelCompatibilityError, ModelMissing
from ml.predictors.ensemble import EnsemblePredictor, Predictions

__all__ = ["EnsemblePredictor", "ModelCompatibilityError", "ModelMissing", "Predictions"]
