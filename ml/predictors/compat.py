"""`models/model_compat.json`: the single manifest that says which model files are true.

One entry per graph file: its features and their hash, its files and their SHA-256, the graph's
opset and the runtime options it was made with. Nothing is given to ONNX Runtime before its bytes
match.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ml.features.catalogue import feature_hash

SCHEMA = 1
Kind = Literal["signal", "position", "sltp", "risk"]
_FLAGS: dict[Kind, str] = {
    "signal": "--ensemble", "position": "--position", "sltp": "--sltp", "risk": "--risk",
}  # fmt: skip


def train_command(kind: Kind) -> str:
    """What a person types to get a model of this kind."""
    return f"python train_ml_model.py {_FLAGS[kind]}"


_TRAIN = train_command("signal")


class ModelError(Exception):
    """A model cannot be used. The text says why and what to do."""


class ModelMissing(ModelError):
    """There is no model yet."""


class ModelCompatibilityError(ModelError):
    """The model files do not fit each other, this code or these settings."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class FileStamp(_Frozen):
    """A file beside the manifest, and what its bytes must hash to."""

    file: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size_bytes: int

    @staticmethod
    def of(path: Path) -> "FileStamp":
        content = path.read_bytes()
        return FileStamp(file=path.name, sha256=_sha256(content), size_bytes=len(content))


class ModelEntry(_Frozen):
    """One model: what it reads, what it is made of, and until when it learned."""

    kind: Kind
    symbol: str
    timeframe: str
    classes: tuple[str, ...]
    feature_names: tuple[str, ...]
    feature_hash: str
    train_cutoff_date: str
    train_cutoff_ms: int
    graph: FileStamp
    metadata: FileStamp
    opset: dict[str, int]
    onnxruntime_version: str
    onnxruntime_options: dict[str, int | str]


class Manifest(_Frozen):
    """Entries by the name of their graph file."""

    schema_version: int = SCHEMA
    models: dict[str, ModelEntry] = Field(default_factory=dict)

    def text(self) -> str:
        return json.dumps(self.model_dump(mode="json"), indent=2) + "\n"


def read_manifest(path: Path) -> Manifest:
    """The manifest, or `ModelMissing` / `ModelCompatibilityError` that say what to do."""
    try:
        content = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ModelMissing(f"{path}: no such file; train a model first: {_TRAIN}") from None
    except UnicodeDecodeError:
        raise ModelCompatibilityError(f"{path}: is not text; train again: {_TRAIN}") from None
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "(file)"
        raise ModelCompatibilityError(
            f"{path}: {where}: {first['msg']}; the manifest is damaged, train again: {_TRAIN}"
        ) from None
    if manifest.schema_version != SCHEMA:
        raise ModelCompatibilityError(
            f"{path}: schema_version {SCHEMA} is allowed, {manifest.schema_version} came; "
            f"train again: {_TRAIN}"
        )
    return manifest


def read_entry(manifest_path: Path, graph_path: Path, kind: Kind = "signal") -> ModelEntry:
    """The manifest's entry for a graph file, if it is a model of this kind."""
    manifest = read_manifest(manifest_path)
    if graph_path.name not in manifest.models:
        known = ", ".join(manifest.models) or "nothing"
        raise ModelMissing(
            f"{manifest_path} lists {known}, not {graph_path.name}; train it: {train_command(kind)}"
        )
    entry = manifest.models[graph_path.name]
    if entry.kind != kind:
        raise ModelCompatibilityError(
            f"{manifest_path}: {graph_path.name} is listed as kind {entry.kind}, {kind} is "
            f"allowed there; train it: {train_command(kind)}"
        )
    return entry


def read_checked(path: Path, stamp: FileStamp, kind: Kind = "signal") -> bytes:
    """A file's bytes, if they are those the manifest lists."""
    train = train_command(kind)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ModelMissing(f"{path}: no such file; train a model first: {train}") from None
    if len(content) != stamp.size_bytes:
        raise ModelCompatibilityError(
            f"{path}: {stamp.size_bytes} bytes are listed in the manifest, {len(content)} came: "
            f"the file is truncated or from another training; train again: {train}"
        )
    if _sha256(content) != stamp.sha256:
        raise ModelCompatibilityError(
            f"{path}: sha256 {stamp.sha256[:12]}… is listed in the manifest, "
            f"{_sha256(content)[:12]}… came: the file is damaged or from another training; "
            f"train again: {train}"
        )
    return content


def require_features(entry: ModelEntry, expected: Sequence[str]) -> None:
    """Refuses a model whose features are not exactly `expected`, in this order."""
    train = train_command(entry.kind)
    for place, (theirs, ours) in enumerate(zip(entry.feature_names, expected, strict=False), 1):
        if theirs != ours:
            raise ModelCompatibilityError(
                f"{entry.graph.file}: feature {place} is {theirs} in the model and {ours} in "
                f"this code and its settings (features.groups); train again: {train}"
            )
    if len(entry.feature_names) != len(expected):
        longer = max(tuple(entry.feature_names), tuple(expected), key=len)
        odd = longer[min(len(entry.feature_names), len(expected))]
        raise ModelCompatibilityError(
            f"{entry.graph.file}: {len(entry.feature_names)} features in the model, "
            f"{len(expected)} in the settings (features.groups); the first one more is {odd}; "
            f"train again: {train}"
        )
    here = feature_hash(tuple(expected))
    if entry.feature_hash != here:
        raise ModelCompatibilityError(
            f"{entry.graph.file}: feature hash {entry.feature_hash[:12]}… in the model, "
            f"{here[:12]}… in this code, with equal names: the catalogue has changed; "
            f"train again: {train}"
        )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
