"""`python trading.py` against a bridge that runs in real time, until Ctrl-C."""

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.contract.constants import AccountTradeMode
from market.bars import Bars
from market.sources.calendar_archive import read_archive
from tests.broker.paper_bridge import served_in_real_time
from tests.news.server import feed_server
from tests.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
BEFORE_THE_CLOSE_MS = 2_000


@pytest.fixture
def url(market: Bars, request: pytest.FixtureRequest) -> Iterator[str]:
    """A bridge over a terminal that follows the wall clock from the first question on; the account
    is a demo account, or of the trade mode that a test names.

    It is then two seconds before a bar's close; a slow machine sees the bar late and decides it.
    """
    start_ms = int(market.close_ms[-50]) - BEFORE_THE_CLOSE_MS
    mode = getattr(request, "param", AccountTradeMode.DEMO)
    with served_in_real_time(market, start_ms=start_ms, trade_mode=mode) as address:
        yield address


@pytest.fixture
def news_url() -> Iterator[str]:
    with feed_server() as feed:
        yield feed.url


def test_live_daemon_decides_the_bar_that_closes_and_stops_cleanly(
    url: str, news_url: str, small_model: Path, tmp_path: Path
) -> None:
    command = [
        sys.executable, str(ROOT / "trading.py"), "--models", str(small_model), "--dry",
        "--override", f"bridge.api_base_url={url}", "--state", str(tmp_path / "state"),
        "--override", "news.enabled=true", "--override", f"news.url={news_url}",
    ]  # fmt: skip
    daemon = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert daemon.stdout is not None
    said = []
    first_bar = next(line for line in daemon.stdout if said.append(line) or "margin" in line)
    daemon.send_signal(signal.SIGINT)
    rest, errors = daemon.communicate(timeout=PATIENCE_S)
    assert (daemon.returncode, errors) == (0, "")
    assert f"news: {news_url} every 60 min, not read yet; " in " ".join(said)
    assert "demo account: trades without proof" in " ".join(said)
    assert "equity 10000.00" in first_bar
    assert "the next start goes on from here" in rest
    journal = sqlite3.connect(tmp_path / "state" / "live-default-dry" / "journal.sqlite")
    kinds = [kind for (kind,) in journal.execute("SELECT kind FROM events")]
    decided = journal.execute("SELECT count(*) FROM decisions").fetchone()
    journal.close()
    assert decided == (1,)
    assert "bar_missed" not in kinds
    assert "news_taken" in kinds
    assert len(read_archive(tmp_path / "state" / "live-default-dry" / "news.sqlite").refreshes) == 1


@pytest.mark.parametrize("url", [AccountTradeMode.REAL], ids=["real"], indirect=True)
def test_live_daemon_on_a_real_account_without_evidence_halts_entries(
    url: str, small_model: Path, tmp_path: Path
) -> None:
    command = [
        sys.executable, str(ROOT / "trading.py"), "--models", str(small_model),
        "--override", f"bridge.api_base_url={url}", "--state", str(tmp_path / "state"),
    ]  # fmt: skip
    daemon = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert daemon.stdout is not None
    said = []
    next(line for line in daemon.stdout if said.append(line) or "margin" in line)
    daemon.send_signal(signal.SIGINT)
    daemon.communicate(timeout=PATIENCE_S)
    assert daemon.returncode == 0
    assert "this real-money account does not trade without evidence" in " ".join(said)
    journal = sqlite3.connect(tmp_path / "state" / "live-default" / "journal.sqlite")
    (line,) = journal.execute("SELECT line FROM decisions").fetchone()
    journal.close()
    assert "no evidence for real money: there is no evidence file" in line
