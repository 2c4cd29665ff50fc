"""The daemon's log: JSON lines in a rotated file, one object an event. The console has its view.

The journal is the record; the log is for reading along:
`tail -f logs/live-default.jsonl | jq -c 'select(.level != "info")'`.
"""

import json
import logging
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path

from trading.redaction import Redact

_MAX_BYTES = 5_000_000
_KEPT_FILES = 5


class JsonLines(logging.Formatter):
    """`time` (UTC), `level`, `event`, then the event's own fields; `trace` of an exception."""

    def __init__(self, redact: Redact) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC)
        line = {
            "time": when.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return self._redact(json.dumps(line, ensure_ascii=False, default=str))


def file_log(folder: Path, name: str, redact: Redact = str) -> logging.Logger:
    """A logger that writes `folder/name.jsonl` (5 MB a file, 5 old ones kept).

    One process writes a file: its name is that of a state folder, which is locked.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = logging.getLogger(f"novosky.{name}")
    log.setLevel(logging.INFO)
    log.propagate = False
    close_log(log)
    handler = RotatingFileHandler(
        folder / f"{name}.jsonl", maxBytes=_MAX_BYTES, backupCount=_KEPT_FILES, encoding="utf-8"
    )
    handler.setFormatter(JsonLines(redact))
    log.addHandler(handler)
    return log


def close_log(log: logging.Logger) -> None:
    """Nothing is written any more, and the file is closed."""
    for handler in list(log.handlers):
        log.removeHandler(handler)
        handler.close()


def fields(**values: object) -> dict[str, object]:
    """The fields of an event, as the `extra` of a log call."""
    return {"fields": values}
