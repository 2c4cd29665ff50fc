"""The report as one page that needs nothing else: charts and tables."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from backtest.report.breakdown import WARNING as GROUPS_WARNING
from backtest.report.charts import excursion_chart, group_charts, run_chart
from backtest.report.denial_ledger import WARNING as LEDGER_WARNING
from backtest.report.rows import (
    GROUP_HEAD,
    LEDGER_HEAD,
    MONTH_HEAD,
    PROOF_HEAD,
    SETTINGS_HEAD,
    cost_rows,
    figures,
    group_rows,
    ledger_rows,
    month_row,
    proof_rows,
    settings_counts,
    settings_rows,
)
from market.whole_file import whole_file

if TYPE_CHECKING:
    from backtest.report.analysis import Analysis

_STYLE = """
body{font:14px system-ui,sans-serif;margin:2em auto;max-width:1200px;color:#222}
table{border-collapse:collapse;margin:0 2em 2em 0;display:inline-table;vertical-align:top}
td,th{padding:.25em .8em;border-bottom:1px solid #ddd;text-align:right}
td:first-child,th:first-child{text-align:left}
.alarm{background:#fdecea;border-left:4px solid #d1495b;padding:.6em 1em;margin:.4em 0}
.note{color:#555;max-width:60em}
"""


def write_report(path: Path, of: "Analysis") -> None:
    """Writes the page, whole or not at all."""
    title = escape(of.title)
    page = "".join(
        (
            f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{title}</title>",
            f"<style>{_STYLE}</style><h1>{title}</h1>",
            *_parts(of),
            "</html>",
        )
    )
    with whole_file(path) as part:
        part.write_text(page, encoding="utf-8")


def _parts(of: "Analysis") -> Iterator[str]:
    summary, run = of.summary, of.run
    for line in (*summary.get("warnings", ()), *summary["alarms"]):
        yield f"<p class='alarm'>{escape(line)}</p>"
    chart = run_chart(run.bars.bars, run.curve, of.trades)
    yield chart.to_html(full_html=False, include_plotlyjs=True)
    yield "<p class='note'>Positions open at the end stay open and count in the equity alone.</p>"
    yield _table(("figure", ""), figures(summary))
    yield _table(PROOF_HEAD, proof_rows(summary["proof"]))
    yield _table(("costs, deposit currency", ""), cost_rows(of.costs))
    yield _table(MONTH_HEAD, map(month_row, of.months))
    yield "<h2>Denials: what each rule saved or cost</h2>" + _note(LEDGER_WARNING)
    yield _table(LEDGER_HEAD, ledger_rows(of.denials))
    if of.trades:
        yield from _trades(of)
    yield f"<h2>Settings: {escape(settings_counts(of.settings))}</h2>"
    yield _table(SETTINGS_HEAD, settings_rows(of.settings))


def _trades(of: "Analysis") -> Iterator[str]:
    chart = excursion_chart(of.trades, of.excursions)
    yield chart.to_html(full_html=False, include_plotlyjs=False)
    yield "<h2>Groups</h2>" + _note(GROUPS_WARNING)
    yield group_charts(of.groups).to_html(full_html=False, include_plotlyjs=False)
    for name, rows in of.groups.items():
        yield _table((name, *GROUP_HEAD[1:]), group_rows(rows))


def _note(text: str) -> str:
    return f"<p class='note'>{escape(text)}</p>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"<tr>{''.join(f'<th>{escape(name)}</th>' for name in head)}</tr>"]
    lines += [f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in rows]
    return f"<table>{''.join(lines)}</table>"
