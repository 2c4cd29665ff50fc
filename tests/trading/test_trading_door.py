"""`python trading.py`: what a person is told, and that nothing is half-written."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from trading import cli
from trading.state_folder import StateFolder

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Any:
    """Runs the command in a folder that holds the two settings files and nothing else."""
    for name in ("config.json", "ml_config.json"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str]:
        try:
            status = cli.main(arguments)
        except SystemExit as leaving:
            status = int(leaving.code or 0)
        return status, capsys.readouterr().err

    return run


def left_in(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


def test_help_names_the_paper_flags_without_heavy_imports() -> None:
    script = (
        "import sys; from trading import cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'numba', 'pandas', 'pydantic', 'rich', 'httpx', 'onnxruntime'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for flag in ("--paper", "--market", "--speed", "--bars", "--dry", "--why", "--override"):
        assert flag in done.stdout


def test_bridge_that_is_not_there_is_one_line_and_status_3(
    tmp_path: Path, small_model: Path
) -> None:
    """In a process of its own: no traceback, no state folder."""
    command = [
        sys.executable, str(ROOT / "trading.py"), "--models", str(small_model),
        "--override", "bridge.api_base_url=http://127.0.0.1:9", "--state", str(tmp_path / "state"),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr.startswith("error: no bridge at http://127.0.0.1:9")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "state").exists()


def test_dialect_that_needs_a_time_zone_says_so(door: Any, small_model: Path) -> None:
    models, dialect = ("--models", str(small_model)), "bridge.dialect=mt5-httpapi"
    status, said = door(*models, "--override", dialect)
    assert status == 2
    assert said.startswith("error: bridge.server_timezone: needed")


def test_all_setting_problems_are_told_at_once(door: Any) -> None:
    status, said = door(
        "--paper", "--override", "risk_percentt=1", "--override", "max_lot=no",
        "--override", "paper.balance=-5",
    )  # fmt: skip
    assert status == 2
    assert "3 settings to mend" in said
    for key in ("risk_percentt", "max_lot", "paper.balance"):
        assert key in said


def test_missing_model_says_what_to_run(door: Any, tmp_path: Path, bars_file: Path) -> None:
    status, said = door("--paper", "--market", str(bars_file), "--models", str(tmp_path / "none"))
    assert status == 2
    assert "train_ml_model.py --ensemble" in said
    assert not (tmp_path / "state").exists()


def test_corrupt_model_is_refused(
    door: Any, tmp_path: Path, bars_file: Path, small_model: Path
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    for each in filter(Path.is_file, small_model.iterdir()):
        (models / each.name).write_bytes(each.read_bytes())
    graph = models / "ensemble_btcusd-live.onnx"
    graph.write_bytes(graph.read_bytes()[:-7] + b"damaged")
    status, said = door("--paper", "--market", str(bars_file), "--models", str(models))
    assert status == 2
    assert "damaged or from another training" in said


def test_unreadable_market_file_is_refused(door: Any, tmp_path: Path) -> None:
    (tmp_path / "bars.csv").write_text("what is this\n1,2,3\n")
    status, said = door("--paper", "--market", "bars.csv")
    assert status == 2
    assert said.startswith("error: bars.csv")
    assert left_in(tmp_path) == {"config.json", "ml_config.json", "bars.csv"}


def test_absent_market_file_is_refused(door: Any) -> None:
    status, said = door("--paper", "--market", "absent.parquet")
    assert (status, said.startswith("error: ")) == (2, True)
    assert "absent.parquet" in said


def test_too_little_warm_up_is_told_with_the_days_needed(door: Any, bars_file: Path) -> None:
    status, said = door("--paper", "--market", str(bars_file), "--from", "2025-01-10")
    assert status == 2
    assert "too little history before --from 2025-01-10" in said


def test_summary_that_could_not_be_written_stops_before_the_run(door: Any) -> None:
    status, said = door("--paper", "--summary", "no/such/folder/out.json")
    assert status == 2
    assert "--summary" in said


def test_second_daemon_on_the_same_run_is_refused(
    door: Any, tmp_path: Path, small_model: Path, bars_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock is taken before anything is started."""
    entered: list[Path] = []
    monkeypatch.setattr(StateFolder, "clear", lambda folder: entered.append(folder.path))
    monkeypatch.setattr("trading.paper_command.BridgeProcess", _no_bridge)
    ledger = f"study.ledger={tmp_path / 'trials.sqlite'}"
    arguments = ("--paper", "--market", str(bars_file), "--models", str(small_model),
                 "--override", ledger)  # fmt: skip
    status, _ = door(*arguments)
    assert status == 2
    with StateFolder(entered[0]):
        status, said = door(*arguments)
    assert status == 2
    assert "a daemon is running here already" in said


def _no_bridge(*_: Any) -> Any:
    from trading.errors import PaperError

    raise PaperError("no bridge in this test")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--bars", "5"), "--bars needs --paper"),
        (("--account", "../elsewhere"), "letters, digits, _ and - are allowed"),
        (("--paper", "--bars", "0"), "a whole number above 0 is allowed, '0' came"),
        (("--paper", "--speed", "fast"), "max or a number above 0 is allowed, 'fast' came"),
        (("--paper", "--from", "yesterday"), "2025-09-01T14:00 is allowed, 'yesterday' came"),
        (("--paper", "--seed", "-1"), "a whole number from 0 on is allowed"),
    ],
)
def test_bad_argument_names_what_is_allowed(
    door: Any, arguments: tuple[str, ...], said: str
) -> None:
    status, err = door(*arguments)
    assert status == 2
    assert said in err


def test_paper_run_of_a_few_bars_writes_its_summary(
    tmp_path: Path, small_model: Path, bars_file: Path
) -> None:
    """The whole command, twice: a finished run starts anew and gives the same figures, also
    through a bridge of the other dialect."""
    figures = []
    for dialect in ("native", "mt5-httpapi"):
        command = [
            sys.executable, str(ROOT / "trading.py"), "--paper", "--market", str(bars_file),
            "--models", str(small_model), "--bars", "12", "--speed", "max", "--quiet",
            "--state", str(tmp_path / "state"), "--summary", str(tmp_path / "out.json"),
            "--override", "prediction.gate=fixed", "--override", f"bridge.dialect={dialect}",
            "--override", f"study.ledger={tmp_path / 'trials.sqlite'}",
        ]  # fmt: skip
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        summary = json.loads((tmp_path / "out.json").read_text())
        figures.append({key: summary[key] for key in summary if not key.startswith("decision_ms")})
    assert figures[0] == figures[1]
    assert figures[0]["decisions"] == 12
    for key in (
        "bars", "orders", "deals", "denials", "trades", "win_rate", "profit_factor", "net_profit",
        "max_drawdown_pct", "final_equity", "decisions_sha256", "deals_sha256", "data_sha256",
    ):  # fmt: skip
        assert key in figures[0]
