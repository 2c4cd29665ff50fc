"""Faults of the trade server and its market."""

from pathlib import Path

import numpy as np
import pytest

from broker.contract.constants import DealReason, DealType, PositionType
from broker.contract.messages import Deal
from broker.contract.paper import FaultMatch, FaultWhen, PushedTick
from broker.simulator.faults.catalogue import FaultError
from broker.simulator.faults.plan import FaultPlan
from market.timeframe import Timeframe
from tests.broker.paper_bridge import START_MS
from tests.faults.venues import ONCE, STEP_MS, HttpVenue, Venue, in_process, native_broker

POINT = 0.01


def deals_after(venue: Venue, first: int = 1) -> list[Deal]:
    return list(venue.terminal.deals())[first:]


def far_stop(venue: Venue, distance: float = 5000.0) -> float:
    return float(round(venue.terminal.tick("BTCUSD").bid - distance, 2))


@pytest.mark.parametrize("code", [10004, 10006, 10013, 10016, 10018, 10019, 10024, 10027, 10044])
def test_retcode(venue: HttpVenue, code: int) -> None:
    venue.fault("retcode", when=ONCE, retcode=code)
    result = venue.buy()
    assert (result.retcode, result.outcome, result.deal) == (code, "rejected", 0)
    assert venue.entries() == []
    assert venue.buy("two").outcome == "filled"


def test_retcode_that_hides_a_fill(venue: HttpVenue) -> None:
    venue.fault("retcode", when=ONCE, retcode=10008, executed=True)
    result = venue.buy()
    assert (result.outcome, result.deal, result.price) == ("placed", 0, 0.0)
    assert len(venue.entries()) == 1


def test_entry_without_its_stop(venue: HttpVenue) -> None:
    venue.fault("drop_sl_on_fill", when=ONCE)
    stop = far_stop(venue)
    venue.buy(sl=stop, tp=stop + 20_000)
    (naked,) = venue.broker.positions()
    assert (naked.sl, naked.tp) == (0.0, 0.0)
    result = venue.broker.modify(naked.identifier, sl=stop, tp=0.0, client_id="protect")
    assert (result.outcome, venue.broker.positions()[0].sl) == ("filled", stop)


def test_entry_without_its_stop_keeps_the_target_if_asked(native: Venue) -> None:
    native.fault("drop_sl_on_fill", tp=False)
    native.buy(sl=far_stop(native), tp=far_stop(native) + 20_000)
    assert native.terminal.positions()[0].tp > 0


def test_rejected_change_of_stops(venue: HttpVenue) -> None:
    venue.buy()
    venue.fault("reject_modify", when=FaultWhen(count=2), retcode=10016)
    ticket = venue.terminal.positions()[0].identifier
    codes = [
        venue.broker.modify(ticket, sl=far_stop(venue), tp=0.0, client_id=f"m{i}").retcode
        for i in range(3)
    ]
    assert codes == [10016, 10016, 10009]


def test_rejected_close(venue: HttpVenue) -> None:
    entry = venue.buy()
    venue.fault("reject_close", when=ONCE)
    close = {"type": 1, "position": entry.position}
    assert venue.buy("close", **close).retcode == 10006
    assert len(venue.terminal.positions()) == 1
    assert venue.buy("close again", **close).outcome == "filled"


@pytest.mark.parametrize(("share", "lots"), [(0.6, 0.06), (0.001, 0.01), (1.0, 0.1)])
def test_partial_fill(venue: HttpVenue, share: float, lots: float) -> None:
    venue.fault("partial_fill", when=ONCE, share=share)
    result = venue.buy()
    assert result.volume == lots
    assert result.outcome == ("filled" if lots == 0.1 else "partial")
    assert venue.terminal.positions()[0].volume == lots


