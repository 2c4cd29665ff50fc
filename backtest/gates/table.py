"""A gate's answer as a table: needed, seen, met, and what would prove it."""

from rich.table import Table

from backtest.gates.records import GateResult

HEAD = ("criterion", "needed", "seen", "met", "what would prove it")


def gate_rows(result: GateResult) -> list[tuple[str, ...]]:
    """One row of text for each criterion, in the order of `HEAD`."""
    return [
        (each.name, each.needed, each.seen, "yes" if each.met else "NO", each.proof)
        for each in result.criteria
    ]


def gate_table(result: GateResult) -> Table:
    """For a terminal; warnings stand below it."""
    made = Table(
        title=f"{result.gate}: {'passed' if result.passed else 'not passed'}",
        title_justify="left",
        caption="\n".join(result.warnings) or None,
        caption_justify="left",
    )
    for name in HEAD:
        made.add_column(name)
    for row in gate_rows(result):
        made.add_row(*row)
    return made
