"""Who reads and writes what, tried on a real PostgreSQL as PostgREST would: role and claims."""

import json
from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest

from tests.postgres import PostgresServer

OWNER = UUID("00000000-0000-0000-0000-00000000000a")
STRANGER = UUID("00000000-0000-0000-0000-00000000000b")
NOW = "2026-03-02T10:15:00Z"

ROWS = {
    "bot_status": {"account_id": "1@Demo", "symbol": "BTCUSD", "updated_at": NOW},
    "trades": {
        "account_id": "1@Demo", "deal_id": 2, "position_id": 1, "symbol": "BTCUSD", "side": "buy",
        "volume_lots": 0.1, "price_open": 1, "price_close": 2, "net_profit": 3,
        "close_type": "TP_HIT", "opened_at": NOW, "closed_at": NOW,
    },
    "open_positions": {
        "account_id": "1@Demo", "position_id": 1, "symbol": "BTCUSD", "side": "buy",
        "volume_lots": 0.1, "price_open": 1, "opened_at": NOW, "updated_at": NOW,
    },
    "position_events": {
        "account_id": "1@Demo", "event_key": "entry-1", "position_id": 1, "symbol": "BTCUSD",
        "event": "opened", "happened_at": NOW,
    },
    "news_events": {
        "account_id": "1@Demo", "released_at": NOW, "currency": "USD", "impact": 3,
        "title": "Payrolls", "seen_at": NOW,
    },
    "account_snapshots": {
        "account_id": "1@Demo", "symbol": "BTCUSD", "created_at": NOW, "balance": 1, "equity": 1,
        "margin_free": 1, "open_positions": 0,
    },
    "model_metrics": {
        "account_id": "1@Demo", "symbol": "BTCUSD", "model": "signal", "measured_on": "2026-03-02",
        "measured_at": NOW, "metrics": "{}",
    },
}  # fmt: skip
ACCOUNT = {"id": "1@Demo", "owner": OWNER, "login": 1, "server": "Demo", "mode": "demo",
           "currency": "USD"}  # fmt: skip
TABLES = ["accounts", *ROWS]


def _insert(db: psycopg.Connection, table: str, row: dict[str, object]) -> None:
    names, places = ", ".join(row), ", ".join(["%s"] * len(row))
    db.execute(f"insert into {table} ({names}) values ({places})", [*row.values()])


def _become(db: psycopg.Connection, role: str, user: UUID | None = None) -> None:
    """As PostgREST begins every request, inside its transaction."""
    db.execute(f"set local role {role}")
    claims = json.dumps({"role": role} | ({"sub": str(user)} if user else {}))
    db.execute("select set_config('request.jwt.claims', %s, true)", (claims,))


@pytest.fixture(scope="module")
def filled(server: PostgresServer, schema: str) -> Iterator[psycopg.Connection]:
    """One account of the owner's with a row in every table, written by the service role; and one
    account that nobody owns, with the same rows."""
    with psycopg.connect(server.url, autocommit=True) as db:
        db.execute(f"create database policies template {schema}")
    with psycopg.connect(server.url.removesuffix("/postgres") + "/policies") as db:
        for user in (OWNER, STRANGER):
            db.execute("insert into auth.users values (%s)", (user,))
        db.commit()
        _become(db, "service_role")
        _insert(db, "accounts", ACCOUNT)
        _insert(db, "accounts", ACCOUNT | {"id": "2@Demo", "owner": None})
        for table, row in ROWS.items():
            _insert(db, table, row)
            _insert(db, table, row | {"account_id": "2@Demo"})
        db.commit()
        yield db


@pytest.fixture
def db(filled: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """The filled database in a transaction that is undone afterwards."""
    yield filled
    filled.rollback()


def _accounts_seen(db: psycopg.Connection, table: str) -> list[str]:
    column = "id" if table == "accounts" else "account_id"
    return sorted(name for (name,) in db.execute(f"select {column} from {table}"))


@pytest.mark.parametrize("table", TABLES)
def test_owner_reads_the_rows_of_own_accounts_only(db: psycopg.Connection, table: str) -> None:
    _become(db, "authenticated", OWNER)
    assert _accounts_seen(db, table) == ["1@Demo"]


@pytest.mark.parametrize("table", TABLES)
def test_stranger_who_is_signed_in_reads_no_row(db: psycopg.Connection, table: str) -> None:
    _become(db, "authenticated", STRANGER)
    assert _accounts_seen(db, table) == []


def test_signed_in_token_without_a_subject_reads_no_account_that_nobody_owns(
    db: psycopg.Connection,
) -> None:
    _become(db, "authenticated")
    assert _accounts_seen(db, "accounts") == _accounts_seen(db, "trades") == []


@pytest.mark.parametrize("table", TABLES)
def test_anon_may_not_even_ask(db: psycopg.Connection, table: str) -> None:
    _become(db, "anon")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        db.execute(f"select 1 from {table}")


@pytest.mark.parametrize("deed", ["insert", "update", "delete"])
@pytest.mark.parametrize("table", TABLES)
def test_owner_changes_nothing(db: psycopg.Connection, table: str, deed: str) -> None:
    column = "id" if table == "accounts" else "account_id"
    words = {
        "insert": f"insert into {table} ({column}) values ('1@Demo')",
        "update": f"update {table} set {column} = {column}",
        "delete": f"delete from {table}",
    }
    _become(db, "authenticated", OWNER)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        db.execute(words[deed])


@pytest.mark.parametrize("table", TABLES)
def test_service_role_reads_every_account(db: psycopg.Connection, table: str) -> None:
    _become(db, "service_role")
    assert _accounts_seen(db, table) == ["1@Demo", "2@Demo"]


def test_service_role_writes_also_where_it_does_not_bypass_row_level_security(
    db: psycopg.Connection,
) -> None:
    db.execute("create role plain_service nologin in role service_role")
    _become(db, "plain_service")
    _insert(db, "trades", ROWS["trades"] | {"deal_id": 99})
    assert len(_accounts_seen(db, "trades")) == 3


def test_account_that_is_removed_takes_its_rows_along(db: psycopg.Connection) -> None:
    _become(db, "service_role")
    db.execute("delete from accounts where id = '1@Demo'")
    assert all(_accounts_seen(db, table) == ["2@Demo"] for table in TABLES)


def test_user_who_is_removed_leaves_the_account_to_nobody(db: psycopg.Connection) -> None:
    db.execute("delete from auth.users where id = %s", (OWNER,))
    assert db.execute("select owner from accounts where id = '1@Demo'").fetchone() == (None,)
