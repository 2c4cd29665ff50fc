"""Rows of the outbox that tell of our own trades: opened, changed, closed in part, over."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from broker.contract.constants import DealEntry
from broker.contract.messages import Deal
from trading.close_reasons import close_reason
from trading.decision.records import ClosedTrade, OpenTrade, Side
from trading.execution.intents import IntentState, JournalledIntent
from trading.journal_reads import JournalReads
from trading.outbox import Outgoing
from trading.trade_book import TradeBook, is_ours

_OPENS = (DealEntry.IN, DealEntry.INOUT)


class TradeNews:
    """Folds deals as they reach the journal. Begins with those that are there already."""

    def __init__(self, journal: JournalReads, *, strategy_id: int, symbol: str) -> None:
        self._journal = journal
        self._symbol = symbol
        self._book = TradeBook(strategy_id, reason_of=lambda magic: close_reason(journal, magic))
        self._magic: dict[int, int] = {}
        for _, _, words in journal.events("position_adopted"):
            self._book.adopt(_trade(words))
        for deal in journal.deals():
            self._fold(deal)

    @property
    def held(self) -> tuple[int, ...]:
        """Open positions in the order in which decisions name them."""
        opened = self._book.held
        return tuple(sorted(opened, key=lambda each: (opened[each], each)))

    def deal(self, deal: Deal) -> Iterator[Outgoing]:
        """What a deal not seen before means for a trade of ours; nothing for anybody else's."""
        was_held = deal.position_id in self._book.held
        adopted = deal.position_id in self._book.adopted
        ended = self._fold(deal)
        if ended is not None:
            yield self._exit(ended, deal)
        elif was_held and deal.entry is not DealEntry.IN:
            yield self._part(deal)
        if deal.position_id in self._book.held and deal.entry in _OPENS and not adopted:
            yield self._entry(deal)

    def adopted(self, words: dict[str, Any], event_ms: int) -> Outgoing:
        """A position of ours that was found open without its opening deal."""
        trade = _trade(words)
        self._book.adopt(trade)
        return self._row("entry", f"entry-adopted-{trade.position_id}", event_ms, {
            "position": trade.position_id, "deal": 0, "side": trade.side.name.lower(),
            "volume_lots": trade.volume_lots, "price": trade.price_open, "sl": trade.sl,
            "tp": trade.tp, "at_ms": trade.opened_ms, "client_id": "", "bar_open_ms": 0,
            "forecast": None, "risk_pct": None,
        })  # fmt: skip

    def levels(self, client_id: str, event_ms: int) -> Iterator[Outgoing]:
        """A decided change of levels that came off; nothing for any other request."""
        change = self._journal.find_change(client_id)
        if change is None:
            return
        asked = change.request
        yield self._row("modify", f"levels-{client_id}", event_ms, {
            "what": "levels", "position": asked.position, "sl": asked.sl, "tp": asked.tp,
            "at_ms": event_ms,
        })  # fmt: skip

    def _fold(self, deal: Deal) -> ClosedTrade | None:
        """The trade that this deal has ended, if any."""
        if deal.symbol != self._symbol:
            return None
        before = len(self._book.closed)
        self._book.add([deal])
        if deal.entry in _OPENS and is_ours(deal.magic, self._book.strategy_id):
            self._magic[deal.position_id] = deal.magic
        return self._book.closed[-1] if len(self._book.closed) > before else None

    def _entry(self, deal: Deal) -> Outgoing:
        intent = self._journal.intent_of_magic(deal.magic)
        sl, tp = (intent.request.sl, intent.request.tp) if intent else (None, None)
        open_ms = intent.bar_open_ms if intent else 0
        said = self._decided(open_ms)
        return self._row("entry", f"entry-{deal.ticket}", deal.time_msc, {
            "position": deal.position_id, "deal": deal.ticket, "side": _side(deal),
            "volume_lots": deal.volume, "price": deal.price, "sl": sl or 0.0, "tp": tp or 0.0,
            "at_ms": deal.time_msc, "client_id": intent.request.client_id if intent else "",
            "bar_open_ms": open_ms, "forecast": said.get("forecast"),
            "risk_pct": _risk_pct(said.get("intents", ())),
        })  # fmt: skip

    def _exit(self, ended: ClosedTrade, deal: Deal) -> Outgoing:
        intent = self._journal.intent_of_magic(self._magic.pop(ended.position_id, 0))
        sl, tp = self._last_levels(ended.position_id, intent)
        said = self._decided(intent.bar_open_ms) if intent else {}
        return self._row("exit", f"exit-{deal.ticket}", deal.time_msc, {
            "position": ended.position_id, "deal": deal.ticket, "side": ended.side.name.lower(),
            "volume_lots": ended.volume_lots, "price_open": ended.price_open,
            "price_close": ended.price_close, "net_profit": ended.net_profit,
            "close_type": ended.close_type, "opened_ms": ended.opened_ms,
            "closed_ms": ended.closed_ms, "sl": sl, "tp": tp, "forecast": said.get("forecast"),
        })  # fmt: skip

    def _part(self, deal: Deal) -> Outgoing:
        return self._row("modify", f"part-{deal.ticket}", deal.time_msc, {
            "what": "part", "position": deal.position_id, "deal": deal.ticket,
            "volume_lots": deal.volume, "price": deal.price,
            "profit": round(deal.profit + deal.swap + deal.commission + deal.fee, 8),
            "at_ms": deal.time_msc,
        })  # fmt: skip

    def _last_levels(self, position: int, intent: JournalledIntent | None) -> tuple[float, float]:
        """Stop and target that were last in force, as far as the journal knows; 0 for none."""
        for change in reversed(self._journal.changes_of(position)):
            if change.state is IntentState.FILLED:
                return change.request.sl, change.request.tp
        return (intent.request.sl or 0.0, intent.request.tp or 0.0) if intent else (0.0, 0.0)

    def _decided(self, bar_open_ms: int) -> dict[str, Any]:
        line = self._journal.decision_line(self._symbol, bar_open_ms)
        return json.loads(line) if line else {}

    def _row(self, kind: str, key: str, event_ms: int, payload: dict[str, Any]) -> Outgoing:
        return Outgoing(kind, key, event_ms, {"symbol": self._symbol, **payload})


def _side(deal: Deal) -> str:
    return deal.type.name.lower()


def _risk_pct(intents: Iterable[dict[str, Any]]) -> float | None:
    for each in intents:
        if "enter" in each:
            return float(each["enter"]["risk_pct"])
    return None


def _trade(words: dict[str, Any]) -> OpenTrade:
    trade = words["trade"]
    return OpenTrade(**(trade | {"side": Side(trade["side"])}))
