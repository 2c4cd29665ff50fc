"""The thread that carries an account's outbox to Supabase, and what it does when nobody answers."""

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import Any

from broker.simulator.draws import draw_between
from trading.assemble import Trade
from trading.channels import Channel, Channels
from trading.commands import Notice
from trading.dead_letters import DeadLetters
from trading.journal import wall_ms
from trading.journal_reads import JournalReads
from trading.outbox import Cursor, OutboxReader, open_read_only
from trading.secrets import secret
from trading.state_folder import StateFolder
from trading.supabase import SupabaseStore
from trading.supabase_settings import (
    KEY_VARIABLE,
    URL_VARIABLE,
    SupabaseSecrets,
    SupabaseSettings,
    supabase_secrets,
)
from trading.supabase_sync import StoreAway, StoreRefuses, Sync

CHANNEL = "supabase"
_MODES = ("demo", "contest", "real")


def supabase_openers(
    settings: SupabaseSettings, *, paper: bool
) -> tuple[Callable[[Channels, Trade, StateFolder], Channel], ...]:
    """What makes the channel of a run; nothing where Supabase is off for it.

    Raises `DaemonError` where a secret is missing.
    """
    if not settings.enabled or (paper and not settings.paper):
        return ()
    secrets = supabase_secrets(secret(URL_VARIABLE), secret(KEY_VARIABLE))

    def opened(channels: Channels, _: Trade, folder: StateFolder) -> Channel:
        return SupabaseChannel(folder, settings, secrets, channels.queue.notify, paper=paper)

    return (opened,)


class SupabaseChannel:
    """A thread beside the loop: takes a batch, waits, and after a failure waits longer.

    `paper`: the account is a simulated one, new with every journal.
    """

    def __init__(
        self, folder: StateFolder, settings: SupabaseSettings, secrets: SupabaseSecrets,
        notify: Callable[[Notice], None], *, paper: bool = False,
    ) -> None:  # fmt: skip
        self._folder = folder
        self._settings = settings
        self._store = SupabaseStore(secrets, timeout_s=settings.timeout_s)
        self._notify = notify
        self._paper = paper
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=CHANNEL, daemon=True)
        self._outage = Outage(settings, notify)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Sends what is waiting, for `flush_s` at most. The rest goes out after the next start."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(self._settings.flush_s)

    def _run(self) -> None:
        try:
            self._carry()
        except Exception as error:
            text = f"nothing goes to Supabase any more: {type(error).__name__}: {error}"
            self._notify(Notice(f"{CHANNEL} ended", text))
            raise

    def _carry(self) -> None:
        with ExitStack() as held:
            held.callback(self._store.close)
            sync = self._opened(held)
            while sync is not None and not self._ending.is_set():
                if not self._step(sync):
                    self._ending.wait(self._outage.wait_s() or self._settings.interval_s)
            if sync is not None:
                self._flush(sync)

    def _opened(self, held: ExitStack) -> Sync | None:
        """None where the run ended before there was an account to speak of."""
        folder, settings = self._folder, self._settings
        delivery = folder.path / "delivery.sqlite"
        while (account := account_row(folder, settings, paper=self._paper)) is None:
            if self._ending.is_set():
                return None
            self._ending.wait(settings.interval_s)
        return Sync(
            held.enter_context(closing(OutboxReader(folder.journal))),
            held.enter_context(closing(Cursor(delivery, CHANNEL))),
            held.enter_context(closing(DeadLetters(delivery, CHANNEL))),
            self._store,
            account=account, batch_rows=settings.batch_rows, wall_ms=wall_ms,
        )  # fmt: skip

    def _step(self, sync: Sync) -> bool:
        """Sends a batch; whether there may be another one at once."""
        try:
            progress = sync.send_batch()
        except (StoreAway, StoreRefuses, sqlite3.OperationalError) as error:
            self._outage.failed(error, time.monotonic())
            return False
        self._outage.over()
        if progress.refused:
            first, count = progress.refused[0], len(progress.refused)
            told = f"Supabase refuses {count} rows, set aside in delivery.sqlite; first: {first}"
            self._notify(Notice(f"{CHANNEL} {first}", told))
        return progress.taken == self._settings.batch_rows

    def _flush(self, sync: Sync) -> None:
        until_s = time.monotonic() + self._settings.flush_s
        while time.monotonic() < until_s and self._step(sync):
            pass


class Outage:
    """How long to wait after failures in a row, and when a person is called."""

    def __init__(self, settings: SupabaseSettings, notify: Callable[[Notice], None]) -> None:
        self._settings = settings
        self._notify = notify
        self._failures = 0
        self._since_s = 0.0
        self._told = False

    def failed(self, error: Exception, now_s: float) -> None:
        if not self._failures:
            self._since_s = now_s
        self._failures += 1
        away_s = now_s - self._since_s
        if isinstance(error, StoreRefuses) or away_s >= self._settings.page_after_s:
            self._told = True
            self._notify(Notice(CHANNEL, f"nothing reaches Supabase, rows are waiting: {error}"))

    def over(self) -> None:
        if self._told:
            self._notify(Notice(CHANNEL, "Supabase takes rows again", over=True))
        self._failures, self._told = 0, False

    def wait_s(self) -> float:
        """0 without a failure; else twice as long after each, a quarter of it by chance: daemons
        that lost the same database do not come back together."""
        if not self._failures:
            return 0.0
        settings = self._settings
        whole_s = settings.retry_first_s * 2.0 ** min(self._failures - 1, 30)
        share = draw_between(750, 1000, CHANNEL, self._since_s, self._failures) / 1000
        return share * min(whole_s, settings.retry_most_s)


def account_row(
    folder: StateFolder, settings: SupabaseSettings, *, paper: bool
) -> dict[str, Any] | None:
    """The journal's account as a row of `accounts`; None before the first start has pinned one."""
    if not folder.journal.exists():
        return None
    with closing(open_read_only(folder.journal)) as db:
        meta = JournalReads(db).meta
        here, mode, currency = map(meta, ("account", "account_trade_mode", "account_currency"))
        (born_ms,) = db.execute("SELECT min(observed_time_ms) FROM events").fetchone()
    if here is None or mode is None or currency is None:
        return None
    login, _, server = here.partition(" on ")
    name = f"{login}@{server}"
    return {
        "id": f"{name}/{born_ms}" if paper else name, "login": int(login), "server": server,
        "mode": _MODES[int(mode)], "currency": currency,
    } | ({"owner": settings.owner} if settings.owner else {})  # fmt: skip
