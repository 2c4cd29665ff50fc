"""A forked process that kills itself (SIGKILL) before its n-th step.

A step is a call of `os` that changes the disk or makes a change last.
"""

import os
import signal
import traceback
from collections.abc import Callable
from typing import Any

_STEPS = ("replace", "symlink", "link", "mkdir", "unlink", "fsync", "rmdir", "remove")


def came_to_its_end(work: Callable[[], object], *, killed_before: int) -> bool:
    """Does the work in a process that is killed before a step (from 1); False where it was."""
    child = os.fork()
    if child == 0:
        _kill_before(killed_before)
        _end(work)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status not in (0, -signal.SIGKILL):
        raise SystemExit(f"step {killed_before}: status {status}")
    return status == 0


def _end(work: Callable[[], object]) -> None:
    """A forked process must not end as others do: it would wait for threads that it has not."""
    status = 1
    try:
        work()
        status = 0
    finally:
        if status:
            traceback.print_exc()
        os._exit(status)


def _kill_before(step: int) -> None:
    """Counts the steps of this process from here on."""
    left = step

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*values: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*values, **named)

        return run

    for name in _STEPS:
        setattr(os, name, counted(getattr(os, name)))
