"""The trial ledger: appended only, chained, and written by many at once."""

import json
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ml.training.trials import Head, TrialLedger, TrialLedgerError

ROOT = Path(__file__).resolve().parents[2]
DATA = "d" * 64


@pytest.fixture
def ledger(tmp_path: Path) -> TrialLedger:
    """Three trials: a training, a tuning trial, a look."""
    made = TrialLedger(tmp_path / "state" / "trials.sqlite", now_ms=lambda: 1_700_000_000_000)
    made.record("train", what={"symbol": "BTCUSD", "seed": 42}, data_sha256=DATA, result={})
    made.record("tune_trial", what={"symbol": "BTCUSD"}, data_sha256=DATA, result={"score": -3.5})
    made.record("look", what={"symbol": "XAUUSD"}, data_sha256="e" * 64, result={"sharpe": 0.5})
    return made


def _change(ledger: TrialLedger, statement: str) -> None:
    """Edits the file as someone would who does not go through the ledger."""
    db = sqlite3.connect(ledger.path)
    db.execute("DROP TRIGGER trials_stay")
    db.execute("DROP TRIGGER trials_remain")
    db.execute(statement)
    db.commit()
    db.close()


def test_recorded_trials_come_back_in_order_and_are_counted_by_kind(ledger: TrialLedger) -> None:
    rows = list(ledger.rows())
    assert [(row.id, row.kind) for row in rows] == [(1, "train"), (2, "tune_trial"), (3, "look")]
    assert rows[1].result == {"score": -3.5}
    assert rows[1].at_ms == 1_700_000_000_000
    assert [row.id for row in ledger.rows("look", "train")] == [1, 3]
    assert ledger.count() == 3
    assert ledger.count("train", "look") == 2
    assert ledger.count(data_sha256=DATA) == 2
    assert ledger.count(symbol="BTCUSD") == 2
    assert ledger.count("look", symbol="BTCUSD") == 0


def test_ledger_opened_again_goes_on_with_the_chain(ledger: TrialLedger) -> None:
    again = TrialLedger(ledger.path)
    assert again.record("sweep", what={}, data_sha256=DATA, result={}) == 4
    assert again.verify() == 4
    rows = list(again.rows())
    assert rows[0].previous == "0" * 64
    assert [row.previous for row in rows[1:]] == [row.hash for row in rows[:-1]]


@pytest.mark.parametrize("statement", ["UPDATE trials SET kind = 'look'", "DELETE FROM trials"])
def test_database_refuses_update_and_delete(ledger: TrialLedger, statement: str) -> None:
    db = sqlite3.connect(ledger.path)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        db.execute(statement)
    db.close()
    assert ledger.verify() == 3


@pytest.mark.parametrize(
    ("statement", "row", "problem"),
    [
        ("UPDATE trials SET result = '{\"score\":9.0}' WHERE id = 2", 2, "was changed"),
        ("UPDATE trials SET what = '{}' WHERE id = 1", 1, "was changed"),
        ("UPDATE trials SET kind = 'sweep' WHERE id = 3", 3, "was changed"),
        ("UPDATE trials SET at_ms = 0 WHERE id = 2", 2, "was changed"),
        ("UPDATE trials SET data_sha256 = '' WHERE id = 3", 3, "was changed"),
        ("DELETE FROM trials WHERE id = 2", 2, "is missing"),
        ("DELETE FROM trials WHERE id = 1", 1, "is missing"),
    ],
    ids=["result", "what", "kind", "time", "data", "removed-middle", "removed-first"],
)
def test_edit_around_the_ledger_shows_with_its_row(
    ledger: TrialLedger, statement: str, row: int, problem: str
) -> None:
    _change(ledger, statement)
    with pytest.raises(TrialLedgerError, match=f"row {row} {problem}"):
        ledger.verify()


def test_row_rewritten_with_a_fitting_hash_breaks_the_row_after_it(
    ledger: TrialLedger, tmp_path: Path
) -> None:
    forged = TrialLedger(tmp_path / "forged.sqlite", now_ms=lambda: 1_700_000_000_000)
    forged.record("train", what={"symbol": "BTCUSD", "seed": 43}, data_sha256=DATA, result={})
    (row,) = forged.rows()
    _change(
        ledger,
        f"UPDATE trials SET what = '{json.dumps(row.what, sort_keys=True, separators=(',', ':'))}',"
        f" hash = '{row.hash}' WHERE id = 1",
    )
    with pytest.raises(TrialLedgerError, match="row 2 does not follow row 1"):
        ledger.verify()


