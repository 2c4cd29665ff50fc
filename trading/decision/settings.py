"""What a person may set about decisions. Keys as in `config.json`; `prediction` is ml_config's."""

from typing import Literal, Self

from pydantic import Field, model_validator

from trading.decision.filter_settings import (
    AdxRegimeFilter,
    CircuitBreaker,
    EquityCurveFilter,
    NewsFilter,
    RolloverFilter,
    SessionFilter,
    SpreadFilter,
)
from trading.decision.management_settings import (
    ActiveManagement,
    PositionOptimization,
    RiskManagement,
    RiskModel,
    StopSettings,
)
from trading.decision.prop_rules import PropProfile, PropSettings
from trading.decision.section import Section, Zone

_DAY_MS = 86_400_000

__all__ = [
    "CircuitBreaker", "DecisionSettings", "PredictionSettings", "QuantileGate", "RiskManagement",
    "SpreadFilter", "StopSettings",
]  # fmt: skip


class QuantileGate(Section):
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


class PredictionSettings(Section):
    """`gate`: quantile (a rolling floor under the margin) or fixed (the two thresholds)."""

    gate: Literal["quantile", "fixed"] = "quantile"
    min_votes: int = Field(default=2, ge=2, le=3)
    confidence_threshold: float = Field(default=0.65, ge=0, le=1)
    min_probability_diff: float = Field(default=0.08, ge=0, le=1)
    quantile: QuantileGate = QuantileGate()


class DecisionSettings(Section):
    """Everything `decide` may be told by a person. `timezone` is the zone of trading days.

    0 switches `max_daily_loss_pct`, `max_weekly_drawdown_pct`, `max_trades_per_day` and
    `news_block_minutes` off. `prop_rules` is no key of `config.json`: it is the profile of
    `config/prop_rules.json` that `prop.profile` names.
    """

    timezone: Zone = "Asia/Jakarta"
    risk_percent: float = Field(default=2.0, gt=0, le=100)
    max_lot: float = Field(default=1.0, gt=0)
    max_open_positions: int = Field(default=1, ge=1)
    max_daily_loss_pct: float = Field(default=3.0, ge=0, le=100)
    max_weekly_drawdown_pct: float = Field(default=20.0, ge=0, le=100)
    max_trades_per_day: int = Field(default=0, ge=0)
    news_block_minutes: int = Field(default=0, ge=0, le=1440)
    enable_ema_trend_filter: bool = False
    dynamic_sltp: StopSettings = StopSettings()
    risk_management: RiskManagement = RiskManagement()
    risk_model: RiskModel = RiskModel()
    spread_filter: SpreadFilter = SpreadFilter()
    circuit_breaker: CircuitBreaker = CircuitBreaker()
    news_filter: NewsFilter = NewsFilter()
    adx_regime_filter: AdxRegimeFilter = AdxRegimeFilter()
    session_filter: SessionFilter = SessionFilter()
    rollover_filter: RolloverFilter = RolloverFilter()
    equity_curve_filter: EquityCurveFilter = EquityCurveFilter()
    position_optimization: PositionOptimization = PositionOptimization()
    ml_active_management: ActiveManagement = ActiveManagement()
    prop: PropSettings = PropSettings()
    prop_rules: PropProfile | None = None
    prediction: PredictionSettings = PredictionSettings()

    @property
    def guards_account(self) -> bool:
        """Whether a `GuardState` is needed: a rule looks at the day, the week or own trades."""
        return bool(
            self.max_daily_loss_pct
            or self.max_weekly_drawdown_pct
            or self.max_trades_per_day
            or self.equity_curve_filter.enabled
            or self.prop.profile
        )

    @property
    def news_window_minutes(self) -> int:
        """The widest window around a release that a rule looks at."""
        prop_news = self.prop_rules.news_of(self.prop.phase) if self.prop_rules else None
        return max(self.news_block_minutes, prop_news.minutes if prop_news else 0)

    @model_validator(mode="after")
    def _prop_profile_is_known(self) -> Self:
        if bool(self.prop.profile) != (self.prop_rules is not None):
            raise ValueError(
                "prop.profile and its rules of config/prop_rules.json are allowed together, one "
                f"came alone (profile {self.prop.profile!r})"
            )
        if self.prop_rules is not None:
            self.prop_rules.phase(self.prop.phase)  # raises where the firm has no such phase
        return self
