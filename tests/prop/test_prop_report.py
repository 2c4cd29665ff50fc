"""`python -m backtest.prop_report`: its sources agree, and it says how little it knows."""

import json
import math
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtest.prop.evaluation import Drawing, evaluate
from backtest.prop.paths import Game, RiskRow, best_risk, breaking, passing, play
from backtest.prop.record import record_of_lines
from backtest.prop.words import best_words
from backtest.prop_report import main
from ml.training.trials import TrialLedger
from tests.builders import write_market
from tests.prop.paths import days_of, profile_of
from tests.tiny_models import write_models
from tests.trading.paper_runs import (
    Case,
    backtest_of,
    make_case,
    run_in_process,
    settings_of,
    without_models,
)
from trading.journal import Journal
from trading.settings import DaemonSettings

ROOT = Path(__file__).resolve().parents[2]
FEW = ["--paths", "500", "--horizon-days", "120"]


def table_of(path: Path, *, trades: int, mean: float = 8.0, worst: bool = True) -> Path:
    """Three trades a day, net of 100 either way around a mean, on an account of 10,000."""
    rng, at = np.random.default_rng(4), datetime(2025, 6, 2, 8, tzinfo=UTC)
    lines = ["opened,closed,net_profit" + (",worst" if worst else "")]
    for place in range(trades):
        opened = at + timedelta(days=place // 3, hours=place % 3 * 2)
        net = rng.choice([-100.0, 100.0]) + mean
        low = f",{min(0.0, net) - 20}" if worst else ""
        closed = opened + timedelta(hours=1)
        lines.append(f"{opened:%Y-%m-%dT%H:%M:%SZ},{closed:%Y-%m-%dT%H:%M:%SZ},{net}{low}")
    path.write_text("\n".join(lines) + "\n")
    return path


def report(capsys: pytest.CaptureFixture[str], *flags: str) -> tuple[int, dict[str, Any]]:
    status = main([*flags, "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_every_profile_is_played_with_limits_and_other_risks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = table_of(tmp_path / "trades.csv", trades=150)
    status, said = report(
        capsys, "--trades", str(path), "--balance", "10000", "--risk-pct", "1", *FEW
    )
    assert status == 0
    rules = json.loads((ROOT / "config" / "prop_rules.json").read_text())
    assert list(said["profiles"]) == list(rules["profiles"])
    assert said["rules_as_of"] == rules["as_of"]
    for name, profile in said["profiles"].items():
        assert list(profile["phases"]) == list(rules["profiles"][name]["phases"])
        assert profile["days"] == profile["days_traded"] == 50
        for phase in profile["phases"].values():
            ends = ("passes", "daily_limit", "total_limit", "still_open")
            assert sum(phase[end]["share"] for end in ends) == pytest.approx(1)
            assert all(phase[end]["low"] <= phase[end]["share"] <= phase[end]["high"]
                       for end in ends)  # fmt: skip
        total = profile["all_phases"]
        assert total["low"] <= total["share"] <= total["high"]
        best = profile["best"]
        assert best["passes"] >= max(row["passes"] for row in profile["risks"]) - 0.05
        assert best["risk_pct"] == pytest.approx(best["scale"])
    funded = said["profiles"]["ftmo_2step"]["phases"]["funded"]
    assert funded["passes"]["share"] == 0
    assert funded["days"] == dict.fromkeys(("mean", "p10", "p50", "p90"))


def test_same_seed_says_the_same_and_another_one_nearly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = table_of(tmp_path / "trades.csv", trades=150)
    flags = ["--trades", str(path), "--balance", "10000", "--profile", "ftmo_2step", *FEW]
    first, again, other = (
        report(capsys, *flags, "--seed", seed)[1] for seed in ("1", "1", "2")
    )  # fmt: skip
    assert first == again
    shares = [each["profiles"]["ftmo_2step"]["all_phases"]["share"] for each in (first, other)]
    assert 0 < abs(shares[0] - shares[1]) < 0.1


@pytest.mark.parametrize(
    ("trades", "status", "words"),
    [(12, 1, "12 trades on 4 days: fewer than 100 trades or 30 days"), (150, 0, "")],
)
def test_too_few_trades_are_said_with_their_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], trades: int, status: int, words: str
) -> None:
    path = table_of(tmp_path / "trades.csv", trades=trades)
    found, said = report(
        capsys, "--trades", str(path), "--balance", "10000", "--profile", "ftmo_1step", *FEW
    )
    assert found == status
    assert any(words in each for each in said["warnings"])
    assert len(said["warnings"]) == 1 + status


def test_what_is_left_out_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lows = "how low open trades stood: limits are looked at on closed profits alone"
    for worst in (True, False):
        path = table_of(tmp_path / "trades.csv", trades=12, worst=worst)
        _, said = report(
            capsys, "--trades", str(path), "--balance", "10000", "--profile", "ftmo_2step", *FEW
        )
        assert (lows in said["left_out"]) is not worst
        assert "news and weekend rules of the phases that have them" in said["left_out"]


def test_report_for_people_names_phases_risk_and_limits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    path = table_of(tmp_path / "trades.csv", trades=150)
    flags = ["--trades", str(path), "--balance", "10000", "--risk-pct", "1.5"]
    assert main([*flags, "--profile", "ftmo_2step", *FEW]) == 0
    said = capsys.readouterr().out
    for words in (
        "prop report of trades.csv: 150 trades, 1.50 % risk per trade; 500 paths",
        "FTMO 2-Step, challenge", "FTMO 2-Step, verification", "all phases with a target",
        "passes as often as any", "no risk tried passes more often than", "rules as of",
        "1.50 % per trade (1 x)", "not in it: own guards", "warning: the best risk was chosen",
    ):  # fmt: skip
        assert words in said


ERRORS = {
    "no_journal": ([], "no journal there yet"),
    "no_file": (["--trades", "none.csv", "--balance", "10"], "there is no such file"),
    "no_such_profile": (["--profile", "ftmo_3step"], "ftmo_2step"),
}


@pytest.mark.parametrize(("flags", "words"), ERRORS.values(), ids=list(ERRORS))
def test_mistake_is_one_message_and_exit_code_2(
    flags: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*flags, "--state", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: ")
    assert words in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    "flags", [["--trades", "x.csv"], ["--paths", "0"], ["--trades", "x", "--balance", "-1"]]
)
def test_flags_that_make_no_sense_are_refused(flags: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(flags)
    assert stopped.value.code == 2


def test_script_is_the_same_door(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "prop_report.py"), "--state", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "no journal there yet" in done.stderr


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    made = make_case(tmp_path_factory.mktemp("prop"), settings_of(), bars=300)
    return without_models(made)


@pytest.fixture(scope="module")
def state(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of a paper run of the case."""
    folder = tmp_path_factory.mktemp("state")
    run_in_process(case, folder / "paper-demo-12345678")
    return folder


def test_journal_and_backtest_of_the_same_run_make_the_same_days(case: Case, state: Path) -> None:
    journal = Journal(state / "paper-demo-12345678" / "journal.sqlite")
    strategy_id = DaemonSettings().strategy_id
    paper = record_of_lines("paper", journal.decision_lines("BTCUSD"), journal.deals(), strategy_id)
    journal.close()
    run = backtest_of(case)
    backtest = record_of_lines("backtest", run.lines(), run.deals, strategy_id)
    assert len(paper.trades) >= 10
    assert paper.risk_pct == backtest.risk_pct
    assert 0 < paper.risk_pct <= 2.0
    for zone in ("Europe/Prague", "Etc/GMT-3"):
        ours, theirs = paper.days(zone), backtest.days(zone)
        for name in ("start_ms", "net", "low", "floating", "traded"):
            assert np.array_equal(getattr(ours, name), getattr(theirs, name)), name
        grown = math.prod((1 + ours.net).tolist())
        assert grown == pytest.approx(paper.moments[-1].balance / paper.first_balance)
        assert (ours.low <= np.minimum(ours.net + ours.floating, 0) + 1e-12).all()


def test_paper_journal_is_found_and_reported(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, said = report(
        capsys, "--paper", "--state", str(state), "--profile", "fundingpips_1step", *FEW
    )
    assert status == 1  # a run of three days is too short
    assert said["source"] == "paper-demo-12345678"
    assert said["trades"] >= 10
    assert 0 < said["risk_pct"] <= 2.0
    assert "how low a trade stood inside the bar it ended in" in said["left_out"]


def test_backtest_is_run_and_reported(
    case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bars, from_ms = case.plan.bars, case.plan.limits.from_ms
    path = write_market(tmp_path / "market.parquet", bars)
    models = write_models(tmp_path / "models", ["signal"]).graph.parent
    begins, ends = (
        datetime.fromtimestamp(each / 1000, UTC).strftime("%Y-%m-%dT%H:%M")
        for each in (from_ms, from_ms + 300 * 900_000)
    )
    status, said = report(
        capsys, "--data", str(path), "--models", str(models), "--from", begins, "--to", ends,
        "--override", "prediction.quantile.lookback_days=2",
        "--override", "prediction.quantile.top_share=0.3",
        "--override", f"study.ledger={tmp_path / 'trials.sqlite'}",
        "--profile", "ftmo_2step", *FEW,
    )  # fmt: skip
    assert status == 1
    (look,) = TrialLedger(tmp_path / "trials.sqlite").rows("look")
    assert look.result["trades"] >= said["trades"]
    assert said["source"] == "a backtest of market.parquet"
    assert said["trades"] >= 10


def test_days_that_cannot_lose_pass_and_the_smallest_risk_that_does_is_the_best() -> None:
    result = evaluate("p", profile_of(), days_of([0.01, 0.02, 0.01]), Drawing(paths=200, days=40))
    assert result.phases[0].passes.share == 1
    assert result.passes_all.low == result.passes_all.high == 1
    assert result.best.passes == 1
    assert result.best.scale < 1
    assert 5 <= result.phases[0].mean_days <= 10


def test_days_that_only_lose_pass_at_no_risk() -> None:
    result = evaluate("p", profile_of(), days_of([-0.01, -0.02]), Drawing(paths=200, days=40))
    assert result.best.passes == 0
    assert result.breaks == 1
    assert best_words(result, math.nan) == "P: no risk tried passes at all"
    assert all(row.passes == 0 for row in result.risks)


def test_best_is_the_smallest_risk_within_the_error_of_the_drawing() -> None:
    rows = [RiskRow(0.5, 0.30, 0.1), RiskRow(1.0, 0.496, 0.2), RiskRow(2.0, 0.50, 0.4)]
    assert best_risk(rows, 10_000).scale == 1.0
    assert best_risk(rows, 1_000_000).scale == 2.0


def test_phases_one_after_another_multiply() -> None:
    rows = np.zeros((3, 4), dtype=np.int32)
    rows[:, 2:] = 1
    half = play(days_of([0.05, -0.05]), Game(profile_of(), "challenge"), rows)
    assert passing([half, half]) == 0.25
    assert breaking([half, half]) == 0.75
