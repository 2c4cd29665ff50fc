"""Changes settings files in place: nothing is replaced before `load_settings` takes all of it."""

import copy
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from settings.accounts import ACCOUNTS, TERMINALS
from settings.errors import SettingProblem, SettingsError
from settings.load import CONFIG, ML_CONFIG, load_settings, read_tree
from settings.strategy_params import FILE as PARAMS
from settings.strategy_params import params_folder

_FILES = (CONFIG, ML_CONFIG, ACCOUNTS, TERMINALS)


@dataclass(frozen=True, slots=True)
class Edit:
    """One key of a settings file: its path, and the value it gets. `if_missing`: a value that is
    there already stays."""

    file: str
    keys: tuple[str, ...]
    value: Any
    if_missing: bool = False

    @staticmethod
    def of(file: str, path: str, value: Any, *, if_missing: bool = False) -> "Edit":
        """`path` with dots between its keys."""
        return Edit(file, tuple(path.split(".")), value, if_missing)

    def __str__(self) -> str:
        return f"{self.file}: {'.'.join(self.keys)} = {json.dumps(self.value)}"


def change(root: Path, edits: Iterable[Edit], *, account: str | None = None) -> tuple[Edit, ...]:
    """Writes the edits into the files under `root`; those that changed anything.

    Raises `SettingsError` where the result could not be loaded (`account`: with that entry);
    then every file is as it was. A file in which nothing changes is not touched.
    """
    before = {name: _read(root / name) for name in _FILES if (root / name).exists()}
    after = copy.deepcopy(before)
    made = tuple(edit for edit in edits if _set(after, edit))
    changed = {name: _text(tree) + "\n" for name, tree in after.items() if before.get(name) != tree}
    _require_loadable(root, changed, account)
    for name, text in changed.items():
        _replace(root / name, text)
    return made


def _set(trees: dict[str, Any], edit: Edit) -> bool:
    """Whether the value is another one now."""
    tree = trees.setdefault(edit.file, {})
    for key in edit.keys[:-1]:
        tree = tree.setdefault(key, {})
        if not isinstance(tree, dict):
            where = ".".join(edit.keys)
            raise SettingsError([
                SettingProblem(edit.file, where, f"{key} is a section", repr(tree)[:80])
            ])  # fmt: skip
    last = edit.keys[-1]
    is_there = last in tree
    if is_there and (edit.if_missing or tree[last] == edit.value):
        return False
    if not is_there and edit.value is None:
        return False
    tree[last] = edit.value
    return True


def _require_loadable(root: Path, changed: dict[str, str], account: str | None) -> None:
    """Loads a copy of the settings with the changes in it."""
    with tempfile.TemporaryDirectory() as folder:
        copied = Path(folder)
        for name in (CONFIG, ML_CONFIG):
            if (root / name).exists():
                shutil.copy(root / name, copied / name)
        shutil.copytree(root / "config", copied / "config")
        for name, text in changed.items():
            (copied / name).parent.mkdir(parents=True, exist_ok=True)
            (copied / name).write_text(text, encoding="utf-8")
        _copy_params(root, copied)
        load_settings(copied, account=account)


def _copy_params(root: Path, copied: Path) -> None:
    ml = read_tree(copied / ML_CONFIG)
    here, there = (params_folder(each, ml) / PARAMS for each in (root, copied))
    if here.exists() and here != there:
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(here, there)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        problem = SettingProblem(path.name, f"line {error.lineno}", "valid JSON", error.msg)
        raise SettingsError([problem]) from None


def _text(tree: Any, indent: str = "") -> str:
    """Two spaces a level; an array of plain values stays on one line."""
    deeper = indent + "  "
    if isinstance(tree, dict) and tree:
        rows = [f"{deeper}{_plain(key)}: {_text(each, deeper)}" for key, each in tree.items()]
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    if isinstance(tree, list) and any(isinstance(each, dict | list) for each in tree):
        rows = [f"{deeper}{_text(each, deeper)}" for each in tree]
        return "[\n" + ",\n".join(rows) + f"\n{indent}]"
    return _plain(tree)


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _replace(path: Path, text: str) -> None:
    """Whole or not at all, with the mode that it has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = path.stat().st_mode if path.exists() else 0o644
    number, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    with os.fdopen(number, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(name).chmod(mode & 0o777)
    Path(name).replace(path)
