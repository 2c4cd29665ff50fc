"""The heat map of a sweep: what two of its keys come to, over all the others."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from backtest.sweep.errors import SweepError
from backtest.sweep.grid import axes
from backtest.sweep.search import SweepRow, SweepTable
from backtest.sweep.settings import Overrides
from market.whole_file import whole_file


@dataclass(frozen=True, slots=True)
class HeatMap:
    """`cells[y][x]`: the median figure of the rows with these two values; None without one."""

    figure: str
    x_key: str
    y_key: str
    x: tuple[str, ...]
    y: tuple[str, ...]
    cells: tuple[tuple[float | None, ...], ...]

    @property
    def title(self) -> str:
        return f"median {self.figure} by {self.x_key}" + (f" and {self.y_key}" * bool(self.y_key))


def heat_map(table: SweepTable, *, keys: tuple[str, ...] = ()) -> HeatMap:
    """Over `keys` (x, then y), by default the two that take the most values.

    The figure is the score, and PF₅ where no row is comparable. The median, because the best of
    many settings in a cell looks better than the cell is.
    """
    tried = [row.overrides for row in table.rows]
    found, chosen = axes(tried), keys_of_map(tried, keys)
    x_key, y_key = chosen[0], chosen[1] if len(chosen) == 2 else ""
    figure = "score" if table.best is not None else "profit_factor_p5"
    x, y = _in_order(found[x_key]), _in_order(found[y_key]) if y_key else [None]
    cells = [[_cell(table, figure, {x_key: at, y_key: up}) for at in x] for up in y]
    return HeatMap(
        figure, x_key, y_key, tuple(map(json.dumps, x)),
        tuple(map(json.dumps, y)) if y_key else ("",), tuple(map(tuple, cells)),
    )  # fmt: skip


def keys_of_map(tried: Sequence[Overrides], keys: tuple[str, ...] = ()) -> tuple[str, ...]:
    """`keys`, or the two that take the most values. Raises `SweepError` where no map has them."""
    found = axes(tried)
    chosen = keys or tuple(sorted(found, key=lambda key: -len(found[key]))[:2])
    for key in chosen:
        if key not in found:
            raise SweepError(
                f"heat map: {key}: a key that takes two values or more is allowed: "
                f"{', '.join(found) or 'there is none'}"
            )
    if not 1 <= len(chosen) <= 2:
        raise SweepError("heat map: one or two keys with two values or more are needed")
    return chosen


def write_png(heat: HeatMap, path: Path) -> None:
    """Writes the picture, whole or not at all."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.6 + 0.9 * len(heat.x), 1.8 + 0.6 * len(heat.y)), dpi=110)
    axis = figure.add_subplot()
    shown = [[float("nan") if cell is None else cell for cell in row] for row in heat.cells]
    image = axis.imshow(shown, cmap="RdYlGn", aspect="auto", origin="lower")
    axis.set_xticks(range(len(heat.x)), heat.x)
    axis.set_yticks(range(len(heat.y)), heat.y)
    axis.set_xlabel(heat.x_key)
    axis.set_ylabel(heat.y_key)
    axis.set_title(heat.title, fontsize=9)
    for up, row in enumerate(heat.cells):
        for at, cell in enumerate(row):
            text = "-" if cell is None else f"{cell:.2f}"
            axis.text(at, up, text, ha="center", va="center", fontsize=8)
    figure.colorbar(image)
    with whole_file(path) as part:
        figure.savefig(part, format="png", bbox_inches="tight")


def write_html(heat: HeatMap, path: Path) -> None:
    """Writes a page that needs nothing else, whole or not at all."""
    import plotly.graph_objects as go

    figure = go.Figure(
        go.Heatmap(
            x=heat.x, y=heat.y, z=heat.cells, colorscale="RdYlGn", texttemplate="%{z:.2f}",
            hovertemplate=f"{heat.x_key} %{{x}}<br>{heat.y_key} %{{y}}<br>%{{z:.3f}}"
            "<extra></extra>",
        )
    )  # fmt: skip
    figure.update_layout(title=heat.title, xaxis_title=heat.x_key, yaxis_title=heat.y_key)
    figure.update_xaxes(type="category")
    figure.update_yaxes(type="category")
    with whole_file(path) as part:
        figure.write_html(part, include_plotlyjs=True)


def _in_order(values: list[Any]) -> list[Any]:
    """Numbers ascending; others as they were tried."""
    numbers = all(isinstance(each, int | float) for each in values)
    return sorted(values) if numbers else values


def _cell(table: SweepTable, figure: str, at: dict[str, Any]) -> float | None:
    values = [row.figures[figure] for row in table.rows if _is_at(row, at)]
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _is_at(row: SweepRow, at: dict[str, Any]) -> bool:
    return all(row.overrides.get(key) == value for key, value in at.items() if key)
