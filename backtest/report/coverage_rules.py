"""When a run exercises a key: one rule for every key or section of the settings."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from trading.decision.settings import DecisionSettings

State = Literal["exercised", "unused", "unsupported"]
Answer = tuple[State, str]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a run did. `denied`: bars by rule; `intents`: by kind and by `kind reason`; `asked`:
    bars at which a model spoke; `capped`: entries smaller than risk wanted; `closes`: trades by how
    they ended; `bars`, `slipped`, `charged`: decided bars, fills off the quote, deals with swap;
    `inside`: bars whose order M1 told, None where they were not asked."""

    settings: DecisionSettings
    denied: Counter[str]
    intents: Counter[str]
    asked: Counter[str]
    closes: Counter[str]
    bars: int
    capped: int
    slipped: int
    charged: int
    generated: bool
    calendar: bool
    onchain: bool
    account: bool
    inside: int | None = None

    @property
    def opened(self) -> int:
        return self.intents["enter"] + self.intents["add"]


Rule = Callable[[Facts], Answer]
On = Callable[[DecisionSettings], bool]


def _always(settings: DecisionSettings) -> bool:
    return True


def denies(*rules: str, on: On = _always) -> Rule:
    """Exercised where one of these rules spoke."""

    def answer(facts: Facts) -> Answer:
        if not on(facts.settings):
            return "unused", "off"
        spoke = sum(facts.denied[rule] for rule in rules)
        if spoke:
            return "exercised", f"spoke at {spoke:,} bars"
        return "unused", "on, and never spoke"

    return answer


def counts(what: Callable[[Facts], int], words: str, *, on: On = _always) -> Rule:
    """Exercised where something happened at least once."""

    def answer(facts: Facts) -> Answer:
        if not on(facts.settings):
            return "unused", "off"
        count = what(facts)
        return ("exercised" if count else "unused"), f"{count:,} {words}"

    return answer


def elsewhere(where: str) -> Rule:
    """No part of a backtest."""
    return lambda facts: ("unsupported", where)


def holds(when: Callable[[Facts], bool], yes: str, no: str) -> Rule:
    return lambda facts: ("exercised", yes) if when(facts) else ("unused", no)


def _opened(facts: Facts) -> int:
    return facts.opened


def _bars(facts: Facts) -> int:
    return facts.bars


def _intents(*kinds: str) -> Callable[[Facts], int]:
    return lambda facts: sum(facts.intents[kind] for kind in kinds)


def _asked(model: str) -> Callable[[Facts], int]:
    return lambda facts: facts.asked[model]


def _props(facts: Facts) -> int:
    closed = sum(count for name, count in facts.closes.items() if name.startswith("PROP_"))
    return closed + sum(facts.denied[rule] for rule in _PROPS)


def _inside(facts: Facts) -> Answer:
    if facts.inside is None:
        return "unused", "off"
    state: State = "exercised" if facts.inside else "unused"
    return state, f"{facts.inside:,} bars with both levels told by M1"


def _static_stops(settings: DecisionSettings) -> bool:
    return not settings.ml_active_management.position_as_primary_exit.enabled


_QUANTILE: On = lambda s: s.prediction.gate == "quantile"  # noqa: E731
_FIXED: On = lambda s: s.prediction.gate == "fixed"  # noqa: E731
_PROP: On = lambda s: bool(s.prop.profile)  # noqa: E731
_MANAGED: On = lambda s: s.ml_active_management.enabled  # noqa: E731
_NEWS: On = lambda s: s.news_window_minutes > 0  # noqa: E731
_DAYS = ("daily_loss", "weekly_drawdown", "max_trades_per_day", "circuit_breaker")
_PROPS = ("prop_soft_stop", "prop_news", "prop_break", "prop_pre_trade")
_LIVE = elsewhere("the daemon; a backtest has neither clock nor bridge")
_TRAINED = elsewhere("training; the models of this run were trained before it")
_CHANNEL = elsewhere("a channel of the daemon")
_GATE = elsewhere("the gates, which judge a run after it")
_SIZED = counts(_opened, "positions opened")

