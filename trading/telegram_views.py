"""What commands show, as short HTML. Pure functions of the board's record and journal reads.

Nothing here asks the broker. Times are in the settings' zone, money in deposit currency.
"""

import math
from datetime import UTC, datetime, timedelta
from html import escape

from broker.contract.constants import PositionType
from broker.contract.messages import Position
from market.calendar import Impact
from market.local_days import LocalPeriods
from trading.day_figures import latency, own_trades, traded
from trading.decision.gate import RULES as GATE_RULES
from trading.decision.guards import lowest_equity, worst_equity
from trading.decision.records import Denial
from trading.journal_reads import JournalReads
from trading.status_board import Status
from trading.telegram_text import Style, duration
from trading.why import bar_story

_DAY_MS = 86_400_000
_NEWS_AHEAD = 6
_EVER_MS = 1 << 62
_NOTHING_YET = "nothing is known yet: the first look at the broker is still to come"


def status(now: Status, style: Style) -> str:
    if now.account is None:
        return f"<b>{now.phase}</b>\n{_NOTHING_YET}"
    account, head = now.account, "entries halted" if now.halts else now.phase
    lines = [
        f"<b>{head}</b> {escape(now.symbol)} · {style.time(now.looked_ms)} {style.zone.key}",
        f"equity {account.equity:,.2f} {escape(account.currency)} · balance {account.balance:,.2f}",
        f"day {now.day_profit:+,.2f} · open {len(now.positions)} ({_open_profit(now):+,.2f})",
    ]
    lines += [f"⚠️ {escape(each)}" for each in (*now.halts, now.trouble) if each]
    if now.input is not None and now.decision is not None:
        market = now.input.market
        refused = ", ".join(each.rule for each in now.decision.denials)
        did = f"no entry: {refused}" if refused else "entered"
        lines.append(
            f"bar {style.time(market.close_ms)} at {style.price(market.close)} · margin "
            f"{now.margin:.3f}, floor {market.margin_floor:.3f} · {escape(did)}"
        )
    return "\n".join(lines)


def positions(now: Status, style: Style) -> str:
    if not now.positions:
        return "no position of ours is open" if now.account else _NOTHING_YET
    return "\n\n".join(_position(each, now.looked_ms, style) for each in now.positions)


def pnl(now: Status, journal: JournalReads, style: Style, *, strategy_id: int) -> str:
    trades = own_trades(journal, strategy_id=strategy_id, symbol=now.symbol)
    at_ms = now.looked_ms
    zone = style.zone.key
    spans = (
        ("today", LocalPeriods(zone).start_ms(at_ms)),
        ("week", LocalPeriods(zone, weeks=True).start_ms(at_ms)),
        ("30 days", at_ms - 30 * _DAY_MS),
        ("all", 0),
    )
    lines = []
    for name, from_ms in spans:
        did = traded(trades, from_ms, _EVER_MS)
        won = f", {did.won / did.count:.0%} won" if did.count else ""
        lines.append(f"{name}: <b>{did.net:+,.2f}</b> · {did.count} trades{won}")
    lines.append(f"open now: {_open_profit(now):+,.2f}")
    return "\n".join(lines)


def latency_text(now: Status, journal: JournalReads) -> str:
    to_ms = now.looked_ms + 1
    day = latency(journal.decision_times_between(now.symbol, to_ms - _DAY_MS, to_ms))
    orders = latency(journal.order_times_ms())
    lines = ["no bar was decided in the last 24 h"]
    if day.count:
        lines = [
            f"decisions, last 24 h ({day.count}): median {day.p50_ms:.1f} ms, "
            f"p99 {day.p99_ms:.1f} ms, longest {day.longest_ms:.1f} ms"
        ]
    if orders.count:
        lines.append(
            f"orders, last {orders.count}: median {orders.p50_ms:.0f} ms, "
            f"longest {orders.longest_ms:.0f} ms to the answer"
        )
    return "\n".join(lines)


def risk(now: Status) -> str:
    if now.input is None or now.settings is None:
        return _NOTHING_YET
    seen, rules, account = now.input, now.settings, now.input.account
    lines = [
        f"risk {rules.risk_percent:g} % a trade · multiplier {seen.risk_multiplier:.2f}",
        f"losses in a row {seen.recent_losses} of {rules.circuit_breaker.max_consecutive_losses}",
        f"at the stops {_at_the_stops(now):+,.2f} on equity {account.equity:,.2f}",
    ]
    if seen.guard is not None:
        guard, worst = seen.guard, worst_equity(seen)
        low = lowest_equity(seen, guard.day, worst)
        week_low = lowest_equity(seen, guard.week, worst)
        lines += [
            f"day: lowest {_pct(low - guard.day.start_equity, low)}, "
            f"stops at −{rules.max_daily_loss_pct:g} %",
            f"week: lowest {_pct(week_low - guard.week.start_equity, guard.week.start_equity)}, "
            f"stops at −{rules.max_weekly_drawdown_pct:g} %",
            f"trades opened today {guard.trades_today}",
        ]
    refused = now.decision.denials if now.decision else ()
    lines += [f"refused by {_denial(each)}" for each in refused if each.rule not in GATE_RULES]
    return "\n".join(lines)


