"""A candidate into the folder of the serving models: kept beside them, loaded once, then shown.

What serves changes in one step (`ml.hub.folder`). Models of other symbols in the same folder stay.
"""

import shutil
from datetime import UTC, datetime
from pathlib import Path

from backtest.evidence import Evidence, evidence_path, evidence_text
from ml.hub.errors import HubError
from ml.hub.install import Check, folder_of, loads
from ml.hub.release import (
    DESCRIPTION,
    MANIFEST,
    Release,
    next_tag,
    read_release,
    release_of,
)
from ml.hub.store import write_whole
from ml.predictors.compat import Manifest, ModelEntry, ModelError, ModelMissing, read_manifest
from ml.predictors.settings import ModelPaths
from retrain.errors import PhaseFailed
from retrain.phase import Run
from retrain.snapshot import copy_whole
from settings.strategy_params import FILE as PARAMS

_NOT_SERVED = "challenger.json"
_BESIDE = ("cards", "warm")


def serving_graphs(paths: ModelPaths, symbol: str) -> dict[str, str]:
    """SHA-256 of each graph of a symbol by kind, as the manifest that is shown says; empty without
    one."""
    try:
        listed = read_manifest(paths.manifest).models.values()
    except ModelMissing:
        return {}
    return {each.kind: each.graph.sha256 for each in listed if each.symbol == symbol}


def stage(
    run: Run, source: Path, *, tag: str, made_ms: int, evidence: Evidence | None = None
) -> Path:  # fmt: skip
    """The models of `source` in a folder of `installed/`, checked and loaded; nothing shows it.

    `evidence`: in the place of the source's own. The folder that an earlier call has kept, where
    there is one. `PhaseFailed` where they cannot serve.
    """
    folder = folder_of(run.paths)
    with folder.locked():
        incoming = folder.new()
        try:
            _write(run, source, incoming, evidence)
            release, _ = release_of(incoming, tag, datetime.fromtimestamp(made_ms / 1000, UTC))
            for kept in sorted((folder.path / "installed").glob(f"{tag}-*")):
                if described(kept) == release:
                    return kept
            _check(run)(incoming)
            write_whole(incoming / DESCRIPTION, release.text().encode())
            return folder.keep(incoming, release.tag)
        except (ModelError, HubError) as error:
            raise PhaseFailed(
                f"{source}: these models cannot serve, the champion stays: {error}"
            ) from error
        finally:
            shutil.rmtree(incoming, ignore_errors=True)


def serve(run: Run, kept: Path) -> None:
    """Shows a kept folder's models and `strategy_params.json` at the paths of the settings."""
    folder = folder_of(run.paths)
    with folder.locked():
        folder.serve(kept)


def require_served(run: Run, kept: Path) -> None:
    """Loads what the paths show now. Raises `ModelError` or `HubError`."""
    folder = folder_of(run.paths)
    _check(run)(folder.path)
    shown, wanted = read_manifest(folder.path / MANIFEST), read_manifest(kept / MANIFEST)
    if shown != wanted:
        raise HubError(f"{folder.path}: shows other models than {kept}")


def copy_beside(source: Path, models: Path) -> None:
    """Cards, and what a warm start needs: no release has them, and nothing that serves reads
    them."""
    for name in _BESIDE:
        for path in sorted((source / name).rglob("*")):
            if path.is_file():
                copy_whole(path, models / path.relative_to(source))


def described(kept: Path) -> Release | None:
    """The release that a folder of `installed/` is; None without a description."""
    path = kept / DESCRIPTION
    return read_release(path.read_bytes(), str(path)) if path.is_file() else None


def _check(run: Run) -> Check:
    """Loads every model of a folder, those of other symbols by their own names."""
    paths = run.settings.ml.paths
    if run.options.models is not None:
        paths = paths.in_folder(run.options.models)
    return loads(paths, run.settings.ml.features)


def _write(run: Run, source: Path, incoming: Path, evidence: Evidence | None) -> None:
    """What will be shown: the source's files and, as they are now, those of other symbols and,
    where the source has none of its own, the `strategy_params.json` in force."""
    here, now = run.paths.manifest.parent, datetime.now(UTC)
    _, contents = release_of(source, next_tag(now.date(), ()), now)
    contents.pop(_NOT_SERVED, None)
    if PARAMS not in contents and run.strategy_params.exists():
        contents[PARAMS] = run.strategy_params.read_bytes()
    if evidence is not None:
        contents[evidence_path(here, run.symbol).name] = evidence_text(evidence).encode()
    others = _other_symbols(run)
    for entry in others.values():
        names = (entry.graph.file, entry.metadata.file, evidence_path(here, entry.symbol).name)
        contents |= {name: (here / name).read_bytes() for name in names if (here / name).is_file()}
    if others:
        own = read_manifest(source / MANIFEST).models
        contents[MANIFEST] = Manifest(models={**others, **own}).text().encode()
    for name, content in contents.items():
        write_whole(incoming / name, content)


def _other_symbols(run: Run) -> dict[str, ModelEntry]:
    try:
        listed = read_manifest(run.paths.manifest).models
    except ModelMissing:
        return {}
    return {name: entry for name, entry in listed.items() if entry.symbol != run.symbol}
