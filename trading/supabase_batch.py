"""Many writes as few requests, with the same end: each table's writes keep their order. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from trading.supabase_rows import Clear, Insert, Write


@dataclass(frozen=True, slots=True)
class Numbered:
    """A write, and the outbox row that it comes from."""

    row_id: int
    write: Write


# One request: inserts of one shape into one table, or a single other write.
Request = tuple[Numbered, ...]


def requests_of(writes: Iterable[Numbered]) -> tuple[Request, ...]:
    """Tables come in the order of their first write. What a later write makes void is left out."""
    tables: dict[str, list[Numbered]] = {}
    for each in writes:
        tables.setdefault(each.write.table, []).append(each)
    return tuple(
        request
        for of_table in tables.values()
        for shape, run in groupby(_from_last_whole_picture(of_table), key=_shape)
        for request in _of_run(shape, tuple(run))
    )


def _from_last_whole_picture(writes: list[Numbered]) -> list[Numbered]:
    """A journal has one account and symbol, so a whole picture makes void all that came before."""
    pictures = [
        place for place, each in enumerate(writes)
        if isinstance(each.write, Clear) and each.write.keep is not None
    ]  # fmt: skip
    return writes[pictures[-1] :] if pictures else writes


def _shape(each: Numbered) -> tuple[str, ...]:
    """What inserts must share to go out together; empty for other writes. Of a column that only
    some rows name, the others would lose their value."""
    write = each.write
    if not isinstance(write, Insert):
        return ()
    return ("merge" if write.merge else "keep", *sorted(write.row))


def _of_run(shape: tuple[str, ...], run: Request) -> Iterator[Request]:
    if shape[:1] == ("merge",):
        yield _newest(run)
    elif shape:
        yield run
    else:
        yield from ((each,) for each in run)


def _newest(run: Request) -> Request:
    """One row for each key: a request may not touch a row twice."""
    newest: dict[tuple[object, ...], Numbered] = {}
    for each in run:
        assert isinstance(each.write, Insert)
        newest[tuple(each.write.row[name] for name in each.write.unique)] = each
    return tuple(newest.values())
