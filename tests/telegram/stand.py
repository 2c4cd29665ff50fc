"""A desk whose daemon has a Telegram channel to the stand-in Bot API."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from market.timeframe import Timeframe
from tests.telegram.bot_api import CHAT, TOKEN, BotApi
from tests.trading.doubles import DAEMON, FIRST_ROW, Desk, make_terminal, walk
from trading.daily import DailyReporter
from trading.outbox import OutboxReader, OutboxRow
from trading.outgoing import Announcer
from trading.telegram_commands import TelegramChannel, TelegramTerms
from trading.telegram_settings import TelegramSecrets, TelegramSettings
from trading.telegram_text import Style

WEEK = 7 * 96
ZONE = "Asia/Jakarta"


def long_terminal(bars: int = WEEK) -> Any:
    return make_terminal(walk(FIRST_ROW + bars + 10))


@dataclass
class Stand(Desk):
    """`telegram`: the settings; None: no channel at all, and an empty outbox."""

    api: BotApi = field(default_factory=BotApi)
    telegram: TelegramSettings | None = field(
        default_factory=lambda: TelegramSettings(enabled=True, chart=False)
    )
    token: str = TOKEN

    def __post_init__(self) -> None:
        super().__post_init__()
        self.channel: TelegramChannel | None = None
        if self.telegram is None:
            return
        self.journal.translator = Announcer(
            self.journal, strategy_id=DAEMON.strategy_id, symbol="BTCUSD"
        )
        board_reporter: Any = self.bot._parts.reporter
        board_reporter._view = DailyReporter(
            self.journal, self.board, self.reporter, symbol="BTCUSD",
            strategy_id=DAEMON.strategy_id, zone=ZONE, bar_ms=Timeframe.M15.ms,
        )  # fmt: skip
        settings = self.telegram.model_copy(update={"base_url": self.api.base_url})
        self.terms = terms = TelegramTerms(
            self.folder, self.folder / "journal.sqlite", self.folder / "bars.sqlite", self.board,
            self.queue, Style("", 2, ZoneInfo(ZONE)), DAEMON.strategy_id, Timeframe.M15,
        )  # fmt: skip
        self.channel = TelegramChannel(settings, TelegramSecrets(self.token, CHAT), terms)

    def start(self) -> "Stand":
        assert self.channel is not None
        self.channel.start()
        return self

    def run_beside(
        self, person: Callable[[], None], *, pace_s: float = 0.004, hold: bool = False
    ) -> "Stand":
        """The loop here, at `pace_s` a bar until the person in another thread is done. `hold`: it
        stands still after the first bar that saw a position, until `go`."""
        failed: list[BaseException] = []
        done = threading.Event()
        self.go = threading.Event()

        def pace(_: int) -> None:
            if hold and self.board.now.positions:
                self.go.wait(60)
            if not done.is_set():
                time.sleep(pace_s)

        def act() -> None:
            try:
                person()
            except BaseException as error:  # noqa: BLE001 - raised below, in the test's thread
                failed.append(error)
            finally:
                done.set()
                self.go.set()

        self.reporter.on_bar = pace
        thread = threading.Thread(target=act, daemon=True)
        thread.start()
        self.run()
        thread.join(60)
        if failed:
            raise failed[0]
        return self

    def rows(self, *kinds: str) -> tuple[OutboxRow, ...]:
        reader = OutboxReader(self.folder / "journal.sqlite")
        found = reader.after(0, 100_000, kinds=kinds)
        reader.close()
        return found

    def close(self) -> None:
        if self.channel is not None:
            self.channel.stop()
        super().close()
