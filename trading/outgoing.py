"""Makes rows of the outbox out of what the journal writes: what somebody elsewhere should hear of.

Kind, key, payload; every payload holds `symbol`. Keys are unique over restarts.

entry     entry-<deal>          position, deal, side (buy, sell), volume_lots, price, sl, tp, at_ms,
                                client_id, bar_open_ms, forecast {p_buy, p_sell, p_hold, votes} or
                                None, risk_pct or None; entry-adopted-<position>: found, deal 0
exit      exit-<deal>           position, deal, side, volume_lots, price_open, price_close,
                                net_profit, close_type, opened_ms, closed_ms, sl, tp, forecast of
                                its entry's decision or None
modify    part-<deal>           what "part", position, deal, volume_lots, price, profit, at_ms
          levels-<client id>    what "levels", position, sl, tp, at_ms
guard     guard-<rule>-<bar>    rule, state began|over|flattens, observed, limit, close_ms
snapshot  snapshot-<bar>        close_ms, balance, equity, margin_free, forecast or None, denials
                                [[rule, observed, limit]], halts, open_trades [{position, side,
                                volume_lots, price_open, sl, tp, opened_ms, profit, swap}], news
                                [{time_ms, currency, impact, title}]
page      page-<event>          key, text, state open|over
error     error-<event>         text
settings  settings-<event>      changes {key: [old, new]}, ignored {key: [old, new]}, text
command   command-<event>       what, argument, source, number, state came|done|refused, text
start     start-<event>         text
models    models-<event>        models {kind: {graph_sha256, trained_at, scores}}
stop      stop-<event>          text, over
daily     daily-<date>          see `trading.daily`
metrics   metrics-<date>        see `trading.daily`

Prices are in price units (0: no level), money in deposit currency, volumes in lots, times in epoch
ms UTC of the broker.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from broker.contract.messages import Deal
from broker.contract.wire import decode
from trading.journal_reads import JournalReads
from trading.outbox import Outgoing
from trading.trade_news import TradeNews

# Refusals that a person hears of, once when they begin and once when they are over.
GUARDS = (
    "circuit_breaker", "daily_loss", "weekly_drawdown", "max_trades_per_day", "equity_curve",
    "prop_soft_stop", "prop_break",
)  # fmt: skip
_OF_A_TRADE = ("volume_lots", "price_open", "sl", "tp", "opened_ms", "profit", "swap")

_Words = dict[str, Any]


class Announcer:
    """The journal's translator for one account and symbol. It goes on from what is written."""

    def __init__(self, journal: JournalReads, *, strategy_id: int, symbol: str) -> None:
        self._symbol = symbol
        self._trades = TradeNews(journal, strategy_id=strategy_id, symbol=symbol)
        last = journal.last_decision_line(symbol)
        self._in_force = _guards(json.loads(last)) if last else {}
        self._plain: dict[str, Callable[[_Words], tuple[str, _Words]]] = {
            "page": lambda words: ("page", words | {"state": "open"}),
            "page_over": lambda words: ("page", words | {"state": "over"}),
            "error": lambda words: ("error", words),
            "settings_changed": lambda words: ("settings", _settings(words)),
            "settings_ignored": lambda words: ("settings", _settings(words)),
            "models_swapped": lambda words: ("settings", _settings(_swapped(words))),
            "command": lambda words: ("command", {"text": "", **words, "state": "came"}),
            "command_done": lambda words: ("command", words | {"state": "done"}),
            "command_refused": lambda words: ("command", words | {"state": "refused"}),
            "model_scores": lambda words: ("models", words),
            "run_started": lambda words: ("start", words),
            "run_ended": lambda words: ("stop", {"text": "", **words}),
        }

    def event(self, number: int, kind: str, event_ms: int, payload: _Words) -> Iterable[Outgoing]:
        """Rows for one event of the journal; `number`: its row there."""
        if kind == "deal_seen":
            return self._trades.deal(decode(Deal, json.dumps(payload["deal"]).encode()))
        if kind == "order_filled":
            return self._trades.levels(payload["client_id"], event_ms)
        if kind == "position_adopted":
            return [self._trades.adopted(payload, event_ms)]
        if kind not in self._plain:
            return ()
        name, words = self._plain[kind](payload)
        return [Outgoing(name, f"{name}-{number}", event_ms, {"symbol": self._symbol, **words})]

    def decided(self, bar_open_ms: int, decided_ms: int, line: str) -> Iterable[Outgoing]:
        """Rows for one decision: guards that begin or end, and the account as it was seen."""
        words = json.loads(line)
        yield from self._guard_rows(words, bar_open_ms, decided_ms)
        yield Outgoing(
            "snapshot", f"snapshot-{bar_open_ms}", decided_ms,
            {"symbol": self._symbol, **self._snapshot(words)},
        )  # fmt: skip

    def _guard_rows(self, words: _Words, bar: int, decided_ms: int) -> Iterator[Outgoing]:
        before, self._in_force = self._in_force, _guards(words)
        found = [(rule, "began", *seen) for rule, seen in self._in_force.items()
                 if rule not in before]  # fmt: skip
        found += [(rule, "over", *seen) for rule, seen in before.items()
                  if rule not in self._in_force]  # fmt: skip
        found += [(rule, "flattens", "", "") for rule in _flattened_by(words)]
        for rule, state, observed, limit in found:
            yield Outgoing("guard", f"guard-{rule}-{bar}-{state}", decided_ms, {
                "symbol": self._symbol, "rule": rule, "state": state, "observed": observed,
                "limit": limit, "close_ms": words["market"]["close_ms"],
            })  # fmt: skip

    def _snapshot(self, words: _Words) -> _Words:
        """A line names positions by their place; here they get their numbers back, 0 where deals
        and positions do not agree yet."""
        shown, held = words["open_trades"], self._trades.held
        names = held if len(held) == len(shown) else (0,) * len(shown)
        return {
            "close_ms": words["market"]["close_ms"],
            **words["account"],
            "forecast": words["forecast"],
            "denials": words["denials"],
            "halts": words["halts"],
            "news": words["news"],
            "open_trades": [
                {"position": name, "side": "buy" if trade["side"] > 0 else "sell"}
                | {key: trade[key] for key in _OF_A_TRADE}
                for name, trade in zip(names, shown, strict=True)
            ],
        }


def _guards(words: _Words) -> dict[str, tuple[Any, Any]]:
    """The guards that refuse in a decision line: rule → (observed, limit)."""
    return {rule: (seen, limit) for rule, seen, limit in words["denials"] if rule in GUARDS}


def _flattened_by(words: _Words) -> set[str]:
    """Rules of the prop guard that close trades in this decision."""
    closes = (each["close"]["reason"] for each in words["intents"] if "close" in each)
    return {reason for reason in closes if reason.startswith("prop_")}


def _settings(words: _Words) -> _Words:
    return {"changes": {}, "ignored": {}, "text": "", **words}


def _swapped(words: _Words) -> _Words:
    graphs = ", ".join(f"{kind} {graph[:12]}" for kind, graph in words["graphs"].items())
    return {"text": f"models swapped to {words['tag']}: {graphs}"}
