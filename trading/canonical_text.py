"""The core's records as canonical JSON text: sorted keys, no spaces, floats by `repr`.

Written out by hand, as a general encoder takes several times as long and every bar has a line. The
text is what `json.dumps(..., sort_keys=True, separators=(",", ":"))` would give.
"""

import json
from collections.abc import Iterable
from functools import lru_cache
from json.encoder import encode_basestring_ascii

from trading.decision.records import (
    AccountView,
    Add,
    Close,
    DayState,
    Denial,
    Enter,
    ExitForecast,
    Forecast,
    GuardState,
    HeldTrade,
    InstrumentView,
    Intent,
    MarketView,
    Modify,
    NewsEvent,
    OpenTrade,
    Partial,
    PropState,
    Quote,
    StopForecast,
)

# A text as a JSON string, in ASCII.
quoted = encode_basestring_ascii


def account(a: AccountView) -> str:
    return f'{{"balance":{a.balance!r},"equity":{a.equity!r},"margin_free":{a.margin_free!r}}}'


def denial(d: Denial) -> str:
    return f"[{quoted(d.rule)},{_word(d.observed)},{_word(d.limit)}]"


def forecast(f: Forecast | None) -> str:
    if f is None:
        return "null"
    return (
        f'{{"p_buy":{f.p_buy!r},"p_hold":{f.p_hold!r},"p_sell":{f.p_sell!r},'
        f'"votes":[{",".join(map(str, f.votes))}]}}'
    )


def instrument(i: InstrumentView) -> str:
    before, after = _terms(
        i.symbol, i.digits, i.point, i.tick_size, i.tick_value, i.volume_min, i.volume_max,
        i.volume_step, i.stops_level_points, i.commission_per_lot,
    )  # fmt: skip
    return f"{before}{i.margin_per_lot!r}{after}"


@lru_cache(maxsize=64)
def _terms(
    symbol: str,
    digits: int,
    point: float,
    tick_size: float,
    tick_value: float,
    volume_min: float,
    volume_max: float,
    volume_step: float,
    stops_level_points: int,
    commission_per_lot: float,
) -> tuple[str, str]:
    """The text before and after the margin, which alone moves with every quote."""
    before = f'{{"commission_per_lot":{commission_per_lot!r},"digits":{digits},"margin_per_lot":'
    after = (
        f',"point":{point!r},"stops_level_points":{stops_level_points},"symbol":{quoted(symbol)},'
        f'"tick_size":{tick_size!r},"tick_value":{tick_value!r},"volume_max":{volume_max!r},'
        f'"volume_min":{volume_min!r},"volume_step":{volume_step!r}}}'
    )
    return before, after


def guard(g: GuardState | None) -> str:
    if g is None:
        return "null"
    return (
        f'{{"day":{_day(g.day)},"prop":{_prop(g.prop)},'
        f'"recent_net":{listed(map(repr, g.recent_net))},"trades_today":{g.trades_today},'
        f'"week":{_day(g.week)}}}'
    )


def _day(d: DayState) -> str:
    return (
        f'{{"low_equity":{_or_null(d.low_equity)},"start_balance":{d.start_balance!r},'
        f'"start_equity":{d.start_equity!r},"start_ms":{d.start_ms}}}'
    )


def _prop(p: PropState | None) -> str:
    if p is None:
        return "null"
    return (
        f'{{"best_day_profit":{p.best_day_profit!r},"day":{_day(p.day)},'
        f'"days_traded":{p.days_traded},"highest_midnight_balance":{p.highest_midnight_balance!r},'
        f'"initial_balance":{p.initial_balance!r},"total_profit":{p.total_profit!r}}}'
    )


def held_trade(h: HeldTrade, place: int) -> str:
    return (
        f'{{"atr_entry":{_or_null(h.atr_entry)},"bars_held":{h.bars_held},'
        f'"best_price":{_or_null(h.best_price)},'
        f'"entry_volume_lots":{h.entry_volume_lots!r},"forecast":{_exit_forecast(h.forecast)},'
        f'"missing_feature":{quoted(h.missing_feature)},"position_id":{place}}}'
    )


def _exit_forecast(f: ExitForecast | None) -> str:
    if f is None:
        return "null"
    return (
        f'{{"p_add":{f.p_add!r},"p_exit":{f.p_exit!r},"p_hold":{f.p_hold!r},'
        f'"votes":{listed(map(str, f.votes))}}}'
    )


