"""JSON objects of the bridge as records, and its one kind of error, `{"error": text}`."""

from types import SimpleNamespace
from typing import Any

import httpx

from broker.client.connection import read_json
from broker.contract.errors import BadAnswer


class Row(SimpleNamespace):
    """An object of the bridge with its fields as attributes. `BadAnswer` for one that is missing,
    and for an instant in milliseconds that is no whole number."""

    def __init__(self, path: str, fields: dict[str, Any]) -> None:
        wrong = [n for n, v in fields.items() if n.endswith("_msc") and type(v) is not int]
        if wrong:
            raise BadAnswer(f"{path}: {wrong[0]}: {fields[wrong[0]]!r} came, no whole number")
        super().__init__(**fields)
        self._path = path

    def __getattr__(self, name: str) -> Any:
        raise BadAnswer(f"{self.__dict__.get('_path', 'bridge')}: {name}: nothing came")


def error_text(answer: httpx.Response) -> str | None:
    """The bridge's own words; None where something else (a page of HTML) answered."""
    try:
        body = read_json(dict[str, Any], answer)
    except BadAnswer:
        return None
    text = body.get("error")
    return text if isinstance(text, str) else None
