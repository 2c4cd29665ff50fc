"""Out-of-fold forecasts of the signal model: what later trainers may learn from.

Each row was forecast by the graph of the walk-forward fold that tested it, which had not seen it
nor anything within the purge and embargo before it. Rows that no fold tested (the first part of
the history) are not there. The file is bound to one signal graph: the position, SL/TP and risk
trainers refuse another one's.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from market.bars import Float64s, Int64s
from market.whole_file import whole_file
from ml.predictors.settings import PROJECT_ROOT, ModelPaths
from ml.training.models import TrainingError

_TRAIN = "train the signal model again: python train_ml_model.py --ensemble"


@dataclass(frozen=True, slots=True, eq=False)
class OofForecasts:
    """One row per bar that a fold tested, oldest first.

    `open_ms` the bars' opens; `probabilities` (n, 3) BUY, SELL, HOLD of the calibrated mean;
    `votes` (n, models) int8; `fold` (n,) int16, 0 is the oldest test part; `graph_sha256` the
    signal graph of the same training; `model_probabilities` (n, models, 3) each calibrated model;
    `label` (n,) int8, 0, 1, 2 for BUY, SELL, HOLD.
    """

    open_ms: Int64s
    probabilities: Float64s
    votes: NDArray[np.int8]
    fold: NDArray[np.int16]
    graph_sha256: str
    model_probabilities: Float64s
    label: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.open_ms)

    def require_graph(self, graph_sha256: str) -> "OofForecasts":
        """These forecasts, if they belong to that signal graph; else `TrainingError`."""
        if self.graph_sha256 != graph_sha256:
            raise TrainingError(
                f"out-of-fold forecasts: those of the signal graph {graph_sha256[:12]}… are "
                f"needed, those of {self.graph_sha256[:12]}… came: {_TRAIN}"
            )
        return self

    def save(self, path: Path) -> None:
        """Writes an npz without pickled objects, whole or not at all."""
        columns: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        with whole_file(path) as part, part.open("wb") as stream:
            np.savez(stream, **columns)

    @staticmethod
    def load(path: Path) -> "OofForecasts":
        """The file's forecasts; `TrainingError` where it is missing, damaged or out of order."""
        try:
            with path.open("rb") as stream, NpzFile(stream, allow_pickle=False) as columns:
                values: dict[str, Any] = {
                    each.name: columns[each.name] for each in fields(OofForecasts)
                }
        except FileNotFoundError:
            raise TrainingError(
                f"{path}: there are no out-of-fold forecasts; train the signal model first: "
                "python train_ml_model.py --ensemble"
            ) from None
        except (KeyError, ValueError, OSError, EOFError, BadZipFile) as error:
            raise TrainingError(f"{path}: the file is damaged ({error}); {_TRAIN}") from error
        values["graph_sha256"] = str(values["graph_sha256"])
        return OofForecasts(**values)._checked(path)

    def _checked(self, path: Path) -> "OofForecasts":
        models = self.votes.shape[-1]
        shapes = {
            "probabilities": (len(self), 3), "votes": (len(self), models), "fold": (len(self),),
            "model_probabilities": (len(self), models, 3), "label": (len(self),),
        }  # fmt: skip
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise TrainingError(
                    f"{path}: {name} of shape {shape} is expected, {getattr(self, name).shape} "
                    f"came; {_TRAIN}"
                )
        if (np.diff(self.open_ms) <= 0).any() or (np.diff(self.fold) < 0).any():
            raise TrainingError(f"{path}: rows must rise in time and in fold; {_TRAIN}")
        return self


def oof_path(paths: ModelPaths, symbol: str) -> Path:
    """`datasets/oof_<symbol>.npz`, or the models' own folder where that is not `models/`."""
    folder = paths.graph.parent
    if folder == PROJECT_ROOT / "models":
        folder = PROJECT_ROOT / "datasets"
    return folder / f"oof_{symbol.lower()}.npz"