def intent(of: Intent, order: dict[int, int]) -> str:
    """`order`: the place of each open position."""
    if isinstance(of, Enter):
        return f'{{"enter":{_enter(of)}}}'
    place = order[of.position_id]
    match of:
        case Close():
            return f'{{"close":{{"position_id":{place},"reason":{quoted(of.reason)}}}}}'
        case Partial():
            return (
                f'{{"partial":{{"position_id":{place},"reason":{quoted(of.reason)},'
                f'"volume_lots":{of.volume_lots!r}}}}}'
            )
        case Modify():
            return (
                f'{{"modify":{{"position_id":{place},"reason":{quoted(of.reason)},'
                f'"sl":{of.sl!r},"tp":{of.tp!r}}}}}'
            )
        case Add():
            return f'{{"add":{_add(of, place)}}}'


def _enter(e: Enter) -> str:
    return (
        f'{{"kelly":{_or_null(e.kelly)},"risk_money":{e.risk_money!r},'
        f'"risk_pct":{_or_null(e.risk_pct)},"side":{e.side:d},"sl_distance":{e.sl_distance!r},'
        f'"tp_distance":{e.tp_distance!r},"volume_lots":{e.volume_lots!r},'
        f'"wanted_lots":{_or_null(e.wanted_lots)}}}'
    )


def _add(a: Add, place: int) -> str:
    return (
        f'{{"position_id":{place},"risk_money":{a.risk_money!r},"side":{a.side:d},'
        f'"sl_distance":{a.sl_distance!r},"tp_distance":{a.tp_distance!r},'
        f'"volume_lots":{a.volume_lots!r}}}'
    )


def market(m: MarketView) -> str:
    # Each of these may be NaN, which is not itself; written out, as a call costs on every bar.
    atr, ema200, floor, adx, decay = m.atr, m.ema200, m.margin_floor, m.adx, m.momentum_decay
    return (
        f'{{"adx":{adx if adx == adx else "null"},"atr":{atr if atr == atr else "null"},'
        f'"close":{m.close!r},"close_ms":{m.close_ms},'
        f'"ema200":{ema200 if ema200 == ema200 else "null"},"high":{m.high!r},"low":{m.low!r},'
        f'"margin_floor":{floor if floor == floor else "null"},'
        f'"momentum_decay":{decay if decay == decay else "null"},"open":{m.open!r},'
        f'"open_ms":{m.open_ms},"spread_points":{m.spread_points},"symbol":{quoted(m.symbol)},'
        f'"trending":{"true" if m.trending else "false"}}}'
    )


def news(event: NewsEvent) -> str:
    return (
        f'{{"currency":{quoted(event.currency)},"impact":{event.impact},'
        f'"time_ms":{event.time_ms},"title":{quoted(event.title)}}}'
    )


def open_trade(t: OpenTrade, place: int) -> str:
    return (
        f'{{"opened_ms":{t.opened_ms},"position_id":{place},"price_open":{t.price_open!r},'
        f'"profit":{t.profit!r},"side":{t.side:d},"sl":{t.sl!r},"swap":{t.swap!r},"tp":{t.tp!r},'
        f'"volume_lots":{t.volume_lots!r}}}'
    )


def quote(q: Quote) -> str:
    return f'{{"ask":{q.ask!r},"bid":{q.bid!r},"time_ms":{q.time_ms}}}'


def stops(s: StopForecast | None) -> str:
    if s is None:
        return "null"
    return f'{{"sl_multiplier":{s.sl_multiplier!r},"tp_multiplier":{s.tp_multiplier!r}}}'


def words(texts: tuple[str, ...]) -> str:
    """Texts as a JSON array."""
    return listed(map(quoted, texts)) if texts else "[]"


def listed(items: Iterable[str]) -> str:
    """JSON texts as a JSON array."""
    return f"[{','.join(items)}]"


def require_finite(line: str) -> str:
    """The line itself; `ValueError` where a number in it is NaN or infinite, which no JSON has."""
    if "nan" in line or "inf" in line:
        json.loads(line)
    return line


def _word(value: float | str) -> str:
    return quoted(value) if isinstance(value, str) else repr(value)


def _or_null(value: float) -> str:
    return repr(value) if value == value else "null"
