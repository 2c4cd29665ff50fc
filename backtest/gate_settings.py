"""The section `gate` of `config.json`."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class RetrainSettings(BaseModel):
    """Key `gate.retrain`: new ≥ old + max(`margin`, `margin_share` · |old|), by score."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_weeks: float = Field(default=26, gt=0)
    margin: float = Field(default=1.0, ge=0)
    margin_share: float = Field(default=0.02, ge=0)


class WalkForwardSettings(BaseModel):
    """Key `gate.walk_forward`, the default profile. `worst_fold_r`: no fold may lose more R."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fold_weeks: int = Field(default=4, ge=1)
    min_weeks: float = Field(default=26, gt=0)
    min_profit_factor: float = Field(default=1.0, ge=0)
    worst_fold_r: float = Field(default=-10.0, lt=0)


class SeedsSettings(BaseModel):
    """Key `gate.seeds`, for `gate.profile: seeds`: thresholds on the last `folds` folds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folds: int = Field(default=3, ge=1)
    min_win_rate: float = Field(default=0.55, ge=0, le=1)
    min_profit_factor: float = Field(default=1.8, ge=0)
    min_median_profit_factor: float = Field(default=2.0, ge=0)


class GoLiveSettings(BaseModel):
    """Key `gate.go_live`. `shadow_days`: days of shadow trading inside the forecast band.

    Limits may be stricter than the defaults, not looser: who asks for less proof types the
    override, which is recorded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_trades: int = Field(default=300, ge=300)
    min_profit_factor_p5: float = Field(default=1.0, ge=1)
    min_deflated_sharpe: float = Field(default=0.95, ge=0.95, lt=1)
    max_overfitting: float = Field(default=0.2, gt=0, le=0.2)
    shadow_days: int = Field(default=14, ge=1)


class BandSettings(BaseModel):
    """Key `gate.band`: how often a system that did not change may leave the forecast band within
    `weeks`. `cut_false_alarm` halves the risk, `paper_false_alarm` ends trading with money.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    weeks: int = Field(default=26, ge=4, le=104)
    cut_false_alarm: float = Field(default=0.05, gt=0, lt=0.5)
    paper_false_alarm: float = Field(default=0.01, gt=0, lt=0.5)
    cut_risk_share: float = Field(default=0.5, gt=0, lt=1)


class GateSettings(BaseModel):
    """Key `gate`. `profile` chooses the walk-forward gate: the seeds' thresholds select leaks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    profile: Literal["default", "seeds"] = "default"
    retrain: RetrainSettings = RetrainSettings()
    walk_forward: WalkForwardSettings = WalkForwardSettings()
    seeds: SeedsSettings = SeedsSettings()
    go_live: GoLiveSettings = GoLiveSettings()
    band: BandSettings = BandSettings()
