"""`ml_config.json` sections `sltp_training` and `risk_training`."""

from pydantic import BaseModel, ConfigDict, Field

from ml.training.settings import LgbParams


class SltpTrainingSettings(BaseModel):
    """`lgb_params`: overrides for both regressors of the SL/TP model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lgb_params: LgbParams = LgbParams()


class RiskTrainingSettings(BaseModel):
    """What the risk model learns from: trades of backtests over out-of-fold forecasts.

    `gate_factors`: one backtest each, with the trading gate's top share times the factor.
    `next_trades`: how many trades a label looks ahead. `augmented`: resampled sequences beside each
    real one. Fewer than `min_trades` trades refuse the training.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    gate_factors: tuple[float, ...] = Field(default=(1.0, 2.0, 4.0), min_length=1)
    next_trades: int = Field(default=20, ge=1, le=200)
    augmented: int = Field(default=6, ge=0, le=50)
    min_trades: int = Field(default=300, ge=50)
    lgb_params: LgbParams = LgbParams()
