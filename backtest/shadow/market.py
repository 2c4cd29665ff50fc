"""Live bars as the bridge closes them, and the first quote after each."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from broker.contract.errors import BrokerUnavailable
from broker.contract.messages import SymbolSpec, Tick
from market.bars import Bars
from market.instrument import Instrument
from market.store import BarStore
from market.timeframe import Timeframe
from trading.errors import DaemonError
from trading.feed import BarFeed
from trading.health import offset_error_ms

M15 = Timeframe.M15
# Quotes prove a wrong zone rule by whole hours; a quarter may be a lull.
_LEAST_OFFSET_MS = 1_800_000


class Prices(Protocol):
    """What can be read of a bridge; `broker.client.read_only.ReadOnlyBridge` fills it."""

    def symbol(self, symbol: str) -> SymbolSpec: ...

    def tick(self, symbol: str) -> Tick: ...

    def rates(self, symbol: str, timeframe: Timeframe, *, from_ms: int, to_ms: int) -> Bars: ...


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What is known at a close. `bars`: those that closed by now.

    `has_bar`: the bar that closed is there, or the market was closed. `is_open`: whether the market
    goes on; `first_quote`: that of the bar that opens at the close, None where it was not seen.
    """

    bars: Bars
    has_bar: bool
    is_open: bool
    first_quote: Tick | None

    @property
    def is_whole(self) -> bool:
        """Whether nothing more is to be waited for."""
        return self.has_bar and (not self.is_open or self.first_quote is not None)


class LiveMarket:
    """One symbol. `store` keeps what was read; `lookback_ms` of it and more is handed out."""

    def __init__(
        self, prices: Prices, store: BarStore, instrument: Instrument, *, lookback_ms: int
    ) -> None:
        self.prices = prices
        self.instrument = instrument
        self._lookback_ms = lookback_ms
        self._feed = BarFeed(store, prices, instrument, M15, lookback_ms=lookback_ms)
        self._begun = False

    def require_same_prices(self) -> None:
        """Raises `DaemonError` where the bridge's symbol is counted otherwise than ours."""
        of, spec = self.instrument, self.prices.symbol(self.instrument.symbol)
        for name, ours, theirs in (
            ("point", of.point, spec.point),
            ("tick size", of.tick_size, spec.trade_tick_size),
            ("contract size", of.contract_size, spec.trade_contract_size),
        ):
            if ours != theirs:
                raise DaemonError(
                    f"{of.symbol}: {name} {ours:g} is needed for virtual fills, the bridge's "
                    f"symbol has {theirs:g}; correct bridge.symbol_map, or the instrument"
                )

    def at(self, close_ms: int, now_ms: int) -> Seen:
        """What is known now of the close at `close_ms`. Raises `BrokerError`."""
        sessions = self.instrument.sessions
        is_open = sessions.is_open(close_ms)
        # the quote first: bars that are read after a later quote are final at the trade server, too
        quote = self._quote(now_ms) if is_open else None
        bars = self._bars(now_ms)
        if len(bars) == 0:
            raise BrokerUnavailable(f"{self.instrument.symbol}: the bridge has no M15 bars yet")
        has_bar = bars.close_ms[-1] >= close_ms or not sessions.is_open(close_ms - M15.ms)
        begun = has_bar and quote is not None and close_ms <= quote.time_msc < close_ms + M15.ms
        return Seen(bars, bool(has_bar), is_open, quote if begun else None)

    def _bars(self, now_ms: int) -> Bars:
        if self._begun:
            self._feed.top_up(now_ms)
        else:
            self._feed.start(now_ms, need_from_ms=now_ms - self._lookback_ms)
            self._begun = True
        return self._feed.window

    def _quote(self, now_ms: int) -> Tick:
        quote = self.prices.tick(self.instrument.symbol)
        error_ms = offset_error_ms(quote.time_msc, now_ms)
        if error_ms is not None and abs(error_ms) >= _LEAST_OFFSET_MS:
            raise BrokerUnavailable(
                f"{self.instrument.symbol}: quotes are {error_ms / 3_600_000:+g} h off our clock, "
                "so bars are not believed; correct bridge.server_timezone"
            )
        return quote


def with_first_quote(bars: Bars, quote: Tick | None) -> Bars:
    """The bars and the one that has begun after them, as far as its first quote tells of it."""
    if quote is None:
        return bars
    bid, one = np.array([quote.bid]), np.array([1], dtype=np.int64)
    opens = np.array([M15.floor_ms(quote.time_msc)], dtype=np.int64)
    return bars.followed_by(Bars(bars.symbol, M15, opens, bid, bid, bid, bid, one, one))
