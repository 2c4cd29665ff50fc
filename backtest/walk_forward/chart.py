"""A picture of all windows: win rate against profit factor, with a headline among them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from backtest.walk_forward.windows import Headline, Windows
from market.whole_file import whole_file

_COLOURS = ("#9aa5b1", "#1f6feb", "#d1242f", "#8250df")
_LEAST, _MOST = 0.1, 20.0
_TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20)


def write_png(series: Mapping[str, Windows], headline: Headline | None, path: Path) -> None:
    """One point a window, one colour a series (later ones lie above); windows without a trade are
    not shown, profit factors beyond the axis at its end. Whole or not at all."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.4), dpi=100, layout="constrained")
    axes = figure.subplots()
    for (name, windows), colour in zip(series.items(), _COLOURS, strict=False):
        factor = np.clip(np.nan_to_num(windows.profit_factor, posinf=_MOST), _LEAST, _MOST)
        axes.scatter(100 * windows.win_rate, factor, s=7, alpha=0.45, color=colour,
                     linewidths=0, label=name)  # fmt: skip
    share = np.linspace(0.05, 0.95, 181)
    axes.plot(100 * share, share / (1 - share), color="#57606a", linewidth=1,
              label="1:1 without costs")  # fmt: skip
    if headline is not None:
        at = [100 * headline.win_rate], [headline.profit_factor]
        axes.scatter(*at, marker="*", s=180, color="#bf8700", edgecolors="black", linewidths=0.6,
                     label="headline")  # fmt: skip
    axes.set(yscale="log", ylim=(_LEAST, _MOST), xlim=(0, 100), xlabel="win rate, %",
             ylabel="profit factor")  # fmt: skip
    axes.set_yticks(_TICKS, [f"{tick:g}" for tick in _TICKS])
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left", fontsize=8)
    with whole_file(path) as part:
        figure.savefig(part, format="png")
