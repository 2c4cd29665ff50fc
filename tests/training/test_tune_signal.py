"""Tuning the signal model: its space, its objective over purged folds, its door."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from backtest.driver import Rules
from market.bars import Bars
from market.instruments import INSTRUMENTS
from ml.features.catalogue import LOOKBACK_MS
from ml.training.models import EnsembleParams, Profile, model_params
from ml.training.position_settings import PositionTrainingSettings
from ml.training.splits import SplitError
from ml.training.trials import TrialLedger
from ml.tune import hyperparams
from ml.tune.judge import forecasts_of, judge, trade_forecasts
from ml.tune.signal import SignalSearch, search_of, tune_signal
from ml.tune.space import present, space_of, suggested, with_values
from ml.tune.study import StudyPlan, sqlite_url
from settings import load_settings
from tests.training.tables import DAY_MS, TINY, make_task

ROOT = Path(__file__).resolve().parents[2]
BTC = INSTRUMENTS["BTCUSD"]
SHORT_GATE = ["prediction.quantile.lookback_days=10", "risk_percent=0.5"]


def _rules(*overrides: str) -> Rules:
    settings = load_settings(ROOT, overrides=[*SHORT_GATE, *overrides])
    return Rules(BTC, settings.decision, settings.paper, settings.daemon.strategy_id)


@pytest.fixture(scope="module")
def search(market: Bars) -> SignalSearch:
    """Seven months of bars, of which 80 usable days before a cutoff that lies in the middle."""
    task = make_task(market, cutoff_ms=int(market.open_ms[-1]) - 5 * DAY_MS)
    return search_of(task, _rules(), sample_days=80)


class Fixed:
    """A trial that suggests what it is given, else the lower limit."""

    def __init__(self, **values: float) -> None:
        self.values = values

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        return int(self.values.get(name.replace(".", "_"), low))

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        return float(self.values.get(name.replace(".", "_"), low))


@pytest.mark.parametrize(
    "params",
    [EnsembleParams(), EnsembleParams(xgb={"booster": "dart"}), EnsembleParams(et={}), TINY],
    ids=["default", "dart", "four-voters", "tiny"],
)
def test_todays_parameters_lie_in_the_space_and_every_suggestion_can_be_trained(
    params: EnsembleParams,
) -> None:
    today = present(params, "full", 1)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    study.enqueue_trial(today)
    trial = study.ask()
    made = suggested(trial, params)
    assert trial.params == today  # inside its limits, or Optuna would have drawn others
    assert set(made.by_name) == set(params.by_name)
    for _ in range(5):
        model_params(suggested(study.ask(), params), "full", 1)


@pytest.mark.parametrize("profile", ["full", "quick"])
@pytest.mark.parametrize(
    "params",
    [EnsembleParams(et={}), PositionTrainingSettings().params],
    ids=["signal", "position"],
)
def test_todays_defaults_are_tried_as_they_are(params: EnsembleParams, profile: Profile) -> None:
    today = model_params(params, profile, 1)
    for key, value in present(params, profile, 1).items():
        model, _, name = key.partition(".")
        assert today[model][name] in (value, None), key


def test_dart_is_searched_only_where_it_is_the_booster() -> None:
    assert "rate_drop" in space_of(EnsembleParams(xgb={"booster": "dart"}))["xgb"]
    assert "rate_drop" not in space_of(EnsembleParams())["xgb"]


def test_what_a_person_set_and_is_not_searched_stays() -> None:
    today = EnsembleParams(xgb={"max_bin": 32, "max_depth": 5}, lgb={"path_smooth": 1.0})
    made = with_values(today, {"xgb.max_depth": 3, "rf.max_samples": 0.2})
    assert made == EnsembleParams(
        rf={"max_samples": 0.2}, xgb={"max_bin": 32, "max_depth": 3}, lgb={"path_smooth": 1.0}
    )
    assert today.xgb["max_depth"] == 5


def test_sample_ends_at_the_cutoff_and_begins_a_warm_up_before_its_days(
    search: SignalSearch,
) -> None:
    cutoff_ms = search.task.cutoff_ms
    assert int(search.bars.close_ms[-1]) <= cutoff_ms
    assert int(search.bars.open_ms[0]) == cutoff_ms - 80 * DAY_MS - LOOKBACK_MS
    days = (int(search.table.open_ms[-1]) - int(search.table.open_ms[0])) / DAY_MS
    assert days == pytest.approx(80, abs=1)
    assert int(search.table.open_ms[0]) == cutoff_ms - 80 * DAY_MS


def test_bars_at_and_after_the_cutoff_change_nothing(search: SignalSearch) -> None:
    bars = search.task.bars
    later = np.searchsorted(bars.open_ms, search.task.cutoff_ms)
    high = bars.high.copy()
    high[later:] *= 3
    other = search_of(
        replace(search.task, bars=replace(bars, high=high)), search.rules, sample_days=80
    )
    assert other.identity() == search.identity()


@pytest.mark.parametrize("change", ["sample_days", "cutoff", "gate", "costs", "labels", "seed"])
def test_identity_changes_with_whatever_the_objective_depends_on(
    search: SignalSearch, change: str
) -> None:
    task = search.task
    others = {
        "sample_days": lambda: replace(search, sample_days=70),
        "cutoff": lambda: replace(search, task=replace(task, cutoff_ms=task.cutoff_ms - DAY_MS)),
        "gate": lambda: replace(search, rules=_rules("prediction.quantile.top_share=0.1")),
        "costs": lambda: replace(search, rules=_rules("paper.slippage_points=7")),
        "labels": lambda: replace(
            search, task=replace(task, labels=task.labels.model_copy(update={"atr_tp_mult": 2.0}))
        ),
        "seed": lambda: replace(
            search,
            task=replace(task, training=task.training.model_copy(update={"seed": 99})),
        ),
    }
    assert others[change]().identity() != search.identity()


def test_trial_is_judged_after_each_fold_on_all_folds_so_far(search: SignalSearch) -> None:
    judged = list(search.trial(Fixed()))
    assert len(judged) == search.n_folds == 2
    assert judged[0].score.trades <= judged[1].score.trades
    assert judged[1].score.trades > 20
    tests = [search.table.open_ms[fold.test] for fold in search.folds]
    more_days = (int(tests[1][-1]) - int(tests[1][0])) / DAY_MS
    assert judged[1].sharpe.days - judged[0].sharpe.days == pytest.approx(more_days, abs=1)
    assert [each.as_dict() for each in search.trial(Fixed())] == [e.as_dict() for e in judged]


def test_fold_is_tested_on_rows_that_lie_behind_a_purge_and_an_embargo(
    search: SignalSearch,
) -> None:
    bar = search.table.bar
    for fold in search.folds:
        assert bar[fold.calibration[-1]] < bar[fold.test[0]] - search.task.gap_bars
        assert bar[fold.base[-1]] < bar[fold.calibration[0]] - search.task.gap_bars


def _said(market: Bars, rows: Any, skill: float) -> tuple[Any, Any]:
    """Forecasts that know the next four bars' direction with some skill."""
    ahead = np.sign(np.r_[market.close[4:], np.full(4, market.close[-1])] - market.close)[rows]
    rng = np.random.default_rng(1)
    side = np.where(rng.random(len(rows)) < skill, ahead, rng.choice([-1, 1], len(rows)))
    toward = side * rng.uniform(0.05, 0.3, len(rows))
    probabilities = np.column_stack([0.4 + toward, 0.4 - toward, np.full(len(rows), 0.2)])
    return probabilities, np.repeat(side.astype(np.int8)[:, None], 3, axis=1)


