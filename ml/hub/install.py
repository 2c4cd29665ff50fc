"""From a store into the folder of the serving models: fetch, check, load once, then switch.

Until the switch nothing that serves is touched, and the switch is one step (`ml.hub.folder`).
"""

import shutil
from collections.abc import Callable
from pathlib import Path

from ml.features.settings import FeatureSettings
from ml.hub.errors import HubError
from ml.hub.folder import ModelFolder
from ml.hub.hub import Hub
from ml.hub.release import MANIFEST, Release
from ml.predictors.compat import read_manifest
from ml.predictors.model_set import load_models
from ml.predictors.settings import ModelPaths

Check = Callable[[Path], None]


def install(hub: Hub, tag: str | None, folder: ModelFolder, check: Check) -> Release:
    """Serves a release; without a tag, the hub's current one."""
    with folder.locked():
        release, kept = _staged(hub, tag, folder, check)
        folder.serve(kept)
    return release


def stage(hub: Hub, tag: str | None, folder: ModelFolder, check: Check) -> tuple[Release, Path]:
    """Fetches and checks a release and keeps it beside the serving one, which stays."""
    with folder.locked():
        return _staged(hub, tag, folder, check)


def roll_back(hub: Hub, tag: str, folder: ModelFolder, check: Check) -> Release:
    """Serves an older release and makes it the hub's current one.

    It is fetched and checked first; where the hub cannot be written, nothing changes at all.
    """
    with folder.locked():
        release, kept = _staged(hub, tag, folder, check)
        hub.rollback(tag)
        folder.serve(kept)
    return release


def folder_of(paths: ModelPaths) -> ModelFolder:
    """The folder of these paths. Raises `HubError` where they name more than one."""
    folders = {
        path.parent
        for files in (paths.signal, paths.position, paths.sltp, paths.risk)
        for path in (files.graph, files.metadata, files.manifest)
    }
    if len(folders) != 1 or paths.manifest.name != MANIFEST:
        named = ", ".join(sorted(str(each) for each in folders))
        raise HubError(
            f"ml_config.json: a hub needs all model files and {MANIFEST} in one folder; "
            f"{paths.manifest.name} and {named} came"
        )
    return ModelFolder(folders.pop())


def loads(paths: ModelPaths, features: FeatureSettings) -> Check:
    """A check that loads every model of a folder through its predictor.

    It raises `ModelCompatibilityError` where one was made for other features, and `HubError` where
    the manifest lists a model that no predictor reads.
    """

    def check(folder: Path) -> None:
        manifest = read_manifest(folder / MANIFEST)
        loaded = set()
        for symbol in sorted({each.symbol for each in manifest.models.values()}):
            models = load_models(paths.for_symbol(symbol).in_folder(folder), features)
            loaded |= {each.metadata.graph.file for each in models.all}
        if unread := sorted(manifest.models.keys() - loaded):
            raise HubError(
                f"{', '.join(unread)}: no predictor of this program reads a graph of that name; "
                "update the program, or name it in ml_config.json as the release does"
            )

    return check


def _staged(hub: Hub, tag: str | None, folder: ModelFolder, check: Check) -> tuple[Release, Path]:
    incoming = folder.new()
    try:
        release = hub.pull(tag, incoming)
        check(incoming)
        return release, folder.keep(incoming, release.tag)
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
