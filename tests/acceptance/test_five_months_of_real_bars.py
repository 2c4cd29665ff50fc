"""Paper over HTTP and the backtest decide five months of real bars alike, with all four models.

The models are trained on everything before June 2025; both then decide June to October 2025, with
M1 bars where there are any. The paper run goes through the real daemon, the real client and the
real bridge server in another process.
"""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from market.instruments import instrument
from market.sources.files import read_bars
from ml.features.matrix import feature_matrix

pytestmark = pytest.mark.soak

ROOT = Path(__file__).resolve().parents[2]
MODELS = ("ensemble", "position", "sltp", "risk")
HASHES = ("decisions_sha256", "deals_sha256", "data_sha256")
SPAN = ("--from", "2025-06-01", "--to", "2025-11-01")
SHORT = ("--from", "2025-08-01", "--to", "2025-09-01")


@pytest.fixture(scope="module")
def market(shared_data: Path) -> Path:
    return shared_data / "btcusdt_m15_spot.parquet"


@pytest.fixture(scope="module")
def models(market: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    _door(
        "train_ml_model.py", *(f"--{model}" for model in MODELS), "--data", str(market),
        "--m1", str(minutes(market)), "--to", "2025-06-01", "--profile", "quick",
        "--models", str(folder), "--override", f"study.ledger={folder / 'trials.sqlite'}",
    )  # fmt: skip
    return folder


def minutes(market: Path) -> Path:
    return market.with_name("btcusdt_m1_spot.parquet")


def _command(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def _door(*arguments: str, zone: str = "UTC") -> None:
    done = subprocess.run(
        _command(*arguments),
        cwd=ROOT,
        env=os.environ | {"TZ": zone},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def _paper_flags(market: Path, models: Path, folder: Path, *more: str) -> list[str]:
    return [
        "trading.py", "--paper", "--market", str(market), "--m1", str(minutes(market)),
        "--speed", "max", "--quiet",
        "--models", str(models), "--state", str(folder / "state"),
        "--summary", str(folder / "paper.json"),
        "--override", f"study.ledger={folder / 'trials.sqlite'}", *more,
    ]  # fmt: skip


def _backtest(market: Path, models: Path, folder: Path, *more: str) -> dict[str, Any]:
    file = folder / "backtest.json"
    _door(
        "backtest_config.py", "--data", str(market), "--m1", str(minutes(market)),
        "--models", str(models), "--no-chart", "--summary", str(file),
        "--override", f"study.ledger={folder / 'trials.sqlite'}", *more,
    )  # fmt: skip
    return _read(file)


def _read(file: Path) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads(file.read_text())
    return summary


def _require_same(paper: dict[str, Any], backtest: dict[str, Any]) -> None:
    assert {name: paper[name] for name in HASHES} == {name: backtest[name] for name in HASHES}
    for name in ("bars", "orders", "deals", "denials", "trades", "net_profit", "final_equity"):
        assert paper[name] == backtest[name], name


@pytest.mark.timeout(3000)
def test_shipped_gate_over_five_months_gives_the_same_decisions_and_at_least_200_trades(
    market: Path, models: Path, tmp_path: Path
) -> None:
    _door(*_paper_flags(market, models, tmp_path, *SPAN))
    paper = _read(tmp_path / "paper.json")
    _require_same(paper, _backtest(market, models, tmp_path, *SPAN))
    assert paper["trades"] >= 200
    _require_features_of_the_journal_equal_the_batch(market, tmp_path / "state", paper["bars"])


def _require_features_of_the_journal_equal_the_batch(market: Path, state: Path, bars: int) -> None:
    (journal,) = state.rglob("journal.sqlite")
    rows = sqlite3.connect(journal).execute(
        "SELECT bar_open_ms, features FROM decisions ORDER BY bar_open_ms"
    )
    stored = {open_ms: np.frombuffer(blob, dtype=np.float64) for open_ms, blob in rows}
    assert len(stored) == bars
    btc = instrument("BTCUSD")
    history = read_bars(market, btc)
    batch = feature_matrix(history, round_step=btc.round_step)
    for row in np.searchsorted(history.open_ms, list(stored)):
        assert batch[row].tobytes() == stored[int(history.open_ms[row])].tobytes()


@pytest.mark.timeout(3000)
def test_fixed_gate_over_five_months_gives_the_same_decisions(
    market: Path, models: Path, tmp_path: Path
) -> None:
    fixed = (*SPAN, "--override", "prediction.gate=fixed")
    _door(*_paper_flags(market, models, tmp_path, *fixed))
    _require_same(_read(tmp_path / "paper.json"), _backtest(market, models, tmp_path, *fixed))


@pytest.mark.timeout(3000)
def test_every_model_and_rule_that_can_be_on_at_once_gives_the_same_decisions(
    market: Path, models: Path, tmp_path: Path
) -> None:
    news = market.with_name("forex_factory_high_impact.csv.gz")
    settings = {
        "dynamic_sltp.use_model": "true", "news_block_minutes": "30",
        "ml_active_management.ml_trailing_stop.enabled": "true",
        "ml_active_management.add.enabled": "true", "max_open_positions": "2",
        "adx_regime_filter.enabled": "true", "equity_curve_filter.enabled": "true",
        "max_trades_per_day": "6", "prop.profile": "ftmo_2step", "prop.initial_balance": "10000",
        "risk_percent": "0.5",
    }  # fmt: skip
    on = [word for pair in settings.items() for word in ("--override", "=".join(pair))]
    flags = (*SPAN, "--calendar", str(news), *on)
    _door(*_paper_flags(market, models, tmp_path, *flags))
    paper = _read(tmp_path / "paper.json")
    _require_same(paper, _backtest(market, models, tmp_path, *flags))
    assert paper["trades"] >= 20


@pytest.mark.timeout(1200)
def test_run_stopped_and_started_in_another_host_zone_gives_the_same_decisions(
    market: Path, models: Path, tmp_path: Path
) -> None:
    flags = _paper_flags(market, models, tmp_path, *SHORT)
    first = subprocess.Popen(
        _command(*flags), cwd=ROOT, env=os.environ | {"TZ": "America/New_York"},
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    _wait_for_decisions(tmp_path / "state", 800)
    first.send_signal(signal.SIGINT)
    assert first.wait(timeout=60) == 0
    stopped = _read(tmp_path / "paper.json")
    assert 0 < stopped["bars"] < 2976
    _door(*flags, zone="Asia/Kolkata")
    whole = _read(tmp_path / "paper.json")
    assert whole["bars"] == 2976
    _require_same(whole, _backtest(market, models, tmp_path, *SHORT))


def _wait_for_decisions(state: Path, count: int) -> None:
    for _ in range(3000):
        for journal in state.rglob("journal.sqlite"):
            with sqlite3.connect(f"file:{journal}?mode=ro", uri=True) as reading:
                tables = {name for (name,) in reading.execute("SELECT name FROM sqlite_master")}
                if "decisions" in tables:
                    (rows,) = reading.execute("SELECT count(*) FROM decisions").fetchone()
                    if rows >= count:
                        return
        time.sleep(0.1)
    raise AssertionError(f"fewer than {count} decisions after five minutes")
