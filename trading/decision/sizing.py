"""How far the stops, how large the position. Distances are whole ticks in price units."""

from market.rounding import ceil_ticks, floor_volume, price_ticks, tick_price
from trading.decision.records import DecisionInput, Denial, Enter, InstrumentView, Side
from trading.decision.settings import DecisionSettings


def entry(side: Side, now: DecisionInput, settings: DecisionSettings) -> Enter | Denial:
    """The entry that risks `risk_percent` of equity at its stop, or why there is none."""
    sl_distance, tp_distance = stop_distances(now, settings)
    risk_money = now.account.equity * settings.risk_percent / 100
    wanted = risk_money / loss_per_lot(sl_distance, now.instrument)
    volume = rounded_volume(wanted, settings.max_lot, now.instrument)
    if volume < now.instrument.volume_min:
        return Denial("risk_too_small", wanted, now.instrument.volume_min)
    margin = volume * now.instrument.margin_per_lot
    if margin > now.account.margin_free:
        return Denial("margin_free", now.account.margin_free, margin)
    return Enter(side, volume, sl_distance, tp_distance, risk_money)


def stop_distances(now: DecisionInput, settings: DecisionSettings) -> tuple[float, float]:
    """(stop, target) distances from the fill side of the quote, in price units on the tick grid.

    Multiples of ATR, raised to what the venue demands (bridge semantics B7): it measures from the
    closing side, so a stop needs its stops level and the spread, a target the stops level less
    the spread, and each at least a tick.
    """
    instrument, stops = now.instrument, settings.dynamic_sltp
    tick = instrument.tick_size
    spread = price_ticks(now.quote.ask, tick) - price_ticks(now.quote.bid, tick)
    level_points = instrument.stops_level_points
    level = ceil_ticks(level_points * instrument.point, tick) if level_points else 0
    sl = ceil_ticks(stops.sl_atr_multiplier * now.market.atr, tick)
    tp = ceil_ticks(stops.tp_atr_multiplier * now.market.atr, tick)
    sl, tp = max(sl, spread + max(level, 1)), max(tp, level - spread, 1)
    return tick_price(sl, tick), tick_price(tp, tick)


def loss_per_lot(sl_distance: float, instrument: InstrumentView) -> float:
    """Deposit currency lost per lot at the stop, with commission on both sides."""
    at_stop = sl_distance / instrument.tick_size * instrument.tick_value
    return at_stop + 2 * instrument.commission_per_lot


def rounded_volume(wanted_lots: float, max_lot: float, instrument: InstrumentView) -> float:
    """Wanted lots, capped and floored to the step. May be below `volume_min`; never rounds up."""
    capped = min(wanted_lots, max_lot, instrument.volume_max)
    return floor_volume(capped, instrument.volume_step)
