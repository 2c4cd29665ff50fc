"""A backtest whose trial ledger was edited shows nothing: its count would be wrong."""

import sqlite3
from pathlib import Path

import pytest

from backtest.run import main
from ml.training.trials import TrialLedger
from tests.tiny_models import write_models


def test_backtest_beside_an_edited_ledger_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = TrialLedger(tmp_path / "trials.sqlite")
    for _ in range(3):
        ledger.record("look", what={"symbol": "BTCUSD"}, data_sha256="d", result={"sharpe": 1.0})
    db = sqlite3.connect(ledger.path)
    db.execute("DROP TRIGGER trials_stay")
    db.execute("UPDATE trials SET what = '{}' WHERE id = 2")
    db.commit()
    db.close()
    models = write_models(tmp_path / "models").graph.parent
    status = main([
        "--models", str(models), "--from", "2025-05-05", "--to", "2025-05-07", "--no-chart",
        "--summary", str(tmp_path / "out.json"),
        "--override", f"study.ledger={ledger.path}",
        "--override", "prediction.quantile.lookback_days=2",
    ])  # fmt: skip
    said = capsys.readouterr()
    assert status == 2
    assert "row 2 was changed after it was written" in said.err
    assert "Traceback" not in said.err
    assert "profit factor" not in said.out
    assert not (tmp_path / "out.json").exists()
