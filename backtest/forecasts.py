"""Forecasts of a history: features, then the predictor, kept on disk because they rarely change.

The key is a hash of the features' own bytes, the graph and the runtime with its options, so a
cached forecast is the one that would be computed.
"""

import hashlib
import json
import os
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from market.bars import Bars, Float64s
from ml.features.catalogue import names
from ml.features.matrix import feature_matrix
from ml.predictors.ensemble import EnsemblePredictor
from ml.predictors.session import OPTIONS, RUNTIME_VERSION
from trading.forecasts import ForecastColumns, forecast_columns
from trading.outside import NOTHING_OUTSIDE, Outside

_KEPT = ("probabilities", "votes")


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    """Predictions as a cache file holds them: one row per predicted bar."""

    probabilities: Float64s
    votes: NDArray[np.int8]


def batch_features(
    history: Bars, *, groups: tuple[str, ...], round_step: float, outside: Outside, first_row: int
) -> Float64s:
    """Feature rows (n, k) of the bars `first_row` … last, as the whole history gives them.

    `outside`: the calendar and the on-chain record that they read, as known at the last close.
    """
    return feature_matrix(
        history, groups=groups, round_step=round_step, onchain=outside.onchain,
        calendar=outside.calendar.at(int(history.close_ms[-1])).events, first_row=first_row,
    )  # fmt: skip


def history_forecasts(
    history: Bars,
    predictor: EnsemblePredictor,
    *,
    from_row: int,
    groups: tuple[str, ...],
    round_step: float,
    cache: Path | None,
    outside: Outside = NOTHING_OUTSIDE,
) -> ForecastColumns:
    """Forecasts of rows `from_row` … last of `history`, from its `batch_features`. `cache`: a
    folder, or None for no cache."""
    features = batch_features(
        history, groups=groups, round_step=round_step, outside=outside, first_row=from_row
    )
    file = None if cache is None else cache / f"forecasts_{_key(features, predictor)}.npz"

    def predict(rows: Float64s) -> _Kept:
        kept = None if file is None else _read(file, len(rows))
        if kept is None:
            predicted = predictor.predict(rows)
            kept = _Kept(predicted.probabilities, predicted.votes)
            if file is not None:
                _write(file, kept)
        return kept

    return forecast_columns(features, names(groups), history.open_ms[from_row:], predict)


def _key(features: Float64s, predictor: EnsemblePredictor) -> str:
    entry = predictor.metadata
    digest = hashlib.sha256(np.ascontiguousarray(features).tobytes())
    rest = (entry.feature_hash, entry.graph.sha256, OPTIONS, RUNTIME_VERSION)
    digest.update(json.dumps(rest, sort_keys=True).encode())
    return digest.hexdigest()[:24]


def _read(file: Path, rows: int) -> _Kept | None:
    """What the cache holds; None where it holds nothing that can be used."""
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            kept = _Kept(*(stored[name] for name in _KEPT))
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    whole = kept.probabilities.shape == (rows, 3) and kept.votes.shape[:1] == (rows,)
    return kept if whole and kept.votes.ndim == 2 else None


def _write(file: Path, kept: _Kept) -> None:
    """Whole or not at all: another run may read at the same time."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=file.parent, prefix=file.stem, suffix=".part")
    with os.fdopen(handle, "wb") as stream:
        np.savez(stream, probabilities=kept.probabilities, votes=kept.votes)
    Path(part).replace(file)
