"""The journal's tables. `events` and `decisions` refuse to be changed; the rest are projections."""

import sqlite3
from collections.abc import Iterator

from trading.outbox import OUTBOX_SCHEMA

SCHEMA_VERSION = 4

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE events (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL,
    event_time_ms INTEGER NOT NULL, observed_time_ms INTEGER NOT NULL, payload TEXT NOT NULL);
CREATE TABLE decisions (
    id INTEGER PRIMARY KEY, symbol TEXT NOT NULL, bar_open_ms INTEGER NOT NULL,
    line TEXT NOT NULL, features BLOB NOT NULL, decision_ms REAL NOT NULL,
    observed_time_ms INTEGER NOT NULL, UNIQUE (symbol, bar_open_ms));
CREATE TABLE denials (
    symbol TEXT NOT NULL, bar_open_ms INTEGER NOT NULL,
    rule TEXT NOT NULL, observed, allowed);
CREATE INDEX denials_by_bar ON denials (bar_open_ms);
CREATE TABLE intents (
    client_id TEXT PRIMARY KEY, symbol TEXT NOT NULL, bar_open_ms INTEGER NOT NULL,
    request TEXT NOT NULL, state TEXT NOT NULL, changed_ms INTEGER NOT NULL,
    kind TEXT NOT NULL, parent TEXT NOT NULL, magic INTEGER NOT NULL, position INTEGER NOT NULL,
    open INTEGER NOT NULL);
CREATE INDEX open_intents ON intents (open) WHERE open = 1;
CREATE INDEX intents_by_magic ON intents (magic);
CREATE TABLE deals (ticket INTEGER PRIMARY KEY, time_msc INTEGER NOT NULL, payload TEXT NOT NULL);
CREATE TRIGGER events_stay BEFORE UPDATE ON events
    BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER events_remain BEFORE DELETE ON events
    BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER decisions_stay BEFORE UPDATE ON decisions
    BEGIN SELECT RAISE(ABORT, 'decisions are append-only'); END;
CREATE TRIGGER decisions_remain BEFORE DELETE ON decisions
    BEGIN SELECT RAISE(ABORT, 'decisions are append-only'); END;
"""
# Rules that decisions were made by, by the SHA-256 of their JSON; older decisions name none.
_SETTINGS = """
CREATE TABLE settings (sha256 TEXT PRIMARY KEY, tree TEXT NOT NULL);
ALTER TABLE decisions ADD COLUMN settings_sha256 TEXT NOT NULL DEFAULT '';
"""


def statements(version: int) -> Iterator[str] | None:
    """The statements that bring a journal of this version (0: an empty file) to the present one;
    None where there is no way."""
    ways = {0: _SCHEMA + OUTBOX_SCHEMA + _SETTINGS, 2: OUTBOX_SCHEMA + _SETTINGS, 3: _SETTINGS}
    return _statements(ways[version]) if version in ways else None


def _statements(schema: str) -> Iterator[str]:
    """One by one; a trigger's inner semicolon ends none."""
    held = ""
    for line in schema.splitlines():
        held += line + "\n"
        if sqlite3.complete_statement(held):
            yield held
            held = ""
