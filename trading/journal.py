"""The daemon's memory: what happened, what was decided, what was sent. Nothing is lost.

`events` and `decisions` are append-only (the database itself refuses to change them); `intents`,
`denials` and `deals` are projections that can be queried. A bar's decided mark and its intents
commit together, before anything is sent. One process writes; anyone may read.

SQLite in WAL mode with synchronous=FULL: a commit survives a power cut.
"""

import hashlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from broker.contract.messages import Deal
from broker.contract.wire import encode
from market.bars import Float64s
from trading.decision.records import Denial
from trading.decision.settings import DecisionSettings
from trading.errors import JournalError
from trading.execution.intents import (
    IntentState,
    TradeRequest,
    is_open,
    kind_of,
    require_legal,
)
from trading.journal_reads import JournalReads
from trading.journal_schema import SCHEMA_VERSION, statements
from trading.outbox import Outgoing, Translator, put_rows


@dataclass(frozen=True, slots=True, eq=False)
class DecidedBar:
    """What is kept of one decision. `line`: the canonical input and decision; `features`: (n,).
    `settings_sha256`: which rules it was made by (`Journal.keep_settings`)."""

    symbol: str
    bar_open_ms: int
    decided_ms: int
    line: str
    features: Float64s
    decision_ms: float
    denials: tuple[Denial, ...]
    settings_sha256: str = ""


def wall_ms() -> int:
    """The host's clock: only ever stored as the observed time, never decided on."""
    return time.time_ns() // 1_000_000


class Journal(JournalReads):
    """One account's journal. Every method here writes, and is one transaction.

    `translator` makes outbox rows of what is written, in the same transaction; None: nothing
    leaves. `redact` takes secrets out of every event's words.
    """

    def __init__(self, path: Path, *, observed_ms: Callable[[], int] = wall_ms) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._observed_ms = observed_ms
        self.translator: Translator | None = None
        self.redact: Callable[[str], str] = str
        try:
            super().__init__(sqlite3.connect(path, isolation_level=None))
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._require_schema()
        except sqlite3.DatabaseError as error:
            raise JournalError(
                f"{path}: a journal of this project is needed, but SQLite says: {error}; "
                "move the file away to start with an empty one"
            ) from error

    def record(self, kind: str, event_time_ms: int, **payload: Any) -> None:
        """Appends one event."""
        with self._transaction():
            self._append(kind, event_time_ms, payload)

    def decided(
        self,
        bar: DecidedBar,
        requests: Sequence[TradeRequest],
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
                    "observed_time_ms, settings_sha256) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (bar.symbol, bar.bar_open_ms, bar.line, bar.features.tobytes(),
                     bar.decision_ms, observed_ms, bar.settings_sha256),
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
            if self.translator is not None:
                rows = self.translator.decided(bar.bar_open_ms, bar.decided_ms, bar.line)
                put_rows(self._db, rows)

    def missed(self, symbol: str, bar_open_ms: int, event_time_ms: int, why: str) -> None:
        """A bar that closed and was not decided, and why."""
        with self._transaction():
            self._append("bar_missed", event_time_ms, {"bar_open_ms": bar_open_ms, "why": why})
            self._set_meta(f"handled {symbol}", str(bar_open_ms))

    def begin(self, request: TradeRequest, event_time_ms: int, *, parent: str) -> None:
        """A PENDING intent that serves another one; it belongs to the same bar."""
        with self._transaction():
            self._begin(request, event_time_ms, parent)

    def set_state(
        self, client_id: str, state: IntentState, event_time_ms: int, *,
        then: TradeRequest | None = None, **payload: Any,
    ) -> None:  # fmt: skip
        """A new state of an intent: an event, and the projection; `then`: what follows it.

        Raises `IllegalTransition`, and `JournalError` for an intent that was never begun.
        """
        with self._transaction():
            kind, old, parent = self._known(client_id)
            require_legal(client_id, kind, old, state)
            self._append(f"order_{state}", event_time_ms, {"client_id": client_id, **payload})
            self._db.execute(
                "UPDATE intents SET state = ?, changed_ms = ?, open = ? WHERE client_id = ?",
                (state.value, event_time_ms, is_open(kind, state), client_id),
            )
            if then is not None:
                self._begin(then, event_time_ms, parent)

    def announce(self, *rows: Outgoing) -> None:
        """Rows of the outbox that tell of nothing else in the journal."""
        with self._transaction():
            put_rows(self._db, rows)

    def saw_deals(self, deals: Sequence[Deal]) -> None:
        """Keeps deals not seen before."""
        if deals:
            with self._transaction():
                self._add_deals(deals)

    def keep_settings(self, settings: DecisionSettings) -> str:
        """Keeps rules that decisions are made by, once; the SHA-256 that names them."""
        tree = json.dumps(settings.model_dump(mode="json"), sort_keys=True)
        name = hashlib.sha256(tree.encode()).hexdigest()
        with self._transaction():
            self._db.execute("INSERT OR IGNORE INTO settings VALUES (?, ?)", (name, tree))
        return name

    def set_meta(self, **values: str) -> None:
        with self._transaction():
            for key, value in values.items():
                self._set_meta(key, value)

    def _require_schema(self) -> None:
        version = int(self._one("PRAGMA user_version"))
        if version == SCHEMA_VERSION:
            return
        way = statements(version)
        if way is None:
            raise JournalError(
                f"{self._path}: journal version {SCHEMA_VERSION} is allowed, {version} came; "
                "use the program version that wrote it, or move the file away"
            )
        with self._transaction():
            for statement in way:
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _append(self, kind: str, event_time_ms: int, payload: dict[str, Any]) -> None:
        text = json.dumps(payload)
        clean = self.redact(text)
        if clean != text:
            payload = json.loads(clean)
        number = self._db.execute(
            "INSERT INTO events (kind, event_time_ms, observed_time_ms, payload) "
            "VALUES (?, ?, ?, ?)",
            (kind, event_time_ms, self._observed_ms(), clean),
        ).lastrowid
        if self.translator is not None:
            rows = self.translator.event(number or 0, kind, event_time_ms, payload)
            put_rows(self._db, rows)

    def _add_intent(self, request: TradeRequest, bar: DecidedBar, state: IntentState) -> None:
        self._insert(request, bar.bar_open_ms, request.client_id, state, bar.decided_ms)

    def _begin(self, request: TradeRequest, event_time_ms: int, parent: str) -> None:
        row = self._db.execute(
            "SELECT bar_open_ms FROM intents WHERE client_id = ?", (parent,)
        ).fetchone()
        bar_open_ms = 0 if row is None else int(row[0])
        self._insert(request, bar_open_ms, parent, IntentState.PENDING, event_time_ms)

    def _insert(
        self, request: TradeRequest, bar_open_ms: int, parent: str, state: IntentState,
        event_time_ms: int,
    ) -> None:  # fmt: skip
        kind, body = kind_of(request), encode(request).decode()
        self._append(f"order_{state}", event_time_ms, {"request": json.loads(body)})
        self._db.execute(
            "INSERT INTO intents (client_id, symbol, bar_open_ms, request, state, changed_ms, "
            "kind, parent, magic, position, open) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (request.client_id, request.symbol, bar_open_ms, body, state.value, event_time_ms,
             kind.value, parent, getattr(request, "magic", 0), request.position or 0,
             is_open(kind, state)),
        )  # fmt: skip

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
            "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (key, value),
        )
