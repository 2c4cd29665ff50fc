"""A day of a daemon's outbox: what it would write, without a daemon."""

from collections.abc import Iterator
from pathlib import Path

from trading.journal import Journal
from trading.outbox import Outgoing

START_MS = 1_767_571_200_000  # 2026-01-05T00:00Z, a Monday
BAR_MS = 900_000
ACCOUNT = {"id": "7001@Demo", "login": 7001, "server": "Demo", "mode": "demo", "currency": "USD"}
_FORECAST = {"p_buy": 0.61, "p_sell": 0.19, "p_hold": 0.2, "votes": [1, 1, 0]}


def journal_of(path: Path, rows: Iterator[Outgoing]) -> Journal:
    journal = Journal(path, observed_ms=lambda: START_MS)
    journal.announce(*rows)
    return journal


def day(number: int = 0, *, bars: int = 96) -> Iterator[Outgoing]:
    """A snapshot for every bar, and a trade for every eighth: opened, moved, closed after four.

    Positions are numbered by the bar of their entry, deals twice that.
    """
    first = number * bars
    yield _row("start", f"start-{number}", first, {"text": "paper"})
    yield _row("models", f"models-{number}", first, {"models": {"signal": {
        "graph_sha256": "ab" * 32, "trained_at": "2026-01-01T05:48:52+00:00",
        "scores": {"accuracy": 0.5, "classes": {"HOLD": {"precision": None}}},
    }}})  # fmt: skip
    for bar in range(first, first + bars):
        if bar % 8 == 0:
            yield entry(bar)
        if bar % 8 == 2:
            yield levels(bar - 2, bar)
        if bar % 8 == 4:
            yield leave(bar - 4, bar)
        yield snapshot(bar, held=bar - bar % 8 if bar % 8 < 4 else None)
        if bar % 32 == 31:
            yield _row("page", f"page-{bar}", bar, {"key": "k", "text": "!", "state": "open"})
    yield _row("metrics", f"metrics-{number}", first + bars, {
        "date": f"2026-01-{5 + number:02}", "decided": bars, "missed": 0, "trades": 12, "won": 12,
        "net": 118.44, "decision_ms_p50": 1.5,
    })  # fmt: skip
    yield _row("stop", f"stop-{number}", first + bars, {"text": "", "over": False})


def entry(bar: int, **changes: object) -> Outgoing:
    return _row("entry", f"entry-{2 * bar + 1}", bar, {
        "position": bar + 1, "deal": 2 * bar + 1, "side": "buy", "volume_lots": 0.1,
        "price": 60_000.25 + bar, "sl": 59_500.0, "tp": 0.0, "at_ms": _at(bar),
        "client_id": f"BTCUSD-{bar}", "bar_open_ms": _at(bar), "forecast": _FORECAST,
        "risk_pct": 2.0,
    } | changes)  # fmt: skip


def levels(of: int, bar: int) -> Outgoing:
    return _row("modify", f"levels-{bar}", bar, {
        "what": "levels", "position": of + 1, "sl": 59_800.0, "tp": 61_000.0, "at_ms": _at(bar),
    })  # fmt: skip


def leave(of: int, bar: int, **changes: object) -> Outgoing:
    return _row("exit", f"exit-{2 * of + 2}", bar, {
        "position": of + 1, "deal": 2 * of + 2, "side": "buy", "volume_lots": 0.1,
        "price_open": 60_000.25 + of, "price_close": 60_100.75, "net_profit": 9.87,
        "close_type": "TP_HIT", "opened_ms": _at(of), "closed_ms": _at(bar), "sl": 59_800.0,
        "tp": 61_000.0, "forecast": _FORECAST,
    } | changes)  # fmt: skip


def snapshot(bar: int, *, held: int | None = None, **changes: object) -> Outgoing:
    trade = {"position": (held or 0) + 1, "side": "buy", "volume_lots": 0.1,
             "price_open": 60_000.25, "sl": 59_800.0, "tp": 0.0, "opened_ms": _at(held or 0),
             "profit": 1.5, "swap": -0.25}  # fmt: skip
    release = {"time_ms": START_MS + 48 * BAR_MS, "currency": "USD", "impact": 3, "title": "CPI"}
    return _row("snapshot", f"snapshot-{bar}", bar, {
        "close_ms": _at(bar), "balance": 10_000.0 + bar, "equity": 10_001.25 + bar,
        "margin_free": 9_000.1, "forecast": _FORECAST, "denials": [["spread", 9.0, 5.0]],
        "halts": [], "open_trades": [] if held is None else [trade],
        "news": [release] if 44 <= bar % 96 <= 48 else [],
    } | changes)  # fmt: skip


def _at(bar: int) -> int:
    return START_MS + bar * BAR_MS


def _row(kind: str, key: str, bar: int, payload: dict[str, object]) -> Outgoing:
    return Outgoing(kind, key, _at(bar), {"symbol": "BTCUSD", **payload})
