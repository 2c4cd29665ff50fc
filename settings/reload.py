"""The settings files under a running daemon: whether they were edited, and what they say now."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from settings.accounts import ACCOUNTS, TERMINALS
from settings.load import CONFIG, ML_CONFIG, Settings, load_settings, read_tree
from settings.prop import FILE as PROP_RULES
from settings.strategy_params import FILE as STRATEGY_PARAMS
from settings.strategy_params import params_folder
from trading.decision.reloadable import leaves
from trading.hot_reload import Edited

_FILES = (CONFIG, ML_CONFIG, ACCOUNTS, TERMINALS, PROP_RULES)
_Mark = tuple[int, int, int] | None


class SettingsFiles:
    """Reads the settings again, with the same overrides, once a file's content has changed.

    A file whose time, size and number are as before is not opened; one that was written again
    with the same content is no edit.
    """

    def __init__(self, load: Callable[[], Settings], root: Path = Path()) -> None:
        """`load` reads everything anew, as `load_settings` does. Raises `SettingsError`."""
        self._load = load
        params = params_folder(root, read_tree(root / ML_CONFIG)) / STRATEGY_PARAMS
        self._paths = (*(root / each for each in _FILES), params)
        self._marks = self._marks_now()
        self._hashes = self._hashes_now()

    @classmethod
    def like(cls, root: Path = Path(), **how: Any) -> "SettingsFiles":
        """`how`: what was given to `load_settings` at the start."""
        return cls(lambda: load_settings(root, **how), root)

    def read(self) -> Edited:
        """What the files say. Raises `SettingsError` with every problem, `OSError`."""
        return edited_of(self._load())

    def poll(self) -> Edited | None:
        """What the files say, if that may be new; None otherwise. Raises as `read`; the content
        that it was raised for is not read again before it changes."""
        marks = self._marks_now()
        if marks == self._marks:
            return None
        hashes = self._hashes_now()
        self._marks = marks
        if hashes == self._hashes:
            return None
        self._hashes = hashes
        return self.read()

    def _marks_now(self) -> tuple[_Mark, ...]:
        return tuple(_mark(each) for each in self._paths)

    def _hashes_now(self) -> tuple[bytes, ...]:
        return tuple(_sha256(each) for each in self._paths)


def edited_of(settings: Settings) -> Edited:
    """The rules of decisions, and everything else by its key in the files."""
    tree = settings.model_dump(mode="json", exclude={"decision"})
    ml = tree.pop("ml")
    paths = ml.pop("paths")
    return Edited(settings.decision, leaves({**ml, **paths, **tree}))


def _mark(path: Path) -> _Mark:
    try:
        seen = path.stat()
    except FileNotFoundError:
        return None
    return seen.st_mtime_ns, seen.st_size, seen.st_ino


def _sha256(path: Path) -> bytes:
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except FileNotFoundError:
        return b""
