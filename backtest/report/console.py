"""Prints a run in a terminal; the page has the rest."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from backtest.report.denial_ledger import WARNING
from backtest.report.rows import (
    LEDGER_HEAD,
    MONTH_HEAD,
    PROOF_HEAD,
    cost_rows,
    figures,
    ledger_rows,
    month_row,
    proof_rows,
    settings_counts,
)

if TYPE_CHECKING:
    from backtest.report.analysis import Analysis


# Columns of the denials ledger that fit into a terminal: all but counts and win rates.
_SHOWN = (0, 1, 3, 5, 6, 7)


def table(console: Console, of: "Analysis") -> None:
    """Figures, proof, costs, months and denials, then warnings and alarms."""
    summary = of.summary
    console.print(_table(of.title, ("", ""), figures(summary)))
    console.print(_table("What it proves", PROOF_HEAD, proof_rows(summary["proof"])))
    console.print(_table(f"Costs, {of.currency}", ("", ""), cost_rows(of.costs)))
    console.print(_table("Months (UTC)", MONTH_HEAD, map(month_row, of.months)))
    ledger = [[row[place] for place in _SHOWN] for row in (LEDGER_HEAD, *ledger_rows(of.denials))]
    console.print(
        _table(f"Denied: what each rule saved or cost, {of.currency}", ledger[0], ledger[1:])
    )
    console.print(WARNING, style="dim", highlight=False)
    console.print(f"settings: {settings_counts(of.settings)}", highlight=False)
    for line in (*summary.get("warnings", ()), *summary["alarms"]):
        console.print(f"! {line}", style="bold red", markup=False, highlight=False)


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    made = Table(title=title, title_justify="left", show_header=any(head))
    for place, name in enumerate(head):
        made.add_column(name, justify="right" if place else "left")
    for row in rows:
        made.add_row(*row)
    return made
