"""Files that are written whole or not at all: a reader never sees half of one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A file beside `path` to write to, in folders that are made; in one step it takes the place of
    `path` when the block ends. Where the block fails, `path` stays as it was.

    One writer at a time, and not durable: `ml.hub.store.write_whole` is both. `OSError` where
    `path` is a folder or a device: taking its place would remove it.
    """
    if path.exists() and not path.is_file():
        raise OSError(f"{path}: a file is allowed, a folder or a device is there; name another")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
