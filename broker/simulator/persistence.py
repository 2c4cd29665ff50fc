"""The terminal's snapshot: one SQLite file, each order and deal written once, state in one row.

A save appends what is new since the last one and replaces the small state row in one transaction,
so it costs the same however long the ledger is, and a crash leaves the save before.
"""

import json
import sqlite3
from dataclasses import fields
from pathlib import Path
from typing import Any

from broker.contract.constants import (
    DealEntry,
    DealReason,
    DealType,
    Filling,
    OrderType,
    TypeTime,
)
from broker.simulator.book import Book
from broker.simulator.feed import Watch
from broker.simulator.ledger import Ledger
from broker.simulator.records import DealRow, OpenPosition, OrderRow, WorkingOrder
from broker.simulator.trading_desk import trigger_watch
from market.quick import values

SCHEMA = 1
_ENUMS: dict[str, dict[str, type]] = {
    "deals": {"type": DealType, "entry": DealEntry, "reason": DealReason, "ambiguous": bool},
    "orders": {
        "type": OrderType, "type_time": TypeTime, "type_filling": Filling, "reason": DealReason,
    },
}  # fmt: skip
_POSITION = sorted(field.name for field in fields(OpenPosition) if field.name != "watch")


class SnapshotError(RuntimeError):
    """A snapshot that cannot be used. Says which file, what was expected, what to do."""


