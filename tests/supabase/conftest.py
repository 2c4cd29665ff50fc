"""A real PostgreSQL that looks to the migrations like Supabase's."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

from scripts.supabase_migrate import migrate
from tests.postgres import PostgresServer, postgres_server

_SHIMS = (Path(__file__).parent / "shims.sql").read_text(encoding="utf-8")
_NUMBERS = count()


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        with psycopg.connect(server.url, autocommit=True) as db:
            db.execute(_SHIMS)
        yield server


@pytest.fixture(scope="session")
def schema(server: PostgresServer) -> str:
    """The name of a database with our tables, to make others of. Nobody writes to it."""
    migrate(_database(server, "schema", like="postgres"))
    return "schema"


@pytest.fixture
def bare_url(server: PostgresServer) -> str:
    """A database of its own with the shims, and without our tables."""
    return _database(server, f"bare{next(_NUMBERS)}", like="postgres")


@pytest.fixture
def url(server: PostgresServer, schema: str) -> str:
    """A database of its own with our tables."""
    return _database(server, f"full{next(_NUMBERS)}", like=schema)


def _database(server: PostgresServer, name: str, *, like: str) -> str:
    with psycopg.connect(server.url, autocommit=True) as db:
        db.execute(f"create database {name} template {like}")
    return server.url.removesuffix("/postgres") + f"/{name}"
