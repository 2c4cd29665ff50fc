"""Whole runs: a faulted one repeated gives the same ledger, one without faults is as if bare."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.contract.constants import DealEntry
from broker.contract.errors import BrokerError
from broker.contract.messages import OrderRequest
from broker.contract.paper import FaultOrder, FaultWhen
from broker.simulator.faults.catalogue import CATALOGUE
from tests.broker.paper_bridge import make_terminal
from tests.broker.paper_bridge import native_broker as bare_broker
from tests.faults.venues import STEP_MS, Venue, in_process, order

EVENTS = [name for name, kind in CATALOGUE.items() if kind.once or kind.by_time]


def trade(venue: Venue, bars: int = 40) -> None:
    """A careless trader: an entry each bar, a close of the oldest every third, no look back."""
    for bar in range(bars):
        bid = venue.terminal.tick("BTCUSD").bid
        side = bar % 2
        stop = round(bid + (400 if side else -400), 2)
        _try(venue, order(f"bar{bar}", type=side, sl=stop, volume=0.02))
        held = list(venue.terminal.book.positions.values())
        if bar % 3 == 0 and held:
            close = {"type": int(held[0].side > 0), "position": held[0].identifier}
            _try(venue, order(f"close{bar}", volume=venue.terminal.units["BTCUSD"].lots(
                held[0].steps), **close))  # fmt: skip
        venue.later(STEP_MS)


def _try(venue: Venue, request: OrderRequest) -> None:
    try:
        venue.broker.send(request)
    except BrokerError:
        return


def faults(prob: float) -> list[FaultOrder]:
    """Every fault of the catalogue that acts on calls, at a chance; events on their days."""
    acting = [
        FaultOrder(name, when=FaultWhen(prob=prob))
        for name in CATALOGUE
        if name not in EVENTS and name not in ("bridge_restart", "spec_change", "delay")
    ]
    start_ms = make_terminal().now_ms
    timed = [
        FaultOrder(name, when=FaultWhen(from_msc=start_ms + (3 + i) * STEP_MS, prob=0.7))
        for i, name in enumerate(EVENTS)
        if name != "session_closed"
    ]
    return acting + timed


def run(prob: float) -> Venue:
    venue = in_process()
    for each in faults(prob):
        venue.plan.add(each)
    trade(venue)
    return venue


def test_faulted_run_repeats_to_the_last_deal() -> None:
    first, second = run(0.05), run(0.05)
    assert sum(each.hits for each in first.plan.active()) > 20
    assert first.terminal.ledger.sha256() == second.terminal.ledger.sha256()
    assert first.plan.active() == second.plan.active()


def test_run_with_an_empty_plan_is_a_run_without_one() -> None:
    faultless = in_process()
    trade(faultless)
    terminal = make_terminal()
    bare = Venue(bare_broker(terminal), terminal, faultless.plan)
    trade(bare)
    assert faultless.terminal.ledger.sha256() == terminal.ledger.sha256()
    assert len(terminal.ledger.deals) > 40


def test_looking_changes_nothing_that_happens_in_the_market() -> None:
    """Draws are keyed by their own fault and call: reads shift no other fault's draws."""
    plain, watched = in_process(), in_process()
    for venue in (plain, watched):
        venue.plan.add(FaultOrder("retcode", when=FaultWhen(prob=0.3)))
        venue.plan.add(FaultOrder("freeze_ticks", when=FaultWhen(prob=0.3)))
    for bar in range(20):
        for venue in (plain, watched):
            _try(venue, order(f"bar{bar}", volume=0.02))
            venue.later(STEP_MS)
        watched.broker.tick("BTCUSD")
        watched.broker.positions()
    assert plain.terminal.ledger.sha256() == watched.terminal.ledger.sha256()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.0, 0.4))
def test_ledger_adds_up_under_any_schedule_of_faults(seed: int, prob: float) -> None:
    venue = in_process()
    venue.plan.seed = seed
    for each in faults(prob):
        venue.plan.add(each)
    trade(venue, bars=15)
    ledger, deals = venue.terminal.ledger, venue.terminal.deals()
    assert ledger.balance == sum(d.commission + d.swap + d.profit for d in ledger.deals)
    assert [deal.time_msc for deal in deals] == sorted(deal.time_msc for deal in deals)
    for identifier in {deal.position_id for deal in deals if deal.position_id}:
        own = [deal for deal in deals if deal.position_id == identifier]
        entered = sum(deal.volume for deal in own if deal.entry is DealEntry.IN)
        left = sum(deal.volume for deal in own if deal.entry is DealEntry.OUT)
        assert left <= entered + 1e-9
    marks = [d.comment for d in deals if d.entry is DealEntry.IN and d.comment.startswith("NS1:")]
    assert len(marks) == len(set(marks))


@pytest.mark.parametrize("name", sorted(set(CATALOGUE) - {"spec_change"}))
def test_fault_outside_its_window_leaves_a_run_as_it_was(name: str) -> None:
    plain, faulted = in_process(), in_process()
    far_ms = faulted.terminal.now_ms + 10_000 * STEP_MS
    faulted.plan.add(FaultOrder(name, when=FaultWhen(from_msc=far_ms)))
    trade(plain, bars=6)
    trade(faulted, bars=6)
    assert faulted.terminal.ledger.sha256() == plain.terminal.ledger.sha256()
    assert faulted.broker.snapshot("BTCUSD") == plain.broker.snapshot("BTCUSD")
    # a change of bars to come is counted when it is made
    assert faulted.hits() == [int(CATALOGUE[name].by_time)]