class SnapshotStore:
    """The file of one terminal. Refuses a file that another market, account or seed wrote."""

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.path = path
        try:
            # The bridge saves from its worker threads, one at a time under its own lock.
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        except sqlite3.Error as error:
            raise _unusable(path, error) from error
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._create()
        except sqlite3.Error as error:
            self._db.close()
            raise _unusable(path, error) from error
        self._require(fingerprint)
        self._saved = {name: self._count(name) for name in ("deals", "orders")}
        self._continues = self._saved == {"deals": 0, "orders": 0}

    def save(
        self, book: Book, now_ms: int, requests: int, faults: dict[str, Any] | None = None
    ) -> None:
        """Writes new rows and the present state; durable when it returns."""
        ledger = book.ledger
        if not self._continues:
            self._require_same_past(ledger)
        whole = {**_state(book, now_ms, requests), "faults": faults}
        state = json.dumps(whole, separators=(",", ":"))
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._append("orders", ledger.orders)
            self._append("deals", ledger.deals)
            self._db.execute("INSERT OR REPLACE INTO state VALUES (1, ?)", (state,))
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._db.execute("ROLLBACK")
            raise SnapshotError(f"{self.path}: could not be written: {error}") from error
        self._saved = {"orders": len(ledger.orders), "deals": len(ledger.deals)}

    @property
    def holds_state(self) -> bool:
        """False for a file whose writer was killed before its first save was whole."""
        return self._count("state") > 0

    def load(self, book: Book) -> tuple[int, int, dict[str, Any] | None]:
        """Fills the book; returns the clock and the count of requests. Needs `holds_state`."""
        state = json.loads(self._db.execute("SELECT json FROM state WHERE id = 1").fetchone()[0])
        deals = [DealRow(*_typed("deals", row)) for row in self._rows("deals")]
        balance = sum(deal.commission + deal.swap + deal.profit for deal in deals)
        if balance != state["balance"]:
            raise SnapshotError(
                f"{self.path}: the deals add up to {balance}, the state says "
                f"{state['balance']}; the file is damaged, remove it to start anew"
            )
        ledger = book.ledger
        ledger.deals[:], ledger.balance = deals, balance
        ledger.orders[:] = [OrderRow(*_typed("orders", row)) for row in self._rows("orders")]
        ledger.last_order, ledger.last_deal = state["last_order"], state["last_deal"]
        _restore_open(book, state)
        self._continues = True
        return state["now_ms"], state["requests"], state.get("faults")

    def clear(self) -> None:
        """Empties the file, for a terminal that starts again."""
        self._db.execute("BEGIN IMMEDIATE")
        for table in ("orders", "deals", "state"):
            self._db.execute(f"DELETE FROM {table}")
        self._db.execute("COMMIT")
        self._saved = {"deals": 0, "orders": 0}
        self._continues = True

    def close(self) -> None:
        self._db.close()

    def _create(self) -> None:
        for name, row in (("deals", DealRow), ("orders", OrderRow)):
            columns = ", ".join(f'"{field.name}"' for field in fields(row))
            self._db.execute(
                f"CREATE TABLE IF NOT EXISTS {name} (seq INTEGER PRIMARY KEY, {columns})"
            )
        self._db.execute("CREATE TABLE IF NOT EXISTS state (id INTEGER PRIMARY KEY, json TEXT)")
        self._db.execute("CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT)")

    def _require(self, fingerprint: str) -> None:
        ours = {"schema": str(SCHEMA), "fingerprint": fingerprint}
        theirs = dict(self._db.execute("SELECT name, value FROM meta").fetchall())
        if not theirs:
            names = [value for item in ours.items() for value in item]
            self._db.execute("INSERT INTO meta VALUES (?, ?), (?, ?)", names)
            return
        for name, value in ours.items():
            if theirs.get(name) != value:
                self._db.close()
                raise SnapshotError(
                    f"{self.path}: {name} {value[:12]} is expected, {str(theirs.get(name))[:12]} "
                    "came: it was written for other bars, another account, start, seed or zone. "
                    "Use the same ones, or another state folder"
                )

    def _require_same_past(self, ledger: Ledger) -> None:
        """A file with a past is written on only by a terminal that has the same past."""
        for table, rows in (("deals", ledger.deals), ("orders", ledger.orders)):
            kept = [tuple(row.values()) for row in self._rows(table)]
            if kept != [values(row) for row in rows[: len(kept)]]:
                raise SnapshotError(
                    f"{self.path}: holds {len(kept)} {table} of another run; "
                    "restore it first, or use another state folder"
                )
        self._continues = True

    def _count(self, table: str) -> int:
        return int(self._db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    def _append(self, table: str, rows: list[DealRow] | list[OrderRow]) -> None:
        saved = self._saved[table]
        marks = ",".join("?" * (len(fields(rows[0])) + 1)) if rows else ""
        new = [(saved + i, *values(row)) for i, row in enumerate(rows[saved:])]
        if new:
            self._db.executemany(f"INSERT INTO {table} VALUES ({marks})", new)

    def _rows(self, table: str) -> list[dict[str, object]]:
        cursor = self._db.execute(f"SELECT * FROM {table} ORDER BY seq")
        names = [column[0] for column in cursor.description]
        return [dict(zip(names[1:], row[1:], strict=True)) for row in cursor]


def _unusable(path: Path, error: sqlite3.Error) -> SnapshotError:
    return SnapshotError(
        f"{path}: a snapshot of the simulated terminal in a folder that can be written is "
        f"expected, but {error}; remove the file to start anew, or name another state folder"
    )


def _typed(table: str, row: dict[str, Any]) -> list[Any]:
    kinds = _ENUMS[table]
    return [kinds[name](value) if name in kinds else value for name, value in row.items()]


def _state(book: Book, now_ms: int, requests: int) -> dict[str, object]:
    ledger = book.ledger
    return {
        "now_ms": now_ms,
        "requests": requests,
        "balance": ledger.balance,
        "last_order": ledger.last_order,
        "last_deal": ledger.last_deal,
        "positions": [[getattr(p, name) for name in _POSITION] for p in book.positions.values()],
        "orders": [values(working.row) for working in book.orders.values()],
    }


def _restore_open(book: Book, state: dict[str, Any]) -> None:
    now_ms = int(state["now_ms"])
    book.positions.clear()
    book.orders.clear()
    for each in state["positions"]:
        kept = dict(zip(_POSITION, each, strict=True))
        feed = book.feeds[kept["symbol"]]
        watch = Watch(feed, kept["side"], kept["sl"], kept["tp"], *feed.ahead(now_ms))
        book.positions[kept["ticket"]] = OpenPosition(watch=watch, **kept)
    names = [field.name for field in fields(OrderRow)]
    for each in state["orders"]:
        row = OrderRow(*_typed("orders", dict(zip(names, each, strict=True))))
        book.orders[row.ticket] = WorkingOrder(row, trigger_watch(book, row, now_ms))
    book.version += 1
