"""The position model by the name its users know."""

from ml.predictors.compat import ModelCompatibilityError, ModelMissing
from ml.predictors.position import PositionPredictions, PositionPredictor

__all__ = ["ModelCompatibilityError", "ModelMissing", "PositionPredictions", "PositionPredictor"]
