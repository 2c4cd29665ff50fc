"""The cache of compiled kernels belongs to one state of their sources."""

from pathlib import Path

from numba import config

from market import fills
from market.compiled import sources_hash

ROOT = Path(__file__).resolve().parents[2]


def _tree(root: Path, callee: str) -> Path:
    (root / "market").mkdir(parents=True)
    (root / "market" / "callee.py").write_text(f"@kernel\ndef f(x): return {callee}\n")
    (root / "market" / "plain.py").write_text("def g(): pass\n")
    return root


def test_changed_kernel_source_gets_another_cache(tmp_path: Path) -> None:
    before = sources_hash(_tree(tmp_path / "a", "x+1"))
    assert sources_hash(_tree(tmp_path / "b", "x+1")) == before
    assert sources_hash(_tree(tmp_path / "c", "x-1")) != before, "of the same length"


def test_source_without_kernels_keeps_the_cache(tmp_path: Path) -> None:
    root = _tree(tmp_path, "x")
    before = sources_hash(root)
    (root / "market" / "plain.py").write_text("def g(): return 1\n")
    assert sources_hash(root) == before


def test_kernels_are_cached_under_the_hash_of_this_tree() -> None:
    assert fills.first_exit is not None
    assert Path(config.CACHE_DIR) == ROOT / ".kernels" / sources_hash(ROOT)
