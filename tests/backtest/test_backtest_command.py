"""`backtest_config.py`: every mistake is one line with what to do, and nothing is written."""

import subprocess
import sys
from pathlib import Path

import pytest

from backtest.run import main

ERRORS = [
    (["--override", "risk_procent=1"], "risk_procent"),
    (["--override", "risk_percent=two"], "risk_percent"),
    (["--max-lot", "-1"], "max_lot"),
    (["--summary", "no/such/folder/out.json"], "existing folder"),
    (["--summary", "/dev/null"], "/dev/null: a file in an existing folder"),
    (["--symbol", "DOGEUSD"], "DOGEUSD"),
    (["--account", "nobody"], "nobody"),
    (["--costs", "no_such.json"], "scripts/costs.py learn"),
]


@pytest.mark.parametrize(("flags", "words"), ERRORS, ids=[words for _, words in ERRORS])
def test_mistake_is_one_message_and_exit_code_2(
    flags: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main([*flags, "--models", str(tmp_path), "--report", str(tmp_path / "r.html")])
    said = capsys.readouterr()
    assert status == 2
    assert said.err.startswith("error: ")
    assert "Traceback" not in said.err
    assert words in said.err
    assert list(tmp_path.iterdir()) == []


def test_folder_as_report_is_refused_before_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--models", str(tmp_path), "--report", str(tmp_path)]) == 2
    assert "--report" in (said := capsys.readouterr().err)
    assert "a file is allowed, a folder is there" in said


def test_missing_model_says_how_to_make_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--models", str(tmp_path)]) == 2
    assert "python train_ml_model.py --ensemble" in capsys.readouterr().err


CONTRADICTIONS = [
    (["--days", "0"], "1 or more"),
    (["--days", "9", "--from", "2025-06-01"], "where the run starts"),
    (["--from", "2025-06-02", "--to", "2025-06-01"], "after --from"),
    (["--m1", "m1.parquet"], "has no minutes"),
    (["--max-lot", "1", "--override", "max_lot=2"], "each sets the same"),
    (["--seed", "1", "--override", "paper.seed=2"], "each sets the same"),
    (["--cent-account", "--override", "paper.balance=5"], "each sets the same"),
    (["--costs", "c.json", "--override", "paper.slippage_points=5"], "each sets the same"),
    (["--no-chart", "--report", "r.html"], "writes no report"),
]


@pytest.mark.parametrize(
    ("flags", "words"), CONTRADICTIONS, ids=[" ".join(flags) for flags, _ in CONTRADICTIONS]
)
def test_options_that_contradict_each_other_are_a_usage_error_that_says_why(
    flags: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(flags)
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("flags", [["--from", "yesterday"], ["--nonsense"], ["--max-lot", "big"]])
def test_flag_that_cannot_be_read_is_refused(flags: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(flags)
    assert stopped.value.code == 2


def test_door_runs_by_its_path_from_any_folder(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    for door in ([str(root / "backtest" / "run.py")], [str(root / "backtest_config.py")]):
        said = subprocess.run(
            [sys.executable, *door, "--days", "0"], capture_output=True, text=True, cwd=tmp_path,
            check=False,
        )  # fmt: skip
        assert (said.returncode, "1 or more is allowed" in said.stderr) == (2, True), said.stderr
