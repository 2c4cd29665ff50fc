"""What the models beside the signal model answered before, by graph and by the bytes asked with.

An answer depends on its row alone, so one that is kept is the one that would come. Runs differ in
the trades they hold, but most of their questions are the same.
"""

import hashlib
import json
import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from market.bars import Float64s
from ml.predictors.checked import CheckedPredictor
from ml.predictors.model_set import ModelSet
from ml.predictors.position import PositionPredictor
from ml.predictors.risk import RiskPredictor
from ml.predictors.session import OPTIONS, RUNTIME_VERSION
from ml.predictors.sltp import SltpPredictor
from trading.advice import BesideModels

_KEY_BYTES = 16
_CLASSES = 3


class Memory:
    """The answers of a run's models, read from a folder and kept there; None: for the run alone."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._kept: list[tuple[Path, Answers]] = []

    def of(self, models: ModelSet) -> BesideModels:
        """The models, each with its memory."""
        position, sltp, risk = models.position, models.sltp, models.risk
        return BesideModels(
            RememberedExits(position, self._answers(position)) if position else None,
            RememberedArray(sltp, self._answers(sltp)) if sltp else None,
            RememberedArray(risk, self._answers(risk)) if risk else None,
            position is not None and bool(position.notes.get("m1")),
        )

    def keep(self) -> None:
        """Writes what is new; each file whole or not at all."""
        for file, answers in self._kept:
            if answers.grown:
                _write(file, answers)

    def _answers(self, model: CheckedPredictor) -> "Answers":
        answers = Answers()
        if self._folder is not None:
            file = self._folder / answers_file(model)
            answers = _read(file)
            self._kept.append((file, answers))
        return answers


class Answers:
    """Numbers by the hash of the row that was asked with."""

    __slots__ = ("_at_first", "known")

    def __init__(self, known: dict[bytes, Float64s] | None = None) -> None:
        self.known = known or {}
        self._at_first = len(self.known)

    @property
    def grown(self) -> bool:
        return len(self.known) > self._at_first

    @staticmethod
    def key(row: Float64s) -> bytes:
        return hashlib.blake2b(row.tobytes(), digest_size=_KEY_BYTES).digest()


class RememberedArray:
    """An SL/TP or risk model; rows are asked one by one."""

    def __init__(self, model: SltpPredictor | RiskPredictor, answers: Answers) -> None:
        self._model = model
        self._answers = answers

    def predict(self, rows: Float64s) -> Float64s:
        return np.array([self._one(row) for row in rows])

    def _one(self, row: Float64s) -> Float64s:
        key, known = Answers.key(row), self._answers.known
        if key not in known:
            known[key] = np.asarray(self._model.predict(row[None])[0], dtype=np.float64)
        return known[key]


class Said:
    """Probabilities (n, 3) and votes (n, models), as the position model says them."""

    __slots__ = ("probabilities", "votes")

    def __init__(self, answers: Float64s) -> None:
        self.probabilities: Float64s = answers[:, :_CLASSES]
        self.votes: NDArray[np.int8] = answers[:, _CLASSES:].astype(np.int8)


class RememberedExits:
    """A position model; an answer is three probabilities and the votes."""

    def __init__(self, model: PositionPredictor, answers: Answers) -> None:
        self._model = model
        self._answers = answers

    def predict(self, rows: Float64s) -> Said:
        known = self._answers.known
        if len(rows) == 1 and (answer := known.get(Answers.key(rows))) is not None:
            return Said(answer[None])
        keys = [Answers.key(row) for row in rows]
        new = [place for place, key in enumerate(keys) if key not in known]
        if new:
            said = self._model.predict(rows[new])
            for place, answer in zip(new, np.c_[said.probabilities, said.votes], strict=True):
                known[keys[place]] = answer
        return Said(np.array([known[key] for key in keys]))


def answers_file(model: CheckedPredictor) -> str:
    """The name of the file that a model's answers are kept in."""
    return f"answers_{_key(model)}.npz"


def _key(model: CheckedPredictor) -> str:
    entry = model.metadata
    parts = (entry.kind, entry.feature_hash, entry.graph.sha256, OPTIONS, RUNTIME_VERSION)
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


def _read(file: Path) -> Answers:
    """What the file holds; nothing where it cannot be used."""
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            keys, answers = stored["keys"], stored["answers"]
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return Answers()
    if keys.dtype != np.uint8 or keys.shape[1:] != (_KEY_BYTES,) or len(keys) != len(answers):
        return Answers()
    whole = keys.tobytes()
    places = range(0, len(whole), _KEY_BYTES)
    return Answers({whole[i : i + _KEY_BYTES]: row for i, row in zip(places, answers, strict=True)})


def _write(file: Path, answers: Answers) -> None:
    keys = np.frombuffer(b"".join(answers.known), dtype=np.uint8).reshape(-1, _KEY_BYTES)
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=file.parent, prefix=file.stem, suffix=".part")
    with os.fdopen(handle, "wb") as stream:
        np.savez(stream, keys=keys, answers=np.array(list(answers.known.values())))
    Path(part).replace(file)
