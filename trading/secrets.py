"""Secrets come from the environment or from `.env`, and never leave in a text.

Their names end in TOKEN, KEY, SECRET, PASSWORD or URL; settings files hold none.
"""

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from dotenv import dotenv_values

_SHORTEST = 6


def secret(name: str, env_file: Path = Path(".env")) -> str:
    """The environment's value, else that of `.env`; empty where neither has one."""
    return os.environ.get(name) or dotenv_values(env_file).get(name) or ""


def redacted(text: str, secrets: Iterable[str]) -> str:
    """The text with every secret of 6 characters or more replaced."""
    for each in secrets:
        if len(each) >= _SHORTEST:
            text = text.replace(each, "[secret]")
    return text


class Redaction(logging.Filter):
    """For a log handler: no secret gets past it, be it in an argument or in a traceback."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        self._secrets = tuple(secrets)

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redacted(record.getMessage(), self._secrets), ()
        if record.exc_info:
            whole = logging.Formatter().formatException(record.exc_info)
            record.exc_text = redacted(whole, self._secrets)
        return True
