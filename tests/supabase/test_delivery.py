"""The outbox reaches a real PostgreSQL through supabase-py: every row once, in order."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.patience import PATIENCE_S
from tests.postgres import PostgresServer
from tests.supabase.day import ACCOUNT, START_MS, day, entry, journal_of, leave, snapshot
from tests.supabase.rest import ANON, SERVICE, Lost, Rest, serving
from trading.dead_letters import DeadLetters
from trading.journal import Journal
from trading.outbox import Cursor, OutboxReader, Outgoing
from trading.supabase import SupabaseStore
from trading.supabase_settings import SupabaseSecrets
from trading.supabase_sync import StoreAway, StoreRefuses, Sync


class Stand:
    """A journal, its sync, the REST stand-in and the database behind it."""

    def __init__(self, folder: Path, rest: Rest, held: ExitStack) -> None:
        self.folder = folder
        self.rest = rest
        self._held = held

    def journal(self, *rows: Outgoing) -> Journal:
        return self._held.enter_context(closing(journal_of(self.folder / "journal", iter(rows))))

    def sync(
        self, *, key: str = SERVICE, batch_rows: int = 50, account: dict[str, Any] = ACCOUNT
    ) -> Sync:
        """A sync as a fresh process would make it."""
        delivery = self.folder / "delivery.sqlite"
        store = SupabaseStore(SupabaseSecrets(self.rest.url, key), timeout_s=PATIENCE_S)
        made = Sync(
            OutboxReader(self.folder / "journal"), Cursor(delivery, "supabase"),
            DeadLetters(delivery, "supabase"), store,
            account=account, batch_rows=batch_rows, wall_ms=lambda: START_MS,
        )  # fmt: skip
        for part in (made._reader, made._cursor, made._letters, store):
            self._held.enter_context(closing(part))
        return made

    def ask(self, query: str) -> list[Any]:
        with psycopg.connect(self.rest.database) as db:
            return [row[0] for row in db.execute(query)]

    def letters(self) -> list[str]:
        with closing(DeadLetters(self.folder / "delivery.sqlite", "supabase")) as letters:
            return [each.error for each in letters.all()]


@pytest.fixture
def stand(url: str, tmp_path: Path) -> Iterator[Stand]:
    with ExitStack() as held:
        yield Stand(tmp_path, held.enter_context(serving(url)), held)


def _drain(sync: Sync) -> None:
    while sync.send_batch().taken:
        pass


def _require_all(stand: Stand, rows: list[Outgoing]) -> None:
    """Each row of history is there once, in the journal's order; the present is the last."""
    kept = [each.key for each in rows if each.kind in ("entry", "exit", "modify")]
    assert stand.ask("select event_key from position_events order by id") == kept
    closed = [each.payload["deal"] for each in rows if each.kind == "exit"]
    assert stand.ask("select deal_id from trades order by id") == closed
    closes = [each.payload["close_ms"] for each in rows if each.kind == "snapshot"]
    seen = "select (extract(epoch from created_at) * 1000)::bigint from account_snapshots "
    assert stand.ask(seen + "order by id") == closes
    last = [each for each in rows if each.kind == "snapshot"][-1].payload
    names = [each["position"] for each in last["open_trades"]]
    assert stand.ask("select position_id from open_positions order by 1") == names
    assert stand.ask("select equity from bot_status") == [last["equity"]]
    assert stand.letters() == []


def test_day_arrives_whole_and_a_second_start_sends_nothing(stand: Stand) -> None:
    rows = [*day()]
    stand.journal(*rows)
    _drain(stand.sync())
    _require_all(stand, rows)
    assert stand.ask("select title from news_events") == ["CPI"]
    assert stand.ask("select phase from bot_status") == ["stopped"]
    assert stand.ask("select models ->> 'signal' from bot_status") == ["ab" * 32]
    assert stand.ask("select last_page_open from bot_status") == [True]
    assert stand.ask("select model from model_metrics order by id") == ["signal", "live"]
    assert stand.ask("select metrics ->> 'net' from model_metrics order by id") == [None, "118.44"]
    before = len(stand.rest.log)
    _drain(stand.sync())
    assert stand.rest.log[before:] == [("POST", "accounts", 201)]


