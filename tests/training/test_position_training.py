"""The position model's rows are the daemon's, know nothing later, and are split by whole trades."""

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from market.bars import Bars, Int64s
from market.instruments import INSTRUMENTS
from market.timeframe import Timeframe
from ml.features.position import M1_NEUTRAL, m1_features, position_names
from ml.predictors.compat import read_manifest
from ml.predictors.position import PositionPredictor
from ml.predictors.settings import ModelPaths
from ml.training.after_signal import signal_evidence
from ml.training.models import TrainingError
from ml.training.oof import OofForecasts, oof_path
from ml.training.position_entries import loose_entries
from ml.training.position_settings import LooseGate, PositionTrainingSettings
from ml.training.position_table import PositionTable
from ml.training.position_trainer import (
    PositionTraining,
    fold_rows,
    train_position,
    training_rows,
)
from ml.training.settings import RfParams, TrainingSettings
from tests.training.tables import Trained
from trading.advice import Close, exit_row
from trading.decision.records import AccountView, OpenTrade, Side
from trading.decision.settings import DecisionSettings
from trading.trade_state import TradeFacts

BTC = INSTRUMENTS["BTCUSD"]
SMALL = PositionTrainingSettings.model_validate({
    "gate": {"top_share": 0.6, "lookback_days": 7},
    "rf_params": {"n_estimators": 90, "max_leaf_nodes": 8},
    "xgb_params": {"n_estimators": 30, "max_depth": 2},
    "lgb_params": {"n_estimators": 30, "num_leaves": 4},
})  # fmt: skip


def minutes(bars: Bars) -> Bars:
    """M1 bars over the last ten days of `bars`: a walk that has nothing to do with them."""
    rng = np.random.default_rng(3)
    first_ms = int(bars.close_ms[-1]) - 10 * 86_400_000
    count = 10 * 1440
    close = 50_000 + rng.normal(0, 5, count).cumsum().round(2)
    open_ = np.r_[50_000.0, close[:-1]]
    return Bars(
        bars.symbol, Timeframe.M1, first_ms + np.arange(count) * 60_000, open_,
        np.maximum(open_, close) + 2, np.minimum(open_, close) - 2, close,
        rng.integers(1, 50, count), np.full(count, 1459),
    ).checked()  # fmt: skip


@pytest.fixture(scope="module")
def task(trained: Trained) -> PositionTraining:
    training = TrainingSettings(n_splits=2, embargo_bars=24, calibration_days=12)
    signal = replace(trained.task, training=training)
    return PositionTraining(signal, DecisionSettings(), SMALL, minutes(signal.bars), "m1 file")


@pytest.fixture(scope="module")
def table(task: PositionTraining, trained: Trained) -> PositionTable:
    return training_rows(task, signal_evidence(task.signal, trained.paths))


def copied(trained: Trained, folder: Path) -> ModelPaths:
    """A folder with the shared signal model and its forecasts."""
    for file in trained.paths.graph.parent.iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    return ModelPaths().in_folder(folder)


