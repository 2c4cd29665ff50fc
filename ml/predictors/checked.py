"""The one way into a model: manifest, features, hashes and outputs are checked before it answers.

Every predictor opens its graph here and gives its rows here.
"""

import json
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from market.bars import Float64s
from ml.predictors.compat import (
    Kind,
    ModelCompatibilityError,
    ModelEntry,
    read_checked,
    read_entry,
    require_features,
    train_command,
)
from ml.predictors.session import GraphError, open_session, run_rows
from ml.predictors.settings import ModelFiles


class FeatureRowError(ValueError):
    """Rows that the model must not see. `feature` names the first bad column."""

    def __init__(self, message: str, feature: str = "") -> None:
        super().__init__(message)
        self.feature = feature


class CheckedGraph:
    """A graph that `model_compat.json` vouches for. Not for several threads at once.

    `entry`: what the manifest says of it; `notes`: its metadata file, parsed.
    """

    __slots__ = ("_session", "entry", "notes")

    def __init__(self, entry: ModelEntry, notes: dict[str, Any], session: Any) -> None:
        self.entry = entry
        self.notes = notes
        self._session = session

    def run(self, features: Float64s) -> list[NDArray[Any]]:
        """Every output for rows (n, k) in the order of `entry.feature_names`.

        A row's result has the same bits alone and in any batch. Raises `FeatureRowError` for a
        wrong shape or a value that is not finite (also as float32).
        """
        return run_rows(self._session, as_float32(features, self.entry.feature_names))


def open_checked(
    files: ModelFiles, kind: Kind, expected: Sequence[str], outputs: tuple[str, ...]
) -> CheckedGraph:
    """The graph of `files`, if it is a model of this kind over exactly these features.

    Raises `ModelMissing` or `ModelCompatibilityError`; the text says what to do.
    """
    entry = read_entry(files.manifest, files.graph, kind)
    require_features(entry, expected)
    notes = read_checked(files.metadata, entry.metadata, kind)
    graph = read_checked(files.graph, entry.graph, kind)
    try:
        session = open_session(graph)
    except GraphError as error:
        raise ModelCompatibilityError(f"{files.graph}: {error}") from error
    found = tuple(each.name for each in session.get_outputs())
    if found != outputs:
        raise ModelCompatibilityError(
            f"{files.graph}: outputs {outputs} are allowed, {found} came; "
            f"train again: {train_command(kind)}"
        )
    return CheckedGraph(entry, json.loads(notes), session)


class CheckedPredictor:
    """A model of one kind on the trading host; each kind says in its own words what it answers."""

    kind: ClassVar[Kind]
    outputs: ClassVar[tuple[str, ...]]

    def __init__(self, files: ModelFiles, expected: Sequence[str]) -> None:
        self._files = files
        self._expected = tuple(expected)
        self._graph: CheckedGraph | None = None

    def load(self) -> Self:
        """Checks manifest, features and hashes, then opens the graph.

        Raises `ModelMissing` or `ModelCompatibilityError`; the text says what to do.
        """
        self._graph = open_checked(self._files, self.kind, self._expected, self.outputs)
        return self

    @property
    def metadata(self) -> ModelEntry:
        """The manifest's entry: feature names and hash, symbol, train cutoff, graph.sha256 …"""
        return self._loaded.entry

    @property
    def notes(self) -> dict[str, Any]:
        """The metadata file, as the trainer wrote it."""
        return self._loaded.notes

    @property
    def _loaded(self) -> CheckedGraph:
        if self._graph is None:
            raise RuntimeError(f"{type(self).__name__}: call load() first")
        return self._graph


def as_float32(features: Float64s, names: Sequence[str]) -> NDArray[np.float32]:
    """Rows as a graph reads them, or `FeatureRowError`."""
    if features.ndim != 2 or features.shape[1] != len(names):
        raise FeatureRowError(
            f"features: shape (n, {len(names)}) is allowed, {features.shape} came"
        )
    with np.errstate(over="ignore"):
        rows = np.ascontiguousarray(features, dtype=np.float32)
    if not np.isfinite(rows).all():
        row, column = np.argwhere(~np.isfinite(rows))[0]
        raise FeatureRowError(
            f"features: finite values are allowed, but {names[column]} is "
            f"{features[row, column]} in row {row}",
            names[column],
        )
    return rows
