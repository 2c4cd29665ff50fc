"""Faults of the terminal: what it shows, and what it does with requests."""

import pytest

from broker.contract.errors import BadAnswer, BrokerRefused, BrokerUnavailable, OutcomeUnknown
from broker.contract.marks import comment_of
from broker.contract.paper import FaultMatch, FaultWhen
from broker.simulator.faults.terminal import FaultyTerminal
from broker.simulator.native import NativeTerminal
from market.timeframe import Timeframe
from tests.faults.venues import ONCE, STEP_MS, HttpVenue, Venue, order

WIDE = {"from_ms": 0, "to_ms": 1 << 42}


def faulty(venue: Venue) -> FaultyTerminal:
    """The package's functions of the venue's terminal."""
    return FaultyTerminal(NativeTerminal(venue.terminal), venue.plan)


def test_disconnected_terminal_tells_what_it_knew(venue: HttpVenue) -> None:
    venue.buy()
    venue.fault("disconnected")
    before = venue.broker.snapshot("BTCUSD")
    venue.clock.wait_until(venue.terminal.now_ms + 3 * STEP_MS)
    health = venue.broker.health()
    assert (health.terminal.connected, health.status) == (False, "degraded")
    after = venue.broker.snapshot("BTCUSD")
    assert (after.tick, after.positions, after.account) == (
        before.tick, before.positions, before.account,
    )  # fmt: skip
    with pytest.raises(OutcomeUnknown, match="10031"):
        venue.buy("two")
    venue.control.clear()
    assert venue.broker.tick("BTCUSD") != before.tick


def test_position_stopped_while_disconnected_is_shown_until_the_link_is_back(native: Venue) -> None:
    native.buy(sl=round(native.broker.tick("BTCUSD").bid - 30, 2))
    native.fault("disconnected")
    assert len(native.broker.positions()) == 1
    native.later(20 * STEP_MS)
    assert native.terminal.positions() == ()
    assert len(native.broker.positions()) == 1
    native.plan.clear()
    assert native.broker.positions() == ()


def test_frozen_quote_ages_while_all_looks_connected(venue: HttpVenue) -> None:
    tick = venue.broker.tick("BTCUSD")
    venue.fault("freeze_ticks")
    venue.clock.wait_until(venue.terminal.now_ms + 2 * STEP_MS)
    health = venue.broker.health()
    assert health.terminal.connected
    assert health.market[0].tick_age_ms == venue.terminal.now_ms - tick.time_msc
    assert venue.broker.tick("BTCUSD") == tick
    seen = venue.broker.rates("BTCUSD", Timeframe.M15, **WIDE)
    assert int(seen.open_ms[-1]) <= tick.time_msc


def test_quote_thaws_when_the_window_closes(native: Venue) -> None:
    now_ms = native.terminal.now_ms
    native.fault("freeze_ticks", when=FaultWhen(from_msc=now_ms, to_msc=now_ms + STEP_MS))
    before = native.broker.tick("BTCUSD")
    native.later(STEP_MS)
    assert native.broker.tick("BTCUSD") != before


def test_algo_trading_off(venue: HttpVenue) -> None:
    venue.fault("algo_off")
    assert not venue.broker.health().terminal.trade_allowed
    assert venue.buy().retcode == 10027


def test_another_login_shows_another_account(venue: HttpVenue) -> None:
    venue.buy()
    venue.fault("switch_login", login=4711, server="Elsewhere")
    health, account = venue.broker.health(), venue.broker.account()
    assert (health.login, health.server, account.login) == (4711, "Elsewhere", 4711)
    assert venue.broker.positions() == ()
    assert venue.broker.deals(**WIDE) == ()
    assert venue.buy("two").retcode == 10027
    assert len(venue.entries()) == 1


@pytest.mark.parametrize(
    ("code", "error"), [(-10005, BrokerUnavailable), (-6, BrokerRefused), (-1, BrokerUnavailable)]
)
def test_sdk_error_on_a_read(venue: HttpVenue, code: int, error: type[Exception]) -> None:
    venue.fault("sdk_error", match=FaultMatch(path="positions_get"), code=code)
    with pytest.raises(error, match=str(code)):
        venue.broker.positions()
    venue.broker.account()


@pytest.mark.parametrize(
    ("code", "executed", "error"),
    [
        (-10005, True, OutcomeUnknown),
        (-10002, False, OutcomeUnknown),
        (-10004, False, BrokerUnavailable),
        (-2, False, BrokerRefused),
    ],
)
def test_sdk_error_on_order_send(
    venue: HttpVenue, code: int, executed: bool, error: type[Exception]
) -> None:
    venue.fault(
        "sdk_error", match=FaultMatch(path="order_send"), when=ONCE, code=code, executed=executed
    )
    with pytest.raises(error):
        venue.buy()
    assert len(venue.entries()) == int(executed)