def test_numbers_arrive_to_the_last_digit(stand: Stand) -> None:
    stand.journal(leave(0, 1, net_profit=0.1 + 0.2, price_close=61_234.07))
    _drain(stand.sync())
    assert stand.ask("select net_profit::text from trades") == ["0.30000000000000004"]
    assert stand.ask("select price_close::text from trades") == ["61234.07"]


def test_lost_answers_make_no_second_row(stand: Stand) -> None:
    """Requests are committed, and the answer is lost on the way back: twice for each table."""
    lost: Counter[str] = Counter()

    def lose(method: str, table: str) -> None:
        lost[table] += 1
        if lost[table] <= 2:
            raise Lost

    rows = [*day()]
    stand.journal(*rows)
    stand.rest.after_commit = lose
    for _ in range(100):
        try:
            _drain(stand.sync())
            break
        except StoreAway:
            continue
    assert [status for _, _, status in stand.rest.log].count(0) >= 12
    _require_all(stand, rows)


def test_database_stopped_for_a_day_loses_nothing_and_sends_nothing_twice(
    stand: Stand, server: PostgresServer
) -> None:
    before, during = [*day(0)], [*day(1)]
    journal = stand.journal(*before)
    sync = stand.sync()
    _drain(sync)
    server.kill()
    try:
        for each in during:
            journal.announce(each)
            if each.kind == "entry":
                with pytest.raises(StoreAway, match="503"):
                    sync.send_batch()
    finally:
        server.start()
    _drain(sync)
    _require_all(stand, before + during)


@pytest.mark.parametrize("table", ["position_events", "account_snapshots", "open_positions"])
def test_database_killed_in_mid_batch_has_every_row_once_afterwards(
    stand: Stand, server: PostgresServer, table: str
) -> None:
    """Requests before this one are committed, this one is not, the rest was never asked."""

    def kill(_: str, asked: str) -> None:
        if asked == table:
            stand.rest.before_commit = lambda method, table: None
            server.kill()

    rows = [*day()]
    stand.journal(*rows)
    stand.rest.before_commit = kill
    sync = stand.sync()
    try:
        with pytest.raises(StoreAway):
            _drain(sync)
    finally:
        server.start()
    assert 0 < len(stand.ask("select 1 from position_events union all select 1 from bot_status "
                             "union all select 1 from accounts")) < len(rows)  # fmt: skip
    _drain(sync)
    _require_all(stand, rows)


def test_batches_of_every_size_end_in_the_same_tables(stand: Stand) -> None:
    rows = [*day(bars=32)]
    stand.journal(*rows)
    _drain(stand.sync(batch_rows=7))
    _require_all(stand, rows)


def test_row_that_the_tables_refuse_is_set_aside_and_the_rest_arrives(stand: Stand) -> None:
    bad = leave(8, 12, volume_lots=-1.0)
    stand.journal(entry(0), leave(0, 4), bad, entry(16), leave(16, 20), snapshot(20))
    progress = stand.sync().send_batch()
    assert progress.taken == 6
    (told,) = progress.refused
    assert told.startswith("row 3 of the outbox (trades): 400 23514")
    assert stand.ask("select deal_id from trades order by id") == [2, 34]
    assert stand.letters() == [told.split(": ", 1)[1]]


def test_payload_nobody_can_read_is_set_aside_and_the_rest_arrives(stand: Stand) -> None:
    stand.journal(Outgoing("exit", "exit-x", START_MS, {"symbol": "BTCUSD"}), leave(0, 4))
    (told,) = stand.sync().send_batch().refused
    assert told == "row 1 of the outbox (exit): not a exit: KeyError: 'closed_ms'"
    assert stand.ask("select deal_id from trades") == [2]


def test_number_that_json_has_not_is_set_aside(stand: Stand) -> None:
    stand.journal(leave(0, 4, net_profit=float("nan")), leave(8, 12))
    assert len(stand.sync().send_batch().refused) == 2  # the trade, and the event of its end
    assert stand.ask("select deal_id from trades") == [18]