def test_forecasts_that_know_the_future_score_high_and_random_ones_below_zero(
    market: Bars,
) -> None:
    rows = np.arange(12_000, 18_000)
    scores = {}
    for skill in (0.0, 0.9):
        forecasts = forecasts_of(market, rows, *_said(market, rows, skill), ("f",))
        scores[skill] = judge([trade_forecasts(market, forecasts, _rules())], seed=1)
    assert scores[0.9].score.value is not None
    assert scores[0.9].score.value > 20
    random = scores[0.0].score.value
    assert random is not None
    assert random < 0


def test_nothing_is_opened_before_the_gates_look_back_is_filled_nor_where_no_forecast_is(
    market: Bars,
) -> None:
    rows = np.r_[np.arange(12_000, 15_000), np.arange(16_000, 17_000)]
    probabilities, votes = _said(market, rows, 0.5)
    forecasts = forecasts_of(market, rows, probabilities, votes, ("f",))
    rules = _rules()
    run = trade_forecasts(market, forecasts, rules)
    quantile = rules.decision.prediction.quantile
    filled_ms = int(market.open_ms[12_000]) + quantile.lookback_ms * quantile.min_filled_share
    opened = np.array([trade.opened_ms for trade in run.trades])
    assert opened.min() >= filled_ms
    assert filled_ms <= int(run.bars.bars.open_ms[0]) < filled_ms + 900_000
    row = np.searchsorted(market.open_ms, opened)
    assert not ((row > 15_000) & (row <= 16_000)).any()
    assert (row > 16_000).any()


