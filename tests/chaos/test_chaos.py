"""Days of trading while everything fails that can: nothing twice, nothing naked, nothing lost."""

import json
from pathlib import Path

import pytest

from scripts.chaos import main
from tests.chaos.run import ChaosOptions, run_chaos


def test_day_of_chaos_leaves_sound_books_and_equal_seeds_give_equal_runs(tmp_path: Path) -> None:
    """But for what depends on the host's clock, which nothing does."""
    one, same = (run_chaos(ChaosOptions(tmp_path / name, days=1)) for name in ("a", "b"))
    assert one["breaches"] == []
    assert one["entries"] >= 5
    assert sum(hits > 0 for hits in one["faults"].values()) >= 20
    assert one == same


@pytest.mark.soak
def test_two_days_of_chaos_leave_sound_books(tmp_path: Path) -> None:
    figures = run_chaos(ChaosOptions(tmp_path, days=2))
    assert figures["breaches"] == []
    assert figures["entries"] >= 10
    assert sum(hits > 0 for hits in figures["faults"].values()) >= 25


@pytest.mark.soak
def test_equal_seeds_give_equal_runs_at_a_lower_rate(tmp_path: Path) -> None:
    one, same = (run_chaos(ChaosOptions(tmp_path / name, days=1, times=8)) for name in ("a", "b"))
    assert one == same


def test_day_of_chaos_over_the_public_bridge_leaves_sound_books(tmp_path: Path) -> None:
    figures = run_chaos(ChaosOptions(tmp_path, days=1, seed=11, dialect="mt5-httpapi"))
    assert figures["breaches"] == []
    assert figures["entries"] >= 3


def test_command_prints_figures_and_fails_on_a_breach(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = {"duplicates": 1, "breaches": ["duplicates: at most 0 is allowed, 1 came"]}
    monkeypatch.setattr("scripts.chaos.run_chaos", lambda options: figures)
    assert main(["--folder", str(tmp_path)]) == 1
    assert json.loads(capsys.readouterr().out) == figures
    figures["breaches"] = []
    assert main([]) == 0


@pytest.mark.soak
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("dialect", ["native", "mt5-httpapi"])
def test_thirty_days_of_chaos_on_real_bars_leave_sound_books(
    tmp_path: Path, shared_data: Path, dialect: str
) -> None:
    market = shared_data / "btcusd_m15_mt5.parquet"
    figures = run_chaos(ChaosOptions(tmp_path, market=market, dialect=dialect))
    assert figures["breaches"] == [], figures
    assert figures["entries"] >= 100
