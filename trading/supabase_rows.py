"""What each row of the outbox means for the tables of `supabase/migrations`. Pure.

Kinds and payloads: `trading.outgoing`. History (trades, events, snapshots, news, metrics) is
written once and never changed; `bot_status` and `open_positions` hold the present.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from trading.outbox import OutboxRow

_Words = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Insert:
    """A row. `unique`: the columns that tell it from others. Where one is there already, it is
    left alone, or with `merge` its columns named here are replaced."""

    table: str
    row: _Words
    unique: tuple[str, ...]
    merge: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """New values of the rows that match; nothing where none does."""

    table: str
    values: _Words
    where: _Words


@dataclass(frozen=True, slots=True)
class Clear:
    """Takes away the rows that match. `keep`: but for these positions; None: every one. With
    `keep` the inserts that follow are the whole picture, and what came before has no effect."""

    table: str
    where: _Words
    keep: tuple[int, ...] | None = None


Write = Insert | Change | Clear


def writes_of(row: OutboxRow, account_id: str) -> tuple[Write, ...]:
    """The writes for one row of the outbox, in their order; none for a kind without a table.

    Raises `KeyError`, `TypeError` or `ValueError` for a payload that is not of its kind.
    """
    make = _OF_KIND.get(row.kind)
    return () if make is None else make(row, account_id)


def _entry(row: OutboxRow, account: str) -> tuple[Write, ...]:
    said = row.payload
    opened = _iso(said["at_ms"])
    position = {
        "account_id": account, "position_id": said["position"], "symbol": said["symbol"],
        "side": said["side"], "volume_lots": said["volume_lots"], "price_open": said["price"],
        **_levels(said), "opened_at": opened, "updated_at": _iso(row.event_ms),
    }  # fmt: skip
    details = {key: said[key] for key in ("deal", "client_id", "forecast", "risk_pct")}
    event = _event(row, account, "opened" if said["deal"] else "adopted", opened, {
        "side": said["side"], "volume_lots": said["volume_lots"], "price": said["price"],
        **_levels(said), "details": details,
    })  # fmt: skip
    return event, Insert("open_positions", position, ("account_id", "position_id"))


def _exit(row: OutboxRow, account: str) -> tuple[Write, ...]:
    said = row.payload
    closed = _iso(said["closed_ms"])
    trade = {
        "account_id": account, "deal_id": said["deal"], "position_id": said["position"],
        "symbol": said["symbol"], "side": said["side"], "volume_lots": said["volume_lots"],
        "price_open": said["price_open"], "price_close": said["price_close"], **_levels(said),
        "net_profit": said["net_profit"], "close_type": said["close_type"],
        "confidence": _confidence(said), "opened_at": _iso(said["opened_ms"]),
        "closed_at": closed,
    }  # fmt: skip
    event = _event(row, account, "closed", closed, {
        "side": said["side"], "volume_lots": said["volume_lots"], "price": said["price_close"],
        **_levels(said), "profit": said["net_profit"],
        "details": {"deal": said["deal"], "close_type": said["close_type"]},
    })  # fmt: skip
    gone = Clear("open_positions", {"account_id": account, "position_id": said["position"]})
    return Insert("trades", trade, ("account_id", "deal_id")), event, gone


def _modify(row: OutboxRow, account: str) -> tuple[Write, ...]:
    said = row.payload
    at = _iso(said["at_ms"])
    if said["what"] == "levels":
        changed = Change(
            "open_positions", {**_levels(said), "updated_at": at},
            {"account_id": account, "position_id": said["position"]},
        )  # fmt: skip
        return _event(row, account, "levels", at, _levels(said)), changed
    part = {key: said[key] for key in ("volume_lots", "price", "profit")}
    return (_event(row, account, "part", at, part | {"details": {"deal": said["deal"]}}),)


def _snapshot(row: OutboxRow, account: str) -> tuple[Write, ...]:
    said = row.payload
    at, shown = _iso(said["close_ms"]), said["open_trades"]
    money = {key: said[key] for key in ("balance", "equity", "margin_free")}
    both = {"account_id": account, "symbol": said["symbol"], **money,
            "open_positions": len(shown), "denials": said["denials"]}  # fmt: skip
    forecast = said["forecast"] or {}
    seen = {key: forecast.get(key) for key in ("p_buy", "p_sell", "p_hold")}
    snapshot = Insert(
        "account_snapshots", both | seen | {"created_at": at},
        ("account_id", "symbol", "created_at"),
    )  # fmt: skip
    status = _status(row, account, both | {"bar_closed_at": at, "halts": said["halts"]})
    return snapshot, status, *_positions(row, account), *_news(row, account)


def _positions(row: OutboxRow, account: str) -> tuple[Write, ...]:
    """What is open, in whole; nothing while positions and deals do not agree on the names."""
    shown, symbol = row.payload["open_trades"], row.payload["symbol"]
    names = tuple(each["position"] for each in shown)
    if 0 in names:
        return ()
    held = (
        Insert("open_positions", {
            "account_id": account, "position_id": each["position"], "symbol": symbol,
            "side": each["side"], "volume_lots": each["volume_lots"],
            "price_open": each["price_open"], **_levels(each), "profit": each["profit"],
            "swap": each["swap"], "opened_at": _iso(each["opened_ms"]),
            "updated_at": _iso(row.event_ms),
        }, ("account_id", "position_id"), merge=True)
        for each in shown
    )  # fmt: skip
    return Clear("open_positions", {"account_id": account, "symbol": symbol}, names), *held


def _news(row: OutboxRow, account: str) -> tuple[Write, ...]:
    """Each release once, by the first bar that knew of it."""
    return tuple(
        Insert("news_events", {
            "account_id": account, "released_at": _iso(each["time_ms"]),
            "currency": each["currency"], "impact": each["impact"], "title": each["title"],
            "seen_at": _iso(row.payload["close_ms"]),
        }, ("account_id", "released_at", "currency", "title"))
        for each in row.payload["news"]
    )  # fmt: skip


def _start(row: OutboxRow, account: str) -> tuple[Write, ...]:
    return (_status(row, account, {"phase": "trading", "started_at": _iso(row.event_ms),
                                   "stopped_at": None}),)  # fmt: skip


def _stop(row: OutboxRow, account: str) -> tuple[Write, ...]:
    phase = "finished" if row.payload["over"] else "stopped"
    return (_status(row, account, {"phase": phase, "stopped_at": _iso(row.event_ms)}),)


def _page(row: OutboxRow, account: str) -> tuple[Write, ...]:
    said = row.payload
    return (_status(row, account, {"last_page": said["text"],
                                   "last_page_open": said["state"] == "open"}),)  # fmt: skip


def _models(row: OutboxRow, account: str) -> tuple[Write, ...]:
    """Which graphs serve from now on, and what their trainer measured."""
    served = row.payload["models"]
    status = _status(row, account, {"models": {k: v["graph_sha256"] for k, v in served.items()}})
    measured = (
        _metrics(row, account, kind, said["trained_at"][:10], {
            "graph_sha256": said["graph_sha256"], "measured_at": said["trained_at"],
            "metrics": said["scores"],
        })
        for kind, said in served.items()
    )  # fmt: skip
    return status, *measured


def _day(row: OutboxRow, account: str) -> tuple[Write, ...]:
    """What the models, as they are traded, came to on one local day."""
    figures = {key: value for key, value in row.payload.items() if key not in ("symbol", "date")}
    return (_metrics(row, account, "live", row.payload["date"], {
        "graph_sha256": "", "measured_at": _iso(row.event_ms), "metrics": figures,
    }),)  # fmt: skip


def _metrics(row: OutboxRow, account: str, model: str, date: str, words: _Words) -> Insert:
    return Insert(
        "model_metrics",
        {"account_id": account, "symbol": row.payload["symbol"], "model": model,
         "measured_on": date, **words},
        ("account_id", "symbol", "model", "measured_on", "graph_sha256"),
    )  # fmt: skip


def _status(row: OutboxRow, account: str, words: _Words) -> Insert:
    known = {"account_id": account, "symbol": row.payload["symbol"],
             "updated_at": _iso(row.event_ms)}  # fmt: skip
    return Insert("bot_status", known | words, ("account_id", "symbol"), merge=True)


def _event(row: OutboxRow, account: str, event: str, at: str, words: _Words) -> Insert:
    """Every event has every column, so that events of all sorts go out together."""
    nothing = dict.fromkeys(("side", "volume_lots", "price", "sl", "tp", "profit"))
    return Insert(
        "position_events",
        {"account_id": account, "event_key": row.key, "position_id": row.payload["position"],
         "symbol": row.payload["symbol"], "event": event, "happened_at": at, **nothing,
         "details": {}, **words},
        ("account_id", "symbol", "event_key"),
    )  # fmt: skip


def _levels(said: Mapping[str, Any]) -> _Words:
    """Stop and target; 0 is none."""
    return {key: said[key] or None for key in ("sl", "tp")}


def _confidence(said: Mapping[str, Any]) -> float | None:
    forecast = said.get("forecast")
    return None if forecast is None else float(forecast[f"p_{said['side']}"])


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")


_OF_KIND: dict[str, Callable[[OutboxRow, str], tuple[Write, ...]]] = {
    "entry": _entry, "exit": _exit, "modify": _modify, "snapshot": _snapshot, "start": _start,
    "stop": _stop, "page": _page, "models": _models, "metrics": _day,
}  # fmt: skip
KINDS = tuple(_OF_KIND)
