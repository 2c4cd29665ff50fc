"""Long lists in pages: `limit` items after the `cursor`, which is the last item seen.

A cursor is `<time_msc>:<ticket>`, ascending. A page shorter than its limit is the last one.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

from broker.contract.wire import WireError

LONGEST_PAGE = 1000


class Ticketed(Protocol):
    @property
    def ticket(self) -> int: ...


Item = TypeVar("Item", bound=Ticketed)


def page_of(
    items: tuple[Item, ...], time_msc: Callable[[Item], int], limit: int | None, cursor: str
) -> tuple[Item, ...]:
    """Items after the cursor, at most `limit`; `items` are in (time, ticket) order."""
    after = _after(cursor) if cursor else (-1, -1)
    rest = tuple(each for each in items if (time_msc(each), each.ticket) > after)
    return rest if limit is None else rest[:limit]


def _after(cursor: str) -> tuple[int, int]:
    time_msc, _, ticket = cursor.partition(":")
    try:
        return int(time_msc), int(ticket)
    except ValueError:
        raise WireError(
            f"cursor: <time_msc>:<ticket> of the last item seen is allowed, {cursor!r} came"
        ) from None
