"""The risk model: from trades of backtests over out-of-fold forecasts to an installed graph."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from broker.simulator.settings import PaperSettings
from market.bars import Float64s
from ml.features.risk import RISK_FEATURES, utc_hour
from ml.predictors.risk import RiskPredictor
from ml.predictors.session import open_session, run_rows
from ml.predictors.settings import ModelPaths
from ml.training import risk_trainer
from ml.training.after_signal import signal_evidence
from ml.training.models import TrainingError
from ml.training.oof import oof_path
from ml.training.regressor import RegressorDefaults, fit_regressor, regressor_params
from ml.training.regressor_export import bounded_multiplier, multiplier_graph
from ml.training.regressor_settings import RiskTrainingSettings
from ml.training.risk_labels import RiskTrades
from ml.training.risk_scores import verdict
from ml.training.risk_task import RiskTraining
from ml.training.risk_trades import RiskMarket, StopSpan, gate_trades, label_settings
from ml.training.risk_trainer import risk_market, train_risk
from ml.training.sltp_trainer import SltpModels, SltpTraining, train_sltp
from ml.training.table import training_table
from tests.training.tables import Trained
from trading.decision.settings import DecisionSettings

# The generated history has 45 days of out-of-fold forecasts.
DECISION = DecisionSettings.model_validate(
    {"prediction": {"quantile": {"lookback_days": 5, "top_share": 0.1}}}
)
SETTINGS = RiskTrainingSettings(min_trades=50)


def copied(trained: Trained, folder: Path) -> ModelPaths:
    shutil.copytree(trained.paths.graph.parent, folder, dirs_exist_ok=True)
    return trained.paths.in_folder(folder)


def task_of(trained: Trained, **fields: object) -> RiskTraining:
    return replace(RiskTraining(trained.task, DECISION, PaperSettings(), SETTINGS), **fields)


def market_of(trained: Trained) -> RiskMarket:
    task, evidence = trained.task, signal_evidence(trained.task, trained.paths)
    table = training_table(
        evidence.bars, task.instrument, task.features, task.labels, task.calendar
    )
    return RiskMarket(evidence.bars, task.instrument, table, evidence.oof, PaperSettings())


def early_birds(count: int = 900) -> RiskTrades:
    """Trades at 3 o'clock win 75 % of the time, at 15 o'clock 25 %."""
    rng = np.random.default_rng(4)
    early = np.arange(count) % 2 == 0
    r = np.where(rng.random(count) < np.where(early, 0.75, 0.25), 1.0, -1.0)
    opened = np.arange(count, dtype=np.int64) * 12 * 3_600_000
    noise = rng.random((count, 2)) * 0.01
    market = np.column_stack([noise, np.where(early, 3.0, 15.0)])
    return RiskTrades(r, market, opened, opened + 3_600_000)


@pytest.fixture
def with_trades(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trades that have something to teach, in place of the backtests."""
    monkeypatch.setattr(risk_trainer, "gate_trades", lambda *_: [early_birds(), early_birds(600)])


def taught(trained: Trained) -> RiskTraining:
    settings = RiskTrainingSettings(gate_factors=(1.0, 2.0), next_trades=1, min_trades=300)
    return task_of(trained, settings=settings)


@pytest.mark.usefixtures("with_trades")
def test_a_model_that_was_taught_risks_more_where_trades_win(
    trained: Trained, tmp_path: Path
) -> None:
    paths = copied(trained, tmp_path)
    metadata = train_risk(taught(trained), paths)
    predictor = RiskPredictor(paths).load()
    rows = np.tile([0.0, 1.0, 0.5, 0.0, 0.005, 0.005, 3.0], (2, 1))
    rows[1, 6] = 15.0
    morning, afternoon = predictor.predict(rows)
    assert morning > afternoon + 0.3
    gated = metadata["walk_forward"]["gated"]
    assert gated["model"] > gated["constant"]
    assert "beats a constant size" in metadata["verdict"]
    assert metadata["intervals"]["gated.over_constant"][0] > 0
    assert 0.1 <= metadata["predicted"]["lowest"] < metadata["predicted"]["highest"] <= 1.25
    assert json.loads(paths.risk.metadata.read_text()) == metadata
    assert metadata["feature_names"] == list(RISK_FEATURES)
    for fold in metadata["folds"]:
        assert fold["mae"] < fold["baseline"]["mae"]


@pytest.mark.usefixtures("with_trades")
def test_the_same_trades_give_the_same_bytes(trained: Trained, tmp_path: Path) -> None:
    graphs = []
    for name in ("a", "b"):
        paths = copied(trained, tmp_path / name)
        train_risk(taught(trained), paths)
        graphs.append(paths.risk.graph.read_bytes())
    assert graphs[0] == graphs[1]


