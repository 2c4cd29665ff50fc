"""Installs a release again and again, each time in a process that kills itself one step later.

python -m tests.hub.killed_install TEMPLATE STORE TAG

A step is a call that changes the disk or makes a change last; before step n of TEMPLATE-n, a copy
of the template, the process ends by SIGKILL. The last copy is the first that was installed to the
end.
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ml.hub import Hub
from ml.hub.folder import ModelFolder
from ml.hub.install import install
from ml.hub.store import LocalStore

_STEPS = ("replace", "symlink", "mkdir", "unlink", "fsync", "rmdir")


def main(template: Path, store: Path, tag: str) -> None:
    """One process and one copy of the template for each step, until one is not killed."""
    step, status = 0, -1
    while status != 0:
        step += 1
        folder = template.with_name(f"{template.name}-{step}")
        shutil.copytree(template, folder, symlinks=True)
        child = os.fork()
        if child == 0:
            _kill_before(step)
            install(Hub(LocalStore(store)), tag, ModelFolder(folder), lambda path: None)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status not in (0, -signal.SIGKILL):
            raise SystemExit(f"step {step}: status {status}")


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


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
