"""How large a position is: the configured risk, never more, scaled down by the models."""

import math
from dataclasses import dataclass

from market.quick import quick
from market.rounding import floor_volume
from trading.decision.records import DecisionInput, Denial, Enter, InstrumentView, Side
from trading.decision.settings import DecisionSettings
from trading.decision.stops import side_probability, stop_distances


@quick
@dataclass(frozen=True, slots=True)
class Risk:
    """What an entry may lose at its stop, in percent of equity; the raw Kelly fraction beside it.

    `kelly` is NaN where Kelly sizing is off.
    """

    pct: float
    kelly: float


def entry(side: Side, now: DecisionInput, settings: DecisionSettings) -> Enter | Denial:
    """The entry that risks the effective share of equity at its stop, or why there is none."""
    sl_distance, tp_distance = stop_distances(side, now, settings)
    risk = effective_risk(side, sl_distance, tp_distance, now, settings)
    if isinstance(risk, Denial):
        return risk
    risk_money = now.account.equity * risk.pct / 100
    wanted = risk_money / loss_per_lot(sl_distance, now.instrument)
    volume = sized_volume(wanted, now, settings)
    if isinstance(volume, Denial):
        return volume
    return Enter(
        side, volume, sl_distance, tp_distance, risk_money, risk.pct, risk.kelly, wanted
    )  # fmt: skip


def effective_risk(
    side: Side, sl_distance: float, tp_distance: float, now: DecisionInput,
    settings: DecisionSettings,
) -> Risk | Denial:  # fmt: skip
    """`risk_percent` × min(kelly, `max_kelly_fraction`) × the risk model's multiplier.

    Never above `risk_percent`. kelly = p − (1 − p) / b (Kelly 1956): p the calibrated probability
    of the side, b what the target pays over what the stop costs. A Kelly fraction of 0 or less is
    a Denial.
    """
    kelly = settings.ml_active_management.kelly_lot_sizing
    multiplier = now.risk_multiplier if settings.risk_model.enabled else 1.0
    if not kelly.enabled:
        return Risk(settings.risk_percent * min(multiplier, 1.0), math.nan)
    fraction = kelly_fraction(side_probability(side, now), sl_distance, tp_distance, now.instrument)
    if not fraction > 0:
        return Denial("kelly", fraction, "above 0")
    share = min(fraction, kelly.max_kelly_fraction) * multiplier
    return Risk(settings.risk_percent * min(share, 1.0), fraction)


def kelly_fraction(
    p: float, sl_distance: float, tp_distance: float, instrument: InstrumentView
) -> float:
    """p − (1 − p) / b; −1 where costs eat the target.

    Distances count from the fill side, and exits fill on the other one: the spread is in them.
    Commission of both sides is taken off the gain and added to the loss.
    """
    gain = gain_per_lot(tp_distance, instrument)
    if gain <= 0:
        return -1.0
    return p - (1 - p) * loss_per_lot(sl_distance, instrument) / gain


def loss_per_lot(sl_distance: float, instrument: InstrumentView) -> float:
    """Deposit currency lost per lot at the stop, with commission on both sides."""
    at_stop = sl_distance / instrument.tick_size * instrument.tick_value
    return at_stop + 2 * instrument.commission_per_lot


def gain_per_lot(tp_distance: float, instrument: InstrumentView) -> float:
    """Deposit currency gained per lot at the target, after commission on both sides."""
    at_target = tp_distance / instrument.tick_size * instrument.tick_value
    return at_target - 2 * instrument.commission_per_lot


def sized_volume(
    wanted_lots: float, now: DecisionInput, settings: DecisionSettings
) -> float | Denial:
    """Wanted lots under every cap, floored to the step; never rounded up to the smallest lot."""
    instrument, rules = now.instrument, settings.risk_management
    least = instrument.volume_min
    volume = rounded_volume(wanted_lots, settings.max_lot, instrument)
    if volume < least:
        return Denial("risk_too_small", wanted_lots, least)
    margin = instrument.margin_per_lot
    free = now.account.margin_free * rules.max_margin_share
    if volume * margin > free:
        volume = floor_volume(max(free, 0.0) / margin, instrument.volume_step)
        if volume < least:
            return Denial("margin_free", free, least * margin)
    worth = now.quote.ask / instrument.tick_size * instrument.tick_value
    most = now.account.equity * rules.max_leverage
    if volume * worth > most:
        volume = floor_volume(max(most, 0.0) / worth, instrument.volume_step)
        if volume < least:
            return Denial("max_leverage", least * worth / now.account.equity, rules.max_leverage)
    return volume


def rounded_volume(wanted_lots: float, max_lot: float, instrument: InstrumentView) -> float:
    """Wanted lots, capped and floored to the step. May be below `volume_min`; never rounds up."""
    capped = min(wanted_lots, max_lot, instrument.volume_max)
    return floor_volume(capped, instrument.volume_step)
