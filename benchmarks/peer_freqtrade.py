"""The rules-only loop in freqtrade: its `Backtesting` class over a strategy with given signals.

freqtrade asks the exchange for its markets before every backtest, and its maintainers support no
other way (issues 5526, 6077, 11239). This run asks nobody: the exchange object is built without
validation and told of one market, and the candles are handed to `Backtesting.backtest`, which
hyperopt calls too. The spread is a fee, half of its median share of the price on each side, and no
funding is paid. Seconds are those of that call; making the candles and the strategy's columns is
before it.
"""

import logging
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from freqtrade import __version__
from freqtrade.data.history import get_timerange
from freqtrade.enums import RunMode
from freqtrade.optimize.backtesting import Backtesting
from freqtrade.resolvers import ExchangeResolver
from peer import STILL_OPEN, STOP, TARGET, Given, Trades, hand_back, read_given, timed

PAIR = "BTC/USDT:USDT"
CASH = 1e9
KINDS = {"stop_loss": STOP, "roi": TARGET, "force_exit": STILL_OPEN}
given = read_given()


def half_spread() -> float:
    return float(np.median(given.spread / given.close)) / 2


def config(folder: Path) -> dict[str, Any]:
    return {
        "runmode": RunMode.BACKTEST, "dry_run": True, "dry_run_wallet": CASH,
        "stake_currency": "USDT", "stake_amount": "unlimited", "max_open_trades": 1,
        "tradable_balance_ratio": 1.0, "timeframe": "15m", "trading_mode": "futures",
        "margin_mode": "isolated", "fee": half_spread(), "minimal_roi": {},
        "strategy": "OneAtATime", "recursive_strategy_search": False,
        "strategy_path": str(Path(__file__).parent / "freqtrade_strategy"),
        "exchange": {"name": "binance", "pair_whitelist": [PAIR], "pair_blacklist": []},
        "pairlists": [{"method": "StaticPairList"}], "dataformat_ohlcv": "feather",
        "user_data_dir": folder, "datadir": folder, "export": "none", "entry_pricing": {},
        "exit_pricing": {}, "unfilledtimeout": {}, "internals": {},
    }  # fmt: skip


def market() -> dict[str, Any]:
    """What ccxt would say of the one market."""
    free = {"min": None, "max": None}
    return {
        "id": "BTCUSDT", "symbol": PAIR, "base": "BTC", "quote": "USDT", "settle": "USDT",
        "type": "swap", "spot": False, "margin": False, "swap": True, "future": False,
        "option": False, "contract": True, "linear": True, "inverse": False, "active": True,
        "contractSize": 1.0, "taker": 0.0, "maker": 0.0,
        "precision": {"amount": 0.001, "price": 0.01},
        "limits": {"amount": free, "price": free, "cost": free, "leverage": free}, "info": {},
    }  # fmt: skip


def candles() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "date": pd.to_datetime(given.open_ms, unit="ms", utc=True),
            "open": given.open, "high": given.high, "low": given.low, "close": given.close,
            "volume": 1.0,
        }
    )  # fmt: skip


def opened(folder: Path) -> Backtesting:
    settings = config(folder)
    exchange = ExchangeResolver.load_exchange(settings, validate=False, load_leverage_tiers=True)
    exchange._markets = {PAIR: market()}
    testing = Backtesting(settings, exchange)
    testing._set_strategy(testing.strategylist[0])
    testing.futures_data[PAIR] = pd.DataFrame()
    testing.funding_fee_timeframe_secs = 8 * 3600
    return testing


def run(ready: tuple[Backtesting, dict[str, pd.DataFrame]]) -> pd.DataFrame:
    testing, processed = ready
    start, end = get_timerange(processed)
    return testing.backtest(processed=processed, start_date=start, end_date=end)["results"]


def trades_of(results: pd.DataFrame, given: Given) -> Trades:
    """The fees are in the entry's price."""
    rows = lambda dates: np.searchsorted(  # noqa: E731
        given.open_ms, dates.astype("datetime64[ms, UTC]").astype("int64")
    )
    side, left = np.where(results["is_short"], -1, 1), results["close_rate"]
    return Trades(
        entry_row=rows(results["open_date"]),
        side=side,
        exit_row=rows(results["close_date"]),
        kind=results["exit_reason"].map(KINDS).to_numpy(dtype=int),
        entry_price=(left - side * results["profit_abs"]).to_numpy(),
        exit_price=left.to_numpy(),
    )


def main() -> None:
    logging.disable(logging.WARNING)
    with TemporaryDirectory() as folder:
        testing = opened(Path(folder))
        seconds, results = timed(
            lambda: (testing, testing.strategy.advise_all_indicators({PAIR: candles()})), run
        )
        hand_back(f"freqtrade {__version__}", seconds, trades_of(results, given))


if __name__ == "__main__":
    main()
