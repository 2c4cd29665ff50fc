"""The models of one symbol together: the signal model, and those that were trained beside it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ml.features.settings import FeatureSettings
from ml.predictors.checked import CheckedPredictor
from ml.predictors.compat import ModelCompatibilityError, read_manifest
from ml.predictors.ensemble import EnsemblePredictor
from ml.predictors.position import PositionPredictor
from ml.predictors.risk import RiskPredictor
from ml.predictors.settings import ModelFiles, ModelPaths
from ml.predictors.sltp import SltpPredictor

_Model = TypeVar("_Model", bound=CheckedPredictor)


@dataclass(frozen=True, slots=True, eq=False)
class ModelSet:
    """Loaded models. None: no such model in the manifest."""

    signal: EnsemblePredictor
    position: PositionPredictor | None = None
    sltp: SltpPredictor | None = None
    risk: RiskPredictor | None = None

    @property
    def all(self) -> tuple[CheckedPredictor, ...]:
        """Those that are there."""
        found = (self.signal, self.position, self.sltp, self.risk)
        return tuple(model for model in found if model is not None)

    @property
    def train_cutoff_ms(self) -> int:
        """Up to where the last of them has seen bars."""
        return max(each.metadata.train_cutoff_ms for each in self.all)

    @property
    def of_another_signal(self) -> tuple[CheckedPredictor, ...]:
        """Those beside the signal model that learned from another one's forecasts, or whose
        metadata does not say from which."""
        signal = self.signal.metadata.graph.sha256
        return tuple(each for each in self.all[1:] if learned_from(each) != signal)


def load_models(paths: ModelPaths, features: FeatureSettings) -> ModelSet:
    """The signal model and every other one that the manifest lists, each checked.

    Raises `ModelMissing` or `ModelCompatibilityError` where a listed model's file is missing or
    wrong, where there is no signal model, and where one is for another symbol.
    """
    signal = EnsemblePredictor(paths, features).load()
    listed = read_manifest(paths.manifest).models

    def load(files: ModelFiles, make: Callable[[], _Model]) -> _Model | None:
        return make().load() if files.graph.name in listed else None

    models = ModelSet(
        signal,
        load(paths.position, lambda: PositionPredictor(paths, features)),
        load(paths.sltp, lambda: SltpPredictor(paths, features)),
        load(paths.risk, lambda: RiskPredictor(paths)),
    )
    for model in models.all:
        _require_symbol(model, signal.metadata.symbol)
    return models


def learned_from(model: CheckedPredictor) -> str:
    """SHA-256 of the signal graph whose forecasts a model beside it learned from; empty where its
    metadata does not say."""
    return str(model.notes.get("signal_graph_sha256", ""))


def _require_symbol(model: CheckedPredictor, symbol: str) -> None:
    if model.metadata.symbol != symbol:
        raise ModelCompatibilityError(
            f"{model.metadata.graph.file}: a model for {symbol} as the signal model is allowed, "
            f"one for {model.metadata.symbol} came"
        )
