"""The risk model by the name its users know.

Scope: lot-sizing multipliers only. It sizes, never blocks an entry and never moves a stop; a
missing model is 1.0.
"""

from ml.predictors.compat import ModelCompatibilityError, ModelMissing
from ml.predictors.risk import RiskPredictor

__all__ = ["ModelCompatibilityError", "ModelMissing", "RiskPredictor"]
