"""What a person may set about decisions. Keys as in `config.json`; `prediction` is ml_config's."""

from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator

_DAY_MS = 86_400_000


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StopSettings(_Section):
    """`dynamic_sltp`: stop and target as multiples of ATR(14)."""

    sl_atr_multiplier: float = Field(default=1.0, gt=0, le=20)
    tp_atr_multiplier: float = Field(default=1.0, gt=0, le=100)


class RiskManagement(_Section):
    """`min_atr_threshold`: smallest ATR(14) that is traded, in price units."""

    min_atr_threshold: float = Field(default=15.0, ge=0)


class SpreadFilter(_Section):
    """Largest spread that is traded: in points, and as a share of ATR(14)."""

    max_points: float = Field(default=6000, ge=0)
    max_atr_share: float = Field(default=0.15, ge=0)


class CircuitBreaker(_Section):
    """No entry after this many losing trades in a row since the last local midnight."""

    enabled: bool = True
    max_consecutive_losses: int = Field(default=7, ge=1)


class QuantileGate(_Section):
    """The floor is reached by the `top_share` of margins of the last `lookback_days`.

    `min_filled_share`: share of the look-back's bars that must have a margin. FX weeks hold 0.71
    of all bars, so the default admits them and their holidays.
    """

    top_share: float = Field(default=0.05, gt=0, lt=1)
    lookback_days: int = Field(default=90, ge=1, le=3650)
    min_filled_share: float = Field(default=0.6, gt=0, le=1)

    @property
    def lookback_ms(self) -> int:
        return self.lookback_days * _DAY_MS


class PredictionSettings(_Section):
    """`gate`: quantile (a rolling floor under the margin) or fixed (the two thresholds)."""

    gate: Literal["quantile", "fixed"] = "quantile"
    min_votes: int = Field(default=2, ge=2, le=3)
    confidence_threshold: float = Field(default=0.65, ge=0, le=1)
    min_probability_diff: float = Field(default=0.08, ge=0, le=1)
    quantile: QuantileGate = QuantileGate()


class DecisionSettings(_Section):
    """Everything `decide` may be told by a person. `timezone` is the zone of trading days."""

    timezone: str = "Asia/Jakarta"
    risk_percent: float = Field(default=2.0, gt=0, le=100)
    max_lot: float = Field(default=1.0, gt=0)
    max_open_positions: int = Field(default=1, ge=1)
    enable_ema_trend_filter: bool = False
    dynamic_sltp: StopSettings = StopSettings()
    risk_management: RiskManagement = RiskManagement()
    spread_filter: SpreadFilter = SpreadFilter()
    circuit_breaker: CircuitBreaker = CircuitBreaker()
    prediction: PredictionSettings = PredictionSettings()

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(
                f"an IANA zone such as Asia/Jakarta is allowed, {name!r} came"
            ) from error
        return name
