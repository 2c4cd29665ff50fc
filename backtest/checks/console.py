"""How a check ends: a table or JSON, and an exit status."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from trading.command_line import exit_status

FOUND_NOTHING, FOUND_SOMETHING = 0, 1


def show_table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints one table; nothing where there are no rows."""
    from rich.console import Console
    from rich.table import Table

    made = Table(title=title, title_justify="left")
    for name in head:
        made.add_column(name, overflow="fold")
    for row in rows:
        made.add_row(*row)
    if made.row_count:
        Console().print(made, markup=False)


def show_json(found: Mapping[str, Any]) -> None:
    print(json.dumps(found, indent=2, allow_nan=False))


def checked(run: Callable[[], bool]) -> int:
    """0 where `run` says that all is well, 1 where it found something, 2 where it could not run."""
    return exit_status(
        lambda: FOUND_NOTHING if run() else FOUND_SOMETHING,
        stopped="stopped", mendable=lambda: (ValueError,),
    )  # fmt: skip
