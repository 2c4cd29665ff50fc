"""How long a test waits for what must come: longer than a busy machine takes, so that no test fails
for slowness, and no longer than needed where all is well."""

import time
from collections.abc import Callable

PATIENCE_S = 120.0
_PAUSE_S = 0.005


def until(is_so: Callable[[], object]) -> None:
    """Waits until something is true."""
    end_s = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end_s, f"not so within {PATIENCE_S:.0f} s"
        time.sleep(_PAUSE_S)
