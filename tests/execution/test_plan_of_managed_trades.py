"""From management intents to requests: parts on the step, stops that only tighten, names."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.contract.constants import OrderType
from broker.contract.messages import OrderRequest
from market.rounding import price_ticks, tick_price
from tests.builders import MONDAY_MS, make_spec
from trading.decision.records import (
    Add,
    Close,
    Decision,
    Enter,
    Intent,
    Modify,
    OpenTrade,
    Partial,
    Quote,
    Side,
)
from trading.execution.intents import Kind, LevelsRequest, kind_of
from trading.execution.levels import Drop, moved_levels
from trading.execution.plan import Leg, close_reasons, dropped, legs, plan

QUOTE = Quote(MONDAY_MS + 900_000, 100_100.0, 100_114.59)


def held(position_id: int = 42, **fields: Any) -> OpenTrade:
    """A long of 0.3 lots from 100,000, with stop 99,500 and target 101,000."""
    words: dict[str, Any] = {
        "side": Side.BUY, "volume_lots": 0.3, "price_open": 1e5, "sl": 99_500.0, "tp": 101_000.0,
        "opened_ms": 0, "profit": 0.0, "swap": 0.0,
    }  # fmt: skip
    return OpenTrade(position_id, **(words | fields))


def of(*intents: Intent, trades: tuple[OpenTrade, ...] = (held(),), **spec: Any) -> tuple[Leg, ...]:
    decision = Decision("BTCUSD", MONDAY_MS, intents, ())
    return legs(
        decision, QUOTE, make_spec(**spec), strategy_id=7719, valid_for_ms=60_000,
        open_trades=trades,
    )  # fmt: skip


def one(intent: Intent, **given: Any) -> Any:
    ((_, request),) = of(intent, **given)
    return request


def test_part_is_the_opposite_order_of_its_volume_on_that_position() -> None:
    request = one(Partial(42, 0.1, "partial_close"))
    assert kind_of(request) is Kind.PART
    assert (request.type, request.volume, request.position) == (OrderType.SELL, 0.1, 42)
    assert request.client_id == f"7719-BTCUSD-{MONDAY_MS}-PART-0"
    assert request.magic >> 32 == 7719
    assert request.valid_until_msc == QUOTE.time_ms + 60_000


@pytest.mark.parametrize(
    ("asked", "volume", "kind"),
    [
        (0.1, 0.1, Kind.PART),
        (0.1999, 0.19, Kind.PART),
        (0.29, 0.29, Kind.PART),
        (0.295, 0.29, Kind.PART),
        (0.3, 0.3, Kind.CLOSE),
        (0.9, 0.3, Kind.CLOSE),
    ],
)
def test_part_is_rounded_down_to_the_step(asked: float, volume: float, kind: Kind) -> None:
    request = one(Partial(42, asked, "x"))
    assert (request.volume, kind_of(request)) == (volume, kind)


def test_part_below_the_smallest_volume_is_nothing() -> None:
    assert one(Partial(42, 0.0099, "x")) == Drop("0 lots are less than 0.01")
    assert one(Partial(42, 0.04, "x"), volume_min=0.05) == Drop("0.04 lots are less than 0.05")


def test_part_that_would_leave_less_than_the_smallest_volume_closes_whole() -> None:
    request = one(Partial(42, 0.26, "x"), volume_min=0.05)
    assert (request.volume, kind_of(request)) == (0.3, Kind.CLOSE)
    request = one(Partial(42, 0.25, "x"), volume_min=0.05)
    assert (request.volume, kind_of(request)) == (0.25, Kind.PART)


@given(
    lots=st.integers(1, 500), asked=st.floats(0.0, 6.0), least=st.integers(1, 60),
    step=st.sampled_from([1, 5, 10]),
)  # fmt: skip
def test_part_is_a_volume_that_the_venue_takes_or_nothing(
    lots: int, asked: float, least: int, step: int
) -> None:
    least, lots = least * step, lots * step
    if lots < least:
        return
    request = one(
        Partial(42, asked, "x"), trades=(held(volume_lots=lots / 100),),
        volume_min=least / 100, volume_step=step / 100,
    )  # fmt: skip
    if isinstance(request, Drop):
        assert asked < least / 100
        return
    closed = round(100 * request.volume)
    assert closed % step == 0
    assert closed >= least
    assert lots - closed == 0 or lots - closed >= least
    assert closed == lots or closed <= 100 * asked + 1e-6


def test_change_carries_absolute_levels_and_a_name_of_its_own() -> None:
    request = one(Modify(42, 99_900.0, 101_500.0, "trailing_stop"))
    assert request == LevelsRequest(
        "BTCUSD", 42, 99_900.0, 101_500.0, f"7719-BTCUSD-{MONDAY_MS}-LEVELS-0"
    )
    assert kind_of(request) is Kind.MODIFY


def test_stop_that_the_venue_would_not_take_moves_outward_to_where_it_does() -> None:
    request = one(Modify(42, 100_090.0, 101_000.0, "x"), trade_stops_level=3_000)
    assert (request.sl, request.tp) == (100_070.0, 101_000.0)


def test_stop_beyond_the_market_is_set_as_near_as_the_venue_allows() -> None:
    request = one(Modify(42, 100_500.0, 101_000.0, "x"))
    assert request.sl == tick_price(10_010_000 - 1459, 0.01)


def test_levels_between_ticks_move_away_from_the_market() -> None:
    request = one(Modify(42, 99_900.129, 101_500.121, "x"))
    assert (request.sl, request.tp) == (99_900.12, 101_500.13)


SHORT = held(side=Side.SELL, sl=100_500.0, tp=99_000.0)


@pytest.mark.parametrize(
    ("trade", "sl"),
    [(held(), 99_499.99), (held(), 0.0), (SHORT, 100_500.01), (held(sl=100_090.0), 100_099.0)],
    ids=["lower", "none", "higher for a short", "clamped below the present one"],
)
def test_change_that_would_loosen_the_stop_is_dropped(trade: OpenTrade, sl: float) -> None:
    dropped = one(Modify(42, sl, trade.tp, "x"), trades=(trade,))
    assert isinstance(dropped, Drop)
    assert "away from the market" in dropped.why


def test_change_to_the_present_levels_is_dropped() -> None:
    assert one(Modify(42, 99_500.0, 101_000.0, "x")) == Drop("nothing would change")
    request = one(Modify(42, 99_500.0, 101_000.01, "x"))
    assert (request.sl, request.tp) == (99_500.0, 101_000.01)


def test_change_near_a_frozen_level_is_dropped() -> None:
    trade = held(sl=100_050.0)
    dropped = one(Modify(42, 100_060.0, 101_000.0, "x"), trades=(trade,), trade_freeze_level=5_000)
    assert dropped == Drop("the market is within the freeze level of a present level")
    assert isinstance(
        one(Modify(42, 99_900.0, 101_000.0, "x"), trade_freeze_level=5_000), LevelsRequest
    )


def test_position_without_levels_gets_them() -> None:
    request = one(Modify(42, 99_000.0, 102_000.0, "x"), trades=(held(sl=0.0, tp=0.0),))
    assert (request.sl, request.tp) == (99_000.0, 102_000.0)


@given(
    side=st.sampled_from([1, -1]), bid=st.integers(1_000_000, 10_000_000),
    spread=st.integers(0, 5_000), levels=st.tuples(*[st.integers(0, 20_000_000)] * 4),
    stops=st.integers(0, 60_000), freeze=st.sampled_from([0, 0, 30_000]),
)  # fmt: skip
def test_no_change_ever_moves_a_stop_away_from_the_market(
    side: int, bid: int, spread: int, levels: tuple[int, int, int, int], stops: int, freeze: int
) -> None:
    sl, tp, new_sl, new_tp = (tick_price(level, 0.01) for level in levels)
    now = Quote(0, tick_price(bid, 0.01), tick_price(bid + spread, 0.01))
    spec = make_spec(trade_stops_level=stops, trade_freeze_level=freeze)
    moved = moved_levels(side, (sl, tp), (new_sl, new_tp), now, spec)
    if isinstance(moved, Drop):
        return
    assert moved != (sl, tp)
    assert not sl or side * (moved[0] - sl) >= 0
    base = bid if side > 0 else bid + spread
    for level, away in ((moved[0], -side), (moved[1], side)):
        assert level == 0 or away * (price_ticks(level, 0.01) - base) >= max(stops, freeze, 1)


def test_addition_is_an_entry_on_its_side_with_stops_of_its_own() -> None:
    request = one(Add(42, Side.BUY, 0.1, 250.0, 300.0, 25.0))
    assert kind_of(request) is Kind.ENTRY
    assert (request.position, request.price, request.volume) == (None, QUOTE.ask, 0.1)
    assert (request.sl, request.tp) == (99_864.59, 100_414.59)


def test_every_leg_has_a_name_of_its_own() -> None:
    trades = tuple(held(number) for number in (1, 2, 3))
    requests = plan(
        Decision(
            "BTCUSD", MONDAY_MS,
            (
                Close(1, "position_exit"), Partial(2, 0.1, "partial_close"),
                Partial(3, 0.1, "partial_close"), Modify(2, 99_900.0, 101_000.0, "break_even"),
                Modify(3, 99_900.0, 101_000.0, "break_even"),
                Enter(Side.BUY, 0.1, 250.0, 300.0, 25.0), Add(2, Side.BUY, 0.1, 250.0, 300.0, 25.0),
            ),
            (),
        ),
        QUOTE, make_spec(), strategy_id=7719, valid_for_ms=60_000, open_trades=trades,
    )  # fmt: skip
    assert [kind_of(each).value for each in requests] == [
        "close", "part", "part", "modify", "modify", "entry", "entry",
    ]  # fmt: skip
    orders = [each for each in requests if isinstance(each, OrderRequest)]
    assert len({each.client_id for each in requests}) == 7
    assert len({each.magic for each in orders}) == 5


def test_whole_closes_go_first_the_largest_loss_first() -> None:
    trades = (held(1, profit=5.0), held(2, profit=-80.0), held(3, profit=-10.0, swap=-75.0))
    planned = of(*(Close(n, "prop_flatten") for n in (1, 2, 3)), trades=trades)
    closes = [leg.request for leg in planned if isinstance(leg.request, OrderRequest)]
    assert [each.position for each in closes] == [3, 2, 1]
    assert [each.client_id[-1] for each in closes] == ["2", "1", "0"]


def test_levels_of_a_position_that_closes_whole_are_not_changed() -> None:
    (closing, change) = of(
        Partial(42, 0.3, "partial_close"), Modify(42, 99_900.0, 101_000.0, "break_even")
    )
    assert kind_of(closing.request) is Kind.CLOSE  # type: ignore[arg-type]
    assert change.request == Drop("its position is closed whole")


def test_what_is_dropped_is_told_with_its_reason() -> None:
    planned = of(Partial(42, 0.001, "partial_close"), Modify(42, 99_600.0, 101_000.0, "x"))
    assert dropped(planned) == [
        {"intent": "partial", "position_id": 42, "why": "0 lots are less than 0.01"}
    ]


def test_reasons_of_closes_go_by_the_magic_of_their_deals() -> None:
    trades = (held(1), held(2))
    planned = of(
        Close(1, "prop_flatten"), Partial(2, 0.1, "partial_close"),
        Modify(2, 99_900.0, 101_000.0, "break_even"), trades=trades,
    )  # fmt: skip
    first, second = (leg.request for leg in planned[:2])
    assert isinstance(first, OrderRequest)
    assert isinstance(second, OrderRequest)
    assert close_reasons(planned) == {first.magic: "prop_flatten", second.magic: "partial_close"}
