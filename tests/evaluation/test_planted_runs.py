"""Strategies whose truth is known, traded by the real backtest: the short form.

`make soak` runs 20 seeds and 1,000 coins (`test_planted_runs_soak`).
"""

from pathlib import Path
from types import SimpleNamespace

import pytest

from backtest.decided_run import DecidedRun
from backtest.gates import Verdict
from backtest.planted import ErrorRate
from backtest.report.analysis import analyse
from ml.predictors.model_set import ModelSet
from ml.training.trial_sharpes import trial_sharpes
from ml.training.trials import TrialLedger
from settings import load_settings
from tests.evaluation.planted_forecasters import moves, one_bar_early, surges
from tests.evaluation.planted_leaks import BTC, real_bars, utc_ms
from tests.evaluation.planted_market import planted_market
from tests.evaluation.planted_runs import (
    FAKES,
    GATE,
    WARM_UP_SLOTS,
    Found,
    decide_all,
    few,
    found_in,
    look,
    measured,
)

SEEDS = 2
COINS = 16
WEEKS_MS = 28 * 86_400_000


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Found]]:
    """Every fake, with `SEEDS` seeds."""
    folder = tmp_path_factory.mktemp("fakes")
    fakes = {name: fake for name, (fake, _) in FAKES.items()} | {"lucky": few(COINS)}
    return {
        name: [found_in(fake, folder / name, seed) for seed in range(SEEDS)]
        for name, fake in fakes.items()
    }


@pytest.mark.parametrize("name", FAKES)
def test_fake_that_was_really_traded_gets_its_verdict(
    name: str, found: dict[str, list[Found]], capsys: pytest.CaptureFixture[str]
) -> None:
    expected = FAKES[name][1]
    wrong = sum(each.verdict is not expected for each in found[name])
    with capsys.disabled():
        print(f"\n{ErrorRate(name, expected, wrong, SEEDS).text}")
    assert wrong == 0
    tried = COINS if name == "lucky" else 1
    assert [each.figures.trials for each in found[name]] == [tried] * SEEDS


def test_good_one_wins_what_was_planted_and_the_dead_one_pays_the_spread(
    found: dict[str, list[Found]],
) -> None:
    for good, dead in zip(found["good"], found["dead"], strict=True):
        assert good.figures.trades == dead.figures.trades == 600
        assert good.win_rate == pytest.approx(0.60, abs=3 * 0.02)
        assert dead.win_rate == pytest.approx(0.46, abs=3 * 0.02)


def test_luck_is_caught_by_the_count_of_trials_and_by_nothing_else(
    found: dict[str, list[Found]],
) -> None:
    for each in found["lucky"]:
        assert each.figures.trades > GATE.min_trades
        assert each.figures.alarms == ()
        assert each.figures.deflated_sharpe < GATE.min_deflated_sharpe


def test_analysis_says_of_a_leak_what_the_gate_says(tmp_path: Path) -> None:
    """The report's own path over the same run: one alarm, one proof, the ledger's own count."""
    market = planted_market(1, slots=WARM_UP_SLOTS + 40, edge=None)
    run = decide_all(market.bars, one_bar_early(surges))
    ledger = TrialLedger(tmp_path / "trials.sqlite")
    look(ledger, run, data_sha256="0" * 64)
    trials = trial_sharpes(ledger, symbol=BTC.symbol)
    found = analyse(_decided(run), lambda summary: trials).summary
    figures = measured(run, trials)
    assert tuple(found["alarms"]) == figures.alarms != ()
    assert found["trades"] == figures.trades == 40
    assert found["proof"]["trials"] == figures.trials == 1
    assert found["proof"]["profit_factor_p5"] == figures.profit_factor_p5
    assert found["proof"]["deflated_sharpe"] == figures.deflated_sharpe


def _decided(run: object) -> DecidedRun:
    """As the backtest's door has it, but for models and files."""
    plan = SimpleNamespace(
        data_sha256="0" * 64, source="planted", market=None, missing_minutes=lambda paper: [],
        limits=SimpleNamespace(from_ms=0), m1=None,
    )  # fmt: skip
    told = SimpleNamespace(train_cutoff_ms=0, graph=SimpleNamespace(sha256="", file="planted.onnx"))
    models, outside = ModelSet(SimpleNamespace(metadata=told)), SimpleNamespace(warnings=())
    return DecidedRun(load_settings(), plan, models, outside, run)  # type: ignore[arg-type]


def _on_real_bars(shared_data: Path, folder: Path, forecaster: object) -> Found:
    from_ms = utc_ms(2024, 6, 1)
    bars = real_bars(shared_data, utc_ms(2024, 2, 1), from_ms + WEEKS_MS)
    run = decide_all(bars, forecaster, from_ms=from_ms)  # type: ignore[arg-type]
    ledger = TrialLedger(folder / "trials.sqlite")
    look(ledger, run, data_sha256=bars.sha256())
    return Found.of(run, ledger)


def test_forecaster_that_sees_one_real_bar_ahead_raises_the_alarm(
    shared_data: Path, tmp_path: Path
) -> None:
    leaking = _on_real_bars(shared_data, tmp_path, one_bar_early(moves))
    assert leaking.verdict is Verdict.ALARM
    assert leaking.win_rate > 0.75


def test_same_forecaster_one_bar_later_proves_nothing(shared_data: Path, tmp_path: Path) -> None:
    assert _on_real_bars(shared_data, tmp_path, moves).verdict is Verdict.NOT_PROVEN
