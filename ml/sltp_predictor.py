"""The SL/TP model by the name its users know."""

from ml.predictors.compat import ModelCompatibilityError, ModelMissing
from ml.predictors.sltp import SltpPredictor

__all__ = ["ModelCompatibilityError", "ModelMissing", "SltpPredictor"]
