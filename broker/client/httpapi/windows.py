"""Ranges of server seconds in pieces, for a bridge without pages.

Pieces end on Thursdays at 00:00, as whole weeks since 1970 do: clocks change on Sundays, so the
hour that autumn repeats never lies across two of them.
"""

from collections.abc import Iterator

WEEK_S = 7 * 86_400
RATES_PER_REQUEST = 50_000  # half of what a terminal gives at most


def windows(first_s: int, last_s: int, longest_s: int) -> Iterator[tuple[int, int]]:
    """[first, last] as consecutive pieces, both ends included, of whole weeks ≤ `longest_s` where
    that is a week or more."""
    width_s = max(1, longest_s // WEEK_S) * WEEK_S
    while first_s <= last_s:
        end_s = min(last_s, (first_s // width_s + 1) * width_s - 1)
        yield first_s, end_s
        first_s = end_s + 1
