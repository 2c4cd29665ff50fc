"""What the outbox holds reaches the chat: all of it, in order, once, whatever Telegram does."""

import time
from collections.abc import Callable

import pytest

from tests.patience import PATIENCE_S, until
from tests.telegram.bot_api import BotApi, Message
from tests.telegram.stand import Stand, long_terminal
from trading.outbox import Cursor
from trading.telegram_settings import TelegramSettings
from trading.telegram_text import message, shortened

MakeStand = Callable[..., Stand]

HOUR = 4  # bars of 15 minutes
TEXTS = TelegramSettings(enabled=True, chart=False, commands=False)


def expected(stand: Stand) -> list[str]:
    """The texts of every row that is to be sent, as they look without HTML."""
    assert stand.telegram is not None
    rows = stand.rows(*stand.telegram.messages)
    style = stand.terms.style
    return [shortened(text, 4096) for each in rows if (text := message(each, style))]


def delivered(stand: Stand, api: BotApi) -> list[str]:
    """What the chat got once nothing waits any more."""
    wanted, end_s = len(expected(stand)), time.monotonic() + PATIENCE_S
    while len(api.messages) < wanted and time.monotonic() < end_s:
        time.sleep(0.02)
    time.sleep(0.3)
    return api.texts()


def test_an_hour_without_telegram_loses_nothing_and_doubles_nothing(
    stand: MakeStand, api: BotApi
) -> None:
    away = stand(bars=160, terminal=long_terminal(), telegram=TEXTS).start()
    seen_before: list[int] = []

    def person() -> None:
        api.wait_for("BUY")
        api.down = True
        before = away.board.now.decided
        seen_before.append(len(api.messages))
        while away.board.now.decided < before + 8 * HOUR:
            time.sleep(0.005)
        assert len(api.messages) <= seen_before[0] + 1
        api.down = False

    away.run_beside(person)
    assert delivered(away, api) == expected(away)
    assert len(expected(away)) > seen_before[0] + 5


def test_an_outage_over_a_restart_loses_nothing_and_doubles_nothing(
    stand: MakeStand, api: BotApi
) -> None:
    first = stand(bars=60, stop_after=30, terminal=long_terminal(), telegram=TEXTS).start()
    first.run_beside(lambda: api.wait_for("BUY") and None)
    api.down = True
    second = stand(bars=60, terminal=first.terminal, telegram=TEXTS).start()
    second.run()
    assert second.channel is not None
    second.channel.stop()
    api.down = False
    third = stand(bars=60, terminal=first.terminal, telegram=TEXTS).start()
    assert delivered(third, api) == expected(third)


def test_telegram_that_is_away_at_the_start_is_found_later(stand: MakeStand, api: BotApi) -> None:
    api.down = True
    early = stand(bars=30, terminal=long_terminal(), telegram=TEXTS).start()
    early.run()
    assert not api.messages
    api.down = False
    assert delivered(early, api) == expected(early) != []


def test_retry_after_is_obeyed_and_nothing_is_sent_meanwhile(stand: MakeStand, api: BotApi) -> None:
    api.slow_downs = [1]
    slow = stand(bars=30, terminal=long_terminal(), telegram=TEXTS).start()
    slow.run()
    assert delivered(slow, api) == expected(slow)
    assert api.messages[0].at_s - api.slowed_s[0] >= 1.0


def test_a_lost_answer_sends_that_message_again_and_no_other(stand: MakeStand, api: BotApi) -> None:
    """The limit of delivery at least once: Telegram had it, and nobody can tell."""
    api.lose_answers = 1
    lossy = stand(bars=30, terminal=long_terminal(), telegram=TEXTS).start()
    lossy.run()
    texts = delivered(lossy, api)
    until(lambda: len(api.messages) > len(expected(lossy)))
    texts = api.texts()
    assert texts[0] == texts[1]
    assert texts[1:] == expected(lossy)


def test_a_text_that_telegram_never_takes_is_named_and_holds_nobody_up(
    stand: MakeStand, api: BotApi
) -> None:
    api.refused = ("SELL",)
    stuck = stand(bars=60, terminal=long_terminal(), telegram=TEXTS).start()
    stuck.run()
    wanted = [each for each in expected(stuck) if "SELL" not in each]
    until(lambda: len(api.messages) >= len(wanted))
    assert api.texts() == wanted
    assert "takes no such message" in until_called(stuck)


def test_an_unknown_chat_holds_the_messages_and_calls_a_person(
    stand: MakeStand, api: BotApi
) -> None:
    api.unknown_chat = True
    lost = stand(bars=30, terminal=long_terminal(), telegram=TEXTS).start()
    lost.run()
    called = until_called(lost)
    assert "does not know the chat" in called
    assert position(lost) == 0


def test_a_rejected_token_is_named_without_showing_it(stand: MakeStand, api: BotApi) -> None:
    wrong = stand(
        bars=12, terminal=long_terminal(), telegram=TEXTS, token="7654321:another"
    ).start()
    wrong.run()
    called = until_called(wrong)
    assert "rejects the bot's token" in called
    assert "another" not in called


def test_a_new_channel_begins_now_and_a_known_one_goes_on(stand: MakeStand, api: BotApi) -> None:
    old = stand(bars=60, stop_after=30, terminal=long_terminal(), telegram=TEXTS)
    old.run()
    history = len(old.rows())
    assert history > 30
    (old.folder / "delivery.sqlite").unlink()
    new = stand(bars=60, terminal=old.terminal, telegram=TEXTS).start()
    new.run()
    later = [each for each in new.rows(*TEXTS.messages) if each.id > history]
    until(lambda: len(api.messages) >= len(later))
    assert len(api.messages) == len(later)


def test_only_the_kinds_of_the_settings_are_sent(stand: MakeStand, api: BotApi) -> None:
    only = TelegramSettings(enabled=True, chart=False, commands=False, messages=("exit",))
    some = stand(bars=60, terminal=long_terminal(), telegram=only).start()
    some.run()
    assert delivered(some, api) == expected(some)
    assert api.messages and all("closed" in each.text for each in api.messages)


def test_entries_and_exits_come_with_a_picture(stand: MakeStand, api: BotApi) -> None:
    drawn = stand(
        bars=8, terminal=long_terminal(), telegram=TelegramSettings(enabled=True, commands=False)
    ).start()
    drawn.run()
    pictured: list[Message] = []
    until(lambda: bool(pictured) or pictured.extend(m for m in api.messages if m.picture) or False)
    assert "BTCUSD" in pictured[0].text


def test_the_second_daemon_of_a_token_on_a_machine_leaves_commands_to_the_first(
    stand: MakeStand, api: BotApi, tmp_path_factory: pytest.TempPathFactory
) -> None:
    owner = stand(bars=12, terminal=long_terminal()).start()
    owner.run()
    api.ask("/status", "equity")
    beside = owner.folder.parent / "another"
    beside.mkdir()
    other = Stand(beside, api=api, bars=12, terminal=long_terminal()).start()
    try:
        called = until_called(other)
        assert "another daemon on this machine owns this Telegram bot" in called
    finally:
        other.close()


def until_called(stand: Stand) -> str:
    """What a person was called for: through the loop, or still on the way to it."""
    found: list[str] = []

    def called() -> bool:
        found.extend(each.text for each in stand.queue.notices())
        return bool(found or stand.reporter.pages)

    until(called)
    return "\n".join([*stand.reporter.pages, *found])


def position(stand: Stand) -> int | None:
    cursor = Cursor(stand.folder / "delivery.sqlite", "telegram")
    found = cursor.row_id
    cursor.close()
    return found
