"""A sweep as a person reads it: the best rows in a terminal, all of them in files."""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from backtest.gate_settings import GoLiveSettings
from backtest.sweep.grid import axes
from backtest.sweep.search import SweepRow, SweepTable
from market.bars import utc_text
from market.whole_file import whole_file

_COLUMNS = {
    "score": "score", "trades": "trades", "profit_factor": "PF", "profit_factor_p5": "PF₅",
    "max_drawdown": "DD", "win_rate": "win", "r_mean": "R",
}  # fmt: skip
_SHARES = ("max_drawdown", "win_rate")
_TODAY = "today"


def ranked(table: SweepTable) -> list[SweepRow]:
    """Comparable rows by score, then the others by their PF₅; ties as they were asked for."""

    def order(row: SweepRow) -> tuple[float, float]:
        p5 = row.figures["profit_factor_p5"]
        return (-math.inf if row.score is None else row.score, -math.inf if p5 is None else p5)

    return sorted(table.rows, key=order, reverse=True)


def show(console: Console, table: SweepTable, limits: GoLiveSettings, *, rows: int = 15) -> None:
    """Prints today's settings, the best rows, and what the whole sweep says."""
    keys = list(axes([row.overrides for row in table.rows]))
    made = Table(title=_title(table), title_justify="left")
    made.add_column("setting", min_width=18)
    for name in _COLUMNS.values():
        made.add_column(name, justify="right", no_wrap=True)
    made.add_row(_TODAY, *_figures(table.today))
    for row in ranked(table)[:rows]:
        made.add_row(_setting(row, keys), *_figures(row))
    console.print(made)
    for line in words(table, limits):
        console.print(line, markup=False, highlight=False)


def words(table: SweepTable, limits: GoLiveSettings) -> list[str]:
    """What the sweep proves and what it does not, in plain words. `limits`: those of the PBO."""
    count = len(table.rows)
    both = (table.today, *table.rows)
    stored = len({row.key for row in both}) - table.made
    known = f", {stored} were stored before" if stored else ""
    lines = [f"{count} settings and today's: {table.made} trials run now{known}"]
    results = len({row.result.daily.tobytes() for row in both})
    if results < len({row.key for row in both}):
        came = "one result" if results == 1 else f"{results} different results"
        lines.append(
            f"! they came to {came}: some keys decided nothing; is the model "
            "or the rule that they govern there, and switched on?"
        )
    best, found = table.best, table.overfitting
    if best is None:
        least = min(row.figures["trades"] for row in table.rows)
        most = max(row.figures["trades"] for row in table.rows)
        lines.append(
            f"no setting is comparable ({least} to {most} trades; 100 and a PF₅ above 0 are "
            "needed): nothing can be chosen; use a longer span"
        )
    else:
        today = "not comparable" if table.today.score is None else f"{table.today.score:.2f}"
        lines.append(
            f"best score {best.score:.2f} (100 ln PF₅ - 100 max drawdown), today's {today}: the "
            f"best of {count} looks better than it is"
        )
        if (deflated := table.best_deflated_sharpe) is not None:
            lines.append(
                f"deflated Sharpe of the best {deflated:.2f}, {limits.min_deflated_sharpe:g} is "
                "proof: the probability that it is better than luck among this sweep's settings "
                "alone; what was tried before is not counted in it"
            )
    if found is not None and table.pbo is not None:
        said = "above" if table.pbo > limits.max_overfitting else "within"
        lines.append(
            f"PBO {table.pbo:.3f} of {found.settings} different settings, {said} the limit of "
            f"{limits.max_overfitting:g}: the share of splits in which the best setting of one "
            "half was no better than the median in the other; in "
            f"{found.loss:.0%} of them it lost there"
        )
    elif found is not None:
        lines.append("PBO: not measured, it needs two settings and 32 days or more")
    alarmed = sum(bool(row.figures["alarms"]) for row in table.rows)
    if alarmed:
        lines.append(f"! {alarmed} of {count} settings have implausible figures; see the file")
    if table.base.train_cutoff_ms > table.base.from_ms:
        cutoff = utc_text(table.base.train_cutoff_ms)
        lines.append(f"! the models have learned from bars until {cutoff}: the figures say nothing")
    return lines


def as_dict(table: SweepTable, limits: GoLiveSettings) -> dict[str, Any]:
    """Ready for JSON: what was swept, today's settings, every row in the order of the sweep."""
    best, found, base = table.best, table.overfitting, table.base
    return {
        "sweep": table.id, "symbol": base.symbol,
        "from": utc_text(base.from_ms), "to": utc_text(base.to_ms),
        "graphs": dict(base.graphs), "pbo": table.pbo, "settings": len(table.rows),
        "best_deflated_sharpe": table.best_deflated_sharpe,
        "different_settings": None if found is None else found.settings,
        "words": words(table, limits), "today": _row(table.today),
        "best": None if best is None else _row(best), "rows": [_row(row) for row in table.rows],
    }  # fmt: skip


def write_files(table: SweepTable, stem: Path, limits: GoLiveSettings) -> list[Path]:
    """Writes `stem`.json, .csv and .parquet, each whole or not at all; their paths."""
    rows = [_flat(row) for row in table.rows]
    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in ("json", "csv", "parquet")]
    text = json.dumps(as_dict(table, limits), indent=1, ensure_ascii=False, allow_nan=False)
    with whole_file(paths[0]) as part:
        part.write_text(text + "\n", encoding="utf-8")
    with whole_file(paths[1]) as part, part.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    with whole_file(paths[2]) as part:
        pq.write_table(pa.Table.from_pylist(rows), part)
    return paths


def _row(row: SweepRow) -> dict[str, Any]:
    return {"overrides": dict(row.overrides), **row.figures}


def _flat(row: SweepRow) -> dict[str, Any]:
    """One line of the files; a key's values may be of several kinds, so they are JSON texts."""
    figures = {key: value for key, value in row.figures.items() if key != "alarms"}
    texts = json.dumps(dict(row.overrides), sort_keys=True)
    alarms = " ".join(row.figures["alarms"])
    return {"key": row.key, "overrides": texts, **figures, "alarms": alarms}


def _title(table: SweepTable) -> str:
    base = table.base
    span = f"{utc_text(base.from_ms)} to {utc_text(base.to_ms)} UTC"
    return f"Sweep {table.id}: {base.symbol}, {span}"


def _figures(row: SweepRow) -> list[str]:
    return [_figure(name, row.figures) for name in _COLUMNS]


def _figure(name: str, figures: Mapping[str, Any]) -> str:
    value = figures[name]
    if value is None:
        return "-"
    if name in _SHARES:
        return f"{value:.1%}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def _setting(row: SweepRow, keys: Sequence[str]) -> str:
    """The values that vary, with the last parts of their keys where these tell them apart."""
    ends = [key.rpartition(".")[2] for key in keys]
    names = [end if ends.count(end) == 1 else key for end, key in zip(ends, keys, strict=True)]
    shown = [f"{name} {_value(row.overrides[key])}" for name, key in zip(names, keys, strict=True)
             if key in row.overrides]  # fmt: skip
    return ", ".join(shown) or "-"


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
