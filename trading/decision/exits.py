"""What may be done with one open trade: close it, close a part, move its stop. One rule each.

Stops only ever move in the trade's favour. Distances are counted in ticks along the trade: a
larger `along` is better for a long and for a short.
"""

from market.rounding import ceil_ticks, floor_volume, price_ticks, tick_price
from trading.decision.management_settings import MlTrailingStop
from trading.decision.records import (
    Close,
    DecisionInput,
    ExitForecast,
    HeldTrade,
    Modify,
    OpenTrade,
    Partial,
    Side,
)
from trading.decision.settings import DecisionSettings
from trading.decision.stops import stops_level_ticks

EXIT, ADD = 1, 2  # the position model's classes; 0 is HOLD


def position_exit(trade: OpenTrade, held: HeldTrade, settings: DecisionSettings) -> Close | None:
    """The position model's EXIT, where most of its models say so and clearly enough."""
    rule = settings.position_optimization
    if not settings.ml_active_management.enabled or held.forecast is None:
        return None
    if held.bars_held < rule.min_bars_held or not has_majority(held.forecast, EXIT):
        return None
    said = held.forecast
    clear = said.p_exit - max(said.p_hold, said.p_add) >= rule.min_prob_diff
    sure = said.p_exit >= rule.exit_threshold
    return Close(trade.position_id, "position_exit") if sure and clear else None


def partial_close(
    trade: OpenTrade, held: HeldTrade, now: DecisionInput, settings: DecisionSettings
) -> Partial | None:
    """A share of the volume, once, from `at_profit_atr` on; None where a part is too small."""
    rule = settings.ml_active_management.partial_close
    if not rule.enabled or is_part_closed(trade, held, now):
        return None
    if not profit_atr(trade, held, now) >= rule.at_profit_atr:
        return None  # nor where the ATR of the entry is not known
    instrument = now.instrument
    volume = floor_volume(trade.volume_lots * rule.close_share, instrument.volume_step)
    rest = trade.volume_lots - volume + instrument.volume_step / 2
    if min(volume, rest) < instrument.volume_min:
        return None
    return Partial(trade.position_id, volume, "partial_close")


def break_even(trade: OpenTrade, now: DecisionInput) -> Modify | None:
    """The stop where the trade has paid its commission; None where it is there or cannot be yet."""
    i = now.instrument
    cost = ceil_ticks(2 * i.commission_per_lot / i.tick_value * i.tick_size, i.tick_size)
    along = _along(trade, trade.price_open, i.tick_size) + cost
    if along > _nearest(trade, now):
        return None
    return _advanced(trade, along, 1, i.tick_size, "break_even")


def trailing_stop(
    trade: OpenTrade, held: HeldTrade, now: DecisionInput, settings: DecisionSettings
) -> Modify | None:
    """The stop behind the best price, once the trade was `min_profit_atr` × ATR ahead."""
    rule, atr = settings.ml_active_management.ml_trailing_stop, now.market.atr
    if not rule.enabled or not atr > 0:
        return None
    tick = now.instrument.tick_size
    ahead = (held.best_price - trade.price_open) * trade.side
    if not ahead >= rule.min_profit_atr * held.atr_entry:
        return None  # nor where the trade's past is not known
    behind = ceil_ticks(trail_multiple(trade.side, now, rule) * atr, tick)
    step = ceil_ticks(rule.min_step_atr * atr, tick)
    along = min(_along(trade, held.best_price, tick) - behind, _nearest(trade, now))
    return _advanced(trade, along, max(step, 1), tick, "trailing_stop")


def trail_multiple(side: Side, now: DecisionInput, rule: MlTrailingStop) -> float:
    """base · (1 + low_confidence_widen · (1 − c) + momentum_decay_widen · m).

    c: the signal's probability of the trade's side over that of both sides, 0.5 without a
    forecast. m: `momentum_decay` against the trade, 0–1, 0 where it is not known.
    """
    forecast, confidence = now.forecast, 0.5
    if forecast is not None and forecast.p_buy + forecast.p_sell > 0:
        mine = forecast.p_buy if side is Side.BUY else forecast.p_sell
        confidence = mine / (forecast.p_buy + forecast.p_sell)
    against = -side * now.market.momentum_decay
    adverse = min(against, 1.0) if against > 0 else 0.0  # NaN is not above 0
    widened = rule.low_confidence_widen * (1 - confidence) + rule.momentum_decay_widen * adverse
    return rule.base_trail_atr_mult * (1 + widened)


def profit_atr(trade: OpenTrade, held: HeldTrade, now: DecisionInput) -> float:
    """How far the trade is ahead at the price it would leave at, in ATR of its entry."""
    price = now.quote.bid if trade.side is Side.BUY else now.quote.ask
    return (price - trade.price_open) * trade.side / held.atr_entry


def is_part_closed(trade: OpenTrade, held: HeldTrade, now: DecisionInput) -> bool:
    return trade.volume_lots < held.entry_volume_lots - now.instrument.volume_step / 2


def has_majority(said: ExitForecast, wanted: int) -> bool:
    return 2 * said.votes.count(wanted) > len(said.votes)


def _advanced(
    trade: OpenTrade, along: int, least_step: int, tick_size: float, reason: str
) -> Modify | None:
    """The stop at `along`, if that is at least so many ticks better than where it is."""
    if trade.sl and along < _along(trade, trade.sl, tick_size) + least_step:
        return None
    return Modify(trade.position_id, tick_price(along * trade.side, tick_size), trade.tp, reason)


def _nearest(trade: OpenTrade, now: DecisionInput) -> int:
    """The best stop that the venue allows at this quote."""
    price = now.quote.bid if trade.side is Side.BUY else now.quote.ask
    level = max(stops_level_ticks(now.instrument), 1)
    return _along(trade, price, now.instrument.tick_size) - level


def _along(trade: OpenTrade, price: float, tick_size: float) -> int:
    return price_ticks(price, tick_size) * trade.side
