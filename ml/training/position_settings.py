"""`ml_config.json` section `position_training`."""

from pydantic import BaseModel, ConfigDict, Field

from ml.training.models import EnsembleParams
from ml.training.settings import LgbParams, RfParams, XgbParams
from trading.decision.settings import QuantileGate


class LooseGate(QuantileGate):
    """As the trading gate, with a larger share and a shorter look-back."""

    top_share: float = Field(default=0.6, gt=0, lt=1)
    lookback_days: int = Field(default=30, ge=1, le=3650)


class PositionTrainingSettings(BaseModel):
    """What the position model learns from: the signal model's own trades, through a looser gate.

    A row is EXIT where leaving pays `exit_margin_atr` × ATR more than holding. At most `max_rows`
    rows, taken from trades spread over the whole time; fewer than `min_trades` or `min_rows` are
    named in what training says. The last three: overrides of the base models' parameters, for this
    model alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    gate: LooseGate = LooseGate()
    exit_margin_atr: float = Field(default=0.1, ge=0, le=10)
    max_rows: int = Field(default=120_000, ge=1000)
    min_trades: int = Field(default=2000, ge=1)
    min_rows: int = Field(default=50_000, ge=1)
    rf_params: RfParams = RfParams()
    xgb_params: XgbParams = XgbParams()
    lgb_params: LgbParams = LgbParams()

    @property
    def params(self) -> EnsembleParams:
        """Few inputs (the state) tell much and the others little: every tree may see most."""
        return EnsembleParams(
            rf={"max_features": 0.5} | self.rf_params.root,
            xgb={"colsample_bytree": 0.9} | self.xgb_params.root,
            lgb={"colsample_bytree": 0.9} | self.lgb_params.root,
        )
