"""The folder of the serving models, and how another release takes their place.

    models/ensemble_btcusd-live.onnx -> current/ensemble_btcusd-live.onnx
    models/model_compat.json         -> current/model_compat.json
    models/current                   -> installed/v20261120-3f9a1c
    models/installed/v20261120-3f9a1c/   a release: fetched, checked, loaded once

`current` is renamed over in one step, so the paths of `ml_config.json` show one whole release or
the other, whenever the process dies. Models trained here are plain files; before the first switch
they are copied into `installed/`, and each plain file becomes a link to its own copy.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ml.hub.errors import HubError
from ml.hub.release import DESCRIPTION, MANIFEST, Release, may_be_released, read_release
from ml.hub.store import write_whole

_CURRENT = "current"
_INSTALLED = "installed"
_INCOMING = ".incoming-"
_LINK = ".link-"
_LOCK = ".install.lock"
_KEPT_FOLDERS = 4


class ModelFolder:
    """`path` is the folder that `ml_config.json` names, usually `models/`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One installation at a time; the lock dies with its process, and its leavings go."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / _LOCK).open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise HubError(f"{self.path}: another installation is under way; wait") from None
            self._clear_leavings()
            yield

    def new(self) -> Path:
        """An empty folder for files that are not checked yet."""
        (self.path / _INSTALLED).mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=_INCOMING, dir=self.path / _INSTALLED))

    def keep(self, incoming: Path, name: str) -> Path:
        """The same files under a name of their own: they are whole now. Nothing serves them."""
        kept = incoming.with_name(f"{name}-{incoming.name.removeprefix(_INCOMING)}")
        _sync(incoming)
        incoming.replace(kept)
        _sync(kept.parent)
        return kept

    def serve(self, kept: Path) -> None:
        """Lets every path show the files of a kept folder. Call it inside `locked`."""
        self._adopt_plain_files(kept)
        for name in _files(kept):
            self._link(name)
        self._point(_CURRENT, Path(_INSTALLED) / kept.name)
        self._clear_dangling()
        self._forget_oldest(kept)

    def installed(self) -> Release | None:
        """The release that serves; None where the models were trained here, or there are none."""
        description = self.path / _CURRENT / DESCRIPTION
        manifest = self.path / MANIFEST
        if not manifest.is_symlink() or not description.is_file():
            return None
        return read_release(description.read_bytes(), str(description))

    def kept(self, name: str) -> Path:
        """A folder that `keep` has named; `HubError` where it is gone."""
        folder = self.path / _INSTALLED / name
        if Path(name).name != name or not (folder / DESCRIPTION).is_file():
            raise HubError(f"{self.path / _INSTALLED}: {name} is not there any more; pull it again")
        return folder

    def _adopt_plain_files(self, kept: Path) -> None:
        """Makes links of plain files without changing what any path shows."""
        plain = [name for name in self._served(kept) if self._is_plain(name)]
        if not plain:
            return
        incoming = self.new()
        for name in self._served(kept):
            if (self.path / name).exists():
                write_whole(incoming / name, (self.path / name).read_bytes())
        own = self.keep(incoming, "own")
        self._point(_CURRENT, Path(_INSTALLED) / own.name)
        for name in plain:
            self._link(name)

    def _served(self, kept: Path) -> list[str]:
        """Names at the top that are links into `current`, or would be covered by one."""
        links = {each.name for each in self.path.iterdir() if self._is_ours(each)}
        return sorted(links | set(_files(kept)) | set(self._trained_here()))

    def _trained_here(self) -> list[str]:
        """Beside a plain manifest all plain files, cards and pictures too, are of its models."""
        if not self._is_plain(MANIFEST):
            return []
        names = [each.name for each in self.path.iterdir() if may_be_released(each.name)]
        return [name for name in names if self._is_plain(name)]

    def _is_plain(self, name: str) -> bool:
        path = self.path / name
        return path.is_file() and not path.is_symlink()

    def _is_ours(self, path: Path) -> bool:
        return path.is_symlink() and path.readlink().parts[:1] == (_CURRENT,)

    def _link(self, name: str) -> None:
        self._point(name, Path(_CURRENT) / name)

    def _point(self, name: str, target: Path) -> None:
        """A link at the top that shows `target`, in one step."""
        link = self.path / f"{_LINK}{name}"
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        link.replace(self.path / name)
        _sync(self.path)

    def _clear_dangling(self) -> None:
        for each in self.path.iterdir():
            if self._is_ours(each) and not each.exists():
                each.unlink()

    def _clear_leavings(self) -> None:
        """What a killed installation left; nothing shows it."""
        for each in self.path.glob(f"{_LINK}*"):
            each.unlink()
        for each in (self.path / _INSTALLED).glob(f"{_INCOMING}*"):
            shutil.rmtree(each)

    def _forget_oldest(self, kept: Path) -> None:
        """Releases can be pulled again; what was trained here is for a person to delete."""
        installed = (self.path / _INSTALLED).glob("v*")
        folders = [each for each in installed if each != kept]
        newest_first = sorted(folders, key=lambda each: each.stat().st_mtime_ns, reverse=True)
        for each in newest_first[_KEPT_FOLDERS:]:
            shutil.rmtree(each)


def _files(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if may_be_released(each.name))


def _sync(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
