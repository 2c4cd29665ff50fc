"""The training side's own sections of `ml_config.json`."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, RootModel


class LabelSettings(BaseModel):
    """`labeling`: the trade that a label replays.

    Distances are multiples of ATR(14) at the decision bar; the horizon counts bars from the entry
    bar on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    atr_sl_mult: float = Field(default=1.0, gt=0, le=20)
    atr_tp_mult: float = Field(default=1.0, gt=0, le=20)
    lookahead_candles: int = Field(default=48, ge=1, le=2000)


class TrainingSettings(BaseModel):
    """`training`: splits, weights and the seed.

    `n_splits` walk-forward folds; `embargo_bars` more bars between training and test than the label
    horizon; the last `calibration_days` before the cutoff fit the calibrators only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_splits: int = Field(default=5, ge=1, le=50)
    embargo_bars: int = Field(default=96, ge=0, le=10_000)
    calibration_days: int = Field(default=120, ge=1, le=2000)
    recency_half_life_days: float = Field(default=365, gt=0)
    seed: int = Field(default=42, ge=0, lt=2**31)


class ModelParams(RootModel[dict[str, Any]]):
    """`rf_params`, `xgb_params` or `lgb_params`: overrides of the defaults in `models.py`.

    The names are those of the library's scikit-learn interface, checked before training.
    """

    model_config = ConfigDict(frozen=True)

    root: dict[str, Any] = Field(default_factory=dict)