def test_partial_close_leaves_a_rest_that_can_stand(venue: HttpVenue) -> None:
    entry = venue.buy()
    venue.fault("partial_fill", when=ONCE, share=0.5)
    result = venue.buy("close", type=1, position=entry.position)
    assert (result.outcome, result.volume) == ("partial", 0.05)
    assert venue.terminal.positions()[0].volume == 0.05


def test_wider_spread_holds_from_the_bars_interior_to_the_next_first_tick(native: Venue) -> None:
    narrow = native.broker.tick("BTCUSD")
    to_ms = native.terminal.now_ms + STEP_MS
    native.fault("spread_times", when=FaultWhen(to_msc=to_ms), times=10.0)
    assert native.broker.tick("BTCUSD") == narrow
    native.later(STEP_MS)
    wide = native.broker.tick("BTCUSD")
    assert round(wide.ask - wide.bid, 2) == 100.0
    native.later(STEP_MS)
    after = native.broker.tick("BTCUSD")
    assert round(after.ask - after.bid, 2) == 10.0
    bars = native.broker.rates("BTCUSD", Timeframe.M15, from_ms=0, to_ms=1 << 42)
    assert bars.spread_points[-3:].tolist() == [1000, 10_000, 1000]


def test_short_is_stopped_by_the_spread_alone(native: Venue) -> None:
    tick = native.broker.tick("BTCUSD")
    native.buy(type=1, sl=round(tick.ask + 600, 2))
    native.fault("spread_times", times=100.0)
    native.later(STEP_MS)
    assert native.terminal.deals()[-1].reason is DealReason.SL


