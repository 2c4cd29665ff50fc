"""`trading.py --paper` and `backtest_config.py` with the same flags decide the same, by hash."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from market.bars import Bars
from ml.training.trials import TrialLedger
from tests.tiny_models import write_models
from tests.trading.paper_runs import write_calendar, write_minutes

ROOT = Path(__file__).resolve().parents[2]
BARS = 14
SWITCHES = (
    "prediction.quantile.lookback_days=2", "prediction.quantile.top_share=0.5",
    "dynamic_sltp.use_model=true", "position_optimization.min_bars_held=1",
    "news_block_minutes=15", "paper.m1_inside_bars=true",
)  # fmt: skip


@pytest.fixture(scope="module")
def flags(
    market: Bars, bars_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[str]]:
    """What both doors are given: span, four models, M1 bars, a calendar, and settings."""
    folder = tmp_path_factory.mktemp("doors")
    from_ms = int(market.open_ms[-BARS - 40])
    to_ms = from_ms + BARS * market.timeframe.ms
    span = market.between(from_ms - 8 * market.timeframe.ms, to_ms)
    models = write_models(folder / "models").graph.parent
    return {
        "span": ["--from", iso(from_ms), "--to", iso(to_ms)],
        "market": [str(bars_file)],
        "rest": [
            "--models", str(models), "--m1", str(write_minutes(folder / "m1.parquet", span)),
            "--calendar", str(write_calendar(folder / "calendar.csv", from_ms, to_ms)),
            *(word for switch in SWITCHES for word in ("--override", switch)),
        ],
    }  # fmt: skip


def iso(instant_ms: int) -> str:
    return datetime.fromtimestamp(instant_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M")


def run(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_paper_and_backtest_commands_decide_the_same(
    flags: dict[str, list[str]], tmp_path: Path
) -> None:
    paper_file, backtest_file = tmp_path / "paper.json", tmp_path / "backtest.json"
    paper_said = run(
        "trading.py", "--paper", "--market", *flags["market"], *flags["span"], *flags["rest"],
        "--speed", "max", "--quiet", "--state", str(tmp_path / "state"),
        "--summary", str(paper_file),
        "--override", f"study.ledger={tmp_path / 'trials.sqlite'}",
    )  # fmt: skip
    backtest_said = run(
        "backtest_config.py", "--no-chart", "--data", *flags["market"], *flags["span"],
        *flags["rest"], "--summary", str(backtest_file),
        "--override", f"study.ledger={tmp_path / 'trials.sqlite'}",
    )  # fmt: skip
    paper, backtest = (json.loads(each.read_text()) for each in (paper_file, backtest_file))
    assert paper["decisions"] == BARS
    looks = list(TrialLedger(tmp_path / "trials.sqlite").rows("look"))
    assert [each.result.get("door") for each in looks] == ["paper", None]
    for name in ("graphs", "settings_sha256", "from_ms", "to_ms"):
        assert looks[0].what[name] == looks[1].what[name], name
    assert looks[0].data_sha256 == looks[1].data_sha256
    for name in ("decisions_sha256", "deals_sha256", "denials", "final_equity", "warnings"):
        assert paper[name] == backtest[name], name
    for said in (paper_said, backtest_said):
        for line in ("signal model: ens", "position model: pos", "SL/TP model: sltp", "risk model"):
            assert line in said
        assert "none are given" not in said


@pytest.mark.parametrize("door", ["trading.py", "backtest_config.py"])
def test_bars_of_another_timeframe_are_no_m1_bars(
    door: str, flags: dict[str, list[str]], tmp_path: Path
) -> None:
    given = ["--paper", "--market"] if door == "trading.py" else ["--data"]
    models = flags["rest"][:2]
    command = [door, *given, *flags["market"], *flags["span"], *models, "--m1", *flags["market"]]
    command += ["--override", SWITCHES[0]]
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "M1 bars are needed, M15 came" in done.stderr


def test_m1_and_calendar_are_for_paper_alone() -> None:
    for flag in ("--m1", "--calendar"):
        done = subprocess.run(
            [sys.executable, "trading.py", flag, "x"], cwd=ROOT, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 2
        assert f"{flag} needs --paper" in done.stderr
