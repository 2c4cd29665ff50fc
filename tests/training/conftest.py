"""One trained model, shared by the tests of this folder."""

from pathlib import Path

import pytest

from market.bars import Bars
from market.instruments import INSTRUMENTS
from market.sources.generated import generated_bars
from ml.predictors.settings import ModelPaths
from ml.training.signal import train_signal
from tests.builders import MONDAY_MS
from tests.training.tables import DAY_MS, Trained, make_task


@pytest.fixture(scope="session")
def market() -> Bars:
    """Seven months of generated bars."""
    to_ms = MONDAY_MS + 210 * DAY_MS
    return generated_bars(INSTRUMENTS["BTCUSD"], seed=7, from_ms=MONDAY_MS, to_ms=to_ms)


@pytest.fixture(scope="session")
def trained(market: Bars, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder: Path = tmp_path_factory.mktemp("models")
    task = make_task(market)
    paths = ModelPaths().in_folder(folder)
    return Trained(task, paths, train_signal(task, paths))
