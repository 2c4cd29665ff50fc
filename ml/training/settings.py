"""The training side's own sections of `ml_config.json`."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, RootModel, field_validator

from ml.training.params import problems


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
    horizon; the last `calibration_days` before the cutoff fit the calibrators only. `extra_trees`:
    a fourth voter of the signal model. A warm start adds `warm_start_share` of each model's trees,
    at most `max_warm_starts` times in a row; then training starts from scratch again.
    `refresh_days`, `refresh_m1_days`: how far back --refresh fetches M15 and M1 bars.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_splits: int = Field(default=5, ge=1, le=50)
    embargo_bars: int = Field(default=96, ge=0, le=10_000)
    calibration_days: int = Field(default=120, ge=1, le=2000)
    recency_half_life_days: float = Field(default=365, gt=0)
    seed: int = Field(default=42, ge=0, lt=2**31)
    extra_trees: bool = False
    max_warm_starts: int = Field(default=5, ge=0, le=100)
    warm_start_share: float = Field(default=0.2, gt=0, le=1)
    refresh_days: int = Field(default=1100, ge=1)
    refresh_m1_days: int = Field(default=400, ge=1)


class ModelParams(RootModel[dict[str, Any]]):
    """`rf_params`, `xgb_params`, `lgb_params` or `et_params`: overrides of `models.py`'s defaults.

    The names are those of `ml.training.params`; what none of the models has is refused at once.
    """

    model_config = ConfigDict(frozen=True)
    model: ClassVar[str] = ""

    root: dict[str, Any] = Field(default_factory=dict)

    @field_validator("root")
    @classmethod
    def _known(cls, given: dict[str, Any]) -> dict[str, Any]:
        found = problems(cls.model, given) if cls.model else []
        if found:
            raise ValueError("; ".join(found))
        return given


class RfParams(ModelParams):
    """`rf_params`: the random forest."""

    model = "rf"


class XgbParams(ModelParams):
    """`xgb_params`: XGBoost; with `"booster": "dart"` also its dropout."""

    model = "xgb"


class LgbParams(ModelParams):
    """`lgb_params`: LightGBM."""

    model = "lgb"


class EtParams(ModelParams):
    """`et_params`: ExtraTrees, where `training.extra_trees` is on."""

    model = "et"
