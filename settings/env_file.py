"""`.env`: secrets by name, for their owner alone. Lines that are there already stay as they are."""

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

_NAME = re.compile(r"^[A-Z][A-Z0-9_]*$")
# What needs no quoting in any reader of such files.
_VALUE = re.compile(r"^[A-Za-z0-9._~:/?&=@%+,*!^|-]+$")
_LINE = re.compile(r"^\s*(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=")


class EnvFileError(ValueError):
    """A name or value that such a file cannot hold. The text names the variable, not the value."""


@dataclass(frozen=True, slots=True)
class EnvChanges:
    """Names by what becomes of them; `kept`: they have another value, which stays."""

    added: tuple[str, ...]
    replaced: tuple[str, ...]
    kept: tuple[str, ...]
    same: tuple[str, ...]


def require_writable(values: Mapping[str, str]) -> None:
    """Raises `EnvFileError`."""
    for name, value in values.items():
        if not _NAME.match(name):
            raise EnvFileError(f"{name}: capitals, digits and _ are allowed in a name")
        if not _VALUE.match(value):
            raise EnvFileError(
                f"{name}: letters, digits and . _ ~ : / ? & = @ % + , * ! ^ | - are allowed, "
                "something else came; copy it again without spaces and quotes"
            )


def changes_of(path: Path, values: Mapping[str, str], *, overwrite: bool) -> EnvChanges:
    """What `write` would do."""
    there = dotenv_values(path) if path.exists() else {}
    added = tuple(name for name in values if not there.get(name))
    same = tuple(name for name in values if there.get(name) == values[name])
    other = tuple(name for name in values if name not in added and name not in same)
    return EnvChanges(added, other if overwrite else (), () if overwrite else other, same)


def write(path: Path, values: Mapping[str, str], *, overwrite: bool) -> EnvChanges:
    """Adds what is missing, replaces where `overwrite`; mode 0600, whole or not at all.

    Raises `EnvFileError` and `OSError`.
    """
    require_writable(values)
    changes = changes_of(path, values, overwrite=overwrite)
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    set_now = {name: values[name] for name in (*changes.added, *changes.replaced)}
    if set_now:
        _replace(path, _merged(text, set_now))
    elif path.exists():
        path.chmod(0o600)
    return changes


def _merged(text: str, values: Mapping[str, str]) -> str:
    lines, left = [], dict(values)
    for line in text.splitlines():
        found = _LINE.match(line)
        name = found["name"] if found else ""
        if name in values:
            if name in left:
                lines.append(f"{name}={left.pop(name)}")
            continue
        lines.append(line)
    lines += [f"{name}={value}" for name, value in left.items()]
    return "\n".join(lines) + "\n"


def _replace(path: Path, text: str) -> None:
    """`mkstemp` makes files that only their owner may read."""
    number, name = tempfile.mkstemp(prefix=".env-", dir=path.parent)
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
