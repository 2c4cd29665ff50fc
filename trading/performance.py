"""`ml_performance.csv`: one row for each finished trade of ours, from the journal.

`close_type` is SL_HIT, SL_TRAIL, TP_HIT, ML_EXIT, a guard's name, or who else closed it. Times are
UTC; money is in deposit currency, costs included; `risk_pct`, `kelly` and the forecast are those of
the decision that opened the trade, empty where the journal does not know it.
"""

import csv
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from market.whole_file import whole_file
from trading.day_figures import own_trades
from trading.decision.records import ClosedTrade, Side
from trading.journal_reads import JournalReads


@dataclass(frozen=True, slots=True)
class Row:
    """The columns, in their order."""

    closed_at: str
    opened_at: str
    symbol: str
    side: str
    volume_lots: float
    price_open: float
    price_close: float
    net_profit: float
    close_type: str
    minutes_held: float
    p_buy: float | None
    p_sell: float | None
    p_hold: float | None
    risk_pct: float | None
    kelly: float | None
    position_id: int


def performance(journal: JournalReads, *, strategy_id: int, symbol: str) -> Iterator[Row]:
    """Rows in the order of closing."""
    opened_by = {
        deal.position_id: deal.magic
        for deal in reversed(journal.deals())
        if deal.symbol == symbol and deal.magic
    }
    for trade in own_trades(journal, strategy_id=strategy_id, symbol=symbol):
        yield _row(trade, symbol, _decided(journal, symbol, opened_by.get(trade.position_id, 0)))


def write_performance(path: Path, rows: Iterator[Row]) -> int:
    """Writes the file whole or not at all; how many rows it has."""
    count = 0
    with whole_file(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, [each.name for each in fields(Row)])
        table.writeheader()
        for row in rows:
            table.writerow(asdict(row))
            count += 1
    return count


def _row(trade: ClosedTrade, symbol: str, decided: dict[str, Any]) -> Row:
    forecast = decided.get("forecast") or {}
    entered: dict[str, Any] = next(
        (each["enter"] for each in decided.get("intents", ()) if "enter" in each), {}
    )
    return Row(
        _utc(trade.closed_ms), _utc(trade.opened_ms), symbol,
        "BUY" if trade.side is Side.BUY else "SELL", trade.volume_lots, trade.price_open,
        trade.price_close, trade.net_profit, trade.close_type,
        round((trade.closed_ms - trade.opened_ms) / 60_000, 1),
        forecast.get("p_buy"), forecast.get("p_sell"), forecast.get("p_hold"),
        entered.get("risk_pct"), entered.get("kelly"), trade.position_id,
    )  # fmt: skip


def _decided(journal: JournalReads, symbol: str, magic: int) -> dict[str, Any]:
    """The words of the decision whose order opened a position; empty where it is not known."""
    intent = journal.intent_of_magic(magic) if magic else None
    line = None if intent is None else journal.decision_line(symbol, intent.bar_open_ms)
    words: dict[str, Any] = json.loads(line) if line else {}
    return words


def _utc(instant_ms: int) -> str:
    return datetime.fromtimestamp(instant_ms / 1000, UTC).isoformat(timespec="seconds")
