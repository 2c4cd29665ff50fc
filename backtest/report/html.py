"""The report as one page that needs nothing else: charts and tables."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from backtest.report.breakdown import WARNING as GROUPS_WARNING
from backtest.report.charts import excursion_chart, group_chart, run_chart
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

# Charts have no background of their own; their words take the page's colour.
_STYLE = """
:root{color-scheme:light dark;--ink:#222;--dim:#555;--page:#fff;--line:#ddd;--alarm:#fdecea}
@media (prefers-color-scheme:dark){
:root{--ink:#ddd;--dim:#aaa;--page:#16181c;--line:#3a3f47;--alarm:#4a2328}}
body{font:14px system-ui,sans-serif;margin:2em auto;padding:0 1em;max-width:1200px;
color:var(--ink);background:var(--page)}
h1{font-size:1.6em}
.table{display:inline-block;max-width:100%;overflow-x:auto;margin:0 2em 2em 0;vertical-align:top}
table{border-collapse:collapse}
td,th{padding:.25em .8em;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
td:first-child,th:first-child{text-align:left}
.words td,.words th{text-align:left}
.words td:nth-child(2n){white-space:normal;overflow-wrap:anywhere;min-width:14em}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,340px),1fr))}
.grid>*{min-width:0;overflow:hidden}
.alarm{background:var(--alarm);border-left:4px solid #d1495b;padding:.6em 1em;margin:.4em 0}
.note{color:var(--dim);max-width:60em}
.js-plotly-plot text{fill:var(--ink)!important}
.js-plotly-plot .hoverlayer text{fill:#fff!important}
"""


def write_report(path: Path, of: "Analysis") -> None:
    """Writes the page, whole or not at all."""
    title = escape(of.title)
    page = "".join(
        (
            "<!doctype html><html lang='en'><meta charset='utf-8'>",
            "<meta name='viewport' content='width=device-width,initial-scale=1'>",
            f"<title>{title}</title><style>{_STYLE}</style><h1>{title}</h1>",
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
    yield _note(f"deposit currency {of.currency}; {'; '.join(of.models)}")
    chart = run_chart(run.bars.bars, run.curve, of.trades, currency=of.currency)
    yield chart.to_html(full_html=False, include_plotlyjs=True)
    yield _note("Positions open at the end stay open and count in the equity alone.")
    yield _table(("figure", ""), figures(summary))
    yield _table(PROOF_HEAD, proof_rows(summary["proof"]))
    yield _table((f"costs, {of.currency}", ""), cost_rows(of.costs))
    yield _table(MONTH_HEAD, map(month_row, of.months))
    yield "<h2>Denials: what each rule saved or cost</h2>" + _note(LEDGER_WARNING)
    yield _table(LEDGER_HEAD, ledger_rows(of.denials))
    if of.trades:
        yield from _trades(of)
    yield f"<h2>Settings: {escape(settings_counts(of.settings))}</h2>"
    yield _table(SETTINGS_HEAD, settings_rows(of.settings), "table words")


def _trades(of: "Analysis") -> Iterator[str]:
    chart = excursion_chart(of.trades, of.excursions)
    yield chart.to_html(full_html=False, include_plotlyjs=False)
    yield "<h2>Groups</h2>" + _note(GROUPS_WARNING)
    yield "<div class='grid'>"
    for name, rows in of.groups.items():
        yield group_chart(name, rows).to_html(
            full_html=False, include_plotlyjs=False, config={"displayModeBar": False}
        )
    yield "</div>"
    for name, rows in of.groups.items():
        yield _table((name, *GROUP_HEAD[1:]), group_rows(rows))


def _note(text: str) -> str:
    return f"<p class='note'>{escape(text)}</p>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "table") -> str:
    lines = [f"<tr>{''.join(f'<th>{escape(name)}</th>' for name in head)}</tr>"]
    lines += [f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in rows]
    return f"<div class='{kind}'><table>{''.join(lines)}</table></div>"
