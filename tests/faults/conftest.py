"""A fresh venue per test."""

from collections.abc import Iterator

import pytest

from tests.faults.venues import HttpVenue, Venue, in_process, over_http


@pytest.fixture
def venue() -> Iterator[HttpVenue]:
    with over_http() as there:
        yield there


@pytest.fixture
def native() -> Venue:
    return in_process()
