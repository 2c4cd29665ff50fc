"""A daemon that runs is swapped by the pipeline, and back, without a restart."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from market.instruments import instrument
from market.sources.generated import generated_bars
from ml.predictors.compat import read_manifest
from retrain.install import serving_graphs
from retrain.phase import Run
from retrain.swapping import roll_back, swap
from scripts.retrain import main
from tests.broker.paper_bridge import served_in_real_time
from tests.builders import MONDAY_MS
from tests.patience import PATIENCE_S
from tests.retrain.projects import DAY_MS, ROOT, make_run
from tests.retrain.short_runs import SMALL, write_short_bars
from tests.retrain.weekly_runs import own_files, run_folder
from trading.journal_reads import JournalReads
from trading.outbox import open_read_only

DAYS = 12
# Just before a close: one bar is decided, and there are fifteen minutes until the next.
BEFORE_THE_CLOSE_MS = 2_000


@pytest.fixture
def url() -> Iterator[str]:
    """A bridge over a demo account whose market follows the wall clock from the first question."""
    to_ms = MONDAY_MS + DAYS * DAY_MS
    market = generated_bars(instrument("BTCUSD"), seed=7, from_ms=MONDAY_MS, to_ms=to_ms)
    start_ms = int(market.close_ms[-50]) - BEFORE_THE_CLOSE_MS
    with served_in_real_time(market, start_ms=start_ms) as address:
        yield address


@pytest.fixture
def live(project: Path, url: str) -> Path:
    """The project as its own folder: daemon and pipeline find its models by its settings."""
    edit(project / "config.json", bridge={"api_base_url": url}, daemon={"beat_s": 0.5})
    models, told = project / "models", json.loads((project / "ml_config.json").read_text())
    paths = {
        key: {name: str(models / Path(file).name) for name, file in told[key].items()}
        for key in told if key.endswith("_paths")
    }  # fmt: skip
    edit(
        project / "ml_config.json", model_compat=str(models / "model_compat.json"), **paths,
        prediction={"quantile": {"lookback_days": 2}},
    )  # fmt: skip
    return project


def edit(file: Path, **changes: Any) -> None:
    told = json.loads(file.read_text())
    for key, value in changes.items():
        told[key] = told[key] | value if isinstance(value, dict) else value
    file.write_text(json.dumps(told))


@contextmanager
def running(project: Path) -> Iterator[subprocess.Popen[str]]:
    """`python trading.py` in the project, from its first decided bar on; it must end by itself."""
    daemon = subprocess.Popen(
        [sys.executable, str(ROOT / "trading.py")], cwd=project, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert daemon.stdout is not None
    said = []
    try:
        assert any(said.append(line) or "margin" in line for line in daemon.stdout), "".join(said)
        yield daemon
    finally:
        daemon.send_signal(signal.SIGINT)
        rest, _ = daemon.communicate(timeout=PATIENCE_S)
    assert daemon.returncode == 0, rest


def journalled(project: Path) -> list[tuple[str, dict[str, str]]]:
    """Which graphs served from when on, as the daemon has kept it."""
    file = project / "state" / "live-default" / "journal.sqlite"
    with closing(JournalReads(open_read_only(file))) as journal:
        return [
            (kind, words["graphs"])
            for kind, _, words in journal.events()
            if kind in ("models_served", "models_swapped")
        ]


def installed_here(run: Run) -> Run:
    """The run without `--models`: it may ask daemons."""
    return replace(run, options=replace(run.options, models=None))


def test_running_daemon_serves_what_the_pipeline_swaps_in_and_what_it_gives_back(
    live: Path,
) -> None:
    run = installed_here(make_run(live))
    old, new = (serving_graphs(each, "BTCUSD") for each in (run.paths, run.candidate_paths))
    assert old != new
    with running(live) as daemon:
        assert journalled(live) == [("models_served", old)]
        words = swap(run).words
        assert words[-1] == "live-default: serves v20261120 from its next bar on"
        assert journalled(live)[1:] == [("models_swapped", new)]
        words = tuple(roll_back(run))
        assert "live-default: serves what served before v20261120 from its next bar on" in words
        assert journalled(live)[2:] == [("models_swapped", old)]
        assert daemon.poll() is None


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_running_daemon_serves_what_was_just_trained_and_what_served_before(
    live: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole short form beside it, with gates that the generated market may not pass opened."""
    monkeypatch.chdir(live)
    opened = ("gate.walk_forward.min_profit_factor=0", "gate.walk_forward.worst_fold_r=-1000")
    words = [each for one in (*SMALL, *opened, *own_files(live)) for each in ("--override", one)]
    data = write_short_bars(live / "bars.parquet")
    with running(live) as daemon:
        assert main(["--profile", "quick", "--data", str(data), *words], root=live) == 0
        run = run_folder(live).name
        assert f"live-default: serves v{run} from its next bar on" in capsys.readouterr().out
        (_, old), (kind, new) = journalled(live)
        assert kind == "models_swapped"
        told = read_manifest(live / "models" / "model_compat.json").models.values()
        assert new == {each.kind: each.graph.sha256 for each in told} != old
        assert main(["--rollback", run, *words], root=live) == 0
        assert journalled(live)[2:] == [("models_swapped", old)]
        assert daemon.poll() is None
