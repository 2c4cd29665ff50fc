"""A prop firm's limits while we trade: stop early, close early, and never risk a breach."""

import math
from dataclasses import dataclass

from market.quick import quick
from trading.decision.guards import local_midnight_ms, lowest_equity, worst_equity
from trading.decision.prop_rules import PropProfile, daily_allowance, highest_floor
from trading.decision.records import DayState, DecisionInput, Denial, OpenTrade, PropState, Side
from trading.decision.settings import DecisionSettings
from trading.decision.times import news_within

_MINUTE_MS = 60_000

# How long before the firm's midnight the next day's floor holds too: the reference jumps to the
# balance then, and a floating loss that was legal before is a breach. A market that closes for the
# weekend does so up to three hours before midnight in Prague.
BEFORE_MIDNIGHT_MS = 180 * _MINUTE_MS


@quick
@dataclass(frozen=True, slots=True)
class Standing:
    """How far the account is from the limit that is broken first; deposit currency.

    `low_equity`: the lowest equity of the firm's day so far, at the bars' worst extremes.
    """

    limit: str
    floor: float
    allowance: float
    low_equity: float

    def reached(self, share: float) -> float:
        """The equity at which this share of the day's allowance above the floor is used."""
        return self.floor + (1 - share) * self.allowance


def standings(now: DecisionInput, settings: DecisionSettings) -> tuple[Standing, ...]:
    """Today's, and shortly before midnight tomorrow's; none where no profile is set.

    `ValueError` where a profile is set and the input has no state of it.
    """
    profile = settings.prop_rules
    if profile is None:
        return ()
    state = _state(now, profile)
    today = _standing(profile, state, lowest_equity(now, state.day, worst_equity(now)))
    at_ms = now.market.close_ms
    midnight_ms = local_midnight_ms(at_ms + BEFORE_MIDNIGHT_MS, profile.zone)
    if midnight_ms <= at_ms:
        return (today,)
    after = tomorrow(state, midnight_ms, now.account.balance, now.account.equity)
    return today, _standing(profile, after, now.account.equity)


def _standing(profile: PropProfile, state: PropState, low_equity: float) -> Standing:
    limit, floor = highest_floor(profile, state)
    return Standing(limit, floor, daily_allowance(profile.daily, state), low_equity)


def tomorrow(state: PropState, midnight_ms: int, balance: float, equity: float) -> PropState:
    """The state that midnight would freeze if balance and equity stayed until then."""
    return PropState(
        DayState(midnight_ms, balance, equity), state.initial_balance,
        max(state.highest_midnight_balance, balance), state.days_traded, state.best_day_profit,
        state.total_profit,
    )  # fmt: skip


def denials(now: DecisionInput, settings: DecisionSettings) -> tuple[Denial, ...]:
    """Soft stop, news and long breaks: what speaks against an entry."""
    found = (soft_stop(now, settings), news(now, settings), before_break(now, settings))
    return tuple([denial for denial in found if denial])


def soft_stop(now: DecisionInput, settings: DecisionSettings) -> Denial | None:
    """No entry once `soft_stop_share` of the allowance is used, until the firm's next midnight."""
    for stands in standings(now, settings):
        line = stands.reached(settings.prop.soft_stop_share)
        if stands.low_equity <= line:
            limit = f"above {line:.2f} ({stands.limit} limit)"
            return Denial("prop_soft_stop", stands.low_equity, limit)
    return None


def news(now: DecisionInput, settings: DecisionSettings) -> Denial | None:
    """The firm's news window, in the phases that have one."""
    profile = settings.prop_rules
    rule = profile.phase(settings.prop.phase).news if profile else None
    return news_within("prop_news", rule.minutes, now, settings) if rule else None


def before_break(now: DecisionInput, settings: DecisionSettings) -> Denial | None:
    """No entry shortly before a close of two hours or more, where the firm wants it flat."""
    profile = settings.prop_rules
    rule = profile.phase(settings.prop.phase).weekend if profile else None
    minutes = _minutes_to_break(now)
    if rule is None or minutes is None or minutes > rule.no_entry_minutes:
        return None
    return Denial(
        "prop_break", f"closes in {minutes:g} min", f"more than {rule.no_entry_minutes} min"
    )


def must_be_flat(now: DecisionInput, settings: DecisionSettings) -> str:
    """Why every own trade is to be closed now; empty where nothing says so."""
    profile = settings.prop_rules
    if profile is None:
        return ""
    for stands in standings(now, settings):
        if stands.low_equity <= stands.reached(settings.prop.flatten_share):
            return f"prop_{stands.limit}_loss"
    rule, minutes = profile.phase(settings.prop.phase).weekend, _minutes_to_break(now)
    if rule is not None and minutes is not None and minutes <= rule.flat_minutes:
        return "prop_break"
    return ""


def flat_line(state: PropState, settings: DecisionSettings) -> float:
    """The lowest equity of the day at or below which `must_be_flat`, breaks aside; −inf where no
    profile is set. `BEFORE_MIDNIGHT_MS` before midnight that of `tomorrow` counts too."""
    profile = settings.prop_rules
    if profile is None:
        return -math.inf
    return _standing(profile, state, math.nan).reached(settings.prop.flatten_share)


def pre_trade(
    volume_lots: float, sl_distance: float, now: DecisionInput, settings: DecisionSettings
) -> Denial | None:
    """Whether a limit would be broken if this order and every open stop filled with slippage.

    Stops are taken `gap_factor` times as far away as they are. Equity after that must stay above
    the highest floor by `buffer_share` of the allowance. Swap to come is not known and not in it.
    """
    all_stands = standings(now, settings)
    if not all_stands:
        return None
    if any(trade.sl == 0 for trade in now.open_trades):
        return Denial("prop_pre_trade", "a trade without a stop", "a stop on every trade")
    left = now.account.equity - _lost_at_all_stops(volume_lots, sl_distance, now, settings)
    for stands in all_stands:
        needed = stands.floor + settings.prop.buffer_share * stands.allowance
        if left <= needed:
            return Denial("prop_pre_trade", left, f"above {needed:.2f} ({stands.limit} limit)")
    return None


def _lost_at_all_stops(
    volume_lots: float, sl_distance: float, now: DecisionInput, settings: DecisionSettings
) -> float:
    """What equity loses if this order and every open stop fill with slippage."""
    gap, commission = settings.prop.gap_factor, now.instrument.commission_per_lot
    new = volume_lots * (_worth(sl_distance, now) * gap + 2 * commission)
    return new + sum(_to_stop(trade, now, gap) for trade in now.open_trades)


def _to_stop(trade: OpenTrade, now: DecisionInput, gap_factor: float) -> float:
    """What equity loses from here if the trade's stop fills with slippage; commission included."""
    exit_price = now.quote.bid if trade.side is Side.BUY else now.quote.ask
    way = max(0.0, (exit_price - trade.sl) * trade.side)
    return trade.volume_lots * (_worth(way, now) * gap_factor + now.instrument.commission_per_lot)


def _worth(distance: float, now: DecisionInput) -> float:
    """Deposit currency per lot of a distance in price units."""
    return distance / now.instrument.tick_size * now.instrument.tick_value


def _minutes_to_break(now: DecisionInput) -> float | None:
    return (now.break_ms - now.market.close_ms) / _MINUTE_MS if now.break_ms else None


def _state(now: DecisionInput, profile: PropProfile) -> PropState:
    if now.guard is None or now.guard.prop is None:
        raise ValueError(f"prop: the day's state is needed for {profile.product}, none came")
    return now.guard.prop
