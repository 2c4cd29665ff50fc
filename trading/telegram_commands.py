"""Telegram beside the loop: a daemon thread with its own event loop, for one account and one chat.

It polls for commands, answers them from the board and the journal, and sends what the outbox holds.
It never asks the broker and never waits for the loop; what acts goes through the command queue. A
token has one owner: while another program polls it (409), commands are not answered here, with a
page, and messages are still sent; it is tried again after pauses that grow.
"""

import asyncio
import fcntl
import hashlib
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import IO, Any

os.environ.setdefault("PTB_TIMEDELTA", "1")  # before the import: waiting times as timedelta

from telegram import BotCommand, Update
from telegram.error import Conflict, InvalidToken, TelegramError
from telegram.ext import Application, ApplicationBuilder, CallbackQueryHandler, MessageHandler
from telegram.ext.filters import ALL
from telegram.request import HTTPXRequest

from market.store import StoreError
from market.timeframe import Timeframe
from trading.chart import ChartError, chart_of, drawn
from trading.commands import CommandQueue, Notice
from trading.journal_reads import JournalReads
from trading.outbox import Cursor, OutboxReader, OutboxRow, open_read_only
from trading.secrets import Redaction, redacted
from trading.status_board import StatusBoard
from trading.telegram_answers import HELP, Answers, Reply, Sources
from trading.telegram_sending import BACK_OFF_S, Outlet, send_on
from trading.telegram_settings import TelegramSecrets, TelegramSettings
from trading.telegram_text import Style, message, shortened

CHANNEL = "telegram"
_OWNER = "telegram owner"
_STOP_S = 8.0
_LAST_S = 5.0
_POLL_S = 10
_MOST_STRANGERS = 20
# Pauses before polling is tried again where another program polls; how long it must then go well.
# Telegram lets the newest poller through and ends the other's call, so one answer proves nothing.
_PAUSES_S = (30.0, 60.0, 120.0, 300.0, 900.0)
_OURS_AFTER_S = 30.0


@dataclass(frozen=True, slots=True)
class TelegramTerms:
    """What the thread works on: files of the state folder, the board, and how things are shown."""

    state: Path
    journal: Path
    bars: Path
    board: StatusBoard
    queue: CommandQueue
    style: Style
    strategy_id: int
    timeframe: Timeframe


