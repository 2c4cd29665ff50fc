"""Answers without Telegram: what they say, and what they put into the queue."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from market.calendar import EconomicCalendar
from tests.trading.doubles import BAR_MS, FROM_MS, Desk
from trading.commands import CommandQueue
from trading.decision.settings import DecisionSettings
from trading.journal_reads import JournalReads
from trading.outbox import open_read_only
from trading.releases import KnownCalendar
from trading.status_board import Status, StatusBoard
from trading.telegram_answers import HELP, Answers, Sources
from trading.telegram_text import Style
from trading.telegram_views import instant_of

STYLE = Style("", 2, ZoneInfo("Asia/Jakarta"))
NOW_MS = 1_700_000_000_000
WIDE = DecisionSettings.model_validate(
    {"dynamic_sltp": {"sl_atr_multiplier": 9.0, "tp_atr_multiplier": 9.0}}
)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A run that has ended with a position open."""
    desk = Desk(tmp_path_factory.mktemp("run"), bars=30, decision=WIDE).run()
    yield desk
    desk.close()


@pytest.fixture
def clock() -> list[int]:
    return [NOW_MS]


@pytest.fixture
def queue() -> CommandQueue:
    return CommandQueue()


@pytest.fixture
def answers(ran: Desk, clock: list[int], queue: CommandQueue) -> Iterator[Answers]:
    db = open_read_only(ran.folder / "journal.sqlite")
    yield Answers(sources(ran.board, JournalReads(db), clock, queue), confirm_s=60.0)
    db.close()


def sources(
    board: StatusBoard, journal: JournalReads, clock: list[int], queue: CommandQueue
) -> Sources:
    return Sources(board, journal, queue, STYLE, 7719, waiting=lambda: 3, wall_ms=lambda: clock[0])


def test_help_names_every_command_and_each_is_answered(answers: Answers) -> None:
    text = answers.to("/help", NOW_MS).text
    for name, _ in HELP:
        assert f"/{name} " in text
        assert "no such command" not in answers.to(f"/{name}", NOW_MS).text


def test_before_the_first_look_every_command_has_an_answer(
    tmp_path: Path, ran: Desk, clock: list[int]
) -> None:
    db = open_read_only(ran.folder / "journal.sqlite")
    board = StatusBoard(Status(symbol="BTCUSD"))
    early = Answers(sources(board, JournalReads(db), clock, CommandQueue()), confirm_s=60.0)
    for name, _ in HELP:
        assert early.to(f"/{name}", NOW_MS).text
    db.close()


def test_status_shows_the_account_and_why_nothing_is_opened(answers: Answers, ran: Desk) -> None:
    now = ran.board.now
    assert now.account is not None
    text = answers.to("/status", NOW_MS).text
    assert f"{now.account.equity:,.2f}" in text
    ran.board.now = replace(now, halts=("paused by <me>",), trouble="bridge: away")
    text = answers.to("/status", NOW_MS).text
    ran.board.now = now
    assert "entries halted" in text and "paused by &lt;me&gt;" in text and "bridge: away" in text


def test_positions_show_their_levels_and_how_to_close_them(answers: Answers, ran: Desk) -> None:
    (position,) = ran.board.now.positions
    text = answers.to("/positions", NOW_MS).text
    assert f"{position.sl:,.2f}" in text and f"/close_{position.identifier}" in text


def test_pnl_adds_up_to_the_books(ran: Desk, tmp_path: Path, clock: list[int]) -> None:
    near = Desk(tmp_path, bars=60).run()
    db = open_read_only(near.folder / "journal.sqlite")
    text = Answers(
        sources(near.board, JournalReads(db), clock, near.queue), confirm_s=60.0
    ).to("/pnl", NOW_MS).text  # fmt: skip
    net = sum(trade.net_profit for trade in near.books.book.closed)
    assert f"all: <b>{net:+,.2f}</b> · {len(near.books.book.closed)} trades" in text
    db.close()
    near.close()


def test_risk_shows_what_the_stops_would_cost(answers: Answers, ran: Desk) -> None:
    (position,) = ran.board.now.positions
    sign = 1 if position.type == 0 else -1
    lost = sign * (position.sl - position.price_current) * position.volume
    assert f"at the stops {lost:+,.2f}" in answers.to("/risk", NOW_MS).text


def test_health_tells_what_waits(answers: Answers) -> None:
    assert "3 messages wait" in answers.to("/health", NOW_MS).text


