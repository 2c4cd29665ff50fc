"""The watchdog: what it calls an alarm, when it tells, and what it closes."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from broker.contract.messages import Position
from tests.broker.paper_bridge import served
from tests.operations.conftest import ROOT, Operated
from trading.heartbeat import Beat
from trading.journal import Journal, wall_ms
from trading.watchdog import Limits, close_positions, judge, look, pinned_account

T0 = 1_800_000_000_000
MINUTE_MS = 60_000
LIVING = Beat("running", T0, 4711, 90, T0, T0, 2)
SHADOW = replace(LIVING, shadow=True)
LIMITS = Limits(close_after_s=1_800.0)


@pytest.mark.parametrize(
    ("beat", "age_min", "said"),
    [
        (LIVING, 4, ""),
        (LIVING, 6, "no heartbeat since"),
        (replace(LIVING, failing_since_ms=T0 - 14 * MINUTE_MS), 0, ""),
        (replace(LIVING, failing_since_ms=T0 - 16 * MINUTE_MS), 0, "no cycle has succeeded since"),
        (replace(LIVING, phase="ended"), 9_000, ""),
        (replace(LIVING, phase="failed", text="JournalError: x"), 0, "has failed: JournalError: x"),
        (None, 0, "never started"),
    ],
    ids=["lives", "silent", "failing", "failing long", "stopped", "failed", "never started"],
)
def test_heartbeat_is_judged(beat: Beat | None, age_min: int, said: str) -> None:
    alarm = judge(beat, T0 + age_min * MINUTE_MS, LIMITS).alarm
    assert (said in alarm) if said else (alarm == "")


def test_alarm_is_told_once_reminded_hourly_and_told_over(tmp_path: Path) -> None:
    LIVING.write(tmp_path)
    said = [
        len(look(tmp_path, T0 + minute * MINUTE_MS, LIMITS).say)
        for minute in (1, 6, 7, 30, 65, 67, 90)
    ]
    assert said == [0, 1, 0, 0, 0, 1, 0]
    replace(LIVING, written_ms=T0 + 91 * MINUTE_MS).write(tmp_path)
    over = look(tmp_path, T0 + 92 * MINUTE_MS, LIMITS)
    assert over.say == (f"{tmp_path.name}: the daemon is well again",)
    assert look(tmp_path, T0 + 93 * MINUTE_MS, LIMITS).say == ()


@pytest.mark.parametrize(
    ("beat", "said"),
    [
        (SHADOW, "no heartbeat since"),
        (replace(SHADOW, phase="failed", text="ModelMissing: x"), "the shadow has failed: ModelMi"),
        (
            replace(SHADOW, written_ms=T0 + 17 * MINUTE_MS, failing_since_ms=T0),
            "the shadow lives, but no cycle has succeeded since",
        ),
    ],
    ids=["silent", "failed", "failing long"],
)
def test_alarm_of_a_shadow_says_that_it_is_no_account(beat: Beat, said: str) -> None:
    alarm = judge(beat, T0 + 17 * MINUTE_MS, LIMITS).alarm
    assert said in alarm
    assert alarm.endswith("; a shadow, no account: nothing is at a broker, bars go undecided")
    assert "positions" not in alarm


def test_shadow_that_beats_again_is_told_as_one(tmp_path: Path) -> None:
    SHADOW.write(tmp_path)
    look(tmp_path, T0 + 6 * MINUTE_MS, LIMITS)
    replace(SHADOW, written_ms=T0 + 7 * MINUTE_MS).write(tmp_path)
    said = look(tmp_path, T0 + 8 * MINUTE_MS, LIMITS).say
    assert said == (f"{tmp_path.name}: the shadow is well again",)


def test_heartbeat_of_a_version_without_shadows_is_a_daemons(tmp_path: Path) -> None:
    words = LIVING.words()
    del words["shadow"]
    (tmp_path / "heartbeat.json").write_text(json.dumps(words))
    assert Beat.read(tmp_path) == LIVING


def test_damaged_heartbeat_is_an_alarm(tmp_path: Path) -> None:
    (tmp_path / "heartbeat.json").write_text('{"phase": "runn')
    assert "no heartbeat of this program" in look(tmp_path, T0, LIMITS).finding.alarm


def test_nothing_is_closed_before_the_silence_is_long_enough(tmp_path: Path) -> None:
    LIVING.write(tmp_path)
    rounds: list[int] = []

    def close(round_: int) -> tuple[str, ...]:
        rounds.append(round_)
        return ("closed",)

    for minute in (10, 29, 31, 32):
        look(tmp_path, T0 + minute * MINUTE_MS, LIMITS, close)
    assert rounds == [0, 1]
    rounds.clear()
    look(tmp_path, T0 + 40 * MINUTE_MS, Limits(), close)
    assert rounds == []


@pytest.fixture
def holding(operated: Callable[..., Operated]) -> Operated:
    """A daemon that is gone with a position open."""
    wide = ("dynamic_sltp.sl_atr_multiplier=4", "dynamic_sltp.tp_atr_multiplier=4")
    daemon = operated(bars=200, overrides=wide)
    daemon.reporter.on_bar = lambda _: (
        daemon.stop.request() if daemon.reporter.bars[-1].input.open_trades else None
    )
    return daemon.run()


def test_positions_are_closed_and_the_daemon_accounts_for_them(holding: Operated) -> None:
    pinned = pinned_account(holding.state.journal)
    said = close_positions(
        holding.bot._parts.broker, pinned=pinned, strategy_id=7719, symbol="BTCUSD", round_=0,
        stale_ms=T0,
    )  # fmt: skip
    assert len(said) == 1
    assert said[0].startswith("closed position ")
    assert not holding.terminal.positions("BTCUSD")
    holding.stop.requested = False
    holding.reporter.on_bar = lambda _: holding.stop.request()
    holding.run()
    assert holding.bot._parts.observer.books.book.closed[-1].close_type == "EXTERNAL_BOT"


def test_other_account_at_the_bridge_is_left_alone(holding: Operated) -> None:
    (said,) = close_positions(
        holding.bot._parts.broker, pinned="1 on Elsewhere", strategy_id=7719, symbol="BTCUSD",
        round_=0, stale_ms=T0,
    )  # fmt: skip
    assert said.startswith("not closed: the bridge is logged in to ")
    assert holding.terminal.positions("BTCUSD")


def test_positions_with_another_mark_are_left_alone(holding: Operated) -> None:
    pinned = pinned_account(holding.state.journal)
    broker = holding.bot._parts.broker
    assert close_positions(
        broker, pinned=pinned, strategy_id=7720, symbol="BTCUSD", round_=0, stale_ms=T0
    ) == ()  # fmt: skip
    assert holding.terminal.positions("BTCUSD")


@pytest.fixture
def bridge(holding: Operated) -> Iterator[tuple[str, Callable[[], list[Position]]]]:
    with served(holding.bot._parts.broker) as url:  # type: ignore[arg-type]
        yield url, lambda: list(holding.terminal.positions("BTCUSD"))


def test_command_tells_through_the_program_and_closes_through_the_bridge(
    bridge: tuple[str, Callable[[], list[Position]]], holding: Operated, root: Path
) -> None:
    url, positions = bridge
    folder = root / "state" / "live-default"
    folder.mkdir(parents=True)
    journal = Journal(folder / "journal.sqlite")
    journal.set_meta(account=pinned_account(holding.state.journal))
    journal.close()
    replace(LIVING, written_ms=wall_ms() - 40 * MINUTE_MS).write(folder)
    told = root / "told.txt"
    notify = root / "notify.py"
    notify.write_text(f"import sys\nopen({str(told)!r}, 'a').write(sys.argv[1] + chr(10))\n")
    command = [
        sys.executable, str(ROOT / "scripts" / "watchdog.py"), "--notify", str(notify),
        "--override", f"bridge.api_base_url={url}",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, len(told.read_text().splitlines())) == (1, 1)
    assert positions()
    closing = [*command, "--close-after", "1800"]
    done = subprocess.run(closing, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert not positions()
    lines = told.read_text().splitlines()
    assert "live-default: no heartbeat since" in lines[0]
    assert "live-default: closed position" in lines[1]


def test_command_without_any_heartbeat_says_where_it_looked(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "watchdog.py")], cwd=root, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == (
        "error: state: no state folder with a heartbeat is there; start the daemon once, or check "
        "--state\n"
    )
