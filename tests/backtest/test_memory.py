"""Kept answers: the ones that would come, by graph and row; a spoilt file is no answer."""

from pathlib import Path

import numpy as np
import pytest

from backtest.memory import Memory
from ml.features.settings import FeatureSettings
from ml.predictors.model_set import ModelSet, load_models
from tests.tiny_models import write_models
from trading.advice import BesideModels


@pytest.fixture
def models(tmp_path: Path) -> ModelSet:
    return load_models(write_models(tmp_path / "models"), FeatureSettings())


def rows(width: int, count: int = 5) -> np.ndarray:
    return np.random.default_rng(width).normal(size=(count, width))


def ask(beside: BesideModels, count: int = 5) -> list[bytes]:
    assert beside.position and beside.sltp and beside.risk
    said = beside.position.predict(rows(71, count))
    answers = (
        said.probabilities, said.votes, beside.sltp.predict(rows(62, count)),
        beside.risk.predict(rows(7, count)),
    )  # fmt: skip
    return [np.ascontiguousarray(each).tobytes() for each in answers]


def direct(models: ModelSet) -> BesideModels:
    return BesideModels(models.position, models.sltp, models.risk)


def deaf(models: ModelSet) -> None:
    """Whoever asks a graph from now on fails."""
    for each in models.all:
        each._graph = None


def test_answers_are_those_of_the_models(models: ModelSet, tmp_path: Path) -> None:
    expected = ask(direct(models))
    assert ask(Memory(None).of(models)) == expected
    assert ask(Memory(tmp_path).of(models)) == expected


def test_kept_answers_are_read_back_and_nobody_is_asked_again(
    models: ModelSet, tmp_path: Path
) -> None:
    expected = ask(direct(models))
    first = Memory(tmp_path)
    ask(first.of(models))
    first.keep()
    second = Memory(tmp_path).of(models)
    deaf(models)
    assert ask(second) == expected
    with pytest.raises(RuntimeError, match="load"):
        ask(second, 6)


def test_nothing_is_written_where_nothing_is_new(models: ModelSet, tmp_path: Path) -> None:
    for _ in range(2):
        memory = Memory(tmp_path / "cache")
        ask(memory.of(models))
        memory.keep()
        written = {each: each.stat().st_mtime_ns for each in (tmp_path / "cache").iterdir()}
    memory = Memory(tmp_path / "cache")
    ask(memory.of(models))
    memory.keep()
    assert {each: each.stat().st_mtime_ns for each in (tmp_path / "cache").iterdir()} == written
    assert len(written) == 3


@pytest.mark.parametrize("content", [b"", b"no file of arrays", None], ids=["empty", "text", "cut"])
def test_a_spoilt_file_is_asked_anew(
    models: ModelSet, tmp_path: Path, content: bytes | None
) -> None:
    cache = tmp_path / "cache"
    memory = Memory(cache)
    expected = ask(memory.of(models))
    memory.keep()
    for file in cache.iterdir():
        file.write_bytes(file.read_bytes()[:-30] if content is None else content)
    again = Memory(cache)
    assert ask(again.of(models)) == expected
    again.keep()
    deaf_models = Memory(cache).of(models)
    deaf(models)
    assert ask(deaf_models) == expected


def test_another_graph_has_its_own_answers(models: ModelSet, tmp_path: Path) -> None:
    memory = Memory(tmp_path / "cache")
    ask(memory.of(models))
    memory.keep()
    assert models.risk is not None
    stamp = models.risk.metadata.graph.model_copy(update={"sha256": "0" * 64})
    models.risk._loaded.entry = models.risk.metadata.model_copy(update={"graph": stamp})
    other = Memory(tmp_path / "cache").of(models)
    deaf(models)
    assert other.risk is not None
    with pytest.raises(RuntimeError, match="load"):
        other.risk.predict(rows(7))
