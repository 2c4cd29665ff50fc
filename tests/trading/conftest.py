"""A desk per test, closed after it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.trading.doubles import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    """Makes desks in one folder: a second one goes on where the first one stopped."""
    made: list[Desk] = []

    def make(**fields: Any) -> Desk:
        for each in made:
            each.close()
        made.append(Desk(tmp_path, **fields))
        return made[-1]

    yield make
    made[-1].close()