def test_trades_without_edge_leave_the_earlier_files_as_they_were(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losers = early_birds()
    losers.r[:] = np.where(np.arange(900) % 3 == 0, 1.0, -1.0)
    monkeypatch.setattr(risk_trainer, "gate_trades", lambda *_: [losers])
    paths = copied(trained, tmp_path)
    before = {file.name: file.read_bytes() for file in tmp_path.glob("*.*")}
    with pytest.raises(TrainingError, match=r"no spread.*evidence is against trading"):
        train_risk(task_of(trained, settings=RiskTrainingSettings(gate_factors=(1.0,))), paths)
    assert {file.name: file.read_bytes() for file in tmp_path.glob("*.*")} == before


def test_trades_that_lose_a_little_get_a_model_that_sizes_them_down_and_says_so(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A history that loses 0.05 R a trade must not end in the full risk_percent."""
    losers = early_birds(1500)
    losers.r[:] = np.where(np.random.default_rng(3).random(1500) < 0.475, 1.0, -1.0)
    monkeypatch.setattr(risk_trainer, "gate_trades", lambda *_: [losers])
    paths = copied(trained, tmp_path)
    metadata = train_risk(
        task_of(trained, settings=RiskTrainingSettings(gate_factors=(1.0,))), paths
    )
    assert metadata["labeling"]["multiplier_1_is_percent"] == DECISION.risk_percent
    assert metadata["labeling"]["at_floor"] > 0.5
    assert 0.3 < metadata["predicted"]["mean"] < 0.7
    assert metadata["predicted"]["highest"] < 1.0
    assert "does not beat a constant size" in metadata["verdict"]
    assert "the trades lost: a smaller size only loses more slowly" in metadata["verdict"]


def test_even_a_regressor_that_wants_more_stays_inside_the_limits() -> None:
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(3000, 7)).astype(np.float32)
    params = regressor_params(RegressorDefaults("x", {"n_estimators": 120}), {}, "full", 1)
    model = fit_regressor(rows, 50.0 * rows[:, 0].astype(float), np.ones(3000), params)
    extreme = np.array([[3.4e38] * 7, [-3.4e38] * 7, [0.0] * 7], dtype=np.float32)
    for asked in (rows, extreme):
        (said,) = run_rows(open_session(multiplier_graph(model, 7)), asked)
        assert said.shape == (len(asked), 1)
        assert said.min() >= 0.10 and said.max() <= 1.25
        assert np.abs(said - bounded_multiplier(model.predict(asked))).max() <= 1e-5


def test_backtests_give_trades_with_their_profit_over_their_risk(trained: Trained) -> None:
    """Stop and target at one ATR: about −1 and +1, less costs; a looser gate has more trades."""
    strict, loose = gate_trades(market_of(trained), DECISION, (1.0, 4.0))
    assert 20 < len(strict) < len(loose)
    assert np.median(np.abs(loose.r)) == pytest.approx(1.0, abs=0.15)
    assert np.mean(np.abs(np.abs(loose.r) - 1.0) < 0.3) > 0.9
    assert (np.diff(loose.closed_ms) >= 0).all()
    assert (loose.closed_ms > loose.opened_ms).all()


def test_each_trade_has_the_features_of_its_decided_bar(trained: Trained) -> None:
    market = market_of(trained)
    (found,) = gate_trades(market, DECISION, (2.0,))
    names = list(market.table.feature_names)
    for row in (0, len(found) - 1):
        decided = np.flatnonzero(market.bars.close_ms == found.opened_ms[row])[0]
        place = int(np.flatnonzero(market.table.bar == decided)[0])
        wanted = [
            float(market.table.rows[place, names.index(name)])
            for name in ("volatility_20", "atr_14")
        ]
        assert found.market[row].tolist() == [*wanted, utc_hour(int(found.opened_ms[row]))]


def test_trades_do_not_depend_on_the_account_that_would_have_made_them(trained: Trained) -> None:
    """Risk, guards and limits of the settings size and stop an account; R is a trade's own."""
    market = market_of(trained)
    strict = {"risk_percent": 20.0, "max_daily_loss_pct": 0.5, "max_lot": 0.01}
    strict["circuit_breaker"] = {"enabled": True, "max_consecutive_losses": 1}
    other = DecisionSettings.model_validate(DECISION.model_dump() | strict)
    (one,), (two,) = (gate_trades(market, each, (2.0,)) for each in (DECISION, other))
    assert one.r.tolist() == two.r.tolist()


def test_label_backtests_keep_the_stops_and_use_the_quantile_gate() -> None:
    model_stops = {"sl_atr_multiplier": 1.5, "tp_atr_multiplier": 2.0, "use_model": True}
    fixed = {"prediction": {"gate": "fixed"}, "dynamic_sltp": model_stops}
    made = label_settings(DecisionSettings.model_validate(fixed), 4.0)
    assert made.prediction.gate == "quantile"
    assert made.prediction.quantile.top_share == pytest.approx(0.2)
    assert made.dynamic_sltp.sl_atr_multiplier == 1.5
    assert not made.ml_active_management.enabled
    assert not made.guards_account


class TwoToThree:
    """Stops at 2 ATR, targets at 3."""

    def predict(self, rows: Float64s) -> Float64s:
        return np.tile([2.0, 3.0], (len(rows), 1))


def test_a_span_with_a_model_trades_its_stops_and_only_there(trained: Trained) -> None:
    market = market_of(trained)
    middle = int(market.oof.open_ms[len(market.oof) // 2])
    span = StopSpan(middle, int(market.oof.open_ms[-1]), TwoToThree())
    (found,) = gate_trades(replace(market, spans=(span,)), DECISION, (4.0,))
    assert found.opened_ms.min() > middle
    won = found.r > 0
    assert np.median(found.r[won]) == pytest.approx(1.5, abs=0.1)
    assert np.median(found.r[~won]) == pytest.approx(-1.0, abs=0.1)


def test_the_sltp_models_folds_set_the_stops_where_it_is_there_and_trades(
    trained: Trained, tmp_path: Path
) -> None:
    """In their own test parts, so that no stop has seen its own trade."""
    paths, evidence = copied(trained, tmp_path), signal_evidence(trained.task, trained.paths)
    stops = {"dynamic_sltp": {"use_model": True}}
    on = task_of(trained, decision=DecisionSettings.model_validate(stops))
    assert risk_market(on, evidence, paths).spans == ()
    train_sltp(SltpTraining(trained.task, (1.0, 1.0)), paths)
    spans = risk_market(on, evidence, paths).spans
    assert len(spans) == trained.task.n_splits
    assert spans[0].to_ms <= spans[1].from_ms
    assert spans[0].from_ms >= evidence.oof.open_ms[len(evidence.oof) // 2 - 50]
    assert all(isinstance(each.model, SltpModels) for each in spans)
    assert risk_market(task_of(trained), evidence, paths).spans == ()


def test_a_real_run_ends_in_a_model_or_in_the_reason_why_there_is_none(
    trained: Trained, tmp_path: Path
) -> None:
    paths = copied(trained, tmp_path)
    try:
        metadata = train_risk(task_of(trained), paths)
    except TrainingError as error:
        assert "no spread" in str(error)
        assert not paths.risk.graph.exists()
    else:
        assert metadata["labeling"]["standard_deviation"] >= 0.02
        assert RiskPredictor(paths).load().metadata.kind == "risk"


def test_without_forecasts_the_command_is_named(trained: Trained, tmp_path: Path) -> None:
    paths = copied(trained, tmp_path)
    oof_path(paths, "BTCUSD").unlink()
    with pytest.raises(TrainingError, match=r"train_ml_model.py --ensemble"):
        train_risk(task_of(trained), paths)


def test_forecasts_shorter_than_the_gates_look_back_are_refused(
    trained: Trained, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match=r"look-back of 90"):
        train_risk(task_of(trained, decision=DecisionSettings()), copied(trained, tmp_path))


def test_the_verdict_says_plainly_when_a_constant_size_is_as_good() -> None:
    ways = {"model": 3.0, "constant": 2.0, "unchanged": 5.0}
    over = {"over_constant": 1.0, "over_unchanged": -2.0, "mean_multiplier": 0.4}
    scores = {"gated": {"trades": 400, **ways, **over}}
    unsure = {"gated.over_constant": [-0.1, 2.1], "gated.over_unchanged": [-4.0, 0.5]}
    text = verdict(scores, unsure, 2.0)
    assert "does not beat a constant size" in text
    assert "over multiplier 1 -2.00, 90 % of the weekly draws within -4.00 … +0.50" in text
    assert "set risk_percent to 0.8, 0.40 of 2." in text
    assert "lost" not in text
    slower = unsure | {"gated.over_unchanged": [-4.0, -0.5]}
    assert "Multiplier 1 grew the account faster: switch off" in verdict(scores, slower, 2.0)
    sure = unsure | {"gated.over_constant": [0.1, 1.9]}
    assert "beats a constant size" in verdict(scores, sure, 2.0)
    assert "has not been tested" in verdict({"gated": {"trades": 1}}, {}, 2.0)
