"""How rows look in the chat: short, escaped, in the settings' zone."""

from zoneinfo import ZoneInfo

import pytest

from tests.telegram.bot_api import _well_formed
from trading.outbox import OutboxRow
from trading.telegram_text import LONGEST, Style, duration, message, shortened

STYLE = Style("", 2, ZoneInfo("Asia/Jakarta"))
AT_MS = 1_756_710_900_000  # 2025-09-01 07:15 UTC

ENTRY = {
    "symbol": "BTCUSD", "position": 51, "deal": 7, "side": "buy", "volume_lots": 0.12,
    "price": 104638.1, "sl": 104120.0, "tp": 105156.2, "at_ms": AT_MS, "client_id": "x",
    "bar_open_ms": 1, "risk_pct": 1.0,
    "forecast": {"p_buy": 0.61, "p_sell": 0.14, "p_hold": 0.25, "votes": [1, 1, -1]},
}  # fmt: skip
EXIT = {
    "symbol": "BTCUSD", "position": 51, "deal": 8, "side": "sell", "volume_lots": 0.12,
    "price_open": 104638.1, "price_close": 104120.0, "net_profit": 61.234, "close_type": "TP_HIT",
    "opened_ms": AT_MS - 11_700_000, "closed_ms": AT_MS, "sl": 1.0, "tp": 2.0,
}  # fmt: skip
DAILY = {
    "symbol": "BTCUSD", "date": "2025-08-31", "zone": "Asia/Jakarta", "net": -12.5, "trades": 3,
    "won": 1, "best": 20.0, "worst": -30.0, "decided": 96, "missed": 0, "currency": "USD",
    "balance": 9_987.5, "equity": 9_990.0, "open_positions": 1, "open_profit": 2.5,
    "refusals": {"margin": 80, "votes": 10},
}  # fmt: skip

CASES = {
    "entry": (ENTRY, ["▲ BUY 0.12 BTCUSD", "104,638.10", "stop 104,120.00 · target 105,156.20",
                      "risk 1 %", "buy 0.61 sell 0.14 · votes ▲▲▼", "/close_51", "01 Sep 14:15"]),
    "exit": (EXIT, ["■ closed ▼ 0.12 BTCUSD +61.23", "104,638.10 → 104,120.00", "TP_HIT",
                    "held 3 h 15 min"]),
    "modify": ({"what": "part", "symbol": "B", "position": 51, "deal": 9, "volume_lots": 0.06,
                "price": 104_700.0, "profit": 4.2, "at_ms": AT_MS}, ["0.06 of 51", "+4.20"]),
    "guard": ({"symbol": "B", "rule": "daily_loss", "state": "began", "observed": 3.14159,
               "limit": 3.0, "close_ms": AT_MS}, ["daily_loss", "stops entries", "3.142"]),
    "page": ({"symbol": "B", "key": "k", "text": "a <b> & c", "state": "open"}, ["a <b> & c"]),
    "error": ({"symbol": "B", "text": "disk full"}, ["disk full"]),
    "settings": ({"symbol": "B", "changes": {"risk_percent": [2.0, 1.0]}, "ignored": {},
                  "text": "settings: …"}, ["changed: risk_percent 2 → 1"]),
    "command": ({"symbol": "B", "what": "close", "argument": "51", "source": "telegram",
                 "number": 1, "state": "done", "text": "gone"}, ["✓ close 51: gone"]),
    "start": ({"symbol": "B", "text": "BTCUSD through http://x"}, ["started", "BTCUSD through"]),
    "stop": ({"symbol": "B", "text": "stopped", "over": False}, ["ended", "stopped"]),
    "daily": (DAILY, ["2025-08-31: -12.50 USD", "3 trades, 1 won", "balance 9,987.50",
                      "96 bars decided, 0 missed", "refused: margin 80, votes 10"]),
}  # fmt: skip


def row(kind: str, payload: dict[str, object]) -> OutboxRow:
    return OutboxRow(1, kind, "k", payload, AT_MS)


@pytest.mark.parametrize("kind", CASES)
def test_a_row_says_what_happened_in_well_formed_html(kind: str) -> None:
    payload, expected = CASES[kind]
    text = message(row(kind, payload), STYLE)
    assert _well_formed(text)
    plain = shortened(text, LONGEST)
    assert [words for words in expected if words not in plain] == []
    assert len(plain) < 400


@pytest.mark.parametrize("kind", CASES)
def test_words_from_outside_cannot_break_the_html(kind: str) -> None:
    payload, _ = CASES[kind]
    evil = {k: "<a href='x'>&</b>" if isinstance(v, str) and k not in ("side", "state", "what")
            else v for k, v in payload.items()}  # fmt: skip
    if kind == "settings":
        evil["changes"] = {"<i>": ["<b>", "&"]}
    assert _well_formed(message(row(kind, evil), Style("<me>", 2, STYLE.zone)))


@pytest.mark.parametrize("kind", ["snapshot", "metrics"])
def test_rows_for_machines_are_not_shown(kind: str) -> None:
    assert message(row(kind, {"symbol": "B"}), STYLE) == ""


def test_that_a_command_came_is_not_repeated_to_its_sender() -> None:
    payload, _ = CASES["command"]
    assert message(row("command", payload | {"state": "came"}), STYLE) == ""


def test_an_account_is_named_in_front() -> None:
    text = message(row("error", {"symbol": "B", "text": "x"}), Style("demo", 2, STYLE.zone))
    assert text.startswith("[demo] ")


def test_a_text_that_is_too_long_is_cut_and_loses_its_marks() -> None:
    long = message(row("page", {"symbol": "B", "text": "<" * 5000, "state": "open", "key": ""}),
                   STYLE)  # fmt: skip
    cut = shortened(long, LONGEST)
    assert len(cut) == LONGEST
    assert cut.endswith("…") and "&lt;" not in cut


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "0 min"), (2_700_000, "45 min"), (11_700_000, "3 h 15 min"), (187_200_000, "2 d 4 h")],
)
def test_durations_are_short(ms: int, text: str) -> None:
    assert duration(ms) == text