@pytest.mark.parametrize("points", [-60_000, 60_000])
def test_gap_jumps_every_later_bar(native: Venue, points: int) -> None:
    plain = native.terminal.bars["BTCUSD"]
    native.later(STEP_MS // 2)
    native.fault("gap", points=points)
    native.later(10 * STEP_MS)
    seen = native.broker.rates("BTCUSD", Timeframe.M15, from_ms=0, to_ms=1 << 42)
    moved = np.asarray(seen.open) - np.asarray(plain.open)[: len(seen)]
    jumped = seen.open_ms > START_MS
    assert np.allclose(moved, np.where(jumped, points * POINT, 0.0))


def test_gap_fills_a_stop_at_the_first_price_beyond_it(native: Venue) -> None:
    stop = far_stop(native, 200.0)
    native.buy(sl=stop)
    native.fault("gap", points=-60_000, when=FaultWhen(from_msc=native.terminal.now_ms + STEP_MS))
    native.later(STEP_MS)
    deal = native.terminal.deals()[-1]
    assert deal.reason is DealReason.SL
    assert deal.price < stop - 300


def test_cleared_gap_that_happened_stays_and_one_ahead_does_not(native: Venue) -> None:
    native.fault("gap", points=-60_000)
    native.later(STEP_MS)
    low = native.broker.tick("BTCUSD").bid
    native.fault("gap", points=-60_000, when=FaultWhen(from_msc=native.terminal.now_ms + STEP_MS))
    native.plan.clear()
    native.later(5 * STEP_MS)
    assert abs(native.broker.tick("BTCUSD").bid - low) < 500


def test_changed_specification_is_shown_and_enforced(venue: HttpVenue) -> None:
    before = venue.broker.symbol("BTCUSD")
    venue.fault("spec_change", trade_stops_level=30_000, trade_contract_size=100.0)
    after = venue.broker.symbol("BTCUSD")
    assert (after.trade_stops_level, after.trade_contract_size) == (30_000, 100.0)
    assert after.spec_hash != before.spec_hash
    assert venue.buy("near", sl=far_stop(venue, 100.0)).retcode == 10016
    assert venue.buy("far", sl=far_stop(venue, 400.0)).outcome == "filled"
    venue.control.clear()
    assert venue.broker.symbol("BTCUSD") == before


def test_only_one_filling_is_left(venue: HttpVenue) -> None:
    venue.fault("spec_change", filling_mode=1)
    assert venue.broker.symbol("BTCUSD").filling_mode == 1
    assert venue.buy().retcode == 10030


@pytest.mark.parametrize(
    ("mode", "code"), [(0, 10017), (1, 10009), (2, 10043), (3, 10044), (4, 10009)]
)
def test_trade_mode(venue: HttpVenue, mode: int, code: int) -> None:
    venue.fault("trade_mode", mode=mode)
    assert venue.broker.symbol("BTCUSD").trade_mode == mode
    assert venue.buy().retcode == code


def test_close_only_lets_positions_go(venue: HttpVenue) -> None:
    entry = venue.buy()
    venue.fault("trade_mode")
    assert venue.buy("close", type=1, position=entry.position).outcome == "filled"


def test_smallest_volume(venue: HttpVenue) -> None:
    venue.fault("volume_min", lots=0.2)
    assert venue.broker.symbol("BTCUSD").volume_min == 0.2
    assert venue.buy().retcode == 10014
    assert venue.buy("two", volume=0.2).outcome == "filled"


def test_tick_value_is_told_wrongly_and_profits_are_right(venue: HttpVenue) -> None:
    right = venue.broker.symbol("BTCUSD")
    venue.fault("tick_value_times", times=10.0)
    told = venue.broker.symbol("BTCUSD")
    assert told.trade_tick_value == 10 * right.trade_tick_value
    venue.buy()
    assert venue.broker.account().profit == pytest.approx(-10.0 * 0.1, abs=0.2)


def test_closed_session_fills_nothing_until_it_opens(native: Venue) -> None:
    native.later(STEP_MS // 2)
    native.buy(sl=far_stop(native, 60.0), tp=far_stop(native, -60.0))
    from_ms = native.terminal.now_ms
    to_ms = START_MS + 40 * STEP_MS
    native.fault("session_closed", when=FaultWhen(from_msc=from_ms, to_msc=to_ms))
    before, frozen = len(native.terminal.deals()), native.broker.tick("BTCUSD")
    native.later(STEP_MS)
    held = len(native.terminal.positions())
    native.later(30 * STEP_MS)
    assert len(native.terminal.positions()) == held
    assert native.buy("two").retcode == 10018
    assert native.broker.tick("BTCUSD") == frozen
    native.later(to_ms - native.terminal.now_ms)
    bars = native.broker.rates("BTCUSD", Timeframe.M15, from_ms=0, to_ms=1 << 42)
    assert not ((bars.open_ms > from_ms) & (bars.open_ms < to_ms)).any()
    assert native.buy("three").outcome == "filled"
    assert len(native.terminal.deals()) > before


def test_history_comes_late(venue: HttpVenue) -> None:
    venue.fault("history_lag", lag_ms=30_000)
    entry = venue.buy()
    venue.buy("close", type=1, position=entry.position)
    wide = {"from_ms": venue.terminal.now_ms - 1000, "to_ms": 1 << 42}
    assert venue.broker.positions() == ()
    assert venue.broker.deals(**wide) == ()
    venue.clock.wait_until(venue.terminal.now_ms + 30_000)
    assert len(venue.broker.deals(**wide)) == 3


def test_each_deal_is_late_by_its_own_time(native: Venue) -> None:
    native.fault("history_lag", lag_ms=900_000, vary=True)
    for number in range(12):
        native.buy(f"n{number}", volume=0.01)
    first_ms = native.terminal.now_ms
    counts = []
    for minute in range(16):
        counts.append(len(native.broker.deals(from_ms=first_ms, to_ms=1 << 42)))
        native.terminal.advance(first_ms + (minute + 1) * 60_000)
    assert counts == sorted(counts)
    assert len(set(counts)) > 3
    assert len(native.broker.deals(from_ms=first_ms, to_ms=1 << 42)) == 1 + 12


def test_fill_is_seen_late(venue: HttpVenue) -> None:
    venue.fault("fill_visible_lag", lag_ms=3000)
    venue.buy()
    assert venue.broker.positions() == ()
    assert len(venue.entries()) == 1
    venue.clock.wait_until(venue.terminal.now_ms + 3000)
    assert len(venue.broker.positions()) == 1


def test_stop_out_takes_the_largest_loser(native: Venue) -> None:
    native.buy("small", volume=0.01)
    native.buy("large", volume=0.5)
    native.fault("stop_out")
    deal = native.terminal.deals()[-1]
    assert (deal.reason, deal.volume, deal.magic) == (DealReason.SO, 0.5, 0)
    assert deal.comment.startswith("[so ")


def test_close_by_hand(venue: HttpVenue) -> None:
    venue.buy()
    venue.fault("manual_close")
    deal = venue.terminal.deals()[-1]
    assert (deal.reason, deal.magic, deal.comment) == (DealReason.CLIENT, 0, "")
    assert venue.broker.positions() == ()


def test_close_by_hand_between_look_and_change(venue: HttpVenue) -> None:
    entry = venue.buy()
    venue.fault("manual_close", match=FaultMatch("PUT", "/positions/*"), when=ONCE)
    assert len(venue.broker.positions()) == 1
    late = venue.broker.modify(entry.position, sl=far_stop(venue), tp=0.0, client_id="trail")
    assert late.retcode == 10036
    assert venue.terminal.deals()[-1].reason is DealReason.CLIENT


def test_foreign_position(venue: HttpVenue) -> None:
    venue.fault("foreign_position", side=-1, lots=0.02, magic=99, sl_points=5000, comment="mine")
    (there,) = venue.broker.positions()
    assert (there.type, there.volume, there.magic) == (PositionType.SELL, 0.02, 99)
    assert there.comment == "mine"
    assert there.sl == pytest.approx(venue.broker.tick("BTCUSD").ask + 50.0)


@pytest.mark.parametrize("amount", [2500.0, -1000.0])
def test_deposit_and_withdrawal(venue: HttpVenue, amount: float) -> None:
    at_ms = venue.terminal.now_ms + 1000
    venue.fault("deposit", amount=amount, when=FaultWhen(from_msc=at_ms))
    assert venue.broker.account().balance == 10_000.0
    venue.clock.wait_until(at_ms + 5000)
    deal = venue.terminal.deals()[-1]
    assert (deal.type, deal.time_msc, deal.profit) == (DealType.BALANCE, at_ms, amount)
    assert venue.broker.account().balance == 10_000.0 + amount
    assert deals_after(venue, 2) == []


def test_event_with_nobody_to_happen_to_does_nothing(native: Venue) -> None:
    native.fault("stop_out")
    native.fault("manual_close")
    assert len(native.terminal.deals()) == 1


def test_pushed_tick_is_the_quote_until_the_next_event(venue: HttpVenue) -> None:
    before = venue.broker.tick("BTCUSD")
    venue.control.push_tick("BTCUSD", bid=61_000.0, ask=61_020.0)
    tick = venue.broker.tick("BTCUSD")
    assert (tick.bid, tick.ask, tick.time_msc) == (61_000.0, 61_020.0, venue.terminal.now_ms)
    assert venue.buy().price == pytest.approx(61_020.0, abs=0.5)
    venue.clock.wait_until(venue.terminal.now_ms + STEP_MS)
    assert abs(venue.broker.tick("BTCUSD").bid - before.bid) < 500


def test_pushed_tick_fires_stops_and_targets_at_its_own_price(venue: HttpVenue) -> None:
    tick = venue.broker.tick("BTCUSD")
    venue.buy("stopped", sl=round(tick.bid - 50, 2))
    venue.buy("target", type=1, tp=round(tick.ask - 80, 2))
    low = round(tick.bid - 100, 2)
    venue.control.push_tick("BTCUSD", bid=low, ask=round(low + 10, 2))
    stopped, target = deals_after(venue, 3)
    assert (stopped.reason, stopped.price) == (DealReason.SL, low)
    assert (target.reason, target.price) == (DealReason.TP, round(low + 10, 2))


def test_pushed_tick_stops_an_account_out(native: Venue) -> None:
    native.buy(volume=10.0)
    native.terminal.with_faults(native.plan).push_tick(PushedTick("BTCUSD", 58_400.0, 58_410.0))
    assert native.terminal.deals()[-1].reason is DealReason.SO


@pytest.mark.parametrize(
    "tick",
    [
        PushedTick("EURUSD", 1.0, 1.1),
        PushedTick("BTCUSD", 2.0, 1.0),
        PushedTick("BTCUSD", 0.0, 1.0),
        PushedTick("BTCUSD", 1.001, 2.0),
    ],
)
def test_quote_that_cannot_be_is_refused(native: Venue, tick: PushedTick) -> None:
    with pytest.raises(FaultError):
        native.terminal.with_faults(native.plan).push_tick(tick)


def test_market_faults_are_kept_with_the_terminals_state(tmp_path: Path) -> None:
    first = _troubled()
    first.terminal.save(tmp_path / "state.sqlite")
    first.later(30 * STEP_MS)
    second = in_process()
    second.terminal.restore(tmp_path / "state.sqlite")
    assert second.plan.active() == _troubled().plan.active()
    second.later(30 * STEP_MS)
    assert second.terminal.ledger.sha256() == first.terminal.ledger.sha256()
    assert second.plan.active() == first.plan.active()
    assert second.broker.tick("BTCUSD") == first.broker.tick("BTCUSD")
    first.terminal.close()
    second.terminal.close()


def _troubled() -> Venue:
    """A venue with one of each kind of thing that is still to come."""
    venue = in_process()
    venue.buy("kept", sl=far_stop(venue, 300.0), volume=0.1)
    venue.fault("late_fill", when=ONCE)
    with pytest.raises(Exception, match="IPC timeout"):
        venue.buy("late", sl=far_stop(venue, 200.0))
    now_ms = venue.terminal.now_ms
    venue.fault("gap", points=-20_000, when=FaultWhen(from_msc=now_ms + 4 * STEP_MS))
    venue.fault("spread_times", times=3.0, when=FaultWhen(to_msc=now_ms + 2 * STEP_MS))
    venue.fault("foreign_position", when=FaultWhen(from_msc=now_ms + 3 * STEP_MS + 7))
    venue.fault("deposit", when=FaultWhen(from_msc=now_ms + 6 * STEP_MS, prob=0.5))
    venue.terminal.with_faults(venue.plan).push_tick(PushedTick("BTCUSD", 60_100.0, 60_110.0))
    venue.later(STEP_MS // 3)
    return venue


def test_reset_puts_the_venue_back_to_its_start(venue: HttpVenue) -> None:
    start = venue.control.snapshot()
    venue.fault("gap")
    venue.fault("manual_close", when=FaultWhen(from_msc=START_MS + 3 * STEP_MS))
    venue.buy()
    venue.clock.wait_until(START_MS + 10 * STEP_MS)
    venue.control.reset()
    assert venue.control.snapshot() == start
    assert venue.control.active() == ()


def test_terminal_has_one_plan(native: Venue) -> None:
    with pytest.raises(ValueError, match="the plan that the terminal was made with"):
        native_broker(native.terminal, FaultPlan(1))


def test_gap_made_at_a_bars_first_tick_leaves_that_bar_alone(native: Venue) -> None:
    before = native.broker.tick("BTCUSD")
    native.fault("gap", points=-60_000)
    assert native.broker.tick("BTCUSD") == before
    native.later(STEP_MS)
    assert native.broker.tick("BTCUSD").bid < before.bid - 500


def test_cleared_spread_is_narrow_from_the_next_bar_on(native: Venue) -> None:
    native.fault("spread_times", times=10.0)
    native.later(STEP_MS)
    native.plan.clear()
    native.later(STEP_MS)
    tick = native.broker.tick("BTCUSD")
    assert round(tick.ask - tick.bid, 2) == 10.0