_DECISION: Mapping[str, Rule] = {
    "timezone": denies(*_DAYS),
    "risk_percent": _SIZED,
    "max_lot": counts(lambda f: f.capped, "entries capped (by this or margin, leverage)"),
    "max_open_positions": denies("max_open_positions"),
    "max_daily_loss_pct": denies("daily_loss", on=lambda s: s.max_daily_loss_pct > 0),
    "max_weekly_drawdown_pct": denies(
        "weekly_drawdown", on=lambda s: s.max_weekly_drawdown_pct > 0
    ),
    "max_trades_per_day": denies("max_trades_per_day", on=lambda s: s.max_trades_per_day > 0),
    "news_block_minutes": denies("news_block", on=lambda s: s.news_block_minutes > 0),
    "news_filter": denies("news_block", "prop_news", on=_NEWS),
    "enable_ema_trend_filter": denies("ema_trend", on=lambda s: s.enable_ema_trend_filter),
    "dynamic_sltp.sl_atr_multiplier": counts(_opened, "positions opened", on=_static_stops),
    "dynamic_sltp.tp_atr_multiplier": counts(_opened, "positions opened", on=_static_stops),
    "dynamic_sltp.use_model": counts(
        _asked("sltp"), "bars at which the SL/TP model spoke", on=lambda s: s.dynamic_sltp.use_model
    ),
    "dynamic_sltp.max_risk_pct": counts(
        _asked("sltp"), "bars at which the SL/TP model spoke", on=lambda s: s.dynamic_sltp.use_model
    ),
    "risk_management.min_atr_threshold": denies("atr_floor"),
    "risk_management.max_margin_share": counts(
        lambda f: f.capped + f.denied["margin_free"], "entries capped or denied (or by max_lot)"
    ),
    "risk_management.max_leverage": counts(
        lambda f: f.capped + f.denied["max_leverage"], "entries capped or denied (or by max_lot)"
    ),
    "risk_model": counts(
        _asked("risk"), "bars at which the risk model spoke", on=lambda s: s.risk_model.enabled
    ),
    "spread_filter.max_points": denies("spread_points"),
    "spread_filter.max_atr_share": denies("spread_atr"),
    "circuit_breaker": denies("circuit_breaker", on=lambda s: s.circuit_breaker.enabled),
    "adx_regime_filter": denies("adx_regime", on=lambda s: s.adx_regime_filter.enabled),
    "session_filter": denies("session_window", on=lambda s: s.session_filter.enabled),
    "rollover_filter": denies("rollover", on=lambda s: s.rollover_filter.enabled),
    "equity_curve_filter": denies("equity_curve", on=lambda s: s.equity_curve_filter.enabled),
    "position_optimization": counts(
        _asked("position"), "bars at which the position model spoke", on=_MANAGED
    ),
    "ml_active_management.enabled": counts(
        _intents("close position_exit", "partial", "modify", "add"), "changes of open trades",
        on=_MANAGED,
    ),
    "ml_active_management.kelly_lot_sizing": counts(
        lambda f: f.opened + f.denied["kelly"], "entries sized or denied",
        on=lambda s: s.ml_active_management.kelly_lot_sizing.enabled,
    ),
    "ml_active_management.ml_sltp": counts(
        _opened, "positions opened", on=lambda s: s.ml_active_management.ml_sltp.enabled
    ),
    "ml_active_management.partial_close.break_even": counts(
        _intents("modify break_even"), "stops at break-even",
        on=lambda s: s.ml_active_management.partial_close.enabled,
    ),
    "ml_active_management.partial_close": counts(
        _intents("partial"), "partial closes",
        on=lambda s: s.ml_active_management.partial_close.enabled,
    ),
    "ml_active_management.ml_trailing_stop": counts(
        _intents("modify trailing_stop"), "moved stops",
        on=lambda s: s.ml_active_management.ml_trailing_stop.enabled,
    ),
    "ml_active_management.add": counts(
        lambda f: f.intents["add"] + f.denied["add_limit"] + f.denied["add_risk"],
        "additions made or denied", on=lambda s: s.ml_active_management.add.enabled,
    ),
    "ml_active_management.position_as_primary_exit": counts(
        _opened, "positions opened",
        on=lambda s: s.ml_active_management.position_as_primary_exit.enabled,
    ),
    "prop": counts(_props, "bars denied or trades closed", on=_PROP),
    "prop_rules": counts(_props, "bars denied or trades closed", on=_PROP),
    "prediction.gate": counts(_bars, "bars judged"),
    "prediction.min_votes": denies("votes"),
    "prediction.confidence_threshold": denies("confidence", on=_FIXED),
    "prediction.min_probability_diff": denies("probability_gap", on=_FIXED),
    "prediction.quantile.top_share": denies("margin", on=_QUANTILE),
    "prediction.quantile.lookback_days": denies("margin", "gate_lookback", on=_QUANTILE),
    "prediction.quantile.min_filled_share": denies("gate_lookback", on=_QUANTILE),
}  # fmt: skip

