"""The daemon's memory: what happened, what was decided, what was sent. Nothing is lost.

`events` and `decisions` are append-only (the database itself refuses to change them); `intents`,
`denials` and `deals` are projections that can be queried. A bar's decided mark and its intents
commit together, before anything is sent. One process writes; anyone may read.

SQLite in WAL mode with synchronous=FULL: a commit survives a power cut.
"""

import json
import math
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from broker.contract.messages import Deal, OrderRequest
from broker.contract.wire import decode, encode
from market.bars import Float64s
from trading.decision.records import Denial
from trading.errors import JournalError
from trading.execution.intents import IntentState, JournalledIntent
from trading.journal_schema import SCHEMA_VERSION, statements


@dataclass(frozen=True, slots=True, eq=False)
class DecidedBar:
    """What is kept of one decision. `line`: the canonical input and decision; `features`: (n,)."""

    symbol: str
    bar_open_ms: int
    decided_ms: int
    line: str
    features: Float64s
    decision_ms: float
    denials: tuple[Denial, ...]


def wall_ms() -> int:
    """The host's clock: only ever stored as the observed time, never decided on."""
    return time.time_ns() // 1_000_000


class Journal:
    """One account's journal. Every method that writes is one transaction."""

    def __init__(self, path: Path, *, observed_ms: Callable[[], int] = wall_ms) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._observed_ms = observed_ms
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._require_schema()
        except sqlite3.DatabaseError as error:
            raise JournalError(
                f"{path}: a journal of this project is needed, but SQLite says: {error}; "
                "move the file away to start with an empty one"
            ) from error

    def close(self) -> None:
        self._db.close()

    # What happened

    def record(self, kind: str, event_time_ms: int, **payload: Any) -> None:
        """Appends one event."""
        with self._transaction():
            self._append(kind, event_time_ms, payload)

    def events(self, kind: str | None = None) -> Iterator[tuple[str, int, dict[str, Any]]]:
        """(kind, event time, payload), oldest first."""
        rows = self._db.execute(
            "SELECT kind, event_time_ms, payload FROM events WHERE ?1 IS NULL OR kind = ?1 "
            "ORDER BY id",
            (kind,),
        )
        for name, event_time_ms, payload in rows:
            yield name, event_time_ms, json.loads(payload)

    # What was decided

    def decided(
        self,
        bar: DecidedBar,
        requests: Sequence[OrderRequest],
        deals: Sequence[Deal] = (),
        *,
        state: IntentState = IntentState.PENDING,
    ) -> None:
        """The decided mark of a bar, its intents and the deals seen for it, in one transaction.

        Raises `JournalError` if the bar is decided already.
        """
        observed_ms = self._observed_ms()
        with self._transaction():
            try:
                self._db.execute(
                    "INSERT INTO decisions (symbol, bar_open_ms, line, features, decision_ms, "
                    "observed_time_ms) VALUES (?, ?, ?, ?, ?, ?)",
                    (bar.symbol, bar.bar_open_ms, bar.line, bar.features.tobytes(),
                     bar.decision_ms, observed_ms),
                )  # fmt: skip
            except sqlite3.IntegrityError as error:
                raise JournalError(
                    f"{bar.symbol}, bar {bar.bar_open_ms}: decided already; one decision a bar"
                ) from error
            self._db.executemany(
                "INSERT INTO denials VALUES (?, ?, ?, ?, ?)",
                [(bar.symbol, bar.bar_open_ms, d.rule, d.observed, d.limit) for d in bar.denials],
            )
            for request in requests:
                self._add_intent(request, bar, state)
            self._add_deals(deals)
            self._set_meta(f"handled {bar.symbol}", str(bar.bar_open_ms))

    def missed(self, symbol: str, bar_open_ms: int, event_time_ms: int, why: str) -> None:
        """A bar that closed and was not decided, and why."""
        with self._transaction():
            self._append("bar_missed", event_time_ms, {"bar_open_ms": bar_open_ms, "why": why})
            self._set_meta(f"handled {symbol}", str(bar_open_ms))

    def why_missed(self, bar_open_ms: int) -> str | None:
        """Why a bar that closed was not decided; None if it was, or never closed."""
        row = self._db.execute(
            "SELECT payload ->> 'why' FROM events "
            "WHERE kind = 'bar_missed' AND payload ->> 'bar_open_ms' = ?",
            (bar_open_ms,),
        ).fetchone()
        return None if row is None else str(row[0])

    def handled_open_ms(self, symbol: str) -> int | None:
        """Open time of the last bar decided or missed; None before the first."""
        value = self.meta(f"handled {symbol}")
        return None if value is None else int(value)

    def decided_count(self, symbol: str) -> int:
        return int(self._one("SELECT count(*) FROM decisions WHERE symbol = ?", symbol))

    def decision_lines(self, symbol: str) -> Iterator[str]:
        """The canonical lines in the order of deciding."""
        rows = self._db.execute(
            "SELECT line FROM decisions WHERE symbol = ? ORDER BY id", (symbol,)
        )
        return (line for (line,) in rows)

    def decision_times_ms(self, symbol: str) -> list[float]:
        """How long each decision took, from bars received to order body ready."""
        rows = self._db.execute(
            "SELECT decision_ms FROM decisions WHERE symbol = ? ORDER BY id", (symbol,)
        )
        return [value for (value,) in rows]

    def features(self, symbol: str) -> Iterator[tuple[int, Float64s]]:
        """(bar open, the feature row it was decided on), in the order of deciding."""
        rows = self._db.execute(
            "SELECT bar_open_ms, features FROM decisions WHERE symbol = ? ORDER BY id", (symbol,)
        )
        for bar_open_ms, blob in rows:
            yield bar_open_ms, np.frombuffer(blob, dtype=np.float64)

    def denials_between(self, from_ms: int, to_ms: int) -> list[tuple[str, int, Denial]]:
        """(symbol, bar open, denial) of bars that open in [from_ms, to_ms)."""
        rows = self._db.execute(
            "SELECT symbol, bar_open_ms, rule, observed, allowed FROM denials "
            "WHERE bar_open_ms >= ? AND bar_open_ms < ? ORDER BY rowid",
            (from_ms, to_ms),
        )
        return [(symbol, open_ms, _denial(*words)) for symbol, open_ms, *words in rows]

    def denial_counts(self, symbol: str) -> dict[str, int]:
        """How many bars each rule refused."""
        return dict(
            self._db.execute(
                "SELECT rule, count(*) FROM denials WHERE symbol = ? GROUP BY rule ORDER BY rule",
                (symbol,),
            ).fetchall()
        )

    # What was sent

    def set_state(
        self, client_id: str, state: IntentState, event_time_ms: int, **payload: Any
    ) -> None:
        """A new state of an intent: an event, and the projection."""
        with self._transaction():
            self._append(f"order_{state}", event_time_ms, {"client_id": client_id, **payload})
            self._db.execute(
                "UPDATE intents SET state = ?, changed_ms = ? WHERE client_id = ?",
                (state.value, event_time_ms, client_id),
            )

    def open_intents(self) -> tuple[JournalledIntent, ...]:
        """Intents whose outcome is not known: PENDING and UNKNOWN, in the order of deciding."""
        rows = self._db.execute(
            "SELECT request, bar_open_ms, state, changed_ms FROM intents "
            "WHERE state IN ('pending', 'unknown') ORDER BY rowid"
        )
        return tuple(
            JournalledIntent(
                decode(OrderRequest, request.encode()), open_ms, IntentState(state), changed
            )
            for request, open_ms, state, changed in rows
        )

    def intents_of_bar(self, bar_open_ms: int) -> list[tuple[OrderRequest, IntentState]]:
        """The intents of one bar and their present states."""
        rows = self._db.execute(
            "SELECT request, state FROM intents WHERE bar_open_ms = ? ORDER BY rowid",
            (bar_open_ms,),
        )
        return [(decode(OrderRequest, body.encode()), IntentState(state)) for body, state in rows]

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

    # What the broker did

    def saw_deals(self, deals: Sequence[Deal]) -> None:
        """Keeps deals not seen before."""
        if deals:
            with self._transaction():
                self._add_deals(deals)

    def deals(self) -> tuple[Deal, ...]:
        """Every deal seen, in (time, ticket) order."""
        rows = self._db.execute("SELECT payload FROM deals ORDER BY time_msc, ticket")
        return tuple(decode(Deal, payload.encode()) for (payload,) in rows)

    # Small facts about the run itself

    def meta(self, key: str) -> str | None:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, **values: str) -> None:
        with self._transaction():
            for key, value in values.items():
                self._set_meta(key, value)

    def _require_schema(self) -> None:
        version = int(self._one("PRAGMA user_version"))
        if version == 0:
            with self._transaction():
                for statement in statements():
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        elif version != SCHEMA_VERSION:
            raise JournalError(
                f"{self._path}: journal version {SCHEMA_VERSION} is allowed, {version} came; "
                "use the program version that wrote it, or move the file away"
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _append(self, kind: str, event_time_ms: int, payload: dict[str, Any]) -> None:
        self._db.execute(
            "INSERT INTO events (kind, event_time_ms, observed_time_ms, payload) "
            "VALUES (?, ?, ?, ?)",
            (kind, event_time_ms, self._observed_ms(), json.dumps(payload)),
        )

    def _add_intent(self, request: OrderRequest, bar: DecidedBar, state: IntentState) -> None:
        body = encode(request).decode()
        self._append(f"order_{state}", bar.decided_ms, {"request": json.loads(body)})
        self._db.execute(
            "INSERT INTO intents VALUES (?, ?, ?, ?, ?, ?)",
            (request.client_id, bar.symbol, bar.bar_open_ms, body, state.value, bar.decided_ms),
        )

    def _add_deals(self, deals: Sequence[Deal]) -> None:
        for deal in deals:
            body = encode(deal).decode()
            added = self._db.execute(
                "INSERT OR IGNORE INTO deals VALUES (?, ?, ?)", (deal.ticket, deal.time_msc, body)
            ).rowcount
            if added:
                self._append("deal_seen", deal.time_msc, {"deal": json.loads(body)})

    def _set_meta(self, key: str, value: str) -> None:
        self._db.execute(
            "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2",
            (key, value),
        )

    def _one(self, sql: str, *parameters: object) -> Any:
        return self._db.execute(sql, parameters).fetchone()[0]


def _denial(rule: str, *values: float | str | None) -> Denial:
    """A denial read back: SQLite keeps a NaN as NULL."""
    observed, limit = (math.nan if value is None else value for value in values)
    return Denial(rule, observed, limit)
