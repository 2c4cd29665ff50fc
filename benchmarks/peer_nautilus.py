"""The rules-only loop in nautilus_trader: bid and ask bars, market entries, bracketed exits.

Seconds are those of `BacktestEngine.run`; making the bars and adding them is before it. Logging,
the risk engine's checks and the report after the run are off, as its guide advises for speed.
"""

from decimal import Decimal

import numpy as np
import pandas as pd
from nautilus_trader import __version__
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig, RiskEngineConfig, StrategyConfig
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.model.enums import AccountType, AssetClass, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import Cfd
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.persistence.wranglers import BarDataWrangler
from nautilus_trader.trading.strategy import Strategy
from peer import STILL_OPEN, STOP, TARGET, Given, Trades, hand_back, read_given, timed

VENUE = Venue("SIM")
BTC = Cfd(
    instrument_id=InstrumentId(Symbol("BTCUSD"), VENUE), raw_symbol=Symbol("BTCUSD"),
    asset_class=AssetClass.CRYPTOCURRENCY, quote_currency=USD, price_precision=2,
    size_precision=2, price_increment=Price.from_str("0.01"),
    size_increment=Quantity.from_str("0.01"), ts_event=0, ts_init=0, margin_init=Decimal("0.01"),
    margin_maint=Decimal("0.01"), maker_fee=Decimal(0), taker_fee=Decimal(0),
)  # fmt: skip
BID, ASK = (BarType.from_str(f"BTCUSD.SIM-15-MINUTE-{side}-EXTERNAL") for side in ("BID", "ASK"))
ONE = Quantity.from_str("1.00")
BAR_MS = 900_000


class OneAtATime(Strategy):
    """Enters at a close, which is the next open on these bars, with stop and target."""

    def __init__(self, given: Given) -> None:
        super().__init__(StrategyConfig(log_events=False, log_commands=False))
        self._side = given.side.tolist()
        self._distance = given.distance.tolist()
        self._row = -1

    def on_start(self) -> None:
        self.subscribe_bars(ASK)

    def on_reset(self) -> None:
        self._row = -1

    def on_bar(self, bar: Bar) -> None:
        """The ask's bar comes after the bid's: the venue has both."""
        self._row += 1
        side = self._side[self._row]
        if side == 0 or not self.portfolio.is_flat(BTC.id):
            return
        entry = float(bar.close if side > 0 else self.cache.bar(BID).close)
        distance = side * self._distance[self._row]
        orders = self.order_factory.bracket(
            BTC.id, OrderSide.BUY if side > 0 else OrderSide.SELL, ONE, tp_post_only=False,
            sl_trigger_price=Price(entry - distance, 2), tp_price=Price(entry + distance, 2),
        )  # fmt: skip
        self.submit_order_list(orders)


def engine_of(given: Given) -> BacktestEngine:
    engine = BacktestEngine(
        BacktestEngineConfig(
            logging=LoggingConfig(bypass_logging=True),
            risk_engine=RiskEngineConfig(bypass=True),
            run_analysis=False,
        )
    )
    engine.add_venue(
        VENUE, OmsType.HEDGING, AccountType.MARGIN, [Money(1_000_000_000, USD)],
        base_currency=USD, default_leverage=Decimal(100),
    )  # fmt: skip
    engine.add_instrument(BTC)
    bid, ask = frames(given)
    engine.add_data(BarDataWrangler(BID, BTC).process(bid), sort=False)
    engine.add_data(BarDataWrangler(ASK, BTC).process(ask), sort=True)
    engine.add_strategy(OneAtATime(given))
    return engine


def frames(given: Given) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Bid and ask bars by close time. The first ask of a bar has the spread of the bar before."""
    index = pd.to_datetime(given.open_ms + BAR_MS, unit="ms", utc=True)
    columns = {name: getattr(given, name) for name in ("open", "high", "low", "close")}
    before = np.append(given.spread[:1], given.spread[:-1])
    ask = {name: price + given.spread for name, price in columns.items()}
    ask["open"] = given.open + before
    # the first ask may lie outside what the bar's own spread makes of high and low
    ask["high"] = np.maximum(ask["high"], ask["open"])
    ask["low"] = np.minimum(ask["low"], ask["open"])
    return pd.DataFrame(columns, index), pd.DataFrame(ask, index)


def run(engine: BacktestEngine) -> BacktestEngine:
    engine.run()
    return engine


def trades_of(engine: BacktestEngine, given: Given) -> Trades:
    positions = sorted(engine.cache.positions(), key=lambda position: position.ts_opened)
    close_ms = given.open_ms + BAR_MS
    opened = np.array([each.ts_opened // 1_000_000 for each in positions])
    closed = np.array([each.ts_closed // 1_000_000 for each in positions])
    side = np.array([1 if each.entry == OrderSide.BUY else -1 for each in positions])
    entry_price = np.array([each.avg_px_open for each in positions])
    exit_price = np.array([each.avg_px_close for each in positions])
    ended = closed > 0
    won = side * (exit_price - entry_price) > 0
    return Trades(
        entry_row=np.searchsorted(close_ms, opened) + 1,
        side=side,
        exit_row=np.where(ended, np.searchsorted(close_ms, closed), -1),
        kind=np.where(ended, np.where(won, TARGET, STOP), STILL_OPEN),
        entry_price=entry_price,
        exit_price=exit_price,
    )


given = read_given()
engine = engine_of(given)


def again() -> BacktestEngine:
    engine.reset()
    return engine


seconds, done = timed(again, run)
hand_back(f"nautilus_trader {__version__}", seconds, trades_of(done, given))