_RUN: Mapping[str, Rule] = {
    "symbol": counts(_bars, "bars decided"),
    "account": holds(
        lambda f: f.account, "its risk, lot and symbol hold; its bridge is not asked", "none named"
    ),
    "paper.balance": counts(_bars, "bars decided"),
    "paper.currency": _SIZED,
    "paper.leverage": _SIZED,
    "paper.account_mode": _SIZED,
    "paper.server_timezone": counts(lambda f: f.charged, "deals with swap"),
    "paper.slippage_points": counts(lambda f: f.slipped, "fills off the quote"),
    "paper.seed": counts(
        lambda f: f.slipped + f.generated, "fills off the quote, or a generated market"
    ),
    "paper.m1_inside_bars": _inside,
    "daemon.strategy_id": _SIZED,
    "daemon.act_within_s": elsewhere("the daemon; a backtest acts at once"),
    "daemon.orders.magic_bits": _SIZED,
    "features.groups": counts(_bars, "bars decided"),
    "features.calendar": holds(lambda f: f.calendar, "read", "none"),
    "features.onchain": holds(lambda f: f.onchain, "read", "none"),
    "ensemble_paths": counts(_asked("signal"), "bars with a forecast"),
    "position_paths": counts(_asked("position"), "bars at which the model spoke"),
    "sltp_paths": counts(_asked("sltp"), "bars at which the model spoke"),
    "risk_paths": counts(_asked("risk"), "bars at which the model spoke"),
    "model_compat": counts(_bars, "bars decided"),
    "strategy_params": elsewhere("reading the settings; its values are in the keys they replace"),
    "study.ledger": holds(lambda f: True, "the look and the number of trials", ""),
}

_ELSEWHERE: Mapping[str, Rule] = {
    "bridge": _LIVE,
    "daemon": _LIVE,
    "news": elsewhere("the daemon's feed; a backtest reads a calendar file"),
    "telegram": _CHANNEL,
    "supabase": _CHANNEL,
    "gate": _GATE,
    "weekly": elsewhere("the weekly pipeline"),
    "hub": elsewhere("the hub commands"),
    "labeling": _TRAINED,
    "training": _TRAINED,
    "rf_params": _TRAINED,
    "xgb_params": _TRAINED,
    "lgb_params": _TRAINED,
    "et_params": _TRAINED,
    "position_training": _TRAINED,
    "sltp_training": _TRAINED,
    "risk_training": _TRAINED,
    "study": _TRAINED,
}

RULES: Mapping[str, Rule] = {**_DECISION, **_RUN, **_ELSEWHERE}
