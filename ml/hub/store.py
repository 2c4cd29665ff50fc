"""The port that a store fulfils, and the one in a local folder."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ml.hub.errors import HubUnavailable, ReleaseDamaged, ReleaseMissing

Contents = Sequence[tuple[str, bytes]]


class Store(Protocol):
    """Bytes by key; keys are names joined by `/`.

    Every method raises `HubUnavailable` where the store does not answer or refuses.
    """

    @property
    def name(self) -> str:
        """The store in words, for messages; no secret in it."""
        ...

    def listed(self) -> list[str]:
        """Every key."""
        ...

    def read(self, key: str, most_bytes: int) -> bytes:
        """Raises `ReleaseMissing` without such a key, `ReleaseDamaged` if it is longer."""
        ...

    def write(self, contents: Contents, message: str) -> None:
        """Writes keys in this order, so that the last one vouches for those before it."""
        ...


class LocalStore:
    """A folder, on this machine or mounted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def name(self) -> str:
        return f"the folder {self._folder}"

    def listed(self) -> list[str]:
        if not self._folder.is_dir():
            return []
        return [
            each.relative_to(self._folder).as_posix()
            for each in sorted(self._folder.rglob("*"))
            if each.is_file() and not each.name.startswith(".")
        ]

    def read(self, key: str, most_bytes: int) -> bytes:
        path = self._folder / key
        try:
            with path.open("rb") as file:
                return at_most(file.read(most_bytes + 1), most_bytes, f"{self.name}: {key}")
        except FileNotFoundError:
            raise ReleaseMissing(f"{self.name}: {key} is not there") from None
        except OSError as error:
            raise HubUnavailable(f"{self.name}: {key} cannot be read: {error}") from error

    def write(self, contents: Contents, message: str) -> None:
        try:
            for key, content in contents:
                write_whole(self._folder / key, content)
        except OSError as error:
            raise HubUnavailable(f"{self.name}: cannot be written: {error}") from error


def at_most(content: bytes, most_bytes: int, where: str) -> bytes:
    """The content, or `ReleaseDamaged` where it is longer than it may be."""
    if len(content) > most_bytes:
        raise ReleaseDamaged(f"{where}: {most_bytes} bytes are listed, more came; push it again")
    return content


def write_whole(path: Path, content: bytes) -> None:
    """The whole file or none, durably."""
    path.parent.mkdir(parents=True, exist_ok=True)
    number, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    with os.fdopen(number, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(path)
