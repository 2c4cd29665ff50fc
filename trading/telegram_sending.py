"""Sends the outbox to a chat: in order, nothing lost, and nothing twice that Telegram has answered.

A row counts as sent once Telegram has accepted it; only then does the mark move on. An answer that
is lost on the way back, or a crash between answer and mark, sends that one message again: the Bot
API has no name by which it could tell a repetition.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, Message
from telegram.constants import ParseMode
from telegram.error import BadRequest, Forbidden, InvalidToken, RetryAfter, TelegramError

from trading.commands import CommandQueue, Notice
from trading.outbox import Cursor, OutboxReader, OutboxRow
from trading.telegram_answers import Reply
from trading.telegram_text import LONGEST, LONGEST_CAPTION, shortened

BACK_OFF_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_LOOK_EVERY_S = 0.25
_CLOSED_DOOR_S = 60.0
_TELL_AFTER_S = 300.0
_BATCH = 20

Drawing = Callable[[OutboxRow], Awaitable[bytes | None]]


class Outlet:
    """The way to one chat. `stopping`: set when nothing may be waited for any more."""

    def __init__(self, bot: Bot, chat: int, queue: CommandQueue, stopping: asyncio.Event) -> None:
        self._bot = bot
        self._chat = chat
        self._queue = queue
        self._stopping = stopping
        self._failing_since_s: float | None = None
        self._told: set[str] = set()

    async def say(self, text: str, picture: bytes | None = None) -> bool:
        """Sends until Telegram has taken it; False only where the daemon stops before that, True
        also for a message that Telegram will never take (a notice says so)."""
        failures = 0
        while True:
            try:
                await self._send(text, picture)
            except RetryAfter as error:
                wait_s = _seconds(error)
            except (Forbidden, InvalidToken) as error:
                self._tell("telegram chat", f"Telegram refuses the bot or the chat: {error}")
                wait_s = _CLOSED_DOOR_S
            except BadRequest as error:
                if "chat not found" not in str(error).lower():
                    self._tell(f"telegram {text[:40]}", f"Telegram takes no such message: {error}")
                    return True
                self._tell("telegram chat", f"Telegram does not know the chat: {error}")
                wait_s = _CLOSED_DOOR_S
            except TelegramError as error:
                wait_s = BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)]
                self._away(error)
            else:
                self._back()
                return True
            failures += 1
            if await self._waited(wait_s):
                return False

    async def reply(self, reply: Reply) -> None:
        """An answer to a command: tried for a few seconds, then left; who asked asks again."""
        keys = [[InlineKeyboardButton(label, callback_data=data) for label, data in reply.buttons]]
        markup = InlineKeyboardMarkup(keys) if reply.buttons else None
        for wait_s in (*BACK_OFF_S[:3], 0.0):
            try:
                await self._text(reply.text, reply_markup=markup)
            except RetryAfter as error:
                wait_s = _seconds(error)
            except TelegramError as error:
                self._away(error)
            else:
                return
            if await self._waited(wait_s):
                return

    async def _send(self, text: str, picture: bytes | None) -> None:
        if picture is not None:
            try:
                await self._photo(text, picture)
            except BadRequest:
                await self._text(text)
        else:
            await self._text(text)

    async def _photo(self, text: str, picture: bytes) -> Message:
        fits = len(text) <= LONGEST_CAPTION
        return await self._bot.send_photo(
            self._chat, picture, parse_mode=ParseMode.HTML if fits else None,
            caption=text if fits else shortened(text, LONGEST_CAPTION),
        )  # fmt: skip

    async def _text(self, text: str, **more: Any) -> Message:
        """As HTML; a text that is too long, or that Telegram cannot parse, as plain text."""
        if len(text) <= LONGEST:
            try:
                return await self._bot.send_message(
                    self._chat, text, parse_mode=ParseMode.HTML, **more
                )
            except BadRequest as error:
                if "parse" not in str(error).lower():
                    raise
        return await self._bot.send_message(self._chat, shortened(text, LONGEST), **more)

    async def _waited(self, seconds: float) -> bool:
        """Lets time pass; whether the daemon stops meanwhile."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return False
        return True

    def _away(self, error: TelegramError) -> None:
        now_s = time.monotonic()
        if self._failing_since_s is None:
            self._failing_since_s = now_s
        elif now_s - self._failing_since_s > _TELL_AFTER_S:
            self._tell("telegram away", f"Telegram cannot be reached, messages wait: {error}")

    def _back(self) -> None:
        self._failing_since_s = None
        while self._told:
            self._queue.notify(Notice(self._told.pop(), "Telegram takes messages again", over=True))

    def _tell(self, key: str, text: str) -> None:
        self._told.add(key)
        self._queue.notify(Notice(key, text.replace(self._bot.token, "[secret]")))


async def send_on(
    reader: OutboxReader, cursor: Cursor, kinds: tuple[str, ...], outlet: Outlet, *,
    text_of: Callable[[OutboxRow], str], draw: Drawing, stopping: asyncio.Event,
) -> None:  # fmt: skip
    """Sends rows of these kinds as they come, until `stopping` is set and nothing waits, or
    Telegram does not take what waits."""
    while True:
        last_look = stopping.is_set()
        rows = reader.after(cursor.row_id or 0, _BATCH, kinds=kinds)
        for row in rows:
            text = text_of(row)
            if text and not await outlet.say(text, await draw(row)):
                return
            cursor.advance(row.id)
        if not rows:
            if last_look:
                return
            await asyncio.sleep(_LOOK_EVERY_S)


def _seconds(error: RetryAfter) -> float:
    """How long Telegram wants to be left alone; an older library says it as a number."""
    after = error.retry_after
    return float(after) if isinstance(after, int) else after.total_seconds()
