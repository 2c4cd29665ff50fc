"""The same sweep on a Dask cluster: one of two workers is killed half-way, and nothing is lost."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from distributed import Client, LocalCluster

from backtest.gate_settings import GoLiveSettings
from backtest.sweep.base import SweepBase
from backtest.sweep.errors import SweepError
from backtest.sweep.grid import expand
from backtest.sweep.search import Progress, SweepTable, run_sweep
from backtest.sweep.store import SweepStore
from backtest.sweep.table import as_dict
from ml.training.trials import TrialLedger

SHORT = {
    "position_optimization.exit_threshold": [0.6, 0.85],
    "position_optimization.min_bars_held": [1, 4],
    "prediction.quantile.top_share": [0.2, 0.3, 0.5],
}
LONG = {
    "position_optimization.exit_threshold": [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85],
    "position_optimization.min_bars_held": [1, 2, 3, 4, 8],
    "prediction.quantile.top_share": [0.2, 0.3, 0.4, 0.5, 0.6],
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """Two worker processes of one thread; a nanny starts another worker where one has died."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0",
        host="127.0.0.1", silence_logs=50,
    ) as made:  # fmt: skip
        yield made


class Killer:
    """Kills one worker when half of the trials are done."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.killed = 0

    def __call__(self, so_far: Progress) -> None:
        if self.killed or so_far.done < so_far.total // 2:
            return
        with Client(self._address, set_as_default=False) as client:
            self.killed = next(iter(client.run(os.getpid).values()))
        os.kill(self.killed, signal.SIGKILL)


def swept(base: SweepBase, grid: dict[str, Any], folder: Path, **how: Any) -> SweepTable:
    folder.mkdir()
    ledger, store = TrialLedger(folder / "l.sqlite"), SweepStore(folder / "s.sqlite")
    return run_sweep(base, expand([grid]), ledger=ledger, store=store, **how)


def require_same_table(
    base: SweepBase, cluster: LocalCluster, grid: dict[str, Any], folder: Path, workers: int
) -> None:
    here = swept(base, grid, folder / "here", workers=workers)
    killer = Killer(cluster.scheduler_address)
    there = swept(base, grid, folder / "there", dask=cluster.scheduler_address, progress=killer)
    assert killer.killed
    limits = GoLiveSettings()
    assert as_dict(there, limits) == as_dict(here, limits)
    for one, other in zip(here.rows, there.rows, strict=True):
        assert one.result.daily.tobytes() == other.result.daily.tobytes()
    count = TrialLedger(folder / "there" / "l.sqlite").count("sweep")
    assert count == TrialLedger(folder / "here" / "l.sqlite").count("sweep")


def test_cluster_that_loses_a_worker_half_way_makes_the_same_table(
    base: SweepBase, cluster: LocalCluster, tmp_path: Path
) -> None:
    require_same_table(base, cluster, SHORT, tmp_path, workers=1)


@pytest.mark.soak
def test_200_settings_on_a_cluster_that_loses_a_worker_make_the_same_table(
    base: SweepBase, cluster: LocalCluster, tmp_path: Path
) -> None:
    require_same_table(base, cluster, LONG, tmp_path, workers=2)


def test_scheduler_that_is_away_is_one_message(
    base: SweepBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backtest.sweep.cluster._CONNECT_S", 0.5)
    with pytest.raises(SweepError, match="a Dask scheduler must answer there"):
        swept(base, SHORT, tmp_path / "x", dask="tcp://127.0.0.1:9")


def test_address_that_is_none_is_one_message(base: SweepBase, tmp_path: Path) -> None:
    with pytest.raises(SweepError, match="tcp://HOST:PORT is allowed, localhost came"):
        swept(base, SHORT, tmp_path / "x", dask="localhost")


def test_scheduler_without_workers_is_one_message(
    base: SweepBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backtest.sweep.cluster._CONNECT_S", 0.5)
    with (
        LocalCluster(n_workers=0, dashboard_address=":0", host="127.0.0.1") as idle,
        pytest.raises(SweepError, match="a worker is needed, none came"),
    ):
        swept(base, SHORT, tmp_path / "x", dask=idle.scheduler_address)


def test_cluster_that_cannot_import_the_program_is_named_before_it_is_given_work(
    base: SweepBase, cluster: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backtest.sweep.cluster._PROGRAM", "not_installed_there")
    with pytest.raises(SweepError, match=r"it is not in scheduler, tcp://.*python -m dask worker"):
        swept(base, SHORT, tmp_path / "x", dask=cluster.scheduler_address)
