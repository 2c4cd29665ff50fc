"""What a person may set about sizing by the models and about trades that are open."""

from typing import Self

from pydantic import Field, model_validator

from trading.decision.section import Section, Share


class PositionOptimization(Section):
    """When the position model's EXIT is believed."""

    exit_threshold: float = Field(default=0.80, gt=0, le=1)
    min_prob_diff: float = Field(default=0.25, ge=0, le=1)
    min_bars_held: int = Field(default=4, ge=1, le=1000)


class KellyLotSizing(Section):
    """Risk = `risk_percent` × min(kelly, `max_kelly_fraction`)."""

    enabled: bool = False
    max_kelly_fraction: float = Field(default=0.5, gt=0, le=1)


class MlSltp(Section):
    """Stop drawn nearer and target moved further with the signal's confidence."""

    enabled: bool = False
    confidence_sl_adjust: float = Field(default=0.3, ge=0, lt=1)
    confidence_tp_adjust: float = Field(default=0.5, ge=0, le=10)


class PartialClose(Section):
    """Closes `close_share` of the volume once, at `at_profit_atr` × ATR at entry.

    `break_even`: the rest then has its stop where it costs nothing.
    """

    enabled: bool = False
    at_profit_atr: float = Field(default=1.0, gt=0, le=20)
    close_share: float = Field(default=0.5, gt=0, lt=1)
    break_even: bool = True


class MlTrailingStop(Section):
    """Stop at `base_trail_atr_mult` × ATR behind the best price, from `min_profit_atr` on.

    Widened by up to `low_confidence_widen` where the signal speaks against the trade and by up to
    `momentum_decay_widen` where momentum does. Moves of less than `min_step_atr` × ATR are left.
    """

    enabled: bool = False
    base_trail_atr_mult: float = Field(default=1.2, gt=0, le=20)
    min_profit_atr: float = Field(default=0.8, ge=0, le=20)
    low_confidence_widen: float = Field(default=0.5, ge=0, le=5)
    momentum_decay_widen: float = Field(default=0.5, ge=0, le=5)
    min_step_atr: float = Field(default=0.1, ge=0, le=5)


class AddToTrade(Section):
    """One more position on the position model's ADD, inside what the trade's risk budget leaves."""

    enabled: bool = False
    threshold: float = Field(default=0.80, gt=0, le=1)
    max_adds: int = Field(default=1, ge=1, le=10)
    min_profit_atr: float = Field(default=0.5, ge=0, le=20)


class PositionAsPrimaryExit(Section):
    """The position model ends trades; stop and target are a net in multiples of ATR(14)."""

    enabled: bool = False
    catastrophic_sl_atr_mult: float = Field(default=3.0, gt=0, le=20)
    emergency_tp_atr_mult: float = Field(default=5.0, gt=0, le=100)


class ActiveManagement(Section):
    """`ml_active_management`. `enabled` switches the position model's exits; each other its own."""

    enabled: bool = True
    kelly_lot_sizing: KellyLotSizing = KellyLotSizing()
    ml_sltp: MlSltp = MlSltp()
    partial_close: PartialClose = PartialClose()
    ml_trailing_stop: MlTrailingStop = MlTrailingStop()
    add: AddToTrade = AddToTrade()
    position_as_primary_exit: PositionAsPrimaryExit = PositionAsPrimaryExit()

    @model_validator(mode="after")
    def _pairs_go_together(self) -> Self:
        partial, primary = self.partial_close, self.position_as_primary_exit
        if self.ml_trailing_stop.enabled and partial.enabled and partial.break_even:
            raise ValueError(
                "ml_trailing_stop or partial_close.break_even is allowed, both came: each moves "
                "the stop, and the trail cuts what was just moved to break-even; switch one off"
            )
        if self.ml_sltp.enabled and primary.enabled:
            raise ValueError(
                "ml_sltp or position_as_primary_exit is allowed, both came: each sets the stops "
                "of an entry; switch one off"
            )
        for name, section in (("add", self.add), ("position_as_primary_exit", primary)):
            if section.enabled and not self.enabled:
                raise ValueError(
                    f"{name} with ml_active_management.enabled is allowed, without it came: "
                    "the position model would not be asked"
                )
        return self


class RiskModel(Section):
    """`enabled`: entries are sized by the risk model where there is one."""

    enabled: bool = True


class StopSettings(Section):
    """`dynamic_sltp`: stop and target as multiples of ATR(14).

    `use_model`: the SL/TP model's multiples where it speaks; its stop is then drawn in until the
    smallest lot loses at most `max_risk_pct` of equity.
    """

    sl_atr_multiplier: float = Field(default=1.0, gt=0, le=20)
    tp_atr_multiplier: float = Field(default=1.0, gt=0, le=100)
    use_model: bool = False
    max_risk_pct: float = Field(default=2.0, gt=0, le=100)


class RiskManagement(Section):
    """`min_atr_threshold`: smallest ATR(14) that is traded, in price units.

    `max_margin_share`: of the free margin one entry may bind; `max_leverage`: its worth over
    equity.
    """

    min_atr_threshold: float = Field(default=15.0, ge=0)
    max_margin_share: Share = Field(default=0.8, gt=0)
    max_leverage: float = Field(default=30.0, gt=0)
