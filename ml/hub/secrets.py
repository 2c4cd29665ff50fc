"""Keys of the stores: from the environment, else from `.env`; never from the settings."""

import os
from collections.abc import Mapping
from pathlib import Path

from ml.hub.errors import HubError

_HIDDEN = "***"


class Secrets:
    """Looks keys up by name, and strikes them out of whatever a library says."""

    S3_KEY_ID = "NOVOSKY_S3_ACCESS_KEY_ID"
    S3_KEY = "NOVOSKY_S3_SECRET_ACCESS_KEY"
    HF_TOKEN = "NOVOSKY_HF_TOKEN"

    def __init__(self, values: Mapping[str, str | None]) -> None:
        self._values = {
            name: value
            for name in (self.S3_KEY_ID, self.S3_KEY, self.HF_TOKEN)
            if (value := values.get(name))
        }

    @staticmethod
    def read(root: Path) -> "Secrets":
        from dotenv import dotenv_values

        return Secrets({**dotenv_values(root / ".env"), **os.environ})

    def s3(self) -> tuple[str, str]:
        """(access key id, secret access key)"""
        return self._needed(self.S3_KEY_ID), self._needed(self.S3_KEY)

    def hugging_face(self) -> str:
        return self._needed(self.HF_TOKEN)

    def hidden(self, text: str) -> str:
        """A text without any of the keys."""
        for value in self._values.values():
            text = text.replace(value, _HIDDEN)
        return text

    def _needed(self, name: str) -> str:
        if name not in self._values:
            raise HubError(f"{name}: a key is needed in the environment or in .env; none is there")
        return self._values[name]
