"""A picture of a trade: its bars, entry, stop, target, and where it ended.

Drawn in a process of its own (`python -m trading.chart`: a `Chart` as JSON on standard input, PNG
on standard output). matplotlib takes a second of one core and 60 MB, which the loop must not feel.
"""

import asyncio
import json
import os
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from market.store import read_last
from market.timeframe import Timeframe

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BARS = 80
_MOST_BARS = 400
_BEFORE = 30
_PATIENCE_S = 30.0
_NICE = 10
_PAPER = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0}
_UP, _DOWN, _GREY = "#1a9850", "#d73027", "#777777"


class ChartError(RuntimeError):
    """A picture could not be drawn."""


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn. Bars: columns of equal length, epoch ms UTC and price units. `marks`: price,
    time and name of entry and exit. `levels`: stop and target, 0 for none."""

    title: str
    zone: str
    digits: int
    bar_ms: int
    open_ms: tuple[int, ...]
    open: tuple[float, ...]
    high: tuple[float, ...]
    low: tuple[float, ...]
    close: tuple[float, ...]
    marks: tuple[tuple[float, int, str], ...]
    levels: tuple[tuple[float, str], ...]


def chart_of(
    bars: Path, kind: str, trade: dict[str, Any], *, title: str, zone: str, digits: int,
    timeframe: Timeframe,
) -> Chart:  # fmt: skip
    """The chart of an `entry` or `exit` of the outbox. Raises `StoreError`."""
    opened = (trade["opened_ms"], trade["price_open"]) if kind == "exit" else (
        trade["at_ms"], trade["price"])  # fmt: skip
    marks = [(opened[1], opened[0], "entry")]
    if kind == "exit":
        marks.append((trade["price_close"], trade["closed_ms"], trade["close_type"]))
    last_ms = marks[-1][1]
    count = min(_MOST_BARS, max(BARS, (last_ms - opened[0]) // timeframe.ms + _BEFORE))
    found = read_last(bars, trade["symbol"], timeframe, before_ms=last_ms, count=count)
    return Chart(
        title, zone, digits, timeframe.ms, tuple(found.open_ms.tolist()),
        tuple(found.open.tolist()), tuple(found.high.tolist()), tuple(found.low.tolist()),
        tuple(found.close.tolist()), tuple(marks), ((trade["sl"], "stop"), (trade["tp"], "target")),
    )  # fmt: skip


async def drawn(chart: Chart) -> bytes:
    """The picture as PNG. Raises `ChartError`, also after 30 s."""
    asked = json.dumps(asdict(chart)).encode()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "trading.chart", cwd=Path(__file__).resolve().parents[1],
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE, env=_plain_environment(),
    )  # fmt: skip
    try:
        async with asyncio.timeout(_PATIENCE_S):
            picture, said = await process.communicate(asked)
    except TimeoutError:
        raise ChartError(f"no picture after {_PATIENCE_S:g} s") from None
    finally:
        if process.returncode is None:  # too slow, or the daemon stops meanwhile
            process.kill()
            await process.communicate()
    if process.returncode != 0:
        raise ChartError(f"no picture: {said.decode(errors='replace').strip()[-200:]}")
    return picture


def png(chart: Chart) -> bytes:
    """Draws it here. Loads matplotlib."""
    from io import BytesIO

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    _candles(axes, chart)
    _levels(axes, chart)
    _marks(axes, chart)
    _dress(axes, chart)
    picture = BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(picture, format="png")
    return picture.getvalue()


def _candles(axes: "Axes", chart: Chart) -> None:
    places = range(len(chart.open_ms))
    up = [close >= open_ for open_, close in zip(chart.open, chart.close, strict=True)]
    colours = [_UP if each else _DOWN for each in up]
    axes.vlines(places, chart.low, chart.high, colors=colours, linewidth=0.8)
    bottoms = [min(pair) for pair in zip(chart.open, chart.close, strict=True)]
    heights = [abs(o - c) for o, c in zip(chart.open, chart.close, strict=True)]
    axes.bar(places, heights, bottom=bottoms, width=0.7, color=colours, linewidth=0)


def _levels(axes: "Axes", chart: Chart) -> None:
    begin = _place(chart, chart.marks[0][1])
    right = len(chart.open_ms) + 1
    for (price, name), colour in zip(chart.levels, (_DOWN, _UP), strict=True):
        if price:
            axes.hlines(price, max(begin, 0), right, colors=colour, linestyles="dashed")
            axes.annotate(f" {name} {price:,.{chart.digits}f}", (right, price), color=colour,
                          fontsize=8, va="center", bbox=_PAPER)  # fmt: skip


def _marks(axes: "Axes", chart: Chart) -> None:
    for (price, at_ms, name), shape in zip(chart.marks, (">", "X"), strict=False):
        place = max(_place(chart, at_ms), 0)
        axes.plot([place], [price], marker=shape, color="black", markersize=7, zorder=5)
        text = f"{name} {price:,.{chart.digits}f}"
        axes.annotate(text, (place, price), fontsize=8, xytext=(-8, 10), ha="right",
                      textcoords="offset points", bbox=_PAPER)  # fmt: skip


def _place(chart: Chart, at_ms: int) -> float:
    """Where an instant lies on an axis of bars that leaves closed markets out."""
    later = [i for i, open_ms in enumerate(chart.open_ms) if open_ms + chart.bar_ms > at_ms]
    if later:
        return later[0] - 0.5 + max(0.0, (at_ms - chart.open_ms[later[0]]) / chart.bar_ms)
    last_ms = chart.open_ms[-1] + chart.bar_ms if chart.open_ms else at_ms
    return len(chart.open_ms) - 0.5 + min(1.0, (at_ms - last_ms) / chart.bar_ms)


def _dress(axes: "Axes", chart: Chart) -> None:
    zone, count = ZoneInfo(chart.zone), len(chart.open_ms)
    ticks = list(range(0, count, max(1, count // 8)))
    axes.set_xticks(ticks, [_hhmm(chart.open_ms[each], zone) for each in ticks], fontsize=8)
    axes.set_xlim(-1, count + max(10.0, count / 5))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.{chart.digits}f}")
    axes.tick_params(axis="y", labelsize=8)
    axes.grid(visible=True, color="#dddddd", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.set_title(chart.title, fontsize=10, loc="left")
    axes.set_xlabel(chart.zone, fontsize=8, color=_GREY)


def _hhmm(at_ms: int, zone: ZoneInfo) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone):%d %b\n%H:%M}"


def _plain_environment() -> dict[str, str]:
    """Without anybody's secrets."""
    kept = ("PATH", "HOME", "LANG", "TZ", "MPLCONFIGDIR", "SYSTEMROOT", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ}


def _main() -> None:
    os.nice(_NICE)
    words = json.load(sys.stdin)
    columns = {name: tuple(words[name]) for name in ("open_ms", "open", "high", "low", "close")}
    marks = tuple((price, at_ms, name) for price, at_ms, name in words["marks"])
    levels = tuple((price, name) for price, name in words["levels"])
    sys.stdout.buffer.write(png(Chart(**words | columns | {"marks": marks, "levels": levels})))


if __name__ == "__main__":
    _main()
