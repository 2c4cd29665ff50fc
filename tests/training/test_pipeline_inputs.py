"""What training reads and finds out before it begins: files, tuning, a GPU that fails after all.

Sources, tuner and GPU are stand-ins here; they have tests of their own.
"""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from market.bars import Bars
from market.instruments import INSTRUMENTS
from market.sources.errors import SourceError
from market.sources.funding import FundingRates, save_funding
from market.sources.series import save_series
from market.timeframe import Timeframe
from ml import train_pipeline, train_refresh
from ml.features.sources import read_sources
from ml.train_inputs import TrainInputs, read_inputs, settings_of, signal_task
from ml.train_options import TrainOptions
from ml.train_pipeline import train_models
from ml.train_refresh import refresh
from ml.train_tuning import tuned
from ml.training.devices import Devices
from ml.training.models import DeviceError, EnsembleParams, TrainingError, fit_models
from ml.training.refresh import BinanceBars, BridgeBars, RefreshError, write_bars
from ml.training.signal import train_signal
from tests.builders import MONDAY_MS, make_bars
from tests.training.tables import make_table, make_task

DAY_MS = 86_400_000
BTCUSD = INSTRUMENTS["BTCUSD"]


@pytest.fixture(scope="module")
def bars_file(market: Bars, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "m15.parquet"
    write_bars(path, market)
    return path


@pytest.fixture
def onchain_folder(market: Bars, tmp_path: Path) -> Path:
    """Funding every 8 hours, open interest every 5 minutes of a month, the index every day."""
    folder = tmp_path / "onchain"
    days = np.arange(MONDAY_MS, MONDAY_MS + 210 * DAY_MS, DAY_MS)
    eights = np.arange(MONDAY_MS, MONDAY_MS + 210 * DAY_MS, DAY_MS // 3)
    wave = np.sin(np.arange(len(eights)))
    save_funding(folder / "funding.csv", FundingRates(eights, 1e-4 * wave))
    save_series(folder / "open_interest.csv", "oi_close", days, 1e5 + 1e3 * np.sin(days))
    save_series(folder / "fear_greed.csv", "value", days, 50 + 20 * np.sin(days))
    return folder


def inputs_of(bars_file: Path, folder: Path, **options: Any) -> TrainInputs:
    asked = TrainOptions(
        kinds=("signal",), data=bars_file, models=folder, profile="quick",
        overrides=(f"study.ledger={folder / 'ledger.sqlite'}",), with_report=False, **options,
    )  # fmt: skip
    return read_inputs(asked, settings_of(asked))


def test_the_onchain_group_is_learned_from_its_files(
    market: Bars, onchain_folder: Path, tmp_path: Path
) -> None:
    from ml.features.settings import FeatureSettings
    from ml.predictors.settings import ModelPaths

    features = FeatureSettings(groups=("base", "regime", "onchain"), onchain=onchain_folder)
    sources = read_sources(features, BTCUSD, tmp_path)
    task = make_task(market, features=features, onchain=sources.onchain, files=sources.files)
    metadata = train_signal(task, ModelPaths().in_folder(tmp_path / "models"))
    assert metadata["feature_names"][-3:] == ["funding_rate_norm", "oi_change", "fear_greed"]
    assert sorted(metadata["files"]) == ["fear_greed.csv", "funding.csv", "open_interest.csv"]


def test_the_onchain_group_without_a_folder_or_a_file_says_what_is_missing(
    bars_file: Path, onchain_folder: Path, tmp_path: Path
) -> None:
    asked = TrainOptions(
        kinds=("signal",), data=bars_file, overrides=('features.groups=["base", "onchain"]',)
    )
    with pytest.raises(SourceError, match=r"features\.onchain: the folder with funding"):
        read_inputs(asked, settings_of(asked))
    (onchain_folder / "funding.csv").unlink()
    asked = replace(asked, onchain=onchain_folder)
    with pytest.raises(SourceError, match=r"funding\.csv, \.csv\.gz or \.parquet must be there"):
        read_inputs(asked, settings_of(asked))


def test_a_calendar_gives_the_news_features_the_instruments_events(
    bars_file: Path, tmp_path: Path
) -> None:
    path = tmp_path / "calendar.csv"
    path.write_text(
        "time,currency,impact,event\n"
        "2025-09-05T12:30:00Z,USD,High,payrolls\n2025-09-05T06:00:00Z,GBP,High,other\n"
    )
    inputs = inputs_of(bars_file, tmp_path / "m", calendar=path)
    task = signal_task(inputs)
    assert task.calendar.currency.tolist() == ["USD"]
    assert list(task.files) == ["calendar.csv"]
    assert len(signal_task(inputs_of(bars_file, tmp_path / "m")).calendar) == 0


def test_m1_bars_are_cut_at_the_cutoff_and_other_bars_refused(
    bars_file: Path, tmp_path: Path
) -> None:
    m1 = tmp_path / "m1.parquet"
    rows = [(100.0, 101.0, 99.0, 100.0)] * 3000
    write_bars(m1, make_bars(rows, timeframe=Timeframe.M1))
    inputs = inputs_of(bars_file, tmp_path / "m", m1=m1, to_ms=MONDAY_MS + DAY_MS)
    assert inputs.m1 is not None
    assert len(inputs.m1) == 1440
    with pytest.raises(TrainingError, match="M1 bars are allowed, M15 came"):
        inputs_of(bars_file, tmp_path / "m", m1=bars_file)


def test_a_fourth_voter_is_a_setting(bars_file: Path, tmp_path: Path) -> None:
    overrides = ("training.extra_trees=true", "et_params.n_estimators=7")
    asked = TrainOptions(kinds=("signal",), data=bars_file, overrides=overrides)
    params = read_inputs(asked, settings_of(asked)).params
    assert params.et == {"n_estimators": 7}
    assert inputs_of(bars_file, tmp_path).params.et is None


@pytest.fixture
def refreshing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """No network: what would be fetched is noted, files are named but not written."""
    fetched: list[Any] = []

    def bars(source: Any, of: Any, timeframe: Timeframe, folder: Path, **_: Any) -> Path:
        fetched.append((type(source), timeframe))
        return folder / f"{timeframe.name}.parquet"

    monkeypatch.setattr(train_refresh, "refresh_bars", bars)
    monkeypatch.setattr(train_refresh, "refresh_onchain", lambda client, folder, *_, **__: folder)
    monkeypatch.setattr(train_refresh, "bridge_token", lambda: "")
    return fetched


def refreshed(**options: Any) -> TrainOptions:
    asked = TrainOptions(kinds=("signal",), refresh=True, **options)
    return refresh(asked, settings_of(asked), Console(quiet=True))


def test_refresh_fetches_m15_m1_and_onchain_and_trains_on_them(refreshing: list[Any]) -> None:
    done = refreshed()
    assert refreshing == [(BinanceBars, Timeframe.M15), (BinanceBars, Timeframe.M1)]
    assert done.data is not None
    assert done.data.name == "M15.parquet"
    assert done.m1 is not None
    assert done.onchain is None  # features.groups has no onchain
    assert refreshed(overrides=('features.groups=["base", "onchain"]',)).onchain is not None


def test_refresh_asks_the_bridge_where_its_token_is_set(
    refreshing: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_refresh, "bridge_token", lambda: "secret")
    refreshed()
    refreshed(refresh_from="binance")
    monkeypatch.setattr(train_refresh, "bridge_token", lambda: "")
    refreshed(refresh_from="bridge")
    assert [source for source, timeframe in refreshing if timeframe is Timeframe.M15] == [
        BridgeBars, BinanceBars, BridgeBars,
    ]  # fmt: skip


def test_onchain_data_that_cannot_be_had_stops_only_who_needs_it(
    refreshing: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> Path:
        raise RefreshError("alternative.me is down")

    monkeypatch.setattr(train_refresh, "refresh_onchain", fails)
    assert refreshed().onchain is None
    with pytest.raises(RefreshError, match="is down"):
        refreshed(overrides=('features.groups=["base", "onchain"]',))


class StandInOutcome:
    """A finished study as `ml.tune.study.Outcome` tells it."""

    study, trials, pruned, failed = "signal-abc", 7, 1, 0
    value, present_value, gain = 12.0, 3.0, 9.0

    def __init__(self, improves: bool) -> None:
        self.improves = improves
        self.params: dict[str, float] = {"xgb.max_depth": 2}


@pytest.mark.parametrize("improves", [True, False], ids=["better", "no better"])
def test_tuned_parameters_are_trained_with_only_where_they_win(
    improves: bool, bars_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def tune(search: Any, plan: Any, *_: Any) -> tuple[Any, StandInOutcome]:
        asked.append(plan.trials)
        task = replace(search.task, params=replace(search.task.params, xgb={"max_depth": 2}))
        return (task if improves else search.task), StandInOutcome(improves)

    monkeypatch.setattr("ml.tune.signal.tune_signal", tune)
    said: list[str] = []
    done = tuned(inputs_of(bars_file, tmp_path, trials=7), "signal", no_progress, said.append)
    assert asked == [7]
    task = signal_task(done)
    assert task.params.xgb == ({"max_depth": 2} if improves else {})
    assert ("best of 7 trials" if improves else "today's parameters kept") in task.tuning
    assert any("7 trials" in line for line in said)


def test_tuned_parameters_of_the_position_model_are_its_own_section(
    bars_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The EXIT rule that was found with them is told, not set: it is the daemon's."""
    outcome = StandInOutcome(improves=True)
    outcome.params = {"lgb.num_leaves": 9, "rule.exit_threshold": 0.7}
    monkeypatch.setattr("ml.tune.position.search_of", lambda *_: SimpleNamespace(task=None))
    monkeypatch.setattr("ml.tune.study.run_study", lambda *_: outcome)
    found = {"ml_config": {"position_training": {"lgb_params": {"num_leaves": 9}}}}
    monkeypatch.setattr("ml.tune.position_search.proposed", lambda *_: found)
    said: list[str] = []
    done = tuned(inputs_of(bars_file, tmp_path, trials=7), "position", no_progress, said.append)
    assert done.settings.ml.position_training.lgb_params.root == {"num_leaves": 9}
    assert done.settings.decision == inputs_of(bars_file, tmp_path).settings.decision
    assert "rule.exit_threshold" in said[-1]
    assert "position" in done.tuning


def test_models_without_a_tuner_are_not_tuned(bars_file: Path, tmp_path: Path) -> None:
    inputs = inputs_of(bars_file, tmp_path, trials=7)
    assert tuned(inputs, "risk", no_progress, print) is inputs


def no_progress(step: str, done: int, total: int) -> None:
    """Nobody looks."""


def test_a_gpu_that_fails_in_training_falls_back_to_the_cpu(
    bars_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def trainer(inputs: TrainInputs, *_: Any) -> dict[str, Any]:
        tried.append(inputs.devices.xgb)
        if inputs.devices.xgb != "cpu":
            raise DeviceError("xgb on the GPU: out of memory")
        return {}

    monkeypatch.setattr(train_pipeline, "TRAINERS", {"signal": trainer})
    monkeypatch.setattr(train_pipeline, "_written", lambda *_: None)
    inputs = replace(inputs_of(bars_file, tmp_path), devices=Devices(xgb="cuda"))
    said: list[str] = []
    list(train_models(inputs, lambda kind: no_progress, said.append))
    assert tried == ["cuda", "cpu"]
    assert "out of memory; training on the CPU instead" in said[0]
    asked = replace(inputs, options=replace(inputs.options, device="cuda"))
    with pytest.raises(DeviceError):
        list(train_models(asked, lambda kind: no_progress, said.append))


def test_a_fit_that_fails_on_a_device_is_told_from_a_bad_parameter() -> None:
    table = make_table(600)
    params: dict[str, dict[str, Any]] = {
        "lgb": {"n_estimators": 2, "device_type": "nonsense", "n_jobs": 1}
    }
    with pytest.raises(DeviceError, match="lgb on the GPU"):
        fit_models(table.rows, table.label, table.bar + 1.0, params)


def test_inputs_say_where_bars_come_from_and_which_devices_train(
    bars_file: Path, tmp_path: Path
) -> None:
    inputs = inputs_of(bars_file, tmp_path)
    assert inputs.source == "m15.parquet"
    assert any(note.startswith("devices:") for note in inputs.notes)
    assert inputs.params == EnsembleParams()
