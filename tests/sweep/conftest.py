"""A base on the generated market with the tiny models, made once."""

import argparse
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from backtest.decided_run import settings_of
from backtest.sweep.base import SweepBase
from backtest.sweep.command import add_sweep_options, read_base
from tests.tiny_models import write_models

ROOT = Path(__file__).resolve().parents[2]
# More trades than settings of these days would make, so that their scores are comparable.
SWITCHES = (
    "prediction.quantile.lookback_days=2", "prediction.quantile.top_share=0.5",
    "position_optimization.min_bars_held=1", "max_daily_loss_pct=0", "max_weekly_drawdown_pct=0",
    "circuit_breaker.enabled=false", "risk_percent=0.5",
)  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A folder with settings and models, and the flags that name its market."""

    folder: Path
    flags: tuple[str, ...]


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("sweep")
    for name in ("config.json", "ml_config.json"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "config", folder / "config")
    models = write_models(folder / "models").graph.parent
    overrides = [word for each in SWITCHES for word in ("--override", each)]
    span = ("--from", "2025-05-05", "--to", "2025-06-14")
    return Place(folder, (*span, "--models", str(models), *overrides))


@pytest.fixture(scope="session")
def base(place: Place) -> SweepBase:
    parser = argparse.ArgumentParser()
    add_sweep_options(parser)
    given = parser.parse_args(list(place.flags))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place.folder)
        return read_base(given, settings_of(given), [{"prediction.quantile.lookback_days": 4}])
