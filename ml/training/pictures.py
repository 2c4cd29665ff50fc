"""Pictures of training, as PNG bytes: reliability curves, confusion, label distribution.

matplotlib without a screen (Agg); each figure is its own object, so nothing is shared.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from market.bars import Float64s
from ml.training.reliability import Reliability

COLOURS = ("#2a9d8f", "#d1495b", "#3d5a80", "#e9a23b", "#6d597a")
_DPI = 110


def reliability_png(curves: Sequence[Reliability], limit: float) -> bytes:
    """One panel a class: every model's bins with their Wilson limits, on the diagonal."""
    classes = list(dict.fromkeys(each.cls for each in curves))
    figure = _figure(4.2 * len(classes), 4.2)
    for place, cls in enumerate(classes):
        axes = figure.add_subplot(1, len(classes), place + 1)
        for number, curve in enumerate(each for each in curves if each.cls == cls):
            _draw_curve(axes, curve, COLOURS[number % len(COLOURS)])
        low, high = axes.get_xlim()
        axes.plot([low, high], [low, high], color="#999", linewidth=1, linestyle="--")
        axes.set(title=cls, xlabel="forecast", ylabel="came true" if place == 0 else "")
        axes.legend(fontsize=8)
    figure.suptitle(f"Out-of-fold reliability, bins of equal count; limit of the error {limit:g}")
    return _png(figure)


def _draw_curve(axes: Any, curve: Reliability, colour: str) -> None:
    x = [each.probability for each in curve.bins]
    y = np.array([each.frequency for each in curve.bins])
    limits = [y - [each.low for each in curve.bins], [each.high for each in curve.bins] - y]
    label = f"{curve.model}: {curve.error:.3f}"
    axes.errorbar(
        x, y, yerr=np.maximum(limits, 0), color=colour, label=label, marker="o", markersize=3,
        linewidth=1, elinewidth=0.6,
    )  # fmt: skip


def confusion_png(shares: Float64s, classes: Sequence[str], title: str) -> bytes:
    """`shares` (n, n): of each true class (row), how much was called which class (column)."""
    figure = _figure(3.6, 3.2)
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(shares.shape):
        dark = shares[row, column] > 0.5
        axes.text(column, row, f"{shares[row, column]:.0%}", ha="center", va="center",
                  color="white" if dark else "black")  # fmt: skip
    places = range(len(classes))
    axes.set_xticks(places, classes)
    axes.set_yticks(places, classes)
    axes.set(title=title, xlabel="called", ylabel="came")
    return _png(figure)


def shares_png(shares: Mapping[str, float], title: str) -> bytes:
    """Bars of shares by name, e.g. the label distribution."""
    figure = _figure(4.2, 2.6)
    axes = figure.add_subplot()
    drawn = axes.bar(list(shares), list(shares.values()), color=COLOURS[: len(shares)])
    axes.bar_label(drawn, [f"{each:.1%}" for each in shares.values()])
    axes.set(title=title, ylabel="share of rows")
    axes.margins(y=0.15)
    return _png(figure)


def _figure(width: float, height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _png(figure: Any) -> bytes:
    made = io.BytesIO()
    figure.savefig(made, format="png", dpi=_DPI, metadata={"Software": None})
    return made.getvalue()