def test_fold_too_short_for_the_gate_has_no_trade_and_no_score(market: Bars) -> None:
    bars, rows = market.rows(0, 12_110), np.arange(12_000, 12_100)
    forecasts = forecasts_of(bars, rows, *_said(bars, rows, 0.5), ("f",))
    assert len(forecasts) == 110
    judged = judge([trade_forecasts(bars, forecasts, _rules())], seed=1)
    assert (judged.score.trades, judged.score.value, judged.provisional) == (0, None, None)
    assert judged.as_dict()["win_rate"] is None


def test_tuning_keeps_todays_task_unless_the_best_is_better_by_the_margin(
    search: SignalSearch, tmp_path: Path
) -> None:
    plan = StudyPlan(sqlite_url(tmp_path / "optuna.sqlite"), 1, 1)
    task, made = tune_signal(search, plan, TrialLedger(tmp_path / "trials.sqlite"))
    assert made.trials == 1
    assert task is search.task


def test_sample_too_short_for_its_folds_says_so(search: SignalSearch) -> None:
    with pytest.raises(SplitError, match="training rows"):
        list(replace(search, sample_days=20).trial(Fixed()))


def test_door_writes_a_proposal_and_changes_no_setting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (ROOT / "ml_config.json").read_text()
    monkeypatch.setenv("OPTUNA_STORAGE", sqlite_url(tmp_path / "optuna.sqlite"))
    arguments = [
        "--from", "2024-10-01", "--to", "2025-04-10", "--profile", "quick", "--trials", "2",
        "--sample-days", "60", "--out", str(tmp_path / "proposal.json"),
        "--ledger", str(tmp_path / "trials.sqlite"),
        "--override", "training.n_splits=2", "--override", "training.calibration_days=10",
        "--override", "training.embargo_bars=24",
        *(word for text in SHORT_GATE for word in ("--override", text)),
    ]  # fmt: skip
    assert hyperparams.main(arguments) == 0
    said = capsys.readouterr().out
    assert "no setting was changed" in " ".join(said.split())
    proposal = json.loads((tmp_path / "proposal.json").read_text())
    assert proposal["trials"] == 2
    assert proposal["words"][0].startswith("signal-btcusd-")
    assert (ROOT / "ml_config.json").read_text() == before
    assert TrialLedger(tmp_path / "trials.sqlite").count("tune_trial") == 2
    if proposal["params"] is not None:
        found = proposal["ml_config"]
        model_params(
            EnsembleParams(found["rf_params"], found["xgb_params"], found["lgb_params"]), "quick", 1
        )


def test_study_of_no_trials_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        hyperparams.main(["--trials", "0"])
    assert "--trials: 1 or more is allowed, '0' came" in capsys.readouterr().err
