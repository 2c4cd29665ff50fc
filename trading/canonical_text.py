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
    Close,
    Denial,
    Enter,
    Forecast,
    InstrumentView,
    Intent,
    MarketView,
    OpenTrade,
    Quote,
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


def intent(of: Intent, order: dict[int, int]) -> str:
    """`order`: the place of each open position."""
    if isinstance(of, Close):
        return f'{{"close":{{"position_id":{order[of.position_id]},"reason":{quoted(of.reason)}}}}}'
    if not isinstance(of, Enter):
        raise TypeError(f"intent: Enter or Close is allowed, {type(of).__name__} came")
    return f'{{"enter":{_enter(of)}}}'


def _enter(e: Enter) -> str:
    return (
        f'{{"risk_money":{e.risk_money!r},"side":{e.side:d},"sl_distance":{e.sl_distance!r},'
        f'"tp_distance":{e.tp_distance!r},"volume_lots":{e.volume_lots!r}}}'
    )


def market(m: MarketView) -> str:
    atr, ema200, floor = m.atr, m.ema200, m.margin_floor  # each may be NaN, which is not itself
    return (
        f'{{"atr":{atr if atr == atr else "null"},"close":{m.close!r},"close_ms":{m.close_ms},'
        f'"ema200":{ema200 if ema200 == ema200 else "null"},"high":{m.high!r},"low":{m.low!r},'
        f'"margin_floor":{floor if floor == floor else "null"},"open":{m.open!r},'
        f'"open_ms":{m.open_ms},"spread_points":{m.spread_points},"symbol":{quoted(m.symbol)}}}'
    )


def open_trade(t: OpenTrade, place: int) -> str:
    return (
        f'{{"opened_ms":{t.opened_ms},"position_id":{place},"price_open":{t.price_open!r},'
        f'"profit":{t.profit!r},"side":{t.side:d},"sl":{t.sl!r},"swap":{t.swap!r},"tp":{t.tp!r},'
        f'"volume_lots":{t.volume_lots!r}}}'
    )


def quote(q: Quote) -> str:
    return f'{{"ask":{q.ask!r},"bid":{q.bid!r},"time_ms":{q.time_ms}}}'


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
