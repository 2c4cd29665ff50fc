"""`ml_performance.csv`: one row a finished trade, from the journal alone."""

import csv
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.operations.conftest import ROOT, Operated
from trading.day_figures import own_trades
from trading.performance import performance, write_performance


def test_each_close_is_a_row_with_its_type_and_the_decision_that_opened_it(
    operated: Callable[..., Operated], tmp_path: Path
) -> None:
    daemon = operated(bars=200, overrides=("circuit_breaker.enabled=false",)).run()
    trades = own_trades(daemon.journal, strategy_id=7719, symbol="BTCUSD")
    assert len(trades) >= 5
    path = tmp_path / "models" / "ml_performance.csv"
    count = write_performance(path, performance(daemon.journal, strategy_id=7719, symbol="BTCUSD"))
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert count == len(rows) == len(trades)
    assert [row["close_type"] for row in rows] == [each.close_type for each in trades]
    assert {row["close_type"] for row in rows} >= {"SL_HIT", "TP_HIT"}
    assert [float(row["net_profit"]) for row in rows] == [each.net_profit for each in trades]
    entered = {
        round(each["enter"]["risk_pct"], 9)
        for line in daemon.lines for each in line["intents"] if "enter" in each
    }  # fmt: skip
    assert {round(float(row["risk_pct"]), 9) for row in rows} <= entered
    assert all(0 < float(row["p_buy"]) < 1 for row in rows)


def test_command_writes_the_file_beside_a_running_daemon(
    operated: Callable[..., Operated], root: Path
) -> None:
    daemon = operated(bars=80, overrides=("circuit_breaker.enabled=false",)).run()
    script = str(ROOT / "scripts" / "export_performance.py")
    command = [sys.executable, script, "--state-folder", str(daemon.state.path)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (root / "models" / "ml_performance.csv").exists()
    nowhere = [sys.executable, script, "--account", "nobody"]
    done = subprocess.run(nowhere, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "live-nobody: no journal there yet" in done.stderr
