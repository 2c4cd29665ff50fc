"""Which calls a fault acts on: match, window, counts, chance; and that it is always the same."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.contract.paper import FaultMatch, FaultOrder, FaultWhen
from broker.contract.wire import decode, encode
from broker.simulator.faults.calls import Call
from broker.simulator.faults.catalogue import CATALOGUE, FaultError, page
from broker.simulator.faults.plan import FaultPlan

ROOT = Path(__file__).resolve().parents[2]
POST = Call("POST", "/orders", "BTCUSD", "order_send", "entry")


def plan_of(*orders: FaultOrder, seed: int = 7, now_ms: int = 0) -> FaultPlan:
    plan = FaultPlan(seed)
    plan.bind(lambda: now_ms)
    for each in orders:
        plan.add(each)
    return plan


def acts(plan: FaultPlan, calls: int, name: str = "http_503") -> list[bool]:
    return [plan.acting(name, POST) is not None for _ in range(calls)]


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        (FaultMatch(), True),
        (FaultMatch("POST", "/orders", "BTCUSD"), True),
        (FaultMatch(path="/ord*"), True),
        (FaultMatch(path="order_send"), True),
        (FaultMatch(method="GET"), False),
        (FaultMatch(path="/orders/check"), False),
        (FaultMatch(path="/positions/*"), False),
        (FaultMatch(symbol="EURUSD"), False),
        (FaultMatch(kind="entry"), True),
        (FaultMatch(kind="close"), False),
    ],
)
def test_match(match: FaultMatch, expected: bool) -> None:
    plan = plan_of(FaultOrder("http_503", match))
    assert acts(plan, 1) == [expected]
    assert plan.active()[0].calls == int(expected)


def test_first_calls_are_spared_and_hits_are_limited() -> None:
    plan = plan_of(FaultOrder("http_503", when=FaultWhen(after_calls=2, count=3)))
    assert acts(plan, 7) == [False, False, True, True, True, False, False]
    (fault,) = plan.active()
    assert (fault.calls, fault.hits) == (7, 3)


@pytest.mark.parametrize(
    ("now_ms", "expected"), [(99, False), (100, True), (199, True), (200, False)]
)
def test_window_holds_its_first_instant_and_not_its_last(now_ms: int, expected: bool) -> None:
    order = FaultOrder("http_503", when=FaultWhen(from_msc=100, to_msc=200))
    plan = plan_of(order, now_ms=now_ms)
    assert acts(plan, 1) == [expected]
    assert plan.active()[0].calls == int(expected)


def test_chance_is_drawn_by_seed_fault_and_call() -> None:
    order = FaultOrder("http_503", when=FaultWhen(prob=0.3))
    drawn = acts(plan_of(order), 400)
    assert 80 < sum(drawn) < 160
    assert drawn == acts(plan_of(order), 400)
    assert drawn != acts(plan_of(order, seed=8), 400)
    other = plan_of(FaultOrder("delay"), order)
    assert drawn != acts(other, 400)


@given(st.integers(0, 60), st.floats(0, 1), st.integers(0, 5))
def test_plan_goes_on_from_its_state(calls: int, prob: float, count: int) -> None:
    order = FaultOrder("http_503", when=FaultWhen(prob=prob, count=count))
    whole, first = plan_of(order), plan_of(order)
    expected = acts(whole, 60)
    before = acts(first, calls)
    second = plan_of()
    second.restore(decode(dict, encode(first.state())))
    assert before + acts(second, 60 - calls) == expected
    assert second.active() == whole.active()


def test_names_of_ids_go_on_after_a_clear() -> None:
    plan = plan_of(FaultOrder("http_503"))
    plan.clear()
    assert acts(plan, 1) == [False]
    assert plan.add(FaultOrder("http_503")) == 2


def test_of_two_faults_one_acts_and_both_count() -> None:
    plan = plan_of(FaultOrder("http_503", when=FaultWhen(count=1)), FaultOrder("http_503"))
    acts(plan, 3)
    assert [(each.calls, each.hits) for each in plan.active()] == [(3, 1), (3, 2)]


@pytest.mark.parametrize(
    ("order", "wrong"),
    [
        (FaultOrder("nonsense"), "name"),
        (FaultOrder("retcode", params={"code": 1}), "params"),
        (FaultOrder("retcode", params={"retcode": "10006"}), "params.retcode"),
        (FaultOrder("retcode", params={"retcode": True}), "params.retcode"),
        (FaultOrder("spec_change", params={"nonsense": 1}), "params"),
        (FaultOrder("http_503", when=FaultWhen(prob=1.5)), "when.prob"),
        (FaultOrder("http_503", when=FaultWhen(from_msc=5, to_msc=5)), "when.to_msc"),
        (FaultOrder("gap", FaultMatch(method="POST")), "match, when"),
        (FaultOrder("spread_times", when=FaultWhen(count=1)), "match, when"),
        (FaultOrder("retcode", FaultMatch(kind="exit")), "match.kind"),
    ],
)
def test_fault_that_cannot_be_is_refused(order: FaultOrder, wrong: str) -> None:
    with pytest.raises(FaultError, match=rf"^{wrong}: .* allowed.* came|^match, when"):
        plan_of(order)


def test_params_left_out_have_their_defaults() -> None:
    plan = plan_of(FaultOrder("late_fill", params={"max_s": 60}))
    assert plan.active()[0].params == {"min_s": 35, "max_s": 60}


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_fault_says_what_it_does_and_what_it_imitates(name: str) -> None:
    kind = CATALOGUE[name]
    assert kind.name == name
    assert kind.does.endswith((".", ")")) and len(kind.does) > 20
    assert kind.imitates and all(mode[0] == "D" and mode[1:].isdigit() for mode in kind.imitates)
    for param in kind.params:
        assert f"`{param}`" in kind.does or param in kind.does, param


def test_page_of_the_faults_is_the_catalogues() -> None:
    there = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    assert there == page(), "write broker.simulator.faults.catalogue.page() to docs/faults.md"


def test_calls_of_a_sleeping_plan_are_not_counted() -> None:
    plan = plan_of(FaultOrder("http_503"))
    with plan.asleep():
        assert acts(plan, 2) == [False, False]
    assert acts(plan, 1) == [True]
    assert plan.active()[0].calls == 1