def test_news_shows_what_is_known_and_to_come(answers: Answers, ran: Desk) -> None:
    before = ran.board.now
    at = np.array([before.looked_ms - 60_000, before.looked_ms + 30 * 60_000,
                   before.looked_ms + 45 * 60_000], dtype=np.int64)  # fmt: skip
    events = EconomicCalendar.of(
        at, np.array([3, 3, 3], dtype=np.int8), np.array(["USD", "USD", "EUR"]),
        np.array([0, 0, before.looked_ms + 1], dtype=np.int64),
        np.array(["past", "CPI <m/m>", "not known yet"]),
    )  # fmt: skip
    ran.board.now = replace(before, calendar=KnownCalendar(events, "the feed is 5 h old"))
    text = answers.to("/news", NOW_MS).text
    ran.board.now = before
    assert "in 30 min" in text and "CPI &lt;m/m&gt;" in text and "the feed is 5 h old" in text
    assert "past" not in text and "not known yet" not in text


def test_a_time_is_read_in_the_settings_zone() -> None:
    at_ms = FROM_MS + 10 * BAR_MS  # a Monday, 00:00 UTC and some quarter hours
    text = STYLE.time(at_ms)[-5:]
    assert instant_of(text, at_ms + 60_000, STYLE) == at_ms
    assert instant_of(text, at_ms - 60_000, STYLE) == at_ms - 86_400_000
    assert instant_of("2025-09-01T14:00", 0, STYLE) == instant_of("2025-09-01T07:00Z", 0, STYLE)


@pytest.mark.parametrize("text", ["25:00", "noon", "2025-13-01T00:00"])
def test_a_time_that_is_none_says_what_is_allowed(answers: Answers, text: str) -> None:
    assert "14:00 or 2025-09-01T14:00" in answers.to(f"/why {text}", NOW_MS).text


def test_why_without_a_time_is_about_the_last_bar(answers: Answers, ran: Desk) -> None:
    last_ms = FROM_MS + 30 * BAR_MS
    assert STYLE.time(last_ms) in answers.to("/why", NOW_MS).text


def test_closeall_needs_its_own_button_in_time(
    answers: Answers, clock: list[int], queue: CommandQueue
) -> None:
    asked = answers.to("/closeall", NOW_MS)
    (_, yes), (_, no) = asked.buttons
    assert queue.drain() == ()
    assert answers.pressed("yes guess").text == "this question is over"
    clock[0] += 61_000
    assert "too late" in answers.pressed(yes).text
    clock[0] = NOW_MS
    assert answers.pressed(no).text == "this question is over"
    (_, yes), (_, no) = answers.to("/closeall", NOW_MS).buttons
    assert answers.pressed(no).text == "nothing is closed"
    assert answers.pressed(yes).text == "this question is over"
    assert queue.drain() == ()
    (_, yes), _ = answers.to("/closeall", NOW_MS).buttons
    answers.pressed(yes)
    assert [each.kind for each in queue.drain()] == ["closeall"]


@pytest.mark.parametrize("text", ["/close_%d", "/close %d", "/CLOSE@some_bot %d", "/close_%d@bot"])
def test_close_is_understood_in_every_spelling(
    answers: Answers, ran: Desk, queue: CommandQueue, text: str
) -> None:
    (position,) = ran.board.now.positions
    answers.to(text % position.identifier, NOW_MS)
    (command,) = queue.drain()
    assert (command.kind, command.argument) == ("close", str(position.identifier))
    assert command.source == "telegram"


@pytest.mark.parametrize("text", ["/close", "/close 424242", "/close all", "/close_"])
def test_close_of_something_else_closes_nothing(
    answers: Answers, ran: Desk, queue: CommandQueue, text: str
) -> None:
    (position,) = ran.board.now.positions
    assert f"/close_{position.identifier}" in answers.to(text, NOW_MS).text
    assert queue.drain() == ()


@pytest.mark.parametrize(
    ("text", "obeyed"), [("/pause", 1), ("/resume", 0), ("/closeall", 0), ("/close_1", 0)]
)
def test_of_old_commands_only_a_pause_is_obeyed(
    answers: Answers, clock: list[int], queue: CommandQueue, text: str, obeyed: int
) -> None:
    reply = answers.to(text, clock[0] - 121_000)
    assert len(queue.drain()) == obeyed
    assert not reply.buttons
    assert ("is old" in reply.text) == (not obeyed)


def test_every_answer_takes_milliseconds(answers: Answers) -> None:
    begun_s = time.process_time()
    for name, _ in HELP:
        answers.to(f"/{name}", NOW_MS)
    assert time.process_time() - begun_s < 1.0
