"""Messages of the outbox as Telegram shows them: short, HTML, every word from outside escaped.

Pure: a row in, text out. Times are in the settings' zone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from trading.outbox import OutboxRow

LONGEST = 4096
LONGEST_CAPTION = 1024
_MINUTE_MS = 60_000

_Words = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Style:
    """How values are shown. `account`: a name before every message, empty for none; `digits`: of
    prices; `zone`: of times."""

    account: str
    digits: int
    zone: ZoneInfo

    def price(self, value: float) -> str:
        return f"{value:,.{self.digits}f}"

    def time(self, at_ms: int) -> str:
        return f"{datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self.zone):%d %b %H:%M}"


def message(row: OutboxRow, style: Style) -> str:
    """The text of a row, or an empty one where there is nothing to say."""
    text = _TEXTS[row.kind](row.payload, style) if row.kind in _TEXTS else ""
    if not text:
        return ""
    head = f"[{escape(style.account)}] " if style.account else ""
    when = f"\n<i>{style.time(row.event_ms)}</i>"
    return head + text + when


def shortened(text: str, longest: int) -> str:
    """Plain text of a message that is too long, or that Telegram cannot read as HTML."""
    plain = text
    for tag in ("b", "i", "code"):
        plain = plain.replace(f"<{tag}>", "").replace(f"</{tag}>", "")
    for entity, sign in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&#x27;", "'")):
        plain = plain.replace(entity, sign)
    return cut(plain.replace("&amp;", "&"), longest)


def cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def duration(ms: int) -> str:
    """`45 min`, `3 h 15 min`, `2 d 4 h`."""
    minutes = max(0, ms) // _MINUTE_MS
    hours, days = minutes // 60, minutes // 1440
    if days:
        return f"{days} d {hours % 24} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"


def probabilities(forecast: _Words | None) -> str:
    if not forecast:
        return ""
    votes = "".join("▲" if v > 0 else "▼" if v < 0 else "·" for v in forecast["votes"])
    return f"buy {forecast['p_buy']:.2f} sell {forecast['p_sell']:.2f} · votes {votes}"


def _entry(words: _Words, style: Style) -> str:
    side = "▲ BUY" if words["side"] == "buy" else "▼ SELL"
    found = "found open: " if not words["deal"] else ""
    lines = [
        f"{found}<b>{side} {words['volume_lots']:g} {escape(words['symbol'])}</b> at "
        f"{style.price(words['price'])}",
        _levels(words, style),
    ]
    risk = f"risk {words['risk_pct']:.2g} %" if words["risk_pct"] is not None else ""
    lines.append(" · ".join(each for each in (risk, probabilities(words["forecast"])) if each))
    lines.append(f"/close_{words['position']}")
    return "\n".join(each for each in lines if each)


def _levels(words: _Words, style: Style) -> str:
    found = [(name, words[key]) for name, key in (("stop", "sl"), ("target", "tp")) if words[key]]
    return " · ".join(f"{name} {style.price(value)}" for name, value in found)


def _exit(words: _Words, style: Style) -> str:
    side = "▲" if words["side"] == "buy" else "▼"
    return (
        f"<b>■ closed {side} {words['volume_lots']:g} {escape(words['symbol'])} "
        f"{words['net_profit']:+,.2f}</b>\n"
        f"{style.price(words['price_open'])} → {style.price(words['price_close'])} · "
        f"{escape(words['close_type'])} · held {duration(words['closed_ms'] - words['opened_ms'])}"
    )


def _modify(words: _Words, style: Style) -> str:
    if words["what"] == "levels":
        return f"levels of {words['position']}: {_levels(words, style) or 'none'}"
    return (
        f"closed {words['volume_lots']:g} of {words['position']} at {style.price(words['price'])}: "
        f"{words['profit']:+,.2f}"
    )


def _guard(words: _Words, _: Style) -> str:
    rule = f"<b>{escape(words['rule'])}</b>"
    if words["state"] == "over":
        return f"guard {rule} is over: entries are no longer refused by it"
    if words["state"] == "flattens":
        return f"guard {rule}: all own trades are closed"
    return (
        f"guard {rule} stops entries: {_value(words['observed'])}, limit {_value(words['limit'])}"
    )


def _page(words: _Words, _: Style) -> str:
    return f"{'⚠️' if words['state'] == 'open' else '✓'} {escape(words['text'])}"


def _error(words: _Words, _: Style) -> str:
    return f"❌ {escape(words['text'])}"


def _settings(words: _Words, _: Style) -> str:
    lines: list[str] = []
    for title, key in (("changed", "changes"), ("ignored until a restart", "ignored")):
        lines += [
            f"{title}: <code>{escape(name)}</code> {_value(old)} → {_value(new)}"
            for name, (old, new) in words[key].items()
        ]
    return "\n".join(lines) or escape(words["text"])


def _command(words: _Words, _: Style) -> str:
    """Only what became of a command: that it came, its sender knows."""
    if words["state"] == "came":
        return ""
    asked = " ".join(each for each in (words["what"], words["argument"]) if each)
    mark = "✓" if words["state"] == "done" else "✗"
    return f"{mark} {escape(asked)}: {escape(words['text'])}"


def _started(words: _Words, _: Style) -> str:
    return f"<b>started</b>\n{escape(words['text'])}"


def _stopped(words: _Words, _: Style) -> str:
    return f"<b>ended</b>\n{escape(words['text'])}"


def _daily(words: _Words, style: Style) -> str:
    currency = escape(words.get("currency", ""))
    lines = [
        f"<b>{escape(words['date'])}: {words['net']:+,.2f} {currency}</b>",
        f"{words['trades']} trades, {words['won']} won · best {words['best']:+,.2f} · "
        f"worst {words['worst']:+,.2f}",
    ]
    if "balance" in words:
        lines.append(
            f"balance {words['balance']:,.2f} · equity {words['equity']:,.2f} · "
            f"open {words['open_positions']} ({words['open_profit']:+,.2f})"
        )
    refused = ", ".join(f"{escape(rule)} {count}" for rule, count in words["refusals"].items())
    lines.append(f"{words['decided']} bars decided, {words['missed']} missed")
    if refused:
        lines.append(f"refused: {refused}")
    return "\n".join(lines)


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return escape(str(value))


_TEXTS: dict[str, Callable[[_Words, Style], str]] = {
    "entry": _entry, "exit": _exit, "modify": _modify, "guard": _guard, "page": _page,
    "error": _error, "settings": _settings, "command": _command, "start": _started,
    "stop": _stopped, "daily": _daily,
}  # fmt: skip
