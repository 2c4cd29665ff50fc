"""From intents to requests, and from answers to what became of them."""

import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.contract.constants import OrderType
from broker.contract.messages import TradeResult
from broker.contract.retcodes import RetcodeClass
from market.rounding import price_ticks, tick_price
from tests.builders import MONDAY_MS, make_input, make_spec
from trading.decision.decide import decide
from trading.decision.records import Close, Decision, Enter, Intent, OpenTrade, Quote, Side
from trading.decision.settings import DecisionSettings
from trading.execution.plan import intent_identity, plan, stop_prices
from trading.execution.settle import settle

QUOTE = Quote(MONDAY_MS + 900_000, 100_100.0, 100_114.59)


def decision(*intents: Intent) -> Decision:
    return Decision("BTCUSD", MONDAY_MS, intents, ())


def planned(*intents: Intent, **options: object) -> tuple[Any, ...]:
    return plan(
        decision(*intents), QUOTE, make_spec(), strategy_id=7719, valid_for_ms=60_000, **options  # type: ignore[arg-type]
    )  # fmt: skip


def test_long_is_anchored_at_the_ask() -> None:
    (request,) = planned(Enter(Side.BUY, 0.8, 250.0, 300.0, 200.0))
    assert (request.type, request.volume) == (OrderType.BUY, 0.8)
    assert (request.sl, request.tp) == (99_864.59, 100_414.59)
    assert request.valid_until_msc == QUOTE.time_ms + 60_000
    assert (request.deviation, request.price) == (1459, QUOTE.ask)
    assert request.position is None


def test_short_is_anchored_at_the_bid() -> None:
    (request,) = planned(Enter(Side.SELL, 0.8, 250.0, 300.0, 200.0))
    assert (request.type, request.sl, request.tp) == (OrderType.SELL, 100_350.0, 99_800.0)


def test_distances_between_ticks_round_away_from_the_entry() -> None:
    enter = Enter(Side.BUY, 0.1, 250.001, 250.001, 1.0)
    assert stop_prices(enter, QUOTE, make_spec()) == (99_864.58, 100_364.60)
    enter = Enter(Side.SELL, 0.1, 250.001, 250.001, 1.0)
    assert stop_prices(enter, QUOTE, make_spec()) == (100_350.01, 99_849.99)


def test_close_is_the_opposite_order_on_that_position() -> None:
    held = OpenTrade(42, Side.BUY, 0.3, 1e5, 0.0, 0.0, 0, 0.0, 0.0)
    (request,) = planned(Close(42, "exit"), open_trades=(held,))
    assert (request.type, request.volume, request.position) == (OrderType.SELL, 0.3, 42)
    assert (request.sl, request.tp) == (None, None)


def test_nothing_decided_plans_nothing() -> None:
    assert planned() == ()


def test_identity_is_deterministic_and_marks_the_strategy() -> None:
    one = intent_identity(7719, "BTCUSD", MONDAY_MS, side=Side.BUY, leg=0)
    assert one == intent_identity(7719, "BTCUSD", MONDAY_MS, side=Side.BUY, leg=0)
    assert one.client_id == f"7719-BTCUSD-{MONDAY_MS}-BUY-0"
    assert one.magic >> 32 == 7719
    assert one.magic & 0xFFFFFFFF == zlib.crc32(one.client_id.encode())
    assert one.comment.startswith("NS1:")
    assert len(one.comment) == 14
    others = {
        intent_identity(7720, "BTCUSD", MONDAY_MS, side=Side.BUY, leg=0),
        intent_identity(7719, "XAUUSD", MONDAY_MS, side=Side.BUY, leg=0),
        intent_identity(7719, "BTCUSD", MONDAY_MS + 1000, side=Side.BUY, leg=0),
        intent_identity(7719, "BTCUSD", MONDAY_MS, side=Side.SELL, leg=0),
        intent_identity(7719, "BTCUSD", MONDAY_MS, side=Side.BUY, leg=1),
        one,
    }
    assert len({each.client_id for each in others}) == len({e.magic for e in others}) == 6


@given(
    side=st.sampled_from([Side.BUY, Side.SELL]),
    bid_ticks=st.integers(1_000_000, 12_000_000),
    spread_ticks=st.integers(0, 5000),
    atr=st.floats(0.01, 3000),
    level_points=st.integers(0, 60_000),
    multiple=st.floats(0.1, 5),
)
def test_stops_are_on_the_grid_and_never_inside_the_stops_level(
    side: Side, bid_ticks: int, spread_ticks: int, atr: float, level_points: int, multiple: float
) -> None:
    quote = Quote(
        MONDAY_MS + 900_000, tick_price(bid_ticks, 0.01), tick_price(bid_ticks + spread_ticks, 0.01)
    )
    now = make_input(
        market={"atr": atr}, quote=quote,
        instrument={"stops_level_points": level_points, "margin_per_lot": 0.0},
        account=make_input().account.__class__(1e9, 1e9, 1e9),
    )  # fmt: skip
    settings = DecisionSettings.model_validate(
        {
            "dynamic_sltp": {"sl_atr_multiplier": multiple, "tp_atr_multiplier": multiple},
            "spread_filter": {"max_points": 1e9, "max_atr_share": 1e9},
            "risk_management": {"min_atr_threshold": 0.0},
        }
    )
    (enter,) = decide(now, settings).intents
    assert isinstance(enter, Enter)
    enter = Enter(side, enter.volume_lots, enter.sl_distance, enter.tp_distance, 0.0)
    sl, tp = stop_prices(enter, quote, make_spec())
    exit_side = price_ticks(quote.bid if side is Side.BUY else quote.ask, 0.01)
    needed = max(level_points, 1)
    assert tick_price(price_ticks(sl, 0.01), 0.01) == sl
    assert side * (exit_side - price_ticks(sl, 0.01)) >= needed
    assert side * (price_ticks(tp, 0.01) - exit_side) >= needed


def result(retcode: int, volume: float) -> TradeResult:
    return TradeResult(
        retcode, "", "", 11, 12, 13, volume, 100_114.59, 0.0, 0.0, "", "id", 1, 0, 0
    )  # fmt: skip


@pytest.mark.parametrize(
    ("retcode", "volume", "state", "class_"),
    [
        (10009, 0.8, "filled", RetcodeClass.OK),
        (10009, 0.3, "partial", RetcodeClass.OK),
        (10010, 0.3, "partial", RetcodeClass.OK),
        (10008, 0.0, "unknown", RetcodeClass.OK),
        (10012, 0.0, "unknown", RetcodeClass.UNKNOWN),
        (10031, 0.0, "unknown", RetcodeClass.UNKNOWN),
        (99999, 0.0, "unknown", RetcodeClass.UNKNOWN),
        (10016, 0.0, "rejected", RetcodeClass.FRESH),
        (10019, 0.0, "rejected", RetcodeClass.FINAL),
        (10027, 0.0, "rejected", RetcodeClass.HALT),
    ],
)
def test_the_retcode_says_what_became_of_a_request(
    retcode: int, volume: float, state: str, class_: RetcodeClass
) -> None:
    (request,) = planned(Enter(Side.BUY, 0.8, 250.0, 250.0, 200.0))
    settled = settle(request, result(retcode, volume))
    assert (settled.state, settled.retcode_class) == (state, class_)
    assert settled.volume_lots == (volume if state in ("filled", "partial") else 0.0)
    assert settled.client_id == request.client_id
