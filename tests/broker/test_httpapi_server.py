"""The mt5-httpapi dialect as it is served: its quirks, one by one."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from broker.simulator.native import NativeTerminal
from broker.simulator.terminal import SimulatedTerminal
from tests.broker.paper_bridge import (
    START_MS,
    STEP_MS,
    httpapi_app,
    make_terminal,
    talking_to,
    walk,
)

SERVER_S = START_MS // 1000 + 7200  # Athens in winter
STEP_S = STEP_MS // 1000
BUY = {"symbol": "BTCUSD", "type": "BUY", "volume": 0.02, "magic": 7, "comment": "c"}


@pytest.fixture
def terminal() -> SimulatedTerminal:
    return make_terminal()


@pytest.fixture
def mt5(terminal: SimulatedTerminal) -> NativeTerminal:
    """The face behind the server; a test may replace its functions."""
    return NativeTerminal(terminal)


@pytest.fixture
def serve(terminal: SimulatedTerminal, mt5: NativeTerminal) -> Iterator[Callable[..., Any]]:
    with ExitStack() as stack:

        def served(token: str = "", **given: Any) -> httpx.Client:
            app = httpapi_app(terminal, mt5, token=token, **given)
            return stack.enter_context(talking_to(app, token))

        yield served


@pytest.fixture
def http(serve: Callable[..., httpx.Client]) -> httpx.Client:
    return serve()


def is_html(answer: httpx.Response) -> bool:
    return answer.headers["content-type"].startswith("text/html")


def answers(value: Any) -> Callable[..., Any]:
    return lambda *_, **__: value


def test_ping_answers_while_the_terminal_does_not(http: httpx.Client, mt5: Any) -> None:
    mt5.terminal_info = mt5.initialize = answers(None)
    assert http.get("/ping").json() == {"status": "ok", "mode": "live"}
    assert http.get("/account").status_code == 503
    assert http.get("/account").json() == {"error": "MT5 not initialized"}


def test_there_is_no_health_and_no_intent(http: httpx.Client) -> None:
    for path in ("/health", "/intents/a-1", "/snapshot/BTCUSD", "/orders/check"):
        answer = http.get(path)
        assert (answer.status_code, is_html(answer)) == (404, True), path


def test_terminal_tells_the_static_offset_and_a_restart_of_the_sdk_is_offered(
    http: httpx.Client,
) -> None:
    told = http.get("/terminal").json()
    assert (told["connected"], told["broker_utc_offset_seconds"]) == (True, 0)
    assert http.post("/terminal/init").json() == {"success": True}


def test_error_is_the_terminals_last(http: httpx.Client) -> None:
    assert http.get("/error").json() == {"code": 1, "message": "Success"}


@pytest.mark.parametrize(
    ("function", "path"),
    [
        ("positions_get", "/positions"),
        ("orders_get", "/orders"),
        ("history_deals_get", "/history/deals?from=0&to=9"),
        ("history_orders_get", "/history/orders?from=0&to=9"),
        ("symbols_get", "/symbols"),
        ("copy_rates_from_pos", "/symbols/BTCUSD/rates?timeframe=M15&count=5"),
        ("copy_rates_range", "/symbols/BTCUSD/rates?timeframe=M15&from=1&to=2"),
    ],
)
def test_failure_of_the_terminal_looks_like_an_empty_list(
    http: httpx.Client, mt5: Any, function: str, path: str
) -> None:
    http.post("/orders", json=BUY)
    setattr(mt5, function, answers(None))
    answer = http.get(path)
    assert (answer.status_code, answer.json()) == (200, [])


def test_account_that_is_not_logged_in_is_404(http: httpx.Client, mt5: Any) -> None:
    mt5.account_info = answers(None)
    assert http.get("/account").status_code == 404


def test_times_are_the_servers_wall_clock(http: httpx.Client) -> None:
    assert http.get("/symbols/BTCUSD/tick").json()["time"] == SERVER_S
    assert http.get("/symbols/BTCUSD").json()["time"] == SERVER_S


def test_static_offset_shifts_every_time_by_one_constant(
    serve: Callable[..., httpx.Client],
) -> None:
    http = serve(utc_offset_s=10_800)
    assert http.get("/terminal").json()["broker_utc_offset_hours"] == 3
    assert http.get("/symbols/BTCUSD/tick").json()["time_msc"] == (SERVER_S - 10_800) * 1000
    bars = http.get("/symbols/BTCUSD/rates", params={"timeframe": "M15", "count": 2}).json()
    assert bars[-1]["time"] == SERVER_S - 10_800
    http.post("/orders", json=BUY)
    assert http.get("/positions").json()[0]["time"] == SERVER_S - 10_800
    around = {"from": SERVER_S - 10_801, "to": SERVER_S - 10_799}
    assert len(http.get("/history/deals", params=around).json()) == 2


def rates(http: httpx.Client, **params: Any) -> list[int]:
    answer = http.get("/symbols/BTCUSD/rates", params={"timeframe": "M15", **params})
    assert answer.status_code == 200, answer.text
    return [bar["time"] - SERVER_S for bar in answer.json()]


def test_last_bar_is_the_forming_one(http: httpx.Client, terminal: SimulatedTerminal) -> None:
    terminal.advance(START_MS + 1000)
    last = http.get("/symbols/BTCUSD/rates", params={"timeframe": "M15", "count": 3}).json()[-1]
    assert last["time"] == SERVER_S
    assert last["high"] == last["low"] == last["close"] == walk().open[50]


def test_count_and_from_and_to_choose_the_bars(http: httpx.Client) -> None:
    back = -5 * STEP_S
    assert rates(http, count=3) == [-2 * STEP_S, -STEP_S, 0]
    assert rates(http, count=-3) == [-2 * STEP_S, -STEP_S, 0]
    assert rates(http, **{"from": SERVER_S + back, "count": 2}) == [back, back + STEP_S]
    assert rates(http, **{"from": SERVER_S + back, "count": -2}) == [back - STEP_S, back]
    assert rates(http, **{"from": SERVER_S + back, "to": SERVER_S + back + STEP_S}) == [
        back, back + STEP_S,
    ]  # fmt: skip
    assert rates(http, count=0) == []
    assert rates(http, **{"from": "2024_12_30_02_00_00", "count": 1}) == [-50 * STEP_S]


@pytest.mark.parametrize(
    "query",
    ["from=1&to=2&count=3", "to=2", "from=x", "from=1&to=x", "from=9&to=1", "timeframe=M7",
     "count=x"],
)  # fmt: skip
def test_rates_query_that_makes_no_sense_is_400(http: httpx.Client, query: str) -> None:
    answer = http.get(f"/symbols/BTCUSD/rates?{query}")
    assert (answer.status_code, list(answer.json())) == (400, ["error"])


@pytest.mark.parametrize("path", ["", "/tick", "/rates"])
def test_unknown_symbol_is_404_in_json(http: httpx.Client, path: str) -> None:
    answer = http.get(f"/symbols/NOSUCH{path}")
    assert (answer.status_code, answer.json()) == (404, {"error": "Symbol NOSUCH not found"})


@pytest.mark.parametrize("query", ["", "?from=1", "?to=1", "?from=a&to=b"])
@pytest.mark.parametrize("path", ["/history/deals", "/history/orders"])
def test_history_needs_both_ends(http: httpx.Client, path: str, query: str) -> None:
    assert http.get(path + query).status_code == 400


def test_filled_order_is_201_with_the_packages_result(http: httpx.Client) -> None:
    answer = http.post("/orders", json=BUY)
    assert (answer.status_code, answer.json()["retcode"]) == (201, 10009)
    position = http.get("/positions").json()[0]
    assert (position["ticket"], position["magic"]) == (answer.json()["order"], 7)
    assert http.get("/positions", params={"symbol": "EURUSD"}).json() == []


def test_same_order_twice_is_done_twice(http: httpx.Client) -> None:
    for _ in range(2):
        assert http.post("/orders", json=BUY, headers={"Idempotency-Key": "k"}).status_code == 201
    assert len(http.get("/positions").json()) == 2


def test_rejected_order_is_200(http: httpx.Client) -> None:
    answer = http.post("/orders", json=BUY | {"volume": 0.015})
    assert (answer.status_code, answer.json()["retcode"]) == (200, 10014)


@pytest.mark.parametrize("retcode", [10008, 10010, 10019])
def test_every_retcode_but_10009_is_200(http: httpx.Client, mt5: Any, retcode: int) -> None:
    filled = NativeTerminal.order_send

    mt5.order_send = lambda request: filled(mt5, request)._replace(retcode=retcode)
    answer = http.post("/orders", json=BUY)
    assert (answer.status_code, answer.json()["retcode"]) == (200, retcode)


def test_order_without_an_answer_is_500_with_the_last_error(http: httpx.Client, mt5: Any) -> None:
    mt5.order_send, mt5.last_error = answers(None), answers((-10005, "IPC timeout"))
    answer = http.post("/orders", json=BUY)
    assert answer.status_code == 500
    assert answer.json() == {"error": "order_send failed: (-10005, 'IPC timeout')"}


@pytest.mark.parametrize(
    ("changes", "status"),
    [({"symbol": None}, 400), ({"type": None}, 400), ({"volume": None}, 400),
     ({"type": "SIDEWAYS"}, 400), ({"symbol": "NOSUCH"}, 404)],
)  # fmt: skip
def test_order_that_is_incomplete_is_not_sent(
    http: httpx.Client, terminal: SimulatedTerminal, changes: dict[str, Any], status: int
) -> None:
    body = {name: value for name, value in (BUY | changes).items() if value is not None}
    assert http.post("/orders", json=body).status_code == status
    assert terminal.positions() == ()


def test_body_that_is_no_json_is_an_html_page(http: httpx.Client) -> None:
    for body, kind, status in ((b"volume=1", "text/plain", 415), (b"{", "application/json", 400)):
        answer = http.post("/orders", content=body, headers={"Content-Type": kind})
        assert (answer.status_code, is_html(answer)) == (status, True)


def test_uncaught_error_is_an_html_page(http: httpx.Client, terminal: SimulatedTerminal) -> None:
    answer = http.post("/orders", json=BUY | {"volume": "much"})
    assert (answer.status_code, is_html(answer)) == (500, True)
    assert terminal.positions() == ()


def test_names_become_numbers_and_an_unknown_filling_is_dropped(
    http: httpx.Client, mt5: Any
) -> None:
    sent: list[dict[str, Any]] = []
    mt5.order_send = lambda request: sent.append(request)
    http.post("/orders", json=BUY | {"type": "sell_limit", "price": 70_000, "type_time": "DAY"})
    http.post("/orders", json=BUY | {"type_filling": "FOK"})
    http.post("/orders", json=BUY | {"type_filling": "BOGUS"})
    pending, fok, dropped = sent
    assert (pending["action"], pending["type"], pending["type_time"]) == (5, 3, 1)
    assert pending["type_filling"] == 1
    assert (fok["action"], fok["type_filling"]) == (1, 0)
    assert fok["price"] == http.get("/symbols/BTCUSD/tick").json()["ask"]
    assert "type_filling" not in dropped


def test_order_with_a_position_closes_it(http: httpx.Client) -> None:
    ticket = http.post("/orders", json=BUY).json()["order"]
    closed = http.post("/orders", json=BUY | {"type": "SELL", "position": ticket})
    assert (closed.status_code, http.get("/positions").json()) == (201, [])
    deals = http.get("/history/deals", params={"from": 0, "to": SERVER_S + 1}).json()
    assert (deals[-1]["entry"], deals[-1]["magic"], deals[-1]["position_id"]) == (1, 7, ticket)


def test_delete_closes_with_ioc_and_without_magic_and_comment(http: httpx.Client, mt5: Any) -> None:
    sent: list[dict[str, Any]] = []
    filled = NativeTerminal.order_send
    mt5.order_send = lambda request: sent.append(request) or filled(mt5, request)
    ticket = http.post("/orders", json=BUY).json()["order"]
    assert http.request("DELETE", f"/positions/{ticket}", json={"volume": 0.01}).status_code == 200
    assert http.delete(f"/positions/{ticket}").status_code == 200
    assert [(each["type_filling"], each["volume"]) for each in sent[1:]] == [(1, 0.01), (1, 0.01)]
    assert not any({"magic", "comment"} & set(each) for each in sent[1:])
    assert http.delete(f"/positions/{ticket}").status_code == 404


def test_delete_without_a_quote_is_an_uncaught_error(http: httpx.Client, mt5: Any) -> None:
    ticket = http.post("/orders", json=BUY).json()["order"]
    mt5.symbol_info_tick = answers(None)
    answer = http.delete(f"/positions/{ticket}")
    assert (answer.status_code, is_html(answer)) == (500, True)


def test_levels_are_set_and_those_left_out_stay(http: httpx.Client) -> None:
    ticket = http.post("/orders", json=BUY | {"sl": 50_000, "tp": 70_000}).json()["order"]
    assert http.put(f"/positions/{ticket}", json={"sl": 51_000}).status_code == 200
    there = http.get(f"/positions/{ticket}").json()
    assert (there["sl"], there["tp"]) == (51_000.0, 70_000.0)
    assert http.put(f"/positions/{ticket}", json={}).status_code == 400


def test_unchanged_levels_are_500_and_the_retcode_is_lost(http: httpx.Client) -> None:
    ticket = http.post("/orders", json=BUY | {"sl": 50_000}).json()["order"]
    answer = http.put(f"/positions/{ticket}", json={"sl": 50_000})
    assert (answer.status_code, list(answer.json())) == (500, ["error"])
    assert answer.json()["error"].startswith("Failed to update position: ")


@pytest.mark.parametrize("retcode", [10008, 10010, 10025])
def test_close_with_any_retcode_but_10009_is_500(
    http: httpx.Client, mt5: Any, retcode: int
) -> None:
    ticket = http.post("/orders", json=BUY).json()["order"]
    filled = NativeTerminal.order_send
    mt5.order_send = lambda request: filled(mt5, request)._replace(retcode=retcode, comment="why")
    answer = http.delete(f"/positions/{ticket}")
    assert (answer.status_code, answer.json()) == (500, {"error": "Failed to close position: why"})


def test_pending_order_is_placed_changed_and_cancelled(http: httpx.Client) -> None:
    limit = BUY | {"type": "BUY_LIMIT", "price": 50_000, "type_filling": "RETURN"}
    placed = http.post("/orders", json=limit)
    ticket = placed.json()["order"]
    assert placed.json()["retcode"] in (10008, 10009)
    assert [each["ticket"] for each in http.get("/orders").json()] == [ticket]
    assert http.put(f"/orders/{ticket}", json={"price": 49_000}).status_code == 200
    assert http.get(f"/orders/{ticket}").json()["price_open"] == 49_000.0
    assert http.delete(f"/orders/{ticket}").status_code == 200
    assert http.get(f"/orders/{ticket}").status_code == 404


def test_wrong_token_is_401_as_an_html_page(serve: Callable[..., httpx.Client]) -> None:
    http = serve("secret")
    assert http.get("/ping").status_code == 200
    for given in ("", "Bearer wrong", "secret"):
        answer = http.get("/ping", headers={"Authorization": given})
        assert (answer.status_code, is_html(answer)) == (401, True)


def test_prefix_is_the_proxys_and_nothing_is_beside_it(serve: Callable[..., httpx.Client]) -> None:
    http = serve(path_prefix="/roboforex/main")
    assert http.get("/roboforex/main/account").json()["login"] == 1_000_001
    assert http.get("/roboforex/main/_paper/clock").json()["now_msc"] == START_MS
    for path in ("/account", "/roboforex/mainaccount", "/roboforex/other/account"):
        answer = http.get(path)
        assert (answer.status_code, is_html(answer)) == (404, True)


def test_every_answer_of_a_paper_bridge_is_stamped(
    http: httpx.Client, terminal: SimulatedTerminal
) -> None:
    terminal.advance(START_MS + 5)
    for path in ("/ping", "/nowhere", "/symbols/NOSUCH"):
        assert http.get(path).headers["x-paper-now"] == str(START_MS + 5)


def test_only_executed_requests_are_saved(
    serve: Callable[..., httpx.Client], terminal: SimulatedTerminal
) -> None:
    saves: list[int] = []
    http = serve(save=lambda: saves.append(terminal.now_ms))
    http.post("/orders", json=BUY | {"volume": 0.015})
    assert saves == []
    http.post("/orders", json=BUY)
    assert len(saves) == 1
