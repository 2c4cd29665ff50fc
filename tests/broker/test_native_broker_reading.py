"""What the native broker makes of a terminal's answers, and of its silence."""

from datetime import UTC, datetime

import numpy as np
import pytest

from broker.contract.errors import BadAnswer, BrokerRefused, BrokerUnavailable
from broker.native import NativeBroker
from market.server_clock import ServerClock
from market.timeframe import Timeframe
from tests.broker.paper_bridge import STEP_MS, make_terminal, native_broker
from tests.broker.stand_in import NOW_MS, RATES, SPEC, StandIn, server_deal, server_tick
from tests.builders import make_bars

HOUR_MS = 3_600_000


def broker_over(mt5: StandIn, *, zone: str = "UTC", now_ms: int = NOW_MS) -> NativeBroker:
    return NativeBroker(mt5, ServerClock(zone), now_ms=lambda: now_ms, mode="live")


def rates_from(first_server_s: list[int]) -> np.ndarray:
    rows = np.zeros(len(first_server_s), dtype=RATES)
    rows["time"] = first_server_s
    for name in ("open", "high", "low", "close"):
        rows[name] = 100.0
    return rows


def test_failed_positions_are_an_error_and_never_an_empty_list() -> None:
    mt5 = StandIn()
    mt5.positions, mt5.error = None, (-10005, "IPC timeout")
    with pytest.raises(BrokerUnavailable, match=r"positions_get.*-10005"):
        broker_over(mt5).positions()


@pytest.mark.parametrize(
    ("code", "kind"),
    [(-1, BrokerUnavailable), (-10004, BrokerUnavailable), (-2, BrokerRefused),
     (-6, BrokerRefused)],
)  # fmt: skip
def test_missing_account_becomes_the_error_its_code_means(code: int, kind: type) -> None:
    mt5 = StandIn()
    mt5.account, mt5.error = None, (code, "said")
    with pytest.raises(kind, match="said"):
        broker_over(mt5).account()


def test_unknown_symbol_is_refused_by_name() -> None:
    with pytest.raises(BrokerRefused, match="'BTCUSD!'"):
        broker_over(StandIn()).symbol("BTCUSD!")


def test_symbol_without_a_quote_is_unavailable() -> None:
    mt5 = StandIn()
    mt5.tick = server_tick(NOW_MS, bid=0.0, ask=0.0)
    with pytest.raises(BrokerUnavailable, match="no quote yet"):
        broker_over(mt5).tick("BTCUSD")


def test_record_without_a_field_names_it() -> None:
    mt5 = StandIn()
    del (tick := server_tick(NOW_MS)).ask
    mt5.tick = tick
    with pytest.raises(BadAnswer, match=r"Tick\.ask"):
        broker_over(mt5).tick("BTCUSD")


def test_cent_account_says_what_its_unit_is_worth() -> None:
    account = broker_over(StandIn()).account()
    assert (account.base_currency, account.unit_to_base) == ("USD", 0.01)


def test_spec_hash_changes_with_the_volume_step_but_not_with_the_tick_value() -> None:
    mt5 = StandIn()
    before = broker_over(mt5).symbol("BTCUSD").spec_hash
    mt5.spec = type(SPEC)(**{**vars(SPEC), "trade_tick_value": 2.0})
    assert broker_over(mt5).symbol("BTCUSD").spec_hash == before
    mt5.spec = type(SPEC)(**{**vars(SPEC), "volume_step": 0.1})
    assert broker_over(mt5).symbol("BTCUSD").spec_hash != before


def test_server_time_ahead_of_utc_is_taken_back() -> None:
    mt5 = StandIn()
    mt5.tick = server_tick(NOW_MS + 2 * HOUR_MS + 123)
    assert broker_over(mt5, zone="Europe/Athens").tick("BTCUSD").time_msc == NOW_MS + 123


@pytest.mark.parametrize(("utc_hour", "shown"), [(0, "03:30"), (1, "03:30")])
def test_quote_in_the_hour_that_autumn_repeats_is_of_the_pass_in_force(
    utc_hour: int, shown: str
) -> None:
    now = datetime(2026, 10, 25, utc_hour, 30, tzinfo=UTC)
    server_ms = int(datetime(2026, 10, 25, 3, 30, tzinfo=UTC).timestamp()) * 1000
    mt5 = StandIn()
    mt5.tick = server_tick(server_ms)
    now_ms = int(now.timestamp()) * 1000
    assert broker_over(mt5, zone="Europe/Athens", now_ms=now_ms).tick("BTCUSD").time_msc == now_ms


