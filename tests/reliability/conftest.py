"""Fields: a venue where things go wrong, and the daemon before it, over HTTP."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from market.store import BarStore
from tests.chaos.field import Field
from tests.chaos.stand import generated_market, plan_of
from trading.paper import PaperPlan

MakeField = Callable[..., Field]


@pytest.fixture(scope="session")
def plan(tmp_path_factory: pytest.TempPathFactory) -> PaperPlan:
    """Four days of the generated market after its warm-up."""
    path = tmp_path_factory.mktemp("market") / "bars.parquet"
    return plan_of(generated_market(path, days=4, seed=7), bars=30)


@pytest.fixture(scope="session")
def store(plan: PaperPlan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bar store that holds the history, so that a start costs little."""
    path = tmp_path_factory.mktemp("store") / "bars.sqlite"
    bars = BarStore(path)
    first_ms, from_ms = int(plan.bars.open_ms[0]), plan.limits.from_ms
    bars.merge(plan.bars.between(first_ms, from_ms), observed_ms=from_ms)
    bars.close()
    return path


@pytest.fixture
def field(tmp_path: Path, plan: PaperPlan, store: Path) -> Iterator[MakeField]:
    """Makes fields, each in a folder of its own, and closes them."""
    made: list[Field] = []

    def make(**given: Any) -> Field:
        made.append(Field(tmp_path / str(len(made)), plan, **({"store": store} | given)))
        return made[-1]

    yield make
    for each in made:
        each.close()
