"""A few bars, one trade, and what the core says at each close: scenarios as candle tables.

The trade leaves at its stop inside a bar; what is decided at a close is done at that close.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

from tests.builders import MONDAY_MS, make_input
from trading.decision.decide import decide
from trading.decision.guards import lowest_equity, worst_equity
from trading.decision.records import (
    AccountView,
    Close,
    DayState,
    Decision,
    DecisionInput,
    ExitForecast,
    Forecast,
    GuardState,
    HeldTrade,
    Modify,
    OpenTrade,
    Partial,
    Quote,
    Side,
)
from trading.decision.settings import DecisionSettings

BAR_MS = 900_000
SPREAD_POINTS = 1000  # 10.00
IDLE = Forecast(0.35, 0.35, 0.3, (0, 0, 0))
HOLD = ExitForecast(0.9, 0.06, 0.04, (0, 0, 0))


@dataclass
class Tape:
    """One trade (or none) through bars of (high, low, close); ATR is 100."""

    settings: DecisionSettings
    trade: OpenTrade | None = None
    balance: float = 10_000.0
    entry_volume_lots: float = 0.0
    best_price: float = math.nan
    bars_held: int = 0
    low_equity: float = math.nan
    start_equity: float = math.nan

    def bar(self, high: float, low: float, close: float, **fields: Any) -> Decision:
        """Decides one more bar and does what was decided."""
        self._stop_out(high, low)
        now = self._input(high, low, close, fields)
        decision = decide(now, self.settings)
        assert now.guard is not None
        self.low_equity = lowest_equity(now, now.guard.day, worst_equity(now))
        for intent in decision.intents:
            self._do(intent, close)
        return decision

    def _input(
        self, high: float, low: float, close: float, fields: dict[str, Any]
    ) -> DecisionInput:
        held, said = (), fields.pop("said", HOLD)
        if self.trade:
            self._look(high, low)
            self.trade = replace(self.trade, profit=self._profit(close))
            held = (HeldTrade(
                self.trade.position_id, self.bars_held, self.best_price, 100.0,
                self.entry_volume_lots or self.trade.volume_lots, said,
            ),)  # fmt: skip
        equity = self.balance + (self.trade.profit if self.trade else 0.0)
        self.start_equity = equity if math.isnan(self.start_equity) else self.start_equity
        day = DayState(MONDAY_MS, self.start_equity, self.start_equity, self.low_equity)
        market = {"high": high, "low": low, "close": close, "atr": 100.0, "margin_floor": 0.0}
        defaults = {
            "forecast": IDLE,
            "quote": Quote(MONDAY_MS + BAR_MS, close, close + SPREAD_POINTS * 0.01),
            "account": AccountView(self.balance, equity, equity),
            "open_trades": (self.trade,) if self.trade else (),
            "held": held,
            "guard": GuardState(day, day, 0, ()),
        }
        market |= fields.pop("market", {}) | {"spread_points": SPREAD_POINTS}
        return make_input(market=market, **(defaults | fields))

    def _look(self, high: float, low: float) -> None:
        assert self.trade
        self.bars_held += 1
        best = high if self.trade.side is Side.BUY else low + SPREAD_POINTS * 0.01
        if math.isnan(self.best_price):
            self.best_price = best
        better = max if self.trade.side is Side.BUY else min
        self.best_price = better(self.best_price, best)

    def _stop_out(self, high: float, low: float) -> None:
        if not self.trade or not self.trade.sl:
            return
        side, sl = self.trade.side, self.trade.sl
        if (side is Side.BUY and low <= sl) or (side is Side.SELL and high + 10.0 >= sl):
            self.balance += (sl - self.trade.price_open) * side * self.trade.volume_lots
            self.trade = None

    def _do(self, intent: object, close: float) -> None:
        if not self.trade:
            return
        match intent:
            case Close():
                self.balance += self._profit(close)
                self.trade = None
            case Partial(volume_lots=lots):
                self.entry_volume_lots = self.entry_volume_lots or self.trade.volume_lots
                self.balance += self._profit(close) * lots / self.trade.volume_lots
                left = round(self.trade.volume_lots - lots, 8)
                self.trade = replace(self.trade, volume_lots=left)
            case Modify(sl=sl, tp=tp):
                self.trade = replace(self.trade, sl=sl, tp=tp)

    def _profit(self, close: float) -> float:
        assert self.trade
        price = close if self.trade.side is Side.BUY else close + SPREAD_POINTS * 0.01
        return (price - self.trade.price_open) * self.trade.side * self.trade.volume_lots


def long(**fields: Any) -> OpenTrade:
    """A long of 1 lot from 1,000 with its stop at 900 and its target at 1,100."""
    trade = OpenTrade(7, Side.BUY, 1.0, 1000.0, 900.0, 1100.0, MONDAY_MS, 0.0, 0.0)
    return replace(trade, **fields)


def short(**fields: Any) -> OpenTrade:
    """A short of 1 lot from 1,000 with its stop at 1,100 and its target at 900."""
    return long(side=Side.SELL, sl=1100.0, tp=900.0, **fields)
