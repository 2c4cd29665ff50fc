"""Commands inside the loop: written down, obeyed once, and still known after a restart."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.trading.doubles import AWAY, Desk
from trading.clock import StopFlag, WallClock
from trading.commands import Command, CommandKind, CommandQueue, Notice
from trading.decision.settings import DecisionSettings
from trading.outbox import OutboxReader

MakeDesk = Callable[..., Desk]

# Positions that no bar of these ends by itself; two may be open.
WIDE = DecisionSettings.model_validate({
    "dynamic_sltp": {"sl_atr_multiplier": 9.0, "tp_atr_multiplier": 9.0}, "max_open_positions": 2,
})  # fmt: skip


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[MakeDesk]:
    made: list[Desk] = []

    def make(**fields: Any) -> Desk:
        for each in made:
            each.close()
        made.append(Desk(tmp_path, **({"decision": WIDE} | fields)))
        return made[-1]

    yield make
    made[-1].close()


def command(kind: CommandKind, argument: str = "") -> Command:
    return Command(kind, argument, "test", 5)


def after_bars(desk: Desk, count: int, act: Callable[[], None]) -> None:
    """`act` is called by the loop itself, after so many bars."""
    desk.reporter.on_bar = lambda number: act() if number == count else None


def words(desk: Desk, kind: str) -> list[dict[str, Any]]:
    return [each for _, _, each in desk.journal.events(kind)]


def test_nobody_says_anything_and_nothing_is_written(desk: MakeDesk) -> None:
    done = desk(bars=12).run()
    assert not words(done, "command")
    reader = OutboxReader(done.folder / "journal.sqlite")
    assert reader.last_id() == 0
    reader.close()


def test_pause_refuses_entries_and_resume_allows_them(desk: MakeDesk) -> None:
    paused = desk(bars=40)
    at = {5: command("pause"), 25: command("resume")}
    paused.reporter.on_bar = lambda n: paused.queue.put(at[n]) if n in at else None
    paused.run()
    halted = [bool(report.input.halts) for report in paused.reporter.bars]
    assert halted == [False] * 5 + [True] * 20 + [False] * 15
    assert all(not each.decision.intents for each in paused.reporter.bars[5:25])
    assert [each["text"] for each in words(paused, "command_done")][1] == "entries are on"


def test_pause_leaves_open_positions_to_their_management(desk: MakeDesk) -> None:
    near = desk(bars=60, decision=DecisionSettings())
    near.reporter.on_bar = lambda _: (
        near.queue.put(command("pause")) if near.board.now.positions else None
    )
    near.run()
    assert near.books.book.closed and not near.books.book.held


def test_pause_that_was_written_but_not_answered_holds_after_a_restart(desk: MakeDesk) -> None:
    first = desk(bars=30, stop_after=10)
    first.run()
    first.journal.record(
        "command", 7, number=1, what="pause", argument="", source="test", received_ms=5
    )
    second = desk(bars=30, terminal=first.terminal).run()
    assert all(report.input.halts for report in second.reporter.bars)
    assert [each["number"] for each in words(second, "command_done")] == [1]


def test_pause_while_the_bridge_is_away_is_not_forgotten(desk: MakeDesk) -> None:
    cut = desk(bars=20)

    def cut_and_pause() -> None:
        cut.broker.fail("snapshot", AWAY, times=3)
        cut.queue.put(command("pause"))

    after_bars(cut, 5, cut_and_pause)
    cut.run()
    assert [bool(each.input.halts) for each in cut.reporter.bars] == [False] * 5 + [True] * 15
    assert len(words(cut, "command")) == 1


def test_closeall_closes_every_own_position_and_no_foreign_one(desk: MakeDesk) -> None:
    held = desk(bars=40)

    def both() -> None:
        if len(held.board.now.positions) == 2 and not words(held, "command"):
            held.queue.put(command("pause"))
            held.queue.put(command("closeall"))

    held.reporter.on_bar = lambda _: both()
    held.run()
    assert [each.close_type for each in held.books.book.closed] == ["COMMAND", "COMMAND"]
    assert not held.own_positions()
    assert words(held, "command_done")[-1]["text"] == "no position of ours is open any more"


def test_closeall_shows_in_the_decision_of_the_same_close(desk: MakeDesk) -> None:
    """The look after the closes is what is decided on: nothing closed is shown as open."""
    held = desk(bars=40)
    asked_at: list[int] = []

    def once(count: int) -> None:
        if held.board.now.positions and not asked_at:
            asked_at.append(count)
            held.queue.put(command("closeall"))

    held.reporter.on_bar = once
    held.run()
    assert held.reporter.bars[asked_at[0] - 1].input.open_trades
    assert held.reporter.bars[asked_at[0]].input.open_trades == ()


def test_nothing_is_closed_while_the_account_may_not_be_traded(desk: MakeDesk) -> None:
    shut = desk(bars=40)
    well, asked_at = shut.native.health, list[int]()
    ill = replace(well(), terminal=replace(well().terminal, trade_allowed=False))

    def change(count: int) -> None:
        if shut.board.now.positions and not asked_at:
            asked_at.append(count)
            shut.native.health = lambda: ill  # type: ignore[method-assign]
            shut.queue.put(command("closeall"))
        if asked_at and count == asked_at[0] + 3:
            assert "COMMAND" not in {each.close_type for each in shut.books.book.closed}
            assert not words(shut, "close_all")
            shut.native.health = well  # type: ignore[method-assign]

    shut.reporter.on_bar = change
    shut.run()
    assert shut.books.book.closed[0].close_type == "COMMAND"


def test_closeall_goes_on_when_the_bridge_is_back(desk: MakeDesk) -> None:
    cut = desk(bars=40)

    def once() -> None:
        if cut.board.now.positions and not words(cut, "command"):
            cut.queue.put(command("pause"))
            cut.queue.put(command("closeall"))
            cut.broker.fail("positions", AWAY, times=2)

    cut.reporter.on_bar = lambda _: once()
    cut.run()
    assert {each.close_type for each in cut.books.book.closed} == {"COMMAND"}
    assert not cut.own_positions()


def test_closeall_of_a_process_that_died_is_finished_by_the_next(desk: MakeDesk) -> None:
    first = desk(bars=40)

    def once() -> None:
        if first.board.now.positions:
            first.queue.put(command("closeall"))
            first.broker.before_send = _die

    first.reporter.on_bar = lambda _: once()
    with pytest.raises(KeyboardInterrupt):
        first.run()
    assert first.own_positions()
    second = desk(bars=40, terminal=first.terminal).run()
    assert second.books.book.closed[0].close_type == "COMMAND"
    assert len(words(second, "command")) == len(words(second, "command_done")) == 1


def test_close_names_one_position_of_two(desk: MakeDesk) -> None:
    held = desk(bars=40)
    wanted: list[int] = []

    def once() -> None:
        if len(held.board.now.positions) == 2 and not wanted:
            wanted.append(held.board.now.positions[1].identifier)
            held.queue.put(command("close", str(wanted[0])))

    held.reporter.on_bar = lambda _: once()
    held.run()
    closed = [each for each in held.books.book.closed if each.close_type == "COMMAND"]
    assert [each.position_id for each in closed] == wanted


def test_close_of_what_is_not_open_is_refused(desk: MakeDesk) -> None:
    done = desk(bars=12)
    after_bars(done, 3, lambda: done.queue.put(command("close", "424242")))
    done.run()
    assert [each["text"] for each in words(done, "command_refused")] == [
        "no position 424242 of ours is open"
    ]


def test_dry_run_closes_nothing_and_says_so(desk: MakeDesk) -> None:
    dry = desk(bars=12, dry=True)
    after_bars(dry, 3, lambda: dry.queue.put(command("closeall")))
    dry.run()
    assert [each["text"] for each in words(dry, "command_refused")] == ["dry run: nothing is sent"]
    assert dry.broker.sent == []


def test_a_kind_that_nobody_carries_out_is_refused(desk: MakeDesk) -> None:
    plain = desk(bars=12)
    after_bars(plain, 3, lambda: plain.queue.put(command("swap_model", "v9")))
    plain.run()
    assert "not to be had here" in words(plain, "command_refused")[0]["text"]


def test_notices_of_a_thread_page_once_until_they_are_over(desk: MakeDesk) -> None:
    told = desk(bars=12)
    at = {
        2: Notice("k", "something is wrong"), 4: Notice("k", "something is wrong"),
        6: Notice("k", "it is over", over=True),
    }  # fmt: skip
    told.reporter.on_bar = lambda n: told.queue.notify(at[n]) if n in at else None
    told.run()
    assert told.reporter.pages == ["something is wrong", "it is over"]


def test_once_recovered_a_command_calls_the_loop(desk: MakeDesk) -> None:
    ready = desk(bars=12)
    ready.queue.put(command("pause"))
    assert not ready.stop.called
    ready.bot.recover()
    ready.queue.put(command("pause"))
    assert ready.stop.called
    ready.bot.cycle()
    assert not ready.stop.called


def test_a_command_ends_the_wait_of_the_loop() -> None:
    stop, queue = StopFlag(), CommandQueue()
    queue.on_put(stop.call)
    clock = WallClock(lambda: 0, stop, most_ms=0)
    queue.put(command("closeall"))
    now_ms = clock.now_ms()
    assert clock.wait_until(now_ms + 60_000) < now_ms + 30_000


def _die() -> None:
    raise KeyboardInterrupt
