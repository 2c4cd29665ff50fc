"""Installs a release again and again, each time in a process that kills itself one step later.

python -m tests.hub.killed_install TEMPLATE STORE TAG

Before step n (`tests.killing`) of TEMPLATE-n, a copy of the template, the process ends. The last
copy is the first that was installed to the end.
"""

import shutil
import sys
from functools import partial
from itertools import count
from pathlib import Path

from ml.hub import Hub
from ml.hub.folder import ModelFolder
from ml.hub.install import install
from ml.hub.store import LocalStore
from tests.killing import came_to_its_end


def main(template: Path, store: Path, tag: str) -> None:
    """One process and one copy of the template for each step, until one is not killed."""
    for step in count(1):
        folder = template.with_name(f"{template.name}-{step}")
        shutil.copytree(template, folder, symlinks=True)
        if came_to_its_end(partial(_install, store, tag, folder), killed_before=step):
            return


def _install(store: Path, tag: str, folder: Path) -> None:
    install(Hub(LocalStore(store)), tag, ModelFolder(folder), lambda path: None)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