def test_initialize_that_times_out_yet_works(native: Venue) -> None:
    terminal = faulty(native)
    native.fault("init_timeout_but_ok", when=FaultWhen(count=2))
    assert not terminal.initialize()
    assert terminal.last_error()[0] == -10005
    assert not terminal.login(terminal.terminal.account_terms.login)
    assert terminal.account_info().balance == 10_000.0
    assert terminal.initialize()


def test_cold_symbol_has_no_quote_yet(venue: HttpVenue) -> None:
    venue.fault("cold_symbol", when=ONCE)
    assert faulty(venue).symbol_info("BTCUSD").bid == 0.0
    assert venue.broker.tick("BTCUSD").bid > 0
    venue.fault("cold_symbol")
    with pytest.raises(BrokerUnavailable):
        venue.broker.tick("BTCUSD")


def test_short_and_broken_history(native: Venue) -> None:
    whole = native.broker.rates("BTCUSD", Timeframe.M15, **WIDE)
    native.fault("short_rates", when=ONCE, missing=3)
    broken = native.broker.rates("BTCUSD", Timeframe.M15, **WIDE)
    assert len(broken) == len(whole) - 3
    assert (broken.open_ms[0], broken.open_ms[-1]) == (whole.open_ms[0], whole.open_ms[-1])
    native.fault("short_rates", rows=5)
    assert len(native.broker.rates("BTCUSD", Timeframe.M15, **WIDE)) in (4, 5)


def test_bridge_clock_ahead(venue: HttpVenue) -> None:
    venue.fault("clock_skew", ms=3_600_000)
    assert venue.broker.health().utc_msc == venue.terminal.now_ms + 3_600_000
    assert venue.clock.clock().now_msc == venue.terminal.now_ms
    venue.control.clear()
    assert venue.broker.health().utc_msc == venue.terminal.now_ms


def test_terminal_that_is_gone_while_it_restarts(venue: HttpVenue) -> None:
    now_ms = venue.terminal.now_ms
    venue.fault("terminal_restart", when=FaultWhen(from_msc=now_ms, to_msc=now_ms + 300_000))
    assert venue.broker.health().status == "down"
    with pytest.raises(BrokerUnavailable):
        venue.broker.account()
    with pytest.raises(BrokerUnavailable):
        venue.buy()
    venue.clock.wait_until(now_ms + 300_000)
    assert venue.buy().outcome == "filled"


def test_none_without_an_error(venue: HttpVenue) -> None:
    venue.fault("random_none", match=FaultMatch(path="positions_get"))
    with pytest.raises(BrokerUnavailable, match="Success"):
        venue.broker.positions()


def test_comments_that_come_back_blank_or_cut(venue: HttpVenue) -> None:
    venue.buy()
    venue.fault("blank_comment", when=ONCE, keep=3)
    assert venue.broker.positions()[0].comment == comment_of("one")[:3]
    venue.fault("blank_comment")
    assert venue.broker.positions()[0].comment == ""
    assert venue.broker.deals(**WIDE)[-1].comment == ""
    assert venue.entries()[0].comment == comment_of("one")


def test_server_clock_off_the_rule_shifts_every_instant(venue: HttpVenue) -> None:
    venue.buy()
    right = venue.broker.tick("BTCUSD"), venue.broker.positions()[0], venue.entries()[0]
    bars = venue.broker.rates("BTCUSD", Timeframe.M15, **WIDE)
    venue.fault("wrong_offset", s=3600)
    assert venue.broker.tick("BTCUSD").time_msc == right[0].time_msc + 3_600_000
    assert venue.broker.positions()[0].time_msc == right[1].time_msc + 3_600_000
    assert venue.broker.deals(**WIDE)[-1].time_msc == right[2].time_msc + 3_600_000
    shifted = venue.broker.rates("BTCUSD", Timeframe.M15, **WIDE)
    assert int(shifted.open_ms[0]) == int(bars.open_ms[0]) + 3_600_000


def test_bars_asked_for_on_the_wrong_clock_are_those_of_its_hours(native: Venue) -> None:
    bars = native.broker.rates("BTCUSD", Timeframe.M15, **WIDE)
    from_ms, to_ms = int(bars.open_ms[10]), int(bars.open_ms[20])
    native.fault("wrong_offset", s=3600)
    there = native.broker.rates("BTCUSD", Timeframe.M15, from_ms=from_ms, to_ms=to_ms)
    assert len(there) == 10
    assert there.close[0] == bars.close[6]


def test_in_process_faults_of_the_wire_are_none_from_the_package(native: Venue) -> None:
    native.fault("post_fill_then_timeout", when=ONCE)
    with pytest.raises(OutcomeUnknown):
        native.buy()
    assert len(native.entries()) == 1
    native.fault("http_503", match=FaultMatch("POST", "/orders"), when=ONCE)
    with pytest.raises(BrokerUnavailable):
        native.broker.send(order("two"))
    assert len(native.entries()) == 1


def test_unreadable_rates_are_bad_answers(native: Venue) -> None:
    native.fault("wrong_offset", s=1)
    with pytest.raises(BadAnswer):
        native.broker.rates("BTCUSD", Timeframe.M15, **WIDE)
