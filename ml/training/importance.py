"""What a LightGBM model looks at: SHAP values of its trees, and which features it could lose.

TreeExplainer, path-dependent (S. Lundberg et al., Nature Machine Intelligence 2, 2020): exact for
trees, no background rows needed. Values are in the model's raw score (log-odds of a class; the
target's unit for a regressor), and sum with the base value to it.
"""

import io
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.bars import Float64s, Int64s

_SHOWN = 20
_DPI = 110


@dataclass(frozen=True, slots=True, eq=False)
class Importance:
    """SHAP values (n, features, outputs) of n rows, with the base value of each output."""

    values: Float64s
    base: Float64s
    rows: NDArray[np.float32]
    feature_names: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def mean_abs(self) -> Float64s:
        """(features, outputs): mean over rows of |SHAP|."""
        return np.asarray(np.abs(self.values).mean(axis=0))


@dataclass(frozen=True, slots=True)
class Ranked:
    """One feature: its mean |SHAP| over rows and outputs, and per output."""

    name: str
    rank: int
    mean_abs_shap: float
    by_output: dict[str, float]
    protected: bool


def spread_rows(count: int, wanted: int) -> Int64s:
    """Positions of `wanted` rows spread evenly over `count`, the first and the last included."""
    return np.unique(np.linspace(0, count - 1, min(wanted, count)).round().astype(np.int64))


def explain(
    model_text: str,
    rows: NDArray[np.float32],
    feature_names: Sequence[str],
    outputs: Sequence[str],
) -> Importance:
    """SHAP values of a LightGBM model text for `rows` (n, k).

    Raises `ValueError` where the model reads another number of features or gives other outputs.
    """
    from lightgbm import Booster

    booster = Booster(model_str=model_text)
    if booster.num_feature() != len(feature_names):
        raise ValueError(
            f"model: {len(feature_names)} features are expected, it reads {booster.num_feature()}"
        )
    with _quiet_import():
        from shap import TreeExplainer
    explained = TreeExplainer(booster)(np.asarray(rows))
    values = explained.values.reshape(len(rows), len(feature_names), -1)
    if values.shape[2] != len(outputs):
        raise ValueError(f"model: {len(outputs)} outputs are expected, it gives {values.shape[2]}")
    base = np.asarray(explained.base_values, dtype=np.float64).reshape(len(rows), -1)[0]
    return Importance(values, base, rows, tuple(feature_names), tuple(outputs))


def ranked(importance: Importance, protected: frozenset[str]) -> list[Ranked]:
    """Features, the most important first; ties keep the catalogue's order."""
    each = importance.mean_abs
    total = each.mean(axis=1)
    order = np.argsort(-total, kind="stable")
    return [
        Ranked(
            importance.feature_names[i],
            place + 1,
            float(total[i]),
            dict(zip(importance.outputs, each[i].tolist(), strict=True)),
            importance.feature_names[i] in protected,
        )
        for place, i in enumerate(order.tolist())
    ]


def prunable(features: Sequence[Ranked], below: float) -> list[Ranked]:
    """Features whose mean |SHAP| is below `below`, least important first; never a protected one."""
    weak = [each for each in features if each.mean_abs_shap < below and not each.protected]
    return sorted(weak, key=lambda each: each.mean_abs_shap)


def text_sha256(model_text: str) -> str:
    return sha256(model_text.encode()).hexdigest()


def beeswarm_png(importance: Importance) -> bytes:
    """One panel an output: a dot a row and feature, coloured by the feature's value."""
    with _quiet_import():
        from shap.plots import beeswarm

    count = len(importance.outputs)
    with _figure(7.5 * count, 7.0) as figure:
        for place, output in enumerate(importance.outputs):
            axes = figure.add_subplot(1, count, place + 1)
            beeswarm(
                _explanation(importance, place), max_display=_SHOWN, show=False, ax=axes,
                plot_size=None,
            )  # fmt: skip
            axes.set_title(output)
        return _png(figure)


def bar_png(importance: Importance, features: Sequence[Ranked]) -> bytes:
    """Mean |SHAP| of the most important features, the outputs side by side in one bar."""
    shown = list(features[:_SHOWN])
    places = np.arange(len(shown))
    with _figure(7.5, 1.2 + 0.26 * len(shown)) as figure:
        axes = figure.add_subplot()
        left = np.zeros(len(shown))
        for output in importance.outputs:
            part = np.array([each.by_output[output] for each in shown]) / len(importance.outputs)
            axes.barh(places, part, left=left, label=output)
            left += part
        axes.set_yticks(places, [each.name for each in shown], fontsize=8)
        axes.invert_yaxis()
        axes.set_xlabel("mean |SHAP| (raw score), by output")
        if len(importance.outputs) > 1:
            axes.legend()
        return _png(figure)


def _explanation(importance: Importance, output: int) -> Any:
    from shap import Explanation

    return Explanation(
        values=importance.values[:, :, output],
        base_values=np.full(len(importance.rows), importance.base[output]),
        data=importance.rows,
        feature_names=list(importance.feature_names),
    )


@contextmanager
def _quiet_import() -> Iterator[None]:
    """shap's plots ask matplotlib for things that it is about to drop."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _figure(width: float, height: float) -> Iterator[Any]:
    """A figure of pyplot, which shap draws on; closed afterwards."""
    from matplotlib import pyplot

    figure = pyplot.figure(figsize=(width, height), layout="constrained")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield figure
    finally:
        pyplot.close(figure)


def _png(figure: Any) -> bytes:
    made = io.BytesIO()
    figure.savefig(made, format="png", dpi=_DPI, metadata={"Software": None})
    return made.getvalue()
