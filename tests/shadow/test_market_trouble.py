"""Gaps, absences, revised bars and another challenger: what the shadow makes of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backtest.evidence import system_of
from backtest.shadow.record import ShadowRecord, read_shadow
from market.bars import Bars
from tests.shadow.stand import Stand, bridge_of, journalled
from tests.trading.doubles import DAEMON
from tests.trading.paper_runs import BAR_MS, Case, backtest_of
from trading.errors import AlreadyRunning
from trading.state_folder import StateFolder


def kinds_of(state: Path) -> list[str]:
    kept = journalled(state)
    kinds = [kind for kind, _, _ in kept.events()]
    kept.close()
    return kinds


def lines_of(state: Path) -> list[str]:
    kept = journalled(state)
    lines = list(kept.decision_lines("BTCUSD"))
    kept.close()
    return lines


def record_of(case: Case, state: Path) -> ShadowRecord:
    system = system_of(case.models, case.decision)
    kept = journalled(state)
    try:
        return read_shadow(
            kept, symbol="BTCUSD", strategy_id=DAEMON.strategy_id, graphs=system.graphs,
            settings=system.settings, learned_until_ms=0,
        )  # fmt: skip
    finally:
        kept.close()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def test_bar_is_decided_when_the_bridge_is_back_within_minutes(
    stand: Stand, state: Path, case: Case
) -> None:
    stand.run(state, bars=8, each=lambda count: setattr(stand, "away", 24 * (count == 3)))
    assert "bridge_away" in kinds_of(state)
    assert lines_of(state) == list(backtest_of(case).lines())[:8]
    assert record_of(case, state).missed_bars == 0


def test_bars_of_a_longer_absence_are_missed_and_the_account_lives_through_them(
    stand: Stand, state: Path, case: Case
) -> None:
    stand.run(state, stop_after=5)
    left_ms = stand.terminal.now_ms
    stand.terminal.advance(left_ms + 6 * BAR_MS + 400_000)
    stand.run(state, stop_after=5)
    assert kinds_of(state).count("bar_missed") == 6
    record = record_of(case, state)
    assert (len(record.open_ms), record.missed_bars) == (10, 6)
    assert record.days == pytest.approx((16 - 6 - 1) / 96)
    meanwhile = [deal for deal in stand.deals if 0 < deal.time_msc - left_ms < 6 * BAR_MS]
    assert [deal.entry for deal in meanwhile] == [1], "what was open leaves by its own levels"


def test_gap_in_the_bars_is_decided_as_the_backtest_does(
    case: Case, tmp_path: Path, state: Path
) -> None:
    bars, first = case.plan.bars, int(case.plan.bars.open_ms.searchsorted(case.plan.limits.from_ms))
    gone = {first + 4, first + 11, first + 12, first + 13}
    rows = np.array([row for row in range(len(bars)) if row not in gone])
    holed = Bars(bars.symbol, bars.timeframe, *(
        getattr(bars, name)[rows]
        for name in ("open_ms", "open", "high", "low", "close", "tick_volume", "spread_points")
    ))  # fmt: skip
    there = replace(case, plan=replace(case.plan, bars=holed))
    lines = list(backtest_of(there).lines())[:16]
    with bridge_of(there, "native", tmp_path / "models", bars=holed) as stand:
        stand.run(state, bars=16)
    assert lines_of(state) == lines
    assert record_of(case, state).missed_bars == 4


def test_revised_bar_changes_no_decision_that_was_made_and_is_told(
    case: Case, tmp_path: Path, state: Path
) -> None:
    bars = replace(case.plan.bars, close=case.plan.bars.close.copy())
    row = int(bars.open_ms.searchsorted(case.plan.limits.from_ms)) + 5

    def revise(count: int) -> None:
        if count == 6:
            bars.close[row] = (bars.high[row] + bars.low[row]) / 2

    with bridge_of(case, "native", tmp_path / "models", bars=bars) as stand:
        stand.run(state, stop_after=8, each=revise)
    assert lines_of(state)[:6] == list(backtest_of(case).lines())[:6]
    assert kinds_of(state).count("bar_revised") == 1


def test_run_ends_at_the_close_at_which_the_challenger_is_another_one(
    stand: Stand, state: Path
) -> None:
    stand.run(state, over=lambda: len(stand.asked) > 0 and stand.terminal.now_ms >= BAR_MS)
    assert lines_of(state) == []


def test_second_shadow_in_the_folder_is_refused(stand: Stand, state: Path) -> None:
    with StateFolder(state), pytest.raises(AlreadyRunning, match="is running here already"):
        stand.run(state, stop_after=1)
