"""Puts a trained model in place of the old one, all files or none.

Everything is written into a temporary folder beside the old files, flushed, loaded by the
predictor as a daemon would, and only then moved over them, the manifest last. A crash
before that leaves the old model whole; one between the moves leaves files that do not match the
manifest, which the predictor refuses.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ml.predictors.compat import (
    FileStamp,
    Manifest,
    ModelEntry,
    ModelError,
    read_manifest,
)
from ml.predictors.settings import ModelFiles


def install_model(
    files: ModelFiles,
    graph: bytes,
    metadata: dict[str, Any],
    entry_of: Callable[[FileStamp, FileStamp], ModelEntry],
    load: Callable[[ModelFiles], object],
) -> ModelEntry:
    """Writes graph, metadata and manifest; `entry_of(graph stamp, metadata stamp)` is the entry.

    `load` opens the new files as their predictor does. What it raises goes on; the old files then
    stay.
    """
    for target in (files.graph, files.metadata, files.manifest):
        target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".new-", dir=files.graph.parent))
    try:
        new = ModelFiles(*(folder / each.name for each in _paths(files)))
        _write(new.graph, graph)
        _write(new.metadata, (json.dumps(metadata, indent=2) + "\n").encode())
        entry = entry_of(FileStamp.of(new.graph), FileStamp.of(new.metadata))
        models = {**_other_models(files.manifest), files.graph.name: entry}
        _write(new.manifest, Manifest(models=models).text().encode())
        load(new)
        for made, target in zip(_paths(new), _paths(files), strict=True):
            made.replace(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return entry


def _paths(files: ModelFiles) -> tuple[Path, Path, Path]:
    """In the order in which they are moved."""
    return files.graph, files.metadata, files.manifest


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _other_models(manifest: Path) -> dict[str, ModelEntry]:
    """Entries of the manifest so far; a missing or damaged one has none worth keeping."""
    try:
        return dict(read_manifest(manifest).models)
    except ModelError:
        return {}
