"""`scripts/supabase_migrate.py` against a real PostgreSQL."""

import shutil
from pathlib import Path

import psycopg
import pytest

from scripts.supabase_migrate import MIGRATIONS, MigrationError, main, migrate

TABLES = {
    "accounts", "bot_status", "trades", "open_positions", "position_events", "news_events",
    "account_snapshots", "model_metrics",
}  # fmt: skip


def _tables(url: str) -> set[str]:
    with psycopg.connect(url) as db:
        rows = db.execute("select tablename from pg_tables where schemaname = 'public'")
        return {name for (name,) in rows}


def _folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MIGRATIONS, tmp_path / "migrations"))


def test_empty_database_gets_every_table_and_a_second_run_changes_nothing(bare_url: str) -> None:
    assert len(migrate(bare_url)) == len([*MIGRATIONS.glob("*.sql")])
    assert _tables(bare_url) == TABLES
    assert migrate(bare_url) == ()


def test_dry_run_names_the_files_and_leaves_the_database_as_it_was(
    bare_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--db-url", bare_url, "--dry-run"]) == 0
    assert "would apply 0001_accounts.sql" in capsys.readouterr().out
    assert _tables(bare_url) == set()
    with psycopg.connect(bare_url) as db:
        assert db.execute("select to_regnamespace('novosky')").fetchone() == (None,)


def test_file_changed_after_it_was_applied_is_refused(url: str, tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    with (folder / "0002_trades.sql").open("a", encoding="utf-8") as file:
        file.write("-- an afterthought\n")
    with pytest.raises(MigrationError, match=r"0002_trades\.sql: changed after it was applied"):
        migrate(url, folder)


def test_file_that_is_gone_after_it_was_applied_is_refused(url: str, tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    (folder / "0004_knowledge.sql").unlink()
    with pytest.raises(MigrationError, match=r"0004_knowledge\.sql: applied .* not in the folder"):
        migrate(url, folder)


def test_file_that_fails_leaves_nothing_behind_and_keeps_those_before_it(
    url: str, tmp_path: Path
) -> None:
    folder = _folder(tmp_path)
    (folder / "0900_good.sql").write_text("create table public.good ();", encoding="utf-8")
    (folder / "0901_bad.sql").write_text(
        "create table public.half (); create table public.good ();", encoding="utf-8"
    )
    with pytest.raises(MigrationError, match=r'0901_bad\.sql: relation "good" already exists'):
        migrate(url, folder)
    assert _tables(url) == TABLES | {"good"}
    (folder / "0901_bad.sql").write_text("create table public.better ();", encoding="utf-8")
    assert migrate(url, folder) == ("0901_bad.sql",)


@pytest.mark.parametrize(
    ("name", "said"),
    [("0001_again.sql", "has that number"), ("12_short.sql", "NNNN_words")],
    ids=["number-used-twice", "odd-name"],
)
def test_folder_that_cannot_be_ordered_is_refused(
    bare_url: str, tmp_path: Path, name: str, said: str
) -> None:
    folder = _folder(tmp_path)
    (folder / name).write_text("select 1;", encoding="utf-8")
    with pytest.raises(MigrationError, match=said):
        migrate(bare_url, folder)


def test_file_numbered_below_an_applied_one_is_refused(url: str, tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    (folder / "0000_late.sql").write_text("select 1;", encoding="utf-8")
    with pytest.raises(MigrationError, match="a new file takes a higher number"):
        migrate(url, folder)


def test_database_that_is_away_is_said_with_exit_status_two(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--db-url", "postgresql://nobody@127.0.0.1:1/none"]) == 2
    assert "the database cannot be reached" in capsys.readouterr().err
