"""Thirty simulated days with everything on: the daemon's memory stays flat."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.operations.conftest import ROOT
from tests.telegram.bot_api import CHAT, TOKEN, BotApi
from tests.tiny_models import write_models
from tests.trading.paper_runs import write_calendar
from trading.heartbeat import Beat
from trading.paper import GENERATED_FROM_MS

DAY_MS = 86_400_000
DAYS = 30
ON = (
    "prediction.quantile.lookback_days=2", "prediction.quantile.top_share=0.3",
    "dynamic_sltp.use_model=true", "news_block_minutes=15", "adx_regime_filter.enabled=true",
    "session_filter.enabled=true", "rollover_filter.enabled=true",
    "equity_curve_filter.enabled=true", "circuit_breaker.enabled=false", "risk_percent=0.2",
    "ml_active_management.kelly_lot_sizing.enabled=true",
    "ml_active_management.ml_trailing_stop.enabled=true",
    "telegram.enabled=true", "telegram.paper=true",
)  # fmt: skip


@pytest.fixture
def api() -> Iterator[BotApi]:
    with BotApi() as served:
        yield served


def resident_kib(pid: int) -> int:
    """What Linux says a process holds in memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


@pytest.mark.soak
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory_after_day_30_is_that_after_day_3(tmp_path: Path, api: BotApi) -> None:
    write_models(tmp_path / "models")
    to_ms = GENERATED_FROM_MS + (DAYS + 1) * DAY_MS
    calendar = write_calendar(tmp_path / "calendar.csv", GENERATED_FROM_MS, to_ms)
    command = [
        sys.executable, str(ROOT / "trading.py"), "--paper", "--speed", "max", "--quiet",
        "--bars", str(DAYS * 96), "--models", str(tmp_path / "models"),
        "--calendar", str(calendar), "--state", str(tmp_path / "state"),
    ]  # fmt: skip
    for each in (*ON, f"telegram.base_url={api.base_url}"):
        command += ["--override", each]
    secrets = {"NOVOSKY_TELEGRAM_TOKEN": TOKEN, "NOVOSKY_TELEGRAM_CHAT": str(CHAT)}
    with (tmp_path / "said.txt").open("w") as said:
        daemon = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | secrets, stdout=said, stderr=said
        )
        held = _watched(daemon, tmp_path / "state")
    assert daemon.returncode == 0, (tmp_path / "said.txt").read_text()[-2000:]
    after_3, after_30 = held[3], held[DAYS - 1]
    print(json.dumps({day: round(kib / 1024, 1) for day, kib in sorted(held.items())}))
    assert abs(after_30 - after_3) <= 0.05 * after_3, held
    assert api.messages


def _watched(daemon: subprocess.Popen[bytes], state: Path) -> dict[int, int]:
    """Simulated day → memory at its end, KiB, while the daemon runs."""
    held: dict[int, int] = {}
    while daemon.poll() is None:
        for path in state.glob("paper-*/heartbeat.json"):
            beat = Beat.read(path.parent)
            if beat is not None and beat.broker_ms and beat.phase == "running":
                held[(beat.broker_ms - GENERATED_FROM_MS) // DAY_MS] = resident_kib(daemon.pid)
        time.sleep(0.2)
    return held
