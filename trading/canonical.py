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
from dataclasses import replace
from typing import Any

from broker.contract.messages import Deal
from trading import canonical_text as text
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
_ENCODE = json.JSONEncoder(sort_keys=True, allow_nan=False, separators=(",", ":")).encode


def decision_line(now: DecisionInput, decision: Decision) -> str:
    """One decided bar as one line."""
    order = {trade.position_id: place for place, trade in enumerate(now.open_trades)}
    trades = map(text.open_trade, now.open_trades, order.values())
    intents = [text.intent(intent, order) for intent in decision.intents]
    return text.require_finite(
        f'{{"account":{text.account(now.account)},"bar":{decision.bar_open_ms},'
        f'"denials":{text.listed(map(text.denial, decision.denials))},'
        f'"forecast":{text.forecast(now.forecast)},"halts":{text.words(now.halts)},'
        f'"instrument":{text.instrument(now.instrument)},"intents":{text.listed(intents)},'
        f'"market":{text.market(now.market)},"missing_feature":{text.quoted(now.missing_feature)},'
        f'"open_trades":{text.listed(trades)},"quote":{text.quote(now.quote)},'
        f'"recent_losses":{now.recent_losses},"schema":{now.schema},'
        f'"session_open":{"true" if now.session_open else "false"},'
        f'"symbol":{text.quoted(decision.symbol)},"unsettled":{text.words(now.unsettled)}}}'
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


def _intent(words: dict[str, Any]) -> Intent:
    if "close" in words:
        return Close(**words["close"])
    return Enter(**{**words["enter"], "side": Side(words["enter"]["side"])})
