"""Whether a trade could be made now: quote, stops, smallest lot, write probe, history."""

import math

from broker.contract import retcodes
from broker.contract.constants import OrderType
from broker.contract.filling import filling_of
from broker.contract.marks import comment_of, magic_of, strategy_of
from broker.contract.messages import OrderRequest
from market.bars import utc_text
from market.rounding import price_ticks, tick_price
from trading.decision.records import DecisionInput, Denial, MarketView, Side
from trading.decision.sizing import loss_per_lot, sized_volume
from trading.decision.stops import multiples, stop_distances, stops_level_ticks
from trading.doctor.bedside import Bedside
from trading.doctor.check import Finding, bad, good, judged, note
from trading.views import INPUT_SCHEMA, account_view, quote

_WEEK_MS = 7 * 86_400_000
_PROBE = "doctor"
_PROBE_STOPS = 0.05
_FARTHEST_PRICE = 0.2


def price(look: Bedside) -> Finding:
    """A symbol that is another one than ours has another price, too."""
    tick, last = look.tick(), float(look.recent_bars().close[-1])
    text = f"bid {tick.bid:g}, ask {tick.ask:g} at {utc_text(tick.time_msc)} UTC"
    is_near = abs(tick.bid / last - 1) <= _FARTHEST_PRICE
    return judged(
        is_near, text if is_near else f"{text}; the last bar closed at {last:g}",
        "quote and bars are not of one symbol: look at bridge.symbol_map and the chart",
    )  # fmt: skip


def positions(look: Bedside) -> Finding:
    """Ours without a stop at the broker."""
    snapshot, strategy_id = look.snapshot(), look.patient.strategy_id
    mine = [p for p in snapshot.positions if strategy_of(p.magic) == strategy_id]
    naked = [str(p.identifier) for p in mine if p.sl == 0.0]
    text = f"{len(mine)} of ours, {len(snapshot.positions) - len(mine)} of others"
    return judged(
        not naked, text if not naked else f"{text}; without a stop: {', '.join(naked)}",
        "set their stops in the terminal, or start the daemon: it puts them back",
    )  # fmt: skip


def stops_level(look: Bedside) -> Finding:
    """The broker's smallest distance against the stops that would be set at the present ATR."""
    now, decision = _now(look), look.patient.decision
    atr, tick = now.market.atr, now.instrument.tick_size
    if not atr > 0:
        return note("no ATR yet")
    sl_multiple, tp_multiple = multiples(Side.BUY, now, decision)
    sl, tp = stop_distances(Side.BUY, now, decision)
    level = tick_price(stops_level_ticks(now.instrument), tick)
    text = (
        f"{look.spec().trade_stops_level} points = {level:g}; at ATR {atr:g} the stop is "
        f"{sl_multiple * atr:g} away, the target {tp_multiple * atr:g}"
    )
    fits = sl <= sl_multiple * atr + tick and tp <= tp_multiple * atr + tick
    if fits:
        return good(text)
    spread = tick_price(price_ticks(now.quote.ask, tick) - price_ticks(now.quote.bid, tick), tick)
    least = math.ceil(10 * (level + spread) / atr) / 10
    return bad(
        f"{text}; they would be pushed out to {sl:g} and {tp:g}",
        f"set dynamic_sltp.sl_atr_multiplier and tp_atr_multiplier to {least:g} or more, or trade "
        "a symbol or account type with a smaller stops level",
    )


def smallest_lot(look: Bedside) -> Finding:
    """Whether the configured risk pays for the smallest lot at the present equity and ATR."""
    now, decision = _now(look), look.patient.decision
    if not now.market.atr > 0:
        return note("no ATR yet")
    sl, _ = stop_distances(Side.BUY, now, decision)
    loss, equity = loss_per_lot(sl, now.instrument), now.account.equity
    wanted = equity * decision.risk_percent / 100 / loss
    volume = sized_volume(wanted, now, decision)
    least = now.instrument.volume_min
    text = f"{decision.risk_percent:g} % of {equity:g} pays for {wanted:g} lots, {least:g} is least"
    if not isinstance(volume, Denial):
        return good(text)
    if volume.rule != "risk_too_small":
        return bad(
            f"{least:g} lots: {volume.rule} {volume.observed}, limit {volume.limit}",
            "fund the account, or ask for more leverage; risk_management has the limits",
        )
    or_cents = "use a cent account, " if look.account().unit_to_base == 1 else ""
    needed_pct = math.ceil(1000 * least * loss / equity) / 10 if equity > 0 else math.inf
    return bad(
        text,
        f"the smallest lot risks {needed_pct:g} % of equity: deposit until {least * loss:.2f} is "
        f"{decision.risk_percent:g} % of it ({least * loss * 100 / decision.risk_percent:.2f}), "
        f"{or_cents}or, knowing what it means, raise risk_percent",
    )


def order_check(look: Bedside) -> Finding:
    """The smallest order with stops, checked and not sent: reads may work where orders fail."""
    spec = look.spec()
    result = look.patient.broker.check(_probe(look))
    if result.retcode in (retcodes.CHECK_PASSED, retcodes.DONE):
        return good(f"{spec.volume_min:g} lots would pass")
    known = retcodes.retcode(result.retcode)
    return bad(f"{result.retcode} {result.retcode_name} {result.comment}".rstrip(), known.action)


def history(look: Bedside) -> Finding:
    """Whether the terminal's history reaches as far back as is needed."""
    patient = look.patient
    look.recent_bars()
    from_ms = look.health().utc_msc - patient.history_ms
    oldest = patient.broker.rates(
        look.symbol, patient.timeframe, from_ms=from_ms, to_ms=from_ms + _WEEK_MS
    )
    reaches = len(oldest) > 0 and oldest.open_ms[0] <= from_ms + _WEEK_MS // 2
    text = f"needed from {utc_text(from_ms)} UTC"
    return judged(
        reaches, text if reaches else f"{text}, less is there",
        "Tools, Options, Charts: raise 'max bars in chart', then scroll the chart back to that day",
    )  # fmt: skip


def _probe(look: Bedside) -> OrderRequest:
    spec, tick = look.spec(), look.tick()
    away = round(tick.bid * _PROBE_STOPS / spec.trade_tick_size) * spec.trade_tick_size
    return OrderRequest(
        symbol=look.symbol, type=OrderType.BUY, volume=spec.volume_min, client_id=_PROBE,
        magic=magic_of(look.patient.strategy_id, _PROBE), comment=comment_of(_PROBE),
        type_filling=filling_of(spec.filling_mode), sl=round(tick.bid - away, spec.digits),
        tp=round(tick.bid + away, spec.digits),
    )  # fmt: skip


def _now(look: Bedside) -> DecisionInput:
    """As much of a decision's input as stops and sizing look at, at the last closed bar."""
    bars, account = look.recent_bars(), look.account()
    market = MarketView(
        bars.symbol, int(bars.open_ms[-1]), int(bars.close_ms[-1]), float(bars.open[-1]),
        float(bars.high[-1]), float(bars.low[-1]), float(bars.close[-1]),
        int(bars.spread_points[-1]), look.recent_atr(), math.nan, math.nan,
    )  # fmt: skip
    return DecisionInput(
        INPUT_SCHEMA, market, None, "", quote(look.tick()), account_view(account),
        look.instrument(), (), 0, True, (),
    )  # fmt: skip
