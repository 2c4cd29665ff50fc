"""The twenty faults of a first start: each is planted for real, found, and its fix is named."""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from backtest.go_live import override_sentence
from broker.contract.constants import AccountTradeMode
from ml.predictors.compat import Kind
from ml.predictors.settings import ModelPaths
from tests.doctor.ward import NOW_MS, Ward
from tests.patience import PATIENCE_S
from tests.tiny_models import learned_from_another
from trading.doctor import storage
from trading.journal import Journal
from trading.state_folder import StateFolder

NOBODY = 65534


def finds(ward: Ward, name: str, *words: str) -> None:
    """The check fails, and its fix names the remedy."""
    failing = ward.failing()
    assert ward.code == 1
    assert name in failing, failing
    for word in words:
        assert word in failing[name], failing[name]


def test_bridge_down(ward: Ward) -> None:
    ward.url = "http://127.0.0.1:9"
    finds(ward, "bridge", "start the bridge", "bridge.api_base_url")


def test_wrong_token(ward: Ward) -> None:
    (ward.project / ".env").write_text("NOVOSKY_BRIDGE_TOKEN=another-token-than-ours\n")
    finds(ward, "token", "NOVOSKY_BRIDGE_TOKEN", "trade token")


def test_wrong_login(ward: Ward) -> None:
    ward.override(bridge__login=1_000_001)
    assert ward.look()["login"]["status"] == "pass"
    ward.fault("switch_login", login=9_999_999, server="NOVOSKY-Paper")
    finds(ward, "login", "login 1000001", "bridge.login")


def test_wrong_server(ward: Ward) -> None:
    ward.override(bridge__server="NOVOSKY-Paper")
    assert ward.look()["server"]["status"] == "pass"
    ward.fault("switch_login", login=1_000_001, server="Another-Server")
    finds(ward, "server", "server NOVOSKY-Paper", "bridge.server")


def test_real_account_where_demo_is_meant(admit: Callable[..., Ward]) -> None:
    ward = admit(trade_mode=AccountTradeMode.REAL)
    ward.override(bridge__account_kind="demo")
    finds(ward, "account kind", "demo account", "bridge.account_kind")


def test_real_account_without_evidence(admit: Callable[..., Ward]) -> None:
    ward = admit(trade_mode=AccountTradeMode.REAL)
    finds(ward, "evidence", "scripts/evidence.py --data FILE", "docs/running.md")
    login = ward.terminal.account().login
    ward.flags += ["--override-evidence", override_sentence(login)]
    assert ward.look()["evidence"]["status"] == "note"


def test_demo_account_where_the_journal_has_pinned_a_real_one(ward: Ward) -> None:
    journal = Journal(ward.state / "journal.sqlite")
    journal.set_meta(account="1000001 on NOVOSKY-Paper", account_trade_mode="2")
    journal.close()
    finds(ward, "account kind", "real account", "--accept-account")


def test_algo_trading_off(ward: Ward) -> None:
    ward.fault("algo_off")
    finds(ward, "algo trading", "switch Algo Trading on")


def test_symbol_missing(admit: Callable[..., Ward]) -> None:
    finds(admit(symbol="XAGEUR"), "symbol", "nothing like BTCUSD", "Market Watch")


@pytest.mark.parametrize("theirs", ["BTCUSD!", "BTCUSD.r", "mBTCUSD", "#BTCUSD"])
def test_symbol_with_a_suffix(admit: Callable[..., Ward], theirs: str) -> None:
    ward = admit(symbol=theirs)
    finds(ward, "symbol", "bridge.symbol_map", f'{{"BTCUSD": "{theirs}"}}')
    ward.override(bridge__symbol_map={"BTCUSD": theirs})
    assert ward.failing() == {}


def test_close_only_symbol(ward: Ward) -> None:
    ward.fault("trade_mode", mode=3)
    finds(ward, "trade mode", "ask when it is full again")


def test_filling_mode(ward: Ward) -> None:
    ward.fault("spec_change", filling_mode=0)
    finds(ward, "filling", "FOK or IOC")


def test_stops_level_above_the_stop(ward: Ward) -> None:
    ward.fault("spec_change", trade_stops_level=100_000)
    finds(ward, "stops level", "dynamic_sltp.sl_atr_multiplier", "tp_atr_multiplier")


def test_smallest_lot_above_the_risk(ward: Ward) -> None:
    ward.fault("volume_min", lots=1.0)
    finds(ward, "smallest lot", "deposit", "cent account")


def test_equity_below_what_the_smallest_lot_needs(admit: Callable[..., Ward]) -> None:
    finds(admit(balance=20.0), "smallest lot", "deposit", "risk_percent")


def test_stale_tick(ward: Ward) -> None:
    ward.look()
    ward.fault("freeze_ticks")
    ward.terminal.advance(NOW_MS + 7 * 60_000)
    finds(ward, "quote age", "quotes stand still", "Market Watch")


@pytest.mark.parametrize("ms", [-3_600_000, 2_000], ids=["behind", "ahead"])
def test_clock_skew(ward: Ward, ms: int) -> None:
    ward.fault("clock_skew", ms=ms)
    finds(ward, "clock", "NTP")


@pytest.mark.parametrize("s", [3_600, -7_200], ids=["ahead", "behind"])
def test_wrong_offset_rule(ward: Ward, s: int) -> None:
    ward.fault("wrong_offset", s=s)
    finds(ward, "server time", "time zone rule", "server_timezone")
    assert "quote age" not in ward.failing()


def test_disk_full(ward: Ward) -> None:
    """No file may grow beyond 100 kB here: a write fails as on a full disk."""
    with limited_files(100_000):
        finds(ward, "disk", "free disk space")


