"""JSON and messages are each other's inverse, and nothing else passes."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.contract.messages import OrderRequest, Tick
from broker.contract.wire import Items, RatesPage, WireError, bars_of, decode, encode, rates_page
from tests.broker.orders import make_order
from tests.broker.paper_bridge import walk

TICK = Tick(1, 1.0, 2.0, 0.0, 0, 0)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_travels_exactly(price: float) -> None:
    back = decode(Tick, encode(Tick(1, price, 2.0, 0.0, 0, 0))).bid
    assert math.copysign(1, back) == math.copysign(1, price)
    assert back == price


@given(st.integers(min_value=0, max_value=2**63 - 1))
def test_tickets_and_magics_travel_exactly(magic: int) -> None:
    assert decode(OrderRequest, encode(make_order(magic=magic))).magic == magic


def test_bars_travel_exactly() -> None:
    bars = walk()
    assert bars_of(decode(RatesPage, encode(rates_page(bars)))).sha256() == bars.sha256()


def test_no_bars_travel_too() -> None:
    assert len(bars_of(decode(RatesPage, encode(rates_page(walk().rows(0, 0)))))) == 0


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"timeframe": "M7"}, "M7"),
        ({"open": [1.0]}, "open"),
        ({"time": [0, 900_000, 900_000]}, "duplicate"),
        ({"high": [1.0, 1.0, 1.0]}, "high"),
    ],
)
def test_bars_that_cannot_be_true_are_refused(changes: dict[str, Any], says: str) -> None:
    page = {
        "symbol": "BTCUSD", "timeframe": "M15", "time": [0, 900_000, 1_800_000],
        **{name: [2.0, 2.0, 2.0] for name in ("open", "high", "low", "close")},
        "tick_volume": [1, 1, 1], "spread": [0, 0, 0], "complete": True,
    }  # fmt: skip
    with pytest.raises(WireError, match=says):
        bars_of(decode(RatesPage, encode(page | changes)))


def test_nan_is_not_a_price() -> None:
    with pytest.raises(WireError, match="bid"):
        decode(Tick, encode(Tick(1, np.nan, 2.0, 0.0, 0, 0)))


def test_items_keep_their_kind() -> None:
    items = Items(5, (TICK, TICK))
    assert decode(Items[Tick], encode(items)) == items


def test_unknown_field_inside_a_list_is_named_with_its_place() -> None:
    body = encode(Items(5, (TICK,))).replace(b'"flags"', b'"flag"')
    with pytest.raises(WireError, match=r"items\.0\.flags"):
        decode(Items[Tick], body)


def test_unknown_field_is_named() -> None:
    body = encode(TICK).replace(b'{"time_msc"', b'{"spread":1,"time_msc"')
    with pytest.raises(WireError, match="spread"):
        decode(Tick, body)
