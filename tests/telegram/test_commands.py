"""Commands over the stand-in Bot API while the loop runs: answered at once, obeyed by the loop."""

import fcntl
import hashlib
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.patience import until
from tests.telegram.bot_api import CHAT, BotApi
from tests.telegram.stand import WEEK, ZONE, Stand, long_terminal
from tests.trading.doubles import BAR_MS, FROM_MS
from trading import telegram_commands
from trading.canonical import parse_decision, parse_input
from trading.decision.decide import decide
from trading.decision.settings import DecisionSettings

MakeStand = Callable[..., Stand]

QUESTIONS = (
    ("/help", "/closeall"), ("/status", "equity"), ("/positions", ""), ("/news", ""),
    ("/pnl", "today"), ("/latency", "median"), ("/why", "the bar that closed"),
    ("/risk", "losses in a row"), ("/health", "bars decided"), ("/nonsense", "no such command"),
)  # fmt: skip

# A position that no bar of these ends by itself.
FAR_STOPS = DecisionSettings.model_validate(
    {"dynamic_sltp": {"sl_atr_multiplier": 9.0, "tp_atr_multiplier": 9.0}}
)


def wait_for_bars(stand: Stand) -> None:
    """Until the board knows a few decided bars."""
    until(lambda: stand.board.now.decided >= 3)


