"""What the SL/TP model's pairs would have earned, beside constant ones."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.bars import Float64s, Int64s
from ml.training.regressor import mean_absolute_error
from ml.training.sltp_labels import PAIRS, outcomes_of
from ml.training.sltp_table import SltpTable

GATED_SHARE = 0.05
_BLOCK_BARS = 96


@dataclass(frozen=True, slots=True, eq=False)
class SltpTest:
    """Test rows of one fold: R a row with the model's pair, the static one and the constant one.

    `constant`: of all pairs the one with the largest mean outcome on the training rows. `gated`:
    the rows whose margin is among the top `GATED_SHARE` of the test rows, nearest to those that
    would be traded.
    """

    bar: Int64s
    model_r: Float64s
    static_r: Float64s
    constant_r: Float64s
    gated: NDArray[np.bool_]


def judged_rows(
    table: SltpTable, train: Int64s, test: Int64s, said: Float64s, static: tuple[float, float]
) -> tuple[SltpTest, dict[str, Any]]:
    """What `said` (n, 2) is worth on the test rows, and the fold's scores."""
    paths = table.paths.rows(test)
    pairs = np.tile(np.array(static), (len(test), 1))
    best = int(table.outcome[train].mean(axis=0).argmax())
    margin = table.margin[test]
    tested = SltpTest(
        bar=table.bar[test],
        model_r=outcomes_of(paths, said),
        static_r=outcomes_of(paths, pairs),
        constant_r=table.profit_r[test, best],
        gated=margin >= np.quantile(margin, 1 - GATED_SHARE),
    )
    mean = table.label[train].mean(axis=0)
    return tested, {
        "rows": len(test),
        "train_rows": len(train),
        **_errors(said, table.label[test], mean),
        "constant_pair": PAIRS[best].tolist(),
        "mean_multiples": said.mean(axis=0).tolist(),
        **earned(tested),
    }


def pooled(tests: list[SltpTest]) -> SltpTest:
    """The test rows of all folds."""
    names = SltpTest.__slots__
    return SltpTest(*(np.concatenate([getattr(each, name) for each in tests]) for name in names))


def earned(of: SltpTest) -> dict[str, Any]:
    """Mean R a trade of each way, on all rows and on the gated ones."""
    return {
        "all": _means(of, np.ones(len(of.bar), dtype=np.bool_)),
        "gated": _means(of, of.gated),
    }


def verdict(scores: dict[str, Any], static: tuple[float, float]) -> str:
    """One plain sentence: does the model beat the static pair where trades are made?"""
    gated = scores["gated"]
    facts = (
        f"on the {GATED_SHARE:.0%} of test rows with the clearest signal its pairs made "
        f"{gated['model']:+.4f} R a trade, the static {static[0]:g} : {static[1]:g} "
        f"{gated['static']:+.4f} R (difference {gated['over_static']:+.4f} ± "
        f"{gated['standard_error']:.4f})"
    )
    if gated["over_static"] > 2 * gated["standard_error"]:
        return f"The SL/TP model beats the static multiples out of fold: {facts}."
    return (
        f"The SL/TP model does not beat the static multiples: {facts}. "
        "Leave dynamic_sltp.use_model off."
    )


def _errors(said: Float64s, label: Float64s, constant: Float64s) -> dict[str, Any]:
    """Mean absolute error of both multiples, beside the mean label of the training rows."""
    columns = dict(enumerate(("sl", "tp")))
    return {
        "mae": {name: mean_absolute_error(said[:, i], label[:, i]) for i, name in columns.items()},
        "baseline": {
            "mae": {
                name: mean_absolute_error(np.full(len(label), constant[i]), label[:, i])
                for i, name in columns.items()
            }
        },
    }


def _means(of: SltpTest, which: NDArray[np.bool_]) -> dict[str, float]:
    """Mean R, and the standard error of the difference from means of `_BLOCK_BARS` bars.

    Trades decided near each other share their path; means of a day's bars hardly do.
    """
    difference = of.model_r[which] - of.static_r[which]
    _, block = np.unique(of.bar[which] // _BLOCK_BARS, return_inverse=True)
    count = np.bincount(block)
    sums = np.bincount(block, weights=difference) - count * difference.mean()
    error = np.sqrt((sums**2).sum()) / len(difference)
    return {
        "rows": int(which.sum()),
        "model": float(of.model_r[which].mean()),
        "static": float(of.static_r[which].mean()),
        "constant": float(of.constant_r[which].mean()),
        "over_static": float(difference.mean()),
        "standard_error": float(error),
    }
