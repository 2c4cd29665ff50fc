"""Decisions and deals as canonical lines of JSON: equal lines, equal decisions; hashes over them.

A line holds what was decided on and what was decided: schema, symbol, bar, the snapshot, forecasts,
open trades and guards, ordered intents, denials. No tickets, wall times or latency: a position is
named by its place in the order of entry. Keys are sorted, floats written by `repr`, NaN as null. A
line's input parses back, so a journal can be replayed; what schemas 1 and 2 did not have yet takes
its default.
"""

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from broker.contract.messages import Deal
from trading import canonical_text as text
from trading.decision.records import (
    AccountView,
    Add,
    Close,
    DayState,
    Decision,
    DecisionInput,
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
    Side,
    StopForecast,
)

# Numbers that may be NaN, null in a line.
_MAY_BE_NAN = (
    "adx", "atr", "ema200", "margin_floor", "momentum_decay",
    "atr_entry", "best_price", "low_equity", "kelly", "risk_pct", "wanted_lots",
)  # fmt: skip
_OF_A_DEAL = (
    "time_msc", "type", "entry", "magic", "reason", "volume", "price", "commission", "swap",
    "profit", "fee", "symbol",
)  # fmt: skip
_ENCODE = json.JSONEncoder(sort_keys=True, allow_nan=False, separators=(",", ":")).encode


def decision_line(now: DecisionInput, decision: Decision) -> str:
    """One decided bar as one line."""
    order = {trade.position_id: place for place, trade in enumerate(now.open_trades)}
    trades = map(text.open_trade, now.open_trades, order.values())
    held = [text.held_trade(each, order[each.position_id]) for each in now.held]
    intents = [text.intent(intent, order) for intent in decision.intents]
    return text.require_finite(
        f'{{"account":{text.account(now.account)},"bar":{decision.bar_open_ms},'
        f'"break_ms":{now.break_ms},"denials":{text.listed(map(text.denial, decision.denials))},'
        f'"forecast":{text.forecast(now.forecast)},"guard":{text.guard(now.guard)},'
        f'"halts":{text.words(now.halts)},"held":{text.listed(held)},'
        f'"instrument":{text.instrument(now.instrument)},"intents":{text.listed(intents)},'
        f'"market":{text.market(now.market)},"missing_feature":{text.quoted(now.missing_feature)},'
        f'"news":{text.listed(map(text.news, now.news))},'
        f'"news_unknown":{text.quoted(now.news_unknown)},'
        f'"open_trades":{text.listed(trades)},"quote":{text.quote(now.quote)},'
        f'"recent_losses":{now.recent_losses},"risk_multiplier":{now.risk_multiplier!r},'
        f'"schema":{now.schema},"session_open":{"true" if now.session_open else "false"},'
        f'"stops":{text.stops(now.stops)},"symbol":{text.quoted(decision.symbol)},'
        f'"unsettled":{text.words(now.unsettled)}}}'
    )


def parse_input(line: str) -> DecisionInput:
    """The input of a decision line; positions are named 0, 1, … in the order of entry."""
    words = json.loads(line)
    stops = words.get("stops")
    return DecisionInput(
        schema=words["schema"],
        market=MarketView(**_with_nan(words["market"])),
        forecast=_forecast(words["forecast"]),
        missing_feature=words["missing_feature"],
        quote=Quote(**words["quote"]),
        account=AccountView(**words["account"]),
        instrument=InstrumentView(**words["instrument"]),
        open_trades=tuple(OpenTrade(**_sided(trade)) for trade in words["open_trades"]),
        recent_losses=words["recent_losses"],
        session_open=words["session_open"],
        unsettled=tuple(words["unsettled"]),
        halts=tuple(words.get("halts", ())),
        held=tuple(_held(trade) for trade in words.get("held", ())),
        stops=stops and StopForecast(**stops),
        risk_multiplier=words.get("risk_multiplier", 1.0),
        guard=_guard(words.get("guard")),
        news=tuple(NewsEvent(**event) for event in words.get("news", ())),
        news_unknown=words.get("news_unknown", ""),
        break_ms=words.get("break_ms", 0),
    )


def parse_decision(line: str) -> Decision:
    """The decision of a line; Close intents name positions by their place."""
    words = json.loads(line)
    return Decision(
        symbol=words["symbol"],
        bar_open_ms=words["bar"],
        intents=tuple(_intent(each) for each in words["intents"]),
        denials=tuple(Denial(*each) for each in words["denials"]),
    )


def canonical_input(now: DecisionInput) -> DecisionInput:
    """The input with positions named by their place, as a line holds it."""
    order = {trade.position_id: place for place, trade in enumerate(now.open_trades)}
    trades = (replace(each, position_id=order[each.position_id]) for each in now.open_trades)
    held = (replace(each, position_id=order[each.position_id]) for each in now.held)
    return replace(now, open_trades=tuple(trades), held=tuple(held))


def deal_line(deal: Deal) -> str:
    """One deal as one line, without tickets and comments."""
    return _ENCODE({name: getattr(deal, name) for name in _OF_A_DEAL})


def sha256_lines(lines: Iterable[str]) -> str:
    """SHA-256 over the lines, each ended by a newline."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.encode())
        digest.update(b"\n")
    return digest.hexdigest()


def _intent(words: dict[str, Any]) -> Intent:
    ((kind, fields),) = words.items()
    match kind:
        case "close":
            return Close(**fields)
        case "partial":
            return Partial(**fields)
        case "modify":
            return Modify(**fields)
        case "enter":
            return Enter(**_with_nan(_sided(fields)))
        case "add":
            return Add(**_sided(fields))
    raise ValueError(f"intent: close, partial, modify, enter or add is allowed, {kind!r} came")


def _forecast(words: dict[str, Any] | None) -> Forecast | None:
    return None if words is None else Forecast(**{**words, "votes": tuple(words["votes"])})


def _held(words: dict[str, Any]) -> HeldTrade:
    said = words["forecast"]
    forecast = said and ExitForecast(**{**said, "votes": tuple(said["votes"])})
    return HeldTrade(**_with_nan({**words, "forecast": forecast}))


def _guard(words: dict[str, Any] | None) -> GuardState | None:
    if words is None:
        return None
    prop = words["prop"]
    return GuardState(
        day=_day(words["day"]),
        week=_day(words["week"]),
        trades_today=words["trades_today"],
        recent_net=tuple(words["recent_net"]),
        prop=prop and PropState(**{**prop, "day": _day(prop["day"])}),
    )


def _day(words: dict[str, Any]) -> DayState:
    return DayState(**_with_nan(words))


def _sided(words: dict[str, Any]) -> dict[str, Any]:
    return {**words, "side": Side(words["side"])}


def _with_nan(words: dict[str, Any]) -> dict[str, Any]:
    return {
        name: math.nan if value is None and name in _MAY_BE_NAN else value
        for name, value in words.items()
    }
