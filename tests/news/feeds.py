"""Readings of a made-up feed, with one line each."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from market.sources.forex_factory import CalendarFeed, parse_feed

# A Sunday and its week, by the feed's clock: 2026-08-16 04:00 UTC to 2026-08-23 04:00 UTC.
WEEK_FROM_MS = 1_786_852_800_000


def ms(text: str) -> int:
    """Epoch ms of an instant in UTC, such as 2026-08-17T12:30."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def row(date: str, title: str = "CPI m/m", **fields: Any) -> dict[str, Any]:
    """A row as the JSON feed has it; a date without an offset is meant in UTC."""
    whole = date if len(date) > 19 else f"{date}:00+00:00"
    return {
        "title": title, "country": "USD", "date": whole, "impact": "High", "forecast": "",
        "previous": "0.2%",
    } | fields  # fmt: skip


def body(rows: Iterable[dict[str, Any]]) -> bytes:
    return json.dumps(list(rows)).encode()


def reading(*rows: dict[str, Any]) -> CalendarFeed:
    return parse_feed(body(rows))
