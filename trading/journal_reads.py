"""What the journal can be asked: decisions, refusals, intents, deals, events."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from broker.contract.messages import Deal
from broker.contract.wire import decode
from market.bars import Float64s
from trading.decision.records import Denial
from trading.journal_intents import IntentReads


@dataclass(frozen=True, slots=True)
class DecisionMark:
    """When a bar was decided, by the host's clock, and by which rules (empty: they were not
    kept)."""

    bar_open_ms: int
    observed_ms: int
    settings_sha256: str


class JournalReads(IntentReads):
    """Queries over an open journal; `trading.journal.Journal` adds writing."""

    def close(self) -> None:
        self._db.close()

    def events(self, kind: str | None = None) -> Iterator[tuple[str, int, dict[str, Any]]]:
        """(kind, event time, payload), oldest first."""
        rows = self._db.execute(
            "SELECT kind, event_time_ms, payload FROM events "
            "WHERE :kind IS NULL OR kind = :kind ORDER BY id",
            {"kind": kind},
        )
        for name, event_time_ms, payload in rows:
            yield name, event_time_ms, json.loads(payload)

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

    def last_decision_line(self, symbol: str) -> str | None:
        """The canonical line of the bar that was decided last; None before the first."""
        row = self._db.execute(
            "SELECT line FROM decisions WHERE symbol = ? ORDER BY id DESC LIMIT 1", (symbol,)
        ).fetchone()
        return None if row is None else str(row[0])

    def decision_line(self, symbol: str, bar_open_ms: int) -> str | None:
        """The canonical line of one bar; None if it was not decided."""
        row = self._db.execute(
            "SELECT line FROM decisions WHERE symbol = ? AND bar_open_ms = ?",
            (symbol, bar_open_ms),
        ).fetchone()
        return None if row is None else str(row[0])

    def settings_of(self, symbol: str, bar_open_ms: int) -> dict[str, Any] | None:
        """The rules that one bar was decided by, as `DecisionSettings.model_dump(mode="json")`;
        None where the bar was not decided, or by a version that did not keep them."""
        row = self._db.execute(
            "SELECT settings.tree FROM decisions JOIN settings "
            "ON settings.sha256 = decisions.settings_sha256 WHERE symbol = ? AND bar_open_ms = ?",
            (symbol, bar_open_ms),
        ).fetchone()
        tree: dict[str, Any] | None = None if row is None else json.loads(row[0])
        return tree

    def kept_settings(self, sha256: str) -> dict[str, Any] | None:
        """The rules of that name, as `settings_of` gives them; None where they were not kept."""
        row = self._db.execute("SELECT tree FROM settings WHERE sha256 = ?", (sha256,)).fetchone()
        tree: dict[str, Any] | None = None if row is None else json.loads(row[0])
        return tree

    def decision_marks(self, symbol: str) -> list[DecisionMark]:
        """One for each decided bar, in the order of deciding."""
        rows = self._db.execute(
            "SELECT bar_open_ms, observed_time_ms, settings_sha256 FROM decisions "
            "WHERE symbol = ? ORDER BY id",
            (symbol,),
        )
        return [DecisionMark(*row) for row in rows]

    def decision_times_ms(self, symbol: str) -> list[float]:
        """How long each decision took, from bars received to order body ready."""
        rows = self._db.execute(
            "SELECT decision_ms FROM decisions WHERE symbol = ? ORDER BY id", (symbol,)
        )
        return [value for (value,) in rows]

    def decision_times_between(self, symbol: str, from_ms: int, to_ms: int) -> list[float]:
        """As `decision_times_ms`, of bars that open in [from_ms, to_ms)."""
        rows = self._db.execute(
            "SELECT decision_ms FROM decisions "
            "WHERE symbol = ? AND bar_open_ms >= ? AND bar_open_ms < ? ORDER BY id",
            (symbol, from_ms, to_ms),
        )
        return [value for (value,) in rows]

    def missed_between(self, from_ms: int, to_ms: int) -> int:
        """How many bars that open in [from_ms, to_ms) closed without a decision."""
        return int(
            self._one(
                "SELECT count(DISTINCT payload ->> 'bar_open_ms') FROM events "
                "WHERE kind = 'bar_missed' AND payload ->> 'bar_open_ms' >= ? "
                "AND payload ->> 'bar_open_ms' < ?",
                from_ms, to_ms,
            )
        )  # fmt: skip

    def order_times_ms(self, last: int = 50) -> list[int]:
        """Host time from sending to the answer of the last trade requests, newest first."""
        rows = self._db.execute(
            "SELECT kind, payload ->> 'client_id', observed_time_ms FROM events "
            "WHERE kind GLOB 'order_*' ORDER BY id DESC LIMIT ?",
            (4 * last,),
        )
        answered: dict[str, int] = {}
        times: list[int] = []
        for kind, client_id, at_ms in rows:
            if kind != "order_sent":
                answered[client_id] = at_ms
            elif client_id in answered:
                times.append(answered.pop(client_id) - at_ms)
        return times[:last]

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

    def deals(self) -> tuple[Deal, ...]:
        """Every deal seen, in (time, ticket) order."""
        rows = self._db.execute("SELECT payload FROM deals ORDER BY time_msc, ticket")
        return tuple(decode(Deal, payload.encode()) for (payload,) in rows)

    def meta(self, key: str) -> str | None:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def _one(self, sql: str, *parameters: object) -> Any:
        return self._db.execute(sql, parameters).fetchone()[0]


def _denial(rule: str, *values: float | str | None) -> Denial:
    """A denial read back: SQLite keeps a NaN as NULL."""
    observed, limit = (math.nan if value is None else value for value in values)
    return Denial(rule, observed, limit)
