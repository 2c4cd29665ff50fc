"""Disk, journal and `.env`: what this machine must be able to do."""

import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

from trading.close_reasons import close_reason
from trading.decision.records import ClosedTrade
from trading.doctor.bedside import Known
from trading.doctor.check import Finding, bad, good, judged, note
from trading.journal_reads import JournalReads
from trading.state_folder import StateFolder
from trading.trade_book import TradeBook

LEAST_FREE_BYTES = 500_000_000
_LITTLE_FREE_BYTES = 2_000_000_000
_PROBE_BYTES = 1_000_000
_LOCK_WAIT_S = 2.0


def free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def disk(folder: Path, free: Callable[[Path], int] = free_bytes) -> Finding:
    """Whether a megabyte can be written into the state folder, and how much more."""
    there = _existing(folder)
    try:
        with tempfile.TemporaryFile(dir=there) as probe:
            probe.write(bytes(_PROBE_BYTES))
            probe.flush()
    except OSError as error:
        return bad(
            f"{there}: {error.strerror or error}",
            "the state folder cannot be written: free disk space, mount it writable, or let the "
            f"daemon's user own it (chown); or use another one with --state (now {folder})",
        )
    left = free(there)
    text = f"{there}: {left / 1e9:.1f} GB free"
    if left < LEAST_FREE_BYTES:
        return bad(text, "free disk space: half a gigabyte is the least; old logs/ and reports/ go")
    if left < _LITTLE_FREE_BYTES:
        return note(text, "free disk space soon")
    return good(text)


def journal(folder: Path, process_words: Callable[[int], str]) -> Finding:
    """Whether the journal is whole, and whether anybody else holds it.

    `process_words`: the command line of a process, empty where it cannot be known.
    """
    path = StateFolder(folder).journal
    holder = _holder(folder)
    if holder is not None and "trading.py" not in process_words(holder):
        return bad(
            f"{folder}: held by process {holder}, which is no daemon of this program",
            f"end process {holder}, or use another --account or --state",
        )
    runs = f"; a daemon runs on it (process {holder})" if holder is not None else ""
    if not path.exists():
        return note(f"none yet{runs}")
    return _asked(path, runs)


def env_file(path: Path) -> Finding:
    """Secrets are for their owner alone."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return note(f"no {path.name}: secrets come from the environment")
    return judged(
        not mode & 0o077, f"{path.name} has mode {mode:04o}",
        f"others on this machine can read your tokens: chmod 600 {path.name}",
    )  # fmt: skip


def known(folder: Path, symbol: str) -> Known:
    """What the journal has pinned; the daemon may be running meanwhile. Nothing where the journal
    cannot be read: that is another check's matter."""
    try:
        reads = _reader(StateFolder(folder).journal)
    except sqlite3.Error:
        return Known()
    try:
        return Known(
            reads.meta("account"), reads.meta("account_trade_mode"), reads.meta(f"spec {symbol}")
        )
    except sqlite3.Error:
        return Known()
    finally:
        reads.close()


def closed_trades(folder: Path, strategy_id: int) -> tuple[ClosedTrade, ...]:
    """Our finished trades as the journal knows them; none without a journal."""
    path = StateFolder(folder).journal
    if not path.exists():
        return ()
    reads = _reader(path)
    try:
        book = TradeBook(strategy_id, reason_of=lambda magic: close_reason(reads, magic))
        book.add(reads.deals())
    finally:
        reads.close()
    return tuple(book.closed)


def _asked(path: Path, runs: str) -> Finding:
    """Locks first: a write that waits is what a daemon would meet."""
    try:
        with _opened(path, "rw") as db:
            db.execute("BEGIN IMMEDIATE")
            db.execute("ROLLBACK")
            said = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            return bad(
                f"{path}: locked by another process for more than {_LOCK_WAIT_S:g} s",
                f"end the program that has it open (fuser {path} names it), e.g. a database viewer",
            )
        return bad(
            f"{path}: {error}",
            "let the daemon's user own and write the state folder (chown, chmod u+w), or use "
            "another one with --state",
        )
    except sqlite3.DatabaseError as error:
        return bad(f"{path}: {error}", _DAMAGED)
    return judged(said == "ok", f"whole{runs}" if said == "ok" else f"{path}: {said}", _DAMAGED)


_DAMAGED = (
    "the journal is damaged: stop the daemon, keep a copy, and put your last backup back; to begin "
    "anew move it away, then its trades are adopted from the broker"
)


class _opened:
    """A connection that is closed at the block's end."""

    def __init__(self, path: Path, mode: str) -> None:
        self._where = f"{path.resolve().as_uri()}?mode={mode}"

    def __enter__(self) -> sqlite3.Connection:
        self._db = sqlite3.connect(
            self._where, uri=True, timeout=_LOCK_WAIT_S, isolation_level=None
        )
        return self._db

    def __exit__(self, *_: object) -> None:
        self._db.close()


def _reader(path: Path) -> JournalReads:
    return JournalReads(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True))


def _holder(folder: Path) -> int | None:
    """The process that holds the state folder's lock; 0 where it did not say who it is."""
    try:
        held = StateFolder.is_held(folder)
    except OSError:
        return None
    return StateFolder.holder(folder) if held else None


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    for each in (folder, *folder.resolve().parents):
        if each.exists():
            return each
    return Path("/")
