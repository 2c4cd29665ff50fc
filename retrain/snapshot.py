"""A byte copy of what phase swap may change, to give back.

    snapshot/files/...     files and links of the models folder that swap may change
    snapshot/listing.json  SHA-256 of each file, target of each link; written last

Files in `installed/` are never written again once they are there, so they are linked where the
disk can; everything else is copied. The local hub, and files that no release may hold, are left
alone.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ml.hub.folder import ModelFolder
from ml.hub.release import DESCRIPTION, may_be_released
from ml.hub.store import write_whole
from retrain.errors import RunError

_LISTING = "listing.json"
_INSTALLED = "installed"
_CURRENT = "current"
# Folders in which phase swap may add and remove files.
_OWN_FOLDERS = ("cards", "challenger", "warm")

Listing = dict[str, str]


class SnapshotError(RunError):
    """A snapshot is missing or damaged. Nothing was changed."""


def take(folder: Path, models: Path) -> None:
    """Copies into `folder`; a complete snapshot there stays as it is."""
    if (folder / _LISTING).exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "files").mkdir(parents=True)
    for path in _paths(models):
        name = path.relative_to(models)
        copy_whole(path, folder / "files" / name, may_link=name.parts[0] == _INSTALLED)
    listed = {"files": digest(folder / "files")}
    write_whole(folder / _LISTING, (json.dumps(listed, indent=1) + "\n").encode())


def digest(models: Path) -> Listing:
    """Of every file and link that phase swap may change, by path: `_stamp` of each."""
    return {path.relative_to(models).as_posix(): _stamp(path) for path in _paths(models)}


def give_back(folder: Path, models: Path, *, tag: str) -> None:
    """Makes the models folder what it was before the run `tag`, `strategy_params.json` too.

    What serves changes in one step; where that was killed, the same call ends it.
    """
    files = _checked(folder)
    models.mkdir(parents=True, exist_ok=True)
    with ModelFolder(models).locked():
        back = _serve_again(folder / "files", models)
        for name in sorted(files, key=_order):
            if _stamp(models / name) != files[name]:
                copy_whole(folder / "files" / name, models / name)
        _remove_links(models, files)
        _remove_added(models, files)
        _remove_installed(models, files, tag, back)


def _checked(folder: Path) -> Listing:
    """The listing, if every file of the snapshot is as it says."""
    try:
        told = json.loads((folder / _LISTING).read_bytes())
    except (OSError, ValueError) as error:
        raise SnapshotError(
            f"{folder}: there is no complete snapshot to give back: {error}"
        ) from None
    files = digest(folder / "files")
    if files != told["files"]:
        both = sorted(files.keys() | told["files"].keys())
        other = [name for name in both if files.get(name) != told["files"].get(name)]
        raise SnapshotError(
            f"{folder}: the snapshot was changed since it was made ({', '.join(other)}); "
            "serve a release of the hub instead: python ml/local_hub.py --rollback TAG"
        )
    return files


def _serve_again(files: Path, models: Path) -> Listing:
    """One switch to a copy of what was shown: the paths show old bytes from here on.

    Returns the stamps of what was shown.
    """
    served = ModelFolder(models)
    shown = [each for each in files.iterdir() if may_be_released(each.name) and each.is_file()]
    if not shown:
        (models / _CURRENT).unlink(missing_ok=True)
        return {}
    incoming = served.new()
    for each in shown:
        write_whole(incoming / each.name, each.read_bytes())
    kept = served.keep(incoming, "back")
    served.serve(kept)
    return {each.name: _stamp(kept / each.name) for each in shown}


def _order(name: str) -> tuple[int, str]:
    """What is shown through `current` first, then plain files and links, then `current`."""
    first = name.split("/")[0]
    return (0 if first == _INSTALLED else 2 if first == _CURRENT else 1, name)


def _remove_links(models: Path, files: Listing) -> None:
    """Links that swap has made, `current` last: without it they would show nothing."""
    came = [each for each in models.iterdir() if each.is_symlink() and each.name not in files]
    for each in sorted(came, key=lambda path: _order(path.name)):
        each.unlink()


def _remove_added(models: Path, files: Listing) -> None:
    for path in [each for name in _OWN_FOLDERS for each in _below(models / name)]:
        if path.relative_to(models).as_posix() not in files:
            path.unlink()
    for name in _OWN_FOLDERS:
        for each in sorted((models / name).rglob("*"), reverse=True):
            if each.is_dir() and not any(each.iterdir()):
                each.rmdir()
        if (models / name).is_dir() and not any((models / name).iterdir()):
            (models / name).rmdir()


def _remove_installed(models: Path, files: Listing, tag: str, shown: Listing) -> None:
    """This run's folders and copies of what is given back; others are of somebody else."""
    listed = {name.split("/")[1] for name in files if name.startswith(f"{_INSTALLED}/")}
    installed = models / _INSTALLED
    for each in list(installed.iterdir()) if installed.is_dir() else []:
        own = {path.name: _stamp(path) for path in each.iterdir() if path.name != DESCRIPTION}
        is_ours = each.name.rpartition("-")[0] in (tag, "back") or own == shown
        if each.name not in listed and is_ours:
            # Half removed it would be no copy any more; under this name it is cleared next time.
            shutil.rmtree(each.replace(each.with_name(f".incoming-{each.name}")))
    if installed.is_dir() and not listed and not any(installed.iterdir()):
        installed.rmdir()


def _paths(models: Path) -> Iterator[Path]:
    """Files and links that phase swap may change, in fixed order."""
    for path in sorted(models.iterdir()) if models.is_dir() else []:
        if path.is_symlink() or (path.is_file() and may_be_released(path.name)):
            yield path
        elif path.name in (_INSTALLED, *_OWN_FOLDERS):
            yield from _below(path)


def _below(folder: Path) -> list[Path]:
    found = sorted(folder.rglob("*")) if folder.is_dir() else []
    return [each for each in found if each.is_symlink() or each.is_file()]


def copy_whole(path: Path, target: Path, *, may_link: bool = False) -> None:
    """The whole file or link or none, durably, in the place of whatever was there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".link-{target.name}")
    part.unlink(missing_ok=True)
    if path.is_symlink():
        part.symlink_to(path.readlink())
    elif not (may_link and _linked(path, part)):
        shutil.copy2(path, part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
    part.replace(target)


def _linked(path: Path, part: Path) -> bool:
    """Another name for the same bytes; False where the disk cannot."""
    try:
        os.link(path, part)
    except OSError:
        return False
    return True


def _stamp(path: Path) -> str:
    """A file's SHA-256, a link's target after `-> `; empty where nothing is there."""
    if path.is_symlink():
        return f"-> {path.readlink()}"
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
