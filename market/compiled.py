"""`kernel`: `numba.njit` with a disk cache that no changed source outlives.

numba's own cache looks only at the file of the function itself. A kernel that calls one of another
file would go on running the callee's old code after an update, silently. So the cache lies in a
folder named by a hash of every source file that holds kernels.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import config, njit

ROOMS = ("market", "broker", "ml", "trading")

_ROOT = Path(__file__).resolve().parents[1]
_F = TypeVar("_F", bound=Callable[..., Any])


def sources_hash(root: Path) -> str:
    """Hash over the names and contents of all files under the rooms of `root` with a kernel."""
    digest = hashlib.sha256()
    for room in ROOMS:
        for path in sorted((root / room).rglob("*.py")):
            source = path.read_bytes()
            if b"@kernel" in source:
                digest.update(f"{path.relative_to(root)} {len(source)}\n".encode())
                digest.update(source)
    return digest.hexdigest()[:16]


def kernel(function: _F) -> _F:
    """Compiles a function of numbers and arrays; strict float arithmetic, kept on disk."""
    return cast("_F", njit(cache=True)(function))


config.CACHE_DIR = str(_ROOT / ".kernels" / sources_hash(_ROOT))  # type: ignore[attr-defined]
