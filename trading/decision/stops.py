"""How far stop and target are. Distances are whole ticks in price units."""

from market.rounding import ceil_ticks, floor_ticks, price_ticks, tick_price
from trading.decision.records import DecisionInput, InstrumentView, Side
from trading.decision.settings import DecisionSettings


def stop_distances(
    side: Side, now: DecisionInput, settings: DecisionSettings
) -> tuple[float, float]:
    """(stop, target) distances from the fill side of the quote, in price units on the tick grid.

    Multiples of ATR, raised to what the venue demands (bridge semantics B7): it measures from the
    closing side, so a stop needs its stops level and the spread, a target the stops level less
    the spread, and each at least a tick. The model's stop is drawn in to `max_risk_pct` first,
    and its target stays beyond its stop.
    """
    instrument = now.instrument
    tick = instrument.tick_size
    spread = price_ticks(now.quote.ask, tick) - price_ticks(now.quote.bid, tick)
    level = stops_level_ticks(instrument)
    sl_multiple, tp_multiple = multiples(side, now, settings)
    sl = ceil_ticks(sl_multiple * now.market.atr, tick)
    tp = ceil_ticks(tp_multiple * now.market.atr, tick)
    by_model = is_by_model(now, settings)
    if by_model:
        sl = min(sl, _affordable_ticks(now, settings.dynamic_sltp.max_risk_pct))
    sl, tp = max(sl, spread + (level or 1)), max(tp, level - spread, 1)
    if by_model:
        tp = max(tp, sl + 1)
    return tick_price(sl, tick), tick_price(tp, tick)


def multiples(side: Side, now: DecisionInput, settings: DecisionSettings) -> tuple[float, float]:
    """(stop, target) as multiples of ATR(14): primary exit's net, the model's, or the static ones.

    `ml_sltp` then scales either by the confidence c above the threshold t, with
    n = (c − t) / (1 − t) in 0–1: stop · (1 − n · sl_adjust), target · (1 + n · tp_adjust).
    """
    management = settings.ml_active_management
    if management.position_as_primary_exit.enabled:
        net = management.position_as_primary_exit
        return net.catastrophic_sl_atr_mult, net.emergency_tp_atr_mult
    static = settings.dynamic_sltp
    sl, tp = static.sl_atr_multiplier, static.tp_atr_multiplier
    if static.use_model and now.stops is not None:
        sl, tp = now.stops.sl_multiplier, now.stops.tp_multiplier
    scaled = management.ml_sltp
    if scaled.enabled:
        above = _above_threshold(side, now, settings)
        sl *= 1 - above * scaled.confidence_sl_adjust
        tp *= 1 + above * scaled.confidence_tp_adjust
    return sl, tp


def is_by_model(now: DecisionInput, settings: DecisionSettings) -> bool:
    """Whether an entry's stops are the SL/TP model's."""
    return (
        settings.dynamic_sltp.use_model
        and now.stops is not None
        and not settings.ml_active_management.position_as_primary_exit.enabled
    )


def side_probability(side: Side, now: DecisionInput) -> float:
    """The calibrated probability of a side; 0 without a forecast."""
    if now.forecast is None:
        return 0.0
    return now.forecast.p_buy if side is Side.BUY else now.forecast.p_sell


def stops_level_ticks(instrument: InstrumentView) -> int:
    """The venue's smallest distance of a stop from the price it would fill at, in ticks."""
    points = instrument.stops_level_points
    return ceil_ticks(points * instrument.point, instrument.tick_size) if points else 0


def _above_threshold(side: Side, now: DecisionInput, settings: DecisionSettings) -> float:
    threshold = settings.prediction.confidence_threshold
    if threshold >= 1:
        return 0.0
    above = (side_probability(side, now) - threshold) / (1 - threshold)
    return min(max(above, 0.0), 1.0)


def _affordable_ticks(now: DecisionInput, max_risk_pct: float) -> int:
    """The widest stop at which the smallest lot loses `max_risk_pct` of equity; at least a tick."""
    i = now.instrument
    risk_money = now.account.equity * max_risk_pct / 100
    per_lot = risk_money / i.volume_min - 2 * i.commission_per_lot
    return max(floor_ticks(per_lot / i.tick_value * i.tick_size, i.tick_size), 1)
