"""Files and windows of a run, and the audit of its bars."""

from pathlib import Path
from typing import Any

import pytest

import retrain.audit
from market.bars import Bars, BarsError
from market.instruments import INSTRUMENTS
from market.sources.generated import generated_bars
from ml.training.refresh import write_bars
from retrain.audit import data_audit, refresh
from retrain.errors import PhaseFailed
from retrain.options import WeeklyOptions
from retrain.phase import Run
from retrain.settings import WeeklySettings
from retrain.tuning import trials_of, tune
from retrain.window import WEEK_MS, files_of, settings_of, window_of
from settings import load_settings
from tests.builders import MONDAY_MS
from tests.retrain.short_runs import with_result
from tests.retrain.weekly_runs import project_folder

_DAY_MS = 86_400_000


def _run(root: Path, *overrides: str, **options: Any) -> Run:
    project_folder(root)
    settings = load_settings(root, overrides=overrides)
    run = Run(root / "run", root, WeeklyOptions(**options), settings, print)
    run.folder.mkdir()
    with_result(run, "refresh", lambda _: {})
    return run


def _bars(days: int) -> Bars:
    to_ms = MONDAY_MS + days * _DAY_MS
    return generated_bars(INSTRUMENTS["BTCUSD"], seed=7, from_ms=MONDAY_MS, to_ms=to_ms)


def test_sweep_weeks_of_zero_move_the_cutoff_to_the_judged_weeks() -> None:
    settings = WeeklySettings(sweep_weeks=0, judge_weeks=26)
    made = window_of(MONDAY_MS, MONDAY_MS + 60 * WEEK_MS, settings)
    assert made.cutoff_ms == made.judge_ms == MONDAY_MS + 34 * WEEK_MS
    assert "settings are tried" not in str(made)


def test_bars_that_leave_nothing_to_learn_from_are_refused() -> None:
    with pytest.raises(PhaseFailed, match=r"more than 39 weeks are needed .* 39\.0 came"):
        window_of(MONDAY_MS, MONDAY_MS + 39 * WEEK_MS, WeeklySettings())


def test_history_too_short_for_features_is_refused_before_training(tmp_path: Path) -> None:
    write_bars(tmp_path / "bars.parquet", _bars(200))
    short = ("weekly.judge_weeks=9", "weekly.sweep_weeks=3")
    run = _run(tmp_path / "p", *short, data=tmp_path / "bars.parquet")
    with pytest.raises(PhaseFailed, match=r"days before the train cutoff .* 116 are there"):
        data_audit(run)


def test_bars_with_a_hole_are_refused(tmp_path: Path) -> None:
    bars = _bars(200)
    holed = bars.rows(0, 5000).followed_by(bars.rows(5100, len(bars)))
    write_bars(tmp_path / "bars.parquet", holed)
    with pytest.raises(BarsError, match="at most 48 bars in a row may be missing"):
        data_audit(_run(tmp_path / "p", data=tmp_path / "bars.parquet"))


def test_named_bars_are_not_refreshed(tmp_path: Path) -> None:
    made = refresh(_run(tmp_path / "p", data=tmp_path / "bars.parquet"))
    assert (made.state, made.words) == ("skipped", ("--data names the bars",))


def test_refresh_names_the_files_that_it_brought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ml.train_refresh
    from ml.train_options import TrainOptions

    m15, m1 = tmp_path / "btcusd_m15.parquet", tmp_path / "btcusd_m1.parquet"
    m15.touch()

    def brought(asked: TrainOptions, settings: Any, console: Any) -> TrainOptions:
        console.print(f"refreshed: {m15.name}")
        return TrainOptions(symbol=asked.symbol, data=m15, m1=m1)

    monkeypatch.setattr(ml.train_refresh, "refresh", brought)
    run = _run(tmp_path / "p")
    made = refresh(run)
    assert made.words == (f"refreshed: {m15.name}",)
    with_result(run, "refresh", lambda _: made.figures)
    assert (files_of(run).data, files_of(run).m1, files_of(run).onchain) == (m15, m1, None)


def test_skipped_refresh_takes_what_lies_in_datasets(tmp_path: Path) -> None:
    run = _run(tmp_path / "p")
    with pytest.raises(PhaseFailed, match=r"btcusd_m15\.parquet is needed and is not there"):
        files_of(run)
    folder = tmp_path / "p" / "datasets"
    folder.mkdir()
    for name in ("btcusd_m15.parquet", "btcusd_m1.parquet"):
        (folder / name).touch()
    assert files_of(run).m1 == folder / "btcusd_m1.parquet"


def test_seed_and_calendar_of_the_options_hold(tmp_path: Path) -> None:
    bars, calendar = tmp_path / "bars.parquet", tmp_path / "calendar.csv"
    bars.touch()
    settings = settings_of(_run(tmp_path / "p", data=bars, calendar=calendar, seed=99))
    assert settings.ml.training.seed == 99
    assert settings.ml.features.calendar == calendar


def test_no_trials_leave_tuning_out(tmp_path: Path) -> None:
    assert tune(_run(tmp_path / "p", "weekly.trials=0")).state == "skipped"


def test_quick_profile_tunes_little(tmp_path: Path) -> None:
    assert trials_of(_run(tmp_path / "p", profile="quick")) == 3
    assert trials_of(_run(tmp_path / "q", profile="full")) == 30


def test_audit_warns_of_what_a_person_should_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {
        "to_ms": MONDAY_MS, "zero_spread_share": 0.25, "largest_move": 0.31,
        "largest_move_at": "2025-01-01 00:00", "labels": {"BUY": 0.6, "SELL": 0.39, "HOLD": 0.01},
        "constant_features": ["rsi_14"], "champion_cutoff_ms": MONDAY_MS,
        "comparable_from_ms": MONDAY_MS + 26 * WEEK_MS,
    }  # fmt: skip
    bars = tmp_path / "bars.parquet"
    bars.touch()
    said = "\n".join(retrain.audit.warnings_of(_run(tmp_path / "p", data=bars), told))
    for words in ("25.0% of the bars have no spread", "31.0%, at 2025-01-01 00:00 UTC",
                  "scarce labels: HOLD 1.0%", "never change: rsi_14",
                  "against it from 2025-06-30 00:00 UTC on", "no M1 bars"):  # fmt: skip
        assert words in said