def test_what_was_set_aside_is_tried_again_at_the_next_start(stand: Stand) -> None:
    with psycopg.connect(stand.rest.database) as db:
        db.execute("alter table trades add constraint small check (net_profit < 5)")
    stand.journal(leave(0, 4))
    stand.sync().send_batch()
    assert len(stand.letters()) == 1
    with psycopg.connect(stand.rest.database) as db:
        db.execute("alter table trades drop constraint small")
    assert stand.sync().begin() == 1
    assert stand.ask("select deal_id from trades") == [2]
    assert stand.letters() == []


@pytest.mark.parametrize("key", ["nobody's-key-0123", ANON], ids=["unknown-key", "anon-key"])
def test_key_that_may_not_write_stops_the_sync_and_is_not_told_to_anybody(
    stand: Stand, key: str
) -> None:
    stand.journal(*day(bars=8))
    with pytest.raises(StoreRefuses, match="the key is not accepted, or may not write") as caught:
        stand.sync(key=key).send_batch()
    assert key not in str(caught.value)
    assert stand.rest.url not in str(caught.value)
    assert stand.letters() == []


def test_tables_that_are_missing_stop_the_sync_and_name_the_script(
    bare_url: str, tmp_path: Path
) -> None:
    with serving(bare_url) as rest, ExitStack() as held:
        stand = Stand(tmp_path, rest, held)
        stand.journal(*day(bars=8))
        with pytest.raises(StoreRefuses, match=r"scripts/supabase_migrate\.py"):
            stand.sync().send_batch()
        assert stand.letters() == []


def test_account_that_somebody_removed_comes_back_and_no_row_is_refused(stand: Stand) -> None:
    journal = stand.journal(leave(0, 4))
    sync = stand.sync()
    _drain(sync)
    with psycopg.connect(stand.rest.database) as db:
        db.execute("delete from accounts")
    journal.announce(leave(8, 12))
    assert sync.send_batch().refused == ()
    assert stand.ask("select deal_id from trades") == [18]


def test_owner_who_is_no_user_of_the_project_stops_the_sync(stand: Stand) -> None:
    stand.journal(leave(0, 4))
    nobody = {"owner": "00000000-0000-0000-0000-00000000000c"}
    with pytest.raises(StoreRefuses, match=r"supabase\.owner"):
        stand.sync(account=ACCOUNT | nobody).send_batch()
    assert stand.letters() == []


def test_account_keeps_the_owner_that_a_person_gave_it(stand: Stand) -> None:
    owner = "00000000-0000-0000-0000-00000000000a"
    stand.journal(*day(bars=8))
    _drain(stand.sync())
    with psycopg.connect(stand.rest.database) as db:
        db.execute("insert into auth.users values (%s)", (owner,))
        db.execute("update accounts set owner = %s", (owner,))
    _drain(stand.sync())
    assert [str(each) for each in stand.ask("select owner from accounts")] == [owner]


def test_owner_reads_over_http_what_the_daemon_sent_and_a_stranger_reads_nothing(
    stand: Stand, read_as: Callable[[Rest, str], list[dict[str, Any]]]
) -> None:
    owner = "00000000-0000-0000-0000-00000000000a"
    stand.journal(leave(0, 4))
    _drain(stand.sync())
    with psycopg.connect(stand.rest.database) as db:
        db.execute("insert into auth.users values (%s)", (owner,))
        db.execute("update accounts set owner = %s", (owner,))
    stand.rest.users = {"owner-token": owner, "stranger-token": owner[:-1] + "b"}
    assert [row["deal_id"] for row in read_as(stand.rest, "owner-token")] == [2]
    assert read_as(stand.rest, "stranger-token") == []


@pytest.fixture
def read_as() -> Callable[[Rest, str], list[dict[str, Any]]]:
    from supabase import ClientOptions, create_client

    def read(rest: Rest, token: str) -> list[dict[str, Any]]:
        with httpx.Client(timeout=PATIENCE_S) as http:
            options = ClientOptions(auto_refresh_token=False, httpx_client=http)
            client = create_client(rest.url, ANON, options)
            client.postgrest.auth(token)
            rows: list[dict[str, Any]] = client.table("trades").select("*").execute().data
        return rows

    return read
