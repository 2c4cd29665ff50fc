"""M1 bars that a paper terminal serves beside the traded ones: closed ones alone."""

from functools import reduce

import numpy as np
import pytest

from broker.native import NativeBroker
from broker.simulator.native import NativeTerminal
from broker.simulator.settings import AccountTerms
from broker.simulator.terminal import SimulatedTerminal
from market.bars import Bars
from market.instruments import instrument
from market.server_clock import ServerClock
from market.timeframe import Timeframe
from ml.features.position import M1_NEUTRAL, m1_features
from tests.builders import MONDAY_MS, make_bars
from trading.minutes import BrokerMinutes

BAR_MS, MINUTE_MS = 900_000, 60_000
BTC = instrument("BTCUSD")


def minutes(count: int = 150) -> Bars:
    """Every second minute is missing after the first 90."""
    rng = np.random.default_rng(2)
    close = np.round(100 + np.cumsum(rng.normal(0, 0.3, count)), 2)
    opens = np.r_[100.0, close[:-1]]
    high, low = np.maximum(opens, close) + 0.1, np.minimum(opens, close) - 0.1
    rows = list(zip(opens, np.round(high, 2), np.round(low, 2), close, strict=True))
    whole = make_bars(rows, timeframe=Timeframe.M1, spread_points=7)
    quiet = [whole.rows(i, i + 1) for i in range(count) if i % 2 or i < 90]
    return reduce(Bars.followed_by, quiet)


def terminal(m1: Bars | None, zone: str = "UTC") -> SimulatedTerminal:
    bars = make_bars([(100.0, 101.0, 99.0, 100.0)] * 10)
    return SimulatedTerminal(
        bars={"BTCUSD": bars}, instruments={"BTCUSD": BTC}, account=AccountTerms(balance=1000.0),
        start_ms=MONDAY_MS, seed=1, server_zone=zone, minutes={"BTCUSD": m1} if m1 else None,
    )  # fmt: skip


def broker_over(terminal: SimulatedTerminal, zone: str = "UTC") -> NativeBroker:
    return NativeBroker(
        NativeTerminal(terminal), ServerClock(zone), now_ms=lambda: terminal.now_ms, mode="paper"
    )


@pytest.mark.parametrize("zone", ["UTC", "Europe/Athens"])
def test_closed_minutes_are_served_verbatim_and_no_later_one(zone: str) -> None:
    there = terminal(minutes(), zone)
    there.advance(MONDAY_MS + 3 * BAR_MS)
    served = broker_over(there, zone).rates(
        "BTCUSD", Timeframe.M1, from_ms=MONDAY_MS + 5 * MINUTE_MS, to_ms=MONDAY_MS + 9 * BAR_MS
    )
    assert served.timeframe is Timeframe.M1
    assert served.sha256() == minutes().rows(5, 45).sha256()


def test_traded_bars_are_served_as_before() -> None:
    there = terminal(minutes())
    there.advance(MONDAY_MS + 3 * BAR_MS)
    served = broker_over(there).rates(
        "BTCUSD", Timeframe.M15, from_ms=MONDAY_MS, to_ms=MONDAY_MS + 9 * BAR_MS
    )
    assert len(served) == 3


def test_features_of_the_broker_are_those_of_the_file() -> None:
    there = terminal(minutes())
    asked = BrokerMinutes(broker_over(there), "BTCUSD")
    for bar in range(1, 9):
        close_ms = MONDAY_MS + bar * BAR_MS
        there.advance(close_ms)
        of_file = m1_features(minutes(), np.array([close_ms]))[0]
        assert asked.at(close_ms).tobytes() == of_file.tobytes()
        # 15 minutes are too few; 25 bars reach back 50 minutes at the end
        assert (tuple(of_file) == M1_NEUTRAL) is (bar == 1)


def test_a_terminal_without_minutes_refuses_them() -> None:
    there = terminal(None)
    with pytest.raises(ValueError, match=r"M15 .* and its multiples up to W1 are allowed"):
        NativeTerminal(there)._rates.from_position("BTCUSD", 1, 0, 5)
