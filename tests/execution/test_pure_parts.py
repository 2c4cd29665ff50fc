"""Levels, ladder, guard, budget, names and fillings as values."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.contract.constants import Filling, PositionType
from broker.contract.filling import allowed_fillings, filling_of, next_filling
from broker.contract.marks import (
    bears_mark,
    magic_like,
    magic_of,
    mark_of,
    marks_of,
    strategy_of,
)
from broker.contract.messages import Position, Tick
from broker.contract.retcodes import RETCODES, RetcodeClass, retcode
from market.rounding import price_ticks, tick_price
from tests.builders import make_spec
from tests.execution.venue import NOW_MS, entry
from trading.execution.budget import DAY_MS, HOUR_MS, RequestBudget
from trading.execution.ladder import close_order, losers_first, next_rung
from trading.execution.levels import clamped, least_distance
from trading.execution.protect import CloseNow, Protected, SetLevels, guard_step

sides = st.sampled_from([1, -1])


def quote(bid_ticks: int, spread_ticks: int) -> Tick:
    bid, ask = tick_price(bid_ticks, 0.01), tick_price(bid_ticks + spread_ticks, 0.01)
    return Tick(NOW_MS, bid, ask, 0.0, 0, 6)


def held(**fields: object) -> Position:
    words = {
        "ticket": 7, "identifier": 7, "time_msc": NOW_MS, "time_update_msc": NOW_MS,
        "type": PositionType.BUY, "magic": 7719 << 32 | 1, "reason": 3, "volume": 0.1,
        "price_open": 100_000.0, "sl": 0.0, "tp": 0.0, "price_current": 100_000.0, "swap": 0.0,
        "profit": 0.0, "symbol": "BTCUSD", "comment": "",
    }  # fmt: skip
    return Position(**(words | fields))  # type: ignore[arg-type]


@given(
    side=sides, bid=st.integers(100_000, 10_000_000), spread=st.integers(0, 5_000),
    sl=st.integers(1, 20_000_000), tp=st.integers(1, 20_000_000),
    stops=st.integers(0, 60_000), freeze=st.integers(0, 60_000), extra=st.integers(0, 3),
)  # fmt: skip
def test_clamped_levels_are_on_the_grid_outside_and_never_moved_inward(
    side: int, bid: int, spread: int, sl: int, tp: int, stops: int, freeze: int, extra: int
) -> None:
    now, spec = quote(bid, spread), make_spec(trade_stops_level=stops, trade_freeze_level=freeze)
    asked = tick_price(sl, 0.01), tick_price(tp, 0.01)
    new_sl, new_tp = clamped(side, *asked, now, spec, extra_ticks=extra)
    base = bid if side > 0 else bid + spread
    least = max(stops, freeze, spread, 1) + extra
    assert least_distance(now, spec, extra_ticks=extra) == least
    for level, asked_ticks, away in ((new_sl, sl, -side), (new_tp, tp, side)):
        ticks = price_ticks(level, 0.01)
        assert tick_price(ticks, 0.01) == level
        assert away * (ticks - base) >= least
        assert away * (ticks - asked_ticks) >= 0
        assert ticks == asked_ticks or away * (ticks - base) == least


def test_level_off_the_grid_moves_outward_and_none_stays_none() -> None:
    now = quote(10_000_000, 100)
    assert clamped(1, 99_000.123, 101_000.123, now, make_spec()) == (99_000.12, 101_000.13)
    assert clamped(-1, 101_000.123, 99_000.123, now, make_spec()) == (101_000.13, 99_000.12)
    assert clamped(1, 0.0, 0.0, now, make_spec()) == (0.0, 0.0)


def test_guard_is_content_with_levels_as_asked() -> None:
    step = guard_step(
        entry(), held(sl=99_500.0, tp=100_700.0), quote(9_999_800, 200), make_spec(),
        modifies=0, naked_ms=0,
    )  # fmt: skip
    assert step == Protected()


@pytest.mark.parametrize(
    ("sl", "modifies", "naked_ms", "bid", "expected"),
    [
        (0.0, 0, 0, 9_999_800, SetLevels),
        (0.0, 2, 5_999, 9_999_800, SetLevels),
        (0.0, 3, 0, 9_999_800, CloseNow),
        (0.0, 0, 6_000, 9_999_800, CloseNow),
        (0.0, 0, 0, 9_950_000, CloseNow),
        (99_000.0, 0, 60_000, 9_999_800, SetLevels),  # too far out, but not naked
    ],
)
def test_guard_sets_levels_a_few_times_then_closes(
    sl: float, modifies: int, naked_ms: int, bid: int, expected: type
) -> None:
    step = guard_step(
        entry(), held(sl=sl, tp=100_700.0), quote(bid, 200), make_spec(),
        modifies=modifies, naked_ms=naked_ms,
    )  # fmt: skip
    assert isinstance(step, expected)


@given(number=st.integers(0, 40), code=st.sampled_from(sorted(RETCODES)), bits=st.integers(0, 3))
def test_ladder_never_gives_up_and_its_pauses_stay_below_two_minutes(
    number: int, code: int, bits: int
) -> None:
    rung = next_rung(number, retcode(code), Filling.FOK, bits)
    assert 0 <= rung.pause_ms <= 120_000
    assert number < 2 or rung.pause_ms > 0, "a close that is refused often does not storm"


def test_ladder_with_one_filling_tries_the_other_too() -> None:
    assert next_rung(0, retcode(10030), Filling.FOK, 1).filling is Filling.IOC
    assert next_rung(0, retcode(10030), Filling.IOC, 1).filling is Filling.FOK


@given(side=st.sampled_from(PositionType), volume=st.floats(0.01, 5), bits=st.integers(0, 3))
def test_close_names_its_position_and_goes_the_other_way(
    side: PositionType, volume: float, bits: int
) -> None:
    position = held(type=side, volume=volume)
    order = close_order(
        position, make_spec(filling_mode=bits), name=("root", 2), deviation=3
    )  # fmt: skip
    assert (order.position, order.volume, order.client_id) == (7, volume, "rootc2")
    assert int(order.type) != int(side)
    assert strategy_of(order.magic) == 7719
    assert order.type_filling in allowed_fillings(bits)


def test_losers_come_first() -> None:
    some = [
        held(identifier=n, profit=p, swap=s) for n, p, s in ((1, 5, 0), (2, -1, -9), (3, -8, 0))
    ]
    assert [each.identifier for each in losers_first(some)] == [2, 3, 1]


@given(gaps=st.lists(st.integers(0, 1_000_000), max_size=60))
def test_entries_never_pass_the_budget_of_an_hour_or_a_day(gaps: list[int]) -> None:
    budget, now_ms, sent = RequestBudget(5, 9, 0), 0, []
    for gap in gaps:
        now_ms += gap
        if not budget.refuses_entry(now_ms):
            budget = budget.spent(now_ms)
            sent.append(now_ms)
        assert sum(at > now_ms - HOUR_MS for at in sent) <= 5
        assert sum(at > now_ms - DAY_MS for at in sent) <= 9


def test_budget_says_what_was_used() -> None:
    budget = RequestBudget(2, 9, 0, (1, 2))
    assert budget.refuses_entry(3) == "2 trade requests in the last hour; 2 are allowed"
    assert budget.refuses_entry(HOUR_MS + 2) == ""


@given(
    strategy=st.integers(1, 16_383), client_id=st.text("BUY-0123456789", min_size=1, max_size=40)
)
def test_both_lengths_of_magic_name_strategy_and_intent(strategy: int, client_id: str) -> None:
    for bits in (48, 31):
        magic = magic_of(strategy, client_id, bits)
        assert magic < 1 << bits
        assert strategy_of(magic) == strategy
        assert bears_mark(magic, client_id)
        assert mark_of(magic) in marks_of(client_id)
        assert magic_like(magic, client_id) == magic
        assert (magic_like(magic, client_id + "r1") < 1 << 31) is (bits == 31)


@pytest.mark.parametrize("foreign", [0, 5, 20_261_120, (1 << 30) - 1, 1 << 31])
def test_magic_of_another_program_holds_no_strategy(foreign: int) -> None:
    assert strategy_of(foreign) is None
    assert mark_of(foreign) is None
    assert magic_like(foreign, "x") == foreign


def test_long_magic_is_strategy_and_crc() -> None:
    assert magic_of(7719, "abc") == 7719 << 32 | zlib.crc32(b"abc")


@pytest.mark.parametrize(
    ("bits", "allowed"),
    [
        (0, (Filling.RETURN,)),
        (1, (Filling.FOK,)),
        (2, (Filling.IOC,)),
        (3, (Filling.FOK, Filling.IOC)),
    ],
)
def test_fillings_come_from_the_bitmask(bits: int, allowed: tuple[Filling, ...]) -> None:
    assert allowed_fillings(bits) == allowed
    assert filling_of(bits) is allowed[0]
    assert next_filling(bits, allowed[0]) is (allowed[1] if len(allowed) > 1 else None)


def test_retcode_that_is_not_in_the_table_is_unknown() -> None:
    assert retcode(10_999).class_ is RetcodeClass.UNKNOWN


def test_fresh_codes_may_be_asked_again_and_halts_say_what_stops() -> None:
    for code in RETCODES.values():
        assert (code.class_ is RetcodeClass.FRESH) is (code.retries > 0)
        assert code.retries <= 2
        assert (code.class_ is RetcodeClass.HALT) is (code.halts in ("account", "symbol"))
