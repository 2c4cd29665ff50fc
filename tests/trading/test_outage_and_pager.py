"""Cycles that fail, and who is called: once per cause, and again when it is over."""

from pathlib import Path
from typing import Any

import pytest

from broker.contract.errors import BrokerRefused
from tests.trading.doubles import AWAY, Recorder
from trading.clock import StopFlag
from trading.journal import Journal
from trading.outage import BACK_OFF_S, Outage
from trading.pager import JournalPager


class Clock:
    """A clock that moves as it is paused."""

    def __init__(self) -> None:
        self.ms = 0

    def now_ms(self) -> int:
        return self.ms

    def pause(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)


class Desk:
    def __init__(self, folder: Path, *, holds: bool = False) -> None:
        self.clock: Any = Clock()
        self.reporter = Recorder(StopFlag())
        self.journal = Journal(folder / "journal.sqlite")
        self.pager = JournalPager(self.journal, self.reporter, self.clock)
        self.outage = Outage(
            self.clock, self.journal, self.reporter, self.pager, holds=lambda: holds
        )

    def keys(self, kind: str) -> list[str]:
        return [words["key"] for _, _, words in self.journal.events(kind)]


def test_cause_pages_once_and_once_when_it_is_over(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    for _ in range(3):
        desk.pager.page("fire", key="a")
    desk.pager.over("out", key="a")
    desk.pager.over("out", key="a")
    desk.pager.page("fire", key="a")
    assert desk.reporter.pages == ["fire", "out", "fire"]
    assert desk.keys("page") == ["a", "a"]
    assert desk.keys("page_over") == ["a"]


def test_waits_grow_to_half_a_minute(tmp_path: Path) -> None:
    desk, waits = Desk(tmp_path), []
    for _ in range(8):
        before_ms = desk.clock.ms
        desk.outage.failed(AWAY)
        waits.append((desk.clock.ms - before_ms) / 1000)
    assert waits == [*BACK_OFF_S, 30.0, 30.0]


@pytest.mark.parametrize(("failures", "paused"), [(2, False), (3, True), (9, True)])
def test_third_failure_pauses_entries_and_one_good_cycle_resumes_them(
    tmp_path: Path, failures: int, paused: bool
) -> None:
    desk = Desk(tmp_path)
    for _ in range(failures):
        desk.outage.failed(AWAY)
    assert desk.outage.entries_paused is paused
    desk.outage.over()
    assert not desk.outage.entries_paused
    assert desk.keys("page") == desk.keys("page_over") == (["cycles"] if paused else [])


def test_refusal_calls_a_person_at_once(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.outage.failed(BrokerRefused("401"))
    assert desk.keys("page") == ["refused"]


@pytest.mark.parametrize("holds", [True, False])
def test_five_minutes_away_with_open_positions_calls_a_person(tmp_path: Path, holds: bool) -> None:
    desk = Desk(tmp_path, holds=holds)
    while desk.clock.ms <= 300_000:
        assert "open risk" not in desk.keys("page")
        desk.outage.failed(AWAY)
    desk.outage.failed(AWAY)
    assert ("open risk" in desk.keys("page")) is holds
