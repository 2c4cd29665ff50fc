"""Managed trades while requests are lost, late or refused: parts once, stops only ever nearer."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from broker.contract.constants import DealEntry, DealReason
from tests.chaos.field import Field, Watched
from tests.chaos.stand import TRADE
from tests.reliability.checks import DIALECTS, check_sound
from tests.reliability.conftest import MakeField
from trading.assemble import Trade
from trading.decision.settings import DecisionSettings

BARS = 30


def managed() -> Trade:
    """Half is closed early, and the stop follows closely."""
    tree: dict[str, Any] = TRADE.decision.model_dump() | {
        "dynamic_sltp": {"sl_atr_multiplier": 3.0, "tp_atr_multiplier": 6.0},
        "ml_active_management": {
            "partial_close": {"enabled": True, "at_profit_atr": 0.2, "break_even": False},
            "ml_trailing_stop": {
                "enabled": True, "min_profit_atr": 0.1, "base_trail_atr_mult": 0.8,
                "min_step_atr": 0.02,
            },
        },
    }  # fmt: skip
    return replace(TRADE, decision=DecisionSettings.model_validate(tree))


class Stops:
    """Every own position's stop, whenever time moves: it may only come nearer to the market."""

    def __init__(self, field: Field) -> None:
        self._field = field
        self._last: dict[int, float] = {}
        self.moved = 0
        field.before_time_moves = self.look

    def look(self, _: Watched) -> None:
        for each in self._field.terminal.positions():
            side, last = (1 if each.type == 0 else -1), self._last.get(each.identifier)
            if last is not None and each.sl != last:
                assert side * (each.sl - last) > 0, "a stop was loosened"
                self.moved += 1
            self._last[each.identifier] = each.sl


def check_parts(field: Field) -> int:
    """How many parts were closed: never two for one request, never more than was opened."""
    ours = {deal.position_id: deal.volume for deal in field.entries}
    outs = [deal for deal in field.deals if deal.entry is DealEntry.OUT]
    by_us = Counter(deal.magic for deal in outs if deal.reason is DealReason.EXPERT)
    assert max(by_us.values(), default=1) == 1, "one request, one deal"
    for position, opened in ours.items():
        closed = [deal for deal in outs if deal.position_id == position]
        parts = [deal for deal in closed if deal.reason is DealReason.EXPERT]
        assert len(parts) <= 1, "closed in part once"
        assert sum(deal.volume for deal in closed) <= opened + 1e-9
    assert field.journal.open_intents() == ()
    assert field.journal.open_changes() == ()
    return sum(by_us.values())


FAULTS: dict[str, dict[str, Any]] = {
    "none": {},
    "levels changed, answer lost": {
        "name": "post_fill_then_timeout", "method": "PUT", "prob": 0.5,
    },
    "levels answered 504 and not changed": {"name": "http_504", "method": "PUT", "prob": 0.5},
    "levels refused": {"name": "reject_modify", "prob": 0.5},
    "orders executed, answer lost": {
        "name": "post_fill_then_timeout", "method": "POST", "path": "/orders", "prob": 0.5,
    },
    "orders executed late": {"name": "late_fill", "prob": 0.4},
    "connection reset after orders": {
        "name": "conn_reset_after_send", "method": "POST", "path": "/orders", "prob": 0.5,
    },
    "closes refused": {"name": "reject_close"},
    "orders filled in part": {"name": "partial_fill", "prob": 0.5},
    "history lags": {"name": "history_lag", "lag_ms": 200_000},
}  # fmt: skip


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("fault", FAULTS)
def test_managed_trades_survive(field: MakeField, dialect: str, fault: str) -> None:
    venue = field(dialect=dialect, trade=managed())
    stops = Stops(venue)
    if FAULTS[fault]:
        venue.fault(**FAULTS[fault])
    venue.run(bars=BARS - 2)
    hits = venue.hits()
    venue.clear_faults()
    venue.run(bars=BARS)
    check_sound(venue)
    parts = check_parts(venue)
    if fault == "none":
        assert (parts, stops.moved) >= (2, 4), "the test shows nothing"
        return
    assert sum(hits.values()) > 0, "the fault never acted"
