"""Brings a Supabase database (or any PostgreSQL with Supabase's roles) to the present schema.

Applies what is new in `supabase/migrations`, in the order of the numbers, each file in a
transaction of its own, and remembers it with its SHA-256 in `novosky.schema_migrations`. A file
that was changed or removed after it was applied is an error: write a new one.

The database's URL comes from --db-url, else from NOVOSKY_SUPABASE_DB_URL in the environment or in
`.env`. Exit status: 0 done or nothing to do, 2 a person is needed.
"""

import argparse
import hashlib
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(_ROOT))

from trading.command_line import needing_packages  # noqa: E402

with needing_packages():
    import psycopg
    from dotenv import dotenv_values

MIGRATIONS = _ROOT / "supabase" / "migrations"
URL_VARIABLE = "NOVOSKY_SUPABASE_DB_URL"
_NAME = re.compile(r"^(?P<number>\d{4})_[a-z0-9_]+\.sql$")
_LOCK = 0x6E6F766F736B79  # "novosky": two of these at once would apply a file twice
_OWN = """
create schema if not exists novosky;
create table if not exists novosky.schema_migrations (
    name text primary key, sha256 text not null, applied_at timestamptz not null default now());
"""


class MigrationError(Exception):
    """The database and the folder do not fit together, or a file cannot be applied."""


@dataclass(frozen=True, slots=True)
class Migration:
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read_migrations(folder: Path) -> tuple[Migration, ...]:
    """The folder's files in their order. Raises `MigrationError` for odd names and used numbers."""
    found: dict[str, Migration] = {}
    for path in sorted(folder.glob("*.sql")):
        named = _NAME.match(path.name)
        if named is None:
            raise MigrationError(f"{path.name}: NNNN_words.sql is allowed; rename it")
        if named["number"] in found:
            raise MigrationError(
                f"{path.name}: {found[named['number']].name} has that number; take the next one"
            )
        found[named["number"]] = Migration(path.name, path.read_text(encoding="utf-8"))
    return tuple(found.values())


def pending(migrations: Sequence[Migration], applied: Mapping[str, str]) -> tuple[Migration, ...]:
    """What is still to be applied; `applied`: name → SHA-256.

    Raises `MigrationError` where an applied file has changed, is gone, or would be overtaken.
    """
    here = {each.name: each for each in migrations}
    for name, sha256 in applied.items():
        if name not in here:
            raise MigrationError(f"{name}: applied to this database, but not in the folder; "
                                 "use the program version that applied it")  # fmt: skip
        if here[name].sha256 != sha256:
            raise MigrationError(f"{name}: changed after it was applied (SHA-256 {sha256[:12]}… "
                                 "then); put it back and write a new file")  # fmt: skip
    missing = tuple(each for each in migrations if each.name not in applied)
    if missing and applied and missing[0].name < max(applied):
        raise MigrationError(f"{missing[0].name}: {max(applied)} is applied already; "
                             "a new file takes a higher number")  # fmt: skip
    return missing


def migrate(url: str, folder: Path = MIGRATIONS, *, dry_run: bool = False) -> tuple[str, ...]:
    """Names of what was applied, or with `dry_run` would be. Raises `MigrationError`."""
    migrations = read_migrations(folder)
    with _connected(url) as db:
        db.execute("select pg_advisory_lock(%s)", (_LOCK,))
        due = pending(migrations, _applied(db))
        if not dry_run:
            db.execute(_OWN)
            for each in due:
                _apply(db, each)
            db.execute("notify pgrst, 'reload schema'")  # else the API learns of tables late
    return tuple(each.name for each in due)


def _connected(url: str) -> psycopg.Connection:
    try:
        return psycopg.connect(url, autocommit=True, connect_timeout=10)
    except psycopg.Error as error:
        raise MigrationError(
            f"the database cannot be reached: {str(error).strip()}; check its URL and that it runs"
        ) from error


def _applied(db: psycopg.Connection) -> dict[str, str]:
    there = db.execute("select to_regclass('novosky.schema_migrations')").fetchone()
    if there is None or there[0] is None:
        return {}
    return dict(db.execute("select name, sha256 from novosky.schema_migrations").fetchall())


def _apply(db: psycopg.Connection, migration: Migration) -> None:
    try:
        with db.transaction():
            db.execute(migration.sql)
            db.execute(
                "insert into novosky.schema_migrations (name, sha256) values (%s, %s)",
                (migration.name, migration.sha256),
            )
    except psycopg.Error as error:
        raise MigrationError(f"{migration.name}: {str(error).strip()}; the file is not applied, "
                             "those before it are") from error  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    given = _arguments(argv)
    url = given.db_url or _variable(URL_VARIABLE)
    if not url:
        print(f"a database URL is needed: --db-url, or {URL_VARIABLE} in the environment or in "
              ".env", file=sys.stderr)  # fmt: skip
        return 2
    try:
        names = migrate(url, dry_run=given.dry_run)
    except MigrationError as error:
        print(error, file=sys.stderr)
        return 2
    for name in names:
        print(f"{'would apply' if given.dry_run else 'applied'} {name}")
    if not names:
        print("nothing to apply")
    return 0


def _variable(name: str) -> str:
    return os.environ.get(name) or dotenv_values(_ROOT / ".env").get(name) or ""


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/supabase_migrate.py", description=__doc__)
    parser.add_argument("--db-url", help="postgresql://…; the table's owner, e.g. postgres")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be applied")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
