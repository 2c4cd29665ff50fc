"""A stand-in for PostgREST, as Supabase runs it, over a real PostgreSQL.

Does what PostgREST does for each request: one transaction, `SET LOCAL ROLE` and
`request.jwt.claims` by the caller's key, then insert, upsert with `on_conflict`, update, delete or
select with `json_agg`; PostgreSQL's errors as JSON with PostgREST's status.

Leaves out: JWT signatures (a key is looked up in a table), filters other than `eq` and `not.in`,
embedding, ordering, ranges, RPC, `missing=default`, the schema cache, `return=representation`.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import psycopg
from psycopg import sql

ANON, SERVICE = "anon-key", "service-key-0123456789"
_OTHER_STATUS = {"23503": 409, "23505": 409, "42P01": 404, "42501": 403, "57014": 500}


class Rest:
    """`url` is a project's. `before_commit` is called with (method, table) inside each request's
    transaction, `after_commit` behind it; either may raise `Lost`. `log`: every request."""

    def __init__(self, database: str) -> None:
        self.database = database
        self.users: dict[str, str] = {}
        self.before_commit: Callable[[str, str], None] = lambda method, table: None
        self.after_commit: Callable[[str, str], None] = lambda method, table: None
        self.log: list[tuple[str, str, int]] = []
        self.url = ""

    def serve(self, method: str, target: str, key: str, prefer: str, body: bytes) -> Any:
        split = urlsplit(target)
        table = split.path.removeprefix("/rest/v1/")
        query = dict(parse_qsl(split.query))
        with psycopg.connect(self.database, connect_timeout=5) as db:
            self._become(db, key)
            rows = json.loads(body) if body else None
            found = _execute(db, method, table, query, prefer, rows)
            self.before_commit(method, table)
            db.commit()
        self.after_commit(method, table)
        return found

    def _become(self, db: psycopg.Connection, key: str) -> None:
        role = {ANON: "anon", SERVICE: "service_role"}.get(key, "authenticated")
        if role == "authenticated" and key not in self.users:
            raise Unauthorised
        claims = {"role": role, "sub": self.users.get(key)}
        db.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
        db.execute("select set_config('request.jwt.claims', %s, true)", (json.dumps(claims),))


class Lost(Exception):
    """The answer does not reach the client."""


class Unauthorised(Exception):
    """The key is nobody's."""


def _execute(
    db: psycopg.Connection, method: str, table: str, query: dict[str, str], prefer: str, rows: Any
) -> Any:
    name = sql.Identifier("public", table)
    if method == "POST":
        columns = [each.strip('"') for each in query["columns"].split(",")]
        listed = sql.SQL(", ").join(map(sql.Identifier, columns))
        words = sql.SQL(
            "insert into {t} ({c}) select {c} from json_populate_recordset(null::{t}, %s)"
        )
        db.execute(words.format(t=name, c=listed) + _conflict(query, prefer, columns),
                   (json.dumps(rows),))  # fmt: skip
        return None
    where, values = _where(query)
    if method == "PATCH":
        sets = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(each)) for each in rows)
        words = sql.SQL("update {} set {}").format(name, sets)
        db.execute(words + where, [*rows.values(), *values])
        return None
    if method == "DELETE":
        db.execute(sql.SQL("delete from {}").format(name) + where, values)
        return None
    words = sql.SQL("select coalesce(json_agg(r), '[]') from (select * from {}").format(name)
    return db.execute(words + where + sql.SQL(") r"), values).fetchone()[0]


def _conflict(query: dict[str, str], prefer: str, columns: list[str]) -> sql.Composable:
    if "on_conflict" not in query:
        return sql.SQL("")
    unique = query["on_conflict"].split(",")
    there = sql.SQL(" on conflict ({}) ").format(sql.SQL(", ").join(map(sql.Identifier, unique)))
    if "ignore-duplicates" in prefer:
        return there + sql.SQL("do nothing")
    sets = (sql.SQL("{c} = excluded.{c}").format(c=sql.Identifier(c)) for c in columns)
    return there + sql.SQL("do update set ") + sql.SQL(", ").join(sets)


def _where(query: dict[str, str]) -> tuple[sql.Composable, list[str]]:
    parts, values = [], []
    for name, said in query.items():
        if name in ("select", "limit"):
            continue
        listed = re.fullmatch(r"not\.in\.\((.*)\)", said)
        if listed is None:
            parts.append(sql.SQL("{} = %s").format(sql.Identifier(name)))
            values.append(said.removeprefix("eq."))
        else:
            parts.append(sql.SQL("{}::text <> all(%s)").format(sql.Identifier(name)))
            values.append(listed[1].split(","))
    return (sql.SQL(" where ") + sql.SQL(" and ").join(parts) if parts else sql.SQL("")), values


def _handler(rest: Rest) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            key = self.headers.get("Authorization", "").removeprefix("Bearer ")
            prefer = self.headers.get("Prefer", "")
            try:
                found = rest.serve(self.command, self.path, key, prefer, body)
                self._answer(201 if self.command == "POST" else 200, found)
            except Unauthorised:
                self._answer(401, {"message": "Invalid API key"})
            except Lost:
                self._note(0)
                self.close_connection = True
            except psycopg.OperationalError as error:
                said = {"code": "PGRST000", "message": str(error), "details": None, "hint": None}
                self._answer(503, said)
            except psycopg.Error as error:
                code = error.sqlstate or "XX000"
                status = _OTHER_STATUS.get(code, 400 if code[:2] in ("22", "23", "42") else 500)
                said = {"code": code, "message": error.diag.message_primary,
                        "details": error.diag.message_detail, "hint": None}  # fmt: skip
                self._answer(status, said)

        def _answer(self, status: int, said: Any) -> None:
            self._note(status)
            body = b"" if said is None else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _note(self, status: int) -> None:
            rest.log.append((self.command, urlsplit(self.path).path.rsplit("/", 1)[-1], status))

        def log_message(self, *_: Any) -> None: ...

        do_GET = do_POST = do_PATCH = do_DELETE = _serve

    return Handler


@contextmanager
def serving(database: str) -> Iterator[Rest]:
    """A running stand-in for one database."""
    rest = Rest(database)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(rest))
    server.daemon_threads = True
    rest.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield rest
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