def news(now: Status, style: Style) -> str:
    known = now.calendar
    if known is None:
        return _NOTHING_YET
    events = known.events.known_at(now.looked_ms)
    lines = [f"⚠️ {escape(each)}" for each in (known.unknown, known.trouble) if each]
    if known.refreshed_ms:
        lines.append(f"feed read {style.time(known.refreshed_ms)}")
    first = int(events.time_ms.searchsorted(now.looked_ms))
    for i in range(first, len(events)):
        if events.impact[i] >= 2:
            at_ms = int(events.time_ms[i])
            level = "high" if events.impact[i] >= Impact.HIGH else "medium"
            lines.append(
                f"{style.time(at_ms)} (in {duration(at_ms - now.looked_ms)}) "
                f"{events.currency[i]} {level}: {escape(str(events.title[i]))}"
            )
        if len(lines) > _NEWS_AHEAD:
            break
    return "\n".join(lines) or "no release of medium or high impact is scheduled"


def why(journal: JournalReads, instant_ms: int, style: Style) -> str:
    story = bar_story(journal, instant_ms)
    lines = [f"the bar that closed {style.time(story.close_ms)}:"]
    lines += [escape(each) for each in story.asked]
    lines += [_denial(each) for each in story.denials]
    if story.missed:
        lines.append(escape(story.missed))
    return "\n".join(lines)


def health(now: Status, style: Style, waiting: int) -> str:
    """`waiting`: messages that are not delivered yet."""
    lines = [f"<b>{now.phase}</b> · last look {style.time(now.looked_ms)} {style.zone.key}"]
    lines += [f"⚠️ {escape(each)}" for each in (*now.halts, now.trouble) if each]
    if len(lines) == 1:
        lines.append("bridge and account are fit for entries")
    if now.input is not None:
        lines += [f"unsettled: {escape(each)}" for each in now.input.unsettled]
        lines.append(f"session {'open' if now.input.session_open else 'closed'}")
    lines.append(f"{now.decided} bars decided, the last in {now.decision_ms:.1f} ms")
    lines += [f"{kind} model {sha[:12]}" for kind, sha in now.models.items()]
    lines.append(f"{waiting} messages wait to be sent")
    return "\n".join(lines)


def instant_of(text: str, now_ms: int, style: Style) -> int:
    """`14:00` (the last one), or an ISO date and time; in the settings' zone where none is named.

    Raises `ValueError` with what is allowed.
    """
    local = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(style.zone)
    try:
        if len(text) <= 5:
            at = datetime.strptime(text, "%H:%M")  # noqa: DTZ007
            then = local.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)
            then -= timedelta(days=1) if then > local else timedelta(0)
        else:
            then = datetime.fromisoformat(text)
            then = then if then.tzinfo else then.replace(tzinfo=style.zone)
    except ValueError:
        raise ValueError("a time such as 14:00 or 2025-09-01T14:00 is allowed") from None
    return round(then.timestamp() * 1000)


def _position(position: Position, now_ms: int, style: Style) -> str:
    side = "▲ BUY" if position.type == PositionType.BUY else "▼ SELL"
    levels = " · ".join(
        f"{name} {style.price(value)}"
        for name, value in (("stop", position.sl), ("target", position.tp))
        if value
    )
    return (
        f"<b>{side} {position.volume:g} {escape(position.symbol)} "
        f"{position.profit + position.swap:+,.2f}</b>\n"
        f"{style.price(position.price_open)} → {style.price(position.price_current)} · "
        f"{duration(now_ms - position.time_msc)}\n{levels or 'no stop, no target'}\n"
        f"/close_{position.identifier}"
    )


def _open_profit(now: Status) -> float:
    return math.fsum(each.profit + each.swap for each in now.positions)


def _at_the_stops(now: Status) -> float:
    """What open positions make from here if every stop fills at its price."""
    if now.input is None:
        return 0.0
    terms = now.input.instrument
    total = 0.0
    for each in now.positions:
        if each.sl:
            way = each.sl - each.price_current
            sign = 1 if each.type == PositionType.BUY else -1
            total += sign * way / terms.tick_size * terms.tick_value * each.volume
    return total


def _denial(denial: Denial) -> str:
    return f"{escape(denial.rule)}: {_value(denial.observed)}, limit {_value(denial.limit)}"


def _value(value: float | str) -> str:
    return f"{value:.4g}" if isinstance(value, float) else escape(str(value))


def _pct(change: float, base: float) -> str:
    return f"{100 * change / base:+.2f} %" if base > 0 else "–"
