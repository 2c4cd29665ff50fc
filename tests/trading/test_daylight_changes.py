"""D21: both clock changes, through a server in either zone rule, the native face and the store."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from broker.native import NativeBroker
from broker.simulator.native import NativeTerminal
from broker.simulator.settings import AccountTerms
from broker.simulator.terminal import SimulatedTerminal
from market.bars import Bars
from market.instruments import instrument
from market.server_clock import ServerClock
from market.sources.bridge import top_up
from market.sources.generated import generated_bars
from market.store import BarStore
from market.timeframe import Timeframe
from trading.feed import BarFeed
from trading.health import offset_error_ms

BTC = instrument("BTCUSD")
BAR_MS = Timeframe.M15.ms
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
ZONES = ("Europe/Athens", "America/New_York+7h")
CHANGES = ("2025-10-26", "2025-11-02", "2026-03-08", "2026-03-29")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[BarStore]:
    with_bars = BarStore(tmp_path / "bars.sqlite")
    yield with_bars
    with_bars.close()


def midnight(day: str) -> int:
    return round(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)


def market(day: str) -> Bars:
    """Five days around a change."""
    at_ms = midnight(day)
    return generated_bars(BTC, seed=3, from_ms=at_ms - 3 * DAY_MS, to_ms=at_ms + 2 * DAY_MS)


def venue(bars: Bars, zone: str, start_ms: int) -> tuple[SimulatedTerminal, NativeBroker]:
    terminal = SimulatedTerminal(
        bars={"BTCUSD": bars}, instruments={"BTCUSD": BTC}, account=AccountTerms(balance=1e4),
        start_ms=start_ms, seed=7, server_zone=zone,
    )  # fmt: skip
    broker = NativeBroker(
        NativeTerminal(terminal), ServerClock(zone), now_ms=lambda: terminal.now_ms, mode="paper"
    )
    return terminal, broker


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("day", CHANGES)
def test_bars_read_at_every_close_through_a_change_are_those_of_the_market(
    day: str, zone: str, store: BarStore
) -> None:
    bars, start_ms = market(day), midnight(day) - DAY_MS // 4
    terminal, broker = venue(bars, zone, start_ms)
    feed = BarFeed(store, broker, BTC, Timeframe.M15, lookback_ms=DAY_MS)
    feed.start(start_ms, need_from_ms=start_ms - DAY_MS)
    for close_ms in range(start_ms + BAR_MS, start_ms + DAY_MS, BAR_MS):
        terminal.advance(close_ms)
        report = feed.top_up(close_ms)
        assert (report.added, report.revised) == (1, ())
        tick = broker.tick("BTCUSD")
        assert offset_error_ms(tick.time_msc, close_ms) == 0
    kept = store.load("BTCUSD", Timeframe.M15, from_ms=0, to_ms=start_ms + DAY_MS)
    assert (np.diff(kept.open_ms) == BAR_MS).all()
    truth = bars.between(int(kept.open_ms[0]), int(kept.open_ms[-1]) + 1)
    assert kept.sha256() == truth.sha256()


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("day", CHANGES)
def test_history_filled_across_a_change_later_is_the_same(
    day: str, zone: str, store: BarStore
) -> None:
    bars = market(day)
    now_ms = int(bars.close_ms[-1])
    _, broker = venue(bars, zone, now_ms - BAR_MS)
    need_from_ms = int(bars.open_ms[0])
    top_up(
        store, broker, "BTCUSD", Timeframe.M15, now_ms=now_ms - BAR_MS, need_from_ms=need_from_ms,
        chunk_bars=37,
    )  # fmt: skip
    kept = store.load("BTCUSD", Timeframe.M15, from_ms=0, to_ms=now_ms)
    assert kept.sha256() == bars.between(need_from_ms, now_ms - BAR_MS).sha256()


@pytest.mark.parametrize("day", CHANGES)
def test_the_other_zones_rule_is_alarmed_in_the_weeks_between_the_changes(day: str) -> None:
    """A static offset, or the wrong rule, is an hour off between the two dates of a season."""
    athens, new_york = (ServerClock(zone) for zone in ZONES)
    is_between = {"2025-10-26": 1, "2025-11-02": -1, "2026-03-08": 1, "2026-03-29": -1}[day]
    at_ms = midnight(day) + is_between * DAY_MS
    shown_ms = new_york.to_server_s(at_ms) * 1000
    read_ms = shown_ms - athens.offset_s(at_ms) * 1000
    error_ms = offset_error_ms(read_ms, at_ms)
    assert error_ms is not None
    assert abs(error_ms) == HOUR_MS
