"""The bridge's one JSON error: `{"error": text}`. Pages of HTML are somebody else's words."""

from typing import Any

import httpx

from broker.client.connection import read_json
from broker.contract.errors import BadAnswer


def error_text(answer: httpx.Response) -> str | None:
    """The bridge's own words; None where something else answered."""
    try:
        body = read_json(dict[str, Any], answer)
    except BadAnswer:
        return None
    text = body.get("error")
    return text if isinstance(text, str) else None
