"""Where models lie: the `ensemble_paths` and `model_compat` keys of `ml_config.json`."""

import re
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

PROJECT_ROOT = Path(__file__).resolve().parents[2]


class EnsemblePaths(BaseModel):
    """The signal model: its graph and its metadata."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    onnx: Path = Path("models/ensemble_btcusd-live.onnx")
    metadata: Path = Path("models/ensemble_btcusd-live_metadata.json")


class ModelPaths(BaseModel):
    """Paths of every model file; relative ones are meant from the project's folder."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    ensemble_paths: EnsemblePaths = Field(default_factory=EnsemblePaths)
    model_compat: Path = Path("models/model_compat.json")

    @property
    def graph(self) -> Path:
        return PROJECT_ROOT / self.ensemble_paths.onnx

    @property
    def metadata(self) -> Path:
        return PROJECT_ROOT / self.ensemble_paths.metadata

    @property
    def manifest(self) -> Path:
        return PROJECT_ROOT / self.model_compat

    def for_symbol(self, symbol: str) -> "ModelPaths":
        """Another symbol's files: `ensemble_btcusd-live` becomes `ensemble_xauusd-live`."""
        paths = self.ensemble_paths
        return ModelPaths(
            ensemble_paths=EnsemblePaths(
                onnx=_renamed(paths.onnx, symbol), metadata=_renamed(paths.metadata, symbol)
            ),
            model_compat=self.model_compat,
        )

    def in_folder(self, folder: Path) -> "ModelPaths":
        """The same file names in another folder."""
        folder = folder.resolve()
        return ModelPaths(
            ensemble_paths=EnsemblePaths(
                onnx=folder / self.graph.name, metadata=folder / self.metadata.name
            ),
            model_compat=folder / self.manifest.name,
        )


def _renamed(path: Path, symbol: str) -> Path:
    return path.with_name(re.sub(r"(?<=^ensemble_).+?(?=-live)", symbol.lower(), path.name))
