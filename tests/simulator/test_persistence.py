"""Snapshots: a stopped terminal continues as if it had never stopped."""

import sqlite3
from dataclasses import replace

import pytest

from broker.contract.constants import OrderType
from broker.simulator.persistence import SnapshotError, SnapshotStore
from tests.simulator.terminals import QUIET, UNIT, at, buy, make_terminal, place, sell

ROWS = [QUIET, (100, 101, 99, 100), (100, 102, 98, 101), (101, 103, 97, 98), QUIET] * 40


def _terminal(**settings):
    return make_terminal(ROWS, slippage_points=5, spread_points=10, **settings)


def _step(terminal, row):
    terminal.advance(at(row))
    send = buy if row % 2 else sell
    send(terminal, 0.1, sl=98.5 if row % 2 else 101.5, comment=f"r{row}")
    if row % 5 == 0:
        place(terminal, OrderType.BUY_LIMIT, 98.0, 0.1, sl=97.0)


def test_restored_terminal_gives_the_ledger_of_one_that_never_stopped(tmp_path):
    steady = _terminal()
    for row in range(2, 150, 3):
        _step(steady, row)
    steady.advance(steady.end_ms)
    stopped = _terminal()
    for row in range(2, 150, 3):
        _step(stopped, row)
        stopped.save(tmp_path / "snap.db")
        if row % 4 == 0:
            stopped.close()
            stopped = _terminal()
            stopped.restore(tmp_path / "snap.db")
            assert stopped.now_ms == at(row)
    stopped.advance(stopped.end_ms)
    assert stopped.ledger.sha256() == steady.ledger.sha256()
    assert stopped.account() == steady.account()
    stopped.close()


def test_saving_writes_only_what_is_new(tmp_path):
    terminal = _terminal()
    buy(terminal)
    terminal.save(tmp_path / "snap.db")
    terminal.save(tmp_path / "snap.db")
    sell(terminal, position=1)
    terminal.save(tmp_path / "snap.db")
    terminal.close()
    with sqlite3.connect(tmp_path / "snap.db") as db:
        rows = db.execute("SELECT seq, ticket FROM deals ORDER BY seq").fetchall()
    db.close()
    assert rows == [(0, 1), (1, 2), (2, 3)]


def test_state_after_the_last_save_is_lost_and_no_more(tmp_path):
    terminal = _terminal()
    buy(terminal)
    terminal.save(tmp_path / "snap.db")
    sell(terminal, position=1)
    terminal.close()
    again = _terminal()
    again.restore(tmp_path / "snap.db")
    assert list(again.book.positions) == [1]
    again.close()


@pytest.mark.parametrize(
    "changed", [{"seed": 8}, {"balance": 5.0}, {"spec": replace(UNIT, tick_value=0.02)},
                {"server_zone": "Europe/Athens"}, {"start_row": 2}],
)  # fmt: skip
def test_snapshot_of_another_run_is_refused(tmp_path, changed):
    terminal = _terminal()
    terminal.save(tmp_path / "snap.db")
    terminal.close()
    with pytest.raises(SnapshotError, match="another state folder"):
        _terminal(**changed).restore(tmp_path / "snap.db")


def test_snapshot_over_other_bars_is_refused(tmp_path):
    terminal = _terminal()
    terminal.save(tmp_path / "snap.db")
    terminal.close()
    other = make_terminal([*ROWS, QUIET], slippage_points=5, spread_points=10)
    with pytest.raises(SnapshotError, match="fingerprint"):
        other.restore(tmp_path / "snap.db")


@pytest.mark.parametrize("wrote", ["nothing", "tables"])
def test_file_of_a_process_killed_before_its_first_save_starts_anew(tmp_path, wrote):
    path = tmp_path / "snap.db"
    path.touch()
    if wrote == "tables":
        SnapshotStore(path, _terminal().fingerprint()).close()
    begun, fresh = _terminal(), _terminal()
    begun.restore(path)
    assert begun.now_ms == fresh.now_ms
    assert begun.ledger.sha256() == fresh.ledger.sha256()
    buy(begun)
    begun.save(path)
    begun.close()
    again = _terminal()
    again.restore(path)
    assert list(again.book.positions) == [1]
    again.close()


def test_missing_and_foreign_files_are_refused_with_what_to_do(tmp_path):
    with pytest.raises(SnapshotError, match="there is none"):
        _terminal().restore(tmp_path / "new.db")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "text.db").write_text("no database at all, only text " * 50)
    with pytest.raises(SnapshotError, match="remove the file"):
        _terminal().restore(tmp_path / "text.db")


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(SnapshotError, match="another state folder"):
        _terminal().save(tmp_path / "nowhere" / "snap.db")


def test_a_new_run_never_writes_into_the_past_of_another(tmp_path):
    terminal = _terminal()
    buy(terminal)
    terminal.save(tmp_path / "snap.db")
    terminal.close()
    anew = _terminal()
    sell(anew)
    with pytest.raises(SnapshotError, match="restore it first"):
        anew.save(tmp_path / "snap.db")
    anew.close()


def test_damaged_deals_are_noticed(tmp_path):
    terminal = _terminal()
    buy(terminal)
    terminal.save(tmp_path / "snap.db")
    terminal.close()
    db = sqlite3.connect(tmp_path / "snap.db")
    db.execute("UPDATE deals SET profit = profit + 1 WHERE seq = 0")
    db.commit()
    db.close()
    with pytest.raises(SnapshotError, match="damaged"):
        _terminal().restore(tmp_path / "snap.db")
