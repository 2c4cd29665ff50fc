"""What the models beside the signal say for one decision: exits, stops, and how much to risk.

Asked alike by bot and backtest. Each question is put only where its answer may count:

- the position model, where it is on, of trades held for `min_bars_held` closes;
- the SL/TP model (`use_model`) and the risk model, where the gate is open or a held trade may be
  added to.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from market.bars import Float64s
from market.quick import quick
from ml.features.position import (
    M1_NAMES,
    M1_NEUTRAL,
    STATE_NAMES,
    position_state,
    position_states,
)
from trading.decision.exits import ADD, EXIT
from trading.decision.records import (
    AccountView,
    ExitForecast,
    HeldTrade,
    OpenTrade,
    StopForecast,
)
from trading.decision.settings import DecisionSettings
from trading.errors import DaemonError
from trading.forecasts import Predicted
from trading.risk_state import risk_inputs
from trading.trade_book import TradeBook
from trading.trade_state import HeldColumns, TradeFacts, held_trades

NO_M1: Float64s = np.array(M1_NEUTRAL)
_OF_RISK = ("volatility_20", "atr_14")
_DECAY = "momentum_decay"


class ExitModel(Protocol):
    """Rows of `position_names` in; (n, 3) probabilities as HOLD, EXIT, ADD and votes out."""

    def predict(self, rows: Float64s) -> Predicted: ...


class ArrayModel(Protocol):
    """Rows in, numbers out: (n, 2) multiples of the SL/TP model, (n,) of the risk model."""

    def predict(self, rows: Float64s) -> Float64s: ...


@dataclass(frozen=True, slots=True)
class BesideModels:
    """The models beside the signal model; None where there is none.

    `minutes`: whether the position model has learned from M1 bars.
    """

    position: ExitModel | None = None
    sltp: ArrayModel | None = None
    risk: ArrayModel | None = None
    minutes: bool = False


NO_MODELS = BesideModels()


@quick
@dataclass(frozen=True, slots=True)
class Advice:
    """What goes into a `DecisionInput`; the defaults where nobody was asked."""

    held: tuple[HeldTrade, ...] = ()
    stops: StopForecast | None = None
    risk_multiplier: float = 1.0


@quick
@dataclass(frozen=True, slots=True, eq=False)
class Close:
    """One decided close as the models see it.

    `features`: the signal model's row (k,). `m1`: the five M1 features. `facts` and `row`: where
    open trades stand. `profits`: net profits of own finished trades (`risk_state`).
    """

    close_ms: int
    features: Float64s
    m1: Float64s
    facts: TradeFacts
    row: int
    account: AccountView
    profits: Float64s


NO_ADVICE = Advice()


class Adviser:
    """Puts the questions that settings and models allow."""

    def __init__(
        self, models: BesideModels, settings: DecisionSettings, feature_names: Sequence[str]
    ) -> None:
        """`DaemonError` where a model that is on needs a feature that the groups do not have, or
        exits are to be the position model's and there is none."""
        management = settings.ml_active_management
        if management.position_as_primary_exit.enabled and models.position is None:
            raise DaemonError(
                "ml_active_management.position_as_primary_exit is on and there is no position "
                "model to exit by: train it (python train_ml_model.py --position) or switch it off"
            )
        self._exits = models.position if management.enabled else None
        self._stops = models.sltp if settings.dynamic_sltp.use_model else None
        self._risk = models.risk if settings.risk_model.enabled else None
        self._may_add = management.add.enabled
        self._min_bars = settings.position_optimization.min_bars_held
        self._names = tuple(feature_names)
        self.manages = (
            self._exits is not None
            or management.partial_close.enabled
            or management.ml_trailing_stop.enabled
        )
        wants_risk, trails = self._risk is not None, management.ml_trailing_stop.enabled
        self._of_risk = _places(self._names, _OF_RISK, "risk_model") if wants_risk else ()
        self._decay = _places(self._names, (_DECAY,), "ml_trailing_stop")[0] if trails else None

    @property
    def asks_exits(self) -> bool:
        """Whether the position model is asked at all."""
        return self._exits is not None

    @property
    def asks_entries(self) -> bool:
        """Whether the SL/TP or the risk model is asked at all."""
        return self._stops is not None or self._risk is not None

    def has_a_say(self, trades: Sequence[OpenTrade], *, gate_open: bool) -> bool:
        """Whether there is anything to ask at a close with these open trades."""
        return bool(trades and self.manages) or (gate_open and self.asks_entries)

    def momentum_decay(self, features: Float64s) -> float:
        """The feature of that name where a trailing stop asks for it, else NaN."""
        return float(features[self._decay]) if self._decay is not None else math.nan

    def advise(
        self, now: Close, trades: Sequence[OpenTrade], book: TradeBook, *, gate_open: bool
    ) -> Advice:
        """Advice at one close. `gate_open`: nothing stateless speaks against an entry."""
        held: tuple[HeldTrade, ...] = ()
        if self.manages and trades:
            held = held_trades(trades, book, now.facts, now.row)
            if self._exits is not None:
                held = tuple(
                    [self._asked(each, of, now) for each, of in zip(held, trades, strict=True)]
                )
        may_add = self._may_add and any(each.forecast is not None for each in held)
        if not (gate_open or may_add):
            return Advice(held) if held else NO_ADVICE
        return Advice(held, self._stop_forecast(now), self._multiplier(now))

    def exit_chances(
        self, trade: OpenTrade, held: HeldColumns, features: Float64s, m1: Float64s
    ) -> tuple[Float64s, Float64s]:
        """The probabilities of EXIT and of ADD at several closes of one trade; NaN where the
        model is not asked. `features` and `m1`: rows of the same closes."""
        p_exit, p_add = np.full((2, len(features)), math.nan)
        if self._exits is None or held.bars_held[-1] < self._min_bars:
            return p_exit, p_add
        rows = exit_rows(trade, held, features, m1)
        asked = np.isfinite(rows).all(axis=1) & (held.bars_held >= self._min_bars)
        if asked.any():
            said = self._exits.predict(rows[asked]).probabilities
            p_exit[asked], p_add[asked] = said[:, EXIT], said[:, ADD]
        return p_exit, p_add

    def _asked(self, held: HeldTrade, trade: OpenTrade, now: Close) -> HeldTrade:
        if self._exits is None or held.bars_held < self._min_bars:
            return held
        row = exit_row(held, trade, now)
        finite = np.isfinite(row)
        if not finite.all():
            return replace(held, missing_feature=self._name_of(int((~finite).argmax())))
        said = self._exits.predict(row[None])
        p_hold, p_exit, p_add = said.probabilities[0].tolist()
        return HeldTrade(
            held.position_id, held.bars_held, held.best_price, held.atr_entry,
            held.entry_volume_lots,
            ExitForecast(p_hold, p_exit, p_add, tuple(said.votes[0].tolist())),
        )  # fmt: skip

    def _name_of(self, column: int) -> str:
        return (*self._names, *STATE_NAMES, *M1_NAMES)[column]

    def _stop_forecast(self, now: Close) -> StopForecast | None:
        if self._stops is None:
            return None
        stop, target = self._stops.predict(now.features[None])[0].tolist()
        return StopForecast(stop, target)

    def _multiplier(self, now: Close) -> float:
        if self._risk is None:
            return 1.0
        volatility, atr = (float(now.features[place]) for place in self._of_risk)
        row = risk_inputs(
            now.profits, now.account, volatility_20=volatility, atr_14=atr, close_ms=now.close_ms
        )
        return float(self._risk.predict(row[None])[0])


def exit_row(held: HeldTrade, trade: OpenTrade, now: Close) -> Float64s:
    """The position model's inputs for one trade at one close."""
    state = position_state(
        int(trade.side), trade.price_open, held.bars_held, now.facts.exit_price(trade, now.row),
        held.best_price, held.atr_entry,
    )  # fmt: skip
    return np.concatenate([now.features, state, now.m1])


def exit_rows(trade: OpenTrade, held: HeldColumns, features: Float64s, m1: Float64s) -> Float64s:
    """`exit_row` of several closes, (n, k)."""
    count = len(features)
    state = position_states(
        np.full(count, int(trade.side)), np.full(count, trade.price_open), held.bars_held,
        held.exit_price, held.best_price, np.full(count, held.atr_entry),
    )  # fmt: skip
    return np.hstack([features, state, m1])


def _places(names: Sequence[str], wanted: Sequence[str], setting: str) -> tuple[int, ...]:
    missing = [name for name in wanted if name not in names]
    if missing:
        raise DaemonError(
            f"{setting} needs the feature {missing[0]}, which features.groups leaves out; "
            f"add the group base, or set {setting}.enabled to false"
        )
    return tuple(names.index(name) for name in wanted)
