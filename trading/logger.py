"""The daemon's text log: one line per event, `key=value`, rotated. The console stays quiet.

The journal is the record; the log is for reading along (`tail -f logs/novosky.log`).
"""

import logging
import time
from logging.handlers import RotatingFileHandler
from pathlib import Path

_MAX_BYTES = 5_000_000
_KEPT_FILES = 5


def file_log(folder: Path, name: str = "novosky") -> logging.Logger:
    """A logger that writes `folder/name.log` (5 MB a file, 5 old ones kept), times in UTC."""
    folder.mkdir(parents=True, exist_ok=True)
    log = logging.getLogger(name)
    log.setLevel(logging.INFO)
    log.propagate = False
    for old in list(log.handlers):
        log.removeHandler(old)
        old.close()
    handler = RotatingFileHandler(
        folder / f"{name}.log", maxBytes=_MAX_BYTES, backupCount=_KEPT_FILES, encoding="utf-8"
    )
    formatter = logging.Formatter("%(asctime)sZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    log.addHandler(handler)
    return log


def fields(**values: object) -> str:
    """`key=value` pairs; a value with spaces is quoted."""
    return " ".join(
        f"{key}={value!r}" if " " in str(value) else f"{key}={value}"
        for key, value in values.items()
    )