def test_disk_nearly_full(tmp_path: Path) -> None:
    found = storage.disk(tmp_path, lambda folder: storage.LEAST_FREE_BYTES - 1)
    assert (found.status, "free disk space" in found.fix) == ("fail", True)
    assert storage.disk(tmp_path, lambda folder: 10**12).status == "pass"


def test_state_folder_read_only() -> None:
    with read_only_folder() as folder:
        found = storage.disk(folder)
    assert found.status == "fail"
    assert "writable" in found.fix
    assert "chown" in found.fix


def test_journal_read_only() -> None:
    with read_only_folder() as folder:
        found = storage.journal(folder, lambda process: "")
    assert found.status == "fail"
    assert "chown" in found.fix


def test_journal_locked_by_another_process(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_LOCK_WAIT_S", 0.1)
    Journal(ward.state / "journal.sqlite").close()
    script = (
        "import sqlite3, sys\n"
        f"db = sqlite3.connect({str(ward.state / 'journal.sqlite')!r}, isolation_level=None)\n"
        "db.execute('BEGIN EXCLUSIVE')\n"
    )
    with another_process(script):
        finds(ward, "journal", "end the program that has it open")
    assert ward.look()["journal"]["status"] == "pass"


def test_state_folder_held_by_a_process_that_is_no_daemon(ward: Ward) -> None:
    script = (
        "import fcntl, os, pathlib\n"
        f"folder = pathlib.Path({str(ward.state)!r})\n"
        "folder.mkdir(parents=True)\n"
        "lock = (folder / 'daemon.lock').open('a+')\n"
        "fcntl.flock(lock, fcntl.LOCK_EX)\n"
        "lock.write(f'{os.getpid()}\\n')\n"
        "lock.flush()\n"
    )
    with another_process(script) as process:
        finds(ward, "journal", f"end process {process}", "--account")


def test_running_daemon_is_no_fault(tmp_path: Path) -> None:
    Journal(tmp_path / "journal.sqlite").close()
    with StateFolder(tmp_path):
        found = storage.journal(tmp_path, lambda process: "python trading.py --account main")
    assert found.status == "pass"
    assert f"process {os.getpid()}" in found.shown


def test_journal_damaged(ward: Ward) -> None:
    ward.state.mkdir(parents=True)
    (ward.state / "journal.sqlite").write_bytes(b"no database at all" * 1000)
    finds(ward, "journal", "backup")


def test_model_missing(ward: Ward) -> None:
    (ward.models / "ensemble_btcusd-live.onnx").unlink()
    finds(ward, "signal model", "train_ml_model.py --ensemble", "--pull")


def test_no_models_at_all(ward: Ward) -> None:
    shutil.rmtree(ward.models)
    finds(ward, "signal model", "train_ml_model.py --ensemble", "--pull")


@pytest.mark.parametrize("kind", ["position", "sltp", "risk"])
def test_model_beside_the_signal_missing(ward: Ward, kind: str) -> None:
    (ward.models / f"{kind}_btcusd-live.onnx").unlink()
    finds(ward, f"{kind} model", f"train_ml_model.py --{kind}")
    assert ward.look()["signal model"]["status"] == "pass"


@pytest.mark.parametrize("kind", ["position", "risk"])
def test_model_in_use_that_learned_from_another_signal_model(ward: Ward, kind: Kind) -> None:
    learned_from_another(ModelPaths().for_symbol("BTCUSD").in_folder(ward.models), kind)
    finds(ward, f"{kind} model", f"train_ml_model.py --{kind}")


def test_model_of_another_signal_that_is_switched_off_is_a_note(ward: Ward) -> None:
    learned_from_another(ModelPaths().for_symbol("BTCUSD").in_folder(ward.models), "sltp")
    assert ward.look()["sltp model"]["status"] == "note"
    ward.override(dynamic_sltp__use_model=True)
    finds(ward, "sltp model", "train_ml_model.py --sltp")


def test_model_hash_wrong(ward: Ward) -> None:
    graph = ward.models / "ensemble_btcusd-live.onnx"
    content = bytearray(graph.read_bytes())
    content[-1] ^= 1
    graph.write_bytes(content)
    finds(ward, "signal model", "train_ml_model.py --ensemble", "--pull")


def test_feature_list_changed(ward: Ward) -> None:
    ward.override(features__groups=["base"])
    finds(ward, "signal model", "train_ml_model.py --ensemble")


def test_feature_that_sees_the_future(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    from trading.doctor import models

    honest = models.feature_matrix

    def leaky(bars, **how):  # type: ignore[no-untyped-def]
        matrix = honest(bars, **how)
        matrix[:, 0] = bars.close[-1]
        return matrix

    monkeypatch.setattr(models, "feature_matrix", leaky)
    finds(ward, "truncation", "nothing may be traded")


@contextmanager
def limited_files(most_bytes: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def read_only_folder() -> Iterator[Path]:
    """A folder with a journal that this process may not write; root becomes nobody meanwhile."""
    folder = Path(tempfile.mkdtemp())
    try:
        Journal(folder / "journal.sqlite").close()
        (folder / "journal.sqlite").chmod(0o444)
        folder.chmod(0o555)
        am_root = os.geteuid() == 0
        if am_root:
            os.seteuid(NOBODY)
        try:
            yield folder
        finally:
            if am_root:
                os.seteuid(0)
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


@contextmanager
def another_process(script: str) -> Iterator[int]:
    """A second Python that runs the script and then waits for the end of the block."""
    script += "print('ready', flush=True)\ninput()\n"
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        yield process.pid
    finally:
        process.communicate("over\n", timeout=PATIENCE_S)
