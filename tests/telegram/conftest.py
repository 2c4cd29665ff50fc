"""A stand-in Bot API and desks with a Telegram thread beside the loop."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.telegram.bot_api import BotApi
from tests.telegram.stand import Stand


@pytest.fixture
def api() -> Iterator[BotApi]:
    with BotApi() as served:
        yield served


@pytest.fixture
def stand(tmp_path: Path, api: BotApi) -> Iterator[Callable[..., Stand]]:
    """Makes stands in one folder: a second one goes on where the first one stopped."""
    made: list[Stand] = []

    def make(**fields: Any) -> Stand:
        for each in made:
            each.close()
        made.append(Stand(tmp_path, api=api, **fields))
        return made[-1]

    yield make
    for each in made[-1:]:
        each.close()