class TelegramChannel:
    """One bot and one chat. A channel that is new sends from now on, not what was before."""

    def __init__(
        self, settings: TelegramSettings, secrets: TelegramSecrets, terms: TelegramTerms
    ) -> None:
        self._settings = settings
        self._secrets = secrets
        self._terms = terms
        self._stopping = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name=CHANNEL, daemon=True)
        self._strangers: set[int] = set()
        self._robbed = asyncio.Event()
        _begin_at_the_end(terms)

    def start(self) -> None:
        _quiet_logs(self._secrets.token)
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive() and self._loop is not None:
            with suppress(RuntimeError):  # the loop has just ended by itself
                self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(_STOP_S)

    def _run(self) -> None:
        ended = False
        try:
            asyncio.run(self._work())
            ended = True
        finally:
            if not ended:
                self._note("telegram", "the Telegram thread has ended; see the log; restart to "
                           "have it back")  # fmt: skip

    async def _work(self) -> None:
        self._loop = asyncio.get_running_loop()
        # Connections of their own for polling, so that sending never waits for it.
        sending = HTTPXRequest(connection_pool_size=8, read_timeout=20.0, write_timeout=20.0)
        polling = HTTPXRequest(connection_pool_size=1, read_timeout=_POLL_S + 10.0)
        app = self._application(sending, polling)
        reader = OutboxReader(self._terms.journal)
        cursor = Cursor(self._terms.state / "delivery.sqlite", CHANNEL)
        outlet = Outlet(app.bot, self._secrets.chat, self._terms.queue, self._stopping)
        answers = self._answers(reader, cursor)
        app.add_handler(MessageHandler(ALL, self._on_message(answers, outlet)))
        app.add_handler(CallbackQueryHandler(self._on_button(answers, outlet)))
        app.add_error_handler(self._on_error)
        try:
            if await self._initialized(app):
                await self._serve(app, reader, cursor, outlet)
        finally:
            reader.close()
            cursor.close()
            for each in (sending, polling):
                await each.shutdown()

    async def _serve(
        self, app: Application[Any, Any, Any, Any, Any, Any], reader: OutboxReader,
        cursor: Cursor, outlet: Outlet,
    ) -> None:  # fmt: skip
        await app.start()
        polling = asyncio.create_task(self._hear(app)) if self._settings.commands else None
        sending = asyncio.create_task(send_on(
            reader, cursor, self._settings.messages, outlet,
            text_of=lambda row: message(row, self._terms.style), draw=self._picture,
            stopping=self._stopping,
        ))  # fmt: skip
        stop = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({stop, sending}, return_when=asyncio.FIRST_COMPLETED)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_S):
                await sending
        for task in (polling, sending):
            if task is not None:
                task.cancel()
        await self._shut(app)

    async def _initialized(self, app: Application[Any, Any, Any, Any, Any, Any]) -> bool:
        """Says hello to Telegram, as often as it takes; False where the daemon stops before."""
        for failures in range(1 << 30):
            try:
                await app.initialize()
            except InvalidToken:
                self._note("telegram token", "Telegram rejects the bot's token: nothing is sent "
                           "or answered until a restart with the right one")  # fmt: skip
                await self._stopping.wait()
                return False
            except TelegramError:
                if await self._stopped_within(BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)]):
                    return False
            else:
                return True
        return False

    async def _hear(self, app: Application[Any, Any, Any, Any, Any, Any]) -> None:
        """Polls for commands; where the bot has another owner, again after pauses that grow."""
        with suppress(TelegramError):  # the menu is a convenience
            await app.bot.set_my_commands([BotCommand(name, words) for name, words in HELP])
        failures = 0
        while True:
            with self._owned() as lock:
                answered = lock is not None and await self._polled(app)
            failures = 0 if answered else failures
            if await self._stopped_within(_PAUSES_S[min(failures, len(_PAUSES_S) - 1)]):
                return
            failures += 1

    async def _polled(self, app: Application[Any, Any, Any, Any, Any, Any]) -> bool:
        """Polls until another program does; whether it went well for a while before."""
        self._robbed.clear()
        await self._poll(app)
        answered = False
        with suppress(TimeoutError):
            async with asyncio.timeout(_OURS_AFTER_S):
                await self._robbed.wait()
        if not self._robbed.is_set():
            answered = True
            self._terms.queue.notify(
                Notice(_OWNER, "Telegram commands are answered here again", over=True)
            )
            await self._robbed.wait()
        assert app.updater is not None
        await app.updater.stop()
        return answered

    async def _poll(self, app: Application[Any, Any, Any, Any, Any, Any]) -> None:
        assert app.updater is not None
        await app.updater.start_polling(
            timeout=_POLL_S, bootstrap_retries=-1,
            allowed_updates=[Update.MESSAGE, Update.CALLBACK_QUERY],
            error_callback=self._on_polling_error,
        )  # fmt: skip

    def _on_polling_error(self, error: TelegramError) -> None:
        if isinstance(error, Conflict) and not self._robbed.is_set():
            self._robbed.set()
            self._note(
                _OWNER,
                "another program polls this Telegram bot (409): commands are not answered here "
                "until it ends; messages are still sent. Give each daemon its own bot, or set "
                "telegram.commands to false in all but one",
            )

    def _on_message(self, answers: Answers, outlet: Outlet) -> Any:
        async def heard(update: Update, _: Any) -> None:
            text = update.effective_message
            if text is None or not self._known(update) or not (text.text or "").startswith("/"):
                return
            sent_ms = round(text.date.astimezone(UTC).timestamp() * 1000)
            await outlet.reply(answers.to(text.text or "", sent_ms))

        return heard

    def _on_button(self, answers: Answers, outlet: Outlet) -> Any:
        async def pressed(update: Update, _: Any) -> None:
            query = update.callback_query
            if query is None or not self._known(update):
                return
            reply = answers.pressed(query.data or "")
            with suppress(TelegramError):  # only takes the waiting sign off the button
                await query.answer()
            await outlet.reply(Reply(reply.text))

        return pressed

    async def _on_error(self, _: object, context: Any) -> None:
        logging.getLogger("telegram").error("a command failed", exc_info=context.error)
        self._note("telegram command", f"a Telegram command failed: {context.error!r}")

    def _known(self, update: Update) -> bool:
        """Whether an update comes from the configured chat; others are noted once each."""
        chat = update.effective_chat.id if update.effective_chat else 0
        if chat == self._secrets.chat:
            return True
        if chat not in self._strangers and len(self._strangers) < _MOST_STRANGERS:
            self._strangers.add(chat)
            self._note(f"telegram stranger {chat}", f"chat {chat} wrote to the bot and is ignored")
        return False

    async def _picture(self, row: OutboxRow) -> bytes | None:
        """A chart for an entry or exit; a message goes without one where it cannot be drawn."""
        if row.kind not in ("entry", "exit") or not self._settings.chart:
            return None
        style = self._terms.style
        title = shortened(message(row, style).partition("\n")[0], 200)
        try:
            chart = chart_of(
                self._terms.bars, row.kind, row.payload, title=title, zone=style.zone.key,
                digits=style.digits, timeframe=self._terms.timeframe,
            )  # fmt: skip
            return await drawn(chart)
        except (ChartError, StoreError, OSError) as error:
            self._note("telegram chart", f"no chart picture: {error}")
            return None

    def _application(
        self, sending: HTTPXRequest, polling: HTTPXRequest
    ) -> Application[Any, Any, Any, Any, Any, Any]:
        builder = ApplicationBuilder().token(self._secrets.token).job_queue(None)
        builder = builder.base_url(self._settings.base_url).request(sending)
        return builder.get_updates_request(polling).build()

    def _answers(self, reader: OutboxReader, cursor: Cursor) -> Answers:
        terms = self._terms
        sources = Sources(
            terms.board, JournalReads(open_read_only(terms.journal)), terms.queue, terms.style,
            terms.strategy_id,
            waiting=lambda: reader.count_after(cursor.row_id or 0, self._settings.messages),
            wall_ms=lambda: time.time_ns() // 1_000_000,
        )  # fmt: skip
        return Answers(sources, confirm_s=self._settings.confirm_s)

    @contextmanager
    def _owned(self) -> Iterator[IO[str] | None]:
        """A lock per token on this machine; None, with a page, where another daemon has it."""
        name = hashlib.sha256(self._secrets.token.encode()).hexdigest()[:12]
        path = self._terms.state.parent / f"telegram-{name}.lock"
        with path.open("a+", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._note(
                    _OWNER,
                    "another daemon on this machine owns this Telegram bot: it answers the "
                    "commands; messages are sent from here, too",
                )
                yield None
            else:
                yield lock

    async def _stopped_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        return self._stopping.is_set()

    async def _shut(self, app: Application[Any, Any, Any, Any, Any, Any]) -> None:
        """Ends politely where Telegram answers; what hangs dies with the thread's loop."""
        assert app.updater is not None
        with suppress(TimeoutError, TelegramError):
            async with asyncio.timeout(2.0):
                if app.updater.running:
                    await app.updater.stop()
                await app.stop()
                await app.shutdown()

    def _note(self, key: str, text: str) -> None:
        self._terms.queue.notify(Notice(key, redacted(text, [self._secrets.token])))


def _begin_at_the_end(terms: TelegramTerms) -> None:
    cursor, reader = Cursor(terms.state / "delivery.sqlite", CHANNEL), OutboxReader(terms.journal)
    if cursor.row_id is None:
        cursor.advance(reader.last_id())
    cursor.close()
    reader.close()


def _quiet_logs(token: str) -> None:
    """The library's own log goes where ours goes, without the token; httpx logs every address,
    which holds it."""
    ours = logging.getLogger("novosky").handlers
    for handler in ours:
        handler.addFilter(Redaction([token]))
    library = logging.getLogger("telegram")
    library.handlers, library.propagate = [*ours, logging.NullHandler()], False
    library.setLevel(logging.ERROR)
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
