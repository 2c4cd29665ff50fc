"""The fault schedule: every fault is in it, equal seeds give equal ones, rates are as told."""

from broker.simulator.faults.catalogue import checked
from tests.builders import MONDAY_MS
from tests.chaos.schedule import DAY_MS, FIELD_RATES, fault_schedule, unrated


def test_every_fault_has_a_field_rate_once() -> None:
    assert unrated() == set()
    assert len({rate.name for rate in FIELD_RATES}) == len(FIELD_RATES)


def test_equal_seeds_give_equal_schedules_and_others_do_not() -> None:
    one, same, other = (fault_schedule(seed=seed, from_ms=MONDAY_MS, days=2) for seed in (7, 7, 8))
    assert one == same
    assert one != other


def test_faults_come_as_often_as_told() -> None:
    days, times = 1000, 20.0
    schedule = fault_schedule(seed=7, from_ms=MONDAY_MS, days=days, times=times)
    for rate in FIELD_RATES:
        came = sum(order.name == rate.name for order in schedule)
        expected = rate.per_day * times * days
        assert abs(came - expected) < 5 * expected**0.5, rate.name
    last_ms = MONDAY_MS + (days + 1) * DAY_MS
    assert all(MONDAY_MS - 900_000 <= order.when.from_msc < last_ms for order in schedule)


def test_fault_does_not_overlap_itself() -> None:
    last: dict[str, int] = {}
    for order in fault_schedule(seed=7, from_ms=MONDAY_MS, days=30):
        assert order.when.from_msc >= last.get(order.name, 0)
        last[order.name] = order.when.to_msc


def test_short_fault_is_there_when_a_bar_closes() -> None:
    for order in fault_schedule(seed=7, from_ms=MONDAY_MS, days=30):
        when = order.when
        if 0 < when.to_msc - when.from_msc < 900_000:
            assert -(-when.from_msc // 900_000) * 900_000 <= when.to_msc


def test_every_scheduled_fault_is_one_that_the_bridge_accepts() -> None:
    for order in fault_schedule(seed=7, from_ms=MONDAY_MS, days=60):
        checked(order)
