"""Reasons against an entry that the clock and the calendar give. The instant is the bar's close."""

from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from trading.decision.filter_settings import SessionFilter, minute_of
from trading.decision.records import DecisionInput, Denial, NewsEvent
from trading.decision.settings import DecisionSettings

_MINUTE_MS = 60_000


def denials(now: DecisionInput, settings: DecisionSettings) -> tuple[Denial, ...]:
    """News, session and rollover, each where it is on."""
    found = []
    if settings.news_block_minutes:
        found.append(news_block(now, settings))
    if settings.session_filter.enabled:
        found.append(session_window(now.market.close_ms, settings.session_filter))
    if settings.rollover_filter.enabled:
        found.append(rollover(now.market.close_ms, settings))
    return tuple([denial for denial in found if denial]) if found else ()


def news_block(now: DecisionInput, settings: DecisionSettings) -> Denial | None:
    """A release within `news_block_minutes` before or after, both ends included."""
    minutes = settings.news_block_minutes
    return news_within("news_block", minutes, now, settings)


def news_within(
    rule: str, minutes: int, now: DecisionInput, settings: DecisionSettings
) -> Denial | None:
    """The nearest release of `news_filter` within some minutes, or a calendar not to be trusted."""
    limit = f"none within {minutes} min"
    if now.news_unknown:
        if settings.news_filter.when_unknown == "trade":
            return None
        return Denial(rule, f"calendar unknown: {now.news_unknown}", limit)
    near = [event for event in now.news if _counts(event, minutes, now, settings)]
    if not near:
        return None
    at_ms = now.market.close_ms
    event = min(near, key=lambda each: (abs(each.time_ms - at_ms), each.time_ms))
    minutes_away = (event.time_ms - at_ms) / _MINUTE_MS
    when = f"in {minutes_away:g} min" if minutes_away >= 0 else f"{-minutes_away:g} min ago"
    return Denial(rule, f"{event.currency} {event.title} {when}", limit)


def _counts(event: NewsEvent, minutes: int, now: DecisionInput, settings: DecisionSettings) -> bool:
    wanted = settings.news_filter
    return (
        abs(event.time_ms - now.market.close_ms) <= minutes * _MINUTE_MS
        and event.impact >= wanted.least_impact
        and (event.currency in wanted.currencies or event.currency == "ALL")
    )


def session_window(at_ms: int, session: SessionFilter) -> Denial | None:
    if session.sessions.is_open(at_ms):
        return None
    local = _local(at_ms, session.zone)
    return Denial("session_window", f"{local:%a %H:%M} {session.zone}", "inside a window")


def rollover(at_ms: int, settings: DecisionSettings) -> Denial | None:
    """Both ends of the window included; by the zone's own clock and daylight saving."""
    rule = settings.rollover_filter
    for turn_ms in _turns_ms(_local(at_ms, rule.zone).date().toordinal(), rule.zone, rule.at):
        minutes = (at_ms - turn_ms) / _MINUTE_MS
        if -rule.minutes_before <= minutes <= rule.minutes_after:
            side = "before" if minutes < 0 else "after"
            limit = f"outside {rule.minutes_before} min before to {rule.minutes_after} min after"
            return Denial("rollover", f"{abs(minutes):g} min {side} {rule.at} {rule.zone}", limit)
    return None


@lru_cache(maxsize=16)
def _turns_ms(day: int, zone: str, at: str) -> tuple[int, ...]:
    """The rollovers of the local days around an ordinal day, epoch ms."""
    hours, minutes = divmod(minute_of(at), 60)
    tz, dates = ZoneInfo(zone), (datetime.fromordinal(day + near).date() for near in (-1, 0, 1))
    turns = (
        datetime.combine(date + timedelta(days=hours // 24), time(hours % 24, minutes), tz)
        for date in dates
    )
    return tuple(round(turn.timestamp() * 1000) for turn in turns)


def _local(at_ms: int, zone: str) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZoneInfo(zone))
