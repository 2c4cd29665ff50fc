"""Decisions and deals as canonical lines of JSON: equal lines, equal decisions; hashes over them.

A line holds what was decided on and what was decided: schema, symbol, bar, the snapshot, forecast,
ordered intents, denials. No tickets, wall times or latency: a position is named by its place in
the order of entry. Keys are sorted, floats written by `repr`, NaN as null. A line's input parses
back, so a journal can be replayed.
"""

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

from broker.contract.messages import Deal
from trading.decision.records import (
    AccountView,
    Close,
    Decision,
    DecisionInput,
    Denial,
    Enter,
    Forecast,
    InstrumentView,
    Intent,
    MarketView,
    OpenTrade,
    Quote,
    Side,
)

_MAY_BE_NAN = ("atr", "ema200", "margin_floor")
_OF_A_DEAL = (
    "time_msc", "type", "entry", "magic", "reason", "volume", "price", "commission", "swap",
    "profit", "fee", "symbol",
)  # fmt: skip
_RECORDS = (
    AccountView, Close, Enter, Forecast, InstrumentView, MarketView, OpenTrade, Quote,
)  # fmt: skip
_NAMES: dict[type, tuple[str, ...]] = {
    record: tuple(field.name for field in fields(record)) for record in _RECORDS
}
_ENCODE = json.JSONEncoder(sort_keys=True, allow_nan=False, separators=(",", ":")).encode


def decision_line(now: DecisionInput, decision: Decision) -> str:
    """One decided bar as one line."""
    order = {trade.position_id: place for place, trade in enumerate(now.open_trades)}
    market = _plain(now.market)
    for name in _MAY_BE_NAN:
        market[name] = None if math.isnan(market[name]) else market[name]
    return _ENCODE(
        {
            "schema": now.schema,
            "symbol": decision.symbol,
            "bar": decision.bar_open_ms,
            "market": market,
            "forecast": None if now.forecast is None else _plain(now.forecast),
            "missing_feature": now.missing_feature,
            "quote": _plain(now.quote),
            "account": _plain(now.account),
            "instrument": _plain(now.instrument),
            "open_trades": [_named_by_place(_plain(trade), order) for trade in now.open_trades],
            "recent_losses": now.recent_losses,
            "session_open": now.session_open,
            "unsettled": now.unsettled,
            "halts": now.halts,
            "intents": [_intent_words(intent, order) for intent in decision.intents],
            "denials": [
                (denial.rule, denial.observed, denial.limit) for denial in decision.denials
            ],
        }
    )


def parse_input(line: str) -> DecisionInput:
    """The input of a decision line; positions are named 0, 1, … in the order of entry."""
    words = json.loads(line)
    forecast = words["forecast"]
    market = words["market"]
    for name in _MAY_BE_NAN:
        market[name] = math.nan if market[name] is None else market[name]
    return DecisionInput(
        schema=words["schema"],
        market=MarketView(**market),
        forecast=forecast and Forecast(**{**forecast, "votes": tuple(forecast["votes"])}),
        missing_feature=words["missing_feature"],
        quote=Quote(**words["quote"]),
        account=AccountView(**words["account"]),
        instrument=InstrumentView(**words["instrument"]),
        open_trades=tuple(
            OpenTrade(**{**trade, "side": Side(trade["side"])}) for trade in words["open_trades"]
        ),
        recent_losses=words["recent_losses"],
        session_open=words["session_open"],
        unsettled=tuple(words["unsettled"]),
        halts=tuple(words.get("halts", ())),  # schema 1 had none
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
    trades = (replace(trade, position_id=i) for i, trade in enumerate(now.open_trades))
    return replace(now, open_trades=tuple(trades))


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


def _plain(record: object) -> dict[str, Any]:
    return {name: getattr(record, name) for name in _NAMES[type(record)]}


def _named_by_place(words: dict[str, Any], order: dict[int, int]) -> dict[str, Any]:
    words["position_id"] = order[words["position_id"]]
    return words


def _intent_words(intent: Intent, order: dict[int, int]) -> dict[str, Any]:
    if isinstance(intent, Close):
        return {"close": _named_by_place(_plain(intent), order)}
    return {"enter": _plain(intent)}


def _intent(words: dict[str, Any]) -> Intent:
    if "close" in words:
        return Close(**words["close"])
    return Enter(**{**words["enter"], "side": Side(words["enter"]["side"])})
