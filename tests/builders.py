"""Builders: valid records with one line, the interesting field named."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from broker.contract.constants import DealEntry, DealReason, DealType
from broker.contract.messages import Deal, SymbolSpec
from market.bars import Bars
from market.timeframe import Timeframe
from trading.decision.records import (
    AccountView,
    ClosedTrade,
    DecisionInput,
    Forecast,
    InstrumentView,
    MarketView,
    Quote,
    Side,
)

MONDAY_MS = 1_735_516_800_000  # 2024-12-30 00:00 UTC, a Monday


def make_bars(
    rows: list[tuple[float, float, float, float]],
    *,
    symbol: str = "BTCUSD",
    timeframe: Timeframe = Timeframe.M15,
    start_ms: int = MONDAY_MS,
    spread_points: int = 0,
    tick_volume: int = 100,
) -> Bars:
    """Contiguous bars from (open, high, low, close) rows."""
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    count = len(table)
    return Bars(
        symbol,
        timeframe,
        start_ms + np.arange(count, dtype=np.int64) * timeframe.ms,
        *(np.ascontiguousarray(table[:, column]) for column in range(4)),
        np.full(count, tick_volume, dtype=np.int64),
        np.full(count, spread_points, dtype=np.int64),
    ).checked()


def write_market(path: Path, bars: Bars) -> Path:
    """Bars as a Parquet file of the shared data's columns."""
    columns = {
        "time": pa.array(bars.open_ms, pa.timestamp("ms", "UTC")),
        "open": bars.open, "high": bars.high, "low": bars.low, "close": bars.close,
        "tick_volume": bars.tick_volume, "spread": bars.spread_points,
    }  # fmt: skip
    pq.write_table(pa.table(columns), path)
    return path


def make_input(
    *, market: dict[str, Any] | None = None, instrument: dict[str, Any] | None = None, **fields: Any
) -> DecisionInput:
    """An input that enters long under default settings: BTCUSD, ATR 250, equity 10,000."""
    words = {
        "symbol": "BTCUSD", "open_ms": MONDAY_MS, "close_ms": MONDAY_MS + 900_000,
        "open": 100_000.0, "high": 100_300.0, "low": 99_900.0, "close": 100_100.0,
        "spread_points": 1459, "atr": 250.0, "ema200": 100_000.0, "margin_floor": 0.1,
    }  # fmt: skip
    view = InstrumentView(
        symbol="BTCUSD", digits=2, point=0.01, tick_size=0.01, tick_value=0.01, volume_min=0.01,
        volume_max=100.0, volume_step=0.01, stops_level_points=0, margin_per_lot=1000.0,
    )  # fmt: skip
    defaults: dict[str, Any] = {
        "schema": 3,
        "market": MarketView(**(words | (market or {}))),
        "forecast": Forecast(0.5, 0.3, 0.2, (1, 1, 0)),
        "missing_feature": "",
        "quote": Quote(MONDAY_MS + 900_000, 100_100.0, 100_114.59),
        "account": AccountView(10_000.0, 10_000.0, 10_000.0),
        "instrument": replace(view, **(instrument or {})),
        "open_trades": (),
        "recent_losses": 0,
        "session_open": True,
        "unsettled": (),
    }
    return DecisionInput(**(defaults | fields))


def make_deal(ticket: int, time_msc: int, **fields: Any) -> Deal:
    """A deal that opens a long of 0.1 lot at 100,000 for strategy 7719."""
    defaults: dict[str, Any] = {
        "order": ticket, "type": DealType.BUY, "entry": DealEntry.IN, "magic": 7719 << 32,
        "position_id": 1, "reason": DealReason.EXPERT, "volume": 0.1, "price": 100_000.0,
        "commission": 0.0, "swap": 0.0, "profit": 0.0, "fee": 0.0, "symbol": "BTCUSD",
        "comment": "",
    }  # fmt: skip
    return Deal(ticket=ticket, time_msc=time_msc, **(defaults | fields))


def make_spec(**fields: Any) -> SymbolSpec:
    """BTCUSD as a dollar account sees it."""
    defaults: dict[str, Any] = {
        "symbol": "BTCUSD", "description": "", "digits": 2, "point": 0.01,
        "trade_tick_size": 0.01, "trade_tick_value": 0.01, "trade_contract_size": 1.0,
        "volume_min": 0.01, "volume_max": 100.0, "volume_step": 0.01, "volume_limit": 0.0,
        "trade_stops_level": 0, "trade_freeze_level": 0, "trade_mode": 4, "trade_exemode": 2,
        "filling_mode": 3, "trade_calc_mode": 4, "swap_mode": 0, "swap_long": 0.0,
        "swap_short": 0.0, "swap_rollover3days": 3, "margin_initial": 0.0, "currency_base": "BTC",
        "currency_profit": "USD", "currency_margin": "USD", "spec_hash": "",
    }  # fmt: skip
    return SymbolSpec(**(defaults | fields))


def make_closed_trade(closed_ms: int, net_profit: float) -> ClosedTrade:
    """A finished long of 0.1 lot."""
    return ClosedTrade(
        closed_ms, Side.BUY, 0.1, closed_ms - 900_000, closed_ms, 100_000.0, 100_100.0,
        net_profit, "TP_HIT" if net_profit > 0 else "SL_HIT",
    )  # fmt: skip