def test_ledger_cut_short_shows_against_a_head_noted_before(ledger: TrialLedger) -> None:
    noted = ledger.head()
    assert noted.id == 3
    assert ledger.verify(noted) == 3
    _change(ledger, "DELETE FROM trials WHERE id = 3")
    with pytest.raises(TrialLedgerError, match=r"row 3 was noted in trials.sqlite.head and is mi"):
        ledger.verify()
    ledger.noted.unlink()
    assert ledger.verify() == 2
    with pytest.raises(TrialLedgerError, match="row 3 was noted elsewhere and is missing"):
        ledger.verify(noted)


def test_ledger_put_back_from_an_older_copy_shows_whatever_is_recorded_after_it(
    ledger: TrialLedger, tmp_path: Path
) -> None:
    copy = sqlite3.connect(tmp_path / "copy.sqlite")
    with sqlite3.connect(ledger.path) as db:
        db.backup(copy)
    db.close()
    copy.close()
    ledger.record("look", what={"symbol": "BTCUSD"}, data_sha256=DATA, result={"sharpe": -2.0})
    for file in ledger.path.parent.glob("trials.sqlite-*"):
        file.unlink()
    ledger.path.write_bytes((tmp_path / "copy.sqlite").read_bytes())
    with pytest.raises(TrialLedgerError, match=r"row 4 was noted in trials.sqlite.head"):
        TrialLedger(ledger.path).verify()
    other = TrialLedger(ledger.path)
    for _ in range(2):
        other.record("look", what={"symbol": "BTCUSD"}, data_sha256=DATA, result={"sharpe": 2.0})
    with pytest.raises(TrialLedgerError, match=r"row 4 is not the one that was noted in trials"):
        other.verify()


def test_ledger_that_was_deleted_shows_by_what_is_noted_beside_it(ledger: TrialLedger) -> None:
    for file in (ledger.path, *ledger.path.parent.glob("trials.sqlite-*")):
        file.unlink()
    with pytest.raises(TrialLedgerError, match=r"row 3 was noted in trials.sqlite.head and is mi"):
        TrialLedger(ledger.path).verify()


def test_note_that_is_damaged_is_named(ledger: TrialLedger) -> None:
    ledger.noted.write_text("x")
    with pytest.raises(TrialLedgerError, match=r"trials.sqlite.head: a row's id and hash are need"):
        ledger.verify()


def test_replaced_ledger_shows_against_a_head_noted_before(
    ledger: TrialLedger, tmp_path: Path
) -> None:
    other = TrialLedger(tmp_path / "other.sqlite")
    for _ in range(3):
        other.record("train", what={}, data_sha256=DATA, result={})
    with pytest.raises(TrialLedgerError, match="row 3 is not the one that was noted"):
        other.verify(ledger.head())


def test_empty_ledger_has_a_head_and_is_whole(tmp_path: Path) -> None:
    empty = TrialLedger(tmp_path / "trials.sqlite")
    assert empty.head() == Head(0, "0" * 64)
    assert empty.verify(empty.head()) == 0


def test_unknown_kind_and_nan_are_refused_and_leave_no_row(ledger: TrialLedger) -> None:
    with pytest.raises(TrialLedgerError, match="one of train, tune_trial, sweep, look is allowed"):
        ledger.record("peek", what={}, data_sha256=DATA, result={})  # type: ignore[arg-type]
    with pytest.raises(TrialLedgerError, match="result: JSON without NaN"):
        ledger.record("train", what={}, data_sha256=DATA, result={"score": float("nan")})
    assert ledger.count() == 3


def test_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "trials.sqlite"
    path.write_text("not a database, but a text that is long enough to be looked at by SQLite")
    with pytest.raises(TrialLedgerError, match="a trial ledger is needed"):
        TrialLedger(path)


_WRITER = """
import sys
from pathlib import Path
from ml.training.trials import TrialLedger
ledger = TrialLedger(Path(sys.argv[1]))
for number in range(25):
    ledger.record("tune_trial", what={"writer": sys.argv[2], "number": number},
                  data_sha256="d" * 64, result={})
"""


def test_processes_and_threads_writing_at_once_lose_nothing_and_keep_the_chain(
    tmp_path: Path,
) -> None:
    path = tmp_path / "trials.sqlite"
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, str(path), name], cwd=ROOT)
        for name in ("a", "b")
    ]
    ledger = TrialLedger(path)
    with ThreadPoolExecutor(4) as pool:
        done = pool.map(
            lambda n: ledger.record("sweep", what={"n": n}, data_sha256=DATA, result={}), range(20)
        )
        ids = set(done)
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert len(ids) == 20
    assert ledger.verify() == 70
    assert ledger.count("tune_trial") == 50
