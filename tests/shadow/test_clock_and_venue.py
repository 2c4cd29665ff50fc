"""The shadow's time and account, on a scripted bridge: week-ends, late quotes, wrong clocks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from backtest.shadow.clock import BeatingClock, ShadowClock
from backtest.shadow.market import LiveMarket
from backtest.shadow.venue import ShadowVenue
from backtest.venue import symbol_spec
from broker.client.read_only import ReadOnlyBridge
from broker.contract.constants import Filling, OrderType
from broker.contract.errors import BrokerUnavailable
from broker.contract.messages import OrderRequest, SymbolSpec, Tick
from broker.simulator.settings import PaperSettings
from market.bars import Bars
from market.instruments import instrument
from market.store import BarStore
from market.timeframe import Timeframe
from tests.builders import MONDAY_MS
from trading.clock import StopFlag, WallClock
from trading.errors import DaemonError
from trading.journal import wall_ms

XAU = instrument("XAUUSD")
BAR_MS = Timeframe.M15.ms
ALLOWED_MS = 300_000
FRIDAY_MS = MONDAY_MS + 4 * 86_400_000 + 20 * 3_600_000


def trading_bars(*, opens_on_sunday_at: float) -> Bars:
    """Bars of trading hours alone, at 4,000.00; from the week-end on at another price."""
    opens = np.arange(MONDAY_MS, MONDAY_MS + 8 * 86_400_000, BAR_MS, dtype=np.int64)
    opens = opens[XAU.sessions.are_open(opens)]
    price = np.where(opens < MONDAY_MS + 5 * 86_400_000, 4_000.0, opens_on_sunday_at)
    one = np.full(len(opens), 20, dtype=np.int64)
    return Bars("XAUUSD", Timeframe.M15, opens, price, price + 1, price - 1, price, one, one)


@dataclass
class Script:
    """A bridge, and the time at it. `quotes_late_ms`: how long after its open a bar's first quote
    comes; `bars_late_ms`: after its close, the bar."""

    bars: Bars
    now: int
    quotes_late_ms: int = 0
    bars_late_ms: int = 0
    offset_ms: int = 0
    waits: list[int] = field(default_factory=list)
    end_ms: int | None = None
    lock_step: bool = False
    beats: bool = False

    def symbol(self, symbol: str) -> SymbolSpec:
        return symbol_spec(XAU)

    def tick(self, symbol: str) -> Tick:
        row = int(self.bars.open_ms.searchsorted(self.now - self.quotes_late_ms, side="right")) - 1
        bid = float(self.bars.open[row])
        begun_ms = int(self.bars.open_ms[row]) + self.quotes_late_ms
        at_ms = begun_ms if self.now < begun_ms + BAR_MS else begun_ms + BAR_MS - 1
        return Tick(at_ms + self.offset_ms, bid, bid + 0.2, 0.0, 0, 6)

    def rates(self, symbol: str, timeframe: Timeframe, *, from_ms: int, to_ms: int) -> Bars:
        known = int(self.bars.close_ms.searchsorted(self.now - self.bars_late_ms, side="right"))
        return self.bars.rows(0, known).between(from_ms, to_ms)

    def now_ms(self) -> int:
        return self.now

    def wait_until(self, instant_ms: int) -> int:
        self.waits.append(instant_ms)
        self.now = max(self.now, instant_ms)
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += round(seconds * 1000)


@dataclass
class Set:
    """A scripted bridge, the venue on it and its clock, started."""

    script: Script
    market: LiveMarket
    venue: ShadowVenue
    clock: ShadowClock


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[Script], Set]]:
    made: list[ShadowVenue] = []
    stores: list[BarStore] = []

    def begin(script: Script) -> Set:
        for each in (*made, *stores):
            each.close()
        made.clear()
        stores[:] = [BarStore(tmp_path / "market.sqlite")]
        market = LiveMarket(script, stores[0], XAU, lookback_ms=4 * 86_400_000)
        venue = ShadowVenue(tmp_path / "terminal", market, PaperSettings(slippage_points=0))
        made.append(venue)
        clock = ShadowClock(script, market, venue, StopFlag(), allowed_ms=ALLOWED_MS)
        clock.start()
        return Set(script, market, venue, clock)

    yield begin
    for each in (*made, *stores):
        each.close()


def buy(venue: ShadowVenue, *, sl: float) -> None:
    request = OrderRequest(
        "XAUUSD", OrderType.BUY, 0.1, "one", 7719 << 32, "one", Filling.IOC, sl=sl
    )
    assert venue.broker.send(request).outcome == "filled"


def test_week_end_passes_without_a_bar_and_its_gap_fills_at_the_first_quote(
    start: Callable[[Script], Set],
) -> None:
    bars = trading_bars(opens_on_sunday_at=3_900.0)
    opens_again_ms = int(bars.open_ms[bars.open_ms > MONDAY_MS + 5 * 86_400_000][0])
    friday, sunday = (
        [from_ms + count * BAR_MS for count in range(1, 12)]
        for from_ms in (FRIDAY_MS, opens_again_ms - 6 * BAR_MS)
    )
    made = start(Script(bars, FRIDAY_MS))
    buy(made.venue, sl=3_950.0)
    assert [made.clock.wait_until(close_ms) for close_ms in friday] == friday
    assert made.script.waits == friday, "closes of a closed market are not waited for any longer"
    made = start(Script(bars, sunday[0] - BAR_MS))
    assert [made.clock.wait_until(close_ms) for close_ms in sunday] == sunday
    stopped = made.venue.broker.deals(from_ms=0, to_ms=1 << 52)[-1]
    assert (stopped.price, stopped.time_msc) == (3_900.0, opens_again_ms)


def test_first_quote_that_comes_seconds_late_is_waited_for(start: Callable[[Script], Set]) -> None:
    made = start(Script(trading_bars(opens_on_sunday_at=1.0), FRIDAY_MS, quotes_late_ms=4_500))
    assert made.clock.wait_until(FRIDAY_MS + BAR_MS) == FRIDAY_MS + BAR_MS
    assert 4_500 <= made.script.now - FRIDAY_MS - BAR_MS < 6_500
    assert made.venue.terminal.quote_ticks("XAUUSD").live


def test_halted_market_is_decided_without_a_quote_and_nothing_can_be_opened(
    start: Callable[[Script], Set],
) -> None:
    made = start(Script(trading_bars(opens_on_sunday_at=1.0), FRIDAY_MS, quotes_late_ms=200_000))
    assert made.clock.wait_until(FRIDAY_MS + BAR_MS) == FRIDAY_MS + BAR_MS
    assert 60_000 < made.script.now - FRIDAY_MS - BAR_MS < 90_000
    assert not made.venue.terminal.quote_ticks("XAUUSD").live


def test_bar_that_comes_too_late_is_not_shown_as_a_close(start: Callable[[Script], Set]) -> None:
    made = start(Script(trading_bars(opens_on_sunday_at=1.0), FRIDAY_MS))
    made.script.bars_late_ms = ALLOWED_MS + 60_000
    assert made.clock.wait_until(FRIDAY_MS + BAR_MS) > FRIDAY_MS + BAR_MS + ALLOWED_MS
    assert made.venue.terminal.now_ms == FRIDAY_MS, "what happened in it is not known yet"


def test_account_goes_on_where_its_file_stops(start: Callable[[Script], Set]) -> None:
    script = Script(trading_bars(opens_on_sunday_at=1.0), FRIDAY_MS)
    buy(start(script).venue, sl=3_950.0)
    again = start(replace(script, now=FRIDAY_MS + 60_000))
    (position,) = again.venue.broker.positions("XAUUSD")
    assert position.sl == 3_950.0
    assert again.venue.begins(again.script.now) == FRIDAY_MS


def test_another_virtual_account_in_the_folder_is_refused(
    start: Callable[[Script], Set], tmp_path: Path
) -> None:
    script = Script(trading_bars(opens_on_sunday_at=1.0), FRIDAY_MS)
    market = start(script).market
    other = ShadowVenue(tmp_path / "terminal", market, PaperSettings(balance=500.0))
    with pytest.raises(DaemonError, match=r"another account.*put `paper` of config.json back"):
        other.at_close(market.at(FRIDAY_MS, FRIDAY_MS), FRIDAY_MS)
    other.close()


def test_quotes_of_another_time_zone_are_an_error(start: Callable[[Script], Set]) -> None:
    script = Script(trading_bars(opens_on_sunday_at=1.0), FRIDAY_MS, offset_ms=3_600_000)
    with pytest.raises(BrokerUnavailable, match=r"quotes are \+1 h off our clock"):
        start(script)


def test_bridge_of_a_shadow_has_no_function_for_orders() -> None:
    known = {name for name in dir(ReadOnlyBridge) if not name.startswith("_")}
    assert known == {"health", "symbol", "tick", "rates", "close"}


def test_symbol_that_is_counted_otherwise_is_refused(tmp_path: Path) -> None:
    class Other(Script):
        def symbol(self, symbol: str) -> SymbolSpec:
            return replace(symbol_spec(XAU), trade_contract_size=1.0)

    store = BarStore(tmp_path / "market.sqlite")
    market = LiveMarket(Other(trading_bars(opens_on_sunday_at=1.0), 0), store, XAU, lookback_ms=1)
    with pytest.raises(DaemonError, match=r"contract size 100 is needed .* has 1;"):
        market.require_same_prices()
    store.close()


def test_wait_for_a_close_beats_once_a_minute() -> None:
    script, beats = Script(trading_bars(opens_on_sunday_at=4_000.0), MONDAY_MS), list[int]()
    clock = BeatingClock(script, lambda: beats.append(script.now))
    assert clock.wait_until(MONDAY_MS + 150_000) == MONDAY_MS + 150_000
    assert beats == [MONDAY_MS + each for each in (60_000, 120_000, 150_000)]


def test_wait_that_ends_early_is_not_begun_again() -> None:
    stop = StopFlag()
    stop.request()
    clock = BeatingClock(WallClock(wall_ms, stop), lambda: None)
    began_ms = wall_ms()
    assert clock.wait_until(began_ms + 3_600_000) < began_ms + 3_600_000
