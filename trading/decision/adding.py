"""One more position beside a winning trade, inside the risk that was set for one trade."""

from collections.abc import Collection

from trading.decision import exits, prop_guard
from trading.decision.management import Managed
from trading.decision.records import Add, DecisionInput, Denial, HeldTrade, Modify, OpenTrade
from trading.decision.settings import DecisionSettings
from trading.decision.sizing import loss_per_lot, sized_volume
from trading.decision.stops import stop_distances

# What the signal says of a new entry is not asked of an addition; everything else is.
_OF_A_NEW_ENTRY = frozenset({
    "gate_lookback", "votes", "margin", "confidence", "probability_gap", "ema_trend",
    "adx_regime", "max_open_positions",
})  # fmt: skip


def addition(
    now: DecisionInput,
    settings: DecisionSettings,
    refused: Collection[Denial],
    managed: Collection[Managed],
) -> Add | Denial | None:
    """An Add, the reason against the one that the model wants, or None where it wants none.

    `refused`: what speaks against a new entry; `managed`: what this bar does with open trades.
    """
    if not settings.ml_active_management.add.enabled or not now.held:
        return None
    if any(denial.rule not in _OF_A_NEW_ENTRY for denial in refused):
        return None
    busy = {each.position_id for each in managed if not isinstance(each, Modify)}
    for trade, held in zip(now.open_trades, now.held, strict=True):
        if trade.position_id not in busy and wants_more(trade, held, now, settings):
            return _sized(trade, now, settings)
    return None


def wants_more(
    trade: OpenTrade, held: HeldTrade, now: DecisionInput, settings: DecisionSettings
) -> bool:
    """The position model's ADD, clear enough, on a trade that is far enough ahead."""
    rule, said = settings.ml_active_management.add, held.forecast
    clear = settings.position_optimization
    if said is None or held.bars_held < clear.min_bars_held:
        return False
    return (
        exits.has_majority(said, exits.ADD)
        and said.p_add >= rule.threshold
        and said.p_add - max(said.p_hold, said.p_exit) >= clear.min_prob_diff
        and exits.profit_atr(trade, held, now) >= rule.min_profit_atr
    )


def _sized(trade: OpenTrade, now: DecisionInput, settings: DecisionSettings) -> Add | Denial:
    most = settings.max_open_positions + settings.ml_active_management.add.max_adds
    if len(now.open_trades) >= most:
        return Denial("add_limit", len(now.open_trades), most)
    sl_distance, tp_distance = stop_distances(trade.side, now, settings)
    if any(each.sl == 0 for each in now.open_trades):
        return Denial("add_risk", "a trade without a stop", "a stop on every trade")
    budget = risk_budget(now, settings)
    left = budget - sum(open_risk(each, now) for each in now.open_trades)
    if left <= 0:
        return Denial("add_risk", budget - left, budget)
    volume = sized_volume(left / loss_per_lot(sl_distance, now.instrument), now, settings)
    if isinstance(volume, Denial):
        return Denial(f"add_{volume.rule}", volume.observed, volume.limit)
    breach = prop_guard.pre_trade(volume, sl_distance, now, settings)
    if breach:
        return breach
    return Add(trade.position_id, trade.side, volume, sl_distance, tp_distance, left)


def risk_budget(now: DecisionInput, settings: DecisionSettings) -> float:
    """What all own trades together may lose at their stops, deposit currency.

    `risk_percent` of equity, under the risk model's multiplier and, where Kelly sizing is on, at
    most `max_kelly_fraction` of it: what one entry could have risked.
    """
    kelly = settings.ml_active_management.kelly_lot_sizing
    share = now.risk_multiplier if settings.risk_model.enabled else 1.0
    share *= kelly.max_kelly_fraction if kelly.enabled else 1.0
    return now.account.equity * settings.risk_percent / 100 * min(share, 1.0)


def open_risk(trade: OpenTrade, now: DecisionInput) -> float:
    """What a trade would lose from its open price at its stop; 0 where the stop is past it."""
    way = (trade.price_open - trade.sl) * trade.side
    return max(0.0, trade.volume_lots * loss_per_lot(way, now.instrument))
