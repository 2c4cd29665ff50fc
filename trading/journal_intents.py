"""What the journal can be asked about trade requests."""

import sqlite3
from typing import Any

from broker.contract.messages import OrderRequest
from broker.contract.wire import decode
from trading.errors import JournalError
from trading.execution.intents import (
    IntentState,
    JournalledIntent,
    Kind,
    LevelsIntent,
    LevelsRequest,
)

_WORDS = "SELECT request, bar_open_ms, state, changed_ms, parent FROM intents "
_LEVELS = "SELECT request, state, changed_ms, parent FROM intents "
_ORDERS = "kind NOT IN ('levels', 'modify')"


class IntentReads:
    """Queries over the intents of an open journal."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def open_intents(self) -> tuple[JournalledIntent, ...]:
        """Orders with something left to do, in the order of their beginning."""
        return self._intents(f"WHERE open = 1 AND {_ORDERS} ORDER BY rowid")

    def open_changes(self) -> tuple[LevelsIntent, ...]:
        """Decided changes of levels without an outcome, in the order of their beginning."""
        return self._changes("WHERE open = 1 AND kind = 'modify' ORDER BY rowid")

    def has_open_intents(self) -> bool:
        """Whether any order, or any decided change of levels, is open."""
        row = self._db.execute(
            "SELECT 1 FROM intents WHERE open = 1 AND kind != 'levels' LIMIT 1"
        ).fetchone()
        return row is not None

    def find_intent(self, client_id: str) -> JournalledIntent | None:
        """An order by its name."""
        found = self._intents(f"WHERE client_id = ? AND {_ORDERS}", client_id)
        return found[0] if found else None

    def find_change(self, client_id: str) -> LevelsIntent | None:
        """A decided change of levels by its name."""
        found = self._changes("WHERE client_id = ? AND kind = 'modify'", client_id)
        return found[0] if found else None

    def intent_of_magic(self, magic: int) -> JournalledIntent | None:
        """The entry that bears this magic; the newest, should there be several."""
        found = self._intents(
            "WHERE magic = ? AND kind = 'entry' ORDER BY rowid DESC LIMIT 1", magic
        )
        return found[0] if found else None

    def close_of_magic(self, magic: int) -> JournalledIntent | None:
        """The close, whole or of a part, that bears this magic; the newest, should there be
        several."""
        found = self._intents(
            "WHERE magic = ? AND kind IN ('close', 'part') ORDER BY rowid DESC LIMIT 1", magic
        )
        return found[0] if found else None

    def closes_of(self, position: int) -> tuple[JournalledIntent, ...]:
        """Every whole close asked for this position, oldest first."""
        return self._intents("WHERE kind = 'close' AND position = ? ORDER BY rowid", position)

    def parts_of(self, position: int) -> tuple[JournalledIntent, ...]:
        """Every partial close asked for this position, oldest first."""
        return self._intents("WHERE kind = 'part' AND position = ? ORDER BY rowid", position)

    def changes_of(self, position: int, *, after: str = "") -> tuple[LevelsIntent, ...]:
        """Decided changes of this position's levels, oldest first; `after`: only those written
        down later than the intent of that name."""
        return self._changes(
            "WHERE kind = 'modify' AND position = ? AND rowid > coalesce("
            "(SELECT rowid FROM intents WHERE client_id = ?), 0) ORDER BY rowid",
            position, after,
        )  # fmt: skip

    def children_of(self, entry: str) -> tuple[JournalledIntent, ...]:
        """Closes asked for on behalf of an entry, oldest first."""
        return self._intents("WHERE kind = 'close' AND parent = ? ORDER BY rowid", entry)

    def levels_of(self, entry: str) -> tuple[LevelsIntent, ...]:
        """The guard's changes of levels for an entry's position, oldest first."""
        return self._changes("WHERE parent = ? AND kind = 'levels' ORDER BY rowid", entry)

    def sent_since(self, from_ms: int) -> tuple[int, ...]:
        """When trade requests were sent, from an instant on."""
        rows = self._db.execute(
            "SELECT event_time_ms FROM events WHERE kind = 'order_sent' AND event_time_ms >= ? "
            "ORDER BY id",
            (from_ms,),
        )
        return tuple(at_ms for (at_ms,) in rows)

    def orders_of(self, symbol: str) -> tuple[JournalledIntent, ...]:
        """Every order of a symbol, oldest first."""
        return self._intents(f"WHERE symbol = ? AND {_ORDERS} ORDER BY rowid", symbol)

    def intents_of_bar(self, bar_open_ms: int) -> list[tuple[OrderRequest, IntentState]]:
        """The orders of one bar and their present states."""
        found = self._intents(f"WHERE bar_open_ms = ? AND {_ORDERS} ORDER BY rowid", bar_open_ms)
        return [(each.request, each.state) for each in found]

    def changes_of_bar(self, bar_open_ms: int) -> tuple[LevelsIntent, ...]:
        """The changes of levels that were decided on one bar, and their present states."""
        return self._changes("WHERE bar_open_ms = ? AND kind = 'modify' ORDER BY rowid",
                             bar_open_ms)  # fmt: skip

    def intent_state(self, client_id: str) -> IntentState | None:
        """The present state of an intent; None if there is no such intent."""
        row = self._db.execute(
            "SELECT state FROM intents WHERE client_id = ?", (client_id,)
        ).fetchone()
        return None if row is None else IntentState(row[0])

    def intent_counts(self) -> dict[str, int]:
        """How many intents are in each state."""
        return dict(
            self._db.execute("SELECT state, count(*) FROM intents GROUP BY state").fetchall()
        )

    def _known(self, client_id: str) -> tuple[Kind, IntentState, str]:
        """(kind, present state, parent) of an intent that must be there."""
        row = self._db.execute(
            "SELECT kind, state, parent FROM intents WHERE client_id = ?", (client_id,)
        ).fetchone()
        if row is None:
            raise JournalError(f"intent {client_id}: it was never written down")
        return Kind(row[0]), IntentState(row[1]), str(row[2])

    def _intents(self, where: str, *values: Any) -> tuple[JournalledIntent, ...]:
        rows = self._db.execute(_WORDS + where, values)
        return tuple(
            JournalledIntent(
                decode(OrderRequest, body.encode()), open_ms, IntentState(state), changed, parent
            )
            for body, open_ms, state, changed, parent in rows
        )

    def _changes(self, where: str, *values: Any) -> tuple[LevelsIntent, ...]:
        rows = self._db.execute(_LEVELS + where, values)
        return tuple(
            LevelsIntent(
                decode(LevelsRequest, body.encode()), IntentState(state), changed_ms, parent
            )
            for body, state, changed_ms, parent in rows
        )
