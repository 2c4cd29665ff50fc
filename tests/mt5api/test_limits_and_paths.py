"""What the bridge refuses before anything is asked, and the contract's less used paths."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from broker.contract.constants import OrderType
from broker.contract.wire import encode
from broker.native import NativeBroker
from market.server_clock import ServerClock
from mt5api.app import create_app
from mt5api.calls import DirectCalls
from mt5api.errors import Busy
from mt5api.limits import LARGEST_BODY_BYTES, RateLimit
from mt5api.paper_clock import PaperClock
from mt5api.trades import Trades, trade_routes
from tests.broker.orders import make_order
from tests.broker.paper_bridge import (
    START_MS,
    STEP_MS,
    make_terminal,
    native_broker,
    talking_to,
)
from tests.broker.stand_in import NOW_MS, StandIn


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    terminal = make_terminal()
    app = create_app(native_broker(terminal), paper_clock=PaperClock(terminal, "max"))
    with talking_to(app) as client:
        yield client


def test_body_that_says_it_is_too_long_is_refused(http: httpx.Client) -> None:
    answer = http.post("/orders", content=b"x" * (LARGEST_BODY_BYTES + 1))
    assert (answer.status_code, answer.json()["error"]["outcome"]) == (413, "not_sent")


def test_body_that_does_not_say_how_long_it_is_is_counted(http: httpx.Client) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(20):
            yield b"x" * 8192

    assert http.post("/orders", content=pieces()).status_code == 413


def test_rate_limit_counts_inside_its_window() -> None:
    now_s = [0.0]
    limit = RateLimit(2, 60.0, wall_s=lambda: now_s[0])
    assert [limit.wait_s(), limit.wait_s(), limit.wait_s()] == [0.0, 0.0, 60.0]
    now_s[0] = 45.0
    assert limit.wait_s() == 15.0
    now_s[0] = 60.0
    assert limit.wait_s() == 0.0


@pytest.fixture
def limited() -> Iterator[httpx.Client]:
    """A bridge that lets one position be opened a minute."""
    app, broker = FastAPI(), native_broker(make_terminal())
    trades = Trades(broker, DirectCalls(may_block=False), None, RateLimit(1, 60.0))
    app.include_router(trade_routes(trades))
    with talking_to(app) as client:
        yield client


def test_openings_above_the_limit_are_429_and_exits_never(limited: httpx.Client) -> None:
    first = limited.post("/orders", content=encode(make_order("a-1")))
    assert limited.post("/orders", content=encode(make_order("a-1"))).status_code == 201
    refused = limited.post("/orders", content=encode(make_order("a-2")))
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert refused.json()["error"]["outcome"] == "not_sent"
    position = first.json()["position"]
    close = make_order("c-1", type=OrderType.SELL, position=position, volume=0.01)
    assert limited.post("/orders", content=encode(close)).status_code == 201
    assert limited.delete(f"/positions/{position}").status_code == 201


def test_pending_order_is_read_changed_and_removed(http: httpx.Client) -> None:
    far = make_order("p-1", type=OrderType.BUY_LIMIT, price=50_000.0, sl=49_000.0)
    ticket = http.post("/orders", content=encode(far)).json()["order"]
    changed = http.put(f"/orders/{ticket}", json={"price": 50_500.0, "client_id": "p-2"})
    assert changed.status_code == 201, changed.text
    there = http.get(f"/orders/{ticket}").json()
    assert (there["price_open"], there["sl"]) == (50_500.0, 49_000.0)
    removed = http.request("DELETE", f"/orders/{ticket}", json={"client_id": "p-3"})
    assert removed.status_code == 201, removed.text
    assert http.get(f"/orders/{ticket}").status_code == 404
    gone = http.delete(f"/orders/{ticket}")
    assert (gone.status_code, gone.json()["error"]["retcode"]) == (422, 10023)


def test_terminal_tells_itself_and_the_offset_of_its_clock(http: httpx.Client) -> None:
    told = http.get("/terminal").json()
    assert (told["build"], told["broker_utc_offset_seconds"]) == (5602, 7200)


def test_ticks_of_a_span_are_told_in_utc(http: httpx.Client) -> None:
    span = {"from": START_MS - 3 * STEP_MS, "to": START_MS}
    page = http.get("/symbols/BTCUSD/ticks", params=span).json()["items"]
    assert [each["time_msc"] for each in page] == list(
        np.arange(START_MS - 3 * STEP_MS, START_MS, STEP_MS)
    )
    assert all(each["ask"] > each["bid"] for each in page)
    assert len(http.get("/symbols/BTCUSD/ticks", params=span | {"count": 1}).json()["items"]) == 1
    assert http.get("/symbols/BTCUSD/ticks", params=span | {"flags": "X"}).status_code == 400


def test_history_comes_in_pages_that_join_without_gap_or_repeat(http: httpx.Client) -> None:
    for each in range(5):
        http.post("/orders", content=encode(make_order(f"h-{each}")))
    for path, at in (("deals", "time_msc"), ("orders", "time_done_msc")):
        span = {"from": 0, "to": START_MS + STEP_MS}
        whole = http.get(f"/history/{path}", params=span).json()["items"]
        joined, cursor = [], ""
        while True:
            page = http.get(
                f"/history/{path}", params=span | {"limit": 2, "cursor": cursor}
            ).json()["items"]
            joined += page
            if len(page) < 2:
                break
            cursor = f"{page[-1][at]}:{page[-1]['ticket']}"
        assert joined == whole
        assert len(whole) >= 5


@pytest.mark.parametrize("wrong", [{"cursor": "x"}, {"limit": 0}, {"limit": 1001}])
def test_page_that_cannot_be_is_400(http: httpx.Client, wrong: dict[str, object]) -> None:
    answer = http.get("/history/deals", params={"from": 0, "to": 1} | wrong)
    assert answer.status_code == 400


def test_account_that_was_not_expected_is_403(http: httpx.Client) -> None:
    body = encode(make_order()).replace(
        b'"expect":null', b'"expect":{"login":1,"server":"Elsewhere"}'
    )
    answer = http.post("/orders", content=body)
    assert (answer.status_code, answer.json()["error"]["outcome"]) == (403, "not_sent")


class RefusingCalls(DirectCalls):
    """A queue that turns everybody away while `is_full`."""

    is_full = False

    async def trade(self, call: Callable[[], Any]) -> Any:
        if self.is_full:
            raise Busy("20 requests wait")
        return await super().trade(call)


def test_full_queue_is_503_for_new_requests_and_409_for_open_ones() -> None:
    mt5, calls, app = StandIn(), RefusingCalls(may_block=False), FastAPI()
    broker = NativeBroker(mt5, ServerClock("UTC"), now_ms=lambda: NOW_MS, mode="live")
    app.include_router(trade_routes(Trades(broker, calls, None)))
    with talking_to(app) as http:
        mt5.answer_order, mt5.error = lambda _: None, (-10005, "IPC timeout")
        assert http.post("/orders", content=encode(make_order("a-1"))).status_code == 504
        calls.is_full = True
        new = http.post("/orders", content=encode(make_order("a-2")))
        assert (new.status_code, new.headers["retry-after"]) == (503, "1")
        assert new.json()["error"]["outcome"] == "not_sent"
        still = http.post("/orders", content=encode(make_order("a-1")))
        assert (still.status_code, still.json()["error"]["outcome"]) == (409, "unknown")