@pytest.mark.parametrize(
    "bars", [200, pytest.param(WEEK, marks=pytest.mark.soak)], ids=["200 bars", "a week"]
)
def test_every_question_is_answered_in_a_second_and_the_loop_decides_the_same(
    stand: MakeStand, api: BotApi, bars: int
) -> None:
    expected = stand(telegram=None, bars=bars, terminal=long_terminal()).run().lines
    (stand(telegram=None).folder / "journal.sqlite").unlink()
    took: dict[str, float] = {}
    asked = stand(bars=bars, terminal=long_terminal()).start()

    def person() -> None:
        wait_for_bars(asked)
        for _ in range(1 + bars // 300):
            for question, words in QUESTIONS:
                took[question] = api.quickest(question, words)

    asked.run_beside(person)
    assert asked.lines == expected
    assert set(took) == {question for question, _ in QUESTIONS}
    assert max(took.values()) < 1.0, took


def test_pause_shows_in_the_very_next_decision_which_replays(stand: MakeStand, api: BotApi) -> None:
    paused = stand(bars=150, terminal=long_terminal()).start()

    def person() -> None:
        wait_for_bars(paused)
        api.ask("/pause", "no entries")
        api.wait_for("✓ pause")
        api.ask("/status", "paused by telegram")

    paused.run_beside(person)
    halted = [line for line in paused.lines if "paused by telegram" in line]
    assert paused.lines[-len(halted) :] == halted
    assert 0 < len(halted) < 150
    for line in halted:
        assert not parse_decision(line).intents
        again = decide(parse_input(line), paused.decision)
        assert again.denials == parse_decision(line).denials
        assert "halted" in {each.rule for each in again.denials}


def test_pause_survives_a_restart_until_somebody_resumes(stand: MakeStand, api: BotApi) -> None:
    first = stand(bars=80, stop_after=40, terminal=long_terminal()).start()

    def pauses() -> None:
        wait_for_bars(first)
        api.ask("/pause", "no entries")

    first.run_beside(pauses, pace_s=0.02)
    second = stand(bars=200, terminal=first.terminal).start()

    def resumes() -> None:
        until(lambda: second.board.now.decided >= 60)
        api.ask("/status", "paused by telegram")
        api.ask("/resume", "entries go on")
        api.wait_for("✓ resume")

    second.run_beside(resumes)
    lines = second.lines[40:]
    assert "paused by telegram" in lines[0]
    assert "paused by telegram" not in lines[-1]
    assert any(parse_decision(line).intents for line in lines[-40:])


def test_closeall_asks_and_only_its_button_closes(stand: MakeStand, api: BotApi) -> None:
    held = stand(bars=60, terminal=long_terminal(), decision=FAR_STOPS).start()

    def person() -> None:
        wait_for_position(held)
        kept, _ = api.ask("/closeall", "close all 1 own positions?")
        api.press(kept.buttons[1][1])
        api.wait_for("nothing is closed")
        asked, _ = api.ask("/closeall", "close all 1 own positions?")
        api.press(kept.buttons[0][1])
        api.wait_for("this question is over")
        api.press(asked.buttons[0][1])
        api.wait_for("closing all own positions")
        held.go.set()
        api.wait_for("✓ closeall: no position of ours is open any more")
        after = len(api.messages)
        api.press(asked.buttons[0][1])
        api.wait_for("this question is over", after=after)

    held.run_beside(person, hold=True)
    assert held.books.book.closed[0].close_type == "COMMAND"
    assert len([row for row in held.rows("command") if row.payload["what"] == "closeall"]) == 2


def test_close_closes_that_position(stand: MakeStand, api: BotApi) -> None:
    held = stand(bars=60, terminal=long_terminal(), decision=FAR_STOPS).start()

    def person() -> None:
        position = wait_for_position(held)
        api.ask("/close 99", f"/close_{position}")
        api.ask(f"/close_{position}", f"closing position {position}")
        held.go.set()
        api.wait_for(f"✓ close {position}:")
        api.wait_for("COMMAND")

    held.run_beside(person, hold=True)
    assert [each.close_type for each in held.books.book.closed].count("COMMAND") == 1
    assert held.books.book.closed[0].close_type == "COMMAND"


def test_another_chat_is_ignored_and_noted_once(stand: MakeStand, api: BotApi) -> None:
    alone = stand(bars=120, terminal=long_terminal()).start()

    def person() -> None:
        wait_for_bars(alone)
        api.write("/pause", chat=666)
        api.write("/closeall", chat=666)
        api.press("yes whatever", chat=666)
        api.ask("/status", "equity")

    alone.run_beside(person)
    assert api.texts(666) == []
    assert alone.queue.drain() == ()
    assert not any("paused" in line for line in alone.lines)
    assert len([page for page in alone.reporter.pages if "chat 666" in page]) == 1


def test_an_old_closeall_is_not_obeyed_and_an_old_pause_is(stand: MakeStand, api: BotApi) -> None:
    late = stand(bars=120, terminal=long_terminal())
    for text in ("/closeall", "/resume", "/pause"):
        api.write(text, age_s=3600)
    late.start()

    def person() -> None:
        api.wait_for("/closeall is old")
        api.wait_for("/resume is old")
        api.wait_for("no entries")

    late.run_beside(person)
    assert [row.payload["what"] for row in late.rows("command")] == ["pause", "pause"]


def test_two_owners_of_a_token_are_told_apart_and_messages_still_go(
    stand: MakeStand, api: BotApi
) -> None:
    robbed = stand(bars=200, terminal=long_terminal()).start()

    def person() -> None:
        api.ask("/status", "")
        api.conflict = True
        api.wait_for("another program polls this Telegram bot (409)")
        polled = api.calls.count("getUpdates")
        api.wait_for("BTCUSD", after=len(api.messages))
        time.sleep(2.5)  # polling that goes on asks again after 1 s
        assert api.calls.count("getUpdates") <= polled + 1

    robbed.run_beside(person, pace_s=0.02)
    assert len([page for page in robbed.reporter.pages if "409" in page]) == 1


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of minutes become fractions of a second."""
    monkeypatch.setattr(telegram_commands, "_PAUSES_S", (0.05, 0.1))
    monkeypatch.setattr(telegram_commands, "_OURS_AFTER_S", 0.3)


@pytest.mark.usefixtures("impatient")
def test_commands_are_answered_again_once_the_other_program_has_ended(
    stand: MakeStand, api: BotApi
) -> None:
    robbed = stand(bars=200, terminal=long_terminal()).start()

    def person() -> None:
        api.ask("/status", "")
        for _ in range(2):
            after = len(api.messages)
            api.conflict = True
            api.wait_for("another program polls this Telegram bot (409)", after=after)
            api.conflict = False
            api.wait_for("Telegram commands are answered here again", after=after)
            api.ask("/status", "equity")

    robbed.run_beside(person, pace_s=0.02)
    assert len([page for page in robbed.reporter.pages if "409" in page]) == 2


@pytest.mark.usefixtures("impatient")
def test_commands_of_a_bot_that_another_daemon_here_owned_are_answered_when_that_ends(
    stand: MakeStand, api: BotApi, tmp_path: Path
) -> None:
    waiting = stand(bars=200, terminal=long_terminal())
    name = hashlib.sha256(waiting.token.encode()).hexdigest()[:12]
    owner = (tmp_path.parent / f"telegram-{name}.lock").open("w")
    fcntl.flock(owner, fcntl.LOCK_EX)
    waiting.start()

    def person() -> None:
        api.wait_for("another daemon on this machine owns this Telegram bot")
        assert "getUpdates" not in api.calls
        owner.close()
        api.wait_for("Telegram commands are answered here again")
        api.ask("/status", "equity")

    waiting.run_beside(person, pace_s=0.02)


def test_why_tells_of_the_bar_that_was_asked_for(stand: MakeStand, api: BotApi) -> None:
    done = stand(bars=30, terminal=long_terminal()).start()
    done.run()
    closed = datetime.fromtimestamp((FROM_MS + 7 * BAR_MS) / 1000, ZoneInfo(ZONE))
    when = f"{closed:%Y-%m-%dT%H:%M}"
    answer, _ = api.ask(f"/why {when}", "the bar that closed")
    denials = {each.rule for each in parse_decision(done.lines[6]).denials}
    asked = {"BTCUSD: "} if not denials else {f"{rule}:" for rule in denials}
    assert all(words in answer.text for words in asked), answer.text
    assert answer.chat == CHAT


def wait_for_position(stand: Stand) -> int:
    until(lambda: bool(stand.board.now.positions))
    return stand.board.now.positions[0].identifier