def test_bars_through_the_repeated_hour_are_contiguous_in_utc() -> None:
    clock = ServerClock("Europe/Athens")
    from_ms = int(datetime(2026, 10, 25, tzinfo=UTC).timestamp()) * 1000 - HOUR_MS
    opens_ms = from_ms + np.arange(16) * Timeframe.M15.ms
    mt5 = StandIn()
    mt5.rates = rates_from([clock.to_server_s(int(each)) for each in opens_ms])
    now_ms = int(opens_ms[-1]) + HOUR_MS
    broker = broker_over(mt5, zone="Europe/Athens", now_ms=now_ms)
    bars = broker.rates("BTCUSD", Timeframe.M15, from_ms=from_ms, to_ms=now_ms)
    assert bars.open_ms.tolist() == opens_ms.tolist()


def test_simulated_terminal_serves_every_range_around_the_repeated_hour() -> None:
    """Whichever bars are asked for, and whenever: exactly those, though server times repeat."""
    from_ms = int(datetime(2026, 10, 24, 22, tzinfo=UTC).timestamp()) * 1000
    bars = make_bars([(100.0, 100.0, 100.0, 100.0)] * 48, start_ms=from_ms)
    terminal = make_terminal(bars, start_ms=from_ms + 4 * STEP_MS)
    broker = native_broker(terminal)
    for now_ms in bars.open_ms[4:].tolist():
        terminal.advance(now_ms)
        assert broker.tick("BTCUSD").time_msc == now_ms
        for count in (1, 2, 4, 8):
            first_ms = now_ms - count * STEP_MS
            served = broker.rates("BTCUSD", Timeframe.M15, from_ms=first_ms, to_ms=now_ms + 1)
            assert served.open_ms.tolist() == bars.between(first_ms, now_ms).open_ms.tolist()


@pytest.mark.parametrize(("late_ms", "count"), [(-1, 1), (0, 2)])
def test_bar_is_served_from_the_instant_it_closes(late_ms: int, count: int) -> None:
    step_ms = Timeframe.M15.ms
    opens_ms = [NOW_MS - 2 * step_ms, NOW_MS - step_ms, NOW_MS]
    mt5 = StandIn()
    mt5.rates = rates_from([each // 1000 for each in opens_ms])
    broker = broker_over(mt5, now_ms=NOW_MS + late_ms)
    bars = broker.rates("BTCUSD", Timeframe.M15, from_ms=opens_ms[0], to_ms=NOW_MS + step_ms)
    assert bars.open_ms.tolist() == opens_ms[:count]


def test_range_of_bars_ends_before_its_end() -> None:
    step_ms = Timeframe.M15.ms
    opens_ms = [NOW_MS - n * step_ms for n in (4, 3, 2, 1)]
    mt5 = StandIn()
    mt5.rates = rates_from([each // 1000 for each in opens_ms])
    bars = broker_over(mt5).rates("BTCUSD", Timeframe.M15, from_ms=opens_ms[1], to_ms=opens_ms[3])
    assert bars.open_ms.tolist() == opens_ms[1:3]


def test_impossible_bars_are_a_bad_answer() -> None:
    mt5 = StandIn()
    mt5.rates = rates_from([NOW_MS // 1000 - 1800])
    mt5.rates["high"] = 99.0
    with pytest.raises(BadAnswer, match="high"):
        broker_over(mt5).rates("BTCUSD", Timeframe.M15, from_ms=0, to_ms=NOW_MS)


def test_history_is_asked_until_tomorrow_and_filtered() -> None:
    mt5 = StandIn()
    mt5.deals = tuple(
        server_deal(n, magic=0, time_msc=NOW_MS - HOUR_MS * (3 - n)) for n in (3, 1, 2)
    )
    found = broker_over(mt5).deals(from_ms=NOW_MS - 2 * HOUR_MS, to_ms=NOW_MS)
    assert [deal.ticket for deal in found] == [1, 2]
    assert mt5.asked[-1][2] == NOW_MS // 1000 + 86_400


def test_health_of_a_terminal_that_may_not_trade_is_degraded() -> None:
    mt5 = StandIn()
    mt5.terminal = type(mt5.terminal)(**{**vars(mt5.terminal), "trade_allowed": False})
    assert broker_over(mt5).health().status == "degraded"


def test_health_without_a_terminal_is_down() -> None:
    mt5 = StandIn()
    mt5.terminal = mt5.account = None
    assert broker_over(mt5).health().status == "down"


def test_health_tells_the_age_of_the_quote_and_the_server_clock() -> None:
    mt5 = StandIn()
    broker = broker_over(mt5, zone="Europe/Athens")
    mt5.tick = server_tick(NOW_MS + 2 * HOUR_MS - 420)
    broker.symbol("BTCUSD")
    health = broker.health()
    assert health.market[0].tick_age_ms == 420
    assert (health.utc_offset_s, health.server_msc) == (7200, NOW_MS + 2 * HOUR_MS)
