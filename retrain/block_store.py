"""What a walk-forward run has finished: models of a cutoff, trades of a block.

    state/walk_forward/
        trained/<key>/        models of one cutoff; trained.json says which are finished
        traded/<key>.npz      one block as one setting traded it
        looked/<key>.json     pools that are in the trial ledger
        lock                  held by the command that writes

A key is a hash of everything that its content depends on, source code included, so what is kept is
what would come; another setting or version has other keys. Nothing is removed.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from modulefinder import ModuleFinder
from pathlib import Path
from typing import Any

from backtest.walk_forward.blocks import TradedBlock
from ml.hub.store import write_whole

_MARK = "trained.json"


def key_of(*parts: Any) -> str:
    """A hash of JSON values; paths and dates as text."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def source_sha256(root: Path, *entries: str) -> str:
    """Of every module under `root` that these files import, directly or not."""
    finder = ModuleFinder(path=[str(root)])
    for entry in entries:
        finder.load_file(str(root / entry))
    files = (getattr(each, "__file__", None) for each in finder.modules.values())
    found = {Path(file) for file in files if file}
    digest = hashlib.sha256()
    for file in sorted(found | {root / entry for entry in entries}):
        digest.update(file.relative_to(root).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


class BlockStore:
    """A folder of finished trainings and blocks. One command at a time may write."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def models(self, key: str) -> Path:
        """The folder of a training; what no `finish` has confirmed is to be trained again."""
        return self._folder / "trained" / key

    def finished(self, key: str) -> dict[str, str]:
        """Kinds of a training that are over: empty words, or why there is no such model."""
        mark = self.models(key) / _MARK
        return json.loads(mark.read_bytes()) if mark.is_file() else {}

    def finish(self, key: str, kind: str, why_not: str = "") -> None:
        """Notes durably that a kind is over."""
        told = self.finished(key) | {kind: why_not}
        write_whole(self.models(key) / _MARK, json.dumps(told, indent=1).encode())

    def clear(self, key: str) -> None:
        """Removes a training of which nothing is finished."""
        if not self.finished(key) and self.models(key).exists():
            shutil.rmtree(self.models(key))

    def find(self, key: str) -> TradedBlock | None:
        """A traded block; None where it was not finished."""
        file = self._traded(key)
        return TradedBlock.read(file) if file.is_file() else None

    def keep(self, key: str, block: TradedBlock) -> None:
        """Keeps a traded block, whole or not at all."""
        block.write(self._traded(key))

    def once(self, key: str, record: Callable[[], Mapping[str, Any]]) -> None:
        """Calls `record` where no earlier run did; a crash in between calls it once more."""
        if not self._looked(key).is_file():
            write_whole(self._looked(key), json.dumps(dict(record())).encode())

    def forget(self, key: str) -> None:
        """The ledger does not know any more what `once` recorded."""
        self._looked(key).unlink(missing_ok=True)

    def _looked(self, key: str) -> Path:
        return self._folder / "looked" / f"{key}.json"

    def _traded(self, key: str) -> Path:
        return self._folder / "traded" / f"{key}.npz"
