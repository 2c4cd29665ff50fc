"""Is the graph the ensemble that was trained? Compared on real rows, against float64.

The reference: each library's own `predict_proba`, the calibration tables and the mean in float64.
A row whose class (or vote) differs although the reference has no tie refuses the graph. Ties within
`TIE` are counted and reported.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.bars import Float64s
from ml.predictors.session import open_session, run_rows
from ml.training.calibration import Table, calibrated
from ml.training.classes import SIGNAL, ThreeClasses
from ml.training.models import BaseModels

TIE = 1e-6
MAX_DIFFERENCE = 1e-4


class ParityError(RuntimeError):
    """The graph says something else than the trained models. Nothing was saved."""


@dataclass(frozen=True, slots=True)
class ParityReport:
    """`flips`: classes or votes that differ; `ties`: those whose reference lies within `TIE`."""

    rows: int
    largest_difference: float
    class_flips: int
    class_ties: int
    vote_flips: int
    vote_ties: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def top_class(probabilities: Float64s, classes: ThreeClasses = SIGNAL) -> NDArray[np.int8]:
    """The class above both others; a tie is the class that does nothing. Classes: last axis."""
    first, second = classes.acting
    one, other, rest = (probabilities[..., each] for each in (first, second, classes.rest))
    called = np.where((other > one) & (other > rest), second, classes.rest)
    return np.where((one > other) & (one > rest), first, called).astype(np.int8)


def native_probabilities(models: BaseModels, rows: NDArray[np.float32]) -> Float64s:
    """What the libraries themselves say: (n, models, 3 classes), float64."""
    each = [model.predict_proba(rows) for model in models.by_name.values()]
    return np.stack(each, axis=1).astype(np.float64)


def compare(
    graph: bytes,
    models: BaseModels,
    tables: list[list[Table]],
    rows: NDArray[np.float32],
    classes: ThreeClasses = SIGNAL,
) -> ParityReport:
    """Runs graph and reference over rows; raises `ParityError` if a class differs beyond a tie."""
    probabilities, by_model, votes = run_rows(open_session(graph), rows)
    expected = calibrated(tables, native_probabilities(models, rows))
    mean = expected.mean(axis=1)
    class_flips, class_ties = _flips(top_class(probabilities, classes), mean, classes)
    voted = (votes[..., None] == np.array(classes.votes)).argmax(axis=-1)
    vote_flips, vote_ties = _flips(voted, expected, classes)
    difference = max(np.abs(probabilities - mean).max(), np.abs(by_model - expected).max())
    report = ParityReport(
        len(rows), float(difference), class_flips, class_ties, vote_flips, vote_ties
    )
    _refuse(report)
    return report


def _flips(got: NDArray[Any], expected: Float64s, classes: ThreeClasses) -> tuple[int, int]:
    """(classes that differ beyond a tie, rows whose reference is a tie)."""
    ordered = np.sort(expected, axis=-1)
    tie = ordered[..., 2] - ordered[..., 1] <= TIE
    differs = got != top_class(expected, classes)
    return int((differs & ~tie).sum()), int(tie.sum())


def _refuse(report: ParityReport) -> None:
    if report.class_flips or report.vote_flips:
        raise ParityError(
            f"the graph flips {report.class_flips} classes and {report.vote_flips} votes in "
            f"{report.rows} rows (largest difference {report.largest_difference:.1e}); "
            "it was not saved"
        )
    if not report.largest_difference <= MAX_DIFFERENCE:
        raise ParityError(
            f"the graph differs from the models by {report.largest_difference:.1e} in "
            f"{report.rows} rows, {MAX_DIFFERENCE:.0e} is allowed; it was not saved"
        )
