"""Reasons against an entry that the account's day, week and last trades give.

Losses are judged on the lowest equity so far, so that a limit once reached holds until the day or
the week is over, whatever the market does afterwards.
"""

from trading.decision.guards import lowest_equity, worst_equity
from trading.decision.records import DecisionInput, Denial, GuardState
from trading.decision.settings import DecisionSettings


def denials(
    now: DecisionInput, guard: GuardState, settings: DecisionSettings
) -> tuple[Denial, ...]:
    """Every one of this module's rules that speaks against an entry, in fixed order."""
    worst = worst_equity(now) if now.open_trades else now.account.equity
    found = (
        daily_loss(guard, lowest_equity(now, guard.day, worst), settings.max_daily_loss_pct),
        weekly_drawdown(
            guard, lowest_equity(now, guard.week, worst), settings.max_weekly_drawdown_pct
        ),
        max_trades_per_day(guard, settings.max_trades_per_day),
        equity_curve(now, guard, settings),
    )
    return tuple([denial for denial in found if denial])


def daily_loss(guard: GuardState, low: float, limit_pct: float) -> Denial | None:
    """The day's loss in percent of the equity that was left (the seeds' rule, 16.1).

    `low`: the day's lowest equity so far.
    """
    if not limit_pct:
        return None
    loss_pct = _pct(guard.day.start_equity - low, low)
    return Denial("daily_loss", loss_pct, limit_pct) if loss_pct >= limit_pct else None


def weekly_drawdown(guard: GuardState, low: float, limit_pct: float) -> Denial | None:
    """The week's loss in percent of the equity it began with; `low`: its lowest so far."""
    if not limit_pct:
        return None
    start = guard.week.start_equity
    drop_pct = _pct(start - low, start)
    return Denial("weekly_drawdown", drop_pct, limit_pct) if drop_pct >= limit_pct else None


def max_trades_per_day(guard: GuardState, limit: int) -> Denial | None:
    if not limit or guard.trades_today < limit:
        return None
    return Denial("max_trades_per_day", guard.trades_today, limit)


def equity_curve(
    now: DecisionInput, guard: GuardState, settings: DecisionSettings
) -> Denial | None:
    """What the last trades lost together, in percent of equity (the seeds' rule, 16.2).

    It holds until a person changes something: without entries there are no new trades.
    """
    rule = settings.equity_curve_filter
    if not rule.enabled:
        return None
    lost_pct = _pct(-sum(guard.recent_net[-rule.lookback_trades :]), now.account.equity)
    if lost_pct < rule.max_drawdown_pct:
        return None
    return Denial("equity_curve", lost_pct, rule.max_drawdown_pct)


def _pct(loss: float, base: float) -> float:
    """A loss in percent; 100 where nothing is left to measure it by."""
    return loss / base * 100 if base > 0 else 100.0
