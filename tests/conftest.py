"""Fixtures that many rooms share, and what holds for every test."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

_SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 2 << 30  # a whole run leaves less than a quarter of it

# Each run draws the same examples, and no example fails for being slow on a busy machine.
# `--hypothesis-profile=any` draws others every time.
settings.register_profile("suite", derandomize=True, deadline=None)
settings.register_profile("any", deadline=None)
settings.load_profile("suite")


def pytest_configure() -> None:
    """`tmp_path` is in memory where there is room: a run waits for the disk some 60,000 times else.

    Tests kill processes, they pull no plug, so no test needs the disk.
    """
    if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free >= _ROOM_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real market data; the test skips where it is not there."""
    if not _SHARED_DATA.is_dir():
        pytest.skip("real market data (../shared/data) is not on this machine")
    return _SHARED_DATA
