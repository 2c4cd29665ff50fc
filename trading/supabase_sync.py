"""Carries the outbox into tables: in order, each row once, whatever the network does.

The mark moves only behind a batch that was taken in whole. What arrives a second time changes
nothing there, so a batch of unknown outcome is sent again. Rows that the tables refuse for what is
in them are set aside and said; the rest goes on. No clock and no socket of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from trading.dead_letters import DeadLetter, DeadLetters
from trading.outbox import Cursor, OutboxReader, OutboxRow
from trading.supabase_batch import Numbered, Request, requests_of
from trading.supabase_rows import KINDS, Change, Clear, Insert, writes_of


class StoreError(Exception):
    """Base of everything below."""


class StoreAway(StoreError):
    """No answer, or one that a later try may change."""


class StoreRefuses(StoreError):
    """A person must act: a wrong key, missing tables, a wrong address. Nothing was taken."""


class RowRefused(StoreError):
    """What is in the rows is refused, now and always. Nothing of the request was taken."""


class Store(Protocol):
    """The tables. A request that returns has been committed; each raises a `StoreError`."""

    def insert(
        self, table: str, rows: Sequence[dict[str, Any]], unique: Sequence[str], *, merge: bool
    ) -> None: ...

    def change(self, table: str, values: dict[str, Any], where: dict[str, Any]) -> None: ...

    def clear(self, table: str, where: dict[str, Any], keep: Sequence[int] | None) -> None: ...


@dataclass(frozen=True, slots=True)
class Progress:
    """`taken`: rows of the outbox that are behind the mark now. `refused`: what was set aside."""

    taken: int
    refused: tuple[str, ...] = ()


class Sync:
    """One account's way from the outbox to the tables. One thread uses it.

    `account`: the row of `accounts` that all others refer to.
    """

    def __init__(
        self, reader: OutboxReader, cursor: Cursor, letters: DeadLetters, store: Store, *,
        account: dict[str, Any], batch_rows: int, wall_ms: Callable[[], int],
    ) -> None:  # fmt: skip
        self._reader = reader
        self._cursor = cursor
        self._letters = letters
        self._store = store
        self._account = account
        self._batch_rows = batch_rows
        self._wall_ms = wall_ms
        self._begun = False
        self._doubted = False
        self._refused: list[str] = []

    def begin(self) -> int:
        """Makes the account known, and tries once more what was set aside; how much of it
        arrived. Raises `StoreAway` or `StoreRefuses`."""
        self._put_account()
        arrived = sum(self._arrives(letter) for letter in self._letters.all())
        self._begun = True
        return arrived

    def send_batch(self) -> Progress:
        """Sends the next rows; none taken: nothing is waiting.

        Raises `StoreAway` or `StoreRefuses`; the mark is where it was then.
        """
        if not self._begun:
            self.begin()
        mark = self._cursor.row_id or 0
        rows = self._reader.after(mark, self._batch_rows, kinds=KINDS)
        self._refused, self._doubted = [], False
        writes = [each for row in rows for each in self._writes(row)]
        for request in requests_of(writes):
            self._send(request)
        if rows:
            self._cursor.advance(rows[-1].id)
        return Progress(len(rows), tuple(self._refused))

    def _put_account(self) -> None:
        self._doubted = True
        try:
            self._store.insert("accounts", [self._account], ("id",), merge=True)
        except RowRefused as error:
            text = f"the account itself is refused (supabase.owner must be a user's id): {error}"
            raise StoreRefuses(text) from None

    def _writes(self, row: OutboxRow) -> tuple[Numbered, ...]:
        try:
            writes = writes_of(row, self._account["id"])
        except (KeyError, TypeError, ValueError) as error:
            words = {"kind": row.kind, "key": row.key, "payload": row.payload}
            self._set_aside(row.id, words, f"not a {row.kind}: {type(error).__name__}: {error}")
            return ()
        return tuple(Numbered(row.id, each) for each in writes)

    def _send(self, request: Request) -> None:
        """Sends a request; one that is refused goes out in halves, until the bad row is alone.

        At the first refusal of a batch the account is put again: without it every row is bad.
        """
        try:
            self._ask(request)
        except RowRefused as error:
            if not self._doubted:
                self._put_account()
                self._send(request)
                return
            if len(request) == 1:
                self._set_aside(request[0].row_id, _words(request[0]), str(error))
                return
            half = len(request) // 2
            self._send(request[:half])
            self._send(request[half:])

    def _ask(self, request: Request) -> None:
        first = request[0].write
        match first:
            case Insert():
                rows = [each.write.row for each in request if isinstance(each.write, Insert)]
                self._store.insert(first.table, rows, first.unique, merge=first.merge)
            case Change():
                self._store.change(first.table, first.values, first.where)
            case Clear():
                self._store.clear(first.table, first.where, first.keep)

    def _set_aside(self, row_id: int, body: dict[str, Any], error: str) -> None:
        self._letters.add(row_id, body, error, self._wall_ms())
        self._refused.append(f"row {row_id} of the outbox ({_name(body)}): {error}")

    def _arrives(self, letter: DeadLetter) -> bool:
        """Only history is tried again: what was present once would overwrite what is now."""
        words = letter.body.get("insert")
        if words is None or words["merge"]:
            return False
        try:
            self._store.insert(words["table"], [words["row"]], words["unique"], merge=False)
        except RowRefused:
            return False
        self._letters.remove(letter)
        return True


def _words(each: Numbered) -> dict[str, Any]:
    return {type(each.write).__name__.lower(): asdict(each.write)}


def _name(body: dict[str, Any]) -> str:
    words = body.get("insert") or body.get("change") or body.get("clear")
    return str(words["table"] if words else body["kind"])
