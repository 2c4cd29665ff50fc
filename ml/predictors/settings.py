"""Where models lie: the `…_paths` and `model_compat` keys of `ml_config.json`."""

import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

PROJECT_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """One model's graph and metadata, and the manifest that vouches for them; whole paths."""

    graph: Path
    metadata: Path
    manifest: Path


class GraphPaths(BaseModel):
    """One model as the settings name it: its graph and its metadata."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    onnx: Path
    metadata: Path


class EnsemblePaths(GraphPaths):
    """The signal model."""

    onnx: Path = Path("models/ensemble_btcusd-live.onnx")
    metadata: Path = Path("models/ensemble_btcusd-live_metadata.json")


class PositionPaths(GraphPaths):
    """The position model."""

    onnx: Path = Path("models/position_btcusd-live.onnx")
    metadata: Path = Path("models/position_metadata.json")


class SltpPaths(GraphPaths):
    """The SL/TP model."""

    onnx: Path = Path("models/sltp_btcusd-live.onnx")
    metadata: Path = Path("models/sltp_metadata.json")


class RiskPaths(GraphPaths):
    """The risk model."""

    onnx: Path = Path("models/risk_btcusd-live.onnx")
    metadata: Path = Path("models/risk_metadata.json")


class ModelPaths(BaseModel):
    """Paths of every model file; relative ones are meant from the project's folder."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    ensemble_paths: EnsemblePaths = Field(default_factory=EnsemblePaths)
    position_paths: PositionPaths = Field(default_factory=PositionPaths)
    sltp_paths: SltpPaths = Field(default_factory=SltpPaths)
    risk_paths: RiskPaths = Field(default_factory=RiskPaths)
    model_compat: Path = Path("models/model_compat.json")
    # As the settings name them, where these are another symbol's, from which that cannot be told.
    _as_set: "ModelPaths | None" = PrivateAttr(default=None)

    @property
    def signal(self) -> ModelFiles:
        return self._files(self.ensemble_paths)

    @property
    def position(self) -> ModelFiles:
        return self._files(self.position_paths)

    @property
    def sltp(self) -> ModelFiles:
        return self._files(self.sltp_paths)

    @property
    def risk(self) -> ModelFiles:
        return self._files(self.risk_paths)

    @property
    def graph(self) -> Path:
        """The signal model's graph."""
        return self.signal.graph

    @property
    def metadata(self) -> Path:
        """The signal model's metadata."""
        return self.signal.metadata

    @property
    def manifest(self) -> Path:
        return PROJECT_ROOT / self.model_compat

    def for_symbol(self, symbol: str) -> "ModelPaths":
        """Another symbol's files.

        `position_btcusd-live.onnx` becomes `position_xauusd-live.onnx`, and a name without the
        symbol gets it: `position_metadata.json` becomes `position_metadata_xauusd.json`. Names are
        always made of the settings', so paths of one symbol lead to every other one's.
        """
        of = self._as_set or self
        found = ModelPaths(
            ensemble_paths=EnsemblePaths(**_for_symbol(of.ensemble_paths, symbol)),
            position_paths=PositionPaths(**_for_symbol(of.position_paths, symbol)),
            sltp_paths=SltpPaths(**_for_symbol(of.sltp_paths, symbol)),
            risk_paths=RiskPaths(**_for_symbol(of.risk_paths, symbol)),
            model_compat=of.model_compat,
        )
        if found == of:
            return of
        found._as_set = of
        return found

    def in_folder(self, folder: Path) -> "ModelPaths":
        """The same file names in another folder."""
        folder = folder.resolve()
        found = ModelPaths(
            ensemble_paths=EnsemblePaths(**_in_folder(self.ensemble_paths, folder)),
            position_paths=PositionPaths(**_in_folder(self.position_paths, folder)),
            sltp_paths=SltpPaths(**_in_folder(self.sltp_paths, folder)),
            risk_paths=RiskPaths(**_in_folder(self.risk_paths, folder)),
            model_compat=folder / self.manifest.name,
        )
        if self._as_set is not None:
            found._as_set = self._as_set.in_folder(folder)
        return found

    def _files(self, paths: GraphPaths) -> ModelFiles:
        return ModelFiles(PROJECT_ROOT / paths.onnx, PROJECT_ROOT / paths.metadata, self.manifest)


_SYMBOL_IN_NAME = re.compile(r"(?<=_)[^_]+?(?=-live)")


def _for_symbol(paths: GraphPaths, symbol: str) -> dict[str, Path]:
    onnx = _renamed(paths.onnx, symbol)
    metadata = _renamed(paths.metadata, symbol)
    if onnx != paths.onnx and metadata == paths.metadata:
        metadata = metadata.with_stem(f"{metadata.stem}_{symbol.lower()}")
    return {"onnx": onnx, "metadata": metadata}


def _renamed(path: Path, symbol: str) -> Path:
    return path.with_name(_SYMBOL_IN_NAME.sub(symbol.lower(), path.name, count=1))


def _in_folder(paths: GraphPaths, folder: Path) -> dict[str, Path]:
    return {"onnx": folder / paths.onnx.name, "metadata": folder / paths.metadata.name}
