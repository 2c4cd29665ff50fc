"""A desk of orders in a temporary folder; its journal is closed at the end."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from broker.contract.messages import OrderRequest
from tests.execution.venue import Orders, entry


@pytest.fixture
def orders(tmp_path: Path) -> Iterator[Callable[..., Orders]]:
    made: list[Orders] = []

    def make(*requests: OrderRequest, **options: Any) -> Orders:
        path = tmp_path / f"journal{len(made)}.sqlite"
        made.append(Orders(path, *(requests or (entry(),)), **options))
        return made[-1]

    yield make
    for each in made:
        each.journal.close()
