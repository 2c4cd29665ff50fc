"""A desk per test, closed after it; a market file and a small model for the doors."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from market.bars import Bars
from market.instruments import instrument
from market.sources.generated import generated_bars
from ml.predictors.settings import ModelPaths
from ml.training.signal import train_signal
from tests.builders import MONDAY_MS, write_market
from tests.trading.doubles import Desk
from tests.training.tables import make_task

DAY_MS = 86_400_000


@pytest.fixture(params=["native", "mt5-httpapi"])
def desk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Desk]]:
    """Makes desks in one folder: a second one goes on where the first one stopped.

    The native one works in process, the other dialect's over real HTTP.
    """
    made: list[Desk] = []

    def make(**fields: Any) -> Desk:
        for each in made:
            each.close()
        made.append(Desk(tmp_path, dialect=request.param, **fields))
        return made[-1]

    yield make
    made[-1].close()


@pytest.fixture(scope="session")
def market() -> Bars:
    """215 days of the generated market: the warm-up of the shipped gate, and a little more."""
    to_ms = MONDAY_MS + 215 * DAY_MS
    return generated_bars(instrument("BTCUSD"), seed=7, from_ms=MONDAY_MS, to_ms=to_ms)


@pytest.fixture(scope="session")
def bars_file(market: Bars, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_market(tmp_path_factory.mktemp("market") / "bars.parquet", market)


@pytest.fixture(scope="session")
def small_model(market: Bars, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model that was trained in a few seconds."""
    folder = tmp_path_factory.mktemp("models")
    train_signal(make_task(market), ModelPaths().in_folder(folder))
    return folder
