"""Makes the channels that the settings name, and puts the board behind the view."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

from trading.assemble import TIMEFRAME, Trade
from trading.channels import Channel, Channels
from trading.commands import Command
from trading.daily import DailyReporter
from trading.journal import Journal
from trading.outgoing import Announcer
from trading.releases import NO_CALENDAR, CalendarSource
from trading.report import Reporter
from trading.secrets import secret
from trading.state_folder import StateFolder
from trading.status_board import BoardReporter, Status, StatusBoard
from trading.telegram_settings import (
    CHAT_VARIABLE,
    TOKEN_VARIABLE,
    TelegramSettings,
    telegram_secrets,
)
from trading.telegram_text import Style

# Makes a channel over the queue, the board and the state folder.
Opener = Callable[[Channels, Trade, StateFolder], Channel]


def telegram(settings: TelegramSettings, *, account: str, paper: bool) -> tuple[Opener, ...]:
    """None where it is off. Raises `DaemonError` where token or chat are missing."""
    if not settings.enabled or (paper and not settings.paper):
        return ()
    secrets = telegram_secrets(secret(TOKEN_VARIABLE), secret(CHAT_VARIABLE))

    def opened(channels: Channels, trade: Trade, folder: StateFolder) -> Channel:
        from trading.telegram_commands import TelegramChannel, TelegramTerms

        style = Style(account, trade.instrument.digits, ZoneInfo(trade.decision.timezone))
        terms = TelegramTerms(
            folder.path, folder.journal, folder.bars, channels.board, channels.queue, style,
            trade.daemon.strategy_id, TIMEFRAME,
        )  # fmt: skip
        return TelegramChannel(settings, secrets, terms)

    return (opened,)


def open_channels(
    trade: Trade, folder: StateFolder, journal: Journal, openers: tuple[Opener, ...],
    *, resume: bool = False,
) -> Channels:  # fmt: skip
    """The channels that are switched on; nothing is started yet. `resume`: a pause that was left
    behind is lifted."""
    instrument = trade.instrument
    board = StatusBoard(
        Status(symbol=instrument.symbol, digits=instrument.digits, settings=trade.decision)
    )
    channels = Channels(board=board)
    channels.threads = tuple(opener(channels, trade, folder) for opener in openers)
    if channels.threads:
        journal.translator = Announcer(
            journal, strategy_id=trade.daemon.strategy_id, symbol=instrument.symbol
        )
    if resume:
        channels.queue.put(Command("resume", "", "command line", 0))
    return channels


def reporter_over(
    channels: Channels, view: Reporter, trade: Trade, journal: Journal,
    calendar: CalendarSource = NO_CALENDAR,
) -> Reporter:  # fmt: skip
    """The view with the board behind it, and the daily report where anybody would get it."""
    if channels.threads:
        view = DailyReporter(
            journal, channels.board, view, symbol=trade.instrument.symbol,
            strategy_id=trade.daemon.strategy_id, zone=trade.decision.timezone,
            bar_ms=TIMEFRAME.ms,
        )  # fmt: skip
    return BoardReporter(channels.board, view, calendar)
