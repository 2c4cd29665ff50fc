"""Reasons that need the clock, the account or our own trades."""

import time
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from tests.builders import make_closed_trade, make_input
from trading.decision.decide import decide
from trading.decision.guards import consecutive_losses, local_midnight_ms
from trading.decision.records import Denial, OpenTrade, Quote, Side
from trading.decision.settings import CircuitBreaker, DecisionSettings

SETTINGS = DecisionSettings()
JAKARTA = "Asia/Jakarta"
HELD = OpenTrade(5, Side.BUY, 0.1, 1e5, 99_000.0, 101_000.0, 0, 0.0, 0.0)


@pytest.fixture(params=["UTC", "America/Los_Angeles", "Pacific/Kiritimati"])
def host_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def at(text: str, zone: str = JAKARTA) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def losses(trades: list[tuple[str, float]], now: str) -> int:
    closed = [make_closed_trade(at(text), net) for text, net in trades]
    return consecutive_losses(closed, now_ms=at(now), day_zone=JAKARTA)


@pytest.mark.usefixtures("host_zone")
def test_losses_before_local_midnight_do_not_count_in_any_host_zone() -> None:
    trades = [("2025-06-01 23:59", -1.0), ("2025-06-02 00:00", -1.0), ("2025-06-02 09:00", -1.0)]
    assert losses(trades, "2025-06-02 10:00") == 2
    assert losses(trades[:1], "2025-06-01 23:59") == 1
    assert losses(trades[:1], "2025-06-02 00:00") == 0


@pytest.mark.usefixtures("host_zone")
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Havana", "America/Sao_Paulo"])
def test_local_midnight_of_each_hour_is_the_start_of_its_date(zone: str) -> None:
    hour_ms, start_ms = 3_600_000, 1_509_000_000_000  # autumn 2017: clocks change in all of them
    for at_ms in range(start_ms, start_ms + 20 * 24 * hour_ms, hour_ms):
        day = datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone)).date()
        midnight = datetime.combine(day, datetime.min.time(), ZoneInfo(zone))
        assert local_midnight_ms(at_ms, zone) == round(midnight.timestamp() * 1000)


def test_local_midnight_follows_daylight_saving() -> None:
    noon = at("2025-03-30 12:00", "Europe/Berlin")
    assert noon - local_midnight_ms(noon, "Europe/Berlin") == 11 * 3_600_000


@pytest.mark.parametrize(
    ("nets", "expected"),
    [([-1, -1, -1], 3), ([-1, 1, -1], 1), ([-1, -1, 1], 0), ([-1, 0, -1], 1), ([], 0)],
)
def test_a_trade_that_does_not_lose_ends_the_row(nets: list[float], expected: int) -> None:
    trades = [(f"2025-06-02 0{hour}:00", net) for hour, net in enumerate(nets)]
    assert losses(trades, "2025-06-02 12:00") == expected


def test_trades_closed_after_now_do_not_count() -> None:
    trades = [("2025-06-02 01:00", -1.0), ("2025-06-02 02:00", 5.0)]
    assert losses(trades, "2025-06-02 01:30") == 1


def test_circuit_breaker_denies_from_its_limit_on() -> None:
    denial = Denial("circuit_breaker", 7, 7)
    assert decide(make_input(recent_losses=6), SETTINGS).denials == ()
    assert decide(make_input(recent_losses=7), SETTINGS).denials == (denial,)
    off = DecisionSettings(circuit_breaker=CircuitBreaker(enabled=False))
    assert decide(make_input(recent_losses=99), off).denials == ()


def test_open_position_at_the_limit_is_denied() -> None:
    now = make_input(open_trades=(HELD,))
    assert decide(now, SETTINGS).denials == (Denial("max_open_positions", 1, 1),)
    assert decide(now, DecisionSettings(max_open_positions=2)).denials == ()


def test_closed_market_is_denied() -> None:
    assert decide(make_input(session_open=False), SETTINGS).denials == (
        Denial("market_closed", "closed", "open"),
    )


def test_quote_older_than_the_close_is_denied() -> None:
    now = make_input()
    old = Quote(now.market.close_ms - 1, now.quote.bid, now.quote.ask)
    assert decide(make_input(quote=old), SETTINGS).denials == (
        Denial("stale_quote", now.market.close_ms - 1, now.market.close_ms),
    )


def test_unconfirmed_close_is_denied_by_name() -> None:
    now = make_input(unsettled=("no closing deal of the position opened 2025-06-01 00:15",))
    (denial,) = decide(now, SETTINGS).denials
    assert denial.rule == "close_unconfirmed"
    assert "2025-06-01 00:15" in str(denial.observed)


def test_stateful_reasons_follow_the_gates_on_idle_bars_too() -> None:
    now = make_input(forecast=None, missing_feature="rsi_14", open_trades=(HELD,), recent_losses=8)
    rules = [denial.rule for denial in decide(now, SETTINGS).denials]
    assert rules == ["features", "circuit_breaker", "max_open_positions"]


def test_halts_refuse_an_entry_and_are_named() -> None:
    now = make_input(halts=("terminal: not connected", "clock: 1 h off"))
    (denial,) = decide(now, SETTINGS).denials
    assert denial.rule == "halted"
    assert denial.observed == "terminal: not connected; clock: 1 h off"
