"""The thread beside the loop: whose rows it sends, how it waits, what it says, how it ends."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.supabase.day import START_MS, day, journal_of, leave
from tests.supabase.rest import SERVICE, Rest, serving
from trading.commands import Notice
from trading.errors import DaemonError
from trading.state_folder import StateFolder
from trading.supabase_channel import Outage, SupabaseChannel, account_row, supabase_openers
from trading.supabase_settings import (
    KEY_VARIABLE,
    URL_VARIABLE,
    SupabaseSecrets,
    SupabaseSettings,
    supabase_secrets,
)
from trading.supabase_sync import StoreAway, StoreRefuses

SETTINGS = SupabaseSettings(enabled=True, interval_s=0.1, batch_rows=20, flush_s=20.0)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[StateFolder]:
    """A state folder whose journal has a pinned account and a day's outbox."""
    with StateFolder(tmp_path / "state") as folder:
        with closing(journal_of(folder.journal, day())) as journal:
            journal.set_meta(account="7001 on Demo", account_trade_mode="0", account_currency="USD")
            journal.record("run_started", START_MS)
        yield folder


@pytest.fixture
def rest(url: str) -> Iterator[Rest]:
    with serving(url) as rest:
        yield rest


def _channel(
    folder: StateFolder, rest: Rest, said: list[Notice], settings: SupabaseSettings = SETTINGS
) -> SupabaseChannel:
    return SupabaseChannel(folder, settings, SupabaseSecrets(rest.url, SERVICE), said.append)


def _count(rest: Rest, table: str) -> int:
    with psycopg.connect(rest.database) as db:
        row = db.execute(f"select count(*) from {table}").fetchone()
        assert row is not None
        return int(row[0])


def test_stop_sends_what_is_waiting_before_it_ends(folder: StateFolder, rest: Rest) -> None:
    said: list[Notice] = []
    channel = _channel(folder, rest, said)
    channel.start()
    channel.stop()
    assert _count(rest, "account_snapshots") == 96
    assert said == []


def test_stop_does_not_wait_for_a_database_that_does_not_answer(
    folder: StateFolder, rest: Rest
) -> None:
    release = threading.Event()
    rest.before_commit = lambda method, table: release.wait(30.0) and None
    patient = {"flush_s": 0.3, "timeout_s": 60.0}
    channel = _channel(folder, rest, [], SETTINGS.model_copy(update=patient))
    channel.start()
    channel.stop()
    assert rest.log == []  # the request is still on its way
    release.set()


def test_run_without_an_account_yet_ends_without_a_word(tmp_path: Path, rest: Rest) -> None:
    said: list[Notice] = []
    with StateFolder(tmp_path / "state") as folder:
        channel = _channel(folder, rest, said)
        channel.start()
        channel.stop()
    assert said == rest.log == []


def test_refused_row_calls_a_person_and_names_the_file(folder: StateFolder, rest: Rest) -> None:
    with closing(journal_of(folder.journal, iter([leave(900, 904, volume_lots=-1.0)]))):
        pass
    said: list[Notice] = []
    channel = _channel(folder, rest, said)
    channel.start()
    channel.stop()
    (notice,) = said
    assert notice.text.startswith("Supabase refuses 1 rows, set aside in delivery.sqlite; first:")


def test_waits_double_up_to_the_longest_with_a_share_of_chance_by_key() -> None:
    outage = Outage(SETTINGS, lambda notice: None)
    waits = []
    for failure in range(12):
        outage.failed(StoreAway("gone"), 100.0 + failure)
        waits.append(outage.wait_s())
    wholes = [min(2.0 * 2**each, 300.0) for each in range(12)]
    assert all(0.75 * whole <= wait <= whole for wait, whole in zip(waits, wholes, strict=True))
    assert len(set(waits)) == 12
    again = Outage(SETTINGS, lambda notice: None)
    again.failed(StoreAway("gone"), 100.0)
    assert again.wait_s() == waits[0]
    outage.over()
    assert outage.wait_s() == 0.0


def test_person_is_called_after_a_quarter_of_an_hour_and_told_when_it_is_over() -> None:
    said: list[Notice] = []
    outage = Outage(SETTINGS, said.append)
    outage.failed(StoreAway("gone"), 0.0)
    outage.failed(StoreAway("gone"), 899.0)
    assert said == []
    outage.failed(StoreAway("gone"), 900.0)
    outage.over()
    outage.over()
    assert [(each.key, each.over) for each in said] == [("supabase", False), ("supabase", True)]


def test_person_is_called_at_once_where_only_a_person_can_help() -> None:
    said: list[Notice] = []
    Outage(SETTINGS, said.append).failed(StoreRefuses("the key is not accepted"), 0.0)
    assert [each.text for each in said] == [
        "nothing reaches Supabase, rows are waiting: the key is not accepted"
    ]


@pytest.mark.parametrize(
    ("paper", "name"),
    [(False, "7001@Demo"), (True, f"7001@Demo/{START_MS}")],
    ids=["live", "paper-is-new-with-every-journal"],
)
def test_account_has_a_name_of_its_own(folder: StateFolder, paper: bool, name: str) -> None:
    row = account_row(folder, SETTINGS, paper=paper)
    assert row == {
        "id": name, "login": 7001, "server": "Demo", "mode": "demo", "currency": "USD",
    }  # fmt: skip


def test_owner_of_the_settings_is_written_into_the_account(folder: StateFolder) -> None:
    owner = "00000000-0000-0000-0000-00000000000a"
    row = account_row(folder, SETTINGS.model_copy(update={"owner": owner}), paper=False)
    assert row is not None
    assert row["owner"] == owner


@pytest.mark.parametrize(
    ("settings", "paper", "channels"),
    [
        (SupabaseSettings(), False, 0),
        (SupabaseSettings(enabled=True), False, 1),
        (SupabaseSettings(enabled=True), True, 0),
        (SupabaseSettings(enabled=True, paper=True), True, 1),
    ],
    ids=["off", "live", "paper-off", "paper-on"],
)
def test_channel_is_there_only_where_it_is_switched_on(
    settings: SupabaseSettings, paper: bool, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(URL_VARIABLE, "https://x.supabase.co")
    monkeypatch.setenv(KEY_VARIABLE, SERVICE)
    assert len(supabase_openers(settings, paper=paper)) == channels


@pytest.mark.parametrize(
    ("url", "key", "named"),
    [("", "k", URL_VARIABLE), ("x.supabase.co", "k", URL_VARIABLE),
     ("https://x.supabase.co", "", KEY_VARIABLE)],
    ids=["no-url", "odd-url", "no-key"],
)  # fmt: skip
def test_missing_secret_is_named_and_never_shown(url: str, key: str, named: str) -> None:
    with pytest.raises(DaemonError, match=named):
        supabase_secrets(url, key)
    assert "k" * 9 not in repr(SupabaseSecrets("https://u", "k" * 9))