@pytest.fixture(scope="module")
def paths(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> ModelPaths:
    return copied(trained, tmp_path_factory.mktemp("with-position"))


@pytest.fixture(scope="module")
def learned(task: PositionTraining, paths: ModelPaths) -> dict[str, Any]:
    """The metadata of the position model that lies in `paths`."""
    return train_position(task, paths)


def test_rows_have_the_bits_that_the_daemon_gives_the_model(
    table: PositionTable, task: PositionTraining
) -> None:
    bars, of = task.signal.bars, table.of
    facts = TradeFacts(bars, BTC)
    account = AccountView(10_000.0, 10_000.0, 10_000.0)
    for i in np.linspace(0, len(table) - 1, 300).astype(int):
        at, side = int(of.bar[i]), Side(int(of.side[i]))
        opened_ms = int(bars.close_ms[at - of.bars_held[i]])
        trade = OpenTrade(1, side, 0.1, float(of.price_open[i]), 0, 0, opened_ms, 0, 0)
        held = facts.held(trade, at, entry_volume_lots=0.1)
        assert held.bars_held == of.bars_held[i]
        close_ms = int(bars.close_ms[at])
        m1 = m1_features(task.m1, np.array([close_ms]))[0]
        market = table.rows[i, :62].astype(np.float64)
        now = Close(close_ms, market, m1, facts, at, account, np.empty(0))
        alone = exit_row(held, trade, now).astype(np.float32)
        assert np.array_equal(alone.view(np.int32), table.rows[i].view(np.int32))


def test_fill_is_the_first_tick_after_the_decision(
    table: PositionTable, task: PositionTraining
) -> None:
    bars, of = task.signal.bars, table.of
    decided = of.bar - of.bars_held
    ask = bars.open[decided + 1] + bars.spread_points[decided] * BTC.point
    expected = np.where(of.side > 0, ask, bars.open[decided + 1])
    assert of.price_open == pytest.approx(expected, abs=1e-6)


def future_changed(bars: Bars, after: int) -> Bars:
    """The same bars up to `after`; then other prices on the same grid."""
    rng = np.random.default_rng(9)
    factor = np.where(np.arange(len(bars)) > after, 1 + 0.01 * rng.standard_normal(len(bars)), 1)
    open_, close = np.round(bars.open * factor, 2), np.round(bars.close * factor, 2)
    high = np.maximum(np.round(bars.high * factor, 2), np.maximum(open_, close))
    low = np.minimum(np.round(bars.low * factor, 2), np.minimum(open_, close))
    return replace(bars, open=open_, high=high, low=low, close=close).checked()


def test_row_uses_nothing_after_its_close(
    table: PositionTable, task: PositionTraining, trained: Trained
) -> None:
    evidence = signal_evidence(task.signal, trained.paths)
    middle = int(np.quantile(table.of.bar, 0.9))
    m1 = task.m1
    assert m1 is not None
    known = int(np.searchsorted(m1.close_ms, evidence.bars.close_ms[middle], side="right"))
    other_task = replace(task, m1=future_changed(m1, known - 1))
    other = training_rows(other_task, replace(evidence, bars=future_changed(evidence.bars, middle)))
    here, there = table.of.bar <= middle, other.of.bar <= middle
    assert table.has_m1[here].any()
    assert np.array_equal(table.rows[here], other.rows[there])
    assert np.array_equal(table.of.bar[here], other.of.bar[there])
    later = ~here, ~there
    assert not np.array_equal(table.rows[later[0]][:50], other.rows[later[1]][:50])


def test_label_sees_no_bar_behind_its_end(table: PositionTable, task: PositionTraining) -> None:
    of = table.of
    assert (of.end_bar > of.bar).all()
    assert (of.end_bar <= of.bar + task.horizon_bars).all()


@pytest.fixture(scope="module")
def parts(table: PositionTable, task: PositionTraining) -> list[tuple[Int64s, Int64s]]:
    """(earlier rows, later rows) of every split that training makes."""
    pairs = []
    for fold in fold_rows(task, table):
        pairs += [(fold.base, fold.calibration), (np.r_[fold.base, fold.calibration], fold.test)]
    return pairs


def test_labels_of_an_earlier_part_end_an_embargo_before_the_later_one(
    table: PositionTable, task: PositionTraining, parts: list[tuple[Int64s, Int64s]]
) -> None:
    of = table.of
    assert len(parts) == 4
    for earlier, later in parts:
        last_seen = int(of.end_bar[earlier].max())
        decided = int((of.bar[later] - of.bars_held[later]).min())
        assert last_seen + task.signal.training.embargo_bars < decided
        latest = int((of.bar[earlier] - of.bars_held[earlier]).max())
        assert decided - latest > 2 * 24 + 24


def test_rows_of_a_trade_stay_together(
    table: PositionTable, parts: list[tuple[Int64s, Int64s]]
) -> None:
    trade = table.of.trade
    for pair in parts:
        for part in pair:
            assert np.array_equal(np.flatnonzero(np.isin(trade, trade[part])), part)


def test_test_parts_adjoin_and_end_with_the_last_row(
    table: PositionTable, task: PositionTraining
) -> None:
    first, second = fold_rows(task, table)
    assert first.test[-1] + 1 == second.test[0]
    assert second.test[-1] == len(table) - 1


def test_looser_gate_lets_more_trades_in(task: PositionTraining, trained: Trained) -> None:
    evidence = signal_evidence(task.signal, trained.paths)

    def count(share: float) -> int:
        gate = LooseGate(top_share=share, lookback_days=7)
        return len(loose_entries(evidence.bars, BTC, evidence.oof, task.decision, gate))

    assert 0 < count(0.05) < count(0.3) < count(0.6)


def test_metadata_says_what_it_learned_from(
    learned: dict[str, Any], table: PositionTable, paths: ModelPaths
) -> None:
    graph = read_manifest(paths.manifest).models[paths.graph.name].graph
    assert learned["kind"] == "position"
    assert learned["signal_graph_sha256"] == graph.sha256
    assert learned["feature_names"] == list(position_names(("base", "regime")))
    assert learned["trades"] == table.trades
    assert learned["rows"]["usable"] == len(table)
    assert learned["gate"] == {"top_share": 0.6, "lookback_days": 7, "min_filled_share": 0.6}
    assert learned["labeling"]["lookahead_candles"] == 24
    assert learned["exit_rule"]["exit_threshold"] == 0.8
    assert len(learned["folds"]) == 2
    assert all(fold["open_profit_alone"]["log_loss"] > 0 for fold in learned["folds"])
    assert "the open profit alone" in learned["verdict"]
    assert len(learned["reliability"]) == 4 * 3
    json.dumps(learned)


def test_metadata_counts_the_rows_with_m1_and_what_there_is_too_little_of(
    learned: dict[str, Any], table: PositionTable
) -> None:
    assert learned["m1"] is True
    assert learned["m1_rows"] == table.has_m1.sum() > 0
    assert learned["m1_why"].startswith("m1 file: for ")
    trades, rows = learned["warnings"]
    assert f"min_trades: 2,000 trades are wanted, {table.trades:,} came" in trades
    assert f"min_rows: 50,000 rows are wanted, {len(table):,} came" in rows


def test_predictor_loads_the_model_and_votes_by_class(
    learned: dict[str, Any], table: PositionTable, paths: ModelPaths
) -> None:
    model = PositionPredictor(paths).load()
    said = model.predict(table.rows.astype(np.float64))
    assert said.probabilities.sum(axis=1) == pytest.approx(np.ones(len(table)))
    assert set(np.unique(said.votes)) <= {0, 1, 2}
    assert model.metadata.classes == ("HOLD", "EXIT", "ADD")
    assert model.metadata.graph.sha256 != learned["signal_graph_sha256"]
    assert sorted(read_manifest(paths.manifest).models) == [
        "ensemble_btcusd-live.onnx", "position_btcusd-live.onnx",
    ]  # fmt: skip


def test_graph_equals_the_libraries_on_every_row(
    learned: dict[str, Any], table: PositionTable
) -> None:
    assert learned["parity"]["rows"] == len(table)
    assert learned["parity"]["class_flips"] == learned["parity"]["vote_flips"] == 0
    assert learned["parity"]["largest_difference"] < 1e-5


def test_training_again_gives_the_same_graph(
    learned: dict[str, Any], task: PositionTraining, paths: ModelPaths
) -> None:
    before = paths.position.graph.read_bytes()
    again = train_position(task, paths)
    assert paths.position.graph.read_bytes() == before
    differs = {key for key in learned if learned[key] != again[key]}
    assert differs <= {"trained_at"}


def test_without_m1_the_features_are_neutral_and_the_metadata_says_so(
    task: PositionTraining, trained: Trained
) -> None:
    from ml.training.position_metadata import learned_from

    bare = replace(task, m1=None)
    evidence = signal_evidence(task.signal, trained.paths)
    table = training_rows(bare, evidence)
    neutral = np.array(M1_NEUTRAL, dtype=np.float32)
    assert (table.rows[:, -5:] == neutral).all()
    words = learned_from(bare, evidence.oof, trained.paths, table)
    assert (words["m1"], words["m1_rows"], words["m1_sha256"]) == (False, 0, None)
    assert "no M1 bars were given" in words["m1_why"]


def test_primary_exit_learns_on_trades_with_its_own_net(
    task: PositionTraining, table: PositionTable, trained: Trained
) -> None:
    management = {"position_as_primary_exit": {"enabled": True}}
    primary = DecisionSettings.model_validate({"ml_active_management": management})
    wide = training_rows(
        replace(task, decision=primary), signal_evidence(task.signal, trained.paths)
    )
    assert wide.of.bars_held.mean() > 2 * table.of.bars_held.mean()


def test_no_signal_model_says_which_command_comes_first(
    task: PositionTraining, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match=r"train_ml_model\.py --ensemble"):
        train_position(task, ModelPaths().in_folder(tmp_path))
    assert not list(tmp_path.iterdir())


def test_missing_or_another_models_forecasts_are_refused(
    task: PositionTraining, trained: Trained, tmp_path: Path
) -> None:
    paths = copied(trained, tmp_path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    file = oof_path(paths, "BTCUSD")
    oof = OofForecasts.load(file)
    replace(oof, graph_sha256="0" * 64).save(file)
    with pytest.raises(TrainingError, match=r"those of 000000000000… came.*--ensemble"):
        train_position(task, paths)
    file.unlink()
    with pytest.raises(TrainingError, match=r"no out-of-fold forecasts.*--ensemble"):
        train_position(task, paths)
    del before[file.name]
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before


def test_bars_that_the_signal_model_did_not_see_are_refused(
    task: PositionTraining, trained: Trained
) -> None:
    shorter = replace(task.signal, bars=task.signal.bars.rows(96, len(task.signal.bars)))
    with pytest.raises(TrainingError, match="those that the signal model was trained on"):
        train_position(replace(task, signal=shorter), trained.paths)


def test_gate_that_no_trade_passes_is_named(task: PositionTraining, trained: Trained) -> None:
    deaf = task.decision.model_copy(
        update={"spread_filter": task.decision.spread_filter.model_copy(update={"max_points": 0})}
    )
    with pytest.raises(TrainingError, match=r"give 0 trades .*gate\.top_share"):
        train_position(replace(task, decision=deaf), trained.paths)


def test_unknown_parameters_of_the_position_model_are_refused() -> None:
    with pytest.raises(ValueError, match="n_trees"):
        PositionTrainingSettings(rf_params=RfParams({"n_trees": 5}))


def test_table_rows_are_finite_and_by_trade(table: PositionTable) -> None:
    assert np.isfinite(table.rows).all()
    assert table.rows.shape == (len(table), 71)
    assert (np.diff(table.of.trade) >= 0).all()
    assert (np.diff(table.decided) > 0).all()
    assert {len(getattr(table.of, each.name)) for each in fields(table.of)} == {len(table)}
